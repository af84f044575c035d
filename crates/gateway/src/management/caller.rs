//! Who asks, and what that one may.

use std::net::{IpAddr, Ipv4Addr};

use trefoil_broker::access::{User, tags};

use super::{Api, answer::Refused, request::Request};

/// A user who logged in, with a tag that lets in.
#[derive(Debug)]
pub(super) struct Caller {
    pub(super) user: User,
    /// Virtual hosts that the user may open.
    pub(super) vhosts: Vec<String>,
}

/// Tags that let in.
const ENTRY: [&str; 4] = [
    tags::ADMINISTRATOR,
    tags::MONITORING,
    tags::POLICYMAKER,
    tags::MANAGEMENT,
];

impl Caller {
    /// Logs the sender of a request in.
    pub(super) fn of(api: &Api, request: &Request) -> Result<Self, Refused> {
        let Some((name, password)) = request.credentials() else {
            return Err(Refused::not_authorized("Login failed"));
        };
        // A listener that does not tell its peers is one on this machine.
        let address = request.peer.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let found = api.amqp.with(|broker, _| {
            let user = broker.log_in(&name, &password, address)?;
            let vhosts = broker.vhosts_of(&user.name);
            Some((user, vhosts))
        });
        let Some((user, vhosts)) = found else {
            return Err(Refused::not_authorized("Login failed"));
        };
        if !ENTRY.iter().any(|tag| user.has_tag(tag)) {
            return Err(Refused::not_authorized("Not management user"));
        }
        Ok(Self { user, vhosts })
    }

    pub(super) fn name(&self) -> &str {
        &self.user.name
    }

    pub(super) fn is_administrator(&self) -> bool {
        self.user.has_tag(tags::ADMINISTRATOR)
    }

    /// Sees everything.
    pub(super) fn is_monitor(&self) -> bool {
        self.is_administrator() || self.user.has_tag(tags::MONITORING)
    }

    /// Whether what is in a virtual host may be looked at.
    pub(super) fn sees(&self, vhost: &str) -> bool {
        self.is_monitor() || self.opens(vhost)
    }

    /// Whether the user may work in a virtual host.
    pub(super) fn opens(&self, vhost: &str) -> bool {
        self.vhosts.iter().any(|open| open == vhost)
    }

    pub(super) fn need_administrator(&self) -> Result<(), Refused> {
        match self.is_administrator() {
            true => Ok(()),
            false => Err(Refused::not_authorized("Not administrator user")),
        }
    }

    pub(super) fn need_monitor(&self) -> Result<(), Refused> {
        match self.is_monitor() {
            true => Ok(()),
            false => Err(Refused::not_authorized("Not monitor user")),
        }
    }

    /// For policies and parameters, the global ones too.
    pub(super) fn need_policymaker(&self) -> Result<(), Refused> {
        match self.is_administrator() || self.user.has_tag(tags::POLICYMAKER) {
            true => Ok(()),
            false => Err(Refused::not_authorized("Not policymaker user")),
        }
    }

    /// For looking at what is in a virtual host, which has to exist.
    pub(super) fn need_sight(&self, api: &Api, vhost: &str) -> Result<(), Refused> {
        known(api, vhost)?;
        match self.sees(vhost) {
            true => Ok(()),
            false => Err(Refused::not_authorized(
                "User not authorised to access virtual host",
            )),
        }
    }

    /// For changing what is in a virtual host, which has to exist.
    pub(super) fn need_vhost(&self, api: &Api, vhost: &str) -> Result<(), Refused> {
        known(api, vhost)?;
        match self.opens(vhost) {
            true => Ok(()),
            false => Err(Refused::not_authorized(
                "User not authorised to access virtual host",
            )),
        }
    }

    /// For policies and parameters of a virtual host.
    pub(super) fn need_policymaker_of(&self, api: &Api, vhost: &str) -> Result<(), Refused> {
        self.need_policymaker()?;
        match self.is_administrator() {
            true => known(api, vhost),
            false => self.need_vhost(api, vhost),
        }
    }
}

/// A virtual host that exists.
pub(super) fn known(api: &Api, vhost: &str) -> Result<(), Refused> {
    match api.amqp.with(|broker, _| broker.has_vhost(vhost)) {
        true => Ok(()),
        false => Err(Refused::not_found()),
    }
}
