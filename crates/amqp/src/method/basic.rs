//! Class basic.

use crate::TableRef;

method! {
    /// How much may be delivered and not yet acknowledged.
    Qos { prefetch_size: u32, prefetch_count: u16 } [global] {}
}
method! {
    /// It holds.
    QosOk {}
}
method! {
    /// Starts a consumer.
    Consume<'a> { ticket: u16, queue: &'a str, consumer_tag: &'a str }
    [no_local, no_ack, exclusive, no_wait] { arguments: TableRef<'a> }
}
method! {
    /// The consumer is there; deliveries follow.
    ConsumeOk<'a> { consumer_tag: &'a str }
}
method! {
    /// Ends a consumer. The server sends it too, when a queue is deleted.
    Cancel<'a> { consumer_tag: &'a str } [no_wait] {}
}
method! {
    /// The consumer is gone.
    CancelOk<'a> { consumer_tag: &'a str }
}
method! {
    /// A message for an exchange. Content follows.
    Publish<'a> { ticket: u16, exchange: &'a str, routing_key: &'a str } [mandatory, immediate] {}
}
method! {
    /// A message that nobody took. Content follows.
    Return<'a> { reply_code: u16, reply_text: &'a str, exchange: &'a str, routing_key: &'a str }
}
method! {
    /// A message for a consumer. Content follows.
    Deliver<'a> { consumer_tag: &'a str, delivery_tag: u64 }
    [redelivered] { exchange: &'a str, routing_key: &'a str }
}
method! {
    /// Asks for one message.
    Get<'a> { ticket: u16, queue: &'a str } [no_ack] {}
}
method! {
    /// The message asked for. Content follows.
    GetOk<'a> { delivery_tag: u64 } [redelivered] { exchange: &'a str, routing_key: &'a str, message_count: u32 }
}
method! {
    /// There is none.
    GetEmpty<'a> { cluster_id: &'a str }
}
method! {
    /// Messages are done with; from the server: are safe.
    Ack { delivery_tag: u64 } [multiple] {}
}
method! {
    /// A message is not wanted.
    Reject { delivery_tag: u64 } [requeue] {}
}
method! {
    /// As [`Recover`], without an answer.
    RecoverAsync {} [requeue] {}
}
method! {
    /// Delivers again what is not acknowledged.
    Recover {} [requeue] {}
}
method! {
    /// It will be.
    RecoverOk {}
}
method! {
    /// Messages are not wanted; from the server: were refused.
    Nack { delivery_tag: u64 } [multiple, requeue] {}
}
