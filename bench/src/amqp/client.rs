//! One connection with one channel: the handshake and the rare methods, one after the other.

use std::{
    io::{self, Write as _},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};

use super::wire::{FRAME_MAX, Frame, Input, Method, Value, id, take, take_text};

/// The only channel that this tool uses.
pub(super) const CHANNEL: u16 = 1;
/// Longest wait for anything: one that declares on a busy peer may take seconds.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// A connection with an open channel.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) stream: TcpStream,
    pub(super) input: Input,
    out: Vec<u8>,
}

/// How a queue is declared.
#[derive(Debug, Clone, Copy)]
pub(super) struct QueueKind {
    pub(super) durable: bool,
    pub(super) arguments: &'static [(&'static str, Value)],
}

/// Kept in memory only.
pub(super) const TRANSIENT: QueueKind = QueueKind {
    durable: false,
    arguments: &[],
};
/// Survives a restart.
pub(super) const DURABLE: QueueKind = QueueKind {
    durable: true,
    arguments: &[],
};
/// Survives a restart; confirms mean written, not synced. What RabbitMQ does not know it ignores.
pub(super) const WRITTEN: QueueKind = QueueKind {
    durable: true,
    arguments: &[("x-confirm-level", Value::Text("written"))],
};

impl Client {
    /// Connects and opens the channel.
    pub(super) fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream =
            TcpStream::connect(address).with_context(|| format!("cannot connect to {address}"))?;
        Self::over(stream, 0)
    }

    /// The handshake over a connected socket.
    pub(super) fn over(stream: TcpStream, heartbeat_s: u16) -> anyhow::Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut client = Self {
            stream,
            input: Input::new(),
            out: Vec::new(),
        };
        client.stream.write_all(b"AMQP\0\0\x09\x01")?;
        client.expect(id::CONNECTION_START)?;
        let capabilities = [("publisher_confirms", Value::Bool(true))];
        let start_ok = Method::new(id::CONNECTION_START_OK)
            .table(&capabilities)
            .text("PLAIN")
            .long_text(b"\0guest\0guest")
            .text("en_US");
        client.ask(0, &start_ok, id::CONNECTION_TUNE)?;
        let tune_ok = Method::new(id::CONNECTION_TUNE_OK)
            .short(CHANNEL)
            .long(FRAME_MAX)
            .short(heartbeat_s);
        tune_ok.frame(0, &mut client.out);
        let open = Method::new(id::CONNECTION_OPEN).text("/").text("").octet(0);
        client.ask(0, &open, id::CONNECTION_OPEN_OK)?;
        let open = Method::new(id::CHANNEL_OPEN).text("");
        client.ask(CHANNEL, &open, id::CHANNEL_OPEN_OK)?;
        Ok(client)
    }

    /// A second handle on the same connection, for a thread that only reads.
    pub(super) fn reader(&self) -> io::Result<Self> {
        Ok(Self {
            stream: self.stream.try_clone()?,
            input: Input::new(),
            out: Vec::new(),
        })
    }

    /// Sends a method, and what was held back before it, and returns the arguments of its answer.
    fn ask(&mut self, channel: u16, method: &Method, answer: u32) -> anyhow::Result<Vec<u8>> {
        method.frame(channel, &mut self.out);
        self.flush()?;
        self.expect(answer)
    }

    fn flush(&mut self) -> anyhow::Result<()> {
        self.stream
            .write_all(&self.out)
            .context("cannot send a method")?;
        self.out.clear();
        Ok(())
    }

    fn expect(&mut self, wanted: u32) -> anyhow::Result<Vec<u8>> {
        loop {
            while let Some(frame) = self.input.next()? {
                let Some((id, arguments)) = frame.method() else {
                    continue;
                };
                if id == wanted {
                    return Ok(arguments.to_vec());
                }
                check_open(&frame)?;
            }
            if let Err(error) = self.input.fill(&mut self.stream) {
                let [_, class, _, method] = wanted.to_be_bytes();
                return Err(error)
                    .with_context(|| format!("no answer with method {class}.{method}"));
            }
        }
    }

    /// Declares a queue, empty and new.
    pub(super) fn declare(&mut self, queue: &str, kind: QueueKind) -> anyhow::Result<()> {
        let method = declare(queue, u8::from(kind.durable) << 1, kind.arguments);
        self.ask(CHANNEL, &method, id::QUEUE_DECLARE_OK)
            .with_context(|| format!("cannot declare queue {queue}"))?;
        Ok(())
    }

    /// Declares a queue without waiting; the next method that is waited for sends and checks it.
    pub(super) fn declare_later(&mut self, queue: &str, kind: QueueKind) -> anyhow::Result<()> {
        let bits = u8::from(kind.durable) << 1 | 1 << 4;
        declare(queue, bits, kind.arguments).frame(CHANNEL, &mut self.out);
        if self.out.len() > 1 << 16 {
            self.flush()?;
        }
        Ok(())
    }

    /// Messages in a queue that nobody has yet.
    pub(super) fn ready(&mut self, queue: &str) -> anyhow::Result<u64> {
        let answer = self.ask(CHANNEL, &declare(queue, 1, &[]), id::QUEUE_DECLARE_OK)?;
        let mut rest = &answer[..];
        take_text(&mut rest)?;
        Ok(u64::from(u32::from_be_bytes(take(&mut rest)?)))
    }

    /// Deletes a queue with what is in it; how many messages that were.
    pub(super) fn delete(&mut self, queue: &str) -> anyhow::Result<u64> {
        let method = Method::new(id::QUEUE_DELETE).short(0).text(queue).octet(0);
        let answer = self.ask(CHANNEL, &method, id::QUEUE_DELETE_OK)?;
        Ok(u64::from(u32::from_be_bytes(take(&mut &answer[..])?)))
    }

    /// Declares an exchange.
    pub(super) fn exchange(&mut self, name: &str, kind: &str) -> anyhow::Result<()> {
        let method = Method::new(id::EXCHANGE_DECLARE)
            .short(0)
            .text(name)
            .text(kind)
            .octet(0)
            .table(&[]);
        self.ask(CHANNEL, &method, id::EXCHANGE_DECLARE_OK)?;
        Ok(())
    }

    /// Deletes an exchange with its bindings.
    pub(super) fn delete_exchange(&mut self, name: &str) -> anyhow::Result<()> {
        let method = Method::new(id::EXCHANGE_DELETE)
            .short(0)
            .text(name)
            .octet(0);
        self.ask(CHANNEL, &method, id::EXCHANGE_DELETE_OK)?;
        Ok(())
    }

    /// Binds without waiting; the next method that is waited for sends and checks it.
    pub(super) fn bind_later(
        &mut self,
        queue: &str,
        exchange: &str,
        key: &str,
    ) -> anyhow::Result<()> {
        Method::new(id::QUEUE_BIND)
            .short(0)
            .text(queue)
            .text(exchange)
            .text(key)
            .octet(1)
            .table(&[])
            .frame(CHANNEL, &mut self.out);
        if self.out.len() > 1 << 16 {
            self.flush()?;
        }
        Ok(())
    }

    /// Publishes from now on with confirms.
    pub(super) fn confirm(&mut self) -> anyhow::Result<()> {
        let method = Method::new(id::CONFIRM_SELECT).octet(0);
        self.ask(CHANNEL, &method, id::CONFIRM_SELECT_OK)?;
        Ok(())
    }

    /// Begins to consume; deliveries follow in the input.
    pub(super) fn consume(
        &mut self,
        queue: &str,
        prefetch: u16,
        no_ack: bool,
    ) -> anyhow::Result<()> {
        if prefetch > 0 {
            let qos = Method::new(id::BASIC_QOS).long(0).short(prefetch).octet(0);
            self.ask(CHANNEL, &qos, id::BASIC_QOS_OK)?;
        }
        let method = Method::new(id::BASIC_CONSUME)
            .short(0)
            .text(queue)
            .text("c")
            .octet(u8::from(no_ack) << 1)
            .table(&[]);
        self.ask(CHANNEL, &method, id::BASIC_CONSUME_OK)
            .with_context(|| format!("cannot consume from {queue}"))?;
        Ok(())
    }

    /// Ends the connection as the protocol wants it: what was sent before has been handled then.
    pub(super) fn close(mut self) -> anyhow::Result<()> {
        self.stream.set_read_timeout(Some(PATIENCE))?;
        let method = Method::new(id::CONNECTION_CLOSE)
            .short(200)
            .text("done")
            .short(0)
            .short(0);
        self.ask(0, &method, id::CONNECTION_CLOSE_OK)?;
        Ok(())
    }
}

