use serde_json::json;
use trefoil_amqp::{ReplyCode, Table, Value};

use super::*;

const SALT: [u8; SALT_SIZE] = [1, 2, 3, 4];
const LOCAL: PeerIdentity<'static> = PeerIdentity {
    loopback: true,
    tls: false,
    certificate_user: None,
};

fn access() -> Access {
    let mut access = Access::new(AccessSettings::default());
    for (name, password) in [("guest", "guest"), ("ann", "secret")] {
        assert!(access.put_user(User::new(
            name,
            Some(PasswordHash::new(password.as_bytes(), SALT)),
            &[]
        )));
    }
    assert!(access.put_user(User::new("cert", None, &["impersonator"])));
    access
}

fn permissions(configure: &str, write: &str, read: &str) -> Permissions {
    Permissions::new(PermissionsSource {
        configure,
        write,
        read,
    })
    .expect("the patterns are fine")
}

#[test]
fn hashes_are_those_of_rabbitmq() {
    // Made by RabbitMQ 3.10.8.
    for (algorithm, hash, password) in [
        (
            HashAlgorithm::Sha256,
            "wmOonn1F6feIrfIHDoLZDWfHGho3h76m9mUzI55AOkAmMKW2",
            "secret",
        ),
        (
            HashAlgorithm::Sha512,
            "KHwSzpjsRC8oERdr0WczmK+5cq4QOoaqa+ZC7HHfLR4PzxPEvJ65VYU9abxcTpwrK3m/1io7p4v2pNHX6g6LmkwkGzw=",
            "guest",
        ),
        (
            HashAlgorithm::Md5,
            "FFkSg0+foGEXiUsrWkDJ+/rBXYA=",
            "old-secret",
        ),
    ] {
        let read = PasswordHash::from_base64(algorithm, hash).expect("it is base64");
        assert!(read.verify(password.as_bytes()));
        assert!(!read.verify(b"other"));
        assert!(!read.verify(b""));
        assert_eq!(read.to_base64(), hash);
        let made = PasswordHash::with_algorithm(algorithm, password.as_bytes(), SALT);
        assert!(made.verify(password.as_bytes()));
        assert_eq!(HashAlgorithm::from_name(algorithm.name()), Some(algorithm));
    }
    let short = PasswordHash::from_base64(HashAlgorithm::Sha256, "AAAA").expect("it is base64");
    assert!(!short.verify(b"") && !short.verify(b"a"));
    let only_salt =
        PasswordHash::from_base64(HashAlgorithm::Sha256, "AAAAAA==").expect("it is base64");
    assert!(!only_salt.verify(b"a"));
    assert_eq!(
        PasswordHash::from_base64(HashAlgorithm::Sha256, "!"),
        Err(PasswordHashError)
    );
    assert!(!format!("{short:?}").contains("AAAA"));
}

#[track_caller]
fn check_login(
    access: &Access,
    mechanism: &str,
    response: &[u8],
    peer: PeerIdentity<'_>,
    expected: Result<&str, (ReplyCode, &str)>,
) {
    match access.authenticate(mechanism, response, peer) {
        Ok(user) => assert_eq!(Ok(user.name.as_str()), expected),
        Err(error) => assert_eq!(
            Err((error.reply_code(), error.to_string().as_str())),
            expected
        ),
    }
}

fn refused(mechanism: &str) -> String {
    format!(
        "Login was refused using authentication mechanism {mechanism}. For details see the broker logfile."
    )
}

#[test]
fn plain() {
    let access = access();
    check_login(&access, "PLAIN", b"\0ann\0secret", LOCAL, Ok("ann"));
    let text = refused("PLAIN");
    let no = Err((ReplyCode::AccessRefused, text.as_str()));
    for response in [
        &b"\0ann\0wrong"[..],
        b"\0ann\0",
        b"\0nobody\0secret",
        b"\0cert\0",
        b"\0an\xff\0secret",
        b"\0\0",
    ] {
        check_login(&access, "PLAIN", response, LOCAL, no);
    }
    for response in [
        &b""[..],
        b"ann\0secret",
        b"x\0ann\0secret",
        b"\0ann",
        b"\0ann\0sec\0ret",
    ] {
        check_login(
            &access,
            "PLAIN",
            response,
            LOCAL,
            Err((ReplyCode::SyntaxError, "response invalid")),
        );
    }
}

