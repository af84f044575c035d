//! Class tx.

method! {
    /// From now on, the channel is transactional.
    Select {}
}
method! {
    /// It is.
    SelectOk {}
}
method! {
    /// Does all at once.
    Commit {}
}
method! {
    /// Done.
    CommitOk {}
}
method! {
    /// Forgets all.
    Rollback {}
}
method! {
    /// Forgotten.
    RollbackOk {}
}
