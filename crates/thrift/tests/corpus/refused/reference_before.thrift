struct S { 1: & S a }
