include "shared.thrift"
include "more/deep.thrift"
cpp_include "<vector>"
namespace py everything
namespace cpp trefoil.every
namespace c_glib every

typedef list<map<string, set<i64>>> Nested
typedef Later Forward
typedef i32 Count (unit = "one")
typedef map<shared.Paint, Count> Weights

enum Level {
  LOW
  MIDDLE = 0x10,
  HIGH;
  SAME = 16
}

const bool YES = true
const bool NO = 0
const byte SMALL = -128
const i16 SHORT = 32767
const i32 HEX = 0x7fffffff
const i64 LONG = 9223372036854775807
const double HALF = .5
const double WHOLE = 3
const double BIG = -1.25e+20
const double FROM_CONST = shared.ANSWER
const string TEXT = "a\tb"
const string ALIAS = TEXT
const binary RAW = "raw"
const Level LEVEL = Level.HIGH
const Level LEVEL_BY_NUMBER = 16
const i32 LEVEL_AS_NUMBER = Level.HIGH
const shared.Color COLOR = shared.Color.GREEN
const shared.Paint PAINT = shared.Color.RED
const i64 COLOR_AS_NUMBER = shared.Color.NONE
const list<i32> NUMBERS = [1, 2; HEX LEVEL_AS_NUMBER]
const set<string> WORDS = ["a", TEXT]
const map<i32, string> NAMES = {1: "one", -2: 'two',}
const Nested NEST = [{"a": [1, 2], "b": []}, {}]
const Weights WEIGHTS = {shared.Color.RED: 1, shared.Color.BLUE: HEX}
const shared.Point ORIGIN = {"x": 0, "y": 0}
const deep.Tree TREE = {
  "shape": {"point": {"x": 1, "y": 2}},
  "children": [{"flags": [7]}, {}],
  "named": {"root": {"children": []}}
}

struct Later {
  1: i32 a = LEVEL_AS_NUMBER
  2: optional double b = 1
  3: required string c = ALIAS
}

struct Everything {
  1: bool flag = 1
  2: i8 tiny
  3: i16 short_one = SHORT
  4: Count count = 7
  5: i64 big
  6: double real
  7: string text = "none"
  8: binary raw
  10: Forward forward
  9: shared.Color color = shared.Color.GREEN
  11: shared.Paint paint
  12: Nested nested
  13: deep.Shape shape
  14: list<Everything> self_list
  15: optional Everything & self_one
  16: map<Level, list<shared.Point>> levels = {Level.LOW: [{"x": 1}]}
  i32 without_id
  -7: i32 negative
  32767: string last (deprecated, note = "x", note = "y")
} (struct_note = "z")

union Either { 1: i32 left; 2: string right = "r" }

exception Failed { 1: i32 code = Level.MIDDLE, 2: optional shared.Point info }

service Main extends shared.Base {
  Everything get(1: i32 id, 2: Either either) throws (1: Failed failed, 2: shared.NotFound missing)
  oneway void tell(1: required string text)
  list<shared.Point> points(1: optional shared.Color color = shared.Color.RED, Weights weights)
  void nothing() (note = "n")
}

service Other extends Main { async void more() }
