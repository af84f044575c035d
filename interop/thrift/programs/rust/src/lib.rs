//! Transports and protocols of the Rust library, by the names that the harness uses, and the generated code.

// The modules are written by the compiler, into the copy of this directory that is built.
#[path = "gen/conformance.rs"]
pub mod conformance;
#[path = "gen/newer.rs"]
pub mod newer;

mod tls;

use std::{net::TcpStream, os::unix::net::UnixStream, path::PathBuf, time::Duration};

use thrift::{
    protocol::{
        TBinaryInputProtocol, TBinaryOutputProtocol, TCompactInputProtocol, TCompactOutputProtocol,
        TInputProtocol, TMultiplexedOutputProtocol, TOutputProtocol,
    },
    transport::{
        TBufferedReadTransport, TBufferedWriteTransport, TFramedReadTransport,
        TFramedWriteTransport, TIoChannel, TReadTransport, TTcpChannel, TTlsClientChannel,
        TTlsServerChannel, TWriteTransport,
    },
};

/// What a program is called with.
pub struct Dialect {
    pub address: String,
    pub transport: String,
    pub protocol: String,
    pub multiplex: String,
    /// Whom to believe; what a server shows is beside it.
    pub ca: PathBuf,
}

pub type Input = Box<dyn TInputProtocol + Send>;
pub type Output = Box<dyn TOutputProtocol + Send>;

impl Dialect {
    pub fn from_arguments() -> Self {
        let words: Vec<String> = std::env::args().skip(1).collect();
        let mut dialect = Self {
            address: words[0].clone(),
            transport: "buffered".to_owned(),
            protocol: "binary".to_owned(),
            multiplex: String::new(),
            ca: PathBuf::new(),
        };
        for pair in words[1..].chunks(2) {
            let place = match pair[0].as_str() {
                "--transport" => &mut dialect.transport,
                "--protocol" => &mut dialect.protocol,
                "--ca" => {
                    dialect.ca = PathBuf::from(&pair[1]);
                    continue;
                }
                "--multiplex" => &mut dialect.multiplex,
                other => panic!("no option {other}"),
            };
            place.clone_from(&pair[1]);
        }
        dialect
    }

    /// Both protocols for a connection that came to a server.
    pub fn serve(&self, stream: TcpStream) -> thrift::Result<(Input, Output)> {
        stream.set_nodelay(true)?;
        match self.transport.as_str() {
            "tls" => self.on(TTlsServerChannel::with_stream(stream, tls::server(&self.ca))?),
            _ => self.on(TTcpChannel::with_stream(stream)),
        }
    }

    fn on<C: TIoChannel + Send + 'static>(&self, channel: C) -> thrift::Result<(Input, Output)> {
        let (read, write) = channel.split()?;
        let (read, write): (Box<dyn TReadTransport + Send>, Box<dyn TWriteTransport + Send>) =
            match self.transport.as_str() {
                "buffered" => (
                    Box::new(TBufferedReadTransport::new(read)),
                    Box::new(TBufferedWriteTransport::new(write)),
                ),
                "framed" | "unix" | "tls" => (
                    Box::new(TFramedReadTransport::new(read)),
                    Box::new(TFramedWriteTransport::new(write)),
                ),
                other => panic!("the Rust library has no transport {other}"),
            };
        Ok(match self.protocol.as_str() {
            "binary" | "binary-old" => {
                let is_strict = self.protocol == "binary";
                (
                    Box::new(TBinaryInputProtocol::new(read, false)),
                    Box::new(TBinaryOutputProtocol::new(write, is_strict)),
                )
            }
            "compact" => (
                Box::new(TCompactInputProtocol::new(read)),
                Box::new(TCompactOutputProtocol::new(write)),
            ),
            other => panic!("the Rust library has no protocol {other}"),
        })
    }

    pub fn connect(&self) -> thrift::Result<(Input, Output)> {
        let limit = Some(Duration::from_secs(10));
        let (input, output) = if self.transport == "unix" {
            let stream = UnixStream::connect(&self.address)?;
            stream.set_read_timeout(limit)?;
            self.on(stream)?
        } else {
            let stream = TcpStream::connect(&self.address)?;
            stream.set_read_timeout(limit)?;
            stream.set_nodelay(true)?;
            match self.transport.as_str() {
                "tls" => {
                    let (name, configuration) = (tls::name(&self.address), tls::client(&self.ca));
                    self.on(TTlsClientChannel::with_stream(stream, name, configuration)?)?
                }
                _ => self.on(TTcpChannel::with_stream(stream))?,
            }
        };
        if self.multiplex.is_empty() {
            return Ok((input, output));
        }
        let output = TMultiplexedOutputProtocol::new(&self.multiplex, output);
        Ok((input, Box::new(output)))
    }
}
