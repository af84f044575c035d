//! The broker under churn: connections, channels, queues, exchanges and consumers come and go, in good order and not, with
//! messages of all sizes. Afterwards nothing is left of it: no memory, no open files, no entities, no disk.
//!
//! `TREFOIL_SOAK_SECONDS` says for how long (20); `cargo xtask soak` does it for ten minutes.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "support/amqp.rs"]
#[expect(dead_code, reason = "this program needs only a part of it")]
mod amqp;
#[path = "support/broker.rs"]
#[expect(dead_code, reason = "this program needs only a part of it")]
mod broker;

use std::{
    fs, io,
    net::SocketAddr,
    os::unix::fs::MetadataExt as _,
    path::Path,
    sync::{
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use amqp::{Amqp, PATIENCE};
use broker::Broker;
use serde_json::Value;
use trefoil_amqp::{Method, Properties, Table};

const WORKERS: u64 = 4;
/// Samples of a run; the first third is the warm-up.
const SAMPLES: u32 = 60;
/// The most that memory may grow after the warm-up: the largest piece of the middle third against that of the last.
const GROWTH_MAX: u64 = 24 << 20;
/// Segments of the log are so large.
const SEGMENT: u64 = 64 << 20;
/// What rubbish may take on the disk: twice what lives, which is next to nothing, four segments, and two that are used next.
const LOG_MAX: u64 = 6 * SEGMENT + (8 << 20);

/// xorshift64*.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) % limit
    }
}

#[derive(Debug, Default)]
struct Totals {
    connections: AtomicU64,
    published: AtomicU64,
    delivered: AtomicU64,
}

/// One life of a client, from its connection to its end, which is good or bad.
fn live(address: SocketAddr, worker: u64, random: &mut Random, totals: &Totals) -> io::Result<()> {
    let mut amqp = Amqp::connect(address)?;
    totals.connections.fetch_add(1, Ordering::Relaxed);
    for _ in 0..=random.below(3) {
        let name = format!("soak-{worker}-{}", random.below(5));
        let durable = random.below(2) == 0;
        // The one before may have been of the other kind.
        amqp.delete_queue(&name)?;
        amqp.delete_exchange(&name)?;
        let arguments = match random.below(4) {
            0 => Table::new().with("x-max-priority", 5),
            1 => Table::new().with("x-message-ttl", 500),
            2 => Table::new().with("x-max-length", 50),
            _ => Table::new(),
        };
        amqp.declare(&name, durable, &arguments)?;
        let kind = ["fanout", "topic", "direct"][random.below(3) as usize];
        amqp.exchange(&name, kind, durable, &Table::new())?;
        amqp.bind(&name, &name, "key")?;
        let confirms = random.below(2) == 0;
        if confirms {
            amqp.confirms()?;
        }
        let count = random.below(60);
        for _ in 0..count {
            let size = match random.below(40) {
                0 => 400_000,
                1..6 => 20_000,
                _ => random.below(2_000),
            };
            let properties = Properties {
                delivery_mode: Some(if random.below(2) == 0 { 2 } else { 1 }),
                priority: Some(random.below(6) as u8),
                ..Properties::default()
            };
            amqp.publish(&name, "key", &properties, &vec![b'x'; size as usize]);
        }
        amqp.flush()?;
        totals.published.fetch_add(count, Ordering::Relaxed);
        if random.below(4) > 0 {
            consume(&mut amqp, &name, random, totals)?;
        }
        // The channel and whatever it held goes; a new one comes.
        amqp.close_channel()?;
    }
    match random.below(4) {
        // The socket breaks, with deliveries under way or in the middle of a message.
        0 => drop(amqp),
        1 => {
            amqp.publish("amq.direct", "", &Properties::default(), &[0; 50_000]);
            amqp.send_part(20_000)?;
        }
        _ => amqp.close()?,
    }
    Ok(())
}

fn consume(amqp: &mut Amqp, queue: &str, random: &mut Random, totals: &Totals) -> io::Result<()> {
    amqp.consume(queue, random.below(20) as u16)?;
    while let Some(heard) = amqp.poll(Duration::from_millis(20))? {
        let Method::BasicDeliver(deliver) = heard.method() else {
            continue;
        };
        totals.delivered.fetch_add(1, Ordering::Relaxed);
        match random.below(30) {
            // Enough: what is left goes back.
            0 => break,
            1 => {}
            _ => amqp.ack(deliver.delivery_tag, random.below(5) == 0)?,
        }
    }
    Ok(())
}

