struct S { 1: i32 delphi_namespace }
