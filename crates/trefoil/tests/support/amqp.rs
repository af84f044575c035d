//! A client of AMQP for tests: blocking, one channel at a time, and any fault of the server's bytes ends the test.

use std::{
    collections::VecDeque,
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use trefoil_amqp::{
    Method, Properties, Table, TableRef,
    method::{basic, confirm, exchange, queue},
    testing::{Client, Received},
};

/// Longer than anything here takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A connection with channel 1 open.
#[derive(Debug)]
pub(crate) struct Amqp {
    socket: TcpStream,
    client: Client,
    heard: VecDeque<Received>,
    buffer: Vec<u8>,
    /// What the socket has not taken.
    unsent: Vec<u8>,
}

impl Amqp {
    pub(crate) fn connect(address: SocketAddr) -> io::Result<Self> {
        let socket = TcpStream::connect(address)?;
        socket.set_nodelay(true)?;
        socket.set_write_timeout(Some(Duration::from_millis(20)))?;
        let mut amqp = Self {
            socket,
            client: Client::new(),
            heard: VecDeque::new(),
            buffer: vec![0; 256 << 10],
            unsent: Vec::new(),
        };
        amqp.client.handshake("/", "guest", "guest");
        amqp.client.open_channel(1);
        amqp.flush()?;
        for what in ["start", "tune", "open-ok", "channel.open-ok"] {
            let heard = amqp.next()?;
            let fits = matches!(
                (what, heard.method()),
                ("start", Method::ConnectionStart(_))
                    | ("tune", Method::ConnectionTune(_))
                    | ("open-ok", Method::ConnectionOpenOk(_))
                    | ("channel.open-ok", Method::ChannelOpenOk(_))
            );
            assert!(fits, "{what} was expected: {:?}", heard.method());
        }
        Ok(amqp)
    }

    /// Opens channel 1 again, after the server closed it.
    pub(crate) fn reopen(&mut self) -> io::Result<()> {
        self.client.send(
            1,
            &Method::ChannelCloseOk(trefoil_amqp::method::channel::CloseOk {}),
        );
        self.client.open_channel(1);
        self.flush()?;
        let heard = self.next()?;
        assert!(
            matches!(heard.method(), Method::ChannelOpenOk(_)),
            "{:?}",
            heard.method()
        );
        Ok(())
    }

    /// Sends everything, and listens meanwhile: a broker that is not listening may have something to say.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !self.try_flush()? {
            assert!(
                Instant::now() < deadline,
                "the broker has not read for a minute"
            );
            self.read(Duration::from_millis(10))?;
        }
        Ok(())
    }

    /// Sends what the broker takes at the moment. Whether that was all.
    pub(crate) fn try_flush(&mut self) -> io::Result<bool> {
        self.unsent.extend(self.client.take_output());
        while !self.unsent.is_empty() {
            match self.socket.write(&self.unsent) {
                Ok(count) => drop(self.unsent.drain(..count)),
                Err(error) if is_timeout(&error) => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Reads what there is; false if nothing came in time.
    fn read(&mut self, patience: Duration) -> io::Result<bool> {
        self.socket
            .set_read_timeout(Some(patience.max(Duration::from_millis(1))))?;
        match self.socket.read(&mut self.buffer) {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                self.client.receive(&self.buffer[..count]);
                Ok(true)
            }
            Err(error) if is_timeout(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The next thing the server says.
    pub(crate) fn next(&mut self) -> io::Result<Received> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(heard) = self.poll(Duration::from_secs(1))? {
                return Ok(heard);
            }
            assert!(
                Instant::now() < deadline,
                "the broker says nothing for a minute"
            );
        }
    }

    /// The same, if it comes in time.
    pub(crate) fn poll(&mut self, patience: Duration) -> io::Result<Option<Received>> {
        if let Some(heard) = self.heard.pop_front() {
            return Ok(Some(heard));
        }
        self.hear(patience)
    }

    fn hear(&mut self, patience: Duration) -> io::Result<Option<Received>> {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(heard) = self.client.next() {
                return Ok(Some(heard));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if !self.read(left)? && left.is_zero() {
                return Ok(None);
            }
        }
    }

    /// Sends a method and waits for its answer; deliveries and confirms in between are kept for [`Amqp::next`].
    pub(crate) fn call(&mut self, method: &Method<'_>) -> io::Result<Received> {
        self.client.send(1, method);
        self.flush()?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            assert!(
                Instant::now() < deadline,
                "no answer to {method:?} for a minute"
            );
            let Some(heard) = self.hear(Duration::from_secs(1))? else {
                continue;
            };
            let is_event = matches!(
                heard.method(),
                Method::BasicDeliver(_)
                    | Method::BasicAck(_)
                    | Method::BasicNack(_)
                    | Method::ConnectionBlocked(_)
                    | Method::ConnectionUnblocked(_)
            );
            if !is_event {
                return Ok(heard);
            }
            self.heard.push_back(heard);
        }
    }

    /// Sends a method that nobody answers.
    pub(crate) fn send(&mut self, method: &Method<'_>) -> io::Result<()> {
        self.client.send(1, method);
        self.flush()
    }

    /// Puts a message into the output; [`Amqp::flush`] sends it.
    pub(crate) fn publish(
        &mut self,
        exchange: &str,
        key: &str,
        properties: &Properties<'_>,
        body: &[u8],
    ) {
        self.client.publish(1, exchange, key, properties, body);
    }

    pub(crate) fn confirms(&mut self) -> io::Result<()> {
        let heard = self.call(&Method::ConfirmSelect(confirm::Select { no_wait: false }))?;
        assert!(matches!(heard.method(), Method::ConfirmSelectOk(_)));
        Ok(())
    }

    pub(crate) fn declare(
        &mut self,
        queue: &str,
        durable: bool,
        arguments: &Table,
    ) -> io::Result<()> {
        let arguments = arguments.to_bytes();
        let declare = queue::Declare {
            durable,
            ..declare(queue, TableRef::from_bytes(&arguments))
        };
        let heard = self.call(&Method::QueueDeclare(declare))?;
        assert!(
            matches!(heard.method(), Method::QueueDeclareOk(_)),
            "{:?}",
            heard.method()
        );
        Ok(())
    }

    /// How many messages are ready in a queue; `None` if there is no such queue.
    pub(crate) fn ready(&mut self, queue: &str) -> io::Result<Option<u32>> {
        let declare = queue::Declare {
            passive: true,
            ..declare(queue, TableRef::default())
        };
        let heard = self.call(&Method::QueueDeclare(declare))?;
        match heard.method() {
            Method::QueueDeclareOk(ok) => Ok(Some(ok.message_count)),
            Method::ChannelClose(close) if close.reply_code == 404 => {
                self.reopen()?;
                Ok(None)
            }
            other => panic!("{other:?}"),
        }
    }

    /// Whether there is such an exchange.
    pub(crate) fn has_exchange(&mut self, name: &str) -> io::Result<bool> {
        let declare = exchange::Declare {
            passive: true,
            ..declare_exchange(name, "", TableRef::default())
        };
        let heard = self.call(&Method::ExchangeDeclare(declare))?;
        match heard.method() {
            Method::ExchangeDeclareOk(_) => Ok(true),
            Method::ChannelClose(close) if close.reply_code == 404 => {
                self.reopen()?;
                Ok(false)
            }
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn exchange(
        &mut self,
        name: &str,
        kind: &str,
        durable: bool,
        arguments: &Table,
    ) -> io::Result<()> {
        let arguments = arguments.to_bytes();
        let declare = exchange::Declare {
            durable,
            ..declare_exchange(name, kind, TableRef::from_bytes(&arguments))
        };
        let heard = self.call(&Method::ExchangeDeclare(declare))?;
        assert!(
            matches!(heard.method(), Method::ExchangeDeclareOk(_)),
            "{:?}",
            heard.method()
        );
        Ok(())
    }

    pub(crate) fn bind(&mut self, queue: &str, exchange: &str, key: &str) -> io::Result<()> {
        let heard = self.call(&Method::QueueBind(queue::Bind {
            ticket: 0,
            queue,
            exchange,
            routing_key: key,
            no_wait: false,
            arguments: TableRef::default(),
        }))?;
        assert!(
            matches!(heard.method(), Method::QueueBindOk(_)),
            "{:?}",
            heard.method()
        );
        Ok(())
    }

    pub(crate) fn delete_queue(&mut self, queue: &str) -> io::Result<()> {
        let heard = self.call(&Method::QueueDelete(queue::Delete {
            ticket: 0,
            queue,
            if_unused: false,
            if_empty: false,
            no_wait: false,
        }))?;
        assert!(
            matches!(heard.method(), Method::QueueDeleteOk(_)),
            "{:?}",
            heard.method()
        );
        Ok(())
    }

    pub(crate) fn delete_exchange(&mut self, exchange: &str) -> io::Result<()> {
        let heard = self.call(&Method::ExchangeDelete(exchange::Delete {
            ticket: 0,
            exchange,
            if_unused: false,
            no_wait: false,
        }))?;
        assert!(
            matches!(heard.method(), Method::ExchangeDeleteOk(_)),
            "{:?}",
            heard.method()
        );
        Ok(())
    }

    /// Consumes with manual acknowledgements, at most `prefetch` at a time (0: any number), under the queue's name.
    pub(crate) fn consume(&mut self, queue: &str, prefetch: u16) -> io::Result<()> {
        self.call(&Method::BasicQos(basic::Qos {
            prefetch_size: 0,
            prefetch_count: prefetch,
            global: false,
        }))?;
        let heard = self.call(&Method::BasicConsume(basic::Consume {
            ticket: 0,
            queue,
            consumer_tag: queue,
            no_local: false,
            no_ack: false,
            exclusive: false,
            no_wait: false,
            arguments: TableRef::default(),
        }))?;
        assert!(
            matches!(heard.method(), Method::BasicConsumeOk(_)),
            "{:?}",
            heard.method()
        );
        Ok(())
    }

    pub(crate) fn ack(&mut self, delivery_tag: u64, multiple: bool) -> io::Result<()> {
        self.send(&Method::BasicAck(basic::Ack {
            delivery_tag,
            multiple,
        }))
    }

    /// Closes the channel and opens it again.
    pub(crate) fn close_channel(&mut self) -> io::Result<()> {
        self.client.close_channel(1);
        self.flush()?;
        while !matches!(self.next()?.method(), Method::ChannelCloseOk(_)) {}
        self.client.open_channel(1);
        self.flush()?;
        let heard = self.next()?;
        assert!(
            matches!(heard.method(), Method::ChannelOpenOk(_)),
            "{:?}",
            heard.method()
        );
        Ok(())
    }

    /// Sends the beginning of what is to be sent, and breaks the connection.
    pub(crate) fn send_part(mut self, bytes: usize) -> io::Result<()> {
        let output = self.client.take_output();
        self.socket.write_all(&output[..bytes])
    }

    /// Says goodbye, and waits until everything is released.
    pub(crate) fn close(mut self) -> io::Result<()> {
        self.client.close();
        self.flush()?;
        while !matches!(self.next()?.method(), Method::ConnectionCloseOk(_)) {}
        Ok(())
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    )
}

fn declare<'a>(queue: &'a str, arguments: TableRef<'a>) -> queue::Declare<'a> {
    queue::Declare {
        ticket: 0,
        queue,
        passive: false,
        durable: false,
        exclusive: false,
        auto_delete: false,
        no_wait: false,
        arguments,
    }
}

fn declare_exchange<'a>(
    exchange: &'a str,
    kind: &'a str,
    arguments: TableRef<'a>,
) -> exchange::Declare<'a> {
    exchange::Declare {
        ticket: 0,
        exchange,
        kind,
        passive: false,
        durable: false,
        auto_delete: false,
        internal: false,
        no_wait: false,
        arguments,
    }
}
