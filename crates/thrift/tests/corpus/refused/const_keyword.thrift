const i32 A = list
