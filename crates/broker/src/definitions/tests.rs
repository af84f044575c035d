use proptest::prelude::*;
use serde_json::{Value as Json, json};
use trefoil_amqp::{Table, Value};

use super::{
    arguments::{octets_to_text, table_from_json, table_to_json},
    record::{BindingRecord, Entity, RecordError},
    *,
};
use crate::{
    access::{Permission, Permissions, PermissionsSource, TopicPermissions, VhostLimits},
    arguments::{QueueArguments, QueueDeclaration, QueueType},
    policy::{Policy, PolicyKind, PolicySource},
    routing::{Declaration, ExchangeType},
};

/// `rabbitmqctl export_definitions` of RabbitMQ 3.10.8.
const RABBITMQ: &[u8] = include_bytes!("rabbitmq-3.10.json");

fn rabbitmq() -> Definitions {
    Definitions::parse(RABBITMQ).expect("RabbitMQ made them")
}

fn find<T>(items: &[T], is_it: impl Fn(&T) -> bool) -> &T {
    items
        .iter()
        .find(|item| is_it(item))
        .expect("the definitions have it")
}

#[test]
fn users_of_rabbitmq_keep_their_passwords() {
    let definitions = rabbitmq();
    let users = definitions.users.as_ref().expect("there are users");
    let user = |name: &str| {
        find(users, |user| user.name == name)
            .to_user(definitions.rabbit_version.as_deref())
            .expect("it is fine")
    };
    for (name, password) in [("ann", "secret"), ("guest", "guest"), ("old", "old-secret")] {
        let hash = user(name).password_hash.expect("there is a password");
        assert!(hash.verify(password.as_bytes()), "{name}");
    }
    assert_eq!(user("cert").password_hash, None);
    assert_eq!(user("ann").tags, ["monitoring", "custom"]);
    assert_eq!(
        (
            user("ann").limits.max_channels,
            user("ann").limits.max_connections
        ),
        (Some(5), None)
    );
    for definition in users {
        let user = definition.to_user(None).expect("it is fine");
        assert_eq!(
            UserDefinition::from(&user).password_hash,
            definition.password_hash
        );
    }
}

#[test]
fn everything_else_of_rabbitmq_is_understood() {
    let definitions = rabbitmq();
    let vhosts = definitions
        .vhosts
        .as_ref()
        .expect("there are virtual hosts");
    let vhost = find(vhosts, |vhost| vhost.name == "v1");
    assert_eq!(
        (vhost.description.as_str(), vhost.tags.join(",")),
        ("first", "a,b".to_owned())
    );

    let permissions = definitions
        .permissions
        .as_ref()
        .expect("there are permissions");
    let permissions = find(permissions, |of| of.user == "ann")
        .to_permissions()
        .expect("they are fine");
    assert!(
        permissions.allow(Permission::Configure, "a1")
            && !permissions.allow(Permission::Write, "a1")
    );
    let topics = definitions
        .topic_permissions
        .as_ref()
        .expect("there are topic permissions");
    assert_eq!(
        topics[0].to_permissions().expect("they are fine").write(),
        "^{username}"
    );

    let policy = definitions.policies[0]
        .to_policy(PolicyKind::User)
        .expect("it is fine");
    assert_eq!(
        (policy.priority, policy.values().message_ttl_ms),
        (3, Some(1000))
    );
    let meanings: Vec<_> = definitions
        .parameters
        .iter()
        .map(|parameter| parameter.meaning().expect("it is fine"))
        .collect();
    assert_eq!(
        meanings[0],
        ParameterMeaning::VhostLimits(VhostLimits {
            max_queues: Some(50),
            ..VhostLimits::default()
        })
    );
    let ParameterMeaning::OperatorPolicy(operator) = &meanings[1] else {
        panic!("{:?}", meanings[1])
    };
    assert_eq!(
        (operator.name.as_str(), operator.values().max_length),
        ("op", Some(10))
    );

    let queue = find(&definitions.queues, |queue| queue.name == "q1")
        .to_arguments()
        .expect("they are fine");
    assert_eq!(queue.get("x-max-length"), Some(&Value::I64(5)));
    let nested = Table::new()
        .with("l", vec![Value::Bool(true), "s".into()])
        .with("n", 1.5f64);
    assert_eq!(queue.get("x-t"), Some(&Value::Table(nested)));
    let exchange = definitions.exchanges[0]
        .to_declaration()
        .expect("it is fine");
    assert_eq!(
        (exchange.kind, exchange.durable),
        (ExchangeType::Topic, true)
    );
    let binding = find(&definitions.bindings, BindingDefinition::is_to_queue);
    assert_eq!(binding.to_arguments(), Ok(Table::new().with("h", "v")));
}

