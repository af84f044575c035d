//! Users, passwords, permissions and limits.
