//! What a process has used, as the kernel counts it.

use std::fs;

use anyhow::Context as _;

/// `/proc` counts time in these, whatever the kernel's own clock: part of Linux' interface to programs.
const TICKS_PER_SECOND: f64 = 100.0;

/// CPU seconds of a process so far, those of its ended and awaited children apart.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cpu {
    /// Of the process itself.
    pub(crate) own: f64,
    /// Of children that have ended.
    pub(crate) children: f64,
}

impl Cpu {
    /// Of this process.
    pub(crate) fn of_self() -> anyhow::Result<Self> {
        Self::of(std::process::id())
    }

    /// Of any process.
    pub(crate) fn of(pid: u32) -> anyhow::Result<Self> {
        let path = format!("/proc/{pid}/stat");
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        // The name of the program is in parentheses and may contain anything; what follows it is numbers.
        let rest = text.rsplit_once(')').map_or("", |(_, rest)| rest);
        let fields: Vec<f64> = rest
            .split_whitespace()
            .skip(11)
            .take(4)
            .filter_map(|field| field.parse().ok())
            .collect();
        match fields[..] {
            [user, system, children_user, children_system] => Ok(Self {
                own: (user + system) / TICKS_PER_SECOND,
                children: (children_user + children_system) / TICKS_PER_SECOND,
            }),
            _ => anyhow::bail!("{path} has no times"),
        }
    }

    /// What was used since `earlier`.
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self {
            own: self.own - earlier.own,
            children: self.children - earlier.children,
        }
    }
}

/// Megabytes (10^6) of a process: resident now, and the most that were.
pub(crate) fn memory(pid: u32) -> anyhow::Result<(f64, f64)> {
    let path = format!("/proc/{pid}/status");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let field = |name: &str| -> Option<f64> {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        let kib: f64 = line
            .trim_start_matches(':')
            .split_whitespace()
            .next()?
            .parse()
            .ok()?;
        Some(kib * 1_024.0 / 1e6)
    };
    field("VmRSS")
        .zip(field("VmHWM"))
        .with_context(|| format!("{path} has no sizes"))
}
