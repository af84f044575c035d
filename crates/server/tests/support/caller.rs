//! The Thrift endpoint of a node, and a caller on a socket: JSON goes in and comes out, Thrift is in between.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::Arc,
    time::Duration,
};

use serde_json::Value;
use trefoil_director::SharedContract;
use trefoil_server::{
    Node,
    clock::Clock,
    thrift::{Thrift, ThriftConfig},
};
use trefoil_thrift::{
    ApplicationError, Limits,
    connection::{Client, ClientEvent, ReplyKind},
    framing::{Dialect, Protocol, Transport},
    json::{JsonOptions, json_to_struct, struct_to_json},
    protocol::{BinaryReader, BinaryWriter, CompactReader, CompactWriter, JsonReader, JsonWriter},
    schema::{Schema, StructId},
};

/// Longer than any reply takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Serves the services of a node.
pub(crate) fn serve(node: &Arc<Node>, call_timeout: Duration) -> Thrift {
    let config = ThriftConfig {
        threads: 2,
        call_timeout_ms: call_timeout.as_millis() as u64,
        ..ThriftConfig::default()
    };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let thrift = Thrift::start(config, vec![listener], Clock::start(), 7, Box::new(|_| {}));
    let thrift = thrift.unwrap();
    node.serve_thrift(thrift.clone());
    thrift
}

/// The contract of a service.
pub(crate) fn contract(node: &Node, service: &str) -> SharedContract {
    let found = node.services.snapshot().resolve(&service.parse().unwrap());
    found.unwrap().contract.clone().unwrap()
}

/// A connection that calls methods of one contract.
pub(crate) struct Caller {
    stream: TcpStream,
    client: Client,
    prefix: Option<String>,
    dialect: Dialect,
    contract: SharedContract,
    /// What is said with each call, with the header transport.
    says: Vec<(&'static str, String)>,
    /// What was said with the last reply.
    pub(crate) told: Vec<(String, String)>,
}

impl Caller {
    /// Calls go to `prefix:method`, as multiplexed clients write it.
    pub(crate) fn new(
        thrift: &Thrift,
        contract: SharedContract,
        protocol: Protocol,
        prefix: Option<&str>,
    ) -> Self {
        let stream = TcpStream::connect(thrift.listening()[0]).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let prefix = prefix.map(str::to_owned);
        let dialect = Dialect::new(Transport::Framed, protocol);
        Self {
            stream,
            client: machine(dialect, prefix.as_deref()),
            prefix,
            dialect,
            contract,
            says: Vec::new(),
            told: Vec::new(),
        }
    }

    /// From now on keys and values go with each call.
    pub(crate) fn say(&mut self, says: &[(&'static str, &str)]) {
        let says = says.iter().map(|(key, value)| (*key, (*value).to_owned()));
        self.says = says.collect();
        self.dialect = Dialect::new(Transport::Header, self.dialect.protocol);
        self.client = machine(self.dialect, self.prefix.as_deref());
    }

    /// Sends a call.
    pub(crate) fn send(&mut self, method: &str, arguments: &Value) {
        let found = self.contract.method(self.contract.find(method).unwrap());
        let body = encode(
            self.contract.schema(),
            found.arguments,
            arguments,
            self.dialect.protocol,
        );
        let says = self.says.iter();
        let says: Vec<(&[u8], &[u8])> = says
            .map(|(key, value)| (key.as_bytes(), value.as_bytes()))
            .collect();
        self.client
            .call_raw(1, method, false, &says, &body)
            .unwrap();
        let mut output = Vec::new();
        self.client.take_output(&mut output);
        self.stream.write_all(&output).unwrap();
    }

    /// The struct of the reply to the call that was sent, or its error.
    pub(crate) fn receive(&mut self, method: &str) -> Result<Value, ApplicationError> {
        let found = self.contract.method(self.contract.find(method).unwrap());
        let mut input = Vec::new();
        let mut block = [0; 4_096];
        loop {
            let bytes = self.stream.read(&mut block).unwrap();
            assert_ne!(bytes, 0, "the endpoint closed the connection");
            input.extend_from_slice(&block[..bytes]);
            let mut rest = &input[..];
            match self.client.poll_reply(&mut rest) {
                Some(ClientEvent::Reply(reply)) => {
                    assert_eq!(rest, b"");
                    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
                    let told = reply.headers.iter();
                    self.told = told.map(|(key, value)| (text(key), text(value))).collect();
                    let reply = match reply.kind {
                        ReplyKind::Reply => {
                            let (schema, result) = (self.contract.schema(), found.result.unwrap());
                            return Ok(decode(schema, result, &reply.body, self.dialect.protocol));
                        }
                        ReplyKind::Exception => reply.read_error(&Limits::default()).unwrap(),
                    };
                    // It trusts no provider after an error; this one must be as good as before.
                    self.client = machine(self.dialect, self.prefix.as_deref());
                    return Err(reply);
                }
                Some(ClientEvent::Broken(broken)) => panic!("{}", broken.error),
                None => {
                    let taken = input.len() - rest.len();
                    input.drain(..taken);
                }
            }
        }
    }

    /// Calls a method: `{"success": …}`, `{"failed": …}` or the error.
    pub(crate) fn call(
        &mut self,
        method: &str,
        arguments: &Value,
    ) -> Result<Value, ApplicationError> {
        self.send(method, arguments);
        self.receive(method)
    }
}

fn machine(dialect: Dialect, prefix: Option<&str>) -> Client {
    Client::new(dialect, prefix, Limits::default())
}

pub(crate) fn encode(schema: &Schema, id: StructId, value: &Value, protocol: Protocol) -> Vec<u8> {
    let mut out = Vec::new();
    let (text, options, limits) = (value.to_string(), JsonOptions::default(), Limits::default());
    let text = text.as_bytes();
    match protocol {
        Protocol::Binary | Protocol::BinaryOld => json_to_struct(
            schema,
            id,
            text,
            &options,
            &limits,
            &mut BinaryWriter::new(&mut out),
        ),
        Protocol::Compact => json_to_struct(
            schema,
            id,
            text,
            &options,
            &limits,
            &mut CompactWriter::new(&mut out),
        ),
        Protocol::Json => json_to_struct(
            schema,
            id,
            text,
            &options,
            &limits,
            &mut JsonWriter::new(&mut out),
        ),
    }
    .unwrap();
    out
}

pub(crate) fn decode(schema: &Schema, id: StructId, body: &[u8], protocol: Protocol) -> Value {
    let mut text = Vec::new();
    let (options, limits) = (JsonOptions::default(), Limits::default());
    match protocol {
        Protocol::Binary | Protocol::BinaryOld => struct_to_json(
            schema,
            id,
            &mut BinaryReader::new(body, &limits),
            &options,
            &mut text,
        ),
        Protocol::Compact => struct_to_json(
            schema,
            id,
            &mut CompactReader::new(body, &limits),
            &options,
            &mut text,
        ),
        Protocol::Json => struct_to_json(
            schema,
            id,
            &mut JsonReader::new(body, &limits),
            &options,
            &mut text,
        ),
    }
    .unwrap();
    serde_json::from_slice(&text).unwrap()
}
