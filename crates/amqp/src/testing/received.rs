//! What a scripted client heard.

use crate::{ChannelNumber, ContentHeader, Method, MethodId, Properties};

/// A method of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// The channel it came on.
    pub channel: ChannelNumber,
    payload: Vec<u8>,
    content: Option<Content>,
}

/// The content that came with a method.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// The payload of the content header frame.
    pub header: Vec<u8>,
    /// The body.
    pub body: Vec<u8>,
}

impl Content {
    /// The properties.
    ///
    /// # Panics
    /// If the header is malformed.
    pub fn properties(&self) -> Properties<'_> {
        Properties::parse(&self.header).expect("the server sends good headers")
    }
}

/// A `connection.close` or `channel.close`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// The code.
    pub code: u16,
    /// The text, with the code's name before it.
    pub text: String,
    /// The method that failed.
    pub method: MethodId,
}

impl Received {
    pub(super) fn new(channel: u16, payload: &[u8]) -> Self {
        let received = Self {
            channel: ChannelNumber(channel),
            payload: payload.to_vec(),
            content: None,
        };
        let _ = received.method();
        received
    }

    /// The method.
    ///
    /// # Panics
    /// If it is malformed; that was found out when it came.
    pub fn method(&self) -> Method<'_> {
        Method::decode(&self.payload)
            .unwrap_or_else(|error| panic!("the server sent a malformed method: {error}"))
    }

    /// Which method it is.
    pub fn id(&self) -> MethodId {
        self.method().id()
    }

    /// The content, if the method has some.
    pub fn content(&self) -> Option<&Content> {
        self.content.as_ref()
    }

    /// The body, if the method has content.
    pub fn body(&self) -> Option<&[u8]> {
        self.content.as_ref().map(|content| content.body.as_slice())
    }

    /// Code, text and method of a close.
    pub fn closed(&self) -> Option<Closed> {
        let (code, text, class, method) = match self.method() {
            Method::ConnectionClose(close) => (
                close.reply_code,
                close.reply_text,
                close.class_id,
                close.method_id,
            ),
            Method::ChannelClose(close) => (
                close.reply_code,
                close.reply_text,
                close.class_id,
                close.method_id,
            ),
            _ => return None,
        };
        Some(Closed {
            code,
            text: text.to_owned(),
            method: MethodId { class, method },
        })
    }

    pub(super) fn handle_header(&mut self, payload: &[u8]) {
        assert!(
            self.content.is_none(),
            "the server sent two content headers"
        );
        let header = ContentHeader::new(payload);
        header
            .validate()
            .unwrap_or_else(|error| panic!("the server sent a malformed content header: {error}"));
        assert!(
            header.is_basic() && header.weight() == 0,
            "the server sent a content header of another class"
        );
        self.content = Some(Content {
            header: payload.to_vec(),
            body: Vec::new(),
        });
    }

    pub(super) fn handle_body(&mut self, payload: &[u8]) {
        let content = self
            .content
            .as_mut()
            .expect("the server sends a content header before a body");
        content.body.extend_from_slice(payload);
        let size = ContentHeader::new(&content.header).body_size();
        assert!(
            content.body.len() as u64 <= size,
            "the server sent more body than the header said"
        );
    }

    pub(super) fn is_whole(&self) -> bool {
        let is_whole = |content: &Content| {
            content.body.len() as u64 == ContentHeader::new(&content.header).body_size()
        };
        self.content.as_ref().is_some_and(is_whole)
    }
}
