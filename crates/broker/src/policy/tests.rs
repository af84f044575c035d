use serde_json::json;

use super::*;
use crate::arguments::{
    ConfirmLevel, DeadLetterStrategy, Overflow, QueueArguments, QueueDeclaration,
};
use trefoil_amqp::Table;

fn source<'a>(name: &'a str, pattern: &'a str, definition: &'a Value) -> PolicySource<'a> {
    PolicySource {
        virtual_host: "/",
        name,
        pattern,
        apply_to: None,
        priority: None,
        definition,
    }
}

fn policy(kind: PolicyKind, definition: Value) -> Policy {
    Policy::new(kind, source("p", ".*", &definition)).expect("the policy is fine")
}

fn arguments(table: &Table) -> QueueArguments {
    let declaration = QueueDeclaration {
        virtual_host: "/",
        name: "q",
        durable: true,
        exclusive: false,
        auto_delete: false,
    };
    QueueArguments::parse(&declaration, table).expect("the arguments are fine")
}

/// What RabbitMQ 3.10.8 says, but for what only later versions know.
#[track_caller]
fn check_refused(kind: PolicyKind, source: PolicySource<'_>, problems: &[&str]) {
    let error = Policy::new(kind, source).expect_err("the policy is wrong");
    assert_eq!(
        error.to_string(),
        format!("Validation failed\n\n{}\n", problems.join("\n"))
    );
}

#[test]
fn definitions_are_refused_in_the_words_of_rabbitmq() {
    for (definition, problem) in [
        (json!({"message-ttl": -1}), "-1 is not a valid message TTL"),
        (
            json!({"message-ttl": "x"}),
            "<<\"x\">> is not a valid message TTL",
        ),
        (json!({"expires": 0}), "0 is not a valid queue expiry"),
        (json!({"expires": 1.5}), "1.5 is not a valid queue expiry"),
        (
            json!({"max-length": 1.5}),
            "1.5 is not a valid maximum length",
        ),
        (
            json!({"max-length-bytes": true}),
            "true is not a valid maximum length in bytes",
        ),
        (
            json!({"overflow": "x"}),
            "<<\"x\">> is not a valid overflow value",
        ),
        (
            json!({"dead-letter-exchange": 1}),
            "1 is not a valid dead letter exchange name",
        ),
        (
            json!({"dead-letter-routing-key": []}),
            "[] is not a valid dead letter routing key",
        ),
        (
            json!({"alternate-exchange": {"a": 1}}),
            "#{<<\"a\">> => 1} is not a valid alternate exchange name",
        ),
        (
            json!({"queue-mode": "x"}),
            "<<\"x\">> is not a valid queue-mode value",
        ),
        (
            json!({"delivery-limit": null}),
            "null is not a valid delivery limit",
        ),
        (
            json!({"confirm-level": "x"}),
            "<<\"x\">> is not a valid confirm level",
        ),
        (
            json!({"foo": 1}),
            "[{<<\"foo\">>,1}] are not recognised policy settings",
        ),
        (json!({}), "no policy provided"),
        (json!([1]), "definition must be a dictionary: [1]"),
    ] {
        check_refused(PolicyKind::User, source("p", ".*", &definition), &[problem]);
    }
    let lazy = json!({"queue-mode": "lazy"});
    check_refused(
        PolicyKind::Operator,
        source("p", ".*", &lazy),
        &["[{<<\"queue-mode\">>,<<\"lazy\">>}] are not recognised policy settings"],
    );
    let wrong = json!({"expires": 1.5});
    check_refused(
        PolicyKind::User,
        PolicySource {
            apply_to: Some("zz"),
            ..source("p", "(", &wrong)
        },
        &[
            "1.5 is not a valid queue expiry",
            "pattern should be regular expression but is invalid: unclosed group",
            "apply-to 'zz' unrecognised; should be one of: 'queues', 'classic_queues',  'quorum_queues', 'streams', \
             'exchanges', or 'all'",
        ],
    );
}

