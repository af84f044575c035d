//! What the log costs on this machine: `cargo run --release -p trefoil-store --example append_speed [directory]`.
//!
//! The directory is where the files go (default: a new one in the system's place for temporary files, which may be memory).
use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use trefoil_store::{DiskStorage, Log, Options, Position, Storage, Writer};

type Outcome = Result<(), Box<dyn Error>>;

fn main() -> Outcome {
    let root = match std::env::args().nth(1) {
        Some(path) => PathBuf::from(path),
        None => std::env::temp_dir(),
    };
    let root = root.join(format!("append_speed.{}", std::process::id()));
    let outcome = run(&root);
    std::fs::remove_dir_all(&root)?;
    outcome
}

fn run(root: &std::path::Path) -> Outcome {
    for length in [100, 150, 1000, 16_000] {
        append(root, length)?;
    }
    for (records, length) in [(1, 200), (10, 200), (100, 200), (500, 200), (10, 16_000)] {
        commits(root, records, length, true)?;
        commits(root, records, length, false)?;
    }
    throughput(root)?;
    replay_and_drain(root)?;
    spill(root)
}

fn open(
    root: &std::path::Path,
    name: &str,
    options: Options,
) -> Result<(Log, Writer), Box<dyn Error>> {
    let storage: Arc<dyn Storage> = Arc::new(DiskStorage::open(&root.join(name))?);
    let (mut log, writer, _) = Log::open(storage, options, &mut |_, _, _| {})?;
    log.handle_recovered();
    Ok((log, writer))
}

fn append(root: &std::path::Path, length: usize) -> Outcome {
    let (mut log, mut writer) = open(root, &format!("append{length}"), Options::durable())?;
    let (header, body) = (vec![1; 50.min(length)], vec![2; length - 50.min(length)]);
    let count = (256 << 20) / length;
    let mut busy = Duration::ZERO;
    let mut at = Position::new(0);
    for _ in 0..count / 1000 {
        let start = Instant::now();
        for _ in 0..1000 {
            at = log.append(1, &[&header, &body]);
            log.retain(at, 1);
            log.release(at, 1);
        }
        busy += start.elapsed();
        if let Some(batch) = log.take_batch() {
            log.handle_written(writer.commit(&batch, false)?);
            writer.tidy();
        }
    }
    let each = busy.as_nanos() as f64 / count as f64;
    println!(
        "append + retain + release {length:>5} B: {each:>6.1} ns each, {:.2} GB/s (end {at})",
        length as f64 / each
    );
    Ok(())
}

fn commits(root: &std::path::Path, records: usize, length: usize, sync: bool) -> Outcome {
    let name = format!("commits{records}x{length}{sync}");
    let (mut log, mut writer) = open(root, &name, Options::durable())?;
    let body = vec![3; length];
    for _ in 0..50 {
        while writer.maintain()?.again {}
    }
    let mut times = Vec::new();
    let mut front = Duration::ZERO;
    for _ in 0..1000 {
        let start = Instant::now();
        for _ in 0..records {
            log.append(1, &[&body]);
        }
        let batch = log.take_batch();
        front += start.elapsed();
        if let Some(batch) = batch {
            let start = Instant::now();
            let done = writer.commit(&batch, sync)?;
            times.push(start.elapsed());
            let start = Instant::now();
            log.handle_written(done);
            front += start.elapsed();
        }
        // As a sync thread does that has nothing else to do.
        while writer.maintain()?.again {}
    }
    times.sort();
    let at = |share: f64| times[(times.len() as f64 * share) as usize].as_micros();
    println!(
        "commit {records:>3} x {length:>5} B, sync {sync:<5}: p50 {:>4} p95 {:>4} p99 {:>4} us, front {:>6.2} us a batch",
        at(0.5),
        at(0.95),
        at(0.99),
        front.as_nanos() as f64 / 1e6,
    );
    Ok(())
}

