/** Says what came with a call. */
service Seen {
  map<string, string> seen()
} (trefoil.key = "interop/seen", trefoil.version = "1.0.0")
