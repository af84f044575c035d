struct S {}
