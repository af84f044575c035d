typedef i32 cpp_type "x" I
