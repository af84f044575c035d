/** What can be asked of every service, as thriftrw and tcurl do. */

struct HealthStatus {
  1: required bool ok
  2: optional string message
}

/** The files of a contract, by their names. */
struct ThriftIDLs {
  1: required map<string, string> idls
  /** The name of its own file; the others are included. */
  2: required string entryPoint
}

service Meta {
  /** Whether calls of the service can be answered now. */
  HealthStatus health() (trefoil.safe = "true")
  /** The contract of the service. */
  ThriftIDLs thriftIDL() (trefoil.safe = "true")
} (trefoil.key = "trefoil/meta", trefoil.version = "1.0.0")
