//! Logging in: the SASL mechanisms.

use std::fmt;

use trefoil_amqp::{ReplyCode, TableRef, ValueRef};

use super::{Access, User};

/// A SASL mechanism.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mechanism {
    /// Name and password with zero octets before each.
    Plain,
    /// Name and password in a field table.
    AmqPlain,
    /// The certificate of the client has shown who it is.
    External,
    /// Nobody in particular.
    Anonymous,
}

impl Mechanism {
    /// The name in `connection.start`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::AmqPlain => "AMQPLAIN",
            Self::External => "EXTERNAL",
            Self::Anonymous => "ANONYMOUS",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [Self::Plain, Self::AmqPlain, Self::External, Self::Anonymous]
            .into_iter()
            .find(|mechanism| mechanism.name() == name)
    }
}

impl fmt::Display for Mechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What is known of a client before it says anything.
#[derive(Debug, Clone, Copy, Default)]
pub struct PeerIdentity<'a> {
    /// It comes from this machine.
    pub loopback: bool,
    /// It comes by TLS.
    pub tls: bool,
    /// The user that its verified certificate names.
    pub certificate_user: Option<&'a str>,
}

/// Why nobody was logged in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthenticationError {
    /// Not offered.
    #[error("unknown authentication mechanism '{0}'")]
    UnknownMechanism(String),
    /// The response is not what the mechanism says.
    #[error("{0}")]
    Malformed(&'static str),
    /// The text is the same for every reason, lest it help to guess. The reason is for the log.
    #[error(
        "Login was refused using authentication mechanism {mechanism}. For details see the broker logfile."
    )]
    Refused {
        /// How it was tried.
        mechanism: Mechanism,
        /// Who it was to be.
        user: String,
        /// Why not.
        reason: String,
    },
}

impl AuthenticationError {
    /// The code of the close that tells it.
    #[must_use]
    pub fn reply_code(&self) -> ReplyCode {
        match self {
            Self::UnknownMechanism(_) => ReplyCode::CommandInvalid,
            Self::Malformed(_) => ReplyCode::SyntaxError,
            Self::Refused { .. } => ReplyCode::AccessRefused,
        }
    }
}

/// A name and a password, from a response or from HTTP's basic authentication.
#[derive(Clone, Copy)]
pub struct Secret<'a> {
    /// Who it claims to be.
    pub user: &'a [u8],
    /// Its password.
    pub password: &'a [u8],
}

impl fmt::Debug for Secret<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret")
            .field("user", &String::from_utf8_lossy(self.user))
            .finish_non_exhaustive()
    }
}

impl<'a> Secret<'a> {
    /// Reads a PLAIN response: `\0user\0password`.
    ///
    /// # Errors
    /// It is something else.
    pub fn from_plain(response: &'a [u8]) -> Result<Self, AuthenticationError> {
        let mut parts = response.split(|&octet| octet == 0);
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some([]), Some(user), Some(password), None) => Ok(Self { user, password }),
            // The response is not repeated in the text, as it may hold a password.
            _ => Err(AuthenticationError::Malformed("response invalid")),
        }
    }

    /// Reads an AMQPLAIN response: a field table without its length.
    ///
    /// # Errors
    /// It is something else.
    pub fn from_amqplain(response: &'a [u8]) -> Result<Self, AuthenticationError> {
        let malformed =
            || AuthenticationError::Malformed("AMQPLAIN auth info is not a field table");
        let (mut user, mut password) = (None, None);
        for field in TableRef::from_bytes(response).iter() {
            match field.map_err(|_| malformed())? {
                (b"LOGIN", value) => user = user.or(Some(value)),
                (b"PASSWORD", value) => password = password.or(Some(value)),
                _ => {}
            }
        }
        match (user, password) {
            (Some(ValueRef::LongString(user)), Some(ValueRef::LongString(password))) => {
                Ok(Self { user, password })
            }
            (Some(_), Some(_)) => Err(AuthenticationError::Malformed(
                "AMQPLAIN auth info uses unsupported type for LOGIN or PASSWORD field",
            )),
            _ => Err(AuthenticationError::Malformed(
                "AMQPLAIN auth info is missing LOGIN or PASSWORD field",
            )),
        }
    }
}

