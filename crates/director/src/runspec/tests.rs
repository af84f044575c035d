use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::testing::{SLEEPER_TOML, lines};

const RUN: &str = "[run]\ncommand = [\"./x\"]\n";

fn good(text: &str) -> RunSpec {
    let (spec, problems) = RunSpec::parse("service.toml", text.as_bytes());
    assert_eq!(lines(&problems), "", "{text}");
    spec.unwrap()
}

/// All problems, one a line, of a text after a good `[run]` (which takes two lines).
fn check_bad(text: &str, expected: &str) {
    let text = if text.contains("run") || text.starts_with('!') {
        text.trim_start_matches('!').to_owned()
    } else {
        format!("{RUN}{text}")
    };
    let (spec, problems) = RunSpec::parse("f", text.as_bytes());
    assert!(spec.is_none(), "{text:?}");
    assert_eq!(lines(&problems).trim_end(), expected, "{text:?}");
}

#[test]
fn everything() {
    let spec = good(SLEEPER_TOML);
    assert_eq!(
        spec.kind,
        RunKind::Program {
            command: vec!["./sleeper".to_owned(), "run".to_owned()]
        }
    );
    assert_eq!(
        spec.env,
        BTreeMap::from([("OMP_NUM_THREADS".to_owned(), "1".to_owned())])
    );
    assert_eq!(
        (spec.slots, spec.resources),
        (
            Some(4),
            Resources {
                milli_cpus: 1000,
                memory: 512 << 20
            }
        )
    );
    let seconds = Duration::from_secs;
    let limits = Limits {
        queue: Some(seconds(3600)),
        attempt_soft: Some(seconds(50)),
        attempt: Some(seconds(60)),
        silence: Some(seconds(3600)),
        grace: seconds(10),
        log: 256 << 20,
        outputs: 10 << 30,
    };
    assert_eq!(spec.limits, limits);
    assert_eq!(spec.retry, RetrySpec::default());
    assert!(spec.progress.is_none());
}

#[test]
fn almost_nothing() {
    let spec = good(RUN);
    assert_eq!(
        (spec.slots, spec.resources, spec.limits),
        (None, Resources::default(), Limits::default())
    );
    assert_eq!(
        good("run.builtin = \"sleep\"").kind,
        RunKind::Builtin {
            name: "sleep".to_owned()
        }
    );
    assert_eq!(good("\u{feff}[run]\r\ncommand = [\"./x\"]\r\n").slots, None);
}

#[test]
fn values() {
    let spec = good(&format!(
        "{RUN}[resources]\ncpus = 0.25\nmemory = 1000000\n[limits]\ngrace = \"0s\"\n[retry]\ninitial = \"0s\"\nretry_on = [\"timed_out\", \"bad_outputs\"]\nretry_exit_codes = [3, 0x10]"
    ));
    assert_eq!(
        spec.resources,
        Resources {
            milli_cpus: 250,
            memory: 1_000_000
        }
    );
    assert_eq!(spec.limits.grace, Duration::ZERO);
    assert_eq!(
        spec.retry.retry_on,
        [RetryClass::TimedOut, RetryClass::BadOutputs]
    );
    assert_eq!(spec.retry.retry_exit_codes, [3, 16]);
    assert_eq!(
        good(&format!("{RUN}[resources]\ncpus = 0.0001"))
            .resources
            .milli_cpus,
        1
    );
    assert_eq!(
        good(&format!("{RUN}[resources]\ncpus = 0.1"))
            .resources
            .milli_cpus,
        100
    );
    assert_eq!(
        good(&format!("{RUN}[resources]\ncpus = 2"))
            .resources
            .cpus(),
        2.0
    );
}

#[test]
fn progress_patterns() {
    let value = |pattern: &str, line: &'static str| {
        ProgressPattern::compile(pattern)
            .unwrap()
            .value(line)
            .map(str::to_owned)
    };
    assert_eq!(
        value(r"^step (\d+)", "step 12 of 40").as_deref(),
        Some("12")
    );
    assert_eq!(value(r"(a)?(?P<value>\d+)%", "7%").as_deref(), Some("7"));
    assert_eq!(value(r"^step (\d+)", "other"), None);
    assert!(ProgressPattern::compile("no group").is_err());
    assert!(ProgressPattern::compile("(unclosed").is_err());
    assert!(ProgressPattern::compile("(?=ahead)(x)").is_err());
    assert!(ProgressPattern::compile("((((a{1000}){1000}){1000}){1000})").is_err());
    let spec = good(&format!("{RUN}[progress]\nregexp = '(\\d+) %'"));
    assert_eq!(spec.progress.unwrap().value("at 5 %"), Some("5"));
}

