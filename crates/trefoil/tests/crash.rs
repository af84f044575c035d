//! The platform is killed with SIGKILL at random moments under load, again and again. Afterwards every accepted job has
//! exactly one terminal state, its result, its whole log and its output file; nothing ran twice under one attempt; no
//! process is left.
//!
//! `TREFOIL_CRASH_ROUNDS` says how often it is killed (5; 50 under `CI=true`), `TREFOIL_CRASH_SEED` repeats a run.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "support/up.rs"]
mod support;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fs,
    path::{Path, PathBuf},
    process::Child,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

const LINES: usize = 20;
/// Jobs that are programs, in all; the rest are builtins, as many as get through.
const PROGRAMS_MAX: u64 = 300;

const SCRIPT: &str = r#"#!/bin/sh
echo "$TREFOIL_ATTEMPT_ID" >> "$RECORD"
i=0
while [ $i -lt 20 ]; do
  echo "line $i of $INPUT_TOKEN"
  i=$((i+1))
  sleep 0.02
done
printf 'data of %s' "$INPUT_TOKEN" > "$OUTPUT_FOLDER/data.txt"
printf '{"token": "%s"}' "$INPUT_TOKEN" > "$OUTPUT_FOLDER/outputs.json"
"#;

const METADATA: &str = "
key: test/steps
version: 1.0.0
type: computational
name: Steps
description: Prints numbered lines and gives back its token.
contact: test
inputs:
  token: {label: Token, description: Any text., type: string}
outputs:
  token: {label: Token, description: The input., type: string}
  data: {label: Data, description: A file with the token in it., type: 'data:text/plain'}
";

/// xorshift64*: repeatable, and good enough to choose moments.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) % limit
    }
}

struct Platform {
    child: Child,
    url: String,
}

impl Platform {
    fn start(data: &Path, services: &Path) -> Self {
        let arguments = ["--disk-free-min", "1MiB", "--log-filter", "error"];
        let (child, url) = support::up(data, Some(services), &arguments);
        Self { child, url }
    }

    /// The way a power cut would end it, as far as a process goes.
    fn kill(self) {
        drop(self);
    }
}

impl Drop for Platform {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[derive(Clone)]
struct Client {
    agent: ureq::Agent,
    url: Arc<Mutex<String>>,
}

impl Client {
    fn new() -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(30)))
            .build();
        Self {
            agent: config.into(),
            url: Arc::default(),
        }
    }

    fn path(&self, path: &str) -> String {
        format!("{}{path}", self.url.lock().unwrap())
    }

    fn bytes(&self, path: &str) -> Result<(u16, Vec<u8>), ureq::Error> {
        let mut answer = self.agent.get(self.path(path)).call()?;
        Ok((answer.status().as_u16(), answer.body_mut().read_to_vec()?))
    }

    fn json(&self, path: &str) -> Value {
        let (status, body) = self
            .bytes(path)
            .unwrap_or_else(|error| panic!("GET {path}: {error}"));
        assert_eq!(
            status,
            200,
            "GET {path}: {}",
            String::from_utf8_lossy(&body)
        );
        serde_json::from_slice(&body).unwrap()
    }

    fn submit(&self, key: &str, body: &Value) -> Result<(u16, Value), ureq::Error> {
        let mut answer = self
            .agent
            .post(self.path("/v1/jobs"))
            .header("idempotency-key", key)
            .send_json(body)?;
        Ok((answer.status().as_u16(), answer.body_mut().read_json()?))
    }
}

/// Submits jobs until told to stop, each under a key of its own, repeated until it is acknowledged.
fn load(
    client: &Client,
    stop: &AtomicBool,
    programs: &AtomicU64,
    thread: u64,
) -> Vec<(String, String, bool)> {
    let mut accepted = Vec::new();
    for n in 0.. {
        let token = format!("t{thread}-{n}");
        let program = n % 10 == 0 && programs.fetch_add(1, Ordering::Relaxed) < PROGRAMS_MAX;
        let body = if program {
            json!({"service": "test/steps:1", "inputs": {"token": token}})
        } else {
            json!({"service": "trefoil/echo", "inputs": {"value": token}})
        };
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            match client.submit(&token, &body) {
                Ok((202, job)) => {
                    accepted.push((job["id"].as_str().unwrap().to_owned(), token, program));
                    break;
                }
                Ok((status, problem)) => assert_eq!(status, 503, "{problem}"),
                Err(_) if stop.load(Ordering::Relaxed) => return accepted,
                Err(_) => thread::yield_now(),
            }
            assert!(Instant::now() < deadline, "not acknowledged for a minute");
        }
        if stop.load(Ordering::Relaxed) {
            return accepted;
        }
    }
    accepted
}

