typedef void V
