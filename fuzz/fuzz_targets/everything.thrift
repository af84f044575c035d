// A type of everything, for the targets that need a schema.
enum Color { RED = 1, GREEN = 2, BLUE = -3 }

union Choice {
  1: i32 number,
  2: string text,
  3: Choice again,
}

struct Point {
  1: required double x,
  2: double y = 1.5,
}

struct Everything {
  1: bool flag,
  2: i8 tiny,
  3: i16 short,
  4: i32 middle (vt.ge = "-5", vt.lt = "100"),
  5: i64 large (api.js_conv = ""),
  6: double real (vt.ne = "$middle"),
  7: string text (vt.max_size = "20", api.key = "t"),
  8: binary data (vt.ne = "$text"),
  9: uuid id,
  10: Color color = Color.RED,
  11: list<i32> numbers (vt.max_size = "8"),
  12: set<double> reals,
  13: map<string, i64> counts,
  14: map<Point, list<bool>> points,
  15: map<Color, set<binary>> colors,
  16: Choice choice,
  17: Point point = {"x": 2},
  18: list<Everything> parts,
  19: optional i32 some = 7,
  20: string hidden = "h" (api.none = ""),
  21: map<bool, uuid> ids,
  22: set<list<i16>> lists (vt.min_size = "@len($ids)", vt.max_size = "$short"),
  300: i32 far,
}