/// What is written is read as the same, and nothing RabbitMQ wrote is lost but what it says twice.
#[test]
fn definitions_survive_being_written() {
    let mut definitions = rabbitmq();
    definitions.sort();
    let text = serde_json::to_vec(&definitions).expect("they are JSON");
    assert_eq!(Definitions::parse(&text).as_ref(), Ok(&definitions));
    let (mut ours, mut theirs): (Json, Json) = (
        serde_json::from_slice(&text).expect("ours"),
        serde_json::from_slice(RABBITMQ).expect("theirs"),
    );
    for section in [
        "policies",
        "queues",
        "bindings",
        "permissions",
        "topic_permissions",
        "global_parameters",
    ] {
        let take = |json: &mut Json| {
            let mut items: Vec<String> = json[section]
                .as_array()
                .expect(section)
                .iter()
                .map(Json::to_string)
                .collect();
            items.sort();
            items
        };
        assert_eq!(take(&mut ours), take(&mut theirs));
    }
    // However they come, they go out in one order.
    let mut reversed = definitions.clone();
    reversed.queues.reverse();
    reversed.bindings.reverse();
    reversed.policies.reverse();
    reversed.sort();
    assert_eq!(reversed, definitions);
}

#[test]
fn one_virtual_host_has_definitions_of_its_own() {
    let mut definitions = Definitions::parse(
        br#"{"rabbit_version": "4.2.0", "metadata": {}, "queues": [{"name": "q", "durable": true}],
            "exchanges": [{"name": "x", "type": "fanout", "durable": "true", "arguments": []}],
            "bindings": [{"source": "x", "destination": "q", "destination_type": "queue", "routing_key": ""}],
            "policies": [{"name": "p", "pattern": "", "definition": {"expires": 1}, "priority": "4"}]}"#,
    )
    .expect("they are fine");
    assert!(definitions.users.is_none() && definitions.vhosts.is_none());
    let error = definitions.policies[0]
        .to_policy(PolicyKind::User)
        .expect_err("it is nowhere");
    assert_eq!(error.to_string(), "policy 'p': has no vhost");
    definitions.set_virtual_host("here");
    let policy = definitions.policies[0]
        .to_policy(PolicyKind::User)
        .expect("it is fine");
    assert_eq!((policy.virtual_host.as_str(), policy.priority), ("here", 4));
    assert!(definitions.exchanges[0].durable);
    assert_eq!(definitions.bindings[0].vhost.as_deref(), Some("here"));
    definitions.clear_virtual_host();
    let text = serde_json::to_string(&definitions).expect("they are JSON");
    assert!(!text.contains("vhost"), "{text}");
}

#[track_caller]
fn check_wrong(text: &str, expected: &str) {
    let error = Definitions::parse(text.as_bytes()).expect_err(text);
    assert_eq!(error.to_string(), expected);
}

