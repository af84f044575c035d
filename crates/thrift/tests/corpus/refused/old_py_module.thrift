py_module "a"
