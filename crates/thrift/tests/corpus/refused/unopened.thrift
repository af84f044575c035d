struct S {} }