#[test]
fn the_highest_priority_counts_then_the_name() {
    let mut policies = Policies::default();
    let definition = json!({"max-length": 1});
    let add =
        |policies: &mut Policies, name: &str, pattern: &str, apply_to: &str, priority: i64| {
            let source = PolicySource {
                apply_to: Some(apply_to),
                priority: Some(priority),
                ..source(name, pattern, &definition)
            };
            policies.set(
                PolicyKind::User,
                Policy::new(PolicyKind::User, source).expect("the policy is fine"),
            )
        };
    assert!(add(&mut policies, "b", "^q", "queues", 1));
    assert!(add(&mut policies, "a", "^q", "all", 1));
    assert!(add(&mut policies, "c", "^q1", "quorum_queues", 2));
    assert!(add(&mut policies, "d", "^x", "exchanges", 9));
    let effective = |policies: &Policies, target, name| {
        policies
            .effective(PolicyKind::User, "/", target, name)
            .map(|policy| policy.name.clone())
    };
    let classic = PolicyTarget::Queue(QueueType::Classic);
    let quorum = PolicyTarget::Queue(QueueType::Quorum);
    assert_eq!(effective(&policies, classic, "q1").as_deref(), Some("a"));
    assert_eq!(effective(&policies, quorum, "q1").as_deref(), Some("c"));
    assert_eq!(effective(&policies, quorum, "q2").as_deref(), Some("a"));
    assert_eq!(
        effective(&policies, PolicyTarget::Exchange, "x").as_deref(),
        Some("d")
    );
    assert_eq!(
        effective(&policies, PolicyTarget::Exchange, "q1").as_deref(),
        Some("a")
    );
    assert_eq!(effective(&policies, classic, "x"), None);
    assert!(
        policies
            .effective(PolicyKind::User, "other", classic, "q1")
            .is_none()
    );
    assert!(
        policies
            .effective(PolicyKind::Operator, "/", classic, "q1")
            .is_none()
    );
    assert!(
        policies.clear(PolicyKind::User, "/", "a") && !policies.clear(PolicyKind::User, "/", "a")
    );
    assert_eq!(effective(&policies, classic, "q1").as_deref(), Some("b"));
    assert!(!add(&mut policies, "b", "^z", "queues", 1), "it was there");
    assert_eq!(effective(&policies, classic, "q1"), None);
    policies.delete_virtual_host("/");
    assert_eq!(policies.all(PolicyKind::User).count(), 0);
}

#[test]
fn a_policy_beyond_a_queues_type_is_not_for_it() {
    let limit = policy(
        PolicyKind::User,
        json!({"delivery-limit": 3, "max-length": 1}),
    );
    assert!(!limit.matches(PolicyTarget::Queue(QueueType::Classic), "q"));
    assert!(limit.matches(PolicyTarget::Queue(QueueType::Quorum), "q"));
    let ttl = policy(PolicyKind::User, json!({"message-ttl": 3}));
    assert!(!ttl.matches(PolicyTarget::Queue(QueueType::Stream), "q"));
    // What only clusters do is no reason.
    let mirrored = policy(
        PolicyKind::User,
        json!({"ha-mode": "all", "message-ttl": 3}),
    );
    assert!(mirrored.matches(PolicyTarget::Queue(QueueType::Classic), "q"));
    assert!(mirrored.matches(PolicyTarget::Queue(QueueType::Quorum), "q"));
}

