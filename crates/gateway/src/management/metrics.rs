//! Numbers for Prometheus, under RabbitMQ's names: all together, or for every queue, connection and channel.
//!
//! Like RabbitMQ's, these need no login: they are on the management listener, which is for operators.

use std::fmt::Write as _;

use trefoil_broker::inspect::{MessageCounters, QueueKey, QueueView};

use super::{
    Api,
    answer::{Answer, Refused},
    node,
    request::Request,
};

/// Queues that are looked at in one go.
const SLICE: usize = 512;

const TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A page in the making.
#[derive(Default)]
struct Page(String);

impl Page {
    fn head(&mut self, name: &str, help: &str) {
        let kind = if name.ends_with("_total") {
            "counter"
        } else {
            "gauge"
        };
        let _ = writeln!(self.0, "# TYPE {name} {kind}\n# HELP {name} {help}");
    }

    fn one(&mut self, name: &str, help: &str, value: u64) {
        self.head(name, help);
        let _ = writeln!(self.0, "{name} {value}");
    }

    fn labelled(&mut self, name: &str, labels: &[(&str, &str)], value: u64) {
        let labels: Vec<String> = labels
            .iter()
            .map(|(label, value)| format!("{label}=\"{}\"", escape(value)))
            .collect();
        let _ = writeln!(self.0, "{name}{{{}}} {value}", labels.join(","));
    }
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

/// A number of queues.
type OfQueue = (&'static str, &'static str, fn(&QueueView) -> u64);

#[rustfmt::skip] // a table
const QUEUE: &[OfQueue] = &[
    ("rabbitmq_queue_messages_ready", "Messages that wait for a consumer", |q| q.depth.ready),
    ("rabbitmq_queue_messages_unacked", "Messages that consumers have and did not acknowledge", |q| q.depth.unacknowledged),
    ("rabbitmq_queue_messages", "Messages in queues, whether consumers have them or not", |q| q.depth.ready + q.depth.unacknowledged),
    ("rabbitmq_queue_messages_ready_bytes", "Bytes of the messages that wait", |q| q.depth.ready_bytes),
    ("rabbitmq_queue_messages_unacked_bytes", "Bytes of the messages that consumers have", |q| q.depth.unacknowledged_bytes),
    ("rabbitmq_queue_messages_bytes", "Bytes of all messages in queues", |q| q.depth.ready_bytes + q.depth.unacknowledged_bytes),
    ("rabbitmq_queue_messages_persistent", "Messages that survive a restart", |q| q.depth.persistent),
    ("rabbitmq_queue_messages_persistent_bytes", "Bytes of the messages that survive a restart", |q| q.depth.persistent_bytes),
    ("rabbitmq_queue_consumers", "Consumers of queues", |q| q.consumers.into()),
    ("rabbitmq_queue_process_memory_bytes", "Bytes of memory that queues take, about", |q| q.memory),
    ("rabbitmq_queue_messages_published_total", "Messages that went into queues", |q| q.messages.publish),
];

/// A counter of channels, under its name there and as a total over the broker.
type OfMessages = (
    &'static str,
    &'static str,
    &'static str,
    fn(&MessageCounters) -> u64,
);

#[rustfmt::skip] // a table
const MESSAGES: &[OfMessages] = &[
    ("messages_published_total", "messages_received_total", "Messages that clients published", |m| m.publish),
    ("messages_confirmed_total", "messages_confirmed_total", "Messages that were confirmed to publishers", |m| m.confirm),
    ("messages_unroutable_returned_total", "messages_unroutable_returned_total", "Messages that no queue took and that went back", |m| m.return_unroutable),
    ("messages_unroutable_dropped_total", "messages_unroutable_dropped_total", "Messages that no queue took and that nobody wanted back", |m| m.drop_unroutable),
    ("get_ack_total", "messages_delivered_get_manual_ack_total", "Messages that were fetched, to be acknowledged", |m| m.get),
    ("get_total", "messages_delivered_get_auto_ack_total", "Messages that were fetched and are done", |m| m.get_no_ack),
    ("messages_delivered_ack_total", "messages_delivered_consume_manual_ack_total", "Messages that were delivered, to be acknowledged", |m| m.deliver),
    ("messages_delivered_total", "messages_delivered_consume_auto_ack_total", "Messages that were delivered and are done", |m| m.deliver_no_ack),
    ("messages_redelivered_total", "messages_redelivered_total", "Messages that were delivered again", |m| m.redeliver),
    ("messages_acked_total", "messages_acknowledged_total", "Messages that were acknowledged", |m| m.ack),
    ("get_empty_total", "messages_get_empty_total", "Fetches that found nothing", |m| m.get_empty),
];

/// Counters that say the type of queue too.
fn has_queue_type(global: &str) -> bool {
    global.starts_with("messages_delivered")
        || matches!(
            global,
            "messages_redelivered_total"
                | "messages_acknowledged_total"
                | "messages_get_empty_total"
        )
}

pub(super) fn answer(api: &Api, request: &Request, per_object: bool) -> Result<Answer, Refused> {
    if request.method != axum::http::Method::GET && request.method != axum::http::Method::HEAD {
        return Err(Refused::method("HEAD, GET, OPTIONS"));
    }
    let mut page = Page::default();
    whole(api, &mut page);
    let keys = api.amqp.with(|broker, _| broker.queue_keys(None));
    queues(api, &mut page, &keys, per_object);
    if per_object {
        objects(api, &mut page);
    }
    Ok(Answer::Text(TYPE, page.0))
}

fn whole(api: &Api, page: &mut Page) {
    let (view, cluster, channels) = api.amqp.with(|broker, _| {
        let channels = broker.channel_views();
        (
            broker.overview(),
            broker.cluster_name().to_owned(),
            channels,
        )
    });
    let (memory_high, _) = api.amqp.memory();
    let (disk_free_min, disk_free) = api.amqp.disk();
    let config = &api.config;
    page.head(
        "rabbitmq_build_info",
        "What this is, and which RabbitMQ it behaves like",
    );
    let version = config.rabbitmq_version.as_str();
    page.labelled(
        "rabbitmq_build_info",
        &[
            ("rabbitmq_version", version),
            ("product_name", &config.product.0),
            ("product_version", &config.product.1),
        ],
        1,
    );
    page.head("rabbitmq_identity_info", "Who this is");
    page.labelled(
        "rabbitmq_identity_info",
        &[
            ("rabbitmq_node", &config.node),
            ("rabbitmq_cluster", &cluster),
        ],
        1,
    );
    let (totals, churn) = (&view.totals, &view.churn);
    #[rustfmt::skip] // a table
    let numbers = [
        ("rabbitmq_connections", "Connections that are open", totals.connections),
        ("rabbitmq_channels", "Channels that are open", totals.channels),
        ("rabbitmq_consumers", "Consumers there are", totals.consumers),
        ("rabbitmq_queues", "Queues there are", totals.queues),
        ("rabbitmq_connections_opened_total", "Connections that were opened", churn.connection_created),
        ("rabbitmq_connections_closed_total", "Connections that ended", churn.connection_closed),
        ("rabbitmq_channels_opened_total", "Channels that were opened", churn.channel_created),
        ("rabbitmq_channels_closed_total", "Channels that ended", churn.channel_closed),
        ("rabbitmq_queues_declared_total", "Declares of queues", churn.queue_declared),
        ("rabbitmq_queues_created_total", "Queues that were made", churn.queue_created),
        ("rabbitmq_queues_deleted_total", "Queues that were deleted", churn.queue_deleted),
        ("rabbitmq_alarms_memory_used_watermark", "1 while publishers wait for memory", view.alarms.memory.into()),
        ("rabbitmq_alarms_free_disk_space_watermark", "1 while publishers wait for the disk", view.alarms.disk.into()),
        ("rabbitmq_alarms_file_descriptor_limit", "Always 0: there is no such alarm", 0),
        ("rabbitmq_process_resident_memory_bytes", "Bytes of this process in memory", node::resident()),
        ("rabbitmq_resident_memory_limit_bytes", "Bytes of memory above which publishers wait", memory_high),
        ("rabbitmq_process_open_fds", "Files that are open", node::descriptors()),
        ("rabbitmq_process_max_fds", "Files that may be open", node::descriptors_max()),
        ("rabbitmq_process_open_tcp_sockets", "Sockets of clients", totals.connections),
        ("rabbitmq_disk_space_available_bytes", "Bytes that are free on the disk", disk_free),
        ("rabbitmq_disk_space_available_limit_bytes", "Bytes of free disk below which publishers wait", disk_free_min),
        ("rabbitmq_connection_incoming_bytes_total", "Bytes that clients sent", view.received_bytes),
        ("rabbitmq_connection_outgoing_bytes_total", "Bytes that clients were sent", view.sent_bytes),
        ("rabbitmq_auth_attempts_total", "Logins that were tried", view.logins + view.logins_refused),
        ("rabbitmq_auth_attempts_succeeded_total", "Logins that were granted", view.logins),
        ("rabbitmq_auth_attempts_failed_total", "Logins that were refused", view.logins_refused),
        ("rabbitmq_channel_consumers", "Consumers of channels", totals.consumers),
        ("rabbitmq_channel_messages_unacked", "Deliveries that are not acknowledged", view.depth.unacknowledged),
        ("rabbitmq_channel_messages_unconfirmed", "Publishes that are not confirmed", channels.iter().map(|channel| channel.unconfirmed).sum()),
        ("rabbitmq_channel_messages_uncommitted", "Publishes of open transactions", channels.iter().map(|channel| channel.uncommitted).sum()),
    ];
    for (name, help, value) in numbers {
        page.one(name, help, value);
    }
    for (own, global, help, value) in MESSAGES {
        let value = value(&view.messages);
        page.one(&format!("rabbitmq_channel_{own}"), help, value);
        let name = format!("rabbitmq_global_{global}");
        page.head(&name, help);
        match has_queue_type(global) {
            true => page.labelled(
                &name,
                &[
                    ("protocol", "amqp091"),
                    ("queue_type", "rabbit_classic_queue"),
                ],
                value,
            ),
            false => page.labelled(&name, &[("protocol", "amqp091")], value),
        }
    }
    page.head("rabbitmq_global_consumers", "Consumers there are");
    page.labelled(
        "rabbitmq_global_consumers",
        &[("protocol", "amqp091")],
        totals.consumers,
    );
}

fn queues(api: &Api, page: &mut Page, keys: &[QueueKey], per_object: bool) {
    let look = |keys: &[QueueKey]| -> Vec<QueueView> {
        api.amqp.with(|broker, _| {
            keys.iter()
                .filter_map(|key| broker.queue_view(key))
                .collect()
        })
    };
    if !per_object {
        let mut sums = vec![0u64; QUEUE.len()];
        for views in keys.chunks(SLICE).map(look) {
            for view in &views {
                for (sum, (_, _, value)) in sums.iter_mut().zip(QUEUE) {
                    *sum += value(view);
                }
            }
        }
        for ((name, help, _), sum) in QUEUE.iter().zip(sums) {
            page.one(name, help, sum);
        }
        return;
    }
    // Lines of one family stand together, so each has a page of its own first.
    let mut families: Vec<Page> = QUEUE.iter().map(|_| Page::default()).collect();
    for views in keys.chunks(SLICE).map(look) {
        for view in &views {
            for (family, (name, _, value)) in families.iter_mut().zip(QUEUE) {
                family.labelled(
                    name,
                    &[("vhost", &view.vhost), ("queue", &view.name)],
                    value(view),
                );
            }
        }
    }
    for (family, (name, help, _)) in families.into_iter().zip(QUEUE) {
        page.head(name, help);
        page.0.push_str(&family.0);
    }
}

/// Exchanges and connections, one by one.
fn objects(api: &Api, page: &mut Page) {
    let (exchanges, connections) = api
        .amqp
        .with(|broker, _| (broker.exchange_views(None), broker.connection_views()));
    page.head(
        "rabbitmq_exchange_messages_published_in_total",
        "Messages that came into an exchange",
    );
    for view in &exchanges {
        let labels = [("vhost", &*view.vhost), ("exchange", &*view.name)];
        page.labelled(
            "rabbitmq_exchange_messages_published_in_total",
            &labels,
            view.messages.publish_in,
        );
    }
    page.head(
        "rabbitmq_exchange_messages_published_out_total",
        "Messages that an exchange gave to queues",
    );
    for view in &exchanges {
        let labels = [("vhost", &*view.vhost), ("exchange", &*view.name)];
        page.labelled(
            "rabbitmq_exchange_messages_published_out_total",
            &labels,
            view.messages.publish_out,
        );
    }
    page.head("rabbitmq_connection_channels", "Channels of a connection");
    for view in &connections {
        let labels = [
            ("connection", &*view.name),
            ("vhost", &*view.vhost),
            ("user", &*view.user),
        ];
        page.labelled(
            "rabbitmq_connection_channels",
            &labels,
            view.channels.into(),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::Page;

    #[test]
    fn lines_have_a_head_and_names_are_escaped() {
        let mut page = Page::default();
        page.head("rabbitmq_x_total", "X");
        page.labelled("rabbitmq_x_total", &[("queue", "a\"b\\c\nd")], 7);
        page.one("rabbitmq_y", "Y", 1);
        assert_eq!(
            page.0,
            "# TYPE rabbitmq_x_total counter\n# HELP rabbitmq_x_total X\nrabbitmq_x_total{queue=\"a\\\"b\\\\c\\nd\"} 7\n\
             # TYPE rabbitmq_y gauge\n# HELP rabbitmq_y Y\nrabbitmq_y 1\n"
        );
    }
}