#[test]
fn amqplain() {
    let access = access();
    let login = |user: Value, password: Value| {
        Table::new()
            .with("LOGIN", user)
            .with("other", 1i32)
            .with("PASSWORD", password)
            .to_bytes()
    };
    check_login(
        &access,
        "AMQPLAIN",
        &login("ann".into(), "secret".into()),
        LOCAL,
        Ok("ann"),
    );
    let text = refused("AMQPLAIN");
    let wrong = login("ann".into(), "wrong".into());
    check_login(
        &access,
        "AMQPLAIN",
        &wrong,
        LOCAL,
        Err((ReplyCode::AccessRefused, &text)),
    );
    for (response, text) in [
        (
            login("ann".into(), 1i32.into()),
            "AMQPLAIN auth info uses unsupported type for LOGIN or PASSWORD field",
        ),
        (
            Table::new().with("LOGIN", "ann").to_bytes(),
            "AMQPLAIN auth info is missing LOGIN or PASSWORD field",
        ),
        (
            Vec::new(),
            "AMQPLAIN auth info is missing LOGIN or PASSWORD field",
        ),
        (
            b"\0ann\0secret".to_vec(),
            "AMQPLAIN auth info is not a field table",
        ),
    ] {
        check_login(
            &access,
            "AMQPLAIN",
            &response,
            LOCAL,
            Err((ReplyCode::SyntaxError, text)),
        );
    }
}

#[test]
fn guest_comes_from_this_machine_only() {
    let access = access();
    let remote = PeerIdentity {
        loopback: false,
        ..LOCAL
    };
    check_login(&access, "PLAIN", b"\0guest\0guest", LOCAL, Ok("guest"));
    check_login(&access, "PLAIN", b"\0ann\0secret", remote, Ok("ann"));
    let text = refused("PLAIN");
    check_login(
        &access,
        "PLAIN",
        b"\0guest\0guest",
        remote,
        Err((ReplyCode::AccessRefused, &text)),
    );
    let error = access
        .authenticate("PLAIN", b"\0guest\0guest", remote)
        .expect_err("guest is remote");
    assert!(
        matches!(error, AuthenticationError::Refused { reason, .. } if reason == "user 'guest' can only connect via localhost")
    );
}

#[test]
fn external_and_anonymous_are_off_until_configured() {
    let mut access = access();
    let tls = PeerIdentity {
        tls: true,
        certificate_user: Some("cert"),
        ..LOCAL
    };
    for mechanism in ["EXTERNAL", "ANONYMOUS", "GSSAPI", "plain"] {
        let text = format!("unknown authentication mechanism '{mechanism}'");
        check_login(
            &access,
            mechanism,
            b"",
            tls,
            Err((ReplyCode::CommandInvalid, &text)),
        );
    }
    access.settings.external = true;
    access.settings.anonymous_user = Some("guest".to_owned());
    check_login(&access, "EXTERNAL", b"", tls, Ok("cert"));
    check_login(&access, "ANONYMOUS", b"anything", LOCAL, Ok("guest"));
    let text = refused("EXTERNAL");
    for certificate_user in [None, Some("unknown")] {
        let peer = PeerIdentity {
            certificate_user,
            ..tls
        };
        check_login(
            &access,
            "EXTERNAL",
            b"",
            peer,
            Err((ReplyCode::AccessRefused, &text)),
        );
    }
    let text = "unknown authentication mechanism 'EXTERNAL'";
    check_login(
        &access,
        "EXTERNAL",
        b"",
        LOCAL,
        Err((ReplyCode::CommandInvalid, text)),
    );
}

