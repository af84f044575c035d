//! Providers that the platform starts, and instances that files name: whole nodes, real processes, calls under way.

use std::{
    ffi::OsString,
    fs,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use serde_json::{Value, json};
use trefoil_director::InstanceState;
use trefoil_server::{Node, NodeConfig, thrift::Thrift};
use trefoil_thrift::{
    ApplicationError, ApplicationErrorKind, Limits,
    connection::{ReplyKind, Server, ServerEvent},
    framing::Protocol,
};

use crate::{
    caller::{Caller, contract, serve},
    support::Case,
};

pub(crate) const ALL: &[(&str, Case)] = &[
    ("a_provider_is_started_and_started_again", || {
        Box::pin(a_provider_is_started_and_started_again())
    }),
    ("no_call_fails_while_a_provider_is_replaced", || {
        Box::pin(no_call_fails_while_a_provider_is_replaced())
    }),
    ("no_call_fails_while_a_contract_is_replaced", || {
        Box::pin(no_call_fails_while_a_contract_is_replaced())
    }),
    ("a_provider_that_is_not_wanted_ends", || {
        Box::pin(a_provider_that_is_not_wanted_ends())
    }),
    ("a_provider_that_cannot_start_says_why", || {
        Box::pin(a_provider_that_cannot_start_says_why())
    }),
    ("a_provider_dies_with_the_platform", || {
        Box::pin(a_provider_dies_with_the_platform())
    }),
];

const SERVICE: &str = "lab/who:1.0.0";

const CONTRACT: &str = r#"
service Who {
  /** The process that answers. */
  i64 pid()
  /** VALUE of its environment. */
  i64 value()
} (trefoil.key = "lab/who", trefoil.version = "1.0.0")
"#;

/// This executable as a provider: answers every method with its own process id, or with `VALUE`.
pub(crate) fn provide(arguments: &[OsString]) -> ExitCode {
    let port = arguments[0].to_str().unwrap().parse::<u16>().unwrap();
    println!("listens on {port}");
    answer(
        &TcpListener::bind(("127.0.0.1", port)).unwrap(),
        |name| match name {
            "pid" => Some(i64::from(std::process::id())),
            "value" => std::env::var("VALUE").ok()?.parse().ok(),
            _ => None,
        },
    );
    ExitCode::SUCCESS
}

fn answer(listener: &TcpListener, does: impl Fn(&str) -> Option<i64> + Clone + Send + 'static) {
    for stream in listener.incoming() {
        let (stream, does) = (stream.unwrap(), does.clone());
        thread::spawn(move || answer_one(stream, &does));
    }
}

fn answer_one(mut stream: TcpStream, does: &dyn Fn(&str) -> Option<i64>) {
    let mut server = Server::new(Limits::default());
    let mut input = Vec::new();
    let mut block = [0; 4_096];
    loop {
        match stream.read(&mut block) {
            Ok(0) | Err(_) => return,
            Ok(bytes) => input.extend_from_slice(&block[..bytes]),
        }
        let mut rest = &input[..];
        while let Some(event) = server.poll_request(&mut rest) {
            let ServerEvent::Request(request) = event else {
                return;
            };
            let id = request.id.unwrap();
            match does(&request.header.name) {
                Some(answer) => {
                    let mut body = b"\x0a\x00\x00".to_vec();
                    body.extend_from_slice(&answer.to_be_bytes());
                    body.push(0);
                    server.reply_raw(id, ReplyKind::Reply, &[], &body);
                }
                None => {
                    let unknown = ApplicationError::new(ApplicationErrorKind::UnknownMethod, "?");
                    server.reply_error(id, &unknown);
                }
            }
        }
        let taken = input.len() - rest.len();
        input.drain(..taken);
        let mut output = Vec::new();
        server.take_output(&mut output);
        if stream.write_all(&output).is_err() {
            return;
        }
    }
}

/// A node with one service, and its endpoint.
struct World {
    data: tempfile::TempDir,
    node: Arc<Node>,
    thrift: Thrift,
}

impl World {
    async fn new(service_toml: &str) -> Self {
        let data = tempfile::tempdir().unwrap();
        let world_dir = data.path().join("services/who");
        fs::create_dir_all(&world_dir).unwrap();
        fs::write(world_dir.join("contract.thrift"), CONTRACT).unwrap();
        fs::write(world_dir.join("service.toml"), service_toml).unwrap();
        let node = node(data.path()).await;
        let thrift = serve(&node, Duration::from_secs(30));
        Self { data, node, thrift }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.data.path().join("services/who").join(name)
    }

    /// As an editor does it: nobody sees half of it.
    fn write(&self, name: &str, text: &str) {
        let new = self.data.path().join("new");
        fs::write(&new, text).unwrap();
        fs::rename(new, self.file(name)).unwrap();
    }

    fn caller(&self) -> Caller {
        let contract = contract(&self.node, "lab/who");
        Caller::new(&self.thrift, contract, Protocol::Binary, Some("lab/who"))
    }

    /// Names of the instances that are not gone.
    fn instances(&self) -> Vec<(String, InstanceState)> {
        let views = self
            .thrift
            .instances(|all| all.views(&SERVICE.parse().unwrap()));
        let there = views.iter().filter(|it| it.state != InstanceState::Gone);
        there
            .map(|it| (it.registered.id.name.to_string(), it.state))
            .collect()
    }

    fn log(&self) -> String {
        let log = self.data.path().join("data/providers/lab%who@1.0.0/log");
        fs::read_to_string(log).unwrap_or_default()
    }
}

async fn node(data: &Path) -> Arc<Node> {
    let supervisor = std::env::current_exe().unwrap();
    let mut config = NodeConfig::new(data.join("data"), supervisor);
    config.disk_free_min = 0;
    config.services = vec![data.join("services")];
    Node::start(config).await.unwrap()
}

fn provider(value: u32) -> String {
    let executable = std::env::current_exe().unwrap();
    let executable = executable.to_str().unwrap();
    format!(
        "[provider]\ncommand = ['{executable}', \"provide\", \"{{port}}\"]\ntransport = \"framed\"\nprotocol = \"binary\"\n\
         env = {{ VALUE = \"{value}\" }}\ngrace = \"5s\"\n"
    )
}

/// Looks again and again; the time of the case bounds it.
async fn until<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let mut every = tokio::time::interval(Duration::from_millis(5));
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        every.tick().await;
    }
}

