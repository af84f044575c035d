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

/// Memory of a process in megabytes (10^6 bytes).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    /// Resident now.
    pub(crate) resident: f64,
    /// The part of it that is not pages of files: what the process itself asked for.
    pub(crate) anonymous: f64,
    /// The most that was resident.
    pub(crate) peak: f64,
}

impl Memory {
    /// Of any process.
    pub(crate) fn of(pid: u32) -> anyhow::Result<Self> {
        let path = format!("/proc/{pid}/status");
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        let field = |name: &str| {
            let line = text
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            let kib: Option<f64> =
                line.and_then(|line| line.split_whitespace().next()?.parse().ok());
            kib.map(|kib| kib * 1_024.0 / 1e6)
                .with_context(|| format!("{path} has no {name}"))
        };
        Ok(Self {
            resident: field("VmRSS")?,
            anonymous: field("RssAnon")?,
            peak: field("VmHWM")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Cpu, Memory};

    #[test]
    fn this_process_uses_something() {
        let memory = Memory::of(std::process::id()).unwrap();
        assert!(
            0.0 < memory.anonymous
                && memory.anonymous < memory.resident
                && memory.resident <= memory.peak
        );
        let before = Cpu::of_self().unwrap();
        while Cpu::of_self().unwrap().since(before).own < 0.02 {
            std::hint::black_box(0);
        }
    }
}