#[test]
fn permissions_are_patterns_of_names() {
    let mut access = access();
    access
        .set_permissions("ann", "/", permissions("^ann-", "", ".*"))
        .expect("ann is there");
    let check = |kind, name, permission| {
        access
            .check_resource("ann", "/", kind, name, permission)
            .map_err(|error| (error.reply_code(), error.to_string()))
    };
    let no = |text: &str| Err((ReplyCode::AccessRefused, text.to_owned()));
    assert_eq!(
        check(ResourceKind::Queue, "ann-1", Permission::Configure),
        Ok(())
    );
    assert_eq!(
        check(ResourceKind::Queue, "bob-1", Permission::Configure),
        no("configure access to queue 'bob-1' in vhost '/' refused for user 'ann'")
    );
    assert_eq!(
        check(ResourceKind::Exchange, "", Permission::Write),
        no("write access to exchange 'amq.default' in vhost '/' refused for user 'ann'")
    );
    assert_eq!(check(ResourceKind::Exchange, "", Permission::Read), Ok(()));
    let error = access
        .check_virtual_host("ann", "other")
        .expect_err("there are no permissions");
    assert_eq!(error.reply_code(), ReplyCode::NotAllowed);
    assert_eq!(
        error.to_string(),
        "access to vhost 'other' refused for user 'ann'"
    );
    let set = access
        .check_virtual_host("ann", "/")
        .expect("there are permissions");
    assert!(set.allow_all(Permission::Read) && !set.allow_all(Permission::Configure));
    assert!(!set.allow(Permission::Write, "x"));
}

#[test]
fn what_is_gone_is_forgotten_and_counted() {
    let mut access = access();
    access
        .set_permissions("ann", "a", Permissions::full())
        .expect("ann is there");
    access
        .set_permissions("ann", "b", Permissions::full())
        .expect("ann is there");
    access
        .set_topic_permissions(
            "ann",
            "a",
            "t",
            TopicPermissions::new("", "").expect("fine"),
        )
        .expect("ann is there");
    access.set_vhost_limits(
        "a",
        VhostLimits {
            max_queues: Some(1),
            ..VhostLimits::default()
        },
    );
    let generation = access.generation();
    access.delete_virtual_host("a");
    assert!(access.generation() > generation);
    assert!(access.permissions("ann", "a").is_none());
    assert_eq!(access.all_topic_permissions().count(), 0);
    assert_eq!(access.vhost_limits("a"), VhostLimits::default());
    assert_eq!(
        access
            .all_permissions()
            .map(|(user, vhost, _)| (user, vhost))
            .collect::<Vec<_>>(),
        [("ann", "b")]
    );
    assert!(access.delete_user("ann") && !access.delete_user("ann"));
    assert_eq!(access.all_permissions().count(), 0);
    assert_eq!(
        access.set_permissions("ann", "b", Permissions::full()),
        Err(NoSuchUser("ann".to_owned()))
    );
    access.put_user(User::new("ann", None, &[]));
    assert!(
        access.check_virtual_host("ann", "b").is_err(),
        "a new user of the name has nothing of the old one's"
    );
}

#[test]
fn topic_permissions_know_who_asks() {
    let mut access = access();
    let variables = TopicVariables {
        user: "ann",
        virtual_host: "/",
        client_id: None,
    };
    let check = |access: &Access, key, permission| {
        access.check_topic(&variables, "amq.topic", key, permission)
    };
    assert_eq!(
        check(&access, "any", Permission::Write),
        Ok(()),
        "without topic permissions all keys are fine"
    );
    let set = TopicPermissions::new("^{username}\\.{vhost}", "^{client_id}")
        .expect("the patterns are fine");
    assert_eq!(
        (set.write(), set.read()),
        ("^{username}\\.{vhost}", "^{client_id}")
    );
    access
        .set_topic_permissions("ann", "/", "amq.topic", set)
        .expect("ann is there");
    assert_eq!(check(&access, "ann./.a", Permission::Write), Ok(()));
    let error = check(&access, "bob./", Permission::Write).expect_err("another's key");
    assert_eq!(
        error.to_string(),
        "write access to topic 'bob./' in exchange 'amq.topic' in vhost '/' refused for user 'ann'"
    );
    assert!(
        check(&access, "ann", Permission::Read).is_err(),
        "nobody is named, so the placeholder stands for itself"
    );
    assert!(access.clear_topic_permissions("ann", "/", Some("amq.topic")));
    assert!(!access.clear_topic_permissions("ann", "/", None));
}

