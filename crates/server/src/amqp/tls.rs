//! TLS of a connection, by bytes: nothing here reads or writes a socket by itself.

mod identity;

use std::{io, path::PathBuf, sync::Arc};

use rustls::{ServerConfig, ServerConnection};
use trefoil_broker::{CertificateFacts, TlsFacts};

pub use crate::tls::TlsError;
use crate::tls::{self, Stream, TlsFiles};
pub use identity::{AlternativeName, LoginFrom};

/// What a TLS listener needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsConfig {
    /// The certificate and those between it and its authority, PEM.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
    /// The authorities whose clients are believed, PEM. Without it clients are not asked for certificates.
    pub client_ca: Option<PathBuf>,
    /// Whether clients without a certificate are refused.
    pub client_required: bool,
    /// What of a client's certificate names its user.
    pub login_from: LoginFrom,
}

/// The certificates of listeners, and what those of clients stand for.
#[derive(Debug)]
pub(super) struct Certificates {
    files: tls::Certificates,
    login_from: LoginFrom,
}

impl Certificates {
    /// Reads the files.
    ///
    /// # Errors
    /// [`TlsError`].
    pub(super) fn read(config: &TlsConfig) -> Result<Self, TlsError> {
        let files = TlsFiles {
            certificate: config.certificate.clone(),
            key: config.key.clone(),
            client_ca: config.client_ca.clone(),
            client_required: config.client_required,
        };
        Ok(Self {
            files: tls::Certificates::read(&files)?,
            login_from: config.login_from,
        })
    }

    /// The TLS side of a new connection.
    ///
    /// # Errors
    /// When the library refuses.
    pub(super) fn session(&self, now: u64) -> Result<Session, rustls::Error> {
        Session::new(self.current(now), self.login_from)
    }

    /// What a new connection is served with.
    pub(super) fn current(&self, now: u64) -> Arc<ServerConfig> {
        self.files.current(now)
    }
}

/// The TLS side of one connection.
#[derive(Debug)]
pub(super) struct Session {
    stream: Stream,
    login_from: LoginFrom,
    closed: bool,
    given_up: bool,
}

impl Session {
    fn new(config: Arc<ServerConfig>, login_from: LoginFrom) -> Result<Self, rustls::Error> {
        Ok(Self {
            stream: Stream::new(ServerConnection::new(config)?),
            login_from,
            closed: false,
            given_up: false,
        })
    }

    /// See [`Stream::decrypt`].
    ///
    /// # Errors
    /// When it is no TLS, or none that can be believed. An alert for the peer may be left to be written.
    pub(super) fn decrypt(&mut self, from: &[u8], into: &mut [u8]) -> io::Result<usize> {
        self.stream.decrypt(from, into)
    }

    /// Whether the peer said that nothing comes any more.
    pub(super) fn has_peer_closed(&self) -> bool {
        self.stream.has_peer_closed()
    }

    /// Whether the peer still has to prove who it is.
    pub(super) fn is_handshaking(&self) -> bool {
        self.stream.is_handshaking()
    }

    pub(super) fn wants_write(&self) -> bool {
        !self.given_up && self.stream.wants_write()
    }

    pub(super) fn write(&mut self, socket: &mut dyn io::Write) -> io::Result<()> {
        self.stream.write(socket)
    }

    pub(super) fn encrypt(&mut self, plain: &[u8]) -> io::Result<usize> {
        self.stream.encrypt(plain)
    }

    /// Nothing comes after what was said.
    pub(super) fn close(&mut self) {
        if !std::mem::replace(&mut self.closed, true) {
            self.stream.close();
        }
    }

    /// What is still to be written will never be.
    pub(super) fn give_up(&mut self) {
        self.given_up = true;
    }

    /// What is known of the peer and of the way to it, after the handshake.
    pub(super) fn facts(&self) -> TlsFacts {
        let peer = self
            .stream
            .state()
            .peer_certificates()
            .and_then(<[_]>::first);
        let peer = peer.and_then(|certificate| identity::parse(certificate));
        TlsFacts {
            protocol: match self.stream.state().protocol_version() {
                Some(rustls::ProtocolVersion::TLSv1_2) => "TLSv1.2",
                Some(rustls::ProtocolVersion::TLSv1_3) => "TLSv1.3",
                _ => "TLS",
            }
            .to_owned(),
            cipher: self
                .stream
                .state()
                .negotiated_cipher_suite()
                .and_then(|suite| suite.suite().as_str())
                .unwrap_or_default()
                .to_owned(),
            identity: peer
                .as_ref()
                .and_then(|certificate| identity::user(certificate, self.login_from)),
            certificate: peer.map(|certificate| {
                let about = certificate.tbs_certificate();
                let validity = about.validity();
                CertificateFacts {
                    subject: identity::distinguished_name(about.subject()),
                    issuer: identity::distinguished_name(about.issuer()),
                    validity: format!("{} - {}", validity.not_before, validity.not_after),
                }
            }),
        }
    }
}
