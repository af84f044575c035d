//! Random histories against a naive model: a vector for each queue.
//!
//! Channel `n` consumes and gets from queue `n` alone. That makes the order in which several queues are served irrelevant, so
//! that the model can say exactly what must be where after every step.

mod history;
mod state;

use proptest::prelude::*;

use history::History;

/// What may happen. Numbers choose from what there is at that time.
#[derive(Debug, Clone)]
enum Step {
    Publish {
        to: u8,
        persistent: bool,
        priority: u8,
        ttl: Option<u8>,
        confirmed: bool,
    },
    Get {
        queue: u8,
        no_ack: bool,
    },
    Consume {
        queue: u8,
        no_ack: bool,
    },
    Cancel {
        queue: u8,
        which: u8,
    },
    Prefetch {
        queue: u8,
        count: u8,
        global: bool,
    },
    Settle {
        queue: u8,
        which: u8,
        multiple: bool,
        how: u8,
    },
    Recover {
        queue: u8,
    },
    Select {
        queue: u8,
    },
    Finish {
        queue: u8,
        commit: bool,
    },
    Purge {
        queue: u8,
    },
    Delete {
        queue: u8,
    },
    CloseChannel {
        queue: u8,
    },
    Vanish,
    Advance {
        ms: u8,
    },
    /// From now on, the log is written at once or is not.
    Commits(bool),
    Crash {
        seed: u64,
    },
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let queue = 0u8..5;
    prop_oneof![
        30 => (0u8..6, any::<bool>(), 0u8..5, proptest::option::weighted(0.2, any::<u8>()), any::<bool>())
            .prop_map(|(to, persistent, priority, ttl, confirmed)| Step::Publish { to, persistent, priority, ttl, confirmed }),
        8 => (queue.clone(), any::<bool>()).prop_map(|(queue, no_ack)| Step::Get { queue, no_ack }),
        5 => (queue.clone(), proptest::bool::weighted(0.2)).prop_map(|(queue, no_ack)| Step::Consume { queue, no_ack }),
        3 => (queue.clone(), any::<u8>()).prop_map(|(queue, which)| Step::Cancel { queue, which }),
        4 => (queue.clone(), 0u8..4, any::<bool>()).prop_map(|(queue, count, global)| Step::Prefetch { queue, count, global }),
        18 => (queue.clone(), any::<u8>(), any::<bool>(), 0u8..5)
            .prop_map(|(queue, which, multiple, how)| Step::Settle { queue, which, multiple, how }),
        2 => queue.clone().prop_map(|queue| Step::Recover { queue }),
        1 => queue.clone().prop_map(|queue| Step::Select { queue }),
        4 => (queue.clone(), any::<bool>()).prop_map(|(queue, commit)| Step::Finish { queue, commit }),
        1 => queue.clone().prop_map(|queue| Step::Purge { queue }),
        1 => queue.clone().prop_map(|queue| Step::Delete { queue }),
        2 => queue.prop_map(|queue| Step::CloseChannel { queue }),
        1 => Just(Step::Vanish),
        6 => any::<u8>().prop_map(|ms| Step::Advance { ms }),
        3 => any::<bool>().prop_map(Step::Commits),
        1 => any::<u64>().prop_map(|seed| Step::Crash { seed }),
        1 => Just(Step::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn behaves_like_the_model(steps in proptest::collection::vec(step(), 1..160)) {
        let mut history = History::new();
        for step in &steps {
            history.take(step);
        }
        history.end();
    }
}
