typedef map<i32> M