fn declare(queue: &str, bits: u8, arguments: &[(&str, Value)]) -> Method {
    Method::new(id::QUEUE_DECLARE)
        .short(0)
        .text(queue)
        .octet(bits)
        .table(arguments)
}

/// An error if the broker closes the channel or the connection.
pub(super) fn check_open(frame: &Frame<'_>) -> anyhow::Result<()> {
    let Some((id::CHANNEL_CLOSE | id::CONNECTION_CLOSE, mut rest)) = frame.method() else {
        return Ok(());
    };
    let code = u16::from_be_bytes(take(&mut rest)?);
    let text = String::from_utf8_lossy(take_text(&mut rest)?).into_owned();
    bail!("the broker says {code}: {text}");
}

/// Whether a read only took too long.
pub(super) fn timed_out(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    )
}

/// A deadline for something that has to go on.
#[derive(Debug)]
pub(super) struct Patience {
    longest: Duration,
    last: Instant,
}

impl Patience {
    pub(super) fn new(longest: Duration) -> Self {
        Self {
            longest,
            last: Instant::now(),
        }
    }

    pub(super) fn progress(&mut self) {
        self.last = Instant::now();
    }

    pub(super) fn check(&self, what: impl FnOnce() -> String) -> anyhow::Result<()> {
        ensure!(
            self.last.elapsed() < self.longest,
            "nothing for {:?}: {}",
            self.longest,
            what()
        );
        Ok(())
    }
}
