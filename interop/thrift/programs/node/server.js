// All methods of the contract with the Node.js library. Prints its port.
"use strict";

const thrift = require("thrift");
const Conformance = require("./gen/Conformance");
const types = require("./gen/conformance_types");
const { Processor } = require("./uuids");
const dialects = require("./dialects");

const noted = new Map();

/** A handler with as many parameters as the method has arguments returns; one more would be a callback. */
const handler = {
  ping() {},
  describe: () => "node",
  makeDefaults: () => new types.Defaults(),
  collect: (flag, tiny, short_, middle, long_, real, text, raw, color, words, small) =>
    new types.Arguments({ flag, tiny, short_, middle, long_, real, text, raw, color, words, small }),
  attempt: async (how) => {
    await handler.demand(how);
    return 1;
  },
  // What a handler throws without a promise is not caught by the generated code.
  demand: async (how) => {
    if (how === 1) throw new types.Refused({ reason: "no", code: 7 });
    if (how === 2) throw new types.Broken({ detail: new types.Small({ number: 1, text: "it" }), steps: ["a", "b"] });
    if (how === 3) throw new Error("not declared");
  },
  note: (key, amount) => noted.set(key, (noted.get(key) ?? 0) + amount),
  noted: (key) => noted.get(key) ?? 0,
};
for (const name of Object.getOwnPropertyNames(Conformance.Client.prototype)) {
  if (name.startsWith("echo")) handler[name] = (value) => value;
}

const words = dialects.words(process.argv.slice(2));
const options = dialects.options(words);
if (words.ca) options.tls = dialects.secured(words);
let processor = new Processor(handler);
if (words.multiplex) {
  const several = new thrift.MultiplexedProcessor();
  several.registerProcessor(words.multiplex, processor);
  processor = several;
}
const server =
  ["http", "https", "websocket", "wss"].includes(words.transport)
    ? thrift.createWebServer({ tls: options.tls, services: { "/thrift": { ...options, processor: Processor, handler } } })
    : thrift.createMultiplexServer(processor, options);
server.on("error", (error) => console.error(error));
server.listen(Number(words.address), "127.0.0.1", () => console.log(server.address().port));
