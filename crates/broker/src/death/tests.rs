//! Histories as consumers see them.

use trefoil_amqp::Properties;

use super::*;

const SECOND: u64 = 1000;

fn header(headers: Option<&Table>, expiration: Option<&str>) -> Vec<u8> {
    let table = headers.map(Table::to_bytes);
    let properties = Properties {
        headers: table.as_deref().map(TableRef::from_bytes),
        expiration: expiration.map(str::as_bytes),
        message_id: Some(b"m"),
        ..Properties::default()
    };
    let mut out = vec![];
    properties.encode(5, &mut out);
    out
}

fn table(header: &[u8]) -> Table {
    ContentHeader::new(header).validate().unwrap();
    ContentHeader::new(header)
        .headers()
        .unwrap()
        .to_table()
        .unwrap()
}

/// The first death of a message in `q1`, to which it came by `x1` with the key `k` and a copy to `c`.
fn death(reason: Reason) -> Death<'static> {
    Death {
        reason,
        queue: "q1",
        exchange: "x1",
        routing_keys: &[b"k", b"c"],
        now: 7 * SECOND + 999,
        died_before: false,
    }
}

fn entry(count: i64, reason: &str, queue: &str, time: u64, exchange: &str, keys: &[&str]) -> Table {
    let keys: Vec<Value> = keys.iter().map(|key| Value::from(*key)).collect();
    Table::new()
        .with("count", count)
        .with("reason", reason)
        .with("queue", queue)
        .with("time", Value::Timestamp(time))
        .with("exchange", exchange)
        .with("routing-keys", keys)
}

fn history_of(header: &[u8]) -> Vec<Table> {
    deaths(ContentHeader::new(header))
        .map(|entry| entry.to_table().unwrap())
        .collect()
}

/// Lets a message die again and again: queue, exchange, reason, second.
fn after(deaths: &[(&str, &str, Reason, u64)]) -> Vec<u8> {
    let mut now = header(None, None);
    for (i, (queue, exchange, reason, second)) in deaths.iter().enumerate() {
        let death = Death {
            reason: *reason,
            queue,
            exchange,
            routing_keys: &[b"k"],
            now: second * SECOND,
            died_before: i > 0,
        };
        now = record(ContentHeader::new(&now), &death);
    }
    now
}

#[test]
fn a_first_death_is_the_first_and_the_last() {
    let before = Table::new().with("mine", 1i32);
    let found = record(
        ContentHeader::new(&header(Some(&before), None)),
        &death(Reason::Rejected),
    );
    let entry = entry(1, "rejected", "q1", 7, "x1", &["k", "c"]);
    let expected = Table::new()
        .with("mine", 1i32)
        .with("x-death", vec![Value::Table(entry)])
        .with("x-first-death-exchange", "x1")
        .with("x-first-death-queue", "q1")
        .with("x-first-death-reason", "rejected")
        .with("x-last-death-exchange", "x1")
        .with("x-last-death-queue", "q1")
        .with("x-last-death-reason", "rejected");
    assert_eq!(found, header(Some(&expected), None));
}

#[test]
fn a_message_without_headers_gets_some() {
    let found = record(
        ContentHeader::new(&header(None, None)),
        &death(Reason::MaxLength),
    );
    assert_eq!(
        history_of(&found),
        [entry(1, "maxlen", "q1", 7, "x1", &["k", "c"])]
    );
    assert_eq!(ContentHeader::new(&found).body_size(), 5);
}

#[test]
fn an_expiration_moves_into_the_history_whatever_the_reason() {
    for reason in [
        Reason::Expired,
        Reason::Rejected,
        Reason::MaxLength,
        Reason::DeliveryLimit,
    ] {
        let found = record(
            ContentHeader::new(&header(None, Some("1500"))),
            &death(reason),
        );
        assert_eq!(ContentHeader::new(&found).expiration(), None);
        let [entry] = &history_of(&found)[..] else {
            panic!("one death")
        };
        assert_eq!(
            entry.iter().next(),
            Some((&b"original-expiration"[..], &Value::from("1500")))
        );
        assert_eq!(entry.get("reason"), Some(&Value::from(reason.name())));
    }
}

#[test]
fn what_a_publisher_says_of_deaths_counts_for_nothing() {
    let forged = Table::new()
        .with(
            "x-death",
            vec![Value::Table(entry(9, "rejected", "q1", 1, "x", &[]))],
        )
        .with("x-first-death-queue", "forged")
        .with("x-last-death-queue", "forged")
        .with("x-death", "twice");
    let forged = header(Some(&forged), None);
    let honest = header(Some(&Table::new()), None);
    let death = death(Reason::Expired);
    assert_eq!(
        record(ContentHeader::new(&forged), &death),
        record(ContentHeader::new(&honest), &death)
    );
}

#[test]
fn a_queue_and_a_reason_have_one_entry_and_the_newest_is_first() {
    use Reason::{Expired, Rejected};
    let found = after(&[
        ("a", "x", Rejected, 1),
        ("b", "dlx", Expired, 2),
        ("a", "y", Expired, 3),
        ("a", "z", Rejected, 4),
    ]);
    let expected = [
        // All but the count is as it was the first time.
        entry(2, "rejected", "a", 1, "x", &["k"]),
        entry(1, "expired", "a", 3, "y", &["k"]),
        entry(1, "expired", "b", 2, "dlx", &["k"]),
    ];
    assert_eq!(history_of(&found), expected);
    let table = table(&found);
    let text = |name: &str| table.get(name).and_then(Value::as_str).unwrap().to_owned();
    assert_eq!(
        (text("x-first-death-queue"), text("x-first-death-exchange")),
        ("a".into(), "x".into())
    );
    assert_eq!(text("x-first-death-reason"), "rejected");
    assert_eq!(
        (text("x-last-death-queue"), text("x-last-death-exchange")),
        ("a".into(), "z".into())
    );
    assert_eq!(text("x-last-death-reason"), "rejected");
    assert_eq!(table.len(), 7, "each of them once");
}

#[test]
fn a_cycle_without_a_rejection_is_one() {
    use Reason::{DeliveryLimit, Expired, MaxLength, Rejected};
    let check = |deaths: &[(&str, Reason)], target: &str, expected: bool| {
        let deaths: Vec<_> = deaths
            .iter()
            .map(|(queue, reason)| (*queue, "", *reason, 1))
            .collect();
        assert_eq!(
            is_cycle(ContentHeader::new(&after(&deaths)), target),
            expected,
            "{deaths:?} to {target}"
        );
    };
    check(&[("a", Expired)], "b", false);
    check(&[("a", Expired)], "a", true);
    check(&[("a", MaxLength)], "a", true);
    check(&[("a", DeliveryLimit)], "a", true);
    check(&[("a", Rejected)], "a", false);
    check(&[("a", Expired), ("b", Expired)], "a", true);
    check(&[("a", Expired), ("b", Rejected)], "a", false);
    check(&[("a", Rejected), ("b", Expired)], "a", false);
    // A rejection before the cycle does not help.
    check(
        &[("z", Rejected), ("a", Expired), ("b", Expired)],
        "a",
        true,
    );
    check(&[("a", Expired), ("b", Expired)], "c", false);
    assert!(!is_cycle(ContentHeader::new(&header(None, None)), "a"));
}
