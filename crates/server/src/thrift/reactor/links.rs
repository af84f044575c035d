//! Connections to instances, and the calls that wait for one.

use std::collections::VecDeque;

use trefoil_director::instances::InstanceKey;
use trefoil_thrift::{
    connection::{Client, ClientEvent},
    framing::Transport,
};

use super::{
    super::{call::CallFailure, forms, web::Web},
    Reactor, link_token,
    socket::{Read, Socket},
};

/// A connection to an instance.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) socket: Socket,
    pub(super) instance: InstanceKey,
    /// Tells it from one that had its place before.
    stamp: u32,
    pub(super) client: Client,
    /// Messages are within requests and responses of HTTP, or frames of WebSocket.
    pub(super) web: Option<Box<Web>>,
    /// What came in those and is not understood yet.
    pub(super) body: Vec<u8>,
    pub(super) rest: Vec<u8>,
    pub(super) is_connecting: bool,
    /// Until when it has to be there: connected, and handshakes of TLS and WebSocket at their end.
    opens_by: u64,
    /// Until when it is kept, if nothing waits on it.
    until: u64,
    pub(super) is_ready: bool,
    pub(super) is_dirty: bool,
}

impl Link {
    /// Whether nothing can have been said on it yet.
    fn is_opening(&self) -> bool {
        self.is_connecting
            || self.socket.is_handshaking()
            || self.web.as_ref().is_some_and(|web| web.is_opening())
    }
}

/// The connections to an instance.
#[derive(Debug, Default)]
pub(super) struct Pool {
    /// Those that can take another call, the last used at the end.
    idle: Vec<usize>,
    /// All.
    open: usize,
    /// Calls that wait for one.
    queue: VecDeque<usize>,
}

impl Reactor {
    /// Sends a call to an instance, or has it wait until it can be.
    pub(super) fn send(&mut self, at: usize, instance: InstanceKey) {
        let pool = self.pools.entry(instance).or_default();
        if let Some(link) = pool.idle.pop() {
            return self.send_on(at, link);
        }
        if pool.open < self.shared.config.pool_max {
            match self.connect(instance) {
                Ok(link) => self.send_on(at, link),
                Err(reason) => {
                    let instance = self.name_of(Some(instance));
                    self.handle_lost(at, CallFailure::Unreachable { instance, reason }, false);
                }
            }
            return;
        }
        let queue_max = self.shared.config.queue_max;
        if pool.queue.len() >= queue_max {
            let waiting = pool.queue.len();
            if let Some(call) = self.calls.get(at) {
                let service = call.target.service.to_string();
                self.fail(at, CallFailure::Overloaded { service, waiting });
            }
            return;
        }
        pool.queue.push_back(at);
    }

    fn connect(&mut self, instance: InstanceKey) -> Result<usize, String> {
        let way = self
            .shared
            .way(instance)
            .ok_or_else(|| "its address is not known yet".to_owned())?;
        let mut socket = Socket::connect(&way.address).map_err(|error| error.to_string())?;
        if let Some(tls) = &way.tls {
            socket.begin_tls(tls.begin().map_err(|error| error.to_string())?);
        }
        let at = self.links.next();
        socket
            .register(self.poll.registry(), link_token(at))
            .map_err(|error| error.to_string())?;
        let web = way.web.clone();
        let web = web.map(|to| Box::new(Web::begin(to, way.dialect.protocol, &mut socket.output)));
        let config = &self.shared.config;
        let limits = config.limits;
        let window = if way.is_pipelined { way.window } else { 1 };
        self.links.insert(Link {
            socket,
            instance,
            stamp: self.shared.next_stamp(),
            client: Client::new(way.dialect, way.multiplex.as_deref(), limits).with_window(window),
            web,
            body: Vec::new(),
            rest: Vec::new(),
            is_connecting: true,
            opens_by: self.now + config.connect_timeout_ms,
            until: self.now + config.idle_ms,
            is_ready: false,
            is_dirty: false,
        });
        self.pools.entry(instance).or_default().open += 1;
        Ok(at)
    }

