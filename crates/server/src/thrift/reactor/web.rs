//! Connections to instances that speak HTTP or WebSocket.

use super::{Reactor, link_token, links::Link};

impl Link {
    /// Puts the message that was just made into a request or a frame, if it has to be.
    pub(super) fn wrap(&mut self, headers: &[(&[u8], &[u8])], is_oneway: bool) {
        if let Some(web) = &mut self.web {
            let mut message = Vec::new();
            self.client.take_output(&mut message);
            web.send(&message, headers, is_oneway, &mut self.socket.output);
        }
    }

    /// Whether another call can be made.
    pub(super) fn has_room(&self) -> bool {
        self.client.has_room() && self.web.as_ref().is_none_or(|web| web.has_room())
    }
}

impl Reactor {
    /// Takes responses or frames out of what came. `over`: why nothing more comes.
    pub(super) fn read_web(
        &mut self,
        at: usize,
        stamp: u32,
        input: &mut &[u8],
        over: Option<&str>,
    ) {
        let Some(link) = self.link_of(at, stamp) else {
            return;
        };
        let Some(web) = &mut link.web else {
            return;
        };
        let mut body = std::mem::take(&mut link.body);
        let mut handled = web.handle(input, &mut body, &mut link.socket.output);
        if over.is_some() && handled.is_ok() {
            handled = web.handle_eof();
        }
        if web.is_last() {
            link.client.retire();
        }
        let over = over.or_else(|| web.has_ended().then_some("it closed the WebSocket"));
        if link.socket.unsent() > 0 {
            self.soil(link_token(at));
        }
        let mut unread = &body[..];
        if !self.handle_replies(at, stamp, &mut unread) {
            return;
        }
        let Some(link) = self.link_of(at, stamp) else {
            return;
        };
        link.body.extend_from_slice(unread);
        let is_complete = link.web.as_ref().is_some_and(|web| web.is_complete());
        if handled.is_ok() && is_complete && !link.body.is_empty() {
            return self.break_link(at, "the message in its response is cut off");
        }
        let is_of_no_use = !link.client.is_reusable() && link.client.waiting().next().is_none();
        match (handled, over) {
            (Err(error), _) => self.break_link(at, &error.to_string()),
            (Ok(()), Some(reason)) => self.lose_link(at, reason),
            (Ok(()), None) if is_of_no_use => self.drop_link(at),
            (Ok(()), None) => {
                if link.socket.is_readable && !std::mem::replace(&mut link.is_ready, true) {
                    self.ready.push_back(link_token(at));
                }
                if self.links.get(at).is_some_and(|link| link.has_room()) {
                    self.make_idle(at);
                }
            }
        }
    }
}