#[track_caller]
fn check_pattern(pattern: &str, matching: &[&str], others: &[&str]) {
    let compiled = Pattern::permission(pattern).expect(pattern);
    assert_eq!(compiled.source(), pattern);
    for name in matching {
        assert!(compiled.matches(name), "{pattern} is not found in {name:?}");
    }
    for name in others {
        assert!(!compiled.matches(name), "{pattern} is found in {name:?}");
    }
}

/// Each line was tried with `re:run/3` of Erlang/OTP 25.
#[test]
fn patterns_are_those_of_pcre() {
    check_pattern("", &[""], &["a"]);
    check_pattern("^$", &[""], &["a"]);
    check_pattern(".*", &["", "a", "ä"], &[]);
    check_pattern("^.*$", &["", "a"], &[]);
    check_pattern("b", &["abc", "b"], &["a"]);
    check_pattern("^(a|b)$", &["a", "b"], &["ab"]);
    check_pattern("^(?!amq\\.).*", &["a", "xamq."], &["amq.gen"]);
    check_pattern("^(?!(amq\\.|celery)).+$", &["a"], &["amq.x", "celery", ""]);
    check_pattern("^(?=a)(?!ab).*", &["ac"], &["ab", "b"]);
    check_pattern("^a{2}$", &["aa"], &["a{2}"]);
    check_pattern("^{a}$", &["{a}"], &["a"]);
    check_pattern("^a{,2}$", &["a{,2}"], &["aa"]);
    check_pattern("^[[]$", &["["], &["[[", "]"]);
    check_pattern("^[]a]$", &["]", "a"], &["b"]);
    check_pattern("^[^]a]$", &["b"], &["]", "a"]);
    check_pattern("^[a&&b]$", &["&", "a", "b"], &["c"]);
    check_pattern("^[+--]$", &["+", ",", "-"], &["."]);
    check_pattern("^[[:digit:]x]+$", &["12x"], &["a"]);
    check_pattern("(?i)^ABC", &["abcd"], &["bcd"]);
    check_pattern("^a\\/b\\Z", &["a/b"], &["a/bc"]);
    check_pattern("^a-b\\.c$", &["a-b.c"], &["a-bxc"]);
    check_pattern("ä", &["bär"], &["bar"]);
    check_pattern("^[--a]$", &["-", "a", "A"], &["b"]);
}

/// PCRE sees octets, and would find neither letter of the class alone.
#[test]
fn classes_may_have_letters_of_several_octets() {
    check_pattern("^[äö]$", &["ä", "ö"], &["a", "äö"]);
}

#[test]
fn patterns_that_cannot_be_are_refused_with_a_reason() {
    for (pattern, problem) in [
        ("(", "unclosed group"),
        (
            "a(?!b)",
            "look-around, including look-ahead and look-behind, is not supported",
        ),
        ("(a)\\1", "backreferences are not supported"),
        (
            "[z-a]",
            "invalid character class range, the start must be <= the end",
        ),
        (
            "^(?!a)b|c",
            "look-around, including look-ahead and look-behind, is not supported",
        ),
    ] {
        let error = Pattern::new(pattern).expect_err(pattern);
        assert_eq!(
            error.to_string(),
            format!("regular expression '{pattern}' is invalid: {problem}")
        );
    }
    assert!(Pattern::new(&"a".repeat(5000)).is_err());
    assert!(
        Pattern::new("((a{100}){100}){100}").is_err(),
        "a pattern cannot take all memory"
    );
}

