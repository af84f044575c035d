typedef map cpp_type x <i32, i32> M
