//! Class queue.

use crate::TableRef;

method! {
    /// Makes a queue, or checks that it is as said.
    Declare<'a> { ticket: u16, queue: &'a str }
    [passive, durable, exclusive, auto_delete, no_wait] { arguments: TableRef<'a> }
}
method! {
    /// The queue is there.
    DeclareOk<'a> { queue: &'a str, message_count: u32, consumer_count: u32 }
}
method! {
    /// Binds a queue to an exchange.
    Bind<'a> { ticket: u16, queue: &'a str, exchange: &'a str, routing_key: &'a str }
    [no_wait] { arguments: TableRef<'a> }
}
method! {
    /// The binding is there.
    BindOk {}
}
method! {
    /// Removes the ready messages of a queue.
    Purge<'a> { ticket: u16, queue: &'a str } [no_wait] {}
}
method! {
    /// So many were removed.
    PurgeOk { message_count: u32 }
}
method! {
    /// Deletes a queue.
    Delete<'a> { ticket: u16, queue: &'a str } [if_unused, if_empty, no_wait] {}
}
method! {
    /// The queue is gone, with so many messages.
    DeleteOk { message_count: u32 }
}
method! {
    /// Removes a binding.
    Unbind<'a> { ticket: u16, queue: &'a str, exchange: &'a str, routing_key: &'a str, arguments: TableRef<'a> }
}
method! {
    /// The binding is gone.
    UnbindOk {}
}
