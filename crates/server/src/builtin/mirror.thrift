/** What can be given to a mirror: something of most types. */
struct Payload {
  1: optional string text
  2: optional binary data
  3: optional i64 number
  4: optional double value
  5: optional bool flag
  6: optional list<double> values
  7: optional map<string, string> labels
  8: optional list<Payload> parts
}

/** Gives back what it is given: to try a client, and to measure. */
service Mirror {
  /** Gives back what it is given. */
  Payload echo(1: Payload payload) (trefoil.safe = "true")
} (trefoil.key = "trefoil/mirror", trefoil.version = "1.0.0")
