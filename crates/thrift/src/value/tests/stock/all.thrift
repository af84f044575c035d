enum E { A = 1, B = 2 }
union U { 1: i32 a; 2: string b }
struct In { 1: optional bool b; 2: optional list<bool> bs; 3: optional map<string, double> m }
struct All {
  1: optional bool b; 2: optional i8 c; 3: optional i16 d; 4: optional i32 e; 5: optional i64 f; 6: optional double g;
  7: optional string h; 8: optional binary i; 9: optional E j; 10: optional In k; 11: optional list<In> l;
  12: optional set<i32> n; 13: optional map<i32, In> o; 14: optional list<string> p; 15: optional map<bool, i8> q;
  40: optional bool r; 41: optional list<list<i64>> s; 100: optional map<string, list<binary>> t; 101: optional list<double> u;
  200: optional U v; 30000: optional set<string> w
}
