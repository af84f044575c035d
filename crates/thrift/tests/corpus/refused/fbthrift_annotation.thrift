@a.B struct S {}
