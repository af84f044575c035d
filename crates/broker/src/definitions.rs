//! Definitions: what a broker is made of, as JSON and as records of the log.
