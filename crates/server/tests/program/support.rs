//! What the cases share.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs,
    io::{Read as _, Write as _},
    path::{Path, PathBuf},
    pin::Pin,
    process::{Command, ExitCode, Stdio},
    str::FromStr as _,
    time::Duration,
};

use trefoil_jobs::AttemptId;
use trefoil_server::program::{
    Adoption, AttemptDir, End, ExitReport, Limits, Program, Running, Supervisor, adopt,
};

pub(crate) type Case = fn() -> Pin<Box<dyn Future<Output = ()>>>;

/// Longer than anything here takes on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);

/// Runs one case on a runtime of its own.
pub(crate) fn run(case: Case) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        tokio::time::timeout(DEADLINE, case())
            .await
            .expect("in time")
    });
}

/// One attempt in a data directory of its own.
pub(crate) struct Attempt {
    pub(crate) data: tempfile::TempDir,
    pub(crate) id: AttemptId,
    pub(crate) dir: AttemptDir,
    pub(crate) program: Program,
}

impl Attempt {
    /// An attempt at a shell script.
    pub(crate) fn shell(script: &str) -> Self {
        Self::of(["/bin/sh", "-c", script].map(str::to_owned).to_vec())
    }

    pub(crate) fn of(argv: Vec<String>) -> Self {
        let data = tempfile::tempdir().unwrap();
        let id = AttemptId::from_bytes(*uuid::Uuid::from_u128(random()).as_bytes());
        let dir = AttemptDir::new(data.path(), id);
        let env = BTreeMap::from([
            ("PATH".to_owned(), "/usr/local/bin:/usr/bin:/bin".to_owned()),
            ("OUT".to_owned(), dir.path().to_str().unwrap().to_owned()),
        ]);
        let program = Program {
            argv,
            env,
            cwd: dir.work(),
            limits: Limits::default(),
            grace_ms: 30_000,
        };
        Self {
            data,
            id,
            dir,
            program,
        }
    }

    pub(crate) async fn start(&self) -> Running {
        supervisor().start(&self.dir, &self.program).await.unwrap()
    }

    /// Runs to the end.
    pub(crate) async fn report(&self) -> ExitReport {
        self.start().await.wait().await
    }

    pub(crate) async fn end(&self) -> End {
        self.report().await.end
    }

    pub(crate) fn log(&self) -> String {
        String::from_utf8(fs::read(self.dir.log()).unwrap()).unwrap()
    }

    /// A path that the script knows as `$OUT/name`.
    pub(crate) fn out(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The pid that the script wrote to `$OUT/name`, as soon as it is there.
    pub(crate) async fn pid(&self, name: &str) -> u32 {
        let path = self.out(name);
        eventually("a pid", || {
            fs::read_to_string(&path)
                .ok()?
                .strip_suffix('\n')?
                .parse()
                .ok()
        })
        .await
    }

    pub(crate) async fn adopt(&self) -> Adoption {
        adopt(&self.dir).await.unwrap()
    }

    /// Starts it from a platform process of its own and kills that with SIGKILL.
    pub(crate) fn start_and_lose_the_platform(&self) {
        let program = serde_json::to_string(&self.program).unwrap();
        let mut platform = Command::new(std::env::current_exe().unwrap())
            .args(["platform".as_ref(), self.data.path()])
            .args([self.id.to_string(), program])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut started = [0];
        platform
            .stdout
            .take()
            .unwrap()
            .read_exact(&mut started)
            .unwrap();
        platform.kill().unwrap();
        platform.wait().unwrap();
    }

    /// Every process of the attempt, by its environment.
    pub(crate) fn processes(&self) -> Vec<u32> {
        let variable = format!("TREFOIL_ATTEMPT_ID={}", self.id);
        let pids = fs::read_dir("/proc")
            .unwrap()
            .filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
        pids.filter(|pid| {
            let environ = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environ
                .split(|&byte| byte == 0)
                .any(|one| one == variable.as_bytes())
        })
        .collect()
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        // A failed case must not leave programs behind; one that passed has none.
        for pid in self.processes() {
            if let Some(pid) = rustix::process::Pid::from_raw(pid.cast_signed()) {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
        }
    }
}

pub(crate) fn supervisor() -> Supervisor {
    Supervisor::new(std::env::current_exe().unwrap())
}

/// The `platform` process: starts a program and then does nothing until it is killed.
pub(crate) fn platform(arguments: &[OsString]) -> ExitCode {
    let [data, id, program] = arguments else {
        return ExitCode::FAILURE;
    };
    let dir = AttemptDir::new(
        Path::new(data),
        AttemptId::from_str(id.to_str().unwrap()).unwrap(),
    );
    let program: Program = serde_json::from_str(program.to_str().unwrap()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let _running = supervisor().start(&dir, &program).await.unwrap();
        std::io::stdout().write_all(b"+").unwrap();
        std::io::stdout().flush().unwrap();
        std::future::pending::<ExitCode>().await
    })
}

/// The signals that this process ignores, a bit each, but SIGPIPE: Rust's start ignores that one and gives it back to what is started.
pub(crate) fn signals_ignored() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let set = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))?;
    let pipe = 1 << (13 - 1);
    Some(u64::from_str_radix(set.trim(), 16).ok()? & !(3 << 31) & !pipe)
}

/// The `allocate` program: 0 if so many bytes can be had, else 9.
pub(crate) fn allocate(arguments: &[OsString]) -> ExitCode {
    let bytes = arguments[0].to_str().unwrap().parse().unwrap();
    ExitCode::from(if Vec::<u8>::new().try_reserve_exact(bytes).is_ok() {
        0
    } else {
        9
    })
}

/// Waits for what no event tells.
pub(crate) async fn eventually<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let mut every = tokio::time::interval(Duration::from_millis(5));
    for _ in 0..4_000 {
        if let Some(found) = probe() {
            return found;
        }
        every.tick().await;
    }
    panic!("{what}: not in time");
}

/// Whether the process runs (a zombie does not).
pub(crate) fn runs(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')')
        .next()
        .is_some_and(|rest| !rest.is_empty() && !rest.trim_start().starts_with('Z'))
}

fn random() -> u128 {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).unwrap();
    u128::from_le_bytes(bytes)
}