#[test]
fn errors_say_where() {
    check_wrong(
        "{\n \"queues\": [}",
        "not JSON: expected value at line 2, column 13",
    );
    check_wrong("[]", ": expected an object, found an array");
    check_wrong(
        r#"{"queues": {}}"#,
        "queues: expected an array, found an object",
    );
    check_wrong(
        r#"{"queues": [{"name": "a"}, {"name": 1}]}"#,
        "queues[1].name: expected a string, found 1",
    );
    check_wrong(
        r#"{"queues": [{"durable": true}]}"#,
        "queues[0].name: is missing",
    );
    check_wrong(
        r#"{"exchanges": [{"name": "x", "type": "fanout", "durable": "yes"}]}"#,
        "exchanges[0].durable: expected true or false, found a string",
    );
    check_wrong(
        r#"{"users": [{"name": "u", "tags": [1]}]}"#,
        "users[0].tags[0]: expected a string, found 1",
    );
    check_wrong(
        r#"{"policies": [{"name": "p", "pattern": "", "priority": 1.5}]}"#,
        "policies[0].priority: expected a whole number, found 1.5",
    );
    check_wrong(
        r#"{"bindings": [{"source": "", "destination": "q", "destination_type": "topic", "routing_key": ""}]}"#,
        "bindings[0].destination_type: expected queue or exchange, found 'topic'",
    );
    check_wrong(
        r#"{"global_parameters": [{"name": "p"}]}"#,
        "global_parameters[0].value: is missing",
    );
    assert_eq!(Definitions::parse(b" \n"), Ok(Definitions::default()));
    assert!(Definitions::parse(br#"{"unknown": 1, "users": null}"#).is_ok());
}

#[test]
fn what_cannot_be_converted_says_so() {
    let user = UserDefinition {
        name: "u".to_owned(),
        hashing_algorithm: Some("x".to_owned()),
        ..Default::default()
    };
    assert_eq!(
        user.to_user(None)
            .expect_err("no such algorithm")
            .to_string(),
        "user 'u': unknown hashing_algorithm 'x'"
    );
    let user = UserDefinition {
        name: "u".to_owned(),
        password_hash: "*".to_owned(),
        ..Default::default()
    };
    assert_eq!(
        user.to_user(None).expect_err("no hash").to_string(),
        "user 'u': password_hash is not base64"
    );
    let exchange = ExchangeDefinition {
        name: "x".to_owned(),
        exchange_type: "zz".to_owned(),
        ..Default::default()
    };
    assert_eq!(
        exchange
            .to_declaration()
            .expect_err("no such type")
            .to_string(),
        "exchange 'x': unknown exchange type 'zz'"
    );
    let mut queue = QueueDefinition {
        name: "q".to_owned(),
        ..Default::default()
    };
    queue
        .arguments
        .insert("a".to_owned(), json!([1, {"b": null}]));
    assert_eq!(
        queue
            .to_arguments()
            .expect_err("null is nothing")
            .to_string(),
        "queue 'q'.arguments.a[1].b: null is not allowed"
    );
    queue.arguments.insert("a".to_owned(), json!(u64::MAX));
    assert_eq!(
        queue.to_arguments().expect_err("too large").to_string(),
        "queue 'q'.arguments.a: the number is too large"
    );
}

#[test]
fn hashes_without_algorithm_are_as_old_as_their_broker() {
    let made = crate::access::PasswordHash::with_algorithm(
        crate::access::HashAlgorithm::Md5,
        b"p",
        [0; 4],
    );
    let user = UserDefinition {
        name: "u".to_owned(),
        password_hash: made.to_base64(),
        ..Default::default()
    };
    let verifies = |version| {
        let user = user.to_user(version).expect("it is fine");
        user.password_hash.is_some_and(|hash| hash.verify(b"p"))
    };
    assert!(verifies(Some("3.5.7")) && verifies(Some("2.8.1")));
    assert!(!verifies(Some("3.6.0")) && !verifies(Some("4.2.0")) && !verifies(None));
}

#[test]
fn the_type_of_a_queue_is_an_argument() {
    let declaration = QueueDeclaration {
        virtual_host: "v",
        name: "q",
        durable: true,
        exclusive: false,
        auto_delete: false,
    };
    let table = Table::new()
        .with("x-queue-type", "quorum")
        .with("x-max-length", 5i8);
    let arguments = QueueArguments::parse(&declaration, &table).expect("they are fine");
    let mut definition = QueueDefinition::new("v", "q", true, false, &arguments);
    assert_eq!(definition.queue_type.as_deref(), Some("quorum"));
    definition.arguments.remove("x-queue-type");
    let again = definition.to_arguments().expect("they are fine");
    assert_eq!(
        QueueArguments::parse(&declaration, &again)
            .expect("fine")
            .queue_type,
        QueueType::Quorum
    );
}

#[test]
fn tables_are_json_as_in_management() {
    let table = Table::new()
        .with("b", 1i8)
        .with("f", 1.5f32)
        .with(
            "decimal",
            Value::Decimal {
                scale: 2,
                value: 125,
            },
        )
        .with("time", Value::Timestamp(7))
        .with("void", Value::Void)
        .with("bytes", Value::Bytes(vec![255, 0]))
        .with(
            "nested",
            Table::new().with("a", vec![Value::Bool(true), "s".into()]),
        );
    assert_eq!(
        Json::Object(table_to_json(&table)),
        json!({"b": 1, "f": 1.5, "decimal": 1.25, "time": 7, "void": null, "bytes": "Not UTF-8, base64 is: /wA=",
               "nested": {"a": [true, "s"]}})
    );
    let long = octets_to_text(&[255; 60]);
    assert_eq!(long.lines().map(str::len).collect::<Vec<_>>(), [22 + 76, 4]);
    let mut deep = json!(1);
    for _ in 0..65 {
        deep = json!([deep]);
    }
    let error = table_from_json(json!({"a": deep}).as_object().expect("it is one"), "x")
        .expect_err("too deep");
    assert!(error.to_string().ends_with("nested too deep"), "{error}");
}

fn json_value() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<f64>().prop_map(Json::from),
        ".{0,6}".prop_map(Json::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            prop::collection::btree_map("[a-z]{0,4}", inner, 0..4)
                .prop_map(|members| Json::Object(members.into_iter().collect())),
        ]
    })
}

