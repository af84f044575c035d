//! Dead-lettering: `x-death` and its companions.
