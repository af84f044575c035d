//! Rules for values: the `vt.*` annotations of the parameter validation proposal
//! (`doc/specs/thrift-parameter-validation-proposal.md` of Apache Thrift).

/// The rules of a field.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rules {}