/// One record after another, each waiting for nothing; the writer syncs what has gathered.
fn throughput(root: &std::path::Path) -> Outcome {
    for keep in [false, true] {
        let (mut log, mut writer) = open(root, &format!("throughput{keep}"), Options::durable())?;
        let body = vec![4; 1000];
        let start = Instant::now();
        let (mut bytes, mut slowest, mut commits) = (0_u64, Duration::ZERO, 0);
        while bytes < 1 << 30 {
            for _ in 0..500 {
                let at = log.append(1, &[&body]);
                bytes += 1000;
                if keep {
                    log.retain(at, 1);
                }
            }
            if let Some(batch) = log.take_batch() {
                let begin = Instant::now();
                log.handle_written(writer.commit(&batch, true)?);
                slowest = slowest.max(begin.elapsed());
                writer.tidy();

                commits += 1;
            }
        }
        let seconds = start.elapsed().as_secs_f64();
        println!(
            "1 GB of 1000 B records, synced each 500, {}: {:.0} MB/s, {:.0} records/s, {:.0} us a commit, slowest {:.1} ms",
            if keep {
                "all kept"
            } else {
                "none kept (files are used again)"
            },
            bytes as f64 / 1e6 / seconds,
            bytes as f64 / 1000.0 / seconds,
            seconds * 1e6 / f64::from(commits),
            slowest.as_secs_f64() * 1e3,
        );
        drop((log, writer));
        let start = Instant::now();
        let storage: Arc<dyn Storage> =
            Arc::new(DiskStorage::open(&root.join(format!("throughput{keep}")))?);
        let (_, _, report) = Log::open(storage, Options::durable(), &mut |_, _, _| {})?;
        println!(
            "  opened again in {} ms: {report}",
            start.elapsed().as_millis()
        );
    }
    Ok(())
}

fn replay_and_drain(root: &std::path::Path) -> Outcome {
    for length in [100, 1000] {
        let name = format!("replay{length}");
        let (mut log, mut writer) = open(root, &name, Options::durable())?;
        let body = vec![5; length];
        let count = (512 << 20) / length;
        let mut positions = Vec::new();
        for index in 0..count {
            positions.push(log.append(1, &[&body]));
            log.retain(positions[index], 1);
            if index % 1000 == 0
                && let Some(batch) = log.take_batch()
            {
                log.handle_written(writer.commit(&batch, false)?);
                writer.tidy();
            }
        }
        if let Some(batch) = log.take_batch() {
            log.handle_written(writer.commit(&batch, true)?);
            writer.tidy();
        }
        let start = Instant::now();
        for at in &positions {
            log.read(*at)?;
            log.release(*at, 1);
        }
        let drained = start.elapsed();
        drop((log, writer));
        let storage: Arc<dyn Storage> = Arc::new(DiskStorage::open(&root.join(&name))?);
        let start = Instant::now();
        let mut records = 0;
        let (_, _, report) = Log::open(storage, Options::durable(), &mut |_, _, _| records += 1)?;
        let opened = start.elapsed();
        println!(
            "{count} records of {length} B: drained with {:.0} ns each; opened in {} ms, {:.2} GB/s, {:.0} ns each; {} damages",
            drained.as_nanos() as f64 / count as f64,
            opened.as_millis(),
            report.bytes as f64 / opened.as_nanos() as f64,
            opened.as_nanos() as f64 / f64::from(records),
            report.damages.len(),
        );
    }
    Ok(())
}

fn spill(root: &std::path::Path) -> Outcome {
    let (mut log, mut writer) = open(root, "spill", Options::spill(16 << 20))?;
    let body = vec![6; 100];
    let count = 5_000_000;
    let start = Instant::now();
    let mut waiting = std::collections::VecDeque::new();
    for index in 0..count {
        let at = log.append(1, &[&body]);
        log.retain(at, 1);
        waiting.push_back(at);
        if waiting.len() > 1000
            && let Some(oldest) = waiting.pop_front()
        {
            log.read(oldest)?;
            log.release(oldest, 1);
        }
        if index % 500 == 0
            && let Some(batch) = log.take_batch()
        {
            log.handle_written(writer.commit(&batch, false)?);
            writer.tidy();
        }
    }
    let each = start.elapsed().as_nanos() as f64 / f64::from(count);
    println!(
        "spill log, 1000 wait, 100 B: append, retain, read and release {each:.0} ns each; {} segments",
        log.segments()
    );
    Ok(())
}