fn success(reply: Result<Value, ApplicationError>) -> i64 {
    let reply = reply.unwrap_or_else(|error| panic!("{error}"));
    // 64 bits are text in JSON beyond what a double holds.
    let value = &reply["success"];
    value.as_i64().unwrap_or_else(|| panic!("{reply}"))
}

fn call(caller: &mut Caller, method: &str) -> i64 {
    tokio::task::block_in_place(|| success(caller.call(method, &json!({}))))
}

/// The provider as soon as there is one that is well.
async fn healthy(world: &World) -> String {
    until(|| {
        let instances = world.instances().into_iter();
        let mut well = instances.filter(|(_, state)| *state == InstanceState::Healthy);
        well.next().map(|(name, _)| name)
    })
    .await
}

fn is_alive(pid: i64) -> bool {
    // A zombie is none: whoever has to reap it does so in its time.
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

async fn a_provider_is_started_and_started_again() {
    let world = World::new(&provider(7)).await;
    assert_eq!(healthy(&world).await, "process-1");
    let mut caller = world.caller();
    assert_eq!(call(&mut caller, "value"), 7);
    let first = call(&mut caller, "pid");
    assert!(
        world.log().starts_with("process-1 | listens on "),
        "{}",
        world.log()
    );
    kill("KILL", first);
    until(|| (healthy_name(&world)? == "process-2").then_some(())).await;
    let second = call(&mut caller, "pid");
    assert_ne!(first, second);
    assert_eq!(world.instances().len(), 1);
    world.thrift.stop(Duration::ZERO).await;
    assert!(!is_alive(second), "the platform has stopped");
    world.node.stop(Duration::ZERO).await;
}

fn healthy_name(world: &World) -> Option<String> {
    let mut instances = world.instances().into_iter();
    instances.find_map(|(name, state)| (state == InstanceState::Healthy).then_some(name))
}

fn kill(signal: &str, pid: i64) {
    let status = Command::new("/bin/sh")
        .args(["-c", &format!("kill -{signal} {pid}")])
        .status()
        .unwrap();
    assert!(status.success());
}

/// Callers that go on until they are told to stop: what they saw last, and how many calls there were. One that fails
/// panics.
struct Traffic {
    stop: Arc<AtomicBool>,
    calls: Arc<AtomicU64>,
    threads: Vec<thread::JoinHandle<()>>,
}

impl Traffic {
    fn new(world: &World, method: &'static str) -> Self {
        let (stop, calls) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let threads = (0..2).map(|_| {
            let (stop, calls, mut caller) = (Arc::clone(&stop), Arc::clone(&calls), world.caller());
            thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    success(caller.call(method, &json!({})));
                    calls.fetch_add(1, Ordering::Relaxed);
                }
            })
        });
        let threads = threads.collect();
        Self {
            stop,
            calls,
            threads,
        }
    }

    /// Waits for calls that began after this.
    async fn go_on(&self) {
        let enough = self.calls.load(Ordering::Relaxed) + 200;
        until(|| (self.calls.load(Ordering::Relaxed) > enough || self.has_failed()).then_some(()))
            .await;
    }

    fn has_failed(&self) -> bool {
        self.threads.iter().any(thread::JoinHandle::is_finished)
    }

    fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().expect("no call failed");
        }
    }
}