#[test]
fn problems_have_a_place_and_a_hint() {
    check_bad(
        "!",
        "f:1:1: run: is missing (write [run] with command = [\"./program\"])",
    );
    check_bad(
        "[run]\n",
        "f:1:1: run.command: is missing (write command = [\"./program\", \"argument\"])",
    );
    check_bad(
        "run = 1",
        "f:1:7: run: expected a table, found a whole number",
    );
    check_bad(
        "[run]\ncommand = []",
        "f:2:11: run.command: names no program",
    );
    check_bad(
        "[run]\ncommand = [\" \"]",
        "f:2:11: run.command: names no program",
    );
    check_bad(
        "[run]\ncommand = \"./x\"",
        "f:2:11: run.command: expected a list of texts: the program, then its arguments",
    );
    check_bad(
        "[run]\ncommand = [\"x\", 1]",
        "f:2:17: run.command: every argument is text: put it in quotes",
    );
    check_bad(
        "[run]\ncommand = [\"x\", \"\\u0000\"]",
        "f:2:17: run.command: contains a NUL character",
    );
    check_bad(
        "[run]\ncommand = [\"x\"]\nbuiltin = \"y\"",
        "f:3:11: run.builtin: excludes `command`: give one of them",
    );
    check_bad(
        "[run]\nbuiltin = \"\"",
        "f:2:11: run.builtin: expected the name of a builtin in quotes",
    );
    check_bad(
        "[run]\ncomand = [\"x\"]\ncommand = [\"x\"]",
        "f:2:1: run.comand: is not a known key (did you mean `command`?)",
    );
    check_bad(
        "[run]\ncommand = [\"x\"]\nslots = 0",
        "f:3:9: run.slots: expected a whole number from 1",
    );
    check_bad(
        "[run]\ncommand = [\"x\"]\nenv = {A = 1}",
        "f:3:12: run.env.A: a variable is text: put it in quotes",
    );
    check_bad(
        "[run]\ncommand = [\"x\"]\nenv.TREFOIL_JOB_ID = \"1\"",
        "f:3:5: run.env.TREFOIL_JOB_ID: is set by the program contract",
    );
    check_bad(
        "[run]\ncommand = [\"x\"]\nenv = {\"A=B\" = \"1\"}",
        "f:3:8: run.env.A=B: is not the name of an environment variable",
    );
    check_bad(
        "[resorces]",
        "f:3:2: resorces: is not a known key (did you mean `resources`?)",
    );
    for cpus in ["0", "-1", "0.0", "1e9"] {
        check_bad(
            &format!("[resources]\ncpus = {cpus}"),
            "f:4:8: resources.cpus: must be above 0 and a number of cores that a machine has",
        );
    }
    check_bad(
        "[resources]\ncpus = nan",
        "f:4:8: resources.cpus: expected a finite number, found a number",
    );
    check_bad(
        "[resources]\ncpus = \"1\"",
        "f:4:8: resources.cpus: expected a finite number, found text",
    );
    check_bad(
        "[resources]\nmemory = 0",
        "f:4:10: resources.memory: must be above 0 (write it as \"512MiB\", \"10GB\" or a number of bytes)",
    );
    check_bad(
        "[resources]\nmemory = -5",
        "f:4:10: resources.memory: is not a number of bytes (write it as \"512MiB\", \"10GB\" or a number of bytes)",
    );
    check_bad(
        "[resources]\nmemory = \"much\"",
        "f:4:10: resources.memory: `much` is not a unit of size (write it as \"512MiB\", \"10GB\" or a number of bytes)",
    );
    check_bad(
        "[limits]\nattempt = 60",
        "f:4:11: limits.attempt: expected a duration in quotes, found a whole number (write it with a unit: \"50s\", \"250ms\" or \"1h 30m\")",
    );
    check_bad(
        "[limits]\nattempt = \"0s\"",
        "f:4:11: limits.attempt: must be above 0; leave it out for no limit",
    );
    check_bad(
        "[limits]\nattempt = \"50s\"\nattempt_soft = \"60s\"",
        "f:5:16: limits.attempt_soft: is longer than `attempt`",
    );
    check_bad(
        "[retry]\nmax_attempts = 0",
        "f:4:16: retry.max_attempts: expected a whole number from 1 to 1000",
    );
    check_bad(
        "[retry]\nmax_crashes = -1",
        "f:4:15: retry.max_crashes: expected a whole number from 0 to 1000",
    );
    check_bad(
        "[retry]\nfactor = 0.5",
        "f:4:10: retry.factor: must be 1 to 1000",
    );
    check_bad(
        "[retry]\njitter = \"yes\"",
        "f:4:10: retry.jitter: expected true or false",
    );
    check_bad(
        "[retry]\ninitial = \"1h\"",
        "f:4:11: retry.initial: is longer than `max`",
    );
    check_bad(
        "[retry]\nretry_on = [\"temporal\"]",
        "f:4:13: retry.retry_on: expected one of application, temporary, timed_out, bad_outputs (did you mean `temporary`?)",
    );
    check_bad(
        "[retry]\nretry_on = [\"temporary\", \"temporary\"]",
        "f:4:26: retry.retry_on: `temporary` is there twice",
    );
    check_bad(
        "[retry]\nretry_exit_codes = [0]",
        "f:4:21: retry.retry_exit_codes: an exit code is 1 to 255",
    );
    check_bad(
        "[progress]\nregexp = \"x\"",
        "f:4:10: progress.regexp: has no group: name one `value`",
    );
}

