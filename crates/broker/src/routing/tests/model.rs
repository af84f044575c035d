//! The router against lists that are searched from end to end.

use super::*;

/// Whether a pattern matches a key, by the definition.
fn matches_topic(pattern: &[&str], key: &[&str]) -> bool {
    match pattern {
        [] => key.is_empty(),
        ["#", rest @ ..] => (0..=key.len()).any(|taken| matches_topic(rest, &key[taken..])),
        [word, rest @ ..] => match key {
            [first, others @ ..] => (*word == "*" || word == first) && matches_topic(rest, others),
            [] => false,
        },
    }
}

fn words(key: &str) -> Vec<&str> {
    if key.is_empty() {
        vec![]
    } else {
        key.split('.').collect()
    }
}

/// Whether a binding's arguments match headers, by the definition.
fn matches_headers(arguments: &Table, headers: &Table) -> bool {
    let kind = arguments
        .get("x-match")
        .and_then(Value::as_str)
        .unwrap_or("all");
    let mut met = arguments.iter().filter(|(name, _)| *name != b"x-match");
    let is_met = |(name, wanted): (&[u8], &Value)| match headers
        .iter()
        .filter(|(found, _)| *found == name)
        .last()
    {
        None => false,
        Some((_, found)) => *wanted == Value::Void || *wanted == *found,
    };
    let counts = |name: &[u8]| kind.ends_with("-with-x") || !name.starts_with(b"x-");
    if kind.starts_with("any") {
        met.any(|field| counts(field.0) && is_met(field))
    } else {
        met.all(|field| !counts(field.0) || is_met(field))
    }
}

#[derive(Debug, Clone)]
struct Bound {
    source: usize,
    to_exchange: bool,
    to: usize,
    key: String,
    arguments: Table,
}

#[derive(Debug, Clone)]
enum Step {
    Bind(Bound),
    Unbind(prop::sample::Index),
    RemoveQueue(usize),
    DeleteExchange(usize),
}

const KINDS: [ExchangeType; 6] = [
    ExchangeType::Direct,
    ExchangeType::Fanout,
    ExchangeType::Topic,
    ExchangeType::Headers,
    ExchangeType::Topic,
    ExchangeType::Direct,
];
const QUEUES: usize = 6;

fn key() -> impl Strategy<Value = String> {
    prop::collection::vec(
        prop::sample::select(vec!["a", "b", "", "*", "#", "#"]),
        0..5,
    )
    .prop_map(|words| words.join("."))
}

fn table(with_match: bool) -> impl Strategy<Value = Table> {
    let value = prop_oneof![
        Just(Value::Void),
        Just(Value::I32(1)),
        Just(Value::I32(2)),
        Just(Value::from("1")),
        Just(Value::Bool(true)),
    ];
    let name = prop::sample::select(vec!["a", "b", "c", "x-d"]);
    let fields = prop::collection::vec((name, value), 0..4);
    let kind = prop::option::of(prop::sample::select(vec![
        "all",
        "any",
        "all-with-x",
        "any-with-x",
    ]));
    (fields, kind).prop_map(move |(fields, kind)| {
        let mut table = Table::new();
        if let (Some(kind), true) = (kind, with_match) {
            table.insert("x-match", kind);
        }
        for (name, value) in fields {
            table.insert(name, value);
        }
        table
    })
}