async fn no_call_fails_while_a_provider_is_replaced() {
    let world = World::new(&provider(1)).await;
    healthy(&world).await;
    let mut caller = world.caller();
    let mut pid = call(&mut caller, "pid");
    let traffic = Traffic::new(&world, "value");
    for value in 2..=3 {
        traffic.go_on().await;
        world.write("service.toml", &provider(value));
        until(|| {
            let is_new = call(&mut caller, "value") == i64::from(value);
            (is_new && world.instances().len() == 1 || traffic.has_failed()).then_some(())
        })
        .await;
        until(|| (!is_alive(pid)).then_some(())).await;
        pid = call(&mut caller, "pid");
    }
    // One that never works replaces nothing.
    let broken = "[provider]\ncommand = [\"sh\", \"-c\", \"echo cannot; exit 1\", \"{port}\"]\n";
    world.write("service.toml", broken);
    until(|| {
        let is_tried = world.log().contains("process-4 | cannot");
        (is_tried || traffic.has_failed()).then_some(())
    })
    .await;
    traffic.go_on().await;
    assert_eq!(call(&mut caller, "pid"), pid);
    traffic.end();
    world.thrift.stop(Duration::ZERO).await;
    world.node.stop(Duration::ZERO).await;
}

async fn no_call_fails_while_a_contract_is_replaced() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || answer(&listener, |name| (name != "getName").then_some(5)));
    let toml = |name: &str| format!("[[instances]]\nname = \"{name}\"\naddress = \"{address}\"\n");
    let world = World::new(&toml("fixed")).await;
    assert_eq!(healthy(&world).await, "fixed");
    let traffic = Traffic::new(&world, "value");
    for round in 0..5 {
        traffic.go_on().await;
        let added = format!("  i64 added{round}()\n}} (");
        world.write("contract.thrift", &CONTRACT.replace("} (", &added));
        let method = format!("added{round}");
        let method = until(|| {
            let contract = contract(&world.node, "lab/who");
            let is_there = world.thrift.find(&format!("lab/who:{method}")).is_ok();
            (contract.find(&method).is_ok() && is_there).then(|| method.clone())
        })
        .await;
        assert_eq!(call(&mut world.caller(), &method), 5);
    }
    traffic.go_on().await;
    traffic.end();
    // The file names another, then none.
    world.write("service.toml", &toml("other"));
    until(|| (healthy_name(&world)? == "other" && world.instances().len() == 1).then_some(()))
        .await;
    fs::remove_file(world.file("service.toml")).unwrap();
    until(|| world.instances().is_empty().then_some(())).await;
    world.thrift.stop(Duration::ZERO).await;
    world.node.stop(Duration::ZERO).await;
}

