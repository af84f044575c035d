//! Arguments of declared queues and exchanges.
