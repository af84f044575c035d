//! Limits of virtual hosts and users.

use serde_json::{Map, Value};
use trefoil_amqp::ReplyCode;

use super::Access;
use crate::arguments::term::json_term;

/// Why limits were not accepted, or which one was reached.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    /// Limits are a JSON object.
    #[error("limits should be a dictionary, actually was {0}")]
    NotAnObject(String),
    /// A limit is a whole number.
    #[error("{name} should be a number, actually was {value}")]
    NotANumber {
        /// Which limit.
        name: String,
        /// What it was, as an Erlang term.
        value: String,
    },
    /// There is no such limit.
    #[error("Unrecognised terms [{{<<\"{name}\">>,{value}}}] in {limits}")]
    Unknown {
        /// Which limit.
        name: String,
        /// What it was, as an Erlang term.
        value: String,
        /// `limits` of a virtual host, or `user-limits`.
        limits: &'static str,
    },
    /// Connections to a virtual host.
    #[error(
        "access to vhost '{virtual_host}' refused for user '{user}': connection limit ({limit}) is reached"
    )]
    VhostConnections {
        /// Where.
        virtual_host: String,
        /// Whose connection.
        user: String,
        /// How many there may be.
        limit: u64,
    },
    /// Connections of a user.
    #[error("connection refused for user '{user}': user connection limit ({limit}) is reached")]
    UserConnections {
        /// Whose.
        user: String,
        /// How many there may be.
        limit: u64,
    },
    /// Channels of a user.
    #[error(
        "number of channels opened for user '{user}' has reached the maximum allowed user limit of ({limit})"
    )]
    UserChannels {
        /// Whose.
        user: String,
        /// How many there may be.
        limit: u64,
    },
    /// Queues of a virtual host.
    #[error(
        "cannot declare queue '{queue}': queue limit in vhost '{virtual_host}' ({limit}) is reached"
    )]
    VhostQueues {
        /// Which queue.
        queue: String,
        /// Where.
        virtual_host: String,
        /// How many there may be.
        limit: u64,
    },
}

impl LimitError {
    /// The code of the close that tells it.
    #[must_use]
    pub fn reply_code(&self) -> ReplyCode {
        match self {
            Self::VhostConnections { .. }
            | Self::UserConnections { .. }
            | Self::UserChannels { .. } => ReplyCode::NotAllowed,
            Self::NotAnObject(_)
            | Self::NotANumber { .. }
            | Self::Unknown { .. }
            | Self::VhostQueues { .. } => ReplyCode::PreconditionFailed,
        }
    }
}

/// Limits of a virtual host. None is no limit, 0 allows nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct VhostLimits {
    /// `max-connections`
    pub max_connections: Option<u64>,
    /// `max-queues`
    pub max_queues: Option<u64>,
}

/// Limits of a user. None is no limit, 0 allows nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UserLimits {
    /// `max-connections`
    pub max_connections: Option<u64>,
    /// `max-channels`
    pub max_channels: Option<u64>,
}

const CONNECTIONS: &str = "max-connections";
const QUEUES: &str = "max-queues";
const CHANNELS: &str = "max-channels";

impl VhostLimits {
    /// Reads `{"max-connections": 10, "max-queues": -1}`: less than 0 is no limit.
    ///
    /// # Errors
    /// It is something else.
    pub fn from_json(json: &Value) -> Result<Self, LimitError> {
        let mut limits = Self::default();
        let fields = [
            (CONNECTIONS, &mut limits.max_connections),
            (QUEUES, &mut limits.max_queues),
        ];
        read(json, "limits", fields)?;
        Ok(limits)
    }

    /// The limits there are.
    #[must_use]
    pub fn to_json(self) -> Map<String, Value> {
        write(&[
            (CONNECTIONS, self.max_connections),
            (QUEUES, self.max_queues),
        ])
    }
}

