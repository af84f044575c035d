//! Class access, a remnant of earlier versions that old clients still use.

method! {
    /// The client asks for a ticket.
    Request<'a> { realm: &'a str } [exclusive, passive, active, write, read] {}
}
method! {
    /// The ticket.
    RequestOk { ticket: u16 }
}
