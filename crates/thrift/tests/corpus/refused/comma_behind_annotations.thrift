struct S {} (a = "b"),
