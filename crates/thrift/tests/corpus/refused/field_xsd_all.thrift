struct S { 1: i32 xsd_all }
