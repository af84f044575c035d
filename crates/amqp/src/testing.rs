//! A scripted client for tests.
