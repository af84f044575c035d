//! The API over a real broker, without a listener.

use std::net::{SocketAddr, TcpListener, TcpStream};

use axum::{
    body::to_bytes,
    http::{Method, header},
};
use serde_json::{Value, json};
use tempfile::TempDir;
use trefoil_server::amqp::{Amqp, AmqpConfig, Listeners};

use super::{Api, ManagementConfig, request::Request, routes};

/// A broker and its API.
struct Broker {
    api: Api,
    runtime: tokio::runtime::Runtime,
    /// Goes last.
    _data: TempDir,
}

/// What was answered.
#[derive(Debug, PartialEq)]
struct Answer {
    status: u16,
    body: Value,
    location: Option<String>,
}

impl Broker {
    fn new() -> Self {
        Self::listening_on(Vec::new())
    }

    fn listening_on(listen: Vec<SocketAddr>) -> Self {
        let data = TempDir::new().unwrap();
        let config = AmqpConfig {
            listen,
            ..AmqpConfig::new(data.path().to_owned())
        };
        let listeners = Listeners::bind(&config).unwrap();
        let amqp = Amqp::open(config, listeners).unwrap();
        let config = ManagementConfig {
            node: "rabbit@test".to_owned(),
            rabbitmq_version: "4.2.1".to_owned(),
            product: ("Trefoil".to_owned(), "0.1.0".to_owned()),
            listen: vec!["127.0.0.1:15672".parse().unwrap()],
            data: data.path().to_owned(),
            config_files: Vec::new(),
            certificates: Vec::new(),
        };
        Self {
            api: Api::new(amqp, config),
            runtime: tokio::runtime::Builder::new_current_thread()
                .build()
                .unwrap(),
            _data: data,
        }
    }

    fn ask(&self, user: &str, method: Method, path: &str, body: &Value) -> Answer {
        let request = Request::of(method, &format!("/api/{path}")).with(user, body);
        // Long answers are made by threads of the runtime.
        let _guard = self.runtime.enter();
        let response = routes::answer(&self.api, &request);
        let status = response.status().as_u16();
        let location = response.headers().get(header::LOCATION);
        let location = location.map(|place| place.to_str().unwrap().to_owned());
        let body = self
            .runtime
            .block_on(to_bytes(response.into_body(), usize::MAX))
            .unwrap();
        let text = String::from_utf8(body.to_vec()).unwrap();
        let body = match text.is_empty() {
            true => Value::Null,
            false => serde_json::from_str(&text).unwrap_or(Value::String(text)),
        };
        Answer {
            status,
            body,
            location,
        }
    }

    fn get(&self, path: &str) -> Value {
        let answer = self.ask("guest", Method::GET, path, &Value::Null);
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer.body
    }

    #[track_caller]
    fn check(&self, method: Method, path: &str, body: Value, status: u16) -> Answer {
        let answer = self.ask("guest", method, path, &body);
        assert_eq!(answer.status, status, "{path}: {}", answer.body);
        answer
    }