impl Access {
    /// Finds out who a client is from its answer to `connection.start`.
    ///
    /// # Errors
    /// Its answer is malformed, or it may not come in.
    pub fn authenticate(
        &self,
        mechanism: &str,
        response: &[u8],
        peer: PeerIdentity<'_>,
    ) -> Result<&User, AuthenticationError> {
        let known = Mechanism::from_name(mechanism)
            .filter(|known| self.mechanisms(peer.tls).contains(known));
        let Some(mechanism) = known else {
            return Err(AuthenticationError::UnknownMechanism(mechanism.to_owned()));
        };
        match mechanism {
            Mechanism::Plain => {
                self.check_secret(mechanism, Secret::from_plain(response)?, peer.loopback)
            }
            Mechanism::AmqPlain => {
                self.check_secret(mechanism, Secret::from_amqplain(response)?, peer.loopback)
            }
            Mechanism::External => match peer.certificate_user {
                Some(name) => self.check_name(mechanism, name, peer.loopback),
                None => Err(refused(
                    mechanism,
                    "",
                    "there is no name in the certificate of the client".to_owned(),
                )),
            },
            Mechanism::Anonymous => {
                let name = self.settings.anonymous_user.as_deref().unwrap_or_default();
                self.check_name(mechanism, name, peer.loopback)
            }
        }
    }

    /// Whether name and password are those of a user who may come from there. Also what HTTP asks.
    ///
    /// # Errors
    /// They are not, or the user may come only from this machine.
    pub fn check_secret(
        &self,
        mechanism: Mechanism,
        secret: Secret<'_>,
        loopback: bool,
    ) -> Result<&User, AuthenticationError> {
        let name = String::from_utf8_lossy(secret.user);
        if secret.password.is_empty() {
            let reason = format!("user '{name}' attempted to log in with a blank password");
            return Err(refused(mechanism, &name, reason));
        }
        let user = self.user(&name).filter(|user| {
            user.name.as_bytes() == secret.user
                && user
                    .password_hash
                    .as_ref()
                    .is_some_and(|hash| hash.verify(secret.password))
        });
        match user {
            Some(user) => self.check_loopback(mechanism, user, loopback),
            None => Err(refused(
                mechanism,
                &name,
                format!("user '{name}' - invalid credentials"),
            )),
        }
    }

    /// Whether a user stands after `connection.update-secret`. What users have here does not expire, so a new secret
    /// changes nothing, and RabbitMQ's own users take any too.
    #[must_use]
    pub fn accept_secret(&self, user: &str) -> bool {
        self.user(user).is_some()
    }

    fn check_name(
        &self,
        mechanism: Mechanism,
        name: &str,
        loopback: bool,
    ) -> Result<&User, AuthenticationError> {
        match self.user(name) {
            Some(user) => self.check_loopback(mechanism, user, loopback),
            None => Err(refused(
                mechanism,
                name,
                format!("user '{name}' - invalid credentials"),
            )),
        }
    }

    fn check_loopback<'a>(
        &self,
        mechanism: Mechanism,
        user: &'a User,
        loopback: bool,
    ) -> Result<&'a User, AuthenticationError> {
        if loopback || !self.settings.loopback_users.contains(&user.name) {
            return Ok(user);
        }
        let reason = format!("user '{}' can only connect via localhost", user.name);
        Err(refused(mechanism, &user.name, reason))
    }
}

fn refused(mechanism: Mechanism, user: &str, reason: String) -> AuthenticationError {
    AuthenticationError::Refused {
        mechanism,
        user: user.to_owned(),
        reason,
    }
}
