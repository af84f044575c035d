//! The binary as people and scripts meet it: help, wrong usage, configuration files, a platform
//! that is not there, pipes.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// Runs `trefoil` in `dir` with a clean environment.
fn trefoil_in(dir: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_trefoil"))
        .args(args)
        .current_dir(dir)
        .env_clear()
        .stdin(Stdio::null())
        .output()
        .expect("the binary was built for this test")
}

fn trefoil(args: &[&str]) -> Output {
    let dir = tempfile::tempdir().expect("a temporary directory");
    trefoil_in(dir.path(), args)
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("it exits, no signal ends it")
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).expect("UTF-8")
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).expect("UTF-8")
}

/// An address where nobody listens.
fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    format!("http://{}", listener.local_addr().expect("it is bound"))
}

#[test]
fn help_names_the_commands_and_the_exit_codes() {
    let output = trefoil(&["--help"]);
    assert_eq!(code(&output), 0);
    for word in [
        "up",
        "demo",
        "services",
        "contract",
        "instances",
        "call",
        "jobs",
        "files",
        "config",
        "doctor",
        "completions",
    ] {
        assert!(stdout(&output).contains(&format!("\n  {word} ")), "{word}");
    }
    assert!(stdout(&output).contains("Exit codes:"));
    assert!(
        !stdout(&output).contains("supervise"),
        "it is not for people"
    );
    assert!(!stdout(&output).contains('\x1b'), "a pipe gets no colour");
}

/// The page repeats the exit codes of `--help`; it must not drift.
#[test]
fn the_documentation_has_the_exit_codes_and_every_command() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/src/cli.md");
    let page = std::fs::read_to_string(path).unwrap();
    let help = trefoil(&["--help"]);
    let codes = stdout(&help).split("Exit codes:").nth(1).unwrap();
    for line in codes.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (code, meaning) = line.split_once(' ').unwrap();
        let row = format!("| {code} | {} |", meaning.trim());
        assert!(page.contains(&row), "the page lacks: {row}");
    }
    for group in [
        "services",
        "contract",
        "instances",
        "jobs",
        "files",
        "config",
    ] {
        let help = trefoil(&[group, "--help"]);
        let commands = stdout(&help).split("Commands:").nth(1).unwrap();
        let commands = commands.split("\n\n").next().unwrap();
        for line in commands
            .lines()
            .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        {
            let name = line.split_whitespace().next().unwrap();
            if name != "help" {
                let command = format!("`trefoil {group} {name}");
                assert!(page.contains(&command), "the page lacks: {command}");
            }
        }
    }
}

#[test]
fn wrong_usage_is_2_and_says_what_was_meant() {
    let output = trefoil(&["jobs", "lst"]);
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains("ls"), "{}", stderr(&output));
    let output = trefoil(&["jobs", "ls", "--stat", "failed"]);
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains("--state"), "{}", stderr(&output));
    let output = trefoil(&["call", "a/b:1/"]);
    assert_eq!(code(&output), 2);
    assert!(
        stderr(&output).contains("ends in a slash"),
        "{}",
        stderr(&output)
    );
    for args in [
        &["jobs", "ls", "--limit", "0"][..],
        &["call", "a", "--priority", "1001"],
        &["call", "a", "--deadline", "-1"],
        &["call", "a", "--async", "--wait", "1"],
    ] {
        assert_eq!(code(&trefoil(args)), 2, "{args:?}");
    }
    let output = trefoil(&["--json", "jobs", "lst"]);
    assert_eq!(code(&output), 2);
    let problem: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(problem["type"], "urn:trefoil:problem:invalid-usage");
}

#[test]
fn a_platform_that_is_not_there_is_5_with_a_hint() {
    let url = nobody();
    for args in [
        &["services", "ls"][..],
        &["call", "a/b:1", "-i", "x=1"],
        &["jobs", "wait", "1"],
        &["jobs", "logs", "-f", "1"],
        &["files", "ls"],
    ] {
        let output = trefoil(&[&["--url", &url], args].concat());
        assert_eq!(code(&output), 5, "{args:?}: {}", stderr(&output));
        assert!(
            stderr(&output).starts_with("error: cannot reach"),
            "{}",
            stderr(&output)
        );
        assert!(
            stderr(&output).contains("hint: is the platform running?"),
            "{}",
            stderr(&output)
        );
        assert_eq!(stdout(&output), "");
    }
    let output = trefoil(&["--json", "--url", &url, "jobs", "ls"]);
    let problem: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(problem["type"], "urn:trefoil:problem:unreachable");
    assert!(problem["hint"].as_str().unwrap().contains("trefoil up"));
}

#[test]
fn wrong_inputs_are_found_before_anything_is_sent() {
    let url = nobody();
    for (args, message) in [
        (&["-i", "=1"][..], "not of the form"),
        (&["-i", "a=1", "-i", "a=2"], "given twice"),
        (&["-i", "a=1", "-f", "a=/etc/hostname"], "given twice"),
        (&["-i", "a=@/no/such/file"], "cannot read /no/such/file"),
        (&["--inputs", "/no/such/file"], "cannot read /no/such/file"),
        (&["--json", "{\"a\": }"], "the object of inputs is not JSON"),
        (&["--json=[]"], "cannot read []"),
    ] {
        let output = trefoil(&[&["--url", &url, "call", "a/b:1"], args].concat());
        assert_eq!(code(&output), 2, "{args:?}: {}", stderr(&output));
        assert!(
            stderr(&output).contains(message),
            "{args:?}: {}",
            stderr(&output)
        );
        assert!(stderr(&output).contains("\nhint: "), "{}", stderr(&output));
    }
    let output = trefoil(&["--url", "localhost:8080", "jobs", "ls"]);
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains("must start with http://"));
}

