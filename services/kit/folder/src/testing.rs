//! Running a service's binary in temporary folders, as the platform would.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

const WHY: &str = "the test's own folders and processes work";

/// A run that is being prepared.
#[derive(Debug)]
pub struct Run {
    exe: PathBuf,
    dir: TempDir,
}

/// A run under way.
#[derive(Debug)]
pub struct Running {
    child: Child,
    stdout: BufReader<ChildStdout>,
    log: String,
    dir: TempDir,
    started: Instant,
}

/// A run that ended.
#[derive(Debug)]
pub struct Ended {
    /// The exit code; absent when a signal ended the process.
    pub code: Option<i32>,
    /// All of stdout.
    pub log: String,
    /// All of stderr.
    pub error: String,
    /// `outputs.json`, if it was written.
    pub outputs: Option<Value>,
    /// From the start, or from SIGTERM, to the end.
    pub took: Duration,
    dir: TempDir,
}

impl Run {
    /// Prepares the folders; `inputs` becomes `inputs.json` as it is.
    #[must_use]
    pub fn new(exe: &str, inputs: &str) -> Self {
        let run = Self {
            exe: exe.into(),
            dir: TempDir::new().expect(WHY),
        };
        fs::create_dir(run.dir.path().join("out")).expect(WHY);
        run.with_file("inputs.json", inputs)
    }

    /// Puts a file beside `inputs.json`.
    #[must_use]
    pub fn with_file(self, name: &str, content: &str) -> Self {
        let folder = self.dir.path().join("in");
        fs::create_dir_all(&folder).expect(WHY);
        fs::write(folder.join(name), content).expect(WHY);
        self
    }

    /// Takes a file away from `INPUT_FOLDER`.
    #[must_use]
    pub fn without_file(self, name: &str) -> Self {
        fs::remove_file(self.dir.path().join("in").join(name)).expect(WHY);
        self
    }

    /// Starts the binary.
    #[must_use]
    pub fn start(self) -> Running {
        let mut child = Command::new(&self.exe)
            .current_dir(self.dir.path())
            .env("INPUT_FOLDER", self.dir.path().join("in"))
            .env("OUTPUT_FOLDER", self.dir.path().join("out"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the service's binary starts");
        let stdout = BufReader::new(child.stdout.take().expect("stdout is piped"));
        Running {
            child,
            stdout,
            log: String::new(),
            dir: self.dir,
            started: Instant::now(),
        }
    }

    /// Runs the binary to its end.
    #[must_use]
    pub fn finish(self) -> Ended {
        self.start().wait()
    }
}

impl Running {
    /// Reads the log up to the first line with `text`, and gives that line.
    ///
    /// # Panics
    ///
    /// When the log ends before.
    pub fn until(&mut self, text: &str) -> String {
        loop {
            let mut line = String::new();
            let read = self.stdout.read_line(&mut line).expect(WHY);
            assert!(read > 0, "no line with {text:?} in the log:\n{}", self.log);
            self.log.push_str(&line);
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Sends SIGTERM; [`Ended::took`] counts from here.
    pub fn terminate(&mut self) {
        self.started = Instant::now();
        kill_process(Pid::from_child(&self.child), Signal::TERM).expect("the service still runs");
    }

    /// Waits for the process, then reads what is left of its log.
    #[must_use]
    pub fn wait(mut self) -> Ended {
        self.stdout.read_to_string(&mut self.log).expect(WHY);
        let mut error = String::new();
        let mut stderr = self.child.stderr.take().expect("stderr is piped");
        stderr.read_to_string(&mut error).expect(WHY);
        let status = self.child.wait().expect(WHY);
        let took = self.started.elapsed();
        let outputs = fs::read_to_string(self.dir.path().join("out/outputs.json")).ok();
        Ended {
            code: status.code(),
            log: self.log,
            error,
            outputs: outputs.map(|text| serde_json::from_str(&text).expect("outputs.json is JSON")),
            took,
            dir: self.dir,
        }
    }
}

impl Ended {
    /// The outputs of a run that went well.
    ///
    /// # Panics
    ///
    /// When it did not.
    pub fn succeeded(&self) -> &Value {
        assert_eq!(
            (self.code, self.error.as_str()),
            (Some(0), ""),
            "{}",
            self.log
        );
        assert!(self.log.ends_with("[PROGRESS] 1.00\n"), "{}", self.log);
        self.outputs.as_ref().expect("exit code 0 means outputs")
    }

    /// Checks that the run failed with `code`, no outputs, and one line on stderr.
    ///
    /// # Panics
    ///
    /// When it did not.
    pub fn failed(&self, code: i32, line: &str) {
        assert_eq!(self.error, format!("error: {line}\n"));
        assert_eq!(self.code, Some(code), "{}", self.log);
        assert_eq!(self.outputs, None);
        assert!(self.files().is_empty(), "left behind: {:?}", self.files());
    }

    /// The text of the output file that a file port names.
    #[must_use]
    pub fn file(&self, port: &str) -> String {
        let name = self.succeeded()[port]
            .as_str()
            .expect("a file port's value is a path");
        fs::read_to_string(self.dir.path().join("out").join(name))
            .expect("the output file is there")
    }

    /// The names in `OUTPUT_FOLDER`.
    #[must_use]
    pub fn files(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.dir.path().join("out"))
            .expect(WHY)
            .map(|entry| entry.expect(WHY).file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    /// The folder with `inputs.json`, for tests that look for absolute paths in messages.
    #[must_use]
    pub fn input_folder(&self) -> PathBuf {
        self.dir.path().join("in")
    }
}
