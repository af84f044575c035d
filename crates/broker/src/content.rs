//! Content headers: reading what the broker needs, rewriting what it must.
