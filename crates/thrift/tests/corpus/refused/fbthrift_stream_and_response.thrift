service S { i32, stream<i32> f() }
