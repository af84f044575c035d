service S { readonly void f() }
