use super::*;

#[test]
fn times_have_milliseconds_and_utc() {
    assert_eq!(time(0), "1970-01-01T00:00:00.000Z");
    assert_eq!(time(1_767_225_600_001), "2026-01-01T00:00:00.001Z");
    assert_eq!(time(1_767_225_600_120), "2026-01-01T00:00:00.120Z");
    assert!(time(u64::MAX).starts_with("9999-"));
}

#[test]
fn tags_give_their_revision() {
    assert_eq!(revision_of("17-3"), Some(17));
    assert_eq!(revision_of("17"), None);
    assert_eq!(revision_of("x-3"), None);
    assert_eq!(revision_of("17-x"), None);
    assert_eq!(revision_of(&job_tag(17, 3, Some("no-worker"))), Some(17));
    assert_ne!(job_tag(17, 3, Some("no-worker")), job_tag(17, 3, None));
    assert_eq!(digest_of("ab12-active-able"), "ab12");
}
