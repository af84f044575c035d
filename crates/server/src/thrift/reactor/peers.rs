//! Connections of callers.

use std::sync::Arc;

use trefoil_thrift::{
    ApplicationError, ApplicationErrorKind,
    connection::{ReplyKind, Request, Server, ServerEvent},
    framing::Protocol,
    schema::StructId,
};

use super::{
    super::{
        builtin::{self, Builtin},
        deprecated::Deprecated,
        forms,
        routes::{Provider, Target},
    },
    Lent, Reactor,
    calls::Origin,
    peer_token,
    socket::{Read, Socket},
};

/// With so much to be sent to it, a caller is not read from: it does not read either.
const OUTPUT_MAX: usize = 1 << 20;
/// How long a connection on which all is said is read and dropped.
const LINGER_MAX_MS: u64 = 2_000;

/// A caller's connection.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) socket: Socket,
    /// Tells it from one that had its place before.
    pub(super) stamp: u32,
    pub(super) server: Server,
    /// What was read and not understood yet.
    rest: Vec<u8>,
    /// It is known that it speaks Thrift.
    pub(super) is_thrift: bool,
    /// It has sent its last.
    is_ended: bool,
    /// All is said, and it may close by itself. A socket that is closed with unread input takes the last words away from
    /// the peer.
    pub(super) is_lingering: bool,
    /// When it is dropped: it has to close by then, or to have said what it speaks.
    pub(super) due: u64,
    pub(super) is_ready: bool,
    pub(super) is_dirty: bool,
}

impl Reactor {
    pub(super) fn adopt(&mut self, mut socket: Socket) {
        let at = self.peers.next();
        if let Err(error) = socket.register(self.poll.registry(), peer_token(at)) {
            tracing::warn!(%error, peer = %socket.address, "a connection was not taken");
            self.shared.forget_one();
            return;
        }
        self.peers.insert(Peer {
            socket,
            stamp: self.shared.next_stamp(),
            server: Server::new(self.shared.config.limits),
            rest: Vec::new(),
            is_thrift: false,
            is_ended: false,
            is_lingering: false,
            due: u64::MAX,
            is_ready: true,
            is_dirty: false,
        });
        self.ready.push_back(peer_token(at));
    }

    pub(super) fn read_peer(&mut self, at: usize) {
        let Some(peer) = self.peers.get(at) else {
            return;
        };
        peer.is_ready = false;
        if !peer.is_thrift && !self.look_ahead(at) {
            return;
        }
        let Some(peer) = self.peers.get(at) else {
            return;
        };
        if peer.socket.unsent() > OUTPUT_MAX {
            // Read again when that is sent.
            return;
        }
        let rest = std::mem::take(&mut peer.rest);
        let mut lent = self.lend(rest);
        let end = self.read_peer_into(at, &mut lent);
        let mut input = &lent.bytes[..end];
        if self.is_thrift(at, input) {
            self.handle_input(at, &mut input);
        }
        let taken = end - input.len();
        let rest = self.give_back(lent, end, taken);
        let Some(peer) = self.peers.get(at) else {
            return;
        };
        peer.rest = rest;
        if peer.is_ended {
            if peer.is_lingering {
                return self.drop_peer(at);
            }
            // What it has asked is answered: it may have closed only its half.
            peer.server.close();
            self.soil(peer_token(at));
        } else if peer.socket.is_readable
            && (peer.server.wants_input() || peer.server.is_closed())
            && !peer.is_ready
        {
            peer.is_ready = true;
            self.ready.push_back(peer_token(at));
        }
    }

    /// Reads what there is behind what was kept; up to where there is something now.
    fn read_peer_into(&mut self, at: usize, lent: &mut Lent) -> usize {
        let kept = lent.kept;
        let Some(peer) = self.peers.get(at) else {
            return kept;
        };
        let end = match peer.socket.read(&mut lent.bytes[kept..]) {
            Read::Some(bytes) => kept + bytes,
            Read::Nothing => kept,
            Read::End => {
                peer.is_ended = true;
                kept
            }
            Read::Broken(error) => {
                tracing::debug!(%error, peer = %peer.socket.address, "a connection broke");
                self.drop_peer(at);
                return kept;
            }
        };
        if peer.socket.is_tls() && peer.socket.unsent() > 0 {
            // An answer to what came of the handshake, or what had to wait for its end.
            self.soil(peer_token(at));
        }
        end
    }

    fn handle_input(&mut self, at: usize, input: &mut &[u8]) {
        loop {
            let Some(peer) = self.peers.get(at) else {
                return;
            };
            match peer.server.poll_request(input) {
                None => return,
                Some(ServerEvent::Request(request)) => self.handle_request(at, request),
                Some(ServerEvent::Violation(violation)) => {
                    let peer = &peer.socket.address;
                    tracing::debug!(%peer, error = %violation.error, "a caller broke the protocol");
                    self.shared.metrics.violations.inc();
                    self.soil(peer_token(at));
                }
            }
        }
    }