impl UserLimits {
    /// Reads `{"max-connections": 10, "max-channels": -1}`: less than 0 is no limit.
    ///
    /// # Errors
    /// It is something else.
    pub fn from_json(json: &Value) -> Result<Self, LimitError> {
        let mut limits = Self::default();
        let fields = [
            (CONNECTIONS, &mut limits.max_connections),
            (CHANNELS, &mut limits.max_channels),
        ];
        read(json, "user-limits", fields)?;
        Ok(limits)
    }

    /// The limits there are.
    #[must_use]
    pub fn to_json(self) -> Map<String, Value> {
        write(&[
            (CONNECTIONS, self.max_connections),
            (CHANNELS, self.max_channels),
        ])
    }
}

fn read(
    json: &Value,
    limits: &'static str,
    mut fields: [(&str, &mut Option<u64>); 2],
) -> Result<(), LimitError> {
    let Value::Object(members) = json else {
        return Err(LimitError::NotAnObject(json_term(json)));
    };
    for (name, value) in members {
        let Some((_, field)) = fields.iter_mut().find(|(field, _)| field == name) else {
            return Err(LimitError::Unknown {
                name: name.clone(),
                value: json_term(value),
                limits,
            });
        };
        **field = match (value.as_u64(), value.as_i64()) {
            (Some(limit), _) => Some(limit),
            (None, Some(_)) => None,
            (None, None) => {
                return Err(LimitError::NotANumber {
                    name: name.clone(),
                    value: json_term(value),
                });
            }
        };
    }
    Ok(())
}

fn write(limits: &[(&str, Option<u64>)]) -> Map<String, Value> {
    limits
        .iter()
        .filter_map(|&(name, limit)| Some((name.to_owned(), limit?.into())))
        .collect()
}

impl Access {
    /// Whether one more connection of a user may be opened, to a virtual host. The numbers are those there are already; they are
    /// counted only where there is a limit.
    ///
    /// # Errors
    /// A limit is reached; that of the virtual host is told first.
    pub fn check_connections(
        &self,
        user: &str,
        of_user: impl FnOnce() -> u64,
        virtual_host: &str,
        of_vhost: impl FnOnce() -> u64,
    ) -> Result<(), LimitError> {
        if let Some(limit) = self.vhost_limits(virtual_host).max_connections
            && of_vhost() >= limit
        {
            let (virtual_host, user) = (virtual_host.to_owned(), user.to_owned());
            return Err(LimitError::VhostConnections {
                virtual_host,
                user,
                limit,
            });
        }
        match self.user_limits(user).max_connections {
            Some(limit) if of_user() >= limit => Err(LimitError::UserConnections {
                user: user.to_owned(),
                limit,
            }),
            _ => Ok(()),
        }
    }

    /// Whether a user who has so many channels may open one more. They are counted only if there is a limit.
    ///
    /// # Errors
    /// The limit is reached.
    pub fn check_channels(&self, user: &str, open: impl FnOnce() -> u64) -> Result<(), LimitError> {
        match self.user_limits(user).max_channels {
            Some(limit) if open() >= limit => Err(LimitError::UserChannels {
                user: user.to_owned(),
                limit,
            }),
            _ => Ok(()),
        }
    }

    /// Whether a virtual host that has so many queues may have one more.
    ///
    /// # Errors
    /// The limit is reached.
    pub fn check_queues(
        &self,
        virtual_host: &str,
        queue: &str,
        declared: u64,
    ) -> Result<(), LimitError> {
        match self
            .vhost_limits(virtual_host)
            .max_queues
            .filter(|&limit| declared >= limit)
        {
            None => Ok(()),
            Some(limit) => Err(LimitError::VhostQueues {
                queue: queue.to_owned(),
                virtual_host: virtual_host.to_owned(),
                limit,
            }),
        }
    }

    fn user_limits(&self, user: &str) -> UserLimits {
        self.user(user)
            .map_or_else(UserLimits::default, |user| user.limits)
    }
}
