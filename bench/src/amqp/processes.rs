//! A process and all its descendants as one: a broker may be several.

use std::{collections::BTreeSet, fs};

use crate::process::{Cpu, Memory};

/// CPU seconds of a process and its descendants, ended ones that were awaited included.
pub(super) fn cpu(root: u32) -> anyhow::Result<f64> {
    let each = family(root)?
        .into_iter()
        .filter_map(|pid| Cpu::of(pid).ok());
    Ok(each.map(|cpu| cpu.own + cpu.children).sum())
}

/// Memory of a process and its descendants.
pub(super) fn memory(root: u32) -> anyhow::Result<Memory> {
    let mut sum = Memory {
        resident: 0.0,
        anonymous: 0.0,
        peak: 0.0,
    };
    // One that has ended meanwhile has no memory.
    for memory in family(root)?
        .into_iter()
        .filter_map(|pid| Memory::of(pid).ok())
    {
        sum.resident += memory.resident;
        sum.anonymous += memory.anonymous;
        sum.peak += memory.peak;
    }
    Ok(sum)
}

/// Megabytes of a process and its descendants in which a page that several share counts in parts.
pub(super) fn proportional(root: u32) -> anyhow::Result<f64> {
    let of = |pid: u32| -> Option<f64> {
        let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
        let kib: f64 = line.split_whitespace().next()?.parse().ok()?;
        Some(kib * 1_024.0 / 1e6)
    };
    Ok(family(root)?.into_iter().filter_map(of).sum())
}

/// A process and its descendants.
fn family(root: u32) -> anyhow::Result<BTreeSet<u32>> {
    let mut parents = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        if let Some(parent) = parent(pid) {
            parents.push((pid, parent));
        }
    }
    let mut family = BTreeSet::from([root]);
    loop {
        let before = family.len();
        for (pid, parent) in &parents {
            if family.contains(parent) {
                family.insert(*pid);
            }
        }
        if family.len() == before {
            return Ok(family);
        }
    }
}

/// The parent of a process; `None` when it has ended.
fn parent(pid: u32) -> Option<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name of the program is in parentheses and may contain anything.
    let rest = text.rsplit_once(')')?.1;
    rest.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    #[test]
    fn children_belong_to_the_family() {
        let mut child = Command::new("cat")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let own = std::process::id();
        let family = super::family(own).unwrap();
        assert!(family.contains(&own) && family.contains(&child.id()));
        assert!(super::proportional(own).unwrap() > 0.0);
        assert!(super::memory(own).unwrap().resident > 0.0);
        drop(child.stdin.take());
        child.wait().unwrap();
    }
}
