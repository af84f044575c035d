//! A topic exchange with very many wildcard bindings, of which each message matches exactly one.
//!
//! A third of the bindings each: `s00000.*.t00` (one word in the middle), `#.u00001` (any beginning), `*.v00002.#` (any
//! end). The routing keys go through all bindings in turn, so no cache of the last key helps.

use super::{
    Session,
    consumer::{Ack, Consume},
    flow::Flow,
    publisher::{Pace, Publish},
    scenarios::{over_exchange, rates},
    target::Kind,
};

const EXCHANGE: &str = "bench-topic";
/// Queues to which the bindings lead in turn.
const QUEUES: usize = 4;
/// Different routing keys: a block of messages with more of them would leave the processor's cache.
const KEYS: usize = 1_000;

pub(super) fn measure(
    session: &mut Session,
    kind: Kind,
    name: &'static str,
    bindings: usize,
) -> anyhow::Result<()> {
    let timing = session.timing;
    let used: Vec<usize> = (0..KEYS).map(|key| key * (bindings / KEYS)).collect();
    let queue = |number: usize| format!("bench-{number}");
    let flow = Flow {
        publishers: vec![Publish {
            exchange: EXCHANGE,
            keys: used.iter().map(|binding| key(*binding)).collect(),
            body: 100,
            persistent: false,
            pace: Pace::Ahead(50_000),
            copies: 1,
            reply_to: None,
        }],
        consumers: (0..QUEUES)
            .map(|number| Consume {
                queue: queue(number),
                ack: Ack::Auto,
                prefetch: 0,
                source: 0,
                keys: used
                    .iter()
                    .map(|binding| leads_to(*binding) == number)
                    .collect(),
                body: 100,
                restarted: false,
            })
            .collect(),
    };
    let target = session.target(kind)?;
    let bind = |control: &mut super::client::Client| {
        (0..bindings).try_for_each(|binding| {
            control.bind_later(&queue(leads_to(binding)), EXCHANGE, &pattern(binding))
        })
    };
    let measured = over_exchange(target, &flow, EXCHANGE, "topic", bind, timing)?;
    rates(&mut session.results, name, kind, &measured);
    Ok(())
}

/// Not in step with the kind of pattern.
fn leads_to(binding: usize) -> usize {
    binding / 3 % QUEUES
}

fn pattern(binding: usize) -> String {
    match binding % 3 {
        0 => format!("s{binding:05}.*.t{:02}", binding % 100),
        1 => format!("#.u{binding:05}"),
        _ => format!("*.v{binding:05}.#"),
    }
}

/// A routing key that only this binding matches; all are of one length.
fn key(binding: usize) -> String {
    match binding % 3 {
        0 => format!("s{binding:05}.abcd.t{:02}", binding % 100),
        1 => format!("abc.defg.u{binding:05}"),
        _ => format!("abcd.v{binding:05}.efg"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{key, leads_to, pattern};

    fn matches(pattern: &[&str], key: &[&str]) -> bool {
        match pattern {
            [] => key.is_empty(),
            ["#", rest @ ..] => (0..=key.len()).any(|skip| matches(rest, &key[skip..])),
            [first, rest @ ..] => {
                let same = |word: &str| *first == "*" || *first == word;
                matches!(key, [word, others @ ..] if same(word) && matches(rest, others))
            }
        }
    }

    #[test]
    fn each_key_matches_its_binding_only() {
        let words = |text: &str| -> Vec<String> { text.split('.').map(str::to_owned).collect() };
        let patterns: Vec<_> = (0..300).map(|binding| words(&pattern(binding))).collect();
        let mut queues = BTreeSet::new();
        for binding in 0..300 {
            let key = key(binding);
            assert_eq!(key.len(), 15);
            let key: Vec<&str> = key.split('.').collect();
            let found: Vec<usize> = (0..300)
                .filter(|other| {
                    let pattern: Vec<&str> = patterns[*other].iter().map(String::as_str).collect();
                    matches(&pattern, &key)
                })
                .collect();
            assert_eq!(found, [binding]);
            queues.insert((binding % 3, leads_to(binding)));
        }
        // Every kind of pattern leads to every queue.
        assert_eq!(queues.len(), 12);
    }
}
