//! A connection to an instance that is checked: a socket of any kind, with TLS or without.

use std::io;

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpStream, UnixStream},
};

use super::super::{TlsWay, address::Address};
use crate::tls;

/// Bytes that are read at a time.
const BLOCK: usize = 16 << 10;

trait Io: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Io for S {}

pub(super) struct Wire {
    socket: Box<dyn Io>,
    tls: Option<tls::Stream>,
    /// What was decrypted and not taken.
    plain: Vec<u8>,
}

impl Wire {
    /// Connects; with TLS, until it is known who is there.
    pub(super) async fn connect(address: &Address, tls: Option<&TlsWay>) -> io::Result<Self> {
        let socket: Box<dyn Io> = match address {
            Address::Ip(address) => Box::new(TcpStream::connect(address).await?),
            Address::Unix(path) => Box::new(UnixStream::connect(path).await?),
        };
        let tls = tls.map(TlsWay::begin).transpose();
        let mut wire = Self {
            socket,
            tls: tls.map_err(io::Error::other)?.map(tls::Stream::new),
            plain: Vec::new(),
        };
        while wire.tls.as_ref().is_some_and(tls::Stream::is_handshaking) {
            wire.flush().await?;
            if !wire.fill().await? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(wire)
    }

    pub(super) async fn send(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        if self.tls.is_none() {
            return self.socket.write_all(bytes).await;
        }
        while let Some(tls) = &mut self.tls
            && !bytes.is_empty()
        {
            let taken = tls.encrypt(bytes)?;
            bytes = &bytes[taken..];
            self.flush().await?;
        }
        Ok(())
    }

    /// Adds what comes to `into`; false if nothing comes any more.
    pub(super) async fn receive(&mut self, into: &mut Vec<u8>) -> io::Result<bool> {
        if self.tls.is_none() {
            return Ok(self.socket.read_buf(into).await? > 0);
        }
        while self.plain.is_empty() {
            if !self.fill().await? {
                return Ok(false);
            }
        }
        into.append(&mut self.plain);
        Ok(true)
    }

    async fn flush(&mut self) -> io::Result<()> {
        let Some(tls) = &mut self.tls else {
            return Ok(());
        };
        let mut output = Vec::new();
        while tls.wants_write() {
            tls.write(&mut output)?;
        }
        self.socket.write_all(&output).await
    }

    /// Reads and decrypts; false at the end.
    async fn fill(&mut self) -> io::Result<bool> {
        let mut block = vec![0; BLOCK];
        let bytes = self.socket.read(&mut block).await?;
        let Some(tls) = &mut self.tls else {
            return Ok(false);
        };
        if bytes == 0 || tls.has_peer_closed() {
            return Ok(false);
        }
        let kept = self.plain.len();
        self.plain.resize(kept + bytes + tls::RECORD_MAX, 0);
        let decrypted = tls.decrypt(&block[..bytes], &mut self.plain[kept..]);
        self.plain
            .truncate(kept + decrypted.as_ref().copied().unwrap_or_default());
        // Also why it is not believed.
        let flushed = self.flush().await;
        decrypted?;
        flushed?;
        Ok(true)
    }
}
