// Transports and protocols of the Node.js library, by the names that the harness uses.
"use strict";

const { readFileSync } = require("node:fs");
const { dirname, join } = require("node:path");
const thrift = require("thrift");

/** The library's binary protocol takes what it writes from arguments that its connections do not give. */
class OldBinaryProtocol extends thrift.TBinaryProtocol {
  constructor(transport) {
    super(transport, false, false);
  }
}

const PROTOCOLS = {
  binary: thrift.TBinaryProtocol,
  "binary-old": OldBinaryProtocol,
  compact: thrift.TCompactProtocol,
  json: thrift.TJSONProtocol,
};
const TRANSPORTS = {
  buffered: thrift.TBufferedTransport,
  framed: thrift.TFramedTransport,
  tls: thrift.TFramedTransport,
  unix: thrift.TFramedTransport,
  // The header protocol has its own frames.
  header: thrift.TBufferedTransport,
  http: thrift.TBufferedTransport,
  https: thrift.TBufferedTransport,
  websocket: thrift.TBufferedTransport,
  wss: thrift.TBufferedTransport,
};
const HEADER_PROTOCOLS = { binary: 0, compact: 2 };

/** What the library's connections and servers are made with. */
function options({ transport, protocol }) {
  const chosen = {
    transport: TRANSPORTS[transport],
    protocol: transport === "header" ? thrift.THeaderProtocol : PROTOCOLS[protocol],
  };
  if (!chosen.transport || !chosen.protocol) {
    throw new Error(`the Node.js library has no ${protocol} over ${transport}`);
  }
  return chosen;
}

function authority(words) {
  return readFileSync(words.ca);
}

/** What a server within TLS shows, and asks for. Its files are beside those of the authority. */
function secured(words) {
  const read = (name) => readFileSync(join(dirname(words.ca), name));
  const shown = { cert: read("server.pem"), key: read("server.key") };
  return { ...shown, ca: authority(words), requestCert: true, rejectUnauthorized: true };
}

/** A connection, as the library has it, that has a `failure`: a promise that is rejected when it breaks. */
function connect(host, port, words) {
  const chosen = options(words);
  const web = { ...chosen, path: "/thrift" };
  const connection = {
    http: () => thrift.createHttpConnection(host, port, web),
    https: () => thrift.createHttpConnection(host, port, { ...web, https: true, nodeOptions: { ca: authority(words) } }),
    websocket: () => thrift.createWSConnection(host, port, web),
    wss: () => thrift.createWSConnection(host, port, { ...web, secure: true, wsOptions: { ca: authority(words) } }),
    tls: () => thrift.createSSLConnection(host, port, { ...chosen, ca: authority(words) }),
    unix: () => thrift.createUDSConnection(words.address, chosen),
  }[words.transport]?.() ?? thrift.createConnection(host, port, chosen);
  connection.failure = new Promise((_, reject) => {
    connection.on("error", (error) => reject(error instanceof Error ? error : new Error(error.message ?? String(error))));
    connection.on("close", () => reject(new Error("the connection was closed")));
  });
  connection.failure.catch(() => {});
  if (["websocket", "wss"].includes(words.transport)) connection.open();
  return connection;
}

function client(service, connection, { transport, protocol, multiplex }) {
  const made = multiplex
    ? new thrift.Multiplexer().createClient(multiplex, service, connection)
    : thrift.createClient(service, connection);
  if (transport === "header") made.output.setProtocolId(HEADER_PROTOCOLS[protocol]);
  return made;
}

function words(argv) {
  const found = { address: argv[0], transport: "buffered", protocol: "binary", multiplex: "" };
  for (let index = 1; index < argv.length; index += 2) found[argv[index].slice(2)] = argv[index + 1];
  return found;
}

module.exports = { client, connect, options, secured, words };
