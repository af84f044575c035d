/**
 * What stock clients and servers of every language say to each other through Trefoil. Every method is an echo where nothing
 * else is said; the constants are the values that clients send.
 */

namespace cpp conformance
namespace java conformance
namespace go conformance
namespace py conformance

typedef i64 Moment
typedef list<string> Words

enum Color {
  RED = 1,
  GREEN,
  BLUE = 70000,
}

struct Small {
  1: i32 number,
  2: string text,
}

/** May be the key of a map. */
struct Key {
  1: i32 number,
  2: string text,
} (python.immutable = "")

struct Scalars {
  1: bool yes,
  2: bool no,
  3: i8 tiny,
  4: i16 short_,
  5: i32 middle,
  6: i64 long_,
  7: double real,
  8: string text,
  9: binary raw,
  10: Color color,
  11: Moment moment,
}

/** Ids in no order and far apart. */
struct Spread {
  1500: i32 last,
  1: i32 first,
  200: bool flag,
  16: string text,
  2: bool other,
  17: optional i64 absent,
}

struct Containers {
  1: list<i64> longs,
  2: set<string> words,
  3: map<string, i32> counts,
  4: map<Color, string> names,
  5: map<string, list<set<i32>>> nested,
  6: list<list<string>> table,
  7: list<Small> smalls,
  8: map<i32, map<i32, Small>> grid,
  9: set<Color> colors,
  10: list<map<string, double>> samples,
  11: Words aliases,
  12: list<binary> blobs,
}

union Choice {
  1: string text,
  2: i64 number,
  3: Small small,
  4: list<i32> numbers,
  5: bool flag,
}

struct Tree {
  1: string name,
  2: list<Tree> children,
}

struct Chain {
  1: i32 number,
  2: optional Chain & rest,
}

struct Defaults {
  1: bool flag = true,
  2: i32 number = 42,
  3: string text = "as it was",
  4: double real = 2.5,
  5: list<i32> numbers = [1, 2, 3],
  6: Color color = Color.GREEN,
  7: i64 remembered = 7,
  8: required string needed = "needed",
}

struct Optionals {
  1: optional bool flag,
  2: optional i32 number,
  3: optional string text,
  4: optional list<i32> numbers,
  5: optional Small small,
  6: required i32 always,
}

/** What a caller of a later version of the contract knows more: see `newer.thrift`. */
struct Narrow {
  1: i32 number,
  3: string text,
}

struct Everything {
  1: required Scalars scalars,
  2: Containers containers,
  3: Choice choice,
  4: Tree tree,
  5: Spread spread,
  6: optional Chain chain,
  7: list<Choice> choices,
}

struct Arguments {
  1: bool flag,
  2: i8 tiny,
  3: i16 short_,
  4: i32 middle,
  5: i64 long_,
  6: double real,
  7: string text,
  8: binary raw,
  9: Color color,
  10: Words words,
  11: Small small,
}

// Lines that begin like the next one are for what knows the type: Trefoil, and code that is written by hand.
//+ struct Uuids {
//+   1: uuid one,
//+   2: list<uuid> many,
//+   3: map<uuid, i32> keyed,
//+ }

exception Refused {
  1: string reason,
  2: i32 code,
}

exception Broken {
  1: Small detail,
  2: list<string> steps,
}

const Scalars EXTREMES = {
  "yes": true,
  "no": false,
  "tiny": -128,
  "short_": -32768,
  "middle": -2147483647,
  "long_": 9007199254740991,
  "real": -1234.5,
  "text": "Ünïcödé 𝄞 \"quoted\" back\\slash\nline\ttab",
  "raw": "raw",
  "color": Color.BLUE,
  "moment": -1,
}

const Spread SPREAD = {"last": 5, "first": -1, "flag": true, "text": "sixteen", "other": true}

const Containers CONTAINERS = {
  "longs": [0, -1, 1, 9007199254740991, -9007199254740991],
  "words": ["one", "two", "", "drei"],
  "counts": {"a": 1, "b": -2, "zwölf": 12},
  "names": {Color.RED: "red", Color.BLUE: "blue"},
  "nested": {"x": [[1, 2, 3], []], "y": [], "z": [[-1]]},
  "table": [["a", "b"], [], [""]],
  "smalls": [{"number": 1, "text": "one"}, {"number": 2, "text": "two"}],
  "grid": {1: {2: {"number": 3, "text": "four"}}, 5: {}},
  "colors": [Color.GREEN, Color.BLUE],
  "samples": [{"pi": 3.25, "e": -2.75}, {}],
  "aliases": ["x", "y"],
  "blobs": ["b1", "", "b2"],
}

const Containers EMPTY = {
  "longs": [],
  "words": [],
  "counts": {},
  "names": {},
  "nested": {},
  "table": [],
  "smalls": [],
  "grid": {},
  "colors": [],
  "samples": [],
  "aliases": [],
  "blobs": [],
}

service Base {
  void ping(),
  /** The language that the server is written in. */
  string describe(),
}

service Conformance extends Base {
  bool echoBool(1: bool value),
  i8 echoTiny(1: i8 value),
  i16 echoShort(1: i16 value),
  i32 echoMiddle(1: i32 value),
  i64 echoLong(1: i64 value),
  double echoDouble(1: double value),
  string echoString(1: string value),
  binary echoBinary(1: binary value),
  Color echoColor(1: Color value),
  Moment echoMoment(1: Moment value),

  Scalars echoScalars(1: Scalars value),
  Spread echoSpread(1: Spread value),
  Containers echoContainers(1: Containers value),
  Choice echoChoice(1: Choice value),
  Tree echoTree(1: Tree value),
  Chain echoChain(1: Chain value),
  Defaults echoDefaults(1: Defaults value),
  /** A new one, as the server's library makes it. */
  Defaults makeDefaults(),
  Optionals echoOptionals(1: Optionals value),
  Narrow echoNarrow(1: Narrow value),
  Everything echoEverything(1: Everything value),

  list<bool> echoFlags(1: list<bool> value),
  list<i32> echoList(1: list<i32> value),
  set<string> echoSet(1: set<string> value),
  map<string, i32> echoMap(1: map<string, i32> value),
  map<Color, string> echoColorMap(1: map<Color, string> value),
  map<i64, string> echoLongMap(1: map<i64, string> value),
  map<Key, string> echoKeyMap(1: map<Key, string> value),
  map<string, list<set<i32>>> echoNested(1: map<string, list<set<i32>>> value),

  //+ Uuids echoUuids(1: Uuids value),

  /** Its arguments, as a struct. The ids are in another order than the names. */
  Arguments collect(
    11: bool flag, 2: i8 tiny, 9: i16 short_, 4: i32 middle, 5: i64 long_, 6: double real,
    7: string text, 8: binary raw, 3: Color color, 10: Words words, 1: Small small),

  /** 0: the number 1; 1: Refused; 2: Broken. */
  i32 attempt(1: i32 how) throws (1: Refused refused, 2: Broken broken),
  /** 0: nothing; 1: Refused; 2: Broken; 3: an exception that is not declared. */
  void demand(1: i32 how) throws (1: Refused refused, 7: Broken broken),

  /** Adds to what `noted` says. */
  oneway void note(1: string key, 2: i32 amount),
  i32 noted(1: string key),
} (trefoil.key = "interop/conformance", trefoil.version = "1.0.0")
