//! Views of the broker as RabbitMQ's documents.

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use trefoil_broker::inspect::{
    BindingView, ChannelView, ConnectionState, ConnectionView, ConsumerView, DestinationKind,
    ExchangeView, QueueKind, QueueView, VhostView,
};

use super::{
    Api, arguments, properties_key,
    rates::{self, History, Rates, Watched},
    request::Request,
};

/// What a request wants of numbers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Numbers {
    /// Rates and counters at all.
    pub(super) stats: bool,
    /// Only the lengths of queues.
    pub(super) totals_only: bool,
    pub(super) messages: History,
    pub(super) lengths: History,
    pub(super) bytes: History,
    pub(super) now: u64,
}

impl Numbers {
    pub(super) fn of(request: &Request, now: u64) -> Self {
        let history = |name: &str| {
            let seconds = |part: &str| {
                let text = request.query(&format!("{name}_{part}"));
                text.and_then(|text| text.parse::<u64>().ok()).unwrap_or(0)
            };
            History {
                // What is kept is an hour at most, so asking for more is asking for that.
                age_ms: seconds("age").min(3_600) * 1000,
                step_ms: seconds("incr").min(3_600) * 1000,
            }
        };
        let is_disabled = request.flag("disable_stats");
        Self {
            stats: !is_disabled,
            totals_only: is_disabled && request.flag("enable_queue_totals"),
            messages: history("msg_rates"),
            lengths: history("lengths"),
            bytes: history("data_rates"),
            now,
        }
    }
}

/// How the node is called, and the rest that documents need beside the view.
pub(super) struct Format<'a> {
    pub(super) node: &'a str,
    pub(super) numbers: Numbers,
    pub(super) rates: &'a mut Rates,
}

/// `2026-11-22T16:17:45.760+00:00`
pub(super) fn time(ms: u64) -> String {
    let ms = i64::try_from(ms).unwrap_or(i64::MAX);
    let time = Timestamp::from_millisecond(ms).unwrap_or_default();
    time.strftime("%Y-%m-%dT%H:%M:%S%.3f+00:00").to_string()
}

/// What the Erlang process of a thing would be called: unique while it lasts, and what ctl closes connections by.
pub(super) fn pid(node: &str, kind: u8, id: u64, sub: u64) -> String {
    format!("<{node}.{kind}.{id}.{sub}>")
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        _ => Map::new(),
    }
}

