//! Policies: which apply, and what they come to with arguments.
