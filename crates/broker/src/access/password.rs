//! Hashes of passwords, as RabbitMQ keeps them: a salt of four octets, then the digest of salt and password.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use md5::Md5;
use sha2::{Digest as _, Sha256, Sha512};

/// Octets of salt.
pub const SALT_SIZE: usize = 4;

/// The digest of a password hash.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum HashAlgorithm {
    /// What users made here get.
    #[default]
    Sha256,
    /// By configuration of the RabbitMQ a user comes from.
    Sha512,
    /// From RabbitMQ before 3.6.
    Md5,
}

impl HashAlgorithm {
    /// The name in definitions.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "rabbit_password_hashing_sha256",
            Self::Sha512 => "rabbit_password_hashing_sha512",
            Self::Md5 => "rabbit_password_hashing_md5",
        }
    }

    /// The algorithm with a name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Sha256, Self::Sha512, Self::Md5]
            .into_iter()
            .find(|algorithm| algorithm.name() == name)
    }

    fn digest(self, salt: &[u8], password: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256 => Sha256::new()
                .chain_update(salt)
                .chain_update(password)
                .finalize()
                .to_vec(),
            Self::Sha512 => Sha512::new()
                .chain_update(salt)
                .chain_update(password)
                .finalize()
                .to_vec(),
            Self::Md5 => Md5::new()
                .chain_update(salt)
                .chain_update(password)
                .finalize()
                .to_vec(),
        }
    }
}

/// The text is no hash.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("password_hash is not base64")]
pub struct PasswordHashError;

/// A salted hash. One that is too short for a salt and a digest fits no password.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash {
    algorithm: HashAlgorithm,
    bytes: Vec<u8>,
}

// Not even a hash belongs in a log.
impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasswordHash")
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

impl PasswordHash {
    /// Hashes a password with a salt that the caller drew.
    #[must_use]
    pub fn new(password: &[u8], salt: [u8; SALT_SIZE]) -> Self {
        Self::with_algorithm(HashAlgorithm::default(), password, salt)
    }

    /// Hashes with a given algorithm.
    #[must_use]
    pub fn with_algorithm(
        algorithm: HashAlgorithm,
        password: &[u8],
        salt: [u8; SALT_SIZE],
    ) -> Self {
        let mut bytes = salt.to_vec();
        bytes.extend(algorithm.digest(&salt, password));
        Self { algorithm, bytes }
    }

    /// Reads a hash as definitions have it.
    ///
    /// # Errors
    /// The text is not base64.
    pub fn from_base64(algorithm: HashAlgorithm, text: &str) -> Result<Self, PasswordHashError> {
        let bytes = STANDARD
            .decode(text.trim())
            .map_err(|_| PasswordHashError)?;
        Ok(Self { algorithm, bytes })
    }

    /// The hash as definitions have it.
    #[must_use]
    pub fn to_base64(&self) -> String {
        STANDARD.encode(&self.bytes)
    }

    /// The digest used.
    #[must_use]
    pub fn algorithm(&self) -> HashAlgorithm {
        self.algorithm
    }

    /// Whether the hash is of this password. The blank password fits nothing: it is how a user without one would log in.
    #[must_use]
    pub fn verify(&self, password: &[u8]) -> bool {
        let Some((salt, digest)) = self.bytes.split_at_checked(SALT_SIZE) else {
            return false;
        };
        let expected = self.algorithm.digest(salt, password);
        // In the same time wherever they differ.
        !password.is_empty()
            && digest.len() == expected.len()
            && digest
                .iter()
                .zip(&expected)
                .fold(0, |differences, (a, b)| differences | (a ^ b))
                == 0
    }
}
