service S { void oneway f() }
