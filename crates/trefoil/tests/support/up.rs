//! A real `trefoil up` in a process of its own, for end-to-end tests.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use serde_json::Value;

/// Starts a platform on any free port; the process and the address it said. What it says besides is an error or nothing.
pub(crate) fn up(data: &Path, services: Option<&Path>, arguments: &[&str]) -> (Child, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trefoil"));
    command
        .args(["up", "--json", "--http-listen", "127.0.0.1:0"])
        .args(["--thrift-listen", "127.0.0.1:0"])
        .args(["--amqp-listen", "127.0.0.1:0"])
        .args(["--management-listen", "127.0.0.1:0"])
        .args(arguments)
        .arg("--data")
        .arg(data);
    if let Some(services) = services {
        command.arg("--services").arg(services);
    }
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    let stdout = child.stdout.take().unwrap();
    BufReader::new(stdout).read_line(&mut line).unwrap();
    let said: Value =
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
    let url = said["http"].as_str().unwrap().to_owned();
    (child, url)
}
