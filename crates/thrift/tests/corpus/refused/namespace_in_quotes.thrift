namespace py "a"