impl Format<'_> {
    pub(super) fn queue(&mut self, view: &QueueView) -> Value {
        let mut document = object(json!({
            "name": &*view.name,
            "vhost": &*view.vhost,
            "type": view.kind.as_str(),
            "durable": view.durable,
            "auto_delete": view.auto_delete,
            "exclusive": view.owner.is_some(),
            "arguments": arguments::to_json(&view.arguments),
            "node": self.node,
        }));
        if self.numbers.totals_only {
            let lengths = rates::lengths(&view.depth);
            document.extend(
                lengths
                    .into_iter()
                    .map(|(name, value)| (name.to_owned(), value.into())),
            );
        }
        if !self.numbers.stats {
            return Value::Object(document);
        }
        let depth = &view.depth;
        document.extend(object(json!({
            "state": "running",
            "policy": view.policy.as_deref(),
            "operator_policy": view.operator_policy.as_deref(),
            "effective_policy_definition": view.effective_policy,
            "exclusive_consumer_tag": view.exclusive_consumer_tag.as_deref(),
            "single_active_consumer_tag": view.single_active_consumer_tag.as_deref(),
            "consumers": view.consumers,
            "consumer_capacity": f64::from(u8::from(view.consumers > 0)),
            "consumer_utilisation": f64::from(u8::from(view.consumers > 0)),
            "memory": view.memory,
            "message_bytes": depth.ready_bytes + depth.unacknowledged_bytes,
            "message_bytes_ready": depth.ready_bytes,
            "message_bytes_unacknowledged": depth.unacknowledged_bytes,
            "message_bytes_persistent": depth.persistent_bytes,
            // Bodies are in the log; what of it is in memory is not a queue's affair.
            "message_bytes_ram": 0,
            "message_bytes_paged_out": depth.ready_bytes + depth.unacknowledged_bytes,
            "messages_persistent": depth.persistent,
            "messages_ram": 0,
            "messages_ready_ram": 0,
            "messages_unacknowledged_ram": 0,
            "messages_paged_out": depth.ready + depth.unacknowledged,
            "head_message_timestamp": null,
            "recoverable_slaves": null,
            "storage_version": 2,
            "pid": pid(self.node, 2, view.id, 0),
            "reductions": 0,
            "reductions_details": {"rate": 0.0},
        })));
        if let Some(owner) = &view.owner {
            document.insert("owner_pid_details".to_owned(), json!({"name": &**owner}));
        }
        if let Some(since) = view.idle_since {
            document.insert("idle_since".to_owned(), time(since).into());
        }
        if view.kind != QueueKind::Classic {
            document.insert("leader".to_owned(), self.node.into());
            document.insert("members".to_owned(), json!([self.node]));
            document.insert("online".to_owned(), json!([self.node]));
        }
        if view.kind == QueueKind::Quorum {
            let (letters, bytes) = view.dead_letters;
            document.insert("messages_dlx".to_owned(), letters.into());
            document.insert("message_bytes_dlx".to_owned(), bytes.into());
        }
        self.queue_numbers(view, &mut document);
        Value::Object(document)
    }

    fn queue_numbers(&mut self, view: &QueueView, document: &mut Map<String, Value>) {
        let numbers = self.numbers;
        let name = || (view.vhost.to_string(), view.name.to_string());
        let (vhost, queue) = name();
        self.rates.add(
            document,
            Watched::Lengths(vhost, queue),
            &rates::lengths(&view.depth),
            numbers.now,
            numbers.lengths,
        );
        let (vhost, queue) = name();
        let counters = rates::of_queue(&view.messages);
        if counters.iter().any(|(_, value)| *value > 0) {
            let mut stats = Map::new();
            self.rates.add(
                &mut stats,
                Watched::Queue(vhost, queue),
                &counters,
                numbers.now,
                numbers.messages,
            );
            document.insert("message_stats".to_owned(), stats.into());
        }
    }

    pub(super) fn exchange(&mut self, view: &ExchangeView) -> Value {
        let is_ours = view.name.is_empty() || view.name.starts_with("amq.");
        let mut document = object(json!({
            "name": &*view.name,
            "vhost": &*view.vhost,
            "type": &*view.kind,
            "durable": view.durable,
            "auto_delete": view.auto_delete,
            "internal": view.internal,
            "arguments": arguments::to_json(&view.arguments),
            "user_who_performed_action": if is_ours { "rmq-internal" } else { "" },
        }));
        if let Some(policy) = &view.policy {
            document.insert("policy".to_owned(), (**policy).into());
        }
        let counters = rates::of_exchange(&view.messages);
        if self.numbers.stats && counters.iter().any(|(_, value)| *value > 0) {
            let watched = Watched::Exchange(view.vhost.to_string(), view.name.to_string());
            let mut stats = Map::new();
            self.rates.add(
                &mut stats,
                watched,
                &counters,
                self.numbers.now,
                self.numbers.messages,
            );
            document.insert("message_stats".to_owned(), stats.into());
        }
        Value::Object(document)
    }

    pub(super) fn connection(&mut self, view: &ConnectionView) -> Value {
        let tls = view.tls.as_ref();
        let certificate = tls.and_then(|tls| tls.certificate.as_ref());
        let mut document = object(json!({
            "name": &*view.name,
            "node": self.node,
            "pid": pid(self.node, 1, view.id, 0),
            "type": "network",
            "protocol": "AMQP 0-9-1",
            "state": state(view.state),
            "user": &*view.user,
            "user_who_performed_action": &*view.user,
            "vhost": &*view.vhost,
            "auth_mechanism": &*view.mechanism,
            "host": view.local.ip().to_string(),
            "port": view.local.port(),
            "peer_host": view.peer.ip().to_string(),
            "peer_port": view.peer.port(),
            "connected_at": view.connected_at,
            "channels": view.channels,
            "channel_max": view.channel_max,
            "frame_max": view.frame_max,
            "timeout": view.heartbeat_s,
            "client_properties": arguments::to_json(&view.client_properties),
            "ssl": tls.is_some(),
            "ssl_protocol": tls.map(|tls| &tls.protocol),
            "ssl_cipher": tls.map(|tls| &tls.cipher),
            "ssl_hash": null,
            "ssl_key_exchange": null,
            "peer_cert_subject": certificate.map(|certificate| &certificate.subject),
            "peer_cert_issuer": certificate.map(|certificate| &certificate.issuer),
            "peer_cert_validity": certificate.map(|certificate| &certificate.validity),
            "send_pend": view.send_pending_bytes,
        }));
        if let Some(name) = view
            .client_properties
            .get("connection_name")
            .and_then(|value| value.as_str())
        {
            document.insert("user_provided_name".to_owned(), name.into());
        }
        if self.numbers.stats {
            // How many packets and how much work an Erlang process had is not known here: none of it is.
            document.extend(object(json!({
                "recv_cnt": 0, "send_cnt": 0, "reductions": 0, "reductions_details": {"rate": 0.0},
            })));
            let octets = vec![
                ("recv_oct", view.received_bytes),
                ("send_oct", view.sent_bytes),
            ];
            let numbers = self.numbers;
            self.rates.add(
                &mut document,
                Watched::Connection(view.id),
                &octets,
                numbers.now,
                numbers.bytes,
            );
        }
        Value::Object(document)
    }

    pub(super) fn channel(&mut self, view: &ChannelView) -> Value {
        let name = format!("{} ({})", view.connection_name, view.number);
        let mut document = object(json!({
            "name": name,
            "node": self.node,
            "pid": pid(self.node, 3, view.connection, view.number.into()),
            "number": view.number,
            "connection_details": {
                "name": &*view.connection_name,
                "peer_host": view.peer.ip().to_string(),
                "peer_port": view.peer.port(),
                "pid": pid(self.node, 1, view.connection, 0),
            },
            "user": &*view.user,
            "user_who_performed_action": &*view.user,
            "vhost": &*view.vhost,
            "state": "running",
            "transactional": view.transactional,
            "confirm": view.confirm,
            "consumer_count": view.consumers,
            "messages_unacknowledged": view.unacknowledged,
            "messages_unconfirmed": view.unconfirmed,
            "messages_uncommitted": view.uncommitted,
            "acks_uncommitted": view.acks_uncommitted,
            "pending_raft_commands": 0,
            "prefetch_count": view.prefetch_count,
            "global_prefetch_count": view.global_prefetch_count,
        }));
        if let Some(since) = view.idle_since {
            document.insert("idle_since".to_owned(), time(since).into());
        }
        let counters = rates::of_clients(&view.messages);
        if self.numbers.stats && counters.iter().any(|(_, value)| *value > 0) {
            let watched = Watched::Channel(view.connection, view.number);
            let mut stats = Map::new();
            self.rates.add(
                &mut stats,
                watched,
                &counters,
                self.numbers.now,
                self.numbers.messages,
            );
            document.insert("message_stats".to_owned(), stats.into());
        }
        Value::Object(document)
    }

    pub(super) fn consumer(&self, view: &ConsumerView) -> Value {
        json!({
            "consumer_tag": &*view.tag,
            "queue": {"name": &*view.queue, "vhost": &*view.vhost},
            "ack_required": view.ack_required,
            "active": view.active,
            "activity_status": if view.active { "up" } else { "waiting" },
            "exclusive": view.exclusive,
            "prefetch_count": view.prefetch_count,
            "arguments": arguments::to_json(&view.arguments),
            "consumer_timeout": view.timeout_ms,
            "user": &*view.user,
            "channel_details": {
                "name": format!("{} ({})", view.connection_name, view.channel),
                "number": view.channel,
                "node": self.node,
                "pid": pid(self.node, 3, view.connection, view.channel.into()),
                "connection_name": &*view.connection_name,
                "peer_host": view.peer.ip().to_string(),
                "peer_port": view.peer.port(),
                "user": &*view.user,
            },
        })
    }

    pub(super) fn vhost(&mut self, view: &VhostView) -> Value {
        let mut document = object(json!({
            "name": &*view.name,
            "description": view.description,
            "tags": view.tags,
            "default_queue_type": view.default_queue_type.as_deref().unwrap_or("classic"),
            "protected_from_deletion": view.protected_from_deletion,
            "metadata": {
                "description": view.description,
                "tags": view.tags,
                "default_queue_type": view.default_queue_type.as_deref().unwrap_or("classic"),
                "protected_from_deletion": view.protected_from_deletion,
            },
            "tracing": view.tracing,
            "cluster_state": {self.node: "running"},
        }));
        if !self.numbers.stats {
            return Value::Object(document);
        }
        let numbers = self.numbers;
        let mut lengths = rates::lengths(&view.depth);
        lengths.extend([
            ("recv_oct", view.received_bytes),
            ("send_oct", view.sent_bytes),
        ]);
        let watched = Watched::VhostLengths(view.name.to_string());
        self.rates.add(
            &mut document,
            watched,
            &lengths,
            numbers.now,
            numbers.lengths,
        );
        let counters = rates::of_clients(&view.messages);
        if counters.iter().any(|(_, value)| *value > 0) {
            let mut stats = Map::new();
            let watched = Watched::Vhost(view.name.to_string());
            self.rates.add(
                &mut stats,
                watched,
                &counters,
                numbers.now,
                numbers.messages,
            );
            document.insert("message_stats".to_owned(), stats.into());
        }
        Value::Object(document)
    }
}

/// A binding has no numbers.
pub(super) fn binding(view: &BindingView) -> Value {
    json!({
        "source": &*view.source,
        "vhost": &*view.vhost,
        "destination": &*view.destination,
        "destination_type": match view.destination_kind {
            DestinationKind::Queue => "queue",
            DestinationKind::Exchange => "exchange",
        },
        "routing_key": &*view.routing_key,
        "arguments": arguments::to_json(&view.arguments),
        "properties_key": properties_key::of(view),
    })
}

fn state(state: ConnectionState) -> &'static str {
    match state {
        ConnectionState::Starting => "starting",
        ConnectionState::Running => "running",
        ConnectionState::Blocked => "blocked",
        ConnectionState::Closing => "closing",
    }
}

/// Formats a slice with the samples at hand.
pub(super) fn with<T>(
    api: &Api,
    numbers: Numbers,
    views: &[T],
    each: impl Fn(&mut Format<'_>, &T) -> Value,
) -> Vec<Value> {
    let mut rates = api.rates();
    let mut format = Format {
        node: &api.config.node,
        numbers,
        rates: &mut rates,
    };
    views.iter().map(|view| each(&mut format, view)).collect()
}