fn install(root: &Path) -> PathBuf {
    use std::os::unix::fs::PermissionsExt as _;
    let service = root.join("services/steps");
    fs::create_dir_all(&service).unwrap();
    fs::write(service.join("metadata.yml"), METADATA).unwrap();
    fs::write(service.join("run.sh"), SCRIPT).unwrap();
    fs::set_permissions(service.join("run.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    let record = root.join("record");
    let toml = format!(
        "[run]\ncommand = [\"./run.sh\"]\nenv = {{ RECORD = \"{}\" }}\n[resources]\ncpus = 0.1\nmemory = \"64MiB\"\n\
         [retry]\nmax_crashes = 100\ninitial = \"10ms\"\n",
        record.display()
    );
    fs::write(service.join("service.toml"), toml).unwrap();
    record
}

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

#[test]
fn killed_at_random_moments_it_loses_nothing_and_repeats_nothing() {
    let ci = std::env::var("CI").is_ok_and(|value| value == "true");
    let rounds = setting("TREFOIL_CRASH_ROUNDS").unwrap_or(if ci { 50 } else { 5 });
    let seed =
        setting("TREFOIL_CRASH_SEED").unwrap_or_else(|| u64::from(std::process::id()) << 20 | 1);
    println!("{rounds} rounds, TREFOIL_CRASH_SEED={seed}");
    let mut random = Random(seed);
    let root = tempfile::tempdir().unwrap();
    let (data, services) = (root.path().join("data"), root.path().join("services"));
    let record = install(root.path());
    let client = Client::new();
    let stop = Arc::new(AtomicBool::new(false));
    let programs = Arc::new(AtomicU64::new(0));

    let mut platform = Platform::start(&data, &services);
    client.url.lock().unwrap().clone_from(&platform.url);
    let loaders: Vec<_> = (0..4)
        .map(|thread| {
            let (client, stop, programs) =
                (client.clone(), Arc::clone(&stop), Arc::clone(&programs));
            thread::spawn(move || load(&client, &stop, &programs, thread))
        })
        .collect();
    // Nobody ever sends: receiving with a time-out is a wait.
    let (_keep, moment) = std::sync::mpsc::channel::<()>();
    for _ in 0..rounds {
        // The one wait of this test that is not for an event: the moment of death is what is random.
        let _ = moment.recv_timeout(Duration::from_millis(20 + random.below(500)));
        platform.kill();
        platform = Platform::start(&data, &services);
        client.url.lock().unwrap().clone_from(&platform.url);
    }
    stop.store(true, Ordering::Relaxed);
    let accepted: Vec<_> = loaders
        .into_iter()
        .flat_map(|loader| loader.join().unwrap())
        .collect();
    println!(
        "{} jobs accepted, {} of them programs",
        accepted.len(),
        accepted.iter().filter(|job| job.2).count()
    );
    assert!(
        accepted.len() > rounds as usize,
        "there was no load to speak of"
    );
    let ids: HashSet<&str> = accepted.iter().map(|(id, _, _)| id.as_str()).collect();
    assert_eq!(ids.len(), accepted.len(), "two submissions got one job");

    let retried = accepted
        .iter()
        .map(|(id, token, program)| check_job(&client, id, token, *program))
        .filter(|job| job["service"] == "test/steps:1.0.0" && job["attempt"] != 1);
    println!(
        "{} program jobs needed more than one attempt",
        retried.count()
    );
    check_runs(&client, &record);
    check_counts(&client, &accepted);
    terminate(platform);
    check_no_process_left(&data);
}

/// Waits for the end of a job and checks everything that is known of it.
fn check_job(client: &Client, id: &str, token: &str, program: bool) -> Value {
    let deadline = Instant::now() + Duration::from_secs(120);
    let job = loop {
        let mut answer = client
            .agent
            .get(client.path(&format!("/v1/jobs/{id}")))
            .header("prefer", "wait=20")
            .call()
            .unwrap();
        assert_eq!(answer.status(), 200, "job {id} was accepted");
        let job: Value = answer.body_mut().read_json().unwrap();
        if ["succeeded", "failed", "canceled"].contains(&job["state"].as_str().unwrap()) {
            break job;
        }
        assert!(Instant::now() < deadline, "job {id} does not end: {job}");
    };
    assert_eq!(job["state"], "succeeded", "{job}");
    let result = client.json(&format!("/v1/jobs/{id}/result"));
    if !program {
        assert_eq!(result, json!({"value": token}));
        return job;
    }
    assert_eq!(result["token"], token);
    let sha256 = result["data"]["sha256"].as_str().unwrap();
    let (status, data) = client
        .bytes(&format!("/v1/files/{sha256}/content"))
        .unwrap();
    assert_eq!(
        (status, String::from_utf8(data).unwrap()),
        (200, format!("data of {token}"))
    );
    let (_, log) = client.bytes(&format!("/v1/jobs/{id}/logs")).unwrap();
    let expected: String = (0..LINES)
        .map(|line| format!("line {line} of {token}\n"))
        .collect();
    assert_eq!(
        String::from_utf8(log).unwrap(),
        expected,
        "the log of {id} has a hole or a repetition"
    );
    let (_, events) = client.bytes(&format!("/v1/jobs/{id}/events")).unwrap();
    let events = String::from_utf8(events).unwrap();
    let ends = events.split("\n\n").filter(|event| {
        event.starts_with("event: state")
            && ["succeeded", "failed", "canceled"]
                .iter()
                .any(|end| event.contains(end))
    });
    assert_eq!(ends.count(), 1, "{events}");
    job
}

/// Every run of the script belongs to an attempt that is known, and no attempt ran twice.
fn check_runs(client: &Client, record: &Path) {
    let mut runs: HashMap<String, usize> = HashMap::new();
    // All of them: a job whose acceptance nobody was told of runs too.
    let page = client.json("/v1/jobs?limit=1000&service=test/steps");
    assert_eq!(page["next"], Value::Null);
    for job in page["items"].as_array().unwrap() {
        let id = job["id"].as_str().unwrap();
        let attempts = client.json(&format!("/v1/jobs/{id}/attempts"));
        for attempt in attempts["items"].as_array().unwrap() {
            runs.insert(attempt["attempt_id"].as_str().unwrap().to_owned(), 0);
        }
    }
    for line in fs::read_to_string(record).unwrap_or_default().lines() {
        let run = runs
            .get_mut(line)
            .unwrap_or_else(|| panic!("attempt {line} ran and is not known"));
        *run += 1;
        assert_eq!(*run, 1, "attempt {line} ran twice");
    }
}

/// The list knows the accepted jobs and no other (a key that was never acknowledged may have been accepted).
fn check_counts(client: &Client, accepted: &[(String, String, bool)]) {
    let mut listed = BTreeMap::new();
    let mut cursor = String::new();
    loop {
        let page = client.json(&format!("/v1/jobs?limit=1000{cursor}"));
        for job in page["items"].as_array().unwrap() {
            listed.insert(job["id"].as_str().unwrap().to_owned(), job["state"].clone());
        }
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    for (id, _, _) in accepted {
        assert_eq!(listed[id], "succeeded");
    }
    // Each of the four loaders may have had one request under way when it was told to stop.
    assert!(
        listed.len() <= accepted.len() + 4,
        "{} listed, {} accepted",
        listed.len(),
        accepted.len()
    );
}

fn terminate(mut platform: Platform) {
    let pid = rustix::process::Pid::from_child(&platform.child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert!(
        platform.child.wait().unwrap().success(),
        "SIGTERM is a graceful end"
    );
}

fn check_no_process_left(data: &Path) {
    let needle = data.display().to_string();
    for entry in fs::read_dir("/proc").unwrap().filter_map(Result::ok) {
        let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
        assert!(
            !String::from_utf8_lossy(&environment).contains(&needle),
            "process {} of a job is left",
            entry.file_name().display()
        );
    }
}
