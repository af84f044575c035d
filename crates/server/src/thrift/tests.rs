//! The endpoint with real sockets.
