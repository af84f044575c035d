//! Class confirm.

method! {
    /// From now on, messages published on this channel are acknowledged.
    Select {} [no_wait] {}
}
method! {
    /// They are.
    SelectOk {}
}
