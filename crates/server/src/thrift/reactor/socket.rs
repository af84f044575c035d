//! A socket and what is to be written to it.

use std::io::{self, Read as _, Write as _};

use mio::{Interest, Registry, Token};

use super::super::{
    address::Address,
    handover::{self, Handed, HandedOver, HandedStream},
};
use super::stream::Stream;
use crate::tls;

/// A buffer that grew beyond this is given back when it is empty.
const KEPT_MAX: usize = 256 << 10;

/// A socket that does not block, with TLS on it or without.
#[derive(Debug)]
pub(crate) struct Socket {
    stream: Stream,
    tls: Option<Box<tls::Stream>>,
    pub(super) address: Address,
    pub(super) is_readable: bool,
    pub(super) is_writable: bool,
    /// The system said that the end is near, and will not say so again.
    pub(super) is_ending: bool,
    /// What is to be written, from `sent` on.
    pub(super) output: Vec<u8>,
    sent: usize,
    /// Bytes that were written since it is there.
    pub(super) written: u64,
}

/// What reading gave.
#[derive(Debug)]
pub(super) enum Read {
    /// So many bytes.
    Some(usize),
    /// Nothing now.
    Nothing,
    /// Nothing ever again.
    End,
    /// It is broken.
    Broken(io::Error),
}

impl Socket {
    pub(super) fn new(stream: Stream, address: Address) -> Self {
        Self {
            stream,
            tls: None,
            address,
            // Readiness is told on changes only, and what was there before the registration may be told or not.
            is_readable: true,
            is_writable: true,
            is_ending: false,
            output: Vec::new(),
            sent: 0,
            written: 0,
        }
    }

    /// Begins to connect.
    pub(super) fn connect(address: &Address) -> io::Result<Self> {
        Ok(Self {
            is_readable: false,
            is_writable: false,
            ..Self::new(Stream::connect(address)?, address.clone())
        })
    }

    /// All that comes from now on is TLS, and all that is written.
    pub(super) fn begin_tls(&mut self, connection: impl Into<rustls::Connection>) {
        self.tls = Some(Box::new(tls::Stream::new(connection)));
    }

    /// Whether TLS was begun, and it is not known yet who the peer is.
    pub(super) fn is_handshaking(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.is_handshaking())
    }

    pub(super) fn is_tls(&self) -> bool {
        self.tls.is_some()
    }

    pub(super) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        let interest = Interest::READABLE | Interest::WRITABLE;
        registry.register(self.stream.source(), token, interest)
    }

    /// Whether it came over a network.
    pub(super) fn is_network(&self) -> bool {
        matches!(self.stream, Stream::Tcp(_))
    }

    /// What it failed with, if it did.
    pub(super) fn take_error(&self) -> Option<io::Error> {
        self.stream.take_error()
    }

    /// Looks at what comes without taking it; `None` if that cannot be done here.
    pub(super) fn peek(&mut self, into: &mut [u8]) -> Option<Read> {
        if self.tls.is_some() {
            return None;
        }
        let peeked = self.stream.peek(into);
        Some(self.came(peeked))
    }

    /// Reads what there is.
    pub(super) fn read(&mut self, into: &mut [u8]) -> Read {
        if !self.is_readable {
            return Read::Nothing;
        }
        if self.tls.is_some() {
            return self.read_tls(into);
        }
        let read = self.stream.read(into);
        if read.as_ref().is_ok_and(|bytes| *bytes < into.len()) {
            // All there was; more is told of, but the end is not told of twice.
            self.is_readable = self.is_ending;
        }
        self.came(read)
    }

    /// Reads into the end of `into`, and decrypts into its beginning, which is larger by what may be there of a record.
    fn read_tls(&mut self, into: &mut [u8]) -> Read {
        let Some(tls) = &mut self.tls else {
            return Read::Nothing;
        };
        if tls.has_peer_closed() {
            return Read::End;
        }
        let middle = (into.len() + tls::RECORD_MAX) / 2;
        let (plain, cipher) = into.split_at_mut(middle);
        let read = self.stream.read(cipher);
        let read = match read {
            Ok(0) | Err(_) => return self.came(read),
            Ok(bytes) => bytes,
        };
        match tls.decrypt(&cipher[..read], plain) {
            Ok(bytes) => {
                self.is_readable = self.is_ending || read == cipher.len() || tls.has_peer_closed();
                match bytes {
                    0 => Read::Nothing,
                    bytes => Read::Some(bytes),
                }
            }
            Err(error) => {
                // It may say why; who does not listen any more misses nothing.
                let _ = tls.write(&mut self.stream);
                Read::Broken(error)
            }
        }
    }

    fn came(&mut self, came: io::Result<usize>) -> Read {
        match came {
            Ok(0) => {
                // It is seen again by who reads again.
                self.is_readable = true;
                Read::End
            }
            Ok(bytes) => Read::Some(bytes),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.is_readable = false;
                Read::Nothing
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Read::Nothing,
            Err(error) => Read::Broken(error),
        }
    }

    /// Bytes that are not written yet.
    pub(super) fn unsent(&self) -> usize {
        let encrypted = self.tls.as_ref().is_some_and(|tls| tls.wants_write());
        self.output.len() - self.sent + usize::from(encrypted)
    }

    /// Writes as much as it takes; an error if it is broken.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        while self.is_writable && self.unsent() > 0 {
            match self.write_some() {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.is_writable = false;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if self.sent == self.output.len() {
            self.sent = 0;
            self.output.clear();
            self.output.shrink_to(KEPT_MAX);
        }
        Ok(())
    }

    /// False if nothing can be written before something came.
    fn write_some(&mut self) -> io::Result<bool> {
        let rest = &self.output[self.sent..];
        let taken = match &mut self.tls {
            None => match self.stream.write(rest)? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                bytes => bytes,
            },
            Some(tls) if tls.wants_write() => {
                tls.write(&mut self.stream)?;
                0
            }
            Some(tls) if tls.is_handshaking() => return Ok(false),
            Some(tls) => tls.encrypt(rest)?,
        };
        self.sent += taken;
        self.written += taken as u64;
        Ok(true)
    }

    /// Makes it one that somebody else can serve. `first` was read of it. Within a runtime.
    pub(super) fn hand_over(self, speaks: Handed, first: &[u8]) -> io::Result<HandedOver> {
        let (peer, local, stream, carrier) = match (self.stream, self.tls) {
            (Stream::Unix(stream), _) => {
                let stream = HandedStream::Unix(stream.into());
                (handover::NEIGHBOUR, handover::NEIGHBOUR, stream, None)
            }
            (Stream::Tcp(stream), tls) => {
                let (peer, local) = (stream.peer_addr()?, stream.local_addr()?);
                let stream = std::net::TcpStream::from(stream);
                let (stream, carrier) = match tls {
                    None => (HandedStream::Tcp(stream), None),
                    Some(tls) => {
                        let (stream, carrier) = handover::carry(stream, *tls, first.to_vec())?;
                        (HandedStream::Unix(stream), Some(carrier))
                    }
                };
                (peer, local, stream, carrier)
            }
        };
        Ok(HandedOver {
            speaks,
            stream,
            peer,
            local,
            carrier,
        })
    }

    /// Nothing more will be written.
    pub(super) fn shutdown(&mut self) {
        if let Some(tls) = &mut self.tls {
            tls.close();
            let _ = tls.write(&mut self.stream);
        }
        self.stream.shutdown();
    }

    pub(super) fn deregister(&mut self, registry: &Registry) {
        let _ = registry.deregister(self.stream.source());
    }
}
