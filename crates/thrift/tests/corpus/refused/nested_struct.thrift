struct S { struct T {} }
