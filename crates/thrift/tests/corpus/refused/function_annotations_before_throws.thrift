exception E {} service S { void f() (a = "b") throws (1: E e) }