#[test]
fn of_numbers_the_lowest_counts_of_names_the_argument() {
    let queue = arguments(
        &Table::new()
            .with("x-message-ttl", 100i32)
            .with("x-expires", 50i32)
            .with("x-dead-letter-exchange", "mine")
            .with("x-overflow", "drop-head")
            .with("x-max-priority", 4i32)
            .with("x-single-active-consumer", true)
            .with("x-confirm-level", "memory"),
    );
    let user = policy(
        PolicyKind::User,
        json!({
            "message-ttl": 200, "expires": 40, "max-length": 10, "dead-letter-exchange": "theirs",
            "dead-letter-routing-key": "key", "overflow": "reject-publish", "consumer-timeout": 7,
            "confirm-level": "written",
        }),
    );
    let operator = policy(
        PolicyKind::Operator,
        json!({"message-ttl": 60, "max-length": 20, "max-length-bytes": 5}),
    );
    let merged = QueueSettings::merge(&queue, Some(&user), Some(&operator));
    let expected = QueueSettings {
        message_ttl_ms: Some(60),
        expires_ms: Some(40),
        max_length: Some(10),
        max_length_bytes: Some(5),
        overflow: Overflow::DropHead,
        dead_letter_exchange: Some("mine".into()),
        dead_letter_routing_key: Some("key".into()),
        dead_letter_strategy: DeadLetterStrategy::AtMostOnce,
        max_priority: 4,
        single_active_consumer: true,
        delivery_limit: None,
        consumer_timeout_ms: Some(7),
        confirm_level: ConfirmLevel::Memory,
        max_age_ms: None,
    };
    assert_eq!(merged, expected);
    assert_eq!(
        Value::Object(effective_definition(Some(&user), Some(&operator))),
        json!({
            "message-ttl": 60, "expires": 40, "max-length": 10, "max-length-bytes": 5, "dead-letter-exchange": "theirs",
            "dead-letter-routing-key": "key", "overflow": "reject-publish", "consumer-timeout": 7,
            "confirm-level": "written",
        })
    );
    assert_eq!(
        QueueSettings::merge(&arguments(&Table::new()), None, None),
        QueueSettings::default()
    );
}

#[test]
fn quorum_queues_count_deliveries() {
    let quorum = Table::new().with("x-queue-type", "quorum");
    let limit = |argument: Option<i32>, user: Option<i64>, operator: Option<i64>| {
        let table = match argument {
            Some(limit) => quorum.clone().with("x-delivery-limit", limit),
            None => quorum.clone(),
        };
        let user = user.map(|limit| policy(PolicyKind::User, json!({"delivery-limit": limit})));
        let operator =
            operator.map(|limit| policy(PolicyKind::Operator, json!({"delivery-limit": limit})));
        QueueSettings::merge(&arguments(&table), user.as_ref(), operator.as_ref()).delivery_limit
    };
    assert_eq!(limit(None, None, None), Some(20));
    assert_eq!(limit(Some(5), None, None), Some(5));
    assert_eq!(limit(Some(5), Some(3), None), Some(3));
    assert_eq!(limit(None, Some(30), Some(25)), Some(25));
    assert_eq!(limit(Some(-1), None, None), None);
    assert_eq!(limit(Some(-1), Some(7), None), Some(7));
    assert_eq!(limit(None, Some(-1), Some(9)), Some(9));
    assert_eq!(limit(None, Some(-1), None), None);
}

#[test]
fn overflow_of_quorum_queues_is_the_policys() {
    let overflow = |argument: &str, user: Option<&str>| {
        let table = Table::new()
            .with("x-queue-type", "quorum")
            .with("x-dead-letter-exchange", "dlx")
            .with("x-dead-letter-strategy", "at-least-once")
            .with("x-overflow", argument);
        let user = user.map(|mode| policy(PolicyKind::User, json!({"overflow": mode})));
        let merged = QueueSettings::merge(&arguments(&table), user.as_ref(), None);
        (merged.overflow, merged.dead_letter_strategy)
    };
    let once = DeadLetterStrategy::AtMostOnce;
    assert_eq!(overflow("drop-head", None), (Overflow::DropHead, once));
    assert_eq!(
        overflow("drop-head", Some("reject-publish")),
        (Overflow::RejectPublish, DeadLetterStrategy::AtLeastOnce)
    );
    assert_eq!(
        overflow("reject-publish", Some("drop-head")),
        (Overflow::DropHead, once)
    );
    assert_eq!(
        overflow("reject-publish-dlx", None),
        (Overflow::DropHead, once)
    );
}

#[test]
fn exchanges_have_an_alternate_by_policy() {
    let mut policies = Policies::default();
    let definition = json!({"alternate-exchange": "other"});
    let policy =
        Policy::new(PolicyKind::User, source("p", "^x", &definition)).expect("the policy is fine");
    policies.set(PolicyKind::User, policy);
    assert_eq!(policies.alternate_exchange("/", "x1"), Some("other"));
    assert_eq!(policies.alternate_exchange("/", "y"), None);
}
