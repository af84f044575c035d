//! The broker as part of `trefoil up`, and alone.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// `trefoil up` with a directory and flags; ports are any.
fn command(data: &Path, flags: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trefoil"));
    command
        .args(["--json", "up", "--data"])
        .arg(data)
        .args(["--http-listen", "127.0.0.1:0"])
        .args(["--thrift-listen", "127.0.0.1:0"])
        .args(["--management-listen", "127.0.0.1:0"])
        .args(flags);
    command
}

/// Runs until it is told to stop; killed when a test fails.
struct Up {
    child: Child,
    said: Value,
}

impl Up {
    fn start(data: &Path, flags: &[&str]) -> Self {
        let mut child = command(data, flags)
            .args(["--amqp-listen", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let stdout = child.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let said = serde_json::from_str(&line).unwrap_or_default();
        Self { child, said }
    }

    /// The address behind a URL that it said.
    fn address(&self, name: &str) -> &str {
        let url = self.said[name].as_str().unwrap();
        url.split_once("://").unwrap().1
    }

    fn connect(&self, name: &str) -> TcpStream {
        let stream = TcpStream::connect(self.address(name)).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        stream
    }

    /// The status of a request as the default user.
    fn status(&self, name: &str, path: &str) -> u16 {
        let mut stream = self.connect(name);
        // guest:guest
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Basic Z3Vlc3Q6Z3Vlc3Q=\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.split(' ').nth(1).unwrap().parse().unwrap()
    }

    /// `connection.start` is how a broker introduces itself.
    fn greets(&self) {
        let mut stream = self.connect("amqp");
        stream.write_all(b"AMQP\x00\x00\x09\x01").unwrap();
        let mut frame = [0; 11];
        stream.read_exact(&mut frame).unwrap();
        assert_eq!((frame[0], &frame[7..]), (1, &[0, 10, 0, 10][..]));
    }

    fn stop(mut self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        // Both fail only for a process that has been waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn problem(output: &Output) -> Value {
    serde_json::from_slice(&output.stderr)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)))
}

#[test]
fn the_platform_has_a_broker() {
    let data = tempfile::tempdir().unwrap();
    let up = Up::start(data.path(), &["--log-filter", "warn"]);
    up.greets();
    assert_eq!(up.status("http", "/livez"), 200);
    assert_eq!(up.status("management", "/api/overview"), 200);
    // Management is below the platform's own address too, and neither hides anything of the other.
    assert_eq!(up.status("http", "/api/overview"), 200);
    assert_eq!(up.status("http", "/api/queues/%2F"), 200);
    assert_eq!(up.status("http", "/v1/jobs"), 200);
    assert_eq!(up.status("http", "/nothing"), 404);
    assert_eq!(up.status("http", "/amqp"), 426);
    assert_eq!(up.status("management", "/amqp"), 426);
    // It is not ready while its broker is not.
    for (ctl, status) in [
        ("suspend_listeners", 503),
        ("resume_listeners", 200),
        ("stop_app", 503),
        ("start_app", 200),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_trefoil"));
        let url = up.said["management"].as_str().unwrap();
        let done = command.args(["ctl", "--url", url, ctl]).output().unwrap();
        assert!(done.status.success(), "{done:?}");
        assert_eq!(up.status("http", "/readyz"), status, "{ctl}");
        assert_eq!(
            TcpStream::connect(up.address("amqp")).is_ok(),
            status == 200
        );
    }
    up.greets();
    up.stop();
}

#[test]
fn the_broker_runs_alone() {
    let data = tempfile::tempdir().unwrap();
    let flags = ["--only", "amqp", "--log-filter", "warn"];
    for _ in 0..2 {
        let up = Up::start(data.path(), &flags);
        assert_eq!(up.said["http"], Value::Null);
        up.greets();
        assert_eq!(up.status("management", "/api/overview"), 200);
        let second = command(data.path(), &flags)
            .args(["--amqp-listen", "127.0.0.1:0"])
            .output()
            .unwrap();
        assert_eq!(second.status.code(), Some(5));
        let detail = problem(&second)["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains("in use by process"), "{detail}");
        up.stop();
    }
    assert!(!data.path().join("jobs.db").try_exists().unwrap());
}

#[test]
fn without_a_broker_there_is_none() {
    let data = tempfile::tempdir().unwrap();
    let flags = ["--amqp-enabled=false", "--log-filter", "warn"];
    let up = Up::start(data.path(), &flags);
    assert_eq!(up.said["amqp"], Value::Null);
    assert_eq!(up.said["management"], Value::Null);
    assert_eq!(up.status("http", "/livez"), 200);
    assert_eq!(up.status("http", "/amqp"), 404);
    up.stop();
    let nothing = command(data.path(), &["--amqp-enabled=false", "--only", "amqp"])
        .output()
        .unwrap();
    assert_eq!(nothing.status.code(), Some(2));
}

#[test]
fn a_taken_port_is_told_with_its_flag() {
    let data = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let free = "127.0.0.1:0";
    for (amqp, management, key, flag) in [
        (address.as_str(), free, "amqp.listen", "--amqp-listen"),
        (free, &address, "management.listen", "--management-listen"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_trefoil"))
            .args(["--json", "up", "--only", "amqp", "--data"])
            .arg(data.path())
            .args(["--amqp-listen", amqp, "--management-listen", management])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(5));
        let problem = problem(&output);
        let detail = problem["detail"].as_str().unwrap();
        assert!(
            detail.contains(&address) && detail.contains(key),
            "{detail}"
        );
        assert!(
            problem["hint"].as_str().unwrap().contains(flag),
            "{problem}"
        );
    }
}

#[test]
fn tls_needs_its_files() {
    let data = tempfile::tempdir().unwrap();
    let flags = ["--only", "amqp", "--amqp-tls-listen", "127.0.0.1:0"];
    let output = command(data.path(), &flags).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let problem = problem(&output);
    let errors = problem["errors"].as_array().unwrap();
    assert_eq!(errors.len(), 2, "{problem}");
    let no_pem = data.path().join("no.pem");
    std::fs::write(&no_pem, "this is no certificate").unwrap();
    let no_pem = no_pem.to_str().unwrap();
    let flags = [
        &flags[..],
        &["--amqp-tls-certificate", no_pem, "--amqp-tls-key", no_pem],
    ]
    .concat();
    let output = command(data.path(), &flags)
        .args(["--amqp-listen", "127.0.0.1:0"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("cannot read a certificate"), "{text}");
}
