//! Numbers for names that nobody is to guess, and for exchanges that choose at random.

use sha2::{Digest, Sha256};

/// Bits from a secret seed: the hash of the seed and a counter.
#[derive(Debug)]
pub(crate) struct Random {
    seed: [u64; 2],
    count: u64,
}

impl Random {
    pub(crate) fn new(seed: [u64; 2]) -> Self {
        Self { seed, count: 0 }
    }

    /// The next sixteen bytes.
    pub(crate) fn bytes(&mut self) -> [u8; 16] {
        self.count += 1;
        let mut hash = Sha256::new();
        for word in [self.seed[0], self.seed[1], self.count] {
            hash.update(word.to_le_bytes());
        }
        let digest = hash.finalize();
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        bytes
    }

    /// Twenty-two characters that may stand in a name.
    pub(crate) fn name(&mut self) -> String {
        use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
        URL_SAFE_NO_PAD.encode(self.bytes())
    }
}
