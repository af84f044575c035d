//! Identifiers of jobs and attempts: UUIDv7 (RFC 9562 §5.7), made from the caller's clock and random bits.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// The sixteen bytes that the store keeps.
            #[must_use]
            pub fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }

            /// The identifier that has these bytes.
            #[must_use]
            pub fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self.0.as_hyphenated(), f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                // One spelling only, so that an id can be compared as text everywhere.
                match Uuid::try_parse(text) {
                    Ok(uuid) if text.len() == 36 && !text.bytes().any(|b| b.is_ascii_uppercase()) => Ok(Self(uuid)),
                    _ => Err(ParseIdError),
                }
            }
        }
    };
}

id!(
    /// A job.
    JobId
);
id!(
    /// One try of a job by one worker. It is the fencing token: only the current attempt may change its job.
    AttemptId
);

/// The text is not a lower-case hyphenated UUID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a lower-case hyphenated UUID")]
pub struct ParseIdError;

/// Random bits for ids and jitter, given by whoever owns a source of entropy.
#[derive(Debug, Clone, Copy)]
pub struct Seed(pub [u64; 2]);

/// Makes ids that sort in the order in which they were made, even when the wall clock steps back.
#[derive(Debug)]
pub struct IdSource {
    state: [u64; 2],
    last_ms: u64,
    counter: u32,
}

impl IdSource {
    /// A source whose random bits come from `seed`.
    #[must_use]
    pub fn new(seed: Seed) -> Self {
        // A state of all zeroes is the one fixed point of xorshift128+.
        let state = if seed.0 == [0, 0] { [1, 2] } else { seed.0 };
        Self {
            state,
            last_ms: 0,
            counter: 0,
        }
    }

    /// Sixty-four random bits (xorshift128+: unguessable ids are no security boundary here).
    pub fn random(&mut self) -> u64 {
        let [mut x, y] = self.state;
        self.state[0] = y;
        x ^= x << 23;
        self.state[1] = x ^ y ^ (x >> 17) ^ (y >> 26);
        self.state[1].wrapping_add(y)
    }

    /// An id for a job accepted at `wall_ms`.
    pub fn job(&mut self, wall_ms: u64) -> JobId {
        JobId(self.next(wall_ms))
    }

    /// An id for an attempt started at `wall_ms`.
    pub fn attempt(&mut self, wall_ms: u64) -> AttemptId {
        AttemptId(self.next(wall_ms))
    }

    /// RFC 9562 §6.2 method 1: 26 counter bits after the milliseconds keep ids of one millisecond in order.
    fn next(&mut self, wall_ms: u64) -> Uuid {
        if wall_ms > self.last_ms {
            self.last_ms = wall_ms;
            self.counter = 0;
        } else if self.counter == (1 << 26) - 1 {
            self.last_ms += 1;
            self.counter = 0;
        } else {
            self.counter += 1;
        }
        let counter = u128::from(self.counter);
        let random = u128::from(self.random() & ((1 << 48) - 1));
        let value = (u128::from(self.last_ms & ((1 << 48) - 1)) << 80)
            | (0x7 << 76)
            | ((counter >> 14) << 64)
            | (0b10 << 62)
            | ((counter & 0x3fff) << 48)
            | random;
        Uuid::from_u128(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_version_7_and_sorted_even_if_the_clock_steps_back() {
        let mut source = IdSource::new(Seed([7, 9]));
        let mut last = source.job(1_000);
        for wall_ms in [1_000, 1_000, 1_001, 990, 990, 1_001, 5_000] {
            let id = source.job(wall_ms);
            assert!(id > last, "{id} after {last}");
            assert_eq!(id.0.get_version_num(), 7);
            last = id;
        }
    }

    #[test]
    fn only_the_canonical_spelling_is_read() {
        let id = IdSource::new(Seed([1, 1])).job(1_700_000_000_000);
        assert_eq!(id.to_string().parse(), Ok(id));
        for bad in [
            "",
            "x",
            &id.to_string().to_uppercase(),
            &id.to_string().replace('-', ""),
            &format!("{{{id}}}"),
        ] {
            assert!(bad.parse::<JobId>().is_err(), "{bad}");
        }
    }
}
