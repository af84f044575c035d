//! Class channel.

method! {
    /// The client opens a channel.
    Open<'a> { out_of_band: &'a str }
}
method! {
    /// The channel is open.
    OpenOk<'a> { channel_id: &'a [u8] }
}
method! {
    /// Asks the other side to stop or to go on sending content.
    Flow {} [active] {}
}
method! {
    /// The other side did so.
    FlowOk {} [active] {}
}
method! {
    /// Either side ends the channel. Class and method are those that failed, or 0.
    Close<'a> { reply_code: u16, reply_text: &'a str, class_id: u16, method_id: u16 }
}
method! {
    /// The other side agrees to the end.
    CloseOk {}
}
