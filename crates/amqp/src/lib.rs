//! AMQP 0-9-1 as values: frames, methods, field tables, and the server's side of a connection.
#![forbid(unsafe_code)]