fn table() -> impl Strategy<Value = Table> {
    let value = prop_oneof![
        any::<bool>().prop_map(Value::Bool),
        any::<i8>().prop_map(Value::I8),
        any::<u16>().prop_map(Value::U16),
        any::<i32>().prop_map(Value::I32),
        any::<i64>().prop_map(Value::I64),
        any::<i64>().prop_map(Value::I64Upper),
        any::<f32>().prop_map(Value::F32),
        any::<u64>().prop_map(Value::Timestamp),
        (any::<u8>(), any::<u32>()).prop_map(|(scale, value)| Value::Decimal { scale, value }),
        prop::collection::vec(any::<u8>(), 0..8).prop_map(Value::LongString),
        prop::collection::vec(any::<u8>(), 0..8).prop_map(Value::Bytes),
        Just(Value::Void),
    ];
    let field = (prop::collection::vec(any::<u8>(), 0..6), value);
    prop::collection::vec(field, 0..5).prop_map(|fields| fields.into_iter().collect())
}

fn entity() -> impl Strategy<Value = Entity> {
    let name = || ".{0,8}";
    let pattern = || prop::sample::select(vec!["", ".*", "^a", "^{username}"]);
    prop_oneof![
        (name(), name(), any::<bool>()).prop_map(|(name, description, tracing)| {
            Entity::Vhost(VhostDefinition {
                name,
                description,
                tracing,
                ..VhostDefinition::default()
            })
        }),
        (
            name(),
            prop::collection::vec("[a-z]{1,4}", 0..3),
            any::<[u8; 4]>()
        )
            .prop_map(|(name, tags, salt)| {
                let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
                let hash = crate::access::PasswordHash::new(name.as_bytes(), salt);
                Entity::user(&crate::access::User::new(&name, Some(hash), &tags))
            }),
        (name(), name(), pattern(), pattern(), pattern()).prop_map(
            |(user, vhost, configure, write, read)| {
                let source = PermissionsSource {
                    configure,
                    write,
                    read,
                };
                Entity::permission(&user, &vhost, &Permissions::new(source).expect("fine"))
            }
        ),
        (name(), name(), name(), pattern(), pattern()).prop_map(
            |(user, vhost, exchange, write, read)| {
                Entity::topic_permission(
                    &user,
                    &vhost,
                    &exchange,
                    &TopicPermissions::new(write, read).expect("fine"),
                )
            }
        ),
        (name(), name(), any::<i64>(), any::<bool>()).prop_map(
            |(virtual_host, name, priority, user)| {
                let kind = if user {
                    PolicyKind::User
                } else {
                    PolicyKind::Operator
                };
                let source = PolicySource {
                    virtual_host: &virtual_host,
                    name: &name,
                    pattern: "^a",
                    apply_to: Some("queues"),
                    priority: Some(priority),
                    definition: &json!({"max-length": 7, "delivery-limit": -1}),
                };
                Entity::policy(kind, &Policy::new(kind, source).expect("fine"))
            }
        ),
        (
            name(),
            name(),
            name(),
            prop_oneof![Just(Json::Null), json_value()]
        )
            .prop_map(|(vhost, component, name, value)| {
                Entity::Parameter(ParameterDefinition {
                    vhost: Some(vhost),
                    component,
                    name,
                    value,
                })
            }),
        (name(), json_value()).prop_map(|(name, value)| Entity::GlobalParameter(
            GlobalParameterDefinition { name, value }
        )),
        (name(), any::<Option<u64>>(), any::<Option<u64>>()).prop_map(
            |(vhost, max_connections, max_queues)| {
                Entity::VhostLimits(
                    vhost,
                    VhostLimits {
                        max_connections,
                        max_queues,
                    },
                )
            }
        ),
        (any::<u64>(), name(), name(), any::<bool>(), table()).prop_map(
            |(id, vhost, name, auto_delete, table)| Entity::queue(
                id,
                &vhost,
                &name,
                auto_delete,
                &table
            )
        ),
        (
            name(),
            name(),
            prop::sample::select(&ExchangeType::ALL[..]),
            any::<bool>(),
            any::<bool>(),
            table()
        )
            .prop_map(|(vhost, name, kind, auto_delete, internal, arguments)| {
                let declaration = Declaration {
                    kind,
                    durable: true,
                    auto_delete,
                    internal,
                    arguments,
                };
                Entity::exchange(&vhost, &name, &declaration)
            }),
        (name(), name(), name(), any::<bool>(), name(), table()).prop_map(
            |(virtual_host, source, destination, to_exchange, routing_key, arguments)| {
                Entity::Binding(BindingRecord {
                    virtual_host,
                    source,
                    destination,
                    to_exchange,
                    routing_key,
                    arguments,
                })
            }
        ),
    ]
}