    fn send_on(&mut self, at: usize, link_at: usize) {
        let Some(link) = self.links.get(link_at) else {
            return;
        };
        let Some(call) = self.calls.get(at) else {
            return self.make_idle(link_at);
        };
        let target = &call.target;
        let method = target.method();
        let is_oneway = method.is_oneway();
        let to = link.client.protocol();
        // Only the header transport and HTTP have any.
        let is_header = link.client.dialect().transport == Transport::Header;
        let has_headers = is_header || link.web.as_ref().is_some_and(|web| web.has_headers());
        let left_ms = call.deadline.saturating_sub(self.now);
        let hop = has_headers.then(|| call.context.next_hop(left_ms));
        let headers = hop.as_ref().map(|hop| hop.headers(&call.context));
        let headers = headers.unwrap_or_default();
        let sent = if forms::same(call.protocol, to) {
            link.client.call_raw(
                at as u64,
                &method.name,
                is_oneway,
                &headers,
                &call.arguments,
            )
        } else {
            self.scratch.clear();
            let transcoded = forms::transcode(
                target.contract.schema(),
                method.arguments,
                (call.protocol, &call.arguments),
                to,
                &self.shared.config.limits,
                &mut self.scratch,
            );
            if let Err(error) = transcoded {
                self.fail(at, CallFailure::Malformed(error.to_string()));
                return self.make_idle(link_at);
            }
            link.client
                .call_raw(at as u64, &method.name, is_oneway, &headers, &self.scratch)
        };
        call.link = Some(link_at);
        if let Err(error) = sent {
            self.fail(at, CallFailure::Malformed(error.to_string()));
            return self.make_idle(link_at);
        }
        link.wrap(&headers, is_oneway);
        link.until = link.until.max(self.now + self.shared.config.idle_ms);
        self.soil(link_token(link_at));
        if is_oneway {
            self.handle_sent(at);
        }
        let has_room = self.links.get(link_at).is_some_and(|link| link.has_room());
        if has_room {
            self.make_idle(link_at);
        }
    }

    /// A connection can take another call: one that waits, if there is any.
    pub(super) fn make_idle(&mut self, link_at: usize) {
        let Some(link) = self.links.get(link_at) else {
            return;
        };
        if !link.client.is_reusable() {
            return self.drop_link(link_at);
        }
        let instance = link.instance;
        while let Some(call) = self
            .pools
            .get_mut(&instance)
            .and_then(|pool| pool.queue.pop_front())
        {
            if self.waits_for(call, instance) {
                return self.send_on(call, link_at);
            }
        }
        let pool = self.pools.entry(instance).or_default();
        if !pool.idle.contains(&link_at) {
            pool.idle.push(link_at);
        }
    }

    /// A place in a queue may be that of a call which is over, and its slot another's by now.
    fn waits_for(&mut self, call: usize, instance: InstanceKey) -> bool {
        let call = self.calls.get(call);
        call.is_some_and(|call| call.link.is_none() && call.instance == Some(instance))
    }

    pub(super) fn read_link(&mut self, at: usize) {
        let Some(link) = self.links.get(at) else {
            return;
        };
        link.is_ready = false;
        let stamp = link.stamp;
        let rest = std::mem::take(&mut link.rest);
        let mut lent = self.lend(rest);
        let kept = lent.kept;
        let Some(link) = self.links.get(at) else {
            return;
        };
        let (end, over) = match link.socket.read(&mut lent.bytes[kept..]) {
            Read::Some(bytes) => (kept + bytes, None),
            Read::Nothing => (kept, None),
            Read::End => (kept, Some("it closed the connection".to_owned())),
            Read::Broken(error) => (kept, Some(error.to_string())),
        };
        let is_web = link.web.is_some();
        if link.socket.is_tls() && link.socket.unsent() > 0 {
            // An answer to what came of the handshake, or what had to wait for its end.
            self.soil(link_token(at));
        }
        let mut input = &lent.bytes[..end];
        if is_web {
            self.read_web(at, stamp, &mut input, over.as_deref());
        } else {
            self.handle_replies(at, stamp, &mut input);
        }
        let taken = end - input.len();
        let rest = self.give_back(lent, end, taken);
        let Some(link) = self.link_of(at, stamp) else {
            return;
        };
        link.rest = rest;
        match over {
            Some(reason) => self.lose_link(at, &reason),
            None if link.socket.is_readable && !std::mem::replace(&mut link.is_ready, true) => {
                self.ready.push_back(link_token(at));
            }
            None => {}
        }
    }

    /// A connection, unless it is gone and another has its place.
    pub(super) fn link_of(&mut self, at: usize, stamp: u32) -> Option<&mut Link> {
        self.links.get(at).filter(|link| link.stamp == stamp)
    }