    /// A user with a tag, who may open `/` if `opens`.
    fn user(&self, name: &str, tags: &str, opens: bool) {
        let user = json!({"password": name, "tags": tags});
        self.check(Method::PUT, &format!("users/{name}"), user, 201);
        if opens {
            let all = json!({"configure": ".*", "write": ".*", "read": ".*"});
            self.check(Method::PUT, &format!("permissions/%2F/{name}"), all, 201);
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.api.amqp.stop(std::time::Duration::from_secs(1));
    }
}

#[test]
fn things_are_made_once_and_then_the_same() {
    let broker = Broker::new();
    let queue = json!({"durable": true, "arguments": {"x-max-length": 10}});
    broker.check(Method::PUT, "queues/%2F/a%2Fb", queue.clone(), 201);
    broker.check(Method::PUT, "queues/%2F/a%2Fb", queue, 204);
    let refused = broker.check(
        Method::PUT,
        "queues/%2F/a%2Fb",
        json!({"durable": false}),
        400,
    );
    assert_eq!(
        refused.body,
        json!({"error": "bad_request", "reason": "inequivalent arg 'durable' for queue 'a/b' in vhost '/': received 'false' but current is 'true'"})
    );
    let shown = broker.get("queues/%2F/a%2Fb");
    assert_eq!(shown["name"], "a/b");
    assert_eq!(shown["arguments"], json!({"x-max-length": 10}));
    broker.check(
        Method::PUT,
        "exchanges/%2F/x",
        json!({"type": "topic"}),
        201,
    );
    let exchange = broker.check(Method::PUT, "exchanges/%2F/y", json!({"type": "zz"}), 400);
    assert_eq!(exchange.body["reason"], "unknown exchange type 'zz'");
    broker.check(Method::DELETE, "queues/%2F/a%2Fb", Value::Null, 204);
    broker.check(Method::DELETE, "queues/%2F/a%2Fb", Value::Null, 404);
    broker.check(Method::PUT, "queues/none/q", json!({}), 404);
    broker.check(Method::PUT, "queues/%2F/amq.q", json!({}), 401);
    broker.check(Method::POST, "queues", Value::Null, 405);
    broker.check(Method::GET, "nonsense", Value::Null, 404);
}

#[test]
fn bindings_are_found_where_their_location_says() {
    let broker = Broker::new();
    broker.check(Method::PUT, "queues/%2F/q", json!({}), 201);
    let path = "bindings/%2F/e/amq.topic/q/q";
    let plain = broker.check(Method::POST, path, json!({"routing_key": "a.#"}), 201);
    assert_eq!(plain.location.as_deref(), Some("q/a.%2523"));
    let with = json!({"routing_key": "a.#", "arguments": {"x": 1}});
    let with = broker
        .check(Method::POST, path, with, 201)
        .location
        .unwrap();
    assert!(with.starts_with("q/a.%2523~"), "{with}");
    let empty = broker.check(Method::POST, path, json!({}), 201);
    assert_eq!(empty.location.as_deref(), Some("q/~"));
    for place in ["q/a.%2523", &with, "q/~"] {
        let path = format!("bindings/%2F/e/amq.topic/q/{place}");
        assert_eq!(broker.get(&path)["destination"], "q");
        broker.check(Method::DELETE, &path, Value::Null, 204);
        broker.check(Method::GET, &path, Value::Null, 404);
    }
    // Only the one that every queue has is left.
    let left = broker.get("bindings");
    assert_eq!(left.as_array().unwrap().len(), 1);
    assert_eq!(left[0]["source"], "");
    broker.check(Method::POST, "bindings/%2F/e/none/q/q", json!({}), 404);
}

#[test]
fn messages_go_in_and_out() {
    let broker = Broker::new();
    broker.check(Method::PUT, "queues/%2F/q", json!({}), 201);
    let publish = |body: Value| {
        broker
            .check(Method::POST, "exchanges/%2F/amq.default/publish", body, 200)
            .body
    };
    let text = json!({"routing_key": "q", "payload": "é", "payload_encoding": "string", "properties": {"headers": {"a": 1}}});
    assert_eq!(publish(text), json!({"routed": true}));
    let bytes = json!({"routing_key": "q", "payload": "/wD/", "payload_encoding": "base64", "properties": {}});
    assert_eq!(publish(bytes), json!({"routed": true}));
    let nowhere = json!({"routing_key": "none", "payload": "", "payload_encoding": "string", "properties": {}});
    assert_eq!(publish(nowhere), json!({"routed": false}));
    let numbers = &broker.get("exchanges/%2F/amq.default")["message_stats"];
    assert_eq!(
        (&numbers["publish_in"], &numbers["publish_out"]),
        (&json!(3), &json!(2))
    );
    assert_eq!(numbers["publish_in_details"]["rate"], 0.0);
    let get = |mode: &str, truncate: Value| {
        let body = json!({"count": 5, "ackmode": mode, "encoding": "auto", "truncate": truncate});
        broker
            .check(Method::POST, "queues/%2F/q/get", body, 200)
            .body
    };
    let first = get("ack_requeue_true", Value::Null);
    assert_eq!(first[0]["payload"], "é");
    assert_eq!(first[0]["properties"], json!({"headers": {"a": 1}}));
    assert_eq!(first[0]["message_count"], 1);
    assert_eq!(first[1]["payload"], "/wD/");
    assert_eq!(first[1]["payload_encoding"], "base64");
    assert_eq!(first[1]["redelivered"], false);
    // Half a letter is no text.
    let second = get("ack_requeue_false", json!(1));
    assert_eq!(second[0]["payload_encoding"], "base64");
    assert_eq!(second[0]["payload_bytes"], 2);
    assert_eq!(second[0]["redelivered"], true);
    assert_eq!(get("ack_requeue_false", Value::Null), json!([]));
    let missing = json!({"count": 5});
    let refused = broker.check(Method::POST, "queues/%2F/q/get", missing, 400);
    assert_eq!(refused.body["reason"], "[{key_missing,ackmode}]");
}

#[test]
fn tags_say_what_one_may() {
    let broker = Broker::new();
    broker.user("admin", "administrator", true);
    broker.user("monitor", "monitoring", false);
    broker.user("maker", "policymaker", true);
    broker.user("manager", "management", true);
    broker.user("stranger", "management", false);
    broker.user("nobody", "", true);
    broker.check(Method::PUT, "queues/%2F/q", json!({}), 201);
    let policy = json!({"pattern": "^q", "definition": {"max-length": 5}});
    let get = Method::GET;
    let put = Method::PUT;
    let queue = json!({"durable": true});
    let null = Value::Null;
    // path, method, body, then the status for each of the six.
    let table: [(&str, &Method, &Value, [u16; 6]); 12] = [
        ("whoami", &get, &null, [200, 200, 200, 200, 200, 401]),
        ("nodes", &get, &null, [200, 200, 401, 401, 401, 401]),
        ("users", &get, &null, [200, 401, 401, 401, 401, 401]),
        ("users/admin", &get, &null, [200, 401, 401, 401, 401, 401]),
        ("permissions", &get, &null, [200, 401, 401, 401, 401, 401]),
        ("definitions", &get, &null, [200, 401, 401, 401, 401, 401]),
        ("queues/%2F/q", &get, &null, [200, 200, 200, 200, 401, 401]),
        ("queues/%2F/q", &put, &queue, [204, 401, 204, 204, 401, 401]),
        (
            "vhosts/%2F",
            &put,
            &json!({}),
            [204, 401, 401, 401, 401, 401],
        ),
        (
            "policies/%2F/p",
            &put,
            &policy,
            [201, 401, 204, 401, 401, 401],
        ),
        (
            "operator-policies/%2F/p",
            &put,
            &policy,
            [201, 401, 401, 401, 401, 401],
        ),
        (
            "trefoil/settings",
            &get,
            &null,
            [200, 401, 401, 401, 401, 401],
        ),
    ];
    let users = ["admin", "monitor", "maker", "manager", "stranger", "nobody"];
    for (path, method, body, expected) in table {
        let statuses = users.map(|user| broker.ask(user, method.clone(), path, body).status);
        assert_eq!(statuses, expected, "{method} {path}");
    }
    // Lists show what one may see.
    let queues = |user: &str| broker.ask(user, get.clone(), "queues", &null).body;
    assert_eq!(queues("monitor").as_array().unwrap().len(), 1);
    assert_eq!(queues("stranger"), json!([]));
}

#[test]
fn a_wrong_login_is_told_how_to_log_in() {
    let broker = Broker::new();
    let request = Request::of(Method::GET, "/api/whoami").with("stranger", &Value::Null);
    let response = routes::answer(&broker.api, &request);
    assert_eq!(response.status(), 401);
    let challenge = &response.headers()[header::WWW_AUTHENTICATE];
    assert_eq!(challenge, "Basic realm=\"RabbitMQ Management\"");
    let request = Request::of(Method::GET, "/api/whoami");
    assert_eq!(routes::answer(&broker.api, &request).status(), 401);
}

#[test]
fn a_long_list_comes_in_pieces_and_pages() {
    let broker = Broker::new();
    // Longer than what is sent at once.
    for number in 0..300 {
        let path = format!("queues/%2F/queue-{number:03}");
        broker.check(Method::PUT, &path, json!({"durable": false}), 201);
    }
    let all = broker.get("queues");
    assert_eq!(all.as_array().unwrap().len(), 300);
    assert_eq!(all[299]["name"], "queue-299");
    let page = broker.get("queues?page=2&page_size=50&name=queue-1&columns=name");
    assert_eq!(page["filtered_count"], 100, "{page}");
    assert_eq!(page["total_count"], 300);
    assert_eq!(page["items"][49], json!({"name": "queue-199"}));
    let page = broker.get("queues?page=2&page_size=50&sort=name&sort_reverse=true&columns=name");
    assert_eq!(page["items"][0], json!({"name": "queue-249"}));
    let bare = broker.get("queues?disable_stats=true&page=1&page_size=1");
    assert_eq!(bare["items"][0].get("messages"), None);
}

#[test]
fn the_state_of_health_is_told() {
    let broker = Broker::new();
    for check in [
        "alarms",
        "local-alarms",
        "virtual-hosts",
        "port-listener/15672",
        "protocol-listener/http",
        "is-in-service",
    ] {
        assert_eq!(
            broker.get(&format!("health/checks/{check}"))["status"],
            "ok",
            "{check}"
        );
    }
    let gone = broker.check(
        Method::GET,
        "health/checks/port-listener/1",
        Value::Null,
        503,
    );
    assert_eq!(gone.body["missing"], 1);
    assert_eq!(broker.get("aliveness-test/%2F"), json!({"status": "ok"}));
    let alarm = json!({"memory_alarm": true});
    broker.check(Method::PUT, "trefoil/settings", alarm, 200);
    let failed = broker.check(Method::GET, "health/checks/alarms", Value::Null, 503);
    assert_eq!(
        failed.body["alarms"],
        json!([{"node": "rabbit@test", "resource": "memory"}])
    );
    broker.check(
        Method::PUT,
        "trefoil/settings",
        json!({"memory_alarm": false}),
        200,
    );
    broker.check(Method::PUT, "trefoil/settings", json!({"nonsense": 1}), 400);
    broker.check(Method::POST, "trefoil/stop", Value::Null, 204);
    broker.check(Method::GET, "health/checks/is-in-service", Value::Null, 503);
    broker.check(Method::POST, "trefoil/start", Value::Null, 204);
    broker.check(Method::GET, "health/checks/is-in-service", Value::Null, 200);
}

#[test]
fn listeners_close_and_open_with_the_broker() {
    // At an address where no other test takes the port that is free for a moment.
    let broker = Broker::listening_on(vec!["127.0.0.9:0".parse().unwrap()]);
    let address = broker.api.amqp.listening()[0].address;
    let port = address.port();
    let check = |is_open: bool| {
        let status = if is_open { 200 } else { 503 };
        for check in [
            "is-in-service",
            "protocol-listener/amqp",
            &format!("port-listener/{port}"),
        ] {
            let path = format!("health/checks/{check}");
            broker.check(Method::GET, &path, Value::Null, status);
        }
        assert_eq!(TcpStream::connect(address).is_ok(), is_open);
        // Suspended ones are listed too.
        assert_eq!(broker.get("overview")["listeners"][0]["port"], port);
    };
    let post = |verb: &str, status| {
        let path = format!("trefoil/{verb}");
        broker.check(Method::POST, &path, Value::Null, status).body
    };
    check(true);
    for (close, open) in [("suspend", "resume"), ("stop", "start")] {
        for _ in 0..2 {
            post(close, 204);
            check(false);
        }
        let somebody = TcpListener::bind(address).unwrap();
        let refused = post(open, 503);
        let reason = refused["reason"].as_str().unwrap();
        let expected = format!("cannot listen on {address}: ");
        assert!(reason.starts_with(&expected), "{reason}");
        assert_eq!(broker.api.amqp.with(|b, _| b.is_stopped()), close == "stop");
        drop(somebody);
        check(false);
        if close == "stop" {
            let refused = post("resume", 503);
            assert_eq!(refused["reason"], "the broker is stopped: use start_app");
        }
        for _ in 0..2 {
            post(open, 204);
            check(true);
        }
    }
}

#[test]
fn definitions_go_from_one_broker_to_another() {
    let broker = Broker::new();
    broker.user("u", "monitoring", true);
    broker.check(
        Method::PUT,
        "vhosts/v",
        json!({"description": "d", "tags": "a,b"}),
        201,
    );
    broker.check(
        Method::PUT,
        "queues/v/q",
        json!({"arguments": {"x-queue-type": "quorum"}}),
        201,
    );
    broker.check(
        Method::PUT,
        "vhost-limits/v/max-queues",
        json!({"value": 5}),
        204,
    );
    let exported = broker.get("definitions");
    let other = Broker::new();
    other.check(Method::POST, "definitions", exported.clone(), 204);
    assert_eq!(other.get("definitions"), exported);
    // As browsers send a file.
    let form = format!(
        "--b\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\n{exported}\r\n--b--\r\n"
    );
    let third = Broker::new();
    let mut request = Request::of(Method::POST, "/api/definitions").with("guest", &Value::Null);
    request.set_form("b", form);
    assert_eq!(routes::answer(&third.api, &request).status(), 204);
    assert_eq!(third.get("definitions"), exported);
    let one = broker.get("definitions/v");
    assert_eq!(one["queues"][0]["name"], "q");
    assert_eq!(one.get("users"), None);
}

#[test]
fn definitions_with_federation_are_imported_without_it() {
    let broker = Broker::new();
    let federated = json!({"federation-upstream-set": "all"});
    let policy = json!({"vhost": "/", "name": "fed", "pattern": ".*", "definition": federated});
    let definitions = json!({
        "policies": [policy],
        "parameters": [{"vhost": "/", "component": "shovel", "name": "s", "value": {}}],
        "queues": [{"vhost": "/", "name": "q", "durable": true, "auto_delete": false, "arguments": {}}],
        "exchanges": [],
        "bindings": [{"vhost": "/", "source": "internal", "destination": "q", "destination_type": "queue", "routing_key": "k", "arguments": {}}],
    });
    let done = broker.check(Method::POST, "definitions", definitions, 200);
    assert_eq!(
        done.body,
        json!({"warnings": [
            "policy 'fed' in vhost '/': it was left out, for it has nothing but federation-upstream-set: there is no federation",
            "parameter 's' of shovel in vhost '/' is kept, without effect: there is no shovel",
            "the binding of 'internal' to queue 'q' in vhost '/' was left out: there is no exchange 'internal'",
        ]})
    );
    assert_eq!(broker.get("queues")[0]["name"], "q");
    assert_eq!(broker.get("policies"), json!([]));
    assert_eq!(broker.get("parameters")[0]["name"], "s");
    // Asked for by itself it is refused, as by a RabbitMQ without the plugin.
    let refused = broker.check(
        Method::PUT,
        "policies/%2F/fed",
        json!({"pattern": ".*", "definition": federated}),
        400,
    );
    let reason = refused.body["reason"].as_str().unwrap();
    assert!(
        reason.contains("are not recognised policy settings"),
        "{reason}"
    );
    // What cannot be made for another reason is refused.
    let wrong = json!({"vhost": "/", "name": "p", "pattern": ".*", "definition": {"max-lengt": 1}});
    let definitions = json!({"policies": [wrong], "queues": [], "exchanges": [], "bindings": []});
    broker.check(Method::POST, "definitions", definitions, 400);
}

#[test]
fn metrics_have_the_names_of_dashboards() {
    let broker = Broker::new();
    broker.check(Method::PUT, "queues/%2F/q", json!({}), 201);
    let page = |path: &str| {
        let request = Request::of(Method::GET, path);
        let response = routes::answer(&broker.api, &request);
        assert_eq!(response.status(), 200);
        let body = broker
            .runtime
            .block_on(to_bytes(response.into_body(), usize::MAX));
        String::from_utf8(body.unwrap().to_vec()).unwrap()
    };
    let all = page("/metrics");
    assert!(all.contains("\nrabbitmq_queue_messages_ready 0\n"), "{all}");
    assert!(all.contains("\nrabbitmq_queues 1\n"));
    assert!(all.contains("rabbitmq_global_messages_received_total{protocol=\"amqp091\"} 0\n"));
    let each = page("/metrics/per-object");
    assert!(
        each.contains("rabbitmq_queue_messages_ready{vhost=\"/\",queue=\"q\"} 0\n"),
        "{each}"
    );
    // A family stands in one place, or Prometheus refuses the page.
    let heads = each.lines().filter(|line| line.starts_with("# TYPE"));
    let mut names: Vec<&str> = heads.filter_map(|line| line.split(' ').nth(2)).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
}
