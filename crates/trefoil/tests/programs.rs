//! Services that are programs, as their users meet them: a real `trefoil up`, scripts, and the HTTP API.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "support/up.rs"]
mod support;

use std::{
    fs,
    io::{BufRead as _, BufReader},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

/// Longer than anything here takes on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);

/// A platform with directories of its own, which outlive its process.
struct Platform {
    root: tempfile::TempDir,
    arguments: Vec<&'static str>,
    child: Child,
    url: String,
    agent: ureq::Agent,
}

impl Platform {
    /// Starts with services, each a key, its script and more of `service.toml`.
    fn with(services: &[(&str, &str, &str)], arguments: &[&'static str]) -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("services")).unwrap();
        for (key, script, toml) in services {
            install(root.path(), key, script, toml);
        }
        let (child, url) = start(root.path(), arguments);
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(DEADLINE))
            .build();
        Self {
            root,
            arguments: arguments.to_vec(),
            child,
            url,
            agent: config.into(),
        }
    }

    fn start_again(&mut self) {
        (self.child, self.url) = start(self.root.path(), &self.arguments);
    }

    /// SIGTERM, and everything that it entails.
    fn stop(&mut self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        assert!(self.child.wait().unwrap().success());
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn install(&self, key: &str, script: &str, toml: &str) {
        install(self.root.path(), key, script, toml);
    }

    fn bytes(&self, path: &str) -> (u16, Vec<u8>) {
        let url = format!("{}{path}", self.url);
        let mut answer = self.agent.get(url).header("prefer", "wait=1").call();
        let answer = answer.as_mut().unwrap();
        let body = answer.body_mut().read_to_vec().unwrap();
        (answer.status().as_u16(), body)
    }

    fn get(&self, path: &str) -> Value {
        let (_, body) = self.bytes(path);
        serde_json::from_slice(&body).unwrap()
    }

    fn try_submit(&self, body: &Value) -> (u16, Value) {
        let url = format!("{}/v1/jobs", self.url);
        let mut answer = self.agent.post(url).send_json(body).unwrap();
        let said = answer.body_mut().read_json().unwrap();
        (answer.status().as_u16(), said)
    }

    fn submit(&self, service: &str, inputs: Value) -> String {
        let (status, job) = self.try_submit(&json!({"service": service, "inputs": inputs}));
        assert_eq!(status, 202, "{job}");
        job["id"].as_str().unwrap().to_owned()
    }

    fn post(&self, path: &str) {
        let answer = self.agent.post(format!("{}{path}", self.url)).send_empty();
        assert!(answer.unwrap().status().is_success());
    }

    /// The job as soon as `wanted` is true of it.
    fn until(&self, id: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        eventually(|| {
            let job = self.get(&format!("/v1/jobs/{id}"));
            match wanted(&job) {
                true => Ok(job),
                false => Err(job.to_string()),
            }
        })
    }

    fn end(&self, id: &str) -> Value {
        self.until(id, |job| {
            ["succeeded", "failed", "canceled"].contains(&job["state"].as_str().unwrap())
        })
    }

    fn log(&self, id: &str) -> String {
        String::from_utf8(self.bytes(&format!("/v1/jobs/{id}/logs")).1).unwrap()
    }

    /// Waits until the log has this line: the program is there.
    fn until_log(&self, id: &str, line: &str) {
        eventually(|| {
            let log = self.log(id);
            match log.lines().any(|one| one == line) {
                true => Ok(()),
                false => Err(log),
            }
        });
    }

    fn processes(&self) -> Vec<String> {
        processes_of(&self.root.path().display().to_string())
    }
}

/// Every process of any attempt below `directory`, by its environment.
fn processes_of(directory: &str) -> Vec<String> {
    let entries = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let ours = entries.filter(|entry| {
        let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
        String::from_utf8_lossy(&environment).contains(directory)
    });
    ours.map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

impl Drop for Platform {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        // What a failed test left running would wait for its end.
        for pid in self.processes() {
            if let Some(pid) = pid.parse().ok().and_then(Pid::from_raw) {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
    }
}

fn start(root: &Path, arguments: &[&str]) -> (Child, String) {
    let quiet = ["--disk-free-min", "1MiB", "--log-filter", "off"];
    let arguments = [quiet.as_slice(), arguments].concat();
    support::up(&root.join("data"), Some(&root.join("services")), &arguments)
}

/// A service with one optional text and one optional number as inputs, and no outputs but files that `toml` cannot say.
fn install(root: &Path, key: &str, script: &str, toml: &str) {
    let dir = root.join("services").join(key.replace('/', "-"));
    fs::create_dir_all(&dir).unwrap();
    let run = dir.join("run.sh");
    fs::write(&run, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&run, fs::Permissions::from_mode(0o755)).unwrap();
    let small = "[resources]\ncpus = 0.1\nmemory = \"64MiB\"\n";
    let toml = format!("[run]\ncommand = [\"./run.sh\"]\n{small}{toml}\n");
    fs::write(dir.join("service.toml"), toml).unwrap();
    // Last: a directory without it is no service yet.
    fs::write(dir.join("metadata.yml"), metadata(key)).unwrap();
}

fn metadata(key: &str) -> String {
    let outputs = match key {
        "t/folder" => {
            "\n  data: {label: Data, description: A file., type: 'data:text/plain', fileToKeyMap: {named.txt: data}}\
             \n  sum: {label: Sum, description: A number., type: number}"
        }
        _ => " {}",
    };
    format!(
        "key: {key}\nversion: 1.0.0\ntype: computational\nname: Test\ndescription: A test.\ncontact: test\ninputs:\n  \
         text: {{label: Text, description: Any., type: string, defaultValue: none}}\n  \
         number: {{label: Number, description: Any., type: number, defaultValue: 1.5}}\noutputs:{outputs}\n"
    )
}

/// What `probe` gives, asked again until it does.
fn eventually<T>(mut probe: impl FnMut() -> Result<T, String>) -> T {
    let deadline = Instant::now() + DEADLINE;
    loop {
        match probe() {
            Ok(found) => return found,
            Err(seen) => assert!(Instant::now() < deadline, "not in time: {seen}"),
        }
        std::thread::yield_now();
    }
}

#[test]
fn a_program_finds_its_folders_and_its_outputs_are_found() {
    let script = r#"cd "$INPUT_FOLDER" && cat inputs.json && echo
        echo "text=$INPUT_TEXT number=$INPUT_NUMBER attempt=$TREFOIL_ATTEMPT service=$TREFOIL_SERVICE"
        readlink /proc/self/fd/0
        echo kept > "$LOG_FOLDER/notes.txt"
        echo told > /dev/stderr
        echo "[PROGRESS] 50% half"
        printf 'the data' > "$OUTPUT_FOLDER/named.txt"
        printf '{"sum": 3.5}' > "$OUTPUT_FOLDER/outputs.json""#;
    let platform = Platform::with(&[("t/folder", script, "")], &[]);
    let id = platform.submit("t/folder", json!({"text": "a b"}));
    let job = platform.end(&id);
    assert_eq!(job["state"], "succeeded", "{job}");
    assert_eq!(
        platform.log(&id),
        "{\"number\":1.5,\"text\":\"a b\"}\ntext=a b number=1.5 attempt=1 service=t/folder:1.0.0\n/dev/null\n\
         told\n[PROGRESS] 50% half\n"
    );
    let result = platform.get(&format!("/v1/jobs/{id}/result"));
    assert_eq!(
        (&result["sum"], &result["data"]["name"]),
        (&json!(3.5), &json!("named.txt"))
    );
    let path = format!(
        "/v1/files/{}/content",
        result["data"]["sha256"].as_str().unwrap()
    );
    assert_eq!(platform.bytes(&path), (200, b"the data".to_vec()));
}

#[test]
fn a_canceled_program_leaves_nobody_behind() {
    // A daemon, deaf to SIGTERM, in a session of its own and without the environment that it could be known by.
    let script = r#"trap '' TERM
        (env -i setsid sh -c "trap '' TERM; echo \$\$; while :; do sleep 0.1; done" &)
        while :; do sleep 0.1; done"#;
    let platform = Platform::with(&[("t/daemon", script, "[limits]\ngrace = \"100ms\"")], &[]);
    let id = platform.submit("t/daemon", json!({}));
    let daemon = eventually(|| {
        let log = platform.log(&id);
        log.trim().parse::<i32>().map_err(|error| error.to_string())
    });
    platform.post(&format!("/v1/jobs/{id}:cancel"));
    assert_eq!(platform.end(&id)["state"], "canceled");
    assert!(fs::metadata(format!("/proc/{daemon}")).is_err());
    assert_eq!(platform.processes(), Vec::<String>::new());
}

#[test]
fn an_end_decides_what_follows() {
    let retry = "[retry]\ninitial = \"10ms\"\n";
    let services = [
        ("t/flaky", "test \"$TREFOIL_ATTEMPT\" = 3 || exit 75", retry),
        ("t/wrong", "echo why; exit 3", retry),
        (
            "t/slow",
            "trap '' TERM; echo up; while :; do sleep 0.05; done",
            "[limits]\nattempt_soft = \"200ms\"\ngrace = \"100ms\"",
        ),
        ("t/chatty", "exec yes", "[limits]\nlog = \"64KiB\""),
        (
            "t/orphan",
            "kill -9 $PPID; sleep 60",
            "[retry]\ninitial = \"10ms\"\nmax_crashes = 1",
        ),
    ];
    let platform = Platform::with(&services, &[]);
    let ids = services.map(|(key, ..)| platform.submit(key, json!({})));
    let [flaky, wrong, slow, chatty, orphan] = ids.each_ref().map(|id| platform.end(id));
    assert_eq!(
        (&flaky["state"], &flaky["attempt"]),
        (&json!("succeeded"), &json!(3))
    );
    assert_eq!(
        (&wrong["attempt"], &wrong["error"]["class"]),
        (&json!(1), &json!("application"))
    );
    assert_eq!(
        (&wrong["error"]["exit_code"], &wrong["error"]["log_tail"]),
        (&json!(3), &json!(["why"]))
    );
    assert_eq!(slow["error"]["class"], "timed_out", "{slow}");
    assert!(
        chatty["error"]["message"].as_str().unwrap().contains("log"),
        "{chatty}"
    );
    assert_eq!(platform.log(&ids[3]).len(), 64 * 1024 + 1);
    assert_eq!(
        (&orphan["attempt"], &orphan["error"]["class"]),
        (&json!(2), &json!("lost"))
    );
    assert_eq!(platform.processes(), Vec::<String>::new());
}

#[test]
fn a_drain_hands_back_and_a_kill_does_not_interrupt() {
    let script = "echo \"up $TREFOIL_ATTEMPT\"; until [ -e \"$INPUT_TEXT\" ]; do sleep 0.02; done; echo done";
    let mut platform = Platform::with(
        &[("t/waits", script, "[limits]\ngrace = \"100ms\"")],
        &["--drain-timeout", "100ms"],
    );
    let go = platform.root.path().join("go");
    let id = platform.submit("t/waits", json!({"text": go}));
    platform.until_log(&id, "up 1");
    platform.stop();
    assert_eq!(
        platform.processes(),
        Vec::<String>::new(),
        "nothing is left of a stop"
    );

    platform.start_again();
    platform.until_log(&id, "up 2");
    platform.kill();
    fs::write(&go, "").unwrap();
    eventually(|| match platform.processes() {
        left if left.is_empty() => Ok(()),
        left => Err(format!("{left:?}")),
    });
    // It ended while nobody was there.
    platform.start_again();
    let job = platform.end(&id);
    assert_eq!(
        (&job["state"], &job["attempt"]),
        (&json!("succeeded"), &json!(2)),
        "{job}"
    );
    assert_eq!(platform.log(&id), "up 2\ndone\n");
}

#[test]
fn directories_are_watched() {
    let mut platform = Platform::with(&[("t/first", "echo 1", "")], &[]);
    let known = |platform: &Platform, key: &str| {
        let (status, _) = platform.bytes(&format!("/v1/services/{key}:1.0.0"));
        status == 200
    };
    platform.install(
        "t/second",
        "until [ -e \"$INPUT_TEXT\" ]; do sleep 0.02; done",
        "",
    );
    eventually(|| {
        known(&platform, "t/second")
            .then_some(())
            .ok_or_else(String::new)
    });

    // One that breaks says where, keeps what it had, and hides no other.
    let services = platform.root.path().join("services");
    let broken = services.join("t-first/metadata.yml");
    fs::write(&broken, "key: t/first\nversion: [\n").unwrap();
    let problem = eventually(|| {
        let list = platform.get("/v1/services");
        list["broken"]
            .get(0)
            .cloned()
            .ok_or_else(|| list.to_string())
    });
    assert_eq!(problem["file"], broken.display().to_string());
    assert!(problem["line"].as_u64().unwrap() >= 2, "{problem}");
    assert!(known(&platform, "t/first") && known(&platform, "t/second"));

    // The same version twice: the second one is told by its own place.
    platform.install("t/first", "echo 1", "");
    let twice = services.join("twice/metadata.yml");
    fs::create_dir(services.join("twice")).unwrap();
    fs::write(&twice, metadata("t/first")).unwrap();
    eventually(|| {
        let list = platform.get("/v1/services");
        let told = list["broken"]
            .get(0)
            .is_some_and(|problem| problem["file"] == twice.display().to_string());
        told.then_some(()).ok_or_else(|| list.to_string())
    });

    // A job that waits for one that is gone says so, after a restart too, and runs when it is back.
    let pause = |platform: &Platform| platform.post("/v1/services/t/second:1.0.0:pause");
    pause(&platform);
    let go = platform.root.path().join("go");
    fs::write(&go, "").unwrap();
    let id = platform.submit("t/second", json!({"text": go}));
    let aside = platform.root.path().join("aside");
    fs::rename(services.join("t-second"), &aside).unwrap();
    let retired = |job: &Value| job["reason"]["code"] == "retired";
    platform.until(&id, retired);
    platform.stop();
    platform.start_again();
    platform.until(&id, retired);
    fs::rename(&aside, services.join("t-second")).unwrap();
    assert_eq!(platform.end(&id)["state"], "succeeded");

    // All of them may be replaced at once.
    let other = platform.root.path().join("other");
    fs::rename(&services, &other).unwrap();
    fs::create_dir(&services).unwrap();
    platform.install("t/third", "echo 3", "");
    eventually(|| {
        (known(&platform, "t/third"))
            .then_some(())
            .ok_or_else(String::new)
    });
    let id = platform.submit("t/third", json!({}));
    assert_eq!(platform.end(&id)["state"], "succeeded");
}

#[test]
fn a_retired_service_ends_what_it_began() {
    let script = "until [ -e \"$INPUT_TEXT\" ]; do sleep 0.02; done; cat \"$0\" > /dev/null && echo still here";
    let mut platform = Platform::with(&[], &[]);
    let publish = |platform: &Platform| {
        let body = json!({
            "metadata": metadata("p/waits"),
            "service": "[run]\ncommand = [\"./run.sh\"]\n[resources]\ncpus = 0.1\nmemory = \"64MiB\"\n",
            "files": {"run.sh": format!("#!/bin/sh\necho up\n{script}\n")},
        });
        let url = format!("{}/v1/services/p/waits:1.0.0", platform.url);
        platform
            .agent
            .put(url)
            .send_json(&body)
            .unwrap()
            .status()
            .as_u16()
    };
    assert_eq!(publish(&platform), 201);
    let go = platform.root.path().join("go");
    let ids = [0, 1].map(|_| platform.submit("p/waits", json!({"text": go})));
    ids.iter().for_each(|id| platform.until_log(id, "up"));
    let url = format!("{}/v1/services/p/waits:1.0.0", platform.url);
    assert!(
        platform
            .agent
            .delete(url)
            .call()
            .unwrap()
            .status()
            .is_success()
    );
    let (status, problem) = platform.try_submit(&json!({"service": "p/waits", "inputs": {}}));
    assert_eq!(status, 404, "{problem}");

    // Over a restart too.
    platform.kill();
    platform.start_again();
    fs::write(&go, "").unwrap();
    for id in &ids {
        let job = platform.end(id);
        assert_eq!(job["state"], "succeeded", "{job}");
        assert_eq!(platform.log(id), "up\nstill here\n");
    }
    let (status, problem) = platform.try_submit(&json!({"service": "p/waits", "inputs": {}}));
    assert_eq!(status, 404, "{problem}");
    assert_eq!(publish(&platform), 201, "and it may come back");
    let id = platform.submit("p/waits", json!({"text": go}));
    assert_eq!(platform.end(&id)["state"], "succeeded");
}

#[test]
fn a_log_that_cannot_be_written_ends_nothing() {
    let root = tempfile::tempdir().unwrap();
    let full = fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let mut up = Command::new(env!("CARGO_BIN_EXE_trefoil"))
        .args([
            "up",
            "--http-listen",
            "127.0.0.1:0",
            "--thrift-listen",
            "127.0.0.1:0",
            "--amqp-listen",
            "127.0.0.1:0",
            "--management-listen",
            "127.0.0.1:0",
            "--log-filter",
            "trace",
            "--data",
        ])
        .arg(root.path().join("data"))
        .stdout(Stdio::piped())
        .stderr(full)
        .spawn()
        .unwrap();
    let mut said = String::new();
    let mut stdout = BufReader::new(up.stdout.take().unwrap());
    stdout.read_line(&mut said).unwrap();
    assert!(said.contains("is up"), "{said:?}");
    kill_process(Pid::from_child(&up), Signal::TERM).unwrap();
    assert!(up.wait().unwrap().success());
}

#[test]
fn an_interrupted_demo_leaves_nothing_behind() {
    let mut demo = Command::new(env!("CARGO_BIN_EXE_trefoil"))
        .args(["demo", "--color", "never"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(demo.stderr.take().unwrap()).lines();
    let mut said = |wanted: &str| {
        let found = lines
            .by_ref()
            .map(Result::unwrap)
            .find(|line| line.contains(wanted));
        found.unwrap_or_else(|| panic!("the demo never said {wanted:?}"))
    };
    let up = said("its data in ");
    let (_, directory) = up.rsplit_once("its data in ").unwrap();
    said("running");
    kill_process(Pid::from_child(&demo), Signal::INT).unwrap();
    let rest = std::thread::spawn(move || lines.map_while(Result::ok).collect::<Vec<_>>());
    let status = demo.wait().unwrap();
    assert_eq!(status.code(), Some(130), "{:?}", rest.join());
    assert!(fs::metadata(directory).is_err());
    assert_eq!(processes_of(directory), Vec::<String>::new());
}
