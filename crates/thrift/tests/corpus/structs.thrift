enum Letter { A, B }
struct Empty {}
struct Separators { 1: i32 a, 2: i32 b; 3: i32 c 4: i32 d }
struct Tight{1:i32 a 2:list<Empty>b,3:map<i32,string>c}
struct Requiredness { 1: required i32 a, 2: optional i32 b, 3: i32 c, required i32 d, optional i32 e }
struct Ids { i32 a, 5: i32 b, i32 c, -1: i32 d, 0x10: i32 e, true: i32 f, 32767: i32 g }
struct Defaults {
  1: bool a = true,
  2: i8 b = 1,
  3: i32 c = -0x5,
  4: double d = 1.5,
  5: string e = "text",
  6: list<string> f = ["a", "b"],
  7: map<string, i32> g = {"a": 1},
  8: Empty h = {},
  9: optional set<i32> i = [],
  10: Letter j = Letter.B,
  11: binary k = "bytes",
}
struct Recursive { 1: Recursive & inner, 2: optional list<Recursive> & all, 3: map<string, Recursive> by_name }
struct Forward { 1: Later later, 2: list<Later> list_of }
struct Later { 1: Letter letter }
struct Annotated {
  1: i32 a (k = "v"),
  2: string (on.type = "x") b (on.field = "y"; bare, last = 'z')
  3: list<i32 (deep)> (outer = "o") c ()
  4: i32 d = 5 (with = "default"),
} (of.the = "struct", repeated = "1", repeated = "2", bare)
struct Xsd xsd_all {
  1: i32 a xsd_optional,
  2: i32 b = 2 xsd_nillable xsd_attrs { 1: string c, 2: i32 d = 1 } (k = "v"),
  3: i32 e xsd_optional xsd_nillable
}
union Union { 1: i32 a, 2: string b, 3: Union c } (of.the = "union")
union UnionXsd xsd_all { 1: i32 a = 5 }
exception Problem { 1: string message, 2: optional i32 code = 5 } (of.the = "exception")
struct Words { 1: i32 package_, 2: i32 structs, 3: i32 list2, 4: i32 i33, 5: i32 e10, 6: i32 _, 7: i32 __x9 }
