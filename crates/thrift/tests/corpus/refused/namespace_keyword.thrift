namespace py list