#[test]
fn all_problems_at_once() {
    check_bad(
        "[run]\ncommand = []\nslots = -1\n[limits]\nqueue = 5\nlog = \"x\"\n[nothing]\n",
        "f:2:11: run.command: names no program\n\
         f:3:9: run.slots: expected a whole number from 1\n\
         f:5:9: limits.queue: expected a duration in quotes, found a whole number (write it with a unit: \"50s\", \"250ms\" or \"1h 30m\")\n\
         f:6:7: limits.log: `x` is not a unit of size (write it as \"512MiB\", \"10GB\" or a number of bytes)\n\
         f:7:2: nothing: is not a known key",
    );
}

#[test]
fn a_flood_of_problems_is_cut() {
    let keys: String = (0..20_000).map(|i| format!("k{i}=1\n")).collect();
    assert_eq!(RunSpec::parse("f", keys.as_bytes()).1.len(), 100);
    let classes = format!(
        "run.command=[\"x\"]\nretry.retry_on=[{}]",
        "\"zzzz\",".repeat(30_000)
    );
    assert_eq!(RunSpec::parse("f", classes.as_bytes()).1.len(), 100);
}

#[test]
fn texts_that_are_not_toml() {
    for text in [
        "[run",
        "a = ",
        "= 1",
        "[run]\ncommand = [\"x\"]\ncommand = [\"y\"]",
        "a: 1",
        "\0",
    ] {
        let (spec, problems) = RunSpec::parse("f", text.as_bytes());
        assert!(
            spec.is_none() && problems[0].reason.starts_with("not valid TOML"),
            "{text:?}: {problems:?}"
        );
    }
    let (_, problems) = RunSpec::parse("f", b"[run]\nx = \"\xff\"");
    assert_eq!(
        problems[0].to_string(),
        "f:2:6: the file is not UTF-8 (save it as UTF-8)"
    );
    let (_, problems) = RunSpec::parse("f", &vec![b'#'; 300 << 10]);
    assert!(problems[0].reason.contains("at most 262144"));
    let deep = format!("a = {}", "[".repeat(100_000));
    assert!(RunSpec::parse("f", deep.as_bytes()).0.is_none());
}