#[test]
fn config_check_lists_every_mistake_with_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let output = trefoil_in(dir.path(), &["config", "check"]);
    assert_eq!(code(&output), 0);
    assert_eq!(stdout(&output), "valid; there is no configuration file\n");

    let text = "[http]\nlisten = \"0.0.0.0:1\"\nlissen = 1\n[call]\nmax_wait = 60\n";
    std::fs::write(dir.path().join("trefoil.toml"), text).unwrap();
    let output = trefoil_in(dir.path(), &["config", "check", "--workers-slots", "0"]);
    assert_eq!(code(&output), 2);
    let expected = "\
error: the configuration has 4 errors
  trefoil.toml:3:1: unknown key `http.lissen` (did you mean `http.listen`?)
  trefoil.toml:5:12: call.max_wait: the number 60 does not fit here (expected a duration such as 30s or \"1h 30m\")
  --workers-slots: workers.slots: 0 is not enough (expected a whole number above 0, or cores)
  trefoil.toml:2:10: http.listen: 0.0.0.0:1 can be reached from other machines, and there is no authentication: anyone who connects could run programs here (listen on 127.0.0.1 and put an authenticating proxy in front, or set insecure (--insecure) if the network is trusted)
hint: correct these, then check with `trefoil config check`
";
    assert_eq!(stderr(&output), expected);

    let output = trefoil_in(dir.path(), &["--json", "config", "check"]);
    let problem: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(problem["errors"].as_array().unwrap().len(), 3);
    assert_eq!(problem["errors"][0]["source"], "trefoil.toml:3:1");

    // `up` refuses the same way instead of starting half right.
    assert_eq!(code(&trefoil_in(dir.path(), &["up"])), 2);
}

#[test]
fn config_show_says_where_values_come_from() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("other.toml");
    std::fs::write(&file, "[log]\nfilter = \"debug\"\n").unwrap();
    let args = ["config", "show", "--config", "other.toml", "--insecure"];
    let output = trefoil_in(dir.path(), &args);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    assert!(
        stdout(&output).contains("log.filter\tdebug\tother.toml:2:10\n"),
        "{}",
        stdout(&output)
    );
    assert!(stdout(&output).contains("insecure\ttrue\t--insecure\n"));
    assert!(stdout(&output).contains("data\t./trefoil-data\tdefault\n"));
    let output = trefoil_in(dir.path(), &["--json", "config", "show"]);
    let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(shown["keys"][0]["key"], "http.listen");
    assert_eq!(shown["keys"][0]["value"], "127.0.0.1:8080");
}

#[test]
fn doctor_reports_as_json_and_lines() {
    let dir = tempfile::tempdir().unwrap();
    let url = nobody();
    let args = [
        "--json",
        "--url",
        &url,
        "doctor",
        "--http-listen",
        "127.0.0.1:0",
        "--thrift-listen",
        "127.0.0.1:0",
        "--amqp-listen",
        "127.0.0.1:0",
        "--management-listen",
        "127.0.0.1:0",
    ];
    let output = trefoil_in(dir.path(), &args);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let verdict = |name: &str| {
        let checks = report["checks"].as_array().unwrap();
        let check = checks.iter().find(|check| check["name"] == name).unwrap();
        check["verdict"].as_str().unwrap().to_owned()
    };
    assert_eq!(verdict("data"), "ok");
    assert_eq!(verdict("port"), "ok");
    assert_eq!(verdict("platform"), "warn");

    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let file = dir.path().join("file");
    std::fs::write(&file, "x").unwrap();
    let args = [
        "--url",
        &url,
        "doctor",
        "--http-listen",
        &address,
        "--data",
        "file",
    ];
    let output = trefoil_in(dir.path(), &args);
    assert_eq!(code(&output), 1, "{}", stdout(&output));
    assert!(
        stdout(&output).contains("fail  data"),
        "{}",
        stdout(&output)
    );
    assert!(
        stdout(&output).contains("fail  port"),
        "{}",
        stdout(&output)
    );
    assert!(stdout(&output).contains("(hint: "), "{}", stdout(&output));
}

#[test]
fn completions_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = trefoil(&["completions", shell]);
        assert_eq!(code(&output), 0);
        assert!(stdout(&output).contains("provenance"), "{shell}");
    }
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_trefoil"))
        .args(["completions", "bash"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Closed before anything can be read: the script is longer than a pipe holds.
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    assert_eq!(stderr(&output), "");
}

#[test]
fn colour_only_when_asked_for() {
    let url = nobody();
    let plain = trefoil(&["--url", &url, "jobs", "ls"]);
    assert!(!stderr(&plain).contains('\x1b'));
    let painted = trefoil(&["--url", &url, "--color", "always", "jobs", "ls"]);
    assert!(
        stderr(&painted).contains("\x1b[1;31merror:\x1b[0m"),
        "{:?}",
        stderr(&painted)
    );
}
