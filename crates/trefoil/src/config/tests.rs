use std::collections::BTreeMap;
use std::path::Path;

use super::keys::KEYS;
use super::{ConfigError, Inputs, Loaded, load, nearest};

/// Loads `file` (as `trefoil.toml` of a fresh directory), `environment` and `flags`.
fn layers(
    file: Option<&str>,
    environment: &[(&str, &str)],
    flags: &[(&'static str, &[&str])],
) -> Result<Loaded, Vec<ConfigError>> {
    let dir = tempfile::tempdir().unwrap();
    if let Some(text) = file {
        std::fs::write(dir.path().join("trefoil.toml"), text).unwrap();
    }
    std::fs::create_dir(dir.path().join("svc")).unwrap();
    let flags = flags.iter().map(|(name, texts)| {
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        (*name, texts)
    });
    load(&Inputs {
        file: None,
        directory: dir.path().to_path_buf(),
        environment: environment
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        flags: flags.collect::<BTreeMap<_, _>>(),
    })
}

/// The errors as people see them, without the directory of the test.
fn errors(
    file: &str,
    environment: &[(&str, &str)],
    flags: &[(&'static str, &[&str])],
) -> Vec<String> {
    let errors = layers(Some(file), environment, flags).unwrap_err();
    let text = |error: &ConfigError| {
        let text = error.to_string();
        match text.find("trefoil.toml") {
            Some(at) => text[at..].to_owned(),
            None => text,
        }
    };
    errors.iter().map(text).collect()
}

#[track_caller]
fn check_error(file: &str, expected: &str) {
    let errors = errors(file, &[], &[]);
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(
        errors[0].starts_with(expected),
        "{} is not {expected}",
        errors[0]
    );
}

fn entry(loaded: &Loaded, name: &str) -> (String, String) {
    let entry = loaded
        .entries
        .iter()
        .find(|entry| entry.key.name == name)
        .unwrap();
    (entry.value.to_string(), entry.source.to_string())
}

#[test]
fn defaults_are_valid_and_complete() {
    let loaded = layers(None, &[], &[]).unwrap();
    assert_eq!(loaded.entries.len(), KEYS.len());
    assert!(loaded.settings.http_listen.ip().is_loopback());
    assert!(loaded.settings.workers_slots > 0);
    assert!(loaded.settings.data.ends_with("trefoil-data"));
    assert_eq!(loaded.settings.jobs_retention, None);
    assert_eq!(loaded.file, None);
}

#[test]
fn later_layers_win_and_are_named() {
    let file = "drain_timeout = \"10s\"\n[workers]\nslots = 3\nmemory = \"1GiB\"\n";
    let environment = [
        ("TREFOIL_WORKERS_SLOTS", "4"),
        ("TREFOIL_CALL_MAX_WAIT", "5s"),
    ];
    let loaded = layers(Some(file), &environment, &[("workers.slots", &["5"])]).unwrap();
    assert_eq!(
        entry(&loaded, "workers.slots"),
        ("5".into(), "--workers-slots".into())
    );
    assert_eq!(
        entry(&loaded, "call.max_wait"),
        ("5s".into(), "environment TREFOIL_CALL_MAX_WAIT".into())
    );
    let (value, source) = entry(&loaded, "workers.memory");
    assert_eq!(value, "1GiB");
    assert!(source.ends_with("trefoil.toml:4:10"), "{source}");
    assert_eq!(
        entry(&loaded, "log.format"),
        ("text".into(), "default".into())
    );
    assert_eq!(loaded.settings.workers_slots, 5);
}

#[test]
fn paths_of_a_file_are_below_its_directory() {
    let loaded = layers(Some("data = \"d\"\nservices = [\"./svc\"]\n"), &[], &[]).unwrap();
    let directory = loaded.file.as_deref().and_then(Path::parent).unwrap();
    assert_eq!(loaded.settings.data, directory.join("d"));
    assert_eq!(loaded.settings.services, [directory.join("svc")]);
}

#[test]
fn mistakes_of_a_file_have_a_place() {
    check_error(
        "\n[http]\n  listne = \"x\"\n",
        "trefoil.toml:3:3: unknown key `http.listne`",
    );
    check_error(
        "[http]\nlisten = 8080\n",
        "trefoil.toml:2:10: http.listen: the number 8080",
    );
    check_error(
        "drain_timeout = \"30\"\n",
        "trefoil.toml:1:17: drain_timeout: `30` has no unit",
    );
    check_error("workers = 3\n", "trefoil.toml:1:1: `workers` is a section");
    check_error("data = { x = 1 }\n", "trefoil.toml:1:8: data: a table");
    check_error(
        "services = [1]\n",
        "trefoil.toml:1:12: services: a list of something else",
    );
    check_error(
        "jobs.batch_max = 0\n",
        "trefoil.toml:1:18: jobs.batch_max: 0 is not enough",
    );
    check_error(
        "\"ä\" = 1\ninsecure = 1.5\n"
            .replace("\"ä\" = 1\n", "# ä\n")
            .as_str(),
        "trefoil.toml:2:12: insecure: a float",
    );
    check_error(
        "services = [\"svc\", \"gone\"]\n",
        "trefoil.toml:1:12: services: ",
    );
    check_error(
        "log.filter = \"a=b=c\"\n",
        "trefoil.toml:1:14: log.filter: ",
    );
    check_error("data = \n", "trefoil.toml:1:");
}

#[test]
fn all_errors_of_all_layers_come_together() {
    let errors = errors(
        "[http]\nlisten = \"nowhere\"\n[log]\nformat = \"xml\"\nfomat = \"x\"\n",
        &[("TREFOIL_WORKERS_SLOTS", "many")],
        &[("files.size_max", &["1XB"])],
    );
    assert_eq!(errors.len(), 5, "{errors:?}");
    for expected in [
        "trefoil.toml:5:1: unknown key `log.fomat`",
        "trefoil.toml:2:10: http.listen: `nowhere` has no port",
        "trefoil.toml:4:10: log.format: `xml` is no log format",
        "environment TREFOIL_WORKERS_SLOTS: workers.slots: `many` is no whole number above 0",
        "--files-size-max: files.size_max: `XB` is no unit of size",
    ] {
        assert!(
            errors.iter().any(|error| error.starts_with(expected)),
            "{expected}: {errors:?}"
        );
    }
}

#[test]
fn an_open_address_needs_insecure() {
    let errors = layers(None, &[("TREFOIL_HTTP_LISTEN", "0.0.0.0:8080")], &[]).unwrap_err();
    assert_eq!(errors.len(), 1);
    assert!(
        errors[0].message.contains("no authentication"),
        "{}",
        errors[0]
    );
    assert!(errors[0].hint.as_deref().unwrap().contains("--insecure"));
    let open = [
        ("TREFOIL_HTTP_LISTEN", "0.0.0.0:8080"),
        ("TREFOIL_INSECURE", "true"),
    ];
    assert!(layers(None, &open, &[]).unwrap().settings.insecure);
    assert!(layers(None, &[], &[("http.listen", &["[::1]:0"])]).is_ok());
}

#[test]
fn the_broker_needs_insecure_unless_it_has_tls() {
    for name in ["amqp.listen", "management.listen"] {
        let errors = layers(None, &[], &[(name, &["127.0.0.1:0", "0.0.0.0:1"])]).unwrap_err();
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert!(errors[0].message.contains("0.0.0.0:1"), "{}", errors[0]);
        assert!(errors[0].hint.as_deref().unwrap().contains("--insecure"));
    }
    let file = "[amqp]\ntls_listen = [\"0.0.0.0:5671\"]\ntls_certificate = \"trefoil.toml\"\ntls_key = \"trefoil.toml\"\n";
    let loaded = layers(Some(file), &[], &[]).unwrap();
    assert_eq!(loaded.settings.amqp.tls_listen.len(), 1);
    let key = loaded.settings.amqp.tls_key.unwrap();
    assert!(key.ends_with("trefoil.toml"), "{}", key.display());
}

#[test]
fn thrift_needs_insecure_unless_certificates_tell_who_calls() {
    let tls = "tls_certificate = \"trefoil.toml\"\ntls_key = \"trefoil.toml\"\n";
    let open = format!("[thrift]\nlisten = \"0.0.0.0:9090\"\n{tls}");
    for more in ["", "tls_required = true\n"] {
        let errors = errors(&format!("{open}{more}"), &[], &[]);
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert!(errors[0].contains("0.0.0.0:9090"), "{}", errors[0]);
    }
    let mutual = "tls_client_ca = \"trefoil.toml\"\ntls_client_required = true\n";
    let loaded = layers(Some(&format!("{open}{mutual}")), &[], &[]).unwrap();
    assert!(loaded.settings.thrift.tls_client_required);
    for (text, expected) in [
        (
            "tls_client_required = true",
            "thrift.tls_client_required: nobody",
        ),
        (
            "tls_required = true",
            "thrift.tls_required: TLS needs thrift.tls_certificate",
        ),
        (
            "tls_key = \"trefoil.toml\"",
            "thrift.tls_key: TLS needs thrift.tls_certificate",
        ),
        (
            "tls_certificate = \"trefoil.toml\"",
            "thrift.tls_certificate: TLS needs thrift.tls_key",
        ),
        ("tls_client_ca = \"trefoil.toml\"", "thrift.tls_client_ca: "),
        (
            "tls_directory = \"trefoil.toml\"",
            "trefoil.toml is no directory",
        ),
    ] {
        let errors = errors(&format!("[thrift]\n{text}\n"), &[], &[]);
        assert_eq!(errors.len(), 1, "{text}: {errors:?}");
        assert!(errors[0].contains(expected), "{}", errors[0]);
    }
}

#[test]
fn lists_of_addresses_and_texts() {
    let environment = [
        ("TREFOIL_AMQP_LISTEN", "127.0.0.1:1, [::1]:2"),
        ("TREFOIL_AMQP_WEBSOCKET_ORIGINS", "http://a:1,https://b"),
    ];
    let loaded = layers(Some("[management]\nlisten = []\n"), &environment, &[]).unwrap();
    assert_eq!(entry(&loaded, "amqp.listen").0, "127.0.0.1:1,[::1]:2");
    assert_eq!(
        loaded.settings.amqp.websocket_origins,
        ["http://a:1", "https://b"]
    );
    assert!(loaded.settings.amqp.management_listen.is_empty());
    check_error(
        "amqp.listen = [\"127.0.0.1:1\", \"x\"]\n",
        "trefoil.toml:1:15: amqp.listen: `x` has no port",
    );
}

#[test]
fn limits_of_the_broker() {
    for (text, expected) in [
        ("frame_max = 4095", "amqp.frame_max: 4095B is too small"),
        (
            "frame_max = \"17MiB\"",
            "amqp.frame_max: 17MiB is too large",
        ),
        (
            "message_max = \"1GiB\"",
            "amqp.message_max: 1GiB is too large",
        ),
        ("channel_max = 65536", "amqp.channel_max: 65536 is too many"),
        ("heartbeat = \"1d\"", "amqp.heartbeat: 1d is too long"),
        ("threads = 0", "amqp.threads: 0 is not enough"),
        (
            "advertise = \"rabbit\"",
            "amqp.advertise: `rabbit` is nothing",
        ),
        ("tls_key = \"gone\"", "amqp.tls_key: "),
        (
            "tls_login_from = \"cn\"",
            "amqp.tls_login_from: `cn` is no part",
        ),
        (
            "tls_login_san_type = \"name\"",
            "amqp.tls_login_san_type: `name` is no kind",
        ),
        (
            "tls_client_required = true",
            "amqp.tls_client_required: nobody",
        ),
    ] {
        let errors = errors(&format!("[amqp]\n{text}\n"), &[], &[]);
        assert_eq!(errors.len(), 1, "{text}: {errors:?}");
        assert!(errors[0].contains(expected), "{}", errors[0]);
    }
}

#[test]
fn limits_of_thrift() {
    for (text, expected) in [
        ("depth_max = 257", "thrift.depth_max: 257 is too many"),
        (
            "container_max = 2147483648",
            "thrift.container_max: 2147483648 is too many",
        ),
        ("queue_max = 0", "thrift.queue_max: 0 is not enough"),
    ] {
        let errors = errors(&format!("[thrift]\n{text}\n"), &[], &[]);
        assert_eq!(errors.len(), 1, "{text}: {errors:?}");
        assert!(errors[0].contains(expected), "{}", errors[0]);
    }
    layers(Some("thrift.depth_max = 256\n"), &[], &[]).unwrap();
}

#[test]
fn unknown_variables_are_warnings_and_empty_ones_nothing() {
    let environment = [
        ("TREFOIL_WORKER_SLOTS", "4"),
        ("TREFOIL_URL", "http://x"),
        ("TREFOIL_JOB_ID", "1"),
        ("TREFOIL_LOG_FILTER", ""),
        ("PATH", "/bin"),
    ];
    let loaded = layers(None, &environment, &[]).unwrap();
    assert_eq!(
        loaded.warnings,
        ["environment TREFOIL_WORKER_SLOTS: no such variable; did you mean TREFOIL_WORKERS_SLOTS?"]
    );
    assert_eq!(entry(&loaded, "log.filter").1, "default");
}

#[test]
fn a_file_that_was_named_must_be_there() {
    let errors = load(&Inputs {
        file: Some("/no/such/trefoil.toml".into()),
        ..Inputs::default()
    })
    .unwrap_err();
    assert!(
        errors[0].to_string().contains("cannot read the file"),
        "{}",
        errors[0]
    );
}

#[test]
fn near_names() {
    let names = || KEYS.iter().map(|key| key.name);
    assert_eq!(nearest("http.listne", names()), Some("http.listen"));
    assert_eq!(nearest("worker.slots", names()), Some("workers.slots"));
    assert_eq!(nearest("bananas", names()), None);
}

#[test]
fn names_of_variables_and_flags_follow_from_the_key() {
    for key in KEYS {
        let words = key.name.replace('.', "_");
        assert_eq!(key.env, format!("TREFOIL_{}", words.to_uppercase()));
        assert_eq!(key.flag, words.replace('_', "-"));
        assert!(!key.help.ends_with('.'), "{}", key.name);
    }
}

/// `docs/src/configuration.md` has one table row a key; this keeps it equal to the key table.
#[test]
fn the_documentation_lists_exactly_the_keys() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/src/configuration.md");
    let text = std::fs::read_to_string(path).unwrap();
    let rows: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("| `"))
        .collect();
    let expected: Vec<String> = KEYS
        .iter()
        .map(|key| {
            let default = match key.default {
                "" => "(none)".to_owned(),
                default => format!("`{default}`"),
            };
            format!(
                "| `{}` | `{}` | `--{}` | {default} | {} |",
                key.name, key.env, key.flag, key.help
            )
        })
        .collect();
    assert_eq!(rows, expected, "expected rows:\n{}\n", expected.join("\n"));
}