#[test]
fn json_has_seconds_and_bytes() {
    let json = good(SLEEPER_TOML).to_json();
    assert_eq!(json["kind"], "program");
    assert_eq!(json["command"], json!(["./sleeper", "run"]));
    assert_eq!(json["limits"]["attempt_soft"], json!(50.0));
    assert_eq!(json["resources"], json!({"cpus": 1.0, "memory": 512 << 20}));
    assert_eq!(json["retry"]["retry_on"], json!(["temporary"]));
    assert!(!json.to_string().contains("OMP_NUM_THREADS"));
    assert_eq!(
        good("run.builtin = \"sleep\"").to_json()["builtin"],
        "sleep"
    );
}

proptest! {
    #[test]
    fn any_bytes_give_a_spec_or_problems(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let (spec, problems) = RunSpec::parse("f", &bytes);
        prop_assert!(spec.is_some() || !problems.is_empty());
    }

    #[test]
    fn any_value_of_any_key_gives_a_spec_or_problems(
        key in prop::sample::select(vec!["resources.cpus", "resources.memory", "limits.attempt", "limits.log", "retry.factor",
            "retry.initial", "retry.retry_on", "retry.retry_exit_codes", "progress.regexp", "run.slots", "run.env"]),
        value in "(\"[ 0-9a-zMGiB.]{0,12}\"|-?[0-9]{1,25}|[0-9]{1,5}\\.[0-9]{1,5}(e[0-9]{1,3})?|inf|nan|\\[[0-9, ]{0,9}\\]|true|\\{\\})",
    ) {
        let text = format!("run.command = [\"x\"]\n{key} = {value}\n");
        let (spec, problems) = RunSpec::parse("f", text.as_bytes());
        prop_assert!(spec.is_some() || !problems.is_empty());
    }
}

mod provision {
    use super::*;
    use crate::{
        ThriftProtocol, ThriftTls, ThriftTransport,
        provision::ProviderSpec,
        runspec::ServiceToml,
        testing::{SLEEPER, load},
    };

    fn good(text: &str) -> ServiceToml {
        let (toml, problems) = ServiceToml::parse("service.toml", text.as_bytes());
        assert_eq!(lines(&problems), "", "{text}");
        toml.unwrap()
    }

    fn bad(text: &str, expected: &str) {
        let (toml, problems) = ServiceToml::parse("f", text.as_bytes());
        assert!(toml.is_none(), "{text:?}");
        assert_eq!(lines(&problems).trim_end(), expected, "{text:?}");
    }

    #[test]
    fn instances() {
        let toml = good(
            "[[instances]]\nname = \"a\"\naddress = \"localhost:9090\"\ntransport = \"header\"\nprotocol = \"compact\"\n\
             multiplex = \"Calc\"\npipelined = true\nslots = 4\nweight = 0.5\n\
             [[instances]]\nname = \"b\"\naddress = \"unix:/run/b\"\n",
        );
        assert!(toml.run.is_none() && toml.provision.process.is_none());
        let [a, b] = &toml.provision.instances[..] else {
            panic!("{:?}", toml.provision);
        };
        let thrift = &a.speaks.thrift;
        assert_eq!((a.name.as_str(), &*a.address), ("a", "localhost:9090"));
        assert_eq!(thrift.transport, Some(ThriftTransport::Header));
        assert_eq!(thrift.protocol, Some(ThriftProtocol::Compact));
        assert_eq!(thrift.multiplex.as_deref(), Some("Calc"));
        assert!(thrift.is_pipelined);
        assert_eq!((a.speaks.slots, a.speaks.weight), (Some(4), 0.5));
        assert_eq!((b.speaks.slots, b.speaks.weight), (None, 1.0));
        assert_eq!(b.speaks.thrift, crate::ThriftProvider::default());
    }

    #[test]
    fn tls_is_said_in_a_word_or_by_files() {
        let of = |tls: &str| {
            let text =
                format!("[[instances]]\nname = \"a\"\naddress = \"wss://a:1/x\"\ntls = {tls}\n");
            let instances = good(&text).provision.instances;
            instances[0].speaks.thrift.tls.clone()
        };
        assert_eq!(of("false"), None);
        assert_eq!(of("true"), Some(ThriftTls::default()));
        let text = |text: &str| Some(text.to_owned());
        let expected = ThriftTls {
            ca: text("/a"),
            name: None,
            certificate: text("/c"),
            key: text("/k"),
        };
        let files = "{ ca = \"/a\", certificate = \"/c\", key = \"/k\" }";
        assert_eq!(of(files), Some(expected));
        let one = "[[instances]]\nname = \"a\"\naddress = \"a:1\"\ntls = { key = \"/k\" }\n";
        let reason = "f:4:15: instances[0].tls.key: certificate and key go together";
        bad(one, reason);
    }

