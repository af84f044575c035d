// All checks with the Node.js library, against the server at an address.
"use strict";

const { randomUUID } = require("node:crypto");
const { setTimeout: sleep } = require("node:timers/promises");
const thrift = require("thrift");
const Later = require("./gen/Later");
const types = require("./gen/conformance_types");
const newer = require("./gen/newer_types");
const { Client, Uuids } = require("./uuids");
const dialects = require("./dialects");

const WORDS = dialects.words(process.argv.slice(2));
const SECONDS = 10;
const { Color, Choice, Small, Tree, Chain, Optionals, Defaults } = types;

const long = (text) => thrift.fromBigInt(BigInt(text));
const bytes = Buffer.from(Array.from({ length: 256 }, (_, index) => index));

/** One text for equal values: i64 as numbers, no members that are not set, keys in order. */
function plain(value) {
  if (value instanceof thrift.Int64) return String(thrift.toBigInt(value));
  if (Buffer.isBuffer(value)) return `0x${value.toString("hex")}`;
  if (Array.isArray(value)) return `[${value.map(plain)}]`;
  if (value && typeof value === "object") {
    const members = Object.entries(value).filter(([, member]) => member !== null && member !== undefined);
    return `{${members.map(([key, member]) => `${key}:${plain(member)}`).sort()}}`;
  }
  if (Object.is(value, -0)) return "-0";
  return typeof value === "string" ? JSON.stringify(value) : String(value);
}

function same(found, wanted) {
  if (plain(found) !== plain(wanted)) throw new Error(`${plain(found).slice(0, 300)} is not ${plain(wanted).slice(0, 300)}`);
}

/** A set is an array here; servers have it in an order of their own. */
function sameSet(found, wanted) {
  same(found.map(plain).sort(), wanted.map(plain).sort());
}

async function echoes(call, ...values) {
  for (const value of values) same(await call(value), value);
}

async function raises(kind, call) {
  try {
    await call();
  } catch (error) {
    if (error instanceof kind) return error;
    throw error;
  }
  throw new Error(`no ${kind.name}`);
}

/** The library never fails a call whose connection broke: its promises race with the connection's. */
function guarded(service) {
  const connection = dialects.connect(...splitAddress(), WORDS);
  const client = dialects.client(service, connection, WORDS);
  const calls = new Proxy(client, {
    get: (target, name) => async (...values) => {
      const late = new AbortController();
      const timeout = sleep(SECONDS * 1000, null, { signal: late.signal }).then(
        () => { throw new Error(`no answer within ${SECONDS} s`); },
        () => {},
      );
      try {
        return await Promise.race([target[name](...values), connection.failure, timeout]);
      } finally {
        late.abort();
      }
    },
  });
  return { calls, raw: client, connection };
}

function splitAddress() {
  const colon = WORDS.address.lastIndexOf(":");
  return [WORDS.address.slice(0, colon), Number(WORDS.address.slice(colon + 1))];
}

let open = [];
let c;

function reopen() {
  for (const { connection } of open) {
    connection.removeAllListeners("close");
    (connection.end ?? connection.close ?? (() => {})).call(connection);
  }
  open = [guarded(Client)];
  c = open[0].calls;
}

/** A connection of the library has one client. */
function later() {
  const made = guarded(Later);
  open.push(made);
  return made.calls;
}

/** Binary constants are strings in the generated code. */
const EXTREMES = new types.Scalars({ ...types.EXTREMES, raw: Buffer.from("raw") });
const CONTAINERS = new types.Containers({ ...types.CONTAINERS, blobs: ["b1", "", "b2"].map((blob) => Buffer.from(blob)) });

function sameContainers(found, wanted) {
  const rest = (value) => ({ ...value, words: null, colors: null, nested: null });
  same(rest(found), rest(wanted));
  sameSet(found.words, wanted.words);
  sameSet(found.colors, wanted.colors);
  same(Object.keys(found.nested).sort(), Object.keys(wanted.nested).sort());
  for (const key of Object.keys(wanted.nested)) sameSet(found.nested[key].map((set) => [...set].sort()), wanted.nested[key].map((set) => [...set].sort()));
}

