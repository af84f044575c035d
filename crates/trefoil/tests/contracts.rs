//! Contracts and instances by the command line, with files alone and with a real platform.
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests are no test functions to clippy"
)]

#[path = "support/up.rs"]
mod support;

use std::{
    path::Path,
    process::{Child, Command, Stdio},
};

use serde_json::{Value, json};

const TYPES: &str = "exception Bad { 1: string message }\n";
const ADD: &str = "include \"types.thrift\"\n\n/** Sums. */\nservice Calculator {\n  /** Adds. */\n  \
                   i32 add(1: i32 a, 2: i32 b = 2) throws (1: types.Bad bad)\n} \
                   (trefoil.key = \"math/calc\", trefoil.version = \"1.0.0\")\n";

/// What a command printed, and how it ended.
struct Ran {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Ran {
    #[track_caller]
    fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}{}", self.stdout, self.stderr);
        self
    }

    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}{}", self.stdout, self.stderr))
    }
}

fn run(dir: &Path, url: Option<&str>, args: &[&str]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trefoil"));
    command.args(args).current_dir(dir).env_clear();
    // What needs no platform must not look for one.
    command.env("TREFOIL_URL", url.unwrap_or("https://nowhere.invalid"));
    let output = command.stdin(Stdio::null()).output().unwrap();
    Ran {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

fn files(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    dir
}

#[test]
fn what_is_wrong_is_shown_with_its_lines() {
    let dir = files(&[
        ("good.thrift", "service S { void ping() }\n"),
        (
            "bad.thrift",
            "struct A {\n  1: i32 x\n  1: i32 y\n}\nservice S { Nope get() }\n",
        ),
    ]);
    let ran = run(dir.path(), None, &["contract", "check", "good.thrift"]).expect(0);
    assert_eq!(ran.stdout, "good.thrift is valid\n");
    let args = ["contract", "check", "good.thrift", "bad.thrift"];
    let ran = run(dir.path(), None, &args).expect(1);
    assert!(ran.stdout.contains("--> bad.thrift:3:3"), "{}", ran.stdout);
    assert!(ran.stdout.contains("3 |   1: i32 y"), "{}", ran.stdout);
    assert!(ran.stdout.contains("--> bad.thrift:5:13"), "{}", ran.stdout);
    assert!(!ran.stdout.contains('\x1b'), "a pipe gets no colour");
    assert_eq!(ran.stderr, "error: bad.thrift has 2 errors\n");
    let ran = run(
        dir.path(),
        None,
        &[&args[..], &["--color", "always"]].concat(),
    )
    .expect(1);
    assert!(ran.stdout.contains('\x1b'));

    let ran = run(dir.path(), None, &[&args[..], &["--json"]].concat()).expect(1);
    let json = ran.json();
    assert_eq!(
        (&json["valid"], &json["errors"]),
        (&json!(false), &json!(2))
    );
    assert_eq!(
        json["files"][0],
        json!({ "file": "good.thrift", "valid": true, "findings": [] })
    );
    let found = &json["files"][1]["findings"][0];
    assert_eq!(found["severity"], "error");
    assert_eq!(found["file"], "bad.thrift");
    assert_eq!((&found["line"], &found["column"]), (&json!(3), &json!(3)));
    assert_eq!(
        (&found["end_line"], &found["end_column"]),
        (&json!(3), &json!(4))
    );
    assert_eq!(found["others"][0]["line"], 2);
    for member in ["message", "label", "help"] {
        assert!(found.get(member).is_some(), "{member}");
    }
    run(dir.path(), None, &["contract", "check", "none.thrift"]).expect(2);
}

#[test]
fn includes_are_found_beside_the_file_above_it_and_in_include_paths() {
    let dir = files(&[
        (
            "a/b/c.thrift",
            "include \"../up.thrift\"\ninclude \"far.thrift\"\nstruct S { 1: up.U u, 2: far.F f }\n",
        ),
        ("a/up.thrift", "typedef i32 U\n"),
        ("lib/far.thrift", "typedef i32 F\n"),
    ]);
    let here = dir.path().join("a/b");
    run(&here, None, &["contract", "check", "c.thrift"]).expect(1);
    let args = ["contract", "check", "c.thrift", "-I", "../../lib"];
    run(&here, None, &args).expect(0);
}

#[test]
fn a_contract_is_shown_for_people_and_for_programs() {
    let dir = files(&[("calc.thrift", ADD), ("types.thrift", TYPES)]);
    let ran = run(dir.path(), None, &["contract", "show", "calc.thrift"]).expect(0);
    for line in [
        "calc.thrift",
        "service Calculator",
        "  Sums.",
        "  i32 add(1: i32 a, 2: i32 b = 2) throws (1: types.Bad bad)",
        "      Adds.",
        "exception types.Bad",
        "  1: string message",
    ] {
        assert!(
            ran.stdout.lines().any(|it| it == line),
            "{line}: {}",
            ran.stdout
        );
    }
    let json = run(
        dir.path(),
        None,
        &["contract", "show", "calc.thrift", "--json"],
    )
    .expect(0)
    .json();
    assert_eq!(json["file"], "calc.thrift");
    assert_eq!(
        json["services"][0]["methods"][0]["arguments"][1]["default"],
        2
    );
    let broken = files(&[("x.thrift", "struct {")]);
    let ran = run(broken.path(), None, &["contract", "show", "x.thrift"]).expect(1);
    assert!(ran.stderr.contains("x.thrift:1:8"), "{}", ran.stderr);
    assert!(ran.stderr.contains("x.thrift has errors"), "{}", ran.stderr);
}

#[test]
fn two_files_are_compared() {
    let more = ADD.replace("i32 b = 2", "i32 b = 2, 3: i32 c");
    let less = ADD.replace("i32 add", "i64 add");
    let dir = files(&[
        ("old.thrift", ADD),
        ("more.thrift", &more),
        ("less.thrift", &less),
        ("types.thrift", TYPES),
    ]);
    let diff = |new: &str| run(dir.path(), None, &["contract", "diff", "old.thrift", new]);
    assert_eq!(diff("old.thrift").expect(0).stdout, "no changes\n");
    let ran = diff("more.thrift").expect(0);
    assert!(
        ran.stdout
            .ends_with("required bump: minor: 1.1.0 or higher after 1.0.0\n"),
        "{}",
        ran.stdout
    );
    let ran = diff("less.thrift").expect(1);
    assert!(
        ran.stdout.starts_with("major: Calculator.add"),
        "{}",
        ran.stdout
    );
    assert!(ran.stdout.contains("(less.thrift:6:"), "{}", ran.stdout);
    let args = ["contract", "diff", "old.thrift", "less.thrift", "--json"];
    let json = run(dir.path(), None, &args).expect(1).json();
    assert_eq!(json["breaking"], true);
    assert_eq!(
        (&json["bump"], &json["required"]),
        (&json!("major"), &json!("2.0.0"))
    );
    assert_eq!(json["changes"][0]["kind"], "return-changed");
}

/// A platform that ends with the test.
struct Platform {
    child: Child,
    url: String,
    _data: tempfile::TempDir,
}

impl Platform {
    fn start() -> Self {
        let data = tempfile::tempdir().unwrap();
        let (child, url) = support::up(data.path(), None, &["--disk-free-min", "0"]);
        Self {
            child,
            url,
            _data: data,
        }
    }
}

impl Drop for Platform {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn contracts_are_published_shown_and_guarded() {
    let platform = Platform::start();
    let dir = files(&[("calc.thrift", ADD), ("types.thrift", TYPES)]);
    let trefoil = |args: &[&str]| run(dir.path(), Some(&platform.url), args);
    let ran = trefoil(&["services", "publish", "calc.thrift"]).expect(0);
    assert!(
        ran.stdout.starts_with("math/calc:1.0.0 published "),
        "{}",
        ran.stdout
    );
    let ran = trefoil(&["services", "publish", "calc.thrift"]).expect(0);
    assert!(
        ran.stdout.starts_with("math/calc:1.0.0 up to date "),
        "{}",
        ran.stdout
    );
    let shown = trefoil(&["contract", "show", "math/calc"]).expect(0);
    assert!(
        shown.stdout.starts_with("math/calc:1.0.0\n"),
        "{}",
        shown.stdout
    );
    assert!(shown.stdout.contains("  i32 add("), "{}", shown.stdout);
    let json = trefoil(&["contract", "show", "math/calc:1", "--json"])
        .expect(0)
        .json();
    assert_eq!(
        json["files"],
        json!({ "contract.thrift": ADD, "types.thrift": TYPES })
    );

    // What breaks callers: seen before, refused, and forced.
    let broken = ADD.replace("i32 add", "i64 add").replace("1.0.0", "1.1.0");
    std::fs::write(dir.path().join("calc.thrift"), &broken).unwrap();
    let ran = trefoil(&["contract", "diff", "math/calc:1.0.0", "calc.thrift"]).expect(1);
    assert!(
        ran.stdout.contains("2.0.0 or higher after 1.0.0"),
        "{}",
        ran.stdout
    );
    let ran = trefoil(&["services", "publish", "calc.thrift"]).expect(4);
    assert!(
        ran.stderr.contains("version 2.0.0 or higher"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("contract.thrift:6:"), "{}", ran.stderr);
    assert!(ran.stderr.contains("--force"), "{}", ran.stderr);
    trefoil(&["services", "publish", "calc.thrift", "--force"]).expect(0);
    let json = trefoil(&[
        "contract",
        "diff",
        "math/calc:1.0.0",
        "math/calc:1.1.0",
        "--json",
    ])
    .expect(1)
    .json();
    assert_eq!(json["to"], "math/calc:1.1.0");
    trefoil(&["contract", "show", "math/none"]).expect(3);

    // Key and version are said, or given.
    let bare = files(&[("contract.thrift", "service S { void ping() }\n")]);
    let trefoil = |args: &[&str]| run(bare.path(), Some(&platform.url), args);
    let ran = trefoil(&["services", "publish", "contract.thrift"]).expect(2);
    assert!(ran.stderr.contains("--key"), "{}", ran.stderr);
    let args = [
        "services",
        "publish",
        ".",
        "--key",
        "test/s",
        "--version",
        "1.0.0",
    ];
    trefoil(&args).expect(0);
    let wrong = ["services", "publish", "nowhere", "--key", "test/s"];
    trefoil(&wrong).expect(2);
}

#[test]
fn instances_are_registered_listed_drained_and_removed() {
    let platform = Platform::start();
    let dir = files(&[("calc.thrift", ADD), ("types.thrift", TYPES)]);
    let trefoil = |args: &[&str]| run(dir.path(), Some(&platform.url), args);
    trefoil(&["services", "publish", "calc.thrift"]).expect(0);
    let service = "math/calc:1.0.0";
    let ran = trefoil(&["instances", "ls", service]).expect(0);
    assert!(ran.stderr.contains("has no instances"), "{}", ran.stderr);
    let address = "127.0.0.1:9";
    let ran = trefoil(&[
        "instances",
        "register",
        service,
        "one",
        address,
        "--transport",
        "framed",
        "--protocol",
        "binary",
        "--slots",
        "4",
        "--lease",
        "60",
    ])
    .expect(0);
    assert!(ran.stdout.starts_with("one "), "{}", ran.stdout);
    let json = trefoil(&["instances", "list", service, "--json"])
        .expect(0)
        .json();
    let one = &json["items"][0];
    assert_eq!(
        (&one["name"], &one["address"]),
        (&json!("one"), &json!(address))
    );
    assert_eq!(
        (&one["slots"], &one["lease_ms"]),
        (&json!(4), &json!(60_000))
    );
    assert_eq!(one["thrift"]["transport"], "framed");
    let ran = trefoil(&["instances", "ls", service]).expect(0);
    assert!(
        ran.stdout.starts_with("one\t127.0.0.1:9\t"),
        "{}",
        ran.stdout
    );
    trefoil(&["instances", "heartbeat", service, "one"]).expect(0);
    let ran = trefoil(&["instances", "drain", service, "one"]).expect(0);
    assert_eq!(ran.stdout, "one draining\n");
    let ran = trefoil(&["instances", "remove", service, "one"]).expect(0);
    assert_eq!(ran.stdout, "one removed\n");
    trefoil(&["instances", "heartbeat", service, "one"]).expect(3);
    trefoil(&["instances", "register", service, "two", "nowhere"]).expect(2);
    trefoil(&["instances", "ls", "math/calc"]).expect(2);
}

/// Methods of the service that the platform answers itself.
#[test]
fn methods_of_contracts_are_called() {
    let platform = Platform::start();
    let dir = files(&[]);
    let trefoil = |args: &[&str]| run(dir.path(), Some(&platform.url), args);
    let payload = json!({ "text": "hi", "number": 9_007_199_254_740_993_i64, "parts": [{}] });
    let inputs = json!({ "payload": payload }).to_string();
    for target in [
        "trefoil/mirror/echo",
        "trefoil/mirror:1/echo",
        "trefoil/mirror:1.0.0/Mirror.echo",
    ] {
        let ran = trefoil(&["call", target, "--json", &inputs]).expect(0);
        assert_eq!(ran.json(), payload, "{target}");
    }
    let ran = trefoil(&[
        "call",
        "trefoil/mirror/echo",
        "-i",
        "payload={\"flag\":true}",
    ]);
    assert_eq!(ran.expect(0).json(), json!({ "flag": true }));
    let ran = trefoil(&["call", "trefoil/mirror:1/ecko"]).expect(3);
    assert!(ran.stderr.contains("ecko"), "{}", ran.stderr);
    let ran = trefoil(&["call", "trefoil/miror/echo"]).expect(3);
    assert!(
        ran.stderr.contains("`trefoil/miror/echo`"),
        "{}",
        ran.stderr
    );
    let ran = trefoil(&["call", "trefoil/mirror/echo", "-i", "payload={\"flag\":1}"]).expect(2);
    assert!(ran.stderr.contains("/payload/flag"), "{}", ran.stderr);
    // Services that run as jobs are called as before.
    let ran = trefoil(&["call", "trefoil/noop"]).expect(0);
    assert!(ran.json().is_object());
}

/// A method that should no longer be used says so: in its contract, in lists, and in every answer.
#[test]
fn deprecated_methods_are_reported() {
    let platform = Platform::start();
    let text = "service S {\n  void old() (deprecated = \"use fresh\", trefoil.deprecated_since = \"2025-01-01\", \
                trefoil.sunset = \"2026-11-22\")\n  void older() (deprecated)\n  void fresh()\n} \
                (trefoil.key = \"test/s\", trefoil.version = \"1.0.0\")\n";
    let dir = files(&[("s.thrift", text)]);
    let trefoil = |args: &[&str]| run(dir.path(), Some(&platform.url), args);
    trefoil(&["services", "publish", "s.thrift"]).expect(0);
    let shown = trefoil(&["contract", "show", "test/s"]).expect(0).stdout;
    assert!(
        shown.contains("  void old() (deprecated: use fresh)\n"),
        "{shown}"
    );
    let config = ureq::Agent::config_builder().http_status_as_error(false);
    let agent: ureq::Agent = config.build().into();
    let get = |path: &str| -> Value {
        let mut answer = agent.get(format!("{}{path}", platform.url)).call().unwrap();
        serde_json::from_str(&answer.body_mut().read_to_string().unwrap()).unwrap()
    };
    let list = get("/v1/contracts?key=test/s");
    assert_eq!(
        list["items"][0]["services"][0]["deprecated"],
        json!(["old", "older"])
    );
    assert_eq!(get("/v1/services/test/s")["deprecated"], false);

    let headers = |method: &str| {
        let url = format!("{}/v1/call/test/s/{method}", platform.url);
        let call = agent.post(url).content_type("application/json");
        let answer = call.send("{}").unwrap();
        // Nobody provides it, which changes nothing.
        assert_eq!(answer.status(), 503);
        let header = |name: &str| {
            let value = answer.headers().get(name)?;
            Some(value.to_str().unwrap().to_owned())
        };
        ["deprecation", "sunset", "link"].map(header)
    };
    let link = "</v1/contracts/test/s:1.0.0>; rel=\"deprecation\"; type=\"application/json\"";
    let expected = ["@1735689600", "Sun, 22 Nov 2026 00:00:00 GMT", link];
    assert_eq!(headers("old"), expected.map(|it| Some(it.to_owned())));
    assert_eq!(headers("fresh"), [None, None, None]);
    // Since it was published.
    let [since, sunset, _] = headers("older");
    let since: i64 = since.unwrap()[1..].parse().unwrap();
    assert!((jiff::Timestamp::now().as_second() - since).abs() < 600);
    assert_eq!(sunset, None);
    let metrics = agent.get(format!("{}/metrics", platform.url)).call();
    let metrics = metrics.unwrap().body_mut().read_to_string().unwrap();
    let counted =
        "trefoil_thrift_deprecated_calls_total{service=\"test/s:1.0.0\",method=\"old\"} 1";
    assert!(metrics.contains(counted), "{metrics}");
}

#[test]
fn included_files_are_published_where_the_platform_finds_them() {
    let platform = Platform::start();
    let text = "include \"sub/near.thrift\"\ninclude \"far.thrift\"\n\
                service S { near.N near(), far.F far() } (trefoil.key = \"test/s\", trefoil.version = \"1.0.0\")\n";
    let (near, far) = (
        "include \"far.thrift\"\nstruct N { 1: far.F f }\n",
        "typedef i32 F\n",
    );
    let dir = files(&[
        ("idl/s.thrift", text),
        ("idl/sub/near.thrift", near),
        ("lib/far.thrift", far),
    ]);
    let trefoil = |args: &[&str]| run(dir.path(), Some(&platform.url), args);
    let publish = ["services", "publish", "idl/s.thrift", "-I", "lib"];
    trefoil(&publish).expect(0);
    let json = trefoil(&["contract", "show", "test/s", "--json"])
        .expect(0)
        .json();
    let expected = json!({ "contract.thrift": text, "sub/near.thrift": near, "far.thrift": far });
    assert_eq!(json["files"], expected);
    // What is outside of all these directories has no name there.
    let text = text.replace("\"far.thrift\"", "\"../lib/far.thrift\"");
    std::fs::write(dir.path().join("idl/s.thrift"), text).unwrap();
    std::fs::write(dir.path().join("idl/sub/near.thrift"), "typedef i32 N\n").unwrap();
    let ran = trefoil(&publish[..3]).expect(2);
    assert!(
        ran.stderr.contains("lib/far.thrift is not below"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("-I"), "{}", ran.stderr);
}
