/**
 * sleeper, version 2.2.1: Waits for a while and says so.
 *
 * Derived from the ports in its metadata.yml.
 */
namespace * simcore.services.comp.itis.sleeper

/** A file: `sha256` or `href` of one that was uploaded over REST, or the `content` of an input. Outputs are downloaded over REST. */
struct File {
  /** Hexadecimal SHA-256 of its content. */
  1: optional string sha256
  /** Where it is, below the platform's address: /v1/files/{sha256}. */
  2: optional string href
  /** Its name. */
  3: optional string name
  /** Its media type. */
  4: optional string media_type (api.key = "type")
  /** How many bytes it has. */
  5: optional i64 size
  /** Its content, which is kept as that of an upload. Outputs have none. */
  6: optional binary content
}

struct Inputs {
  /** File with the time: a file with a whole number */
  1: optional File input_1 (trefoil.label = "File with the time", trefoil.type = "data:text/plain")
  /** Sleep interval (second): how long to sleep */
  2: optional i64 input_2 = 2 (trefoil.label = "Sleep interval", trefoil.unit = "second")
  /** Fail after sleep: whether it fails at the end */
  3: optional bool input_3 = false (trefoil.label = "Fail after sleep")
  /** Distance to bed (meter): how far the bed is */
  4: optional i64 input_4 = 0 (trefoil.label = "Distance to bed", trefoil.unit = "meter")
  /** Dream size (kilo-byte): a number between 0 and 1 */
  5: required double input_5 (trefoil.label = "Dream size", trefoil.unit = "kilo-byte")
  /** Mood */
  6: optional string input_6 = "good" (trefoil.label = "Mood")
}

struct Outputs {
  /** File with the time: what was slept */
  1: required File output_1 (trefoil.label = "File with the time", trefoil.type = "data:text/plain")
  /** Sleep interval (second): what was slept */
  2: required i64 output_2 (trefoil.label = "Sleep interval", trefoil.unit = "second")
}

/** The job did not succeed. */
exception Failed {
  /** Whose fault it is: application, temporary, timed_out, lost, rejected, expired, upstream, bad_outputs, or canceled. */
  1: required string failure_class (api.key = "class")
  /** What happened. */
  2: required string message
  /** The program's exit code. */
  3: optional i32 exit_code
  /** The job. */
  4: string job
  /** The signal that ended the program. */
  5: optional i32 signal
  /** The time limit that was met. */
  6: optional string limit
  /** The port that is to blame. */
  7: optional string port
  /** What to do next. */
  8: optional string hint
  /** The last lines of the log. */
  9: optional list<string> log_tail
}

/** Waits for a while and says so. */
service Sleeper {
  /**
   * Runs it and returns its outputs. When the time of the call is over before, the job goes on, and the error names it:
   * `result` waits for it again.
   */
  Outputs run(1: Inputs inputs) throws (1: Failed failed)
  /** Begins a job, which is on disk when its id is returned. */
  string submit(1: Inputs inputs)
  /** Waits for the end of a job and returns its outputs. */
  Outputs result(1: string job) throws (1: Failed failed) (trefoil.safe = "true")
} (trefoil.key = "simcore/services/comp/itis/sleeper", trefoil.version = "2.2.1")