#[test]
fn limits_are_reached() {
    let mut access = access();
    let mut ann = access.user("ann").expect("ann is there").clone();
    ann.limits = UserLimits::from_json(&json!({"max-connections": 2, "max-channels": 3}))
        .expect("these are limits");
    access.put_user(ann);
    access.set_vhost_limits(
        "/",
        VhostLimits {
            max_connections: Some(5),
            max_queues: Some(0),
        },
    );
    let told = |result: Result<(), LimitError>| {
        result.map_err(|error| (error.reply_code(), error.to_string()))
    };
    let no = |code, text: &str| Err((code, text.to_owned()));
    assert_eq!(
        told(access.check_connections("ann", || 1, "/", || 4)),
        Ok(())
    );
    assert_eq!(
        told(access.check_connections("ann", || 2, "/", || 4)),
        no(
            ReplyCode::NotAllowed,
            "connection refused for user 'ann': user connection limit (2) is reached"
        )
    );
    assert_eq!(
        told(access.check_connections("ann", || 2, "/", || 5)),
        no(
            ReplyCode::NotAllowed,
            "access to vhost '/' refused for user 'ann': connection limit (5) is reached"
        )
    );
    assert_eq!(
        told(access.check_connections("guest", || 99, "other", || 99)),
        Ok(())
    );
    // Without a limit nobody counts.
    let nobody = || unreachable!("there is no limit");
    assert_eq!(told(access.check_channels("guest", nobody)), Ok(()));
    assert_eq!(told(access.check_channels("ann", || 2)), Ok(()));
    assert_eq!(
        told(access.check_channels("ann", || 3)),
        no(
            ReplyCode::NotAllowed,
            "number of channels opened for user 'ann' has reached the maximum allowed user limit of (3)"
        )
    );
    assert_eq!(
        told(access.check_queues("/", "q", 0)),
        no(
            ReplyCode::PreconditionFailed,
            "cannot declare queue 'q': queue limit in vhost '/' (0) is reached"
        )
    );
}

#[test]
fn limits_are_read_and_written() {
    let limits = UserLimits::from_json(&json!({"max-connections": -1, "max-channels": 0}))
        .expect("these are limits");
    assert_eq!(
        limits,
        UserLimits {
            max_connections: None,
            max_channels: Some(0)
        }
    );
    assert_eq!(
        serde_json::Value::Object(limits.to_json()),
        json!({"max-channels": 0})
    );
    for (json, text) in [
        (
            json!({"a": 1}),
            "Unrecognised terms [{<<\"a\">>,1}] in user-limits",
        ),
        (
            json!({"max-channels": "x"}),
            "max-channels should be a number, actually was <<\"x\">>",
        ),
        (
            json!([1]),
            "limits should be a dictionary, actually was [1]",
        ),
    ] {
        assert_eq!(
            UserLimits::from_json(&json)
                .expect_err("it is wrong")
                .to_string(),
            text
        );
    }
    let error = VhostLimits::from_json(&json!({"max-channels": 1})).expect_err("a user's limit");
    assert_eq!(
        error.to_string(),
        "Unrecognised terms [{<<\"max-channels\">>,1}] in limits"
    );
}

#[test]
fn parameters_are_kept() {
    let mut parameters = Parameters::default();
    assert!(parameters.set_global("cluster_name", json!("a")));
    assert!(!parameters.set_global("cluster_name", json!("b")));
    assert_eq!(parameters.global("cluster_name"), Some(&json!("b")));
    assert_eq!(parameters.set("/", "c", "n", json!({"a": 1})), Ok(true));
    assert_eq!(
        parameters.set("/", "policy", "n", json!(1)),
        Err(ParameterError::Policy)
    );
    assert_eq!(
        parameters.all().collect::<Vec<_>>(),
        [("/", "c", "n", &json!({"a": 1}))]
    );
    assert!(parameters.clear_global("cluster_name") && !parameters.clear_global("cluster_name"));
    parameters.delete_virtual_host("/");
    assert!(!parameters.clear("/", "c", "n"));
}

#[test]
fn tags_are_told_with_commas_or_not() {
    assert_eq!(
        tags::parse("administrator, custom ,"),
        ["administrator", "custom"]
    );
    assert!(tags::parse("").is_empty());
    assert!(access().user("cert").is_some_and(User::may_impersonate));
}

proptest::proptest! {
    /// Whatever somebody types for a pattern or sends as a response, there is an answer.
    #[test]
    fn no_pattern_or_response_panics(
        pattern in "[a-c^$.*+?()\\[\\]{}|\\\\:,&~!=-]{0,12}",
        name in "[a-c.\\[{-]{0,6}",
        response in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..40),
    ) {
        if let Ok(pattern) = Pattern::new(&pattern) {
            let _ = pattern.matches(&name);
        }
        let _ = Secret::from_plain(&response);
        let _ = Secret::from_amqplain(&response);
    }
}