#[derive(Debug, Clone, Copy)]
struct Sample {
    resident: u64,
    files: usize,
    log: u64,
}

fn sample(pid: u32, data: &Path) -> Sample {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap();
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
    Sample {
        resident: kib << 10,
        files: fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count(),
        log: on_disk(&data.join("broker/log")),
    }
}

/// Blocks that are in use, in bytes.
fn on_disk(directory: &Path) -> u64 {
    let blocks =
        |entry: io::Result<fs::DirEntry>| entry.unwrap().metadata().map_or(0, |file| file.blocks());
    fs::read_dir(directory).unwrap().map(blocks).sum::<u64>() * 512
}

/// What management counts.
fn totals(broker: &Broker) -> Value {
    let url = format!("{}/api/overview", broker.management);
    // guest:guest
    let request = ureq::get(url).header("authorization", "Basic Z3Vlc3Q6Z3Vlc3Q=");
    let overview: Value = request.call().unwrap().body_mut().read_json().unwrap();
    overview["object_totals"].clone()
}

#[test]
fn churn_leaves_nothing_behind() {
    let seconds = std::env::var("TREFOIL_SOAK_SECONDS");
    let seconds = seconds
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(20);
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("data");
    let broker = Broker::start(&data, &root.path().join("stderr"), &[]);
    let pid = broker.child.id();
    let before = sample(pid, &data);
    let totals_before = totals(&broker);
    let (stop, counts) = (AtomicBool::new(false), Totals::default());
    let (address, begun) = (broker.address, Instant::now());
    // Nobody ever sends: receiving with a time-out is a wait.
    let (_keep, moment) = mpsc::channel::<()>();
    let mut samples = Vec::new();
    thread::scope(|scope| {
        for worker in 0..WORKERS {
            let (stop, counts) = (&stop, &counts);
            scope.spawn(move || {
                let mut random = Random(worker + 77);
                while !stop.load(Ordering::Relaxed) {
                    live(address, worker, &mut random, counts).unwrap();
                }
            });
        }
        for number in 0..SAMPLES {
            let due = Duration::from_secs(seconds) * (number + 1) / SAMPLES;
            // What happens over time is what is measured.
            let _ = moment.recv_timeout(due.saturating_sub(begun.elapsed()));
            samples.push(sample(pid, &data));
        }
        stop.store(true, Ordering::Relaxed);
    });
    println!("{counts:?} in {seconds} s");
    for sample in samples.iter().step_by(5) {
        let mib = |bytes: u64| bytes >> 20;
        println!(
            "  {} MiB resident, {} files, {} MiB of log",
            mib(sample.resident),
            sample.files,
            mib(sample.log)
        );
    }
    let third = samples.len() / 3;
    let largest = |samples: &[Sample]| samples.iter().map(|one| one.resident).max().unwrap();
    let (middle, last) = (
        largest(&samples[third..2 * third]),
        largest(&samples[2 * third..]),
    );
    assert!(
        last <= middle + GROWTH_MAX,
        "memory grows: {middle} bytes in the middle third, {last} in the last"
    );
    clean_up(address);
    ends_empty(&broker, &totals_before, before.files, &data);
    assert!(!broker.log().contains("panicked"), "{}", broker.log());
    broker.stop();
}

fn clean_up(address: SocketAddr) {
    let mut amqp = Amqp::connect(address).unwrap();
    for worker in 0..WORKERS {
        for number in 0..5 {
            amqp.delete_queue(&format!("soak-{worker}-{number}"))
                .unwrap();
            amqp.delete_exchange(&format!("soak-{worker}-{number}"))
                .unwrap();
        }
    }
    amqp.close().unwrap();
}

/// Waits until everything is as it was before.
fn ends_empty(broker: &Broker, totals_before: &Value, files_before: usize, data: &Path) {
    let (_keep, moment) = mpsc::channel::<()>();
    let deadline = Instant::now() + PATIENCE;
    loop {
        let now = totals(broker);
        let after = sample(broker.child.id(), data);
        let transient = on_disk(&data.join("broker/transient"));
        // The spare file and the next segment of the log, and the connection that asked.
        let fits = now == *totals_before
            && after.files <= files_before + 4
            && after.log <= LOG_MAX
            && transient <= SEGMENT;
        if fits {
            println!("afterwards: {after:?}, {transient} bytes of transient log");
            return;
        }
        assert!(
            Instant::now() < deadline,
            "something is left: {now}, before {totals_before}; {after:?}, {files_before} files before; {transient} bytes of transient log"
        );
        let _ = moment.recv_timeout(Duration::from_millis(200));
    }
}