    #[test]
    fn a_process() {
        let toml = good(
            "[provider]\ncommand = [\"./x\", \"{port}\"]\nenv = { A = \"b\" }\ninstances = 3\nready = \"5s\"\ngrace = \"0s\"\n",
        );
        let spec = toml.provision.process.unwrap();
        assert_eq!(spec.command, ["./x", "{port}"]);
        assert_eq!(spec.env["A"], "b");
        let seconds = Duration::from_secs;
        assert_eq!(
            (spec.instances, spec.ready, spec.grace),
            (3, seconds(5), seconds(0))
        );
        let both = good(&format!(
            "{RUN}[provider]\ncommand = [\"x\"]\nenv.P = \"{{port}}\""
        ));
        let spec = both.provision.process.unwrap();
        assert_eq!((spec.instances, spec.ready), (1, ProviderSpec::READY));
        assert!(both.run.is_some());
    }

    #[test]
    fn what_is_wrong_has_a_place() {
        for (text, expected) in [
            (
                "[[instances]]\n",
                "f:1:1: instances[0].name: is missing\nf:1:1: instances[0].address: is missing",
            ),
            (
                "[[instances]]\nname = \"a\"\naddress = \"a:1\"\n[[instances]]\nname = \"a\"\naddress = \"a\"\n",
                "f:5:8: instances[1].name: `a` is the name of another instance\n\
                 f:6:11: instances[1].address: expected host:port, unix: and an absolute path, or http://host:port/path (https, ws, wss)",
            ),
            (
                "[[instances]]\nname = \"a b\"\naddress = 7\nweigth = 1\n",
                "f:2:8: instances[0].name: an instance is named with 1 to 128 of A-Z a-z 0-9 . _ : -, not `a b`\n\
                 f:3:11: instances[0].address: expected text in quotes, found a whole number\n\
                 f:4:1: instances[0].weigth: is not a known key (did you mean `weight`?)",
            ),
            (
                "instances = [1]",
                "f:1:14: instances: expected a table, found a whole number",
            ),
            ("[provider]\n", "f:1:1: provider.command: is missing"),
            (
                "[provider]\ncommand = [\"x\"]\ntransport = \"frame\"\nprotocol = 1\nweight = 0\nslots = 0\n",
                "f:2:11: provider.command: does not say where `{port}` goes: the platform chooses the port\n\
                 f:3:13: provider.transport: expected one of framed, buffered, header, http, zlib, websocket (did you mean `framed`?)\n\
                 f:4:12: provider.protocol: expected one of binary, compact, json\n\
                 f:6:9: provider.slots: expected a whole number from 1\n\
                 f:5:10: provider.weight: must be 0.001 to 1000",
            ),
            (
                "[provider]\ncommand = [\"{port}\"]\ninstances = 0\nready = \"0s\"\npipelined = 1\nmultiplex = \"\"\n[limits]\n",
                "f:3:13: provider.instances: expected a whole number from 1 to 1000\n\
                 f:6:13: provider.multiplex: is empty: leave it out for a provider that is not multiplexed\n\
                 f:5:13: provider.pipelined: expected true or false, found a whole number\n\
                 f:4:9: provider.ready: must be above 0; leave it out for no limit\n\
                 f:7:1: limits: is about jobs, and without [run] there are none",
            ),
        ] {
            bad(text, expected);
        }
    }

    #[test]
    fn who_answers_calls_needs_a_contract() {
        let problems = load(SLEEPER, Some("[provider]\ncommand = [\"{port}\"]\n")).unwrap_err();
        let text = lines(&problems);
        assert!(
            text.contains("1:1: provider: says who answers calls, and there is no contract"),
            "{text}"
        );
    }
}
