enum E { A (x = "y") = 1 }
