typedef set<i32> cpp_type "x" S
