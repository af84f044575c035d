//! The interface definition language: text to syntax tree.
//!
//! What is accepted is what the official compiler's grammar accepts (`compiler/cpp/src/thrift/{thriftl.ll,thrifty.yy}` of
//! Apache Thrift), which is more than its documentation says. The tree keeps what the text says; what it means is
//! `model`'s business.

pub mod ast;
mod diagnostic;
mod doc;
mod findings;
mod lexer;
mod parser;
mod source;
#[cfg(test)]
mod tests;

pub use diagnostic::{Diagnostic, Label, Severity, render};
pub use parser::parse;
pub use source::{SourceFile, SourceId, Sources, Span};
