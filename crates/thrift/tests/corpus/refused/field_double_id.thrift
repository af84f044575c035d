struct S { 1.5: i32 b }
