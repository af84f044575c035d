enum Empty {}
enum Automatic { A, B, C }
enum Mixed { A = 5, B, C = 0x10; D E = 1 F, }
enum Negative { A = -2, B, C, D = -0x10 }
enum Bounds { LEAST = -2147483648, GREATEST = 2147483647 }
enum Booleans { NO = false, YES = true }
enum Signed { A = +7, B = 007 }
enum Annotated {
  A (first = "1"),
  B = 2 (second),
  C (third = "3" fourth; fifth = '5')
} (of.the = "enum", bare)
