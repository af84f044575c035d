//! What clients were promised, and what they did: the book that the broker is compared with.

use std::collections::{BTreeMap, BTreeSet};

use trefoil_amqp::testing::Received;

/// Queues that only publishers and consumers change, so what is in them can be counted.
pub(crate) const STILL: [&str; 4] = ["one", "two", "three", "levels"];
/// Queues that the broker itself publishes to: of messages that expired, and that were delayed.
pub(crate) const MOVING: [&str; 2] = ["dead", "late"];
/// Levels of the queue `levels`.
pub(crate) const LEVELS: u8 = 5;

/// A message: who published it, and the how many-th of that publisher it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Id {
    pub(crate) publisher: u8,
    pub(crate) number: u32,
}

impl Id {
    /// The queues that get a copy first.
    pub(crate) fn roots(self) -> &'static [&'static str] {
        match (self.publisher, self.number % 2) {
            (0, _) => &["one"],
            (1, _) => &["two", "three"],
            (2, _) => &["levels"],
            (_, 0) => &["short"],
            (_, _) => &["late"],
        }
    }

    pub(crate) fn priority(self) -> u8 {
        if self.publisher == 2 {
            (self.number.wrapping_mul(7) % (u32::from(LEVELS) + 2)) as u8
        } else {
            0
        }
    }

    fn hash(self) -> u64 {
        let seed = u64::from(self.publisher) << 32 | u64::from(self.number);
        (seed + 1)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .rotate_left(29)
    }

    /// A number of this message, for whoever needs one.
    pub(crate) fn dice(self, salt: u64) -> u64 {
        (self.hash() ^ salt).wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33
    }

    /// Its body: the number, and bytes that follow from it. Mostly small; some need several frames.
    pub(crate) fn body(self) -> Vec<u8> {
        let size = match self.dice(1) % 500 {
            0 => 300_000,
            1..10 => 20_000,
            _ => self.dice(2) % 900,
        };
        let mut body = format!("{}:{}:", self.publisher, self.number).into_bytes();
        let fill = self.hash().to_le_bytes();
        body.extend(fill.iter().cycle().take(size as usize));
        body.push(b'.');
        body
    }

    fn read(body: &[u8]) -> Option<Self> {
        let mut parts = body.splitn(3, |byte| *byte == b':');
        let mut number = || std::str::from_utf8(parts.next()?).ok()?.parse::<u32>().ok();
        Some(Self {
            publisher: u8::try_from(number()?).ok()?,
            number: number()?,
        })
    }

    /// Which message was delivered; its bytes must be those that were sent.
    pub(crate) fn of(heard: &Received) -> Self {
        let content = heard.content().expect("a delivery has content");
        let id = Self::read(&content.body).unwrap_or_else(|| {
            panic!(
                "nobody sent this: {:?}",
                String::from_utf8_lossy(&content.body[..40])
            )
        });
        assert!(content.body == id.body(), "the body of {id:?} is another");
        let properties = content.properties();
        assert_eq!(properties.delivery_mode, Some(2), "{id:?}");
        assert_eq!(properties.priority, Some(id.priority()), "{id:?}");
        assert_eq!(properties.message_id, Some(id.name().as_bytes()), "{id:?}");
        id
    }

    pub(crate) fn name(self) -> String {
        format!("{self:?}")
    }
}

/// Where the copy that is in `queue` was first.
pub(crate) fn root(queue: &'static str) -> &'static str {
    if queue == "dead" { "short" } else { queue }
}

/// What is known of one copy of a message.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Copy {
    /// It was confirmed, or found after a restart.
    pub(crate) safe: bool,
    /// A consumer said that it is done with it, in this life of the broker.
    pub(crate) settled: Option<u32>,
    /// Some consumer got it.
    pub(crate) seen: bool,
}

/// A queue and an exchange that come and go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Passing {
    There,
    Gone,
    /// It was being declared or deleted when the broker died.
    Doubtful,
}

/// The book.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// How often the broker was started.
    pub(crate) life: u32,
    /// By the queue that got it first.
    pub(crate) copies: BTreeMap<(&'static str, Id), Copy>,
    /// What is settled, and the log is known to say so.
    pub(crate) retired: BTreeSet<(&'static str, Id)>,
    pub(crate) passing: BTreeMap<u32, Passing>,
    /// How many messages each publisher sent.
    pub(crate) sent: [u32; 4],
    pub(crate) confirmed: u64,
    pub(crate) deliveries: u64,
}

impl Ledger {
    /// The next message of a publisher.
    pub(crate) fn next(&mut self, publisher: u8) -> Id {
        let number = &mut self.sent[usize::from(publisher)];
        *number += 1;
        let id = Id {
            publisher,
            number: *number,
        };
        for root in id.roots() {
            self.copies.insert((root, id), Copy::default());
        }
        id
    }

    pub(crate) fn confirm(&mut self, id: Id) {
        self.confirmed += 1;
        for root in id.roots() {
            if let Some(copy) = self.copies.get_mut(&(root, id)) {
                copy.safe = true;
            }
        }
    }

    /// A consumer got a message.
    pub(crate) fn deliver(&mut self, queue: &'static str, id: Id, redelivered: bool) {
        self.deliveries += 1;
        let key = (root(queue), id);
        let moves = MOVING.contains(&queue);
        assert!(
            moves || !self.retired.contains(&key),
            "{id:?} comes from {queue} though it was settled for good"
        );
        let life = self.life;
        let copy = self
            .copies
            .get_mut(&key)
            .unwrap_or_else(|| panic!("{id:?} was never for {queue}"));
        // What the broker itself publishes may be published once more after it died, and is new then.
        assert!(
            redelivered || !copy.seen || moves,
            "{id:?} comes again from {queue} as if it were new"
        );
        assert!(
            moves || copy.settled != Some(life),
            "{id:?} comes from {queue} after it was settled"
        );
        copy.seen = true;
    }

    pub(crate) fn settle(&mut self, queue: &'static str, id: Id) {
        if let Some(copy) = self.copies.get_mut(&(root(queue), id)) {
            copy.settled = Some(self.life);
        }
    }
}
