struct S {} (a = 5)
