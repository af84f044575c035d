// Reads messages `in/<n>.<protocol>` and writes each in every protocol: `out/<n>.<from>.<to>`.
const fs = require("node:fs");
const thrift = require("thrift");
const { All } = require("./gen-nodejs/all_types");

const PROTOCOLS = {
  binary: thrift.TBinaryProtocol,
  compact: thrift.TCompactProtocol,
  json: thrift.TJSONProtocol,
};

function read(bytes, Protocol) {
  const value = new All();
  let isRead = false;
  thrift.TBufferedTransport.receiver((transport) => {
    const protocol = new Protocol(transport);
    const header = protocol.readMessageBegin();
    if (header.fname !== "all" || header.mtype !== 1 || header.rseqid !== 7) {
      throw new Error(`header ${JSON.stringify(header)}`);
    }
    value.read(protocol);
    protocol.readMessageEnd();
    isRead = true;
  })(bytes);
  if (!isRead) {
    throw new Error("the message is not whole");
  }
  return value;
}

function write(value, Protocol) {
  let written = null;
  const transport = new thrift.TBufferedTransport(null, (bytes) => {
    written = bytes;
  });
  const protocol = new Protocol(transport);
  protocol.writeMessageBegin("all", 1, 7);
  value.write(protocol);
  protocol.writeMessageEnd();
  protocol.flush();
  return written;
}

for (let number = 0; number < Number(process.argv[2]); number += 1) {
  for (const [from, Reader] of Object.entries(PROTOCOLS)) {
    const value = read(fs.readFileSync(`in/${number}.${from}`), Reader);
    for (const [to, Writer] of Object.entries(PROTOCOLS)) {
      fs.writeFileSync(`out/${number}.${from}.${to}`, write(value, Writer));
    }
  }
}
