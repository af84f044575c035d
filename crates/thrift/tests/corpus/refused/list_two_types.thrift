typedef list<i32, i32> L
