service S { performs I; }
