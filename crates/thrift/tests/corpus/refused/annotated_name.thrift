struct A {} struct S { 1: A (x = "y") a }
