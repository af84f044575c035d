//! What is said of this machine in the provenance of an attempt.

use std::{fs, sync::OnceLock};

use serde_json::{Value, json};

/// Name, system, processor and memory of this machine.
pub(crate) fn describe() -> &'static Value {
    static HOST: OnceLock<Value> = OnceLock::new();
    HOST.get_or_init(|| {
        let uname = rustix::system::uname();
        let text = |part: &std::ffi::CStr| part.to_string_lossy().into_owned();
        let cpu = fs::read_to_string("/proc/cpuinfo").ok().and_then(|info| {
            let line = info.lines().find(|line| line.starts_with("model name"))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        });
        json!({
            "hostname": text(uname.nodename()),
            "system": text(uname.sysname()),
            "kernel": text(uname.release()),
            "machine": text(uname.machine()),
            "cpu": cpu,
            "cpus": std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            "memory": crate::config::total_memory(),
        })
    })
}
