const string A = "a
b"
