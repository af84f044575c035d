exception E {} service S { void f() throws E }
