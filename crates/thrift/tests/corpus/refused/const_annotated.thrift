const i32 A = 5 (a = "b")
