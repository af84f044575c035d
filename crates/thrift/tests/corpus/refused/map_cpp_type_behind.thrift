typedef map<i32, i32> cpp_type "x" M
