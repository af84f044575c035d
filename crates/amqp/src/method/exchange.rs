//! Class exchange.

use crate::TableRef;

method! {
    /// Makes an exchange, or checks that it is as said. `kind` is its type.
    Declare<'a> { ticket: u16, exchange: &'a str, kind: &'a str }
    [passive, durable, auto_delete, internal, no_wait] { arguments: TableRef<'a> }
}
method! {
    /// The exchange is there.
    DeclareOk {}
}
method! {
    /// Deletes an exchange.
    Delete<'a> { ticket: u16, exchange: &'a str } [if_unused, no_wait] {}
}
method! {
    /// The exchange is gone.
    DeleteOk {}
}
method! {
    /// Binds an exchange to another.
    Bind<'a> { ticket: u16, destination: &'a str, source: &'a str, routing_key: &'a str }
    [no_wait] { arguments: TableRef<'a> }
}
method! {
    /// The binding is there.
    BindOk {}
}
method! {
    /// Removes a binding between exchanges.
    Unbind<'a> { ticket: u16, destination: &'a str, source: &'a str, routing_key: &'a str }
    [no_wait] { arguments: TableRef<'a> }
}
method! {
    /// The binding is gone.
    UnbindOk {}
}