const CHECKS = {
  ping: async () => same(await c.ping(), undefined),
  describe: async () => {
    if (!(await c.describe())) throw new Error("the server has no name");
  },
  bools: () => echoes(c.echoBool, true, false),
  tiny: () => echoes(c.echoTiny, 0, 1, -1, 127, -128),
  short: () => echoes(c.echoShort, 0, 1, -1, 32767, -32768),
  middle: () => echoes(c.echoMiddle, 0, 1, -1, 2147483647, -2147483648),
  long: async () => {
    const texts = ["0", "1", "-1", "9007199254740992", "-9007199254740993", "9223372036854775807", "-9223372036854775808"];
    await echoes(c.echoLong, ...texts.map(long));
    await echoes(c.echoMoment, long("1700000000000"));
  },
  doubles: () => echoes(c.echoDouble, 0, 1.5, -1e300, 5e-324, Number.MAX_VALUE, 0.1),
  special_doubles: () => echoes(c.echoDouble, Infinity, -Infinity, NaN),
  negative_zero: () => echoes(c.echoDouble, -0),
  strings: () => echoes(c.echoString, "", "plain", "Ünïcödé 漢字 𝄞", 'a "quote", a back\\slash and a /'),
  control_characters: () => echoes(c.echoString, "\n\t\r\b\f", "\x01\x1f\x7f"),
  nul_character: () => echoes(c.echoString, "nul\0inside"),
  binaries: () => echoes(c.echoBinary, Buffer.alloc(0), Buffer.from([0]), Buffer.from([255, 254]), bytes),
  large_string: () => echoes(c.echoString, "0123456789abcdeü".repeat(65536)),
  large_binary: () => echoes(c.echoBinary, Buffer.concat(Array(4096).fill(bytes))),
  enums: () => echoes(c.echoColor, Color.RED, Color.GREEN, Color.BLUE),
  scalars: () => echoes(c.echoScalars, EXTREMES),
  spread: () => echoes(c.echoSpread, types.SPREAD),
  containers: async () => sameContainers(await c.echoContainers(CONTAINERS), CONTAINERS),
  empty_containers: async () => {
    await echoes(c.echoContainers, types.EMPTY);
    await echoes(c.echoList, []);
    await echoes(c.echoSet, []);
    await echoes(c.echoMap, {});
  },
  lists: () => echoes(c.echoList, [1], [...Array(14).keys()], [...Array(15).keys()], [-8, -1, 0, 7]),
  flags: () => echoes(c.echoFlags, [true], [false], [true, false, true, true, false]),
  long_list: () => echoes(c.echoList, Array.from({ length: 50000 }, (_, number) => number * 7919)),
  sets: async () => {
    for (const set of [["a"], ["", "b", "ü"]]) sameSet(await c.echoSet(set), set);
  },
  maps: () => echoes(c.echoMap, { a: 1 }, { b: 0, zwölf: 12, '"': -1 }),
  empty_key: () => echoes(c.echoMap, { "": 1 }, { "": 0, b: 2 }),
  enum_keys: () => echoes(c.echoColorMap, { [Color.RED]: "red", [Color.BLUE]: "blue" }),
  long_keys: () => echoes(c.echoLongMap, { 0: "zero", "-1": "before", "9223372036854775807": "last", "-9223372036854775808": "first" }),
  struct_keys: () => {
    throw new Error("keys of objects are strings");
  },
  nested: async () => {
    const found = await c.echoNested({ x: [[1, 2], []], z: [], y: [[-1]] });
    same(Object.keys(found).sort(), ["x", "y", "z"]);
    same([found.x.length, found.y.length, found.z.length], [2, 1, 0]);
    sameSet(found.x[0], [1, 2]);
    same([found.x[1], found.y[0]], [[], [-1]]);
  },
  unions: () => echoes(
    c.echoChoice,
    new Choice({ text: "a" }),
    new Choice({ number: long(-(2n ** 40n)) }),
    new Choice({ small: new Small({ number: 1, text: "b" }) }),
    new Choice({ numbers: [1, 2] }),
    new Choice({ flag: false }),
  ),
  recursion: async () => {
    let tree = new Tree({ name: "leaf", children: [] });
    let chain;
    for (let level = 0; level < 20; level += 1) {
      tree = new Tree({ name: `level ${level}`, children: [tree, new Tree({ name: "side", children: [] })] });
      chain = new Chain({ number: level, rest: chain });
    }
    await echoes(c.echoTree, tree);
    await echoes(c.echoChain, chain);
  },
  everything: async () => {
    const value = new types.Everything({
      scalars: EXTREMES,
      containers: CONTAINERS,
      choice: new Choice({ text: "chosen" }),
      tree: new Tree({ name: "root", children: [] }),
      spread: types.SPREAD,
      choices: [new Choice({ number: long(1) }), new Choice({ flag: true })],
    });
    const found = await c.echoEverything(value);
    sameContainers(found.containers, value.containers);
    same({ ...found, containers: null }, { ...value, containers: null });
  },
  defaults: async () => {
    await echoes(c.echoDefaults, new Defaults());
    same(await c.makeDefaults(), new Defaults());
  },
  optionals: async () => {
    await echoes(c.echoOptionals, new Optionals({ always: 1 }));
    const small = new Small({ number: 0, text: "" });
    await echoes(c.echoOptionals, new Optionals({ flag: false, number: 0, text: "", numbers: [], small, always: 0 }));
  },
  arguments: async () => {
    const small = new Small({ number: 10, text: "ten" });
    const values = [true, -1, 2, -3, long(4), 0.5, "six", Buffer.from([7]), Color.GREEN, ["nine"], small];
    const names = ["flag", "tiny", "short_", "middle", "long_", "real", "text", "raw", "color", "words", "small"];
    same(await c.collect(...values), Object.fromEntries(names.map((name, index) => [name, values[index]])));
  },
  exceptions: async () => {
    same(await c.attempt(0), 1);
    refused(await raises(types.Refused, () => c.attempt(1)));
    broken(await raises(types.Broken, () => c.attempt(2)));
  },
  void_exceptions: async () => {
    same(await c.demand(0), undefined);
    refused(await raises(types.Refused, () => c.demand(1)));
    broken(await raises(types.Broken, () => c.demand(2)));
    same(await c.demand(0), undefined);
  },
  undeclared_exception: () => raises(thrift.Thrift.TApplicationException, () => c.demand(3)),
  unknown_method: async () => {
    const client = later();
    for (const text of ["x", "the connection can still be used"]) {
      const error = await raises(thrift.Thrift.TApplicationException, () => client.added(text));
      same(error.type, thrift.Thrift.TApplicationExceptionType.UNKNOWN_METHOD);
    }
  },
  uuids: async () => {
    const [one, two] = ["00112233-4455-6677-8899-aabbccddeeff", "00000000-0000-0000-0000-000000000000"];
    await echoes(c.echoUuids, new Uuids({ one, many: [two, one], keyed: { [one]: 1, [two]: -2 } }));
    await echoes(c.echoUuids, new Uuids({ one: two, many: [], keyed: {} }));
  },
  unknown_fields: async () => {
    const inner = new newer.Wide({ number: 4, unknown: [], text: "five", flag: true });
    const value = new newer.Wide({ number: 1, unknown: [{ 2: "three" }], text: "text", inner, flag: true });
    const found = await later().echoNarrow(value);
    same([found.number, found.text], [1, "text"]);
    await echoes(c.echoNarrow, new types.Narrow({ number: 2, text: "narrow" }));
  },
  oneway: async () => {
    const key = randomUUID();
    // The library has no promise of what is never answered.
    for (const amount of [1, 2, 3]) open[0].raw.note(key, amount);
    const end = Date.now() + 5000;
    for (;;) {
      const noted = await c.noted(key);
      if (noted === 6) return;
      if (Date.now() > end) throw new Error(`noted ${noted} instead of 6`);
      await sleep(10);
    }
  },
  sequence: async () => {
    for (let number = 0; number < 100; number += 1) same(await c.echoMiddle(number), number);
  },
};

function refused({ reason, code }) {
  same({ reason, code }, { reason: "no", code: 7 });
}

function broken({ detail, steps }) {
  same({ detail, steps }, { detail: { number: 1, text: "it" }, steps: ["a", "b"] });
}

async function main() {
  const failed = {};
  let running = "";
  // What the library throws in a listener of its own belongs to the call that waits.
  process.on("uncaughtException", (error) => {
    failed[running] = `uncaught: ${error.message}`.slice(0, 600);
  });
  reopen();
  for (const [name, check] of Object.entries(CHECKS)) {
    running = name;
    try {
      await check();
    } catch (error) {
      failed[name] ??= `${error.name}: ${error.message}`.slice(0, 600);
    }
    // What is left on the connection is unknown.
    if (failed[name]) reopen();
  }
  console.log(JSON.stringify({ checks: Object.keys(CHECKS).length, failed }));
  process.exit(Object.keys(failed).length ? 1 : 0);
}

main();