    fn handle_request(&mut self, at: usize, mut request: Request<'_>) {
        let found = self.routes.find(&request.header.name, &self.catalog);
        let target = match found {
            Ok(target) => target,
            Err(error) => return self.refuse(at, &request, &error),
        };
        if target.method().is_oneway()
            && let Some(id) = request.id
        {
            // Go's library sends all methods as calls; nobody waits for an answer to a one-way one.
            request.id = None;
            if let Some(peer) = self.peers.get(at) {
                peer.server.forget(id);
                self.soil(peer_token(at));
            }
        }
        match &target.provider {
            Provider::Builtin(builtin) => self.answer_builtin(at, &request, &target, builtin),
            Provider::Instances(group) => self.call_of_peer(at, &request, &target, *group),
            Provider::Jobs(method) => self.job_of_peer(at, &request, &target, *method),
        }
    }

    pub(super) fn refuse(&mut self, at: usize, request: &Request<'_>, error: &ApplicationError) {
        if let Some(peer) = self.peers.get(at)
            && let Some(id) = request.id
        {
            peer.server.reply_error(id, error);
            self.soil(peer_token(at));
        }
    }

    fn answer_builtin(
        &mut self,
        at: usize,
        request: &Request<'_>,
        target: &Target,
        builtin: &Builtin,
    ) {
        self.scratch.clear();
        let shared = &self.shared;
        let done = builtin::answer(
            target,
            builtin,
            |service| builtin::health(&shared.instances(), service),
            (request.dialect.protocol, &request.body),
            &shared.config.limits,
            &mut self.scratch,
        );
        if let Err(error) = done {
            let error = ApplicationError::new(ApplicationErrorKind::ProtocolError, error);
            return self.refuse(at, request, &error);
        }
        if let Some(peer) = self.peers.get(at)
            && let Some(id) = request.id
        {
            self.shared.metrics.calls.inc();
            let scratch = &self.scratch;
            peer.server.reply_raw(id, ReplyKind::Reply, &[], scratch);
            self.soil(peer_token(at));
        }
    }

    /// Answers a call of a peer with a struct that is written in `protocol`.
    pub(super) fn answer_peer(
        &mut self,
        origin: &Origin,
        kind: ReplyKind,
        (protocol, body): (Protocol, &[u8]),
        result: Option<(&Arc<Target>, StructId)>,
    ) -> Result<(), String> {
        let Origin::Peer {
            at,
            stamp,
            request,
            dialect,
        } = *origin
        else {
            return Ok(());
        };
        let limits = &self.shared.config.limits;
        self.scratch.clear();
        match (kind, result) {
            (ReplyKind::Reply, Some((target, id))) => forms::transcode(
                target.contract.schema(),
                id,
                (protocol, body),
                dialect.protocol,
                limits,
                &mut self.scratch,
            )
            .map_err(|error| error.to_string())?,
            _ => {
                let error =
                    forms::read_error(protocol, body, limits).map_err(|error| error.to_string())?;
                forms::write_error(dialect.protocol, &error, &mut self.scratch);
            }
        }
        if let Some(peer) = self.peers.get(at).filter(|peer| peer.stamp == stamp) {
            let deprecated = result.and_then(|(target, _)| target.deprecated.as_deref());
            let headers: Vec<_> = deprecated
                .into_iter()
                .flat_map(Deprecated::headers)
                .collect();
            peer.server
                .reply_raw(request, kind, &headers, &self.scratch);
            self.soil(peer_token(at));
        }
        Ok(())
    }

    pub(super) fn flush_peer(&mut self, at: usize) {
        let Some(peer) = self.peers.get(at) else {
            return;
        };
        peer.is_dirty = false;
        peer.server.take_output(&mut peer.socket.output);
        if let Err(error) = peer.socket.flush() {
            tracing::debug!(%error, peer = %peer.socket.address, "a connection broke");
            self.drop_peer(at);
            return;
        }
        if peer.server.is_closed() && peer.socket.unsent() == 0 {
            if peer.is_ended || self.is_draining {
                if peer.socket.is_tls() {
                    // Says that nothing was cut off.
                    peer.socket.shutdown();
                }
                self.drop_peer(at);
            } else if !std::mem::replace(&mut peer.is_lingering, true) {
                peer.socket.shutdown();
                self.set_due(at, self.now + LINGER_MAX_MS);
            }
            return;
        }
        // There may be input that had to wait for answers to be sent.
        let waits = peer.socket.is_readable || !peer.rest.is_empty();
        if waits
            && peer.server.wants_input()
            && peer.socket.unsent() <= OUTPUT_MAX
            && !std::mem::replace(&mut peer.is_ready, true)
        {
            self.ready.push_back(peer_token(at));
        }
    }

    /// Those that have not closed by themselves, or not said what they speak.
    pub(super) fn expire_peers(&mut self) {
        if self.due_peers == 0 {
            return;
        }
        for at in self.peers.keys() {
            let now = self.now;
            if let Some(peer) = self.peers.get(at).filter(|peer| peer.due <= now) {
                if !peer.is_lingering {
                    tracing::debug!(peer = %peer.socket.address, "a caller has not come to the point in time");
                }
                self.drop_peer(at);
            }
        }
    }

    pub(super) fn drop_peer(&mut self, at: usize) {
        if let Some(mut peer) = self.remove_peer(at) {
            peer.socket.deregister(self.poll.registry());
        }
    }

    pub(super) fn remove_peer(&mut self, at: usize) -> Option<Peer> {
        self.set_due(at, u64::MAX);
        let peer = self.peers.remove(at)?;
        self.shared.forget_one();
        Some(peer)
    }
}
