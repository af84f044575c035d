typedef list cpp_type "x" <i32> L
