/** What several contracts use. */
namespace py shared
namespace java org.example.shared

/** A point. */
struct Point {
  1: required i32 x (vt.ge = "0")
  2: required i32 y = 7
  3: optional string label
}

enum Color { RED, GREEN = 5, BLUE, NONE = -1 }

typedef i64 Stamp
typedef Color Paint
typedef list<Point> Path

const i32 ANSWER = 42
const string GREETING = "it's \"me\"\n"
const Color FAVOURITE = Color.BLUE
const Path TRIANGLE = [{"x": 0, "y": 0}, {"x": 1}, {"x": 1, "y": 1, "label": "top"}]

exception NotFound {
  1: string what
  2: list<string> near = ["here", 'there']
}

service Base {
  void ping()
  oneway void log(1: string text, 2: Stamp at = 0)
}
