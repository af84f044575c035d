//! The first bytes of a caller: what it speaks, and who is to answer it.

use trefoil_thrift::framing::{Detected, detect};

use super::{super::handover::Handed, Reactor, TICK_MS, socket::Read};

/// Bytes that tell what a connection speaks.
const DETECT: usize = 16;

impl Reactor {
    /// Looks at the first bytes without taking them, as they may be for somebody else. True if it is to be read.
    pub(super) fn look_ahead(&mut self, at: usize) -> bool {
        let Some(peer) = self.peers.get(at) else {
            return false;
        };
        let mut first = [0; DETECT];
        let bytes = match peer.socket.peek(&mut first) {
            // What comes inside of TLS is read to be looked at.
            None => return true,
            Some(Read::Some(bytes)) => bytes,
            Some(Read::Nothing) => return false,
            Some(Read::End | Read::Broken(_)) => {
                self.drop_peer(at);
                return false;
            }
        };
        let is_network = peer.socket.is_network();
        let detected = detect(&first[..bytes]);
        if detected == Detected::WaitForMore {
            // More bytes are told of, because these were looked at only.
            self.expect_more(at, true);
            return false;
        }
        if detected == Detected::Tls && is_network {
            return self.begin_tls(at);
        }
        if is_network && self.shared.requires_tls() {
            tracing::warn!(peer = %peer.socket.address, "a caller does not speak TLS, which it must");
            self.drop_peer(at);
            return false;
        }
        match detected {
            Detected::Http => self.hand_over(at, Handed::Http, &[]),
            Detected::Amqp => self.hand_over(at, Handed::Amqp, &[]),
            _ => self.is_thrift(at, &first[..bytes]),
        }
    }

    /// Whether a connection speaks Thrift, if these are its first bytes. If it speaks something else, it is not here any
    /// more.
    pub(super) fn is_thrift(&mut self, at: usize, first: &[u8]) -> bool {
        let Some(peer) = self.peers.get(at) else {
            return false;
        };
        if peer.is_thrift {
            return true;
        }
        let address = &peer.socket.address;
        match detect(first) {
            Detected::Thrift(dialect) => {
                tracing::debug!(peer = %address, %dialect, "a caller speaks Thrift");
                peer.is_thrift = true;
            }
            Detected::Zlib => peer.is_thrift = true,
            Detected::WaitForMore => {}
            Detected::Http => return self.hand_over(at, Handed::Http, first),
            Detected::Amqp => return self.hand_over(at, Handed::Amqp, first),
            Detected::Tls => {
                tracing::warn!(peer = %address, "a caller speaks TLS on a unix socket, or inside of TLS");
                self.drop_peer(at);
                return false;
            }
            Detected::Unknown(first) => {
                tracing::warn!(peer = %address, ?first, "a caller speaks nothing known");
                self.drop_peer(at);
                return false;
            }
        }
        let is_thrift = peer.is_thrift;
        let is_begun = !is_thrift && (!first.is_empty() || peer.socket.is_handshaking());
        self.expect_more(at, is_begun);
        is_thrift
    }

    /// A caller that has begun to say something must come to where it is known what that is. One that says nothing may stay.
    fn expect_more(&mut self, at: usize, is_begun: bool) {
        let Some(peer) = self.peers.get(at) else {
            return;
        };
        let is_expected = peer.due != u64::MAX;
        if is_begun != is_expected && !peer.is_lingering {
            let due = self.now + self.shared.config.handshake_timeout_ms;
            self.set_due(at, if is_begun { due } else { u64::MAX });
        }
    }

    /// Sets when a connection is dropped.
    pub(super) fn set_due(&mut self, at: usize, due: u64) {
        let Some(peer) = self.peers.get(at) else {
            return;
        };
        let before = std::mem::replace(&mut peer.due, due);
        if before != u64::MAX {
            self.due_peers -= 1;
        }
        if due != u64::MAX {
            self.due_peers += 1;
            self.next_tick = self.next_tick.min(self.now + TICK_MS);
        }
    }

    /// A caller begins with a handshake of TLS. True if it may.
    fn begin_tls(&mut self, at: usize) -> bool {
        let Some(peer) = self.peers.get(at) else {
            return false;
        };
        let refused = match self.shared.tls().map(rustls::ServerConnection::new) {
            Some(Ok(connection)) => {
                peer.socket.begin_tls(connection);
                self.expect_more(at, true);
                return true;
            }
            Some(Err(error)) => error.to_string(),
            None => "there is no thrift.tls_certificate".to_owned(),
        };
        tracing::warn!(peer = %peer.socket.address, reason = refused, "a caller speaks TLS, and cannot");
        self.drop_peer(at);
        false
    }

    /// Gives a connection to who speaks what it speaks. `first` was read of it.
    fn hand_over(&mut self, at: usize, speaks: Handed, first: &[u8]) -> bool {
        let Some(mut peer) = self.remove_peer(at) else {
            return false;
        };
        peer.socket.deregister(self.poll.registry());
        let address = peer.socket.address.clone();
        let _within = self.shared.runtime.enter();
        match peer.socket.hand_over(speaks, first) {
            Ok(handed) => self.shared.hand_over(handed),
            Err(error) => tracing::warn!(%error, peer = %address, "a connection was lost"),
        }
        false
    }
}
