//! What of a client certificate names its user.

use std::{fmt, str::FromStr};

/// The values of `amqp.tls_login_from`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LoginFrom {
    /// All of its subject.
    Subject,
    /// The common name in it.
    CommonName,
    /// A name beside it, of the kind that `amqp.tls_login_san_type` says.
    AlternativeName,
}

impl LoginFrom {
    const ALL: [(Self, &str); 3] = [
        (Self::Subject, "distinguished-name"),
        (Self::CommonName, "common-name"),
        (Self::AlternativeName, "subject-alternative-name"),
    ];
}

impl fmt::Display for LoginFrom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = Self::ALL.iter().find(|(from, _)| from == self);
        f.write_str(found.map_or("", |(_, name)| name))
    }
}

impl FromStr for LoginFrom {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let found = Self::ALL.iter().find(|(_, name)| *name == text);
        found.map(|(from, _)| *from).ok_or(())
    }
}
