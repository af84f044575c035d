package "a.b"
