//! Connections to instances that speak HTTP.

use super::{Reactor, link_token, links::Link};

impl Link {
    /// Puts the message that was just made into a request, if it has to be.
    pub(super) fn wrap(&mut self, is_oneway: bool) {
        if let Some(post) = &mut self.post {
            let mut message = Vec::new();
            self.client.take_output(&mut message);
            post.request(&message, is_oneway, &mut self.socket.output);
        }
    }

    /// Whether another call can be made. Servers of HTTP may close after any response, so nothing is sent before it came.
    pub(super) fn has_room(&self) -> bool {
        self.client.has_room() && self.post.as_ref().is_none_or(|post| post.is_idle())
    }
}

impl Reactor {
    /// Takes responses out of what came. `over`: why nothing more comes.
    pub(super) fn read_post(
        &mut self,
        at: usize,
        stamp: u32,
        input: &mut &[u8],
        over: Option<&str>,
    ) {
        let Some(link) = self.link_of(at, stamp) else {
            return;
        };
        let Some(post) = &mut link.post else {
            return;
        };
        let mut body = std::mem::take(&mut link.body);
        let mut handled = post.handle(input, &mut body);
        if over.is_some() && handled.is_ok() {
            handled = post.handle_eof();
        }
        if post.is_last() {
            link.client.retire();
        }
        let mut unread = &body[..];
        if !self.handle_replies(at, stamp, &mut unread) {
            return;
        }
        let Some(link) = self.link_of(at, stamp) else {
            return;
        };
        link.body.extend_from_slice(unread);
        // The end of a response is the end of its message: what is not whole now never will be.
        let is_idle = link.post.as_ref().is_some_and(|post| post.is_idle());
        if handled.is_ok() && is_idle && !link.body.is_empty() {
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