async fn a_provider_that_is_not_wanted_ends() {
    let world = World::new(&provider(1)).await;
    healthy(&world).await;
    let mut caller = world.caller();
    let first = call(&mut caller, "pid");
    let id = SERVICE.parse().unwrap();
    world.node.services.pause(&id).await.unwrap();
    until(|| (!is_alive(first) && world.instances().is_empty()).then_some(())).await;
    world.node.services.resume(&id).await.unwrap();
    healthy(&world).await;
    let second = call(&mut caller, "pid");
    fs::remove_dir_all(world.file("")).unwrap();
    until(|| (!is_alive(second) && world.instances().is_empty()).then_some(())).await;
    world.thrift.stop(Duration::ZERO).await;
    world.node.stop(Duration::ZERO).await;
}

async fn a_provider_that_cannot_start_says_why() {
    let world = World::new("[provider]\ncommand = [\"./none\", \"{port}\"]\n").await;
    let log = until(|| Some(world.log()).filter(|log| log.contains("process-2"))).await;
    assert!(
        log.starts_with("process-1 | cannot run ./none: No such file"),
        "{log}"
    );
    // One that does not end when it is told to, and what it started, is killed.
    let script = "trap '' TERM; sleep 600 & echo $!; echo $$; wait; wait";
    let toml = format!(
        "[provider]\ncommand = [\"sh\", \"-c\", \"{script}\", \"{{port}}\"]\ngrace = \"100ms\"\n"
    );
    world.write("service.toml", &toml);
    let pids: Vec<i64> = until(|| {
        let log = world.log();
        let words = log.lines().filter_map(|line| line.split(" | ").nth(1));
        let pids: Vec<i64> = words.filter_map(|word| word.parse().ok()).collect();
        (pids.len() == 2).then_some(pids)
    })
    .await;
    assert!(pids.iter().all(|pid| is_alive(*pid)));
    world.thrift.stop(Duration::ZERO).await;
    until(|| pids.iter().all(|pid| !is_alive(*pid)).then_some(())).await;
    world.node.stop(Duration::ZERO).await;
}

/// This executable as a platform with the services below a directory: says where it is called, and stays.
pub(crate) fn platform(arguments: &[OsString]) -> ExitCode {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let node = node(Path::new(&arguments[0])).await;
        let _thrift = serve(&node, Duration::from_secs(30));
        std::future::pending::<ExitCode>().await
    })
}

async fn a_provider_dies_with_the_platform() {
    let data = tempfile::tempdir().unwrap();
    let dir = data.path().join("services/who");
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join("contract.thrift"), CONTRACT).unwrap();
    let toml = "[provider]\ncommand = [\"sh\", \"-c\", \"echo $$; exec sleep 600\", \"{port}\"]\n";
    fs::write(dir.join("service.toml"), toml).unwrap();
    let mut platform = Command::new(std::env::current_exe().unwrap())
        .arg("provide-platform")
        .arg(data.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let log = data.path().join("data/providers/lab%who@1.0.0/log");
    let pid: i64 = until(|| {
        let log = fs::read_to_string(&log).ok()?;
        log.strip_prefix("process-1 | ")?.trim_end().parse().ok()
    })
    .await;
    assert!(is_alive(pid));
    platform.kill().unwrap();
    platform.wait().unwrap();
    until(|| (!is_alive(pid)).then_some(())).await;
}
