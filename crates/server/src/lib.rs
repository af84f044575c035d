//! Trefoil.
#![forbid(unsafe_code)]
