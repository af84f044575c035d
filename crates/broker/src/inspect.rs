//! What management shows.
