// What the compiler would write for `echoUuids`, if it knew the type: the library does.
"use strict";

const { Thrift } = require("thrift");
const Conformance = require("./gen/Conformance");

const { UUID, LIST, MAP, I32, STRUCT, STOP } = Thrift.Type;

class Uuids {
  constructor({ one, many, keyed } = {}) {
    Object.assign(this, { one, many, keyed });
  }

  read(input) {
    fields(input, {
      1: () => { this.one = input.readUuid(); },
      2: () => { this.many = Array.from({ length: input.readListBegin().size }, () => input.readUuid()); input.readListEnd(); },
      3: () => {
        const { size } = input.readMapBegin();
        this.keyed = {};
        for (let index = 0; index < size; index += 1) {
          const key = input.readUuid();
          this.keyed[key] = input.readI32();
        }
        input.readMapEnd();
      },
    });
  }

  write(output) {
    output.writeStructBegin("Uuids");
    field(output, "one", UUID, 1, () => output.writeUuid(this.one));
    field(output, "many", LIST, 2, () => {
      output.writeListBegin(UUID, this.many.length);
      for (const uuid of this.many) output.writeUuid(uuid);
      output.writeListEnd();
    });
    field(output, "keyed", MAP, 3, () => {
      const pairs = Object.entries(this.keyed);
      output.writeMapBegin(UUID, I32, pairs.length);
      for (const [uuid, number] of pairs) {
        output.writeUuid(uuid);
        output.writeI32(number);
      }
      output.writeMapEnd();
    });
    output.writeFieldStop();
    output.writeStructEnd();
  }
}

/** A struct whose one field is such a struct: arguments and results. */
class Around {
  constructor(id, value) {
    Object.assign(this, { id, value });
  }

  read(input) {
    fields(input, { [this.id]: () => { this.value = new Uuids(); this.value.read(input); } });
  }

  write(output) {
    output.writeStructBegin("Around");
    field(output, "value", STRUCT, this.id, () => this.value.write(output));
    output.writeFieldStop();
    output.writeStructEnd();
  }
}

function field(output, name, type, id, write) {
  output.writeFieldBegin(name, type, id);
  write();
  output.writeFieldEnd();
}

function fields(input, readers) {
  input.readStructBegin();
  for (;;) {
    const { ftype, fid } = input.readFieldBegin();
    if (ftype === STOP) break;
    if (readers[fid]) readers[fid]();
    else input.skip(ftype);
    input.readFieldEnd();
  }
  input.readStructEnd();
}

function message(output, kind, sequence, body) {
  output.writeMessageBegin("echoUuids", kind, sequence);
  body.write(output);
  output.writeMessageEnd();
}

class Client extends Conformance.Client {
  echoUuids(value) {
    const sequence = this.new_seqid();
    return new Promise((resolve, reject) => {
      this._reqs[sequence] = (error, result) => (error ? reject(error) : resolve(result));
      message(new this.pClass(this.output), Thrift.MessageType.CALL, sequence, new Around(1, value));
      this.output.flush();
    });
  }

  recv_echoUuids(input, kind, sequence) {
    const callback = this._reqs[sequence];
    delete this._reqs[sequence];
    const isError = kind === Thrift.MessageType.EXCEPTION;
    const result = isError ? new Thrift.TApplicationException() : new Around(0);
    result.read(input);
    input.readMessageEnd();
    return isError ? callback(result) : callback(null, result.value);
  }
}

class Processor extends Conformance.Processor {
  process_echoUuids(sequence, input, output) {
    const given = new Around(1);
    given.read(input);
    input.readMessageEnd();
    message(output, Thrift.MessageType.REPLY, sequence, new Around(0, given.value));
    output.flush();
  }
}

module.exports = { Client, Processor, Uuids };
