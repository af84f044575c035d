struct S { 1: i32 list, 2: string struct, 3: i32 required, required i32 optional, 5: i32 async, 6: i32 uuid }
service V { void f(1: i32 map, 2: i32 const) }
