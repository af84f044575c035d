structure S {}