fn bound() -> impl Strategy<Value = Bound> {
    let to = (prop::bool::weighted(0.25), 0..QUEUES);
    (0..KINDS.len(), to, key(), table(true)).prop_map(
        |(source, (to_exchange, to), key, arguments)| Bound {
            source,
            to_exchange,
            to,
            key,
            arguments,
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => bound().prop_map(Step::Bind),
        3 => any::<prop::sample::Index>().prop_map(Step::Unbind),
        1 => (0..QUEUES).prop_map(Step::RemoveQueue),
        1 => (0..KINDS.len()).prop_map(Step::DeleteExchange),
    ]
}

/// Bindings as a list. Exchange `i` is of type `KINDS[i]`; the even ones go when they lose their last binding, and the one
/// before it is the alternate of each.
#[derive(Debug, Default)]
struct Model {
    gone: [bool; KINDS.len()],
    gone_queues: [bool; QUEUES],
    bindings: Vec<Bound>,
}

impl Model {
    fn is_known(&self, bound: &Bound) -> bool {
        let there = if bound.to_exchange {
            !self.gone[bound.to]
        } else {
            !self.gone_queues[bound.to]
        };
        there && !self.gone[bound.source]
    }

    fn position(&self, bound: &Bound) -> Option<usize> {
        let sorted = |table: &Table| {
            let mut fields: Vec<_> = table.iter().map(|field| format!("{field:?}")).collect();
            fields.sort();
            fields
        };
        self.bindings.iter().position(|found| {
            (found.source, found.to_exchange, found.to, &found.key)
                == (bound.source, bound.to_exchange, bound.to, &bound.key)
                && sorted(&found.arguments) == sorted(&bound.arguments)
        })
    }

    /// Takes out bindings, and exchanges that have none left.
    fn remove(&mut self, doomed: impl Fn(&Bound) -> bool) {
        let (removed, left) = std::mem::take(&mut self.bindings)
            .into_iter()
            .partition(|bound| doomed(bound));
        self.bindings = left;
        let removed: Vec<Bound> = removed;
        for source in removed.iter().map(|bound| bound.source) {
            if source % 2 == 0
                && !self.gone[source]
                && !self.bindings.iter().any(|bound| bound.source == source)
            {
                self.delete(source);
            }
        }
    }

    fn delete(&mut self, exchange: usize) {
        self.gone[exchange] = true;
        self.remove(|bound| bound.source == exchange || bound.to_exchange && bound.to == exchange);
    }

    fn route(&self, exchange: usize, keys: &[&str], headers: &Table) -> BTreeSet<u32> {
        let mut queues = BTreeSet::new();
        let mut asked = BTreeSet::from([exchange]);
        let mut pending = vec![exchange];
        while let Some(now) = pending.pop() {
            if self.gone[now] {
                continue;
            }
            let matches = |bound: &&Bound| {
                bound.source == now
                    && match KINDS[now] {
                        ExchangeType::Direct => keys.contains(&bound.key.as_str()),
                        ExchangeType::Topic => keys
                            .iter()
                            .any(|key| matches_topic(&words(&bound.key), &words(key))),
                        ExchangeType::Headers => matches_headers(&bound.arguments, headers),
                        _ => true,
                    }
            };
            let mut next: Vec<usize> = vec![];
            let mut found = false;
            for bound in self.bindings.iter().filter(matches) {
                found = true;
                if bound.to_exchange {
                    next.push(bound.to);
                } else {
                    queues.insert(bound.to as u32);
                }
            }
            if !found && now > 0 {
                next.push(now - 1);
            }
            pending.extend(next.into_iter().filter(|exchange| asked.insert(*exchange)));
        }
        queues
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn routes_are_those_of_the_definition(
        steps in prop::collection::vec(step(), 1..40),
        messages in prop::collection::vec((0..KINDS.len(), prop::collection::vec(key(), 1..3), table(false)), 1..12),
    ) {
        let mut model = Model::default();
        let mut topology = with_queues(QUEUES as u32);
        let ids: Vec<ExchangeId> = (0..KINDS.len())
            .map(|i| {
                let arguments = match i {
                    0 => Table::new(),
                    i => Table::new().with(ALTERNATE_EXCHANGE, format!("x{}", i - 1)),
                };
                let declaration =
                    Declaration { auto_delete: i % 2 == 0, arguments, ..Declaration::durable(KINDS[i]) };
                topology.add_exchange(&format!("x{i}"), declaration)
            })
            .collect();
        let destination = |bound: &Bound| {
            if bound.to_exchange { Destination::Exchange(ids[bound.to]) } else { queue(bound.to as u32) }
        };
        for step in steps {
            match step {
                Step::Bind(bound) => {
                    let added = topology
                        .bind(ids[bound.source], destination(&bound), &bound.key, bound.arguments.clone())
                        .unwrap();
                    let expected = model.is_known(&bound) && model.position(&bound).is_none();
                    prop_assert_eq!(added, expected);
                    if expected {
                        model.bindings.push(bound);
                    }
                }
                Step::Unbind(index) if !model.bindings.is_empty() => {
                    let bound = index.get(&model.bindings).clone();
                    let removed =
                        topology.unbind(ids[bound.source], destination(&bound), &bound.key, bound.arguments.clone());
                    prop_assert!(removed.is_some());
                    let at = model.position(&bound).unwrap();
                    let one = std::cell::Cell::new(0);
                    model.remove(|_| one.replace(one.get() + 1) == at);
                }
                Step::Unbind(_) => {}
                Step::RemoveQueue(queue) => {
                    topology.remove_queue(QueueId(queue as u32));
                    model.gone_queues[queue] = true;
                    model.remove(|bound| !bound.to_exchange && bound.to == queue);
                }
                Step::DeleteExchange(exchange) => {
                    topology.delete_exchange(ids[exchange]);
                    model.delete(exchange);
                }
            }
            prop_assert_eq!(topology.binding_count(), model.bindings.len());
            for (i, id) in ids.iter().enumerate() {
                prop_assert_eq!(topology.exchange(*id).is_some(), !model.gone[i]);
                let of_model = model.bindings.iter().filter(|bound| bound.source == i).count();
                prop_assert_eq!(topology.bindings_from(*id).count(), of_model);
            }
        }
        for (exchange, keys, headers) in messages {
            let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
            let found = routed(&topology, ids[exchange], &keys, &headers);
            prop_assert_eq!(found, model.route(exchange, &keys, &headers));
        }
    }

    #[test]
    fn topics_are_those_of_the_definition(patterns in prop::collection::vec(key(), 1..30), key in key()) {
        let mut topology = with_queues(patterns.len() as u32);
        let topic = topology.exchange_id("amq.topic").unwrap();
        for (id, pattern) in (0..).zip(&patterns) {
            topology.bind(topic, queue(id), pattern, Table::new()).unwrap();
        }
        let expected: BTreeSet<u32> = (0..)
            .zip(&patterns)
            .filter(|(_, pattern)| matches_topic(&words(pattern), &words(&key)))
            .map(|(id, _)| id)
            .collect();
        prop_assert_eq!(routed(&topology, topic, &[&key], &Table::new()), expected);
    }
}
