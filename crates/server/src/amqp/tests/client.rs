//! A scripted client on a socket.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use trefoil_amqp::{
    Method, MethodId, Properties, TableRef,
    method::{basic, confirm, queue},
    testing::{self, Received},
};

use super::super::Amqp;

/// Longer than anything takes, even on a busy machine.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// A stream of bytes of any kind.
pub(super) trait Stream: Read + Write + Send {}

impl<T: Read + Write + Send> Stream for T {}

/// See the module.
pub(super) struct Client {
    pub(super) stream: Box<dyn Stream>,
    pub(super) script: testing::Client,
    confirmed: u64,
}

impl Client {
    /// Over the first listener.
    pub(super) fn connect(amqp: &Amqp) -> Self {
        Self::over(socket(amqp))
    }

    pub(super) fn over(stream: impl Stream + 'static) -> Self {
        Self {
            stream: Box::new(stream),
            script: testing::Client::new(),
            confirmed: 0,
        }
    }

    pub(super) fn log_in(&mut self) {
        self.script.handshake("/", "guest", "guest");
        self.script.open_channel(1);
        self.send();
        for id in [
            MethodId::CONNECTION_START,
            MethodId::CONNECTION_TUNE,
            MethodId::CONNECTION_OPEN_OK,
            MethodId::CHANNEL_OPEN_OK,
        ] {
            self.expect(id);
        }
    }

    /// Sends what the script has.
    pub(super) fn send(&mut self) {
        let output = self.script.take_output();
        self.stream.write_all(&output).unwrap();
    }

    /// What comes next; `None` if the server closed the connection.
    pub(super) fn next(&mut self) -> Option<Received> {
        let mut piece = vec![0; 64 << 10];
        loop {
            if let Some(received) = self.script.next() {
                return Some(received);
            }
            match self.stream.read(&mut piece).unwrap() {
                0 => return None,
                read => self.script.receive(&piece[..read]),
            }
        }
    }

    /// What comes next, which must be this.
    #[track_caller]
    pub(super) fn expect(&mut self, id: MethodId) -> Received {
        let received = self.next().expect("the server closed the connection");
        assert_eq!(received.id(), id, "{:?}", received.method());
        received
    }

    /// The server says nothing more and closes.
    #[track_caller]
    pub(super) fn expect_end(&mut self) {
        let next = self.next();
        assert!(next.is_none(), "{next:?}");
    }

    pub(super) fn declare(&mut self, name: &str, durable: bool) {
        let declare = queue::Declare {
            ticket: 0,
            queue: name,
            passive: false,
            durable,
            exclusive: false,
            auto_delete: false,
            no_wait: false,
            arguments: TableRef::EMPTY,
        };
        self.script.send(1, &Method::QueueDeclare(declare));
        self.send();
        self.expect(MethodId::QUEUE_DECLARE_OK);
    }

    pub(super) fn consume(&mut self, name: &str) {
        let consume = basic::Consume {
            ticket: 0,
            queue: name,
            consumer_tag: "",
            no_local: false,
            no_ack: true,
            exclusive: false,
            no_wait: false,
            arguments: TableRef::EMPTY,
        };
        self.script.send(1, &Method::BasicConsume(consume));
        self.send();
        self.expect(MethodId::BASIC_CONSUME_OK);
    }

    pub(super) fn confirm(&mut self) {
        let select = confirm::Select { no_wait: false };
        self.script.send(1, &Method::ConfirmSelect(select));
        self.send();
        self.expect(MethodId::CONFIRM_SELECT_OK);
    }

    /// Publishes to a queue by name; sent with what else there is.
    pub(super) fn publish(&mut self, queue: &str, persistent: bool, body: &[u8]) {
        let properties = Properties {
            delivery_mode: persistent.then_some(2),
            ..Properties::default()
        };
        self.script.publish(1, "", queue, &properties, body);
    }

    /// The body of the next delivery.
    #[track_caller]
    pub(super) fn delivered(&mut self) -> Vec<u8> {
        let received = self.expect(MethodId::BASIC_DELIVER);
        received.body().unwrap().to_vec()
    }

    /// Waits for this; confirms that come before are noted.
    #[track_caller]
    pub(super) fn until(&mut self, id: MethodId) {
        loop {
            let received = self.next().expect("the server closed the connection");
            if received.id() == id {
                return;
            }
            self.note(&received);
        }
    }

    /// Waits until everything up to the publish of this number is confirmed.
    #[track_caller]
    pub(super) fn until_confirmed(&mut self, number: u64) {
        while self.confirmed < number {
            let received = self.expect(MethodId::BASIC_ACK);
            self.note(&received);
        }
        assert_eq!(self.confirmed, number);
    }

    /// Confirms come in order here: nothing that these tests publish waits for anything else than the log.
    fn note(&mut self, received: &Received) {
        match received.method() {
            Method::BasicAck(ack) if ack.multiple => self.confirmed = ack.delivery_tag,
            Method::BasicAck(ack) => {
                self.confirmed += 1;
                assert_eq!(self.confirmed, ack.delivery_tag);
            }
            method => panic!("{method:?}"),
        }
    }
}

/// A connection to the first listener.
pub(super) fn socket(amqp: &Amqp) -> TcpStream {
    let socket = TcpStream::connect(amqp.listening()[0].address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.set_nodelay(true).unwrap();
    socket
}

/// Waits for what no event tells.
#[track_caller]
pub(super) fn until(condition: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "it never came");
        std::thread::park_timeout(Duration::from_millis(1));
    }
}
