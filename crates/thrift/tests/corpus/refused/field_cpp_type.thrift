struct S { 1: i32 cpp_type }