fn encoded(entity: &Entity) -> Vec<u8> {
    let mut value = Vec::new();
    entity.encode(&mut value);
    value
}

proptest! {
    #[test]
    fn records_are_read_as_they_were_written(entity in entity()) {
        let value = encoded(&entity);
        let read = Entity::decode(&value).expect("it was just written");
        // By their octets: a number that is none is not equal to itself.
        prop_assert_eq!(encoded(&read), value);
        prop_assert_eq!(read.key(), entity.key());
    }

    #[test]
    fn records_of_different_things_have_different_keys(one in entity(), other in entity()) {
        // All of an entity that is no key may change; the rest is in the key.
        if one.key() == other.key() {
            prop_assert_eq!(std::mem::discriminant(&one), std::mem::discriminant(&other));
        }
    }

    #[test]
    fn damaged_records_are_reported(entity in entity(), cut in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), octet in any::<u8>()) {
        let mut value = encoded(&entity);
        let _ = Entity::decode(&value[..cut.index(value.len())]);
        let at = at.index(value.len());
        value[at] = octet;
        let _ = Entity::decode(&value);
    }

    #[test]
    fn json_arguments_come_back(members in prop::collection::btree_map("[a-z]{1,5}", json_value(), 0..5)) {
        let members: Map<String, Json> = members.into_iter().collect();
        let table = table_from_json(&members, "arguments").expect("there is no null");
        prop_assert_eq!(table_to_json(&table), members);
    }
}

#[test]
fn keys_keep_names_apart() {
    assert_ne!(Entity::queue_key("a", "bc"), Entity::queue_key("ab", "c"));
    assert_ne!(Entity::queue_key("a", "b"), Entity::exchange_key("a", "b"));
    let binding = |arguments: Table| {
        Entity::Binding(BindingRecord {
            virtual_host: "/".to_owned(),
            source: "x".to_owned(),
            destination: "q".to_owned(),
            to_exchange: false,
            routing_key: "k".to_owned(),
            arguments,
        })
        .key()
    };
    assert_ne!(binding(Table::new()), binding(Table::new().with("a", 1i8)));
    assert_ne!(
        binding(Table::new().with("a", 1i8)),
        binding(Table::new().with("a", 1i64))
    );
}

/// The octets of a record are a promise: what was written once is read for ever.
#[test]
fn the_format_of_records_stands() {
    let entity = Entity::queue(7, "/", "q", true, &Table::new().with("x-max-length", 5i8));
    let expected: &[u8] = b"\x01\x0b\x07\0\0\0\0\0\0\0\x01\x01\0/\x01\0q\x0cx-max-lengthb\x05";
    assert_eq!(encoded(&entity), expected);
    assert_eq!(entity.key(), b"\x0b\x01\0/\x01\0q");
    let entity = Entity::VhostLimits(
        "/".to_owned(),
        VhostLimits {
            max_queues: Some(1),
            ..Default::default()
        },
    );
    assert_eq!(
        encoded(&entity),
        b"\x01\x09{\"limits\":{\"max-queues\":1},\"vhost\":\"/\"}"
    );
    assert_eq!(Entity::decode(&[2, 1]), Err(RecordError::Version(2)));
    assert_eq!(Entity::decode(&[1, 99]), Err(RecordError::Tag(99)));
    assert!(matches!(
        Entity::decode(&[1]),
        Err(RecordError::Malformed(_))
    ));
}
