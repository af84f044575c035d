//! Connections that came in here and speak something else: given to who speaks it.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpStream, UnixStream},
    task::JoinHandle,
    time::{Duration, Instant, sleep_until, timeout},
};

use crate::tls;

/// What somebody speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handed {
    /// HTTP.
    Http,
    /// AMQP.
    Amqp,
}

/// A connection that speaks something else, from its first byte.
#[derive(Debug)]
pub struct HandedOver {
    /// What it speaks.
    pub speaks: Handed,
    /// It does not block.
    pub stream: HandedStream,
    /// The other end: an address of the loopback, if it came over a unix socket.
    pub peer: SocketAddr,
    /// Our end.
    pub local: SocketAddr,
    /// What came within TLS is carried to `stream` by this task, which ends after it.
    pub carrier: Option<JoinHandle<()>>,
}

/// What a connection is read from and written to.
#[derive(Debug)]
pub enum HandedStream {
    /// The connection itself.
    Tcp(std::net::TcpStream),
    /// The connection itself, or what carries the plain text of one with TLS.
    Unix(std::os::unix::net::UnixStream),
}

/// Takes connections that speak something else.
pub type HandOver = Box<dyn Fn(HandedOver) + Send + Sync>;

/// Who comes over a unix socket is on this machine.
pub(super) const NEIGHBOUR: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// What is read at once.
const BLOCK: usize = 16 << 10;
/// How long the last words to a peer may take, once nobody says more.
const LAST_WORDS: Duration = Duration::from_secs(30);
/// How long a peer that was told everything is waited for.
const LINGER: Duration = Duration::from_secs(2);

/// Carries plain text between a connection with TLS and a new pair of sockets, whose other end comes back. `first` came
/// already. Within a runtime.
pub(super) fn carry(
    socket: std::net::TcpStream,
    tls: tls::Stream,
    first: Vec<u8>,
) -> io::Result<(std::os::unix::net::UnixStream, JoinHandle<()>)> {
    let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    theirs.set_nonblocking(true)?;
    let (socket, ours) = (TcpStream::from_std(socket)?, UnixStream::from_std(ours)?);
    let carrier = tokio::spawn(async move {
        if let Err(error) = Carrier::new(tls, first).run(socket, ours).await {
            tracing::debug!(%error, "a connection with TLS broke");
        }
    });
    Ok((theirs, carrier))
}

/// Bytes that are on their way.
#[derive(Debug, Default)]
struct Parcel {
    bytes: Vec<u8>,
    sent: usize,
}

impl Parcel {
    fn rest(&self) -> &[u8] {
        &self.bytes[self.sent..]
    }

    fn is_empty(&self) -> bool {
        self.sent == self.bytes.len()
    }

    fn advance(&mut self, sent: usize) {
        self.sent += sent;
        if self.is_empty() {
            self.clear();
        }
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.sent = 0;
    }
}

/// Nothing is read for a side before it has taken what there was, so memory is bounded by a block, and what it says, each
/// way.
struct Carrier {
    tls: tls::Stream,
    /// Plain text for who serves it.
    inwards: Parcel,
    /// Encrypted for the peer.
    outwards: Parcel,
    peer_ended: bool,
    /// Who serves it takes nothing more.
    is_deaf: bool,
    /// Who serves it says nothing more; when that is the end.
    served_until: Option<Instant>,
}

impl Carrier {
    fn new(tls: tls::Stream, first: Vec<u8>) -> Self {
        Self {
            peer_ended: tls.has_peer_closed(),
            tls,
            inwards: Parcel {
                bytes: first,
                sent: 0,
            },
            outwards: Parcel::default(),
            is_deaf: false,
            served_until: None,
        }
    }

    async fn run(mut self, mut socket: TcpStream, mut inner: UnixStream) -> io::Result<()> {
        let (mut from_peer, mut to_peer) = socket.split();
        let (mut from_inner, mut to_inner) = inner.split();
        let (mut cipher, mut plain) = (vec![0; BLOCK], vec![0; BLOCK]);
        self.take_output()?;
        loop {
            if self.peer_ended && self.inwards.is_empty() && !self.is_deaf {
                self.is_deaf = true;
                // Who is gone need not be told.
                let _ = to_inner.shutdown().await;
            }
            if self.served_until.is_some() && self.outwards.is_empty() {
                break;
            }
            let until = self.served_until;
            // Each arm has taken or given bytes only if it is the one that ends.
            tokio::select! {
                read = from_peer.read(&mut cipher), if self.inwards.is_empty() && !self.peer_ended => {
                    self.handle_peer(&cipher[..read?])?;
                }
                written = to_inner.write(self.inwards.rest()), if !self.inwards.is_empty() => match written {
                    Ok(bytes) => self.inwards.advance(bytes),
                    Err(_) => {
                        self.inwards.clear();
                        self.is_deaf = true;
                    }
                },
                read = from_inner.read(&mut plain), if until.is_none() && self.outwards.is_empty() => {
                    // One that was dropped with something unread ends with an error.
                    self.handle_inner(&plain[..read.unwrap_or(0)])?;
                }
                written = to_peer.write(self.outwards.rest()), if !self.outwards.is_empty() => {
                    self.outwards.advance(written?);
                }
                () = sleep_until(until.unwrap_or_else(Instant::now)), if until.is_some() => return Ok(()),
            }
        }
        to_peer.shutdown().await?;
        // A socket that is closed with unread input takes the last words away from the peer.
        let drained = async {
            while from_peer
                .read(&mut cipher)
                .await
                .is_ok_and(|bytes| bytes > 0)
            {}
        };
        let _ = timeout(LINGER, drained).await;
        Ok(())
    }

    /// Takes what came of the peer; nothing is its end.
    fn handle_peer(&mut self, cipher: &[u8]) -> io::Result<()> {
        let plain = &mut self.inwards.bytes;
        plain.resize(cipher.len() + tls::RECORD_MAX, 0);
        let decrypted = self.tls.decrypt(cipher, plain);
        plain.truncate(decrypted.as_ref().copied().unwrap_or_default());
        self.take_output()?;
        decrypted?;
        self.peer_ended = cipher.is_empty() || self.tls.has_peer_closed();
        if self.is_deaf {
            self.inwards.clear();
        }
        Ok(())
    }

    /// Takes what is said to the peer; nothing is the end of it.
    fn handle_inner(&mut self, mut plain: &[u8]) -> io::Result<()> {
        if plain.is_empty() {
            self.tls.close();
            self.served_until = Some(Instant::now() + LAST_WORDS);
        }
        while !plain.is_empty() {
            let taken = self.tls.encrypt(plain)?;
            plain = &plain[taken..];
            self.take_output()?;
        }
        self.take_output()
    }

    fn take_output(&mut self) -> io::Result<()> {
        while self.tls.wants_write() {
            self.tls.write(&mut self.outwards.bytes)?;
        }
        Ok(())
    }
}