    /// False if the connection is gone.
    pub(super) fn handle_replies(&mut self, at: usize, stamp: u32, input: &mut &[u8]) -> bool {
        let until = self.now + self.shared.config.idle_ms;
        loop {
            let Some(link) = self.link_of(at, stamp) else {
                return false;
            };
            match link.client.poll_reply(input) {
                None => return true,
                Some(ClientEvent::Reply(reply)) => {
                    link.until = until;
                    let (token, kind) = (reply.token as usize, reply.kind);
                    let answered =
                        self.handle_reply(token, kind, reply.dialect.protocol, &reply.body);
                    if let Err(reason) = answered {
                        tracing::warn!(instance = ?self.links.get(at).map(|link| link.instance), reason, "a reply is not what the contract says");
                        if let Some(link) = self.link_of(at, stamp) {
                            link.client.retire();
                        }
                    }
                    let Some(link) = self.link_of(at, stamp) else {
                        return false;
                    };
                    if link.has_room() {
                        self.make_idle(at);
                    } else if !link.client.is_reusable() && link.client.waiting().next().is_none() {
                        self.drop_link(at);
                        return false;
                    }
                }
                Some(ClientEvent::Broken(broken)) => {
                    self.break_link(at, &broken.error.to_string());
                    return false;
                }
            }
        }
    }

    /// What a connection says cannot be understood: its calls may have been done.
    pub(super) fn break_link(&mut self, at: usize, reason: &str) {
        let Some(link) = self.links.get(at) else {
            return;
        };
        let instance = Some(link.instance);
        let was_sent = !link.is_opening();
        let waiting: Vec<u64> = link.client.waiting().collect();
        self.drop_link(at);
        for call in waiting {
            let failure = CallFailure::BadReply {
                instance: self.name_of(instance),
                reason: reason.to_owned(),
            };
            self.handle_lost(call as usize, failure, was_sent);
        }
    }

    pub(super) fn flush_link(&mut self, at: usize) {
        let Some(link) = self.links.get(at) else {
            return;
        };
        link.is_dirty = false;
        if link.is_connecting {
            return;
        }
        link.client.take_output(&mut link.socket.output);
        if let Err(error) = link.socket.flush() {
            self.lose_link(at, &error.to_string());
        }
    }

    /// A connection broke: its calls have to go elsewhere or fail.
    pub(super) fn lose_link(&mut self, at: usize, reason: &str) {
        let Some(link) = self.links.get(at) else {
            return;
        };
        let error = link.socket.take_error();
        let reason = error.map_or_else(|| reason.to_owned(), |error| error.to_string());
        let waiting: Vec<u64> = link.client.waiting().collect();
        let was_sent = link.socket.written > 0 && !link.is_opening();
        let instance = link.instance;
        self.drop_link(at);
        for call in waiting {
            let name = self.name_of(Some(instance));
            let failure = if was_sent {
                CallFailure::Disconnected { instance: name }
            } else {
                let reason = reason.clone();
                CallFailure::Unreachable {
                    instance: name,
                    reason,
                }
            };
            self.handle_lost(call as usize, failure, was_sent);
        }
    }

    /// Nobody waits for a call on a connection any more; what comes of it cannot be told from the next reply's place.
    pub(super) fn abandon(&mut self, link_at: usize, call: usize) {
        if let Some(link) = self.links.get(link_at) {
            link.client.abandon(call as u64);
            if link.client.waiting().next().is_none() {
                self.drop_link(link_at);
            }
        }
    }

    pub(super) fn drop_link(&mut self, at: usize) {
        let Some(mut link) = self.links.remove(at) else {
            return;
        };
        if let Some(web) = &mut link.web {
            web.close(&mut link.socket.output);
            // Whoever does not take it now is not waited for.
            let _ = link.socket.flush();
        }
        link.socket.deregister(self.poll.registry());
        let instance = link.instance;
        if let Some(pool) = self.pools.get_mut(&instance) {
            pool.idle.retain(|idle| *idle != at);
            pool.open -= 1;
            // A call that waits gets a connection of its own.
            let next = pool.queue.pop_front();
            if pool.open == 0 && next.is_none() {
                self.pools.remove(&instance);
            }
            if let Some(call) = next
                && self.waits_for(call, instance)
            {
                self.send(call, instance);
            }
        }
    }

    /// Connections that take too long to come about, and those that nobody needed for a while.
    pub(super) fn expire_links(&mut self) {
        for at in self.links.keys() {
            let now = self.now;
            let Some(link) = self.links.get(at) else {
                continue;
            };
            if link.opens_by <= now && link.is_opening() {
                self.lose_link(at, "it does not answer the connection in time");
            } else if link.until <= now && link.client.waiting().next().is_none() {
                self.drop_link(at);
            }
        }
    }
}
