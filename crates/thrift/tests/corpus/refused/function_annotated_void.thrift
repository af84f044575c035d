service S { void (a = "b") f() }
