//! Class connection.

use crate::TableRef;

method! {
    /// The server begins.
    Start<'a> { version_major: u8, version_minor: u8, server_properties: TableRef<'a>, mechanisms: &'a [u8], locales: &'a [u8] }
}
method! {
    /// The client chooses a mechanism and gives its first response.
    StartOk<'a> { client_properties: TableRef<'a>, mechanism: &'a str, response: &'a [u8], locale: &'a str }
}
method! {
    /// The server asks for more.
    Secure<'a> { challenge: &'a [u8] }
}
method! {
    /// The client's answer to a challenge.
    SecureOk<'a> { response: &'a [u8] }
}
method! {
    /// The server's limits.
    Tune { channel_max: u16, frame_max: u32, heartbeat: u16 }
}
method! {
    /// The limits that hold.
    TuneOk { channel_max: u16, frame_max: u32, heartbeat: u16 }
}
method! {
    /// The client asks for a virtual host.
    Open<'a> { virtual_host: &'a str, capabilities: &'a str } [insist] {}
}
method! {
    /// The connection is open.
    OpenOk<'a> { known_hosts: &'a str }
}
method! {
    /// Either side ends the connection. Class and method are those that failed, or 0.
    Close<'a> { reply_code: u16, reply_text: &'a str, class_id: u16, method_id: u16 }
}
method! {
    /// The other side agrees to the end.
    CloseOk {}
}
method! {
    /// The server reads no more from this connection for a while.
    Blocked<'a> { reason: &'a str }
}
method! {
    /// The server reads again.
    Unblocked {}
}
method! {
    /// The client's credentials have changed.
    UpdateSecret<'a> { new_secret: &'a [u8], reason: &'a str }
}
method! {
    /// The new secret is good.
    UpdateSecretOk {}
}
