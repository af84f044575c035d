senum S { "a", "b" }
