//! The cases.

use std::{fs, os::unix::fs::PermissionsExt as _, process::Command, sync::OnceLock};

use rustix::process::{Pid, Signal, kill_process};
use trefoil_server::program::{Adoption, End, StartError, StoppedBy, supervise, tail::LogWatch};

use crate::support::{Attempt, Case, eventually, runs, supervisor};

/// The descriptors that this process was started with.
pub(crate) static INHERITED: OnceLock<Vec<String>> = OnceLock::new();
/// The signals that were ignored when the test began, a bit each: under `nohup` that is SIGHUP, and programs are to ignore it too.
pub(crate) static IGNORED: OnceLock<u64> = OnceLock::new();

/// No process.
const NOBODY: [u32; 0] = [];

macro_rules! cases {
    ($($(#[$doc:meta])* async fn $name:ident() $body:block)*) => {
        $($(#[$doc])* async fn $name() $body)*

        pub(crate) const ALL: &[(&str, Case)] = &[$((stringify!($name), || Box::pin($name()))),*];
    };
}

cases! {
    async fn exit_codes_are_reported() {
        for code in [0, 1, 75, 127, 255] {
            let attempt = Attempt::shell(&format!("exit {code}"));
            let report = attempt.report().await;
            assert_eq!((report.end, report.stopped_by), (End::Exited(code), None));
            assert!(report.started_ms > 1_600_000_000_000 && report.started_ms <= report.ended_ms);
            // What is on disk is the same, and is what another platform would read.
            assert_eq!(attempt.dir.exit_report().unwrap().unwrap().end, End::Exited(code));
        }
    }

    async fn signals_are_reported() {
        for signal in [6, 9, 11, 15] {
            assert_eq!(Attempt::shell(&format!("kill -{signal} $$")).end().await, End::Signaled(signal));
        }
    }

    async fn processor_time_of_all_descendants_is_reported() {
        let attempt = Attempt::shell("sh -c 'i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done'; true");
        let report = attempt.report().await;
        assert_eq!(report.end, End::Exited(0));
        assert!(report.cpu_user_ms >= 20, "{report:?}");
    }

    async fn a_program_that_cannot_be_run_says_why() {
        let attempt = Attempt::of(vec!["/no/such/program".to_owned()]);
        let check = |end: End, expected: &str| match end {
            End::ExecFailed(why) => assert!(why.contains(expected), "{why}"),
            other => panic!("{other:?}"),
        };
        check(attempt.end().await, "cannot run /no/such/program: No such file");
        check(Attempt::of(vec!["no-such-program".to_owned()]).end().await, "cannot run no-such-program");
        check(Attempt::of(vec![]).end().await, "argv is empty");
        check(Attempt::of(vec!["a\0b".to_owned()]).end().await, "nul");

        let plain = Attempt::shell("");
        let file = plain.data.path().join("plain");
        fs::write(&file, "not a program").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        check(Attempt::of(vec![file.to_str().unwrap().to_owned()]).end().await, "Permission denied");

        let mut nowhere = Attempt::shell("true");
        nowhere.program.cwd = "/no/such/directory".into();
        check(nowhere.end().await, "cannot enter the working directory /no/such/directory");
        assert_eq!(nowhere.log(), "", "the log is the program's alone");
    }

    async fn the_program_gets_its_environment_and_nothing_else() {
        let attempt = Attempt::shell("env | sort; pwd; readlink /proc/self/fd/0; echo $$; cut -d' ' -f5,6 /proc/self/stat");
        assert_eq!(attempt.end().await, End::Exited(0));
        let log = attempt.log();
        let names: Vec<&str> = log.lines().filter_map(|line| Some(line.split_once('=')?.0)).collect();
        assert_eq!(names, ["OUT", "PATH", "PWD", "TREFOIL_ATTEMPT_ID"], "PWD is the shell's");
        let [cwd, stdin, pid, group]: [&str; 4] =
            log.lines().skip(names.len()).collect::<Vec<_>>().try_into().unwrap();
        assert_eq!((cwd, stdin), (attempt.dir.work().to_str().unwrap(), "/dev/null"));
        let (group, session) = group.split_once(' ').unwrap();
        assert_eq!(pid, group);
        assert_ne!(session, group, "the session is the supervisor's");
    }

    async fn no_descriptor_and_no_signal_disposition_leaks() {
        // This process holds files, sockets, timers and pidfds, as the platform does.
        let _logs = LogWatch::new().unwrap();
        let _socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let other_attempt = Attempt::shell("sleep 60");
        let mut other = other_attempt.start().await;
        let listing = Attempt::of(["ls", "-l", "/proc/self/fd"].map(str::to_owned).to_vec());
        assert_eq!(listing.end().await, End::Exited(0));
        // Whoever started this test may have left descriptors open, and one is that of the listing.
        let inherited = INHERITED.get().unwrap();
        let listing = listing.log();
        let fds = listing
            .lines()
            .filter(|line| !line.ends_with("/fd"))
            .filter_map(|line| line.split_once(" -> ")?.0.rsplit(' ').next())
            .filter(|fd| matches!(*fd, "0" | "1" | "2") || !inherited.iter().any(|inherited| inherited == fd));
        assert_eq!(fds.collect::<Vec<_>>(), ["0", "1", "2"], "{listing}");

        let attempt = Attempt::shell("grep -E '^Sig(Ign|Blk)' /proc/self/status; ulimit -c");
        assert_eq!(attempt.end().await, End::Exited(0));
        let log = attempt.log();
        let mut lines = log.lines();
        for (name, inherited) in [("SigBlk:", 0), ("SigIgn:", *IGNORED.get().unwrap())] {
            let line = lines.next().unwrap();
            let set = line.strip_prefix(name).unwrap().trim();
            // glibc ignores its two internal signals, 32 and 33, in what posix_spawn starts.
            assert_eq!(u64::from_str_radix(set, 16).unwrap() & !(3 << 31), inherited, "{line}");
        }
        assert_eq!(lines.collect::<Vec<_>>(), ["0"], "no core dumps");
        other.kill().await.unwrap();
        assert_eq!(other.wait().await.end, End::Signaled(9));
    }

    async fn the_log_is_exact_and_in_order() {
        let script = r#"i=0; while [ $i -lt 500 ]; do printf 'o%d\n' $i; printf 'e%d\n' $i >&2; i=$((i+1)); done
            printf '\000\377\r\n\033[1m' >&2; head -c 300000 /dev/zero; printf end"#;
        let attempt = Attempt::shell(script);
        let mut running = attempt.start().await;
        // A reader from the start sees the same.
        let logs = LogWatch::new().unwrap();
        let (owner, is_final) = tokio::sync::watch::channel(false);
        let mut follower = logs.follow(&attempt.dir.log(), 0, is_final).await.unwrap();
        let reader = tokio::spawn(async move {
            let mut all = Vec::new();
            while let Some(chunk) = follower.next_chunk().await.unwrap() {
                all.extend_from_slice(&chunk);
            }
            all
        });
        assert_eq!(running.wait().await.end, End::Exited(0));
        owner.send(true).unwrap();
        let mut expected: Vec<u8> = (0..500).flat_map(|i| format!("o{i}\ne{i}\n").into_bytes()).collect();
        expected.extend_from_slice(b"\0\xff\r\n\x1b[1m");
        expected.extend_from_slice(&[0; 300_000]);
        expected.extend_from_slice(b"end");
        assert!(fs::read(attempt.dir.log()).unwrap() == expected);
        assert!(reader.await.unwrap() == expected);
    }

    async fn a_program_cannot_erase_its_log() {
        // Shells truncate what they open with `>`, and a log that is a file is truncated like any other.
        let attempt = Attempt::shell("echo 1; echo 2 > /dev/stderr; echo 3; echo 4 > /dev/stdout; echo 5 | tee /dev/stderr");
        assert_eq!(attempt.end().await, End::Exited(0));
        assert_eq!(attempt.log(), "1\n2\n3\n4\n5\n5\n");
    }

    async fn the_log_ends_with_the_program_and_not_with_its_output() {
        let attempt = Attempt::shell("echo before; exec >&- 2>&-; echo $$ > $OUT/pid; until [ -e $OUT/go ]; do :; done; exit 6");
        let mut running = attempt.start().await;
        attempt.pid("pid").await;
        fs::write(attempt.out("go"), "").unwrap();
        assert_eq!(running.wait().await.end, End::Exited(6));
        assert_eq!(attempt.log(), "before\n");
    }

    async fn a_log_beyond_its_limit_ends_the_program() {
        // Without a platform: nobody else may be there to see it.
        let mut attempt = Attempt::shell("echo $$ > $OUT/pid; exec yes");
        attempt.program.limits.log_bytes = Some(100_000);
        attempt.start_and_lose_the_platform();
        let report = eventually("its end", || attempt.dir.exit_report().unwrap()).await;
        assert_eq!((report.end, report.stopped_by), (End::Signaled(9), Some(StoppedBy::Kill)));
        assert_eq!(attempt.log().len(), 100_001);

        let mut attempt = Attempt::shell("head -c 100000 /dev/zero");
        attempt.program.limits.log_bytes = Some(100_000);
        assert_eq!(attempt.end().await, End::Exited(0));
        assert_eq!(attempt.log().len(), 100_000);
    }

    async fn a_stop_is_a_term_that_can_be_obeyed() {
        let attempt = Attempt::shell("trap 'echo bye; exit 3' TERM; echo $$ > $OUT/pid; while :; do sleep 60 & wait; done");
        let mut running = attempt.start().await;
        attempt.pid("pid").await;
        running.stop().unwrap();
        let report = running.wait().await;
        assert_eq!((report.end, report.stopped_by), (End::Exited(3), Some(StoppedBy::Term)));
        assert_eq!(attempt.log(), "bye\n");
        assert_eq!(attempt.processes(), NOBODY, "its sleep is gone as well");
        running.stop().unwrap();
        running.kill().await.unwrap();
        assert_eq!(running.wait().await.end, End::Exited(3), "asked again, it says the same");
    }

    async fn a_stop_right_after_the_start_is_heard() {
        for _ in 0..10 {
            let attempt = Attempt::shell("sleep 60");
            let mut running = attempt.start().await;
            running.stop().unwrap();
            let report = running.wait().await;
            assert_eq!((report.end, report.stopped_by), (End::Signaled(15), Some(StoppedBy::Term)));
        }
    }

    async fn after_the_grace_everything_is_killed() {
        let mut attempt = Attempt::shell("trap '' TERM; echo $$ > $OUT/pid; while :; do sleep 60; done");
        attempt.program.grace_ms = 200;
        let mut running = attempt.start().await;
        attempt.pid("pid").await;
        let asked = std::time::Instant::now();
        running.stop().unwrap();
        let report = running.wait().await;
        assert_eq!((report.end, report.stopped_by), (End::Signaled(9), Some(StoppedBy::Kill)));
        assert!(asked.elapsed().as_millis() >= 200);
        assert_eq!(attempt.processes(), NOBODY);
    }

    async fn a_second_stop_does_not_wait_for_the_grace() {
        let attempt = Attempt::shell("trap 'echo term >> $OUT/term' TERM; echo $$ > $OUT/pid; while :; do sleep 60 & wait; done");
        let mut running = attempt.start().await;
        attempt.pid("pid").await;
        running.stop().unwrap();
        eventually("the first stop", || fs::read(attempt.out("term")).ok()).await;
        running.stop().unwrap();
        let report = running.wait().await;
        assert_eq!((report.end, report.stopped_by), (End::Signaled(9), Some(StoppedBy::Kill)));
    }

    async fn whatever_a_program_leaves_behind_is_killed() {
        // In a session of its own; a double fork; deaf to TERM; without the environment; and a child of these.
        let attempt = Attempt::shell(
            r#"setsid sh -c 'echo $$ > $OUT/session; sleep 60' &
               (sh -c 'echo $$ > $OUT/double; sleep 60' &)
               (trap '' TERM HUP; setsid sh -c 'echo $$ > $OUT/deaf; sleep 60 & wait' &)
               env -i setsid sh -c "echo \$\$ > $OUT/bare; sleep 60" &
               until [ -s $OUT/session ] && [ -s $OUT/double ] && [ -s $OUT/deaf ] && [ -s $OUT/bare ]; do :; done
               exit 4"#,
        );
        assert_eq!(attempt.end().await, End::Exited(4));
        for name in ["session", "double", "deaf", "bare"] {
            assert!(!runs(attempt.pid(name).await), "{name}");
        }
        assert_eq!(attempt.processes(), NOBODY);
    }

    async fn a_kill_reaches_everyone() {
        let attempt = Attempt::shell(
            "trap '' TERM; (setsid sh -c 'echo $$ > $OUT/other; sleep 60' &); echo $$ > $OUT/pid; while :; do sleep 60; done",
        );
        let mut running = attempt.start().await;
        let (pid, other) = (attempt.pid("pid").await, attempt.pid("other").await);
        running.kill().await.unwrap();
        assert!(!runs(pid) && !runs(other));
        let report = running.wait().await;
        assert_eq!((report.end, report.stopped_by), (End::Signaled(9), Some(StoppedBy::Kill)));
    }

    async fn a_stuck_supervisor_is_killed_with_all_it_has() {
        let attempt = Attempt::shell("(env -i setsid sh -c \"echo \\$\\$ > $OUT/bare; sleep 60\" &); echo $$ > $OUT/pid; sleep 60");
        let mut running = attempt.start().await;
        let (pid, bare) = (attempt.pid("pid").await, attempt.pid("bare").await);
        kill_process(Pid::from_raw(supervisor_of(&attempt).cast_signed()).unwrap(), Signal::STOP).unwrap();
        running.kill().await.unwrap();
        eventually("everything is gone", || (!runs(pid) && !runs(bare)).then_some(())).await;
        assert!(matches!(running.wait().await.end, End::Lost(_)));
    }

    async fn a_program_outlives_the_platform() {
        let attempt = Attempt::shell("echo $$ > $OUT/pid; until [ -e $OUT/go ]; do sleep 0.01; done; echo done; exit 5");
        attempt.start_and_lose_the_platform();
        let pid = attempt.pid("pid").await;
        assert!(runs(pid));
        let known = eventually("its pid", || attempt.dir.program_pid().unwrap()).await;
        assert_eq!(known, pid.cast_signed());
        let Adoption::Running(mut running) = attempt.adopt().await else { panic!("it runs") };
        // Cancelled and asked again.
        assert!(tokio::time::timeout(std::time::Duration::ZERO, running.wait()).await.is_err());
        fs::write(attempt.out("go"), "").unwrap();
        assert_eq!(running.wait().await.end, End::Exited(5));
        assert_eq!(attempt.log(), "done\n");
        assert_eq!(attempt.dir.program_pid().unwrap(), None);
        let Adoption::Ended(report) = attempt.adopt().await else { panic!("it ended") };
        assert_eq!(report.end, End::Exited(5));
    }

    async fn an_adopted_program_can_be_stopped() {
        let attempt = Attempt::shell("echo $$ > $OUT/pid; sleep 60");
        attempt.start_and_lose_the_platform();
        attempt.pid("pid").await;
        let Adoption::Running(mut running) = attempt.adopt().await else { panic!("it runs") };
        running.stop().unwrap();
        assert_eq!(running.wait().await.end, End::Signaled(15));
    }

    async fn a_dropped_attempt_is_adopted_and_leaves_no_zombie() {
        let attempt = Attempt::shell("echo $$ > $OUT/pid; until [ -e $OUT/go ]; do sleep 0.01; done");
        drop(attempt.start().await);
        attempt.pid("pid").await;
        let supervisor = supervisor_of(&attempt);
        let Adoption::Running(mut running) = attempt.adopt().await else { panic!("it runs") };
        fs::write(attempt.out("go"), "").unwrap();
        assert_eq!(running.wait().await.end, End::Exited(0));
        // Tokio reaps a dropped child when it next hears of one.
        Attempt::shell("true").report().await;
        eventually("it is reaped", || fs::metadata(format!("/proc/{supervisor}")).is_err().then_some(())).await;
    }

    async fn with_its_supervisor_a_program_dies() {
        let attempt = Attempt::shell("(setsid sh -c 'echo $$ > $OUT/other; sleep 60' &); echo $$ > $OUT/pid; sleep 60");
        let mut running = attempt.start().await;
        let (pid, other) = (attempt.pid("pid").await, attempt.pid("other").await);
        kill_process(Pid::from_raw(supervisor_of(&attempt).cast_signed()).unwrap(), Signal::KILL).unwrap();
        let End::Lost(why) = running.wait().await.end else { panic!("nobody told the end") };
        assert_eq!(why, "the supervisor ended without a report");
        eventually("the program is gone", || (!runs(pid) && !runs(other)).then_some(())).await;
        assert!(matches!(attempt.adopt().await, Adoption::Vanished));
    }

    async fn what_a_vanished_supervisor_left_is_killed_by_adoption() {
        let attempt = Attempt::shell(
            r#"(setsid sh -c 'echo $$ > $OUT/other; sleep 60' &); (env -i sh -c "echo \$\$ > $OUT/bare; sleep 60" &)
               echo $$ > $OUT/pid; sleep 60"#,
        );
        attempt.start_and_lose_the_platform();
        let (pid, other, bare) = (attempt.pid("pid").await, attempt.pid("other").await, attempt.pid("bare").await);
        let supervisor = supervisor_of(&attempt);
        kill_process(Pid::from_raw(supervisor.cast_signed()).unwrap(), Signal::KILL).unwrap();
        eventually("the supervisor is gone", || (!runs(supervisor)).then_some(())).await;
        assert!(runs(other) && runs(bare), "they survive it");
        assert!(matches!(attempt.adopt().await, Adoption::Vanished));
        assert!(!runs(pid) && !runs(other) && !runs(bare));
        assert!(matches!(attempt.adopt().await, Adoption::Vanished), "still");
    }

    async fn a_late_supervisor_runs_nothing() {
        let attempt = Attempt::shell("touch $OUT/ran");
        assert!(matches!(attempt.adopt().await, Adoption::NeverStarted));
        assert!(matches!(attempt.adopt().await, Adoption::NeverStarted), "still");
        fs::write(attempt.out("program.json"), serde_json::to_vec(&attempt.program).unwrap()).unwrap();
        let late = Command::new(std::env::current_exe().unwrap()).arg(supervise::SUBCOMMAND).arg(attempt.dir.path()).status();
        assert!(late.unwrap().success());
        let refused = supervisor().start(&attempt.dir, &attempt.program).await.unwrap_err();
        assert!(matches!(refused, StartError::Supervisor { .. }), "{refused}");
        assert!(fs::metadata(attempt.out("ran")).is_err() && attempt.dir.exit_report().unwrap().is_none());
    }

    async fn a_second_supervisor_runs_nothing() {
        let attempt = Attempt::shell("echo ran");
        assert_eq!(attempt.end().await, End::Exited(0));
        let again = Command::new(std::env::current_exe().unwrap()).arg(supervise::SUBCOMMAND).arg(attempt.dir.path()).status();
        assert!(again.unwrap().success());
        let by_hand = Command::new(std::env::current_exe().unwrap())
            .args([supervise::SUBCOMMAND, supervise::EXEC_FLAG])
            .arg(attempt.dir.path())
            .status();
        assert_eq!(by_hand.unwrap().code(), Some(127));
        assert_eq!(attempt.log(), "ran\n");
    }

    async fn a_supervisor_that_cannot_run_is_reported() {
        let attempt = Attempt::shell("true");
        let missing = trefoil_server::program::Supervisor::new("/no/such/trefoil".into());
        assert!(matches!(missing.start(&attempt.dir, &attempt.program).await, Err(StartError::Spawn { .. })));
        let wrong = trefoil_server::program::Supervisor::new("/bin/false".into());
        assert!(matches!(wrong.start(&attempt.dir, &attempt.program).await, Err(StartError::Supervisor { .. })));
        assert!(matches!(attempt.adopt().await, Adoption::NeverStarted));
    }

    async fn memory_and_processors_are_limited() {
        let me = std::env::current_exe().unwrap().to_str().unwrap().to_owned();
        let mut attempt = Attempt::of(vec![me.clone(), "allocate".to_owned(), "200000000".to_owned()]);
        assert_eq!(attempt.end().await, End::Exited(0));
        attempt = Attempt::of(vec![me, "allocate".to_owned(), "200000000".to_owned()]);
        attempt.program.limits.memory_bytes = Some(100_000_000);
        assert_eq!(attempt.end().await, End::Exited(9));

        let share = trefoil_server::program::cpus::CpuPool::of_this_process().unwrap().take(1.0);
        let mut attempt = Attempt::shell("grep Cpus_allowed_list /proc/self/status; ulimit -Sn");
        attempt.program.limits.cpus = Some(share.cpus().to_vec());
        assert_eq!(attempt.end().await, End::Exited(0));
        assert_eq!(attempt.log(), format!("Cpus_allowed_list:\t{}\n1024\n", share.cpus()[0]));
    }

    async fn many_at_once_all_end() {
        let attempts: Vec<Attempt> = (0..40).map(|code| Attempt::shell(&format!("sleep 0.05; exit {code}"))).collect();
        let ends = attempts.iter().map(Attempt::end);
        let ends = futures_util::future::join_all(ends).await;
        assert_eq!(ends, (0..40).map(End::Exited).collect::<Vec<_>>());
    }
}

fn supervisor_of(attempt: &Attempt) -> u32 {
    let claim: serde_json::Value =
        serde_json::from_slice(&fs::read(attempt.out("claim")).unwrap()).unwrap();
    claim["supervisor"]["pid"]
        .as_u64()
        .unwrap()
        .try_into()
        .unwrap()
}
