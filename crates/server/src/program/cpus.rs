//! Which processors an attempt may use: as many as it reserves, the least used ones first, spread over cores.

use std::{
    fs, io,
    sync::{Arc, Mutex, PoisonError},
};

use rustix::thread::{CpuSet, sched_getaffinity};

/// The processors of this machine that this process may use, and how much of each is given away.
#[derive(Debug, Clone)]
pub struct CpuPool(Arc<Mutex<Vec<Cpu>>>);

#[derive(Debug)]
struct Cpu {
    number: usize,
    /// The processors with the same core share execution units.
    core: usize,
    /// Thousandths of a processor that are given away; more than a thousand is no error, only slow.
    used: u64,
}

impl CpuPool {
    /// The processors that this process may use.
    ///
    /// # Errors
    /// The kernel does not tell.
    pub fn of_this_process() -> io::Result<Self> {
        let allowed = sched_getaffinity(None)?;
        Ok(Self::new(
            (0..CpuSet::MAX_CPU)
                .filter(|&cpu| allowed.is_set(cpu))
                .map(|cpu| (cpu, core_of(cpu))),
        ))
    }

    fn new(cpus: impl Iterator<Item = (usize, usize)>) -> Self {
        Self(Arc::new(Mutex::new(
            cpus.map(|(number, core)| Cpu {
                number,
                core,
                used: 0,
            })
            .collect(),
        )))
    }

    /// Takes `cpus` processors, rounded up to whole ones; all there are if they are fewer.
    #[must_use]
    pub fn take(&self, cpus: f64) -> CpuShare {
        let mut pool = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (count, each) = shares(cpus);
        let mut taken = Vec::new();
        while taken.len() < count {
            let next = (0..pool.len())
                .filter(|&at| !taken.contains(&pool[at].number))
                .min_by_key(|&at| {
                    let of_core: u64 = pool
                        .iter()
                        .filter(|cpu| cpu.core == pool[at].core)
                        .map(|cpu| cpu.used)
                        .sum();
                    (pool[at].used, of_core, at)
                });
            let Some(next) = next else { break };
            pool[next].used += each;
            taken.push(pool[next].number);
        }
        taken.sort_unstable();
        CpuShare {
            pool: self.clone(),
            cpus: taken,
            each,
        }
    }

    /// Counts `cpus` processors as given away on those that an adopted attempt was given by an earlier platform.
    #[must_use]
    pub fn retake(&self, cpus: f64, given: Vec<usize>) -> CpuShare {
        let (_, each) = shares(cpus);
        let share = CpuShare {
            pool: self.clone(),
            cpus: given,
            each,
        };
        share.change(|used| used.saturating_add(each));
        share
    }
}

/// How many processors `cpus` are, and the thousandths used of each.
fn shares(cpus: f64) -> (usize, u64) {
    let thousandths = if cpus.is_finite() {
        (cpus.clamp(0.001, 1e6) * 1000.0).ceil() as u64
    } else {
        1000
    };
    let count = thousandths.div_ceil(1000);
    (
        usize::try_from(count).unwrap_or(usize::MAX),
        thousandths / count,
    )
}

/// The number of the first processor on the core of `cpu`.
fn core_of(cpu: usize) -> usize {
    // Such as `0,4` or `0-1`; a machine that does not tell has no siblings.
    fs::read_to_string(format!(
        "/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list"
    ))
    .ok()
    .and_then(|list| list.trim().split([',', '-']).next()?.parse().ok())
    .unwrap_or(cpu)
}

/// Processors given to one attempt, until this is dropped.
#[derive(Debug)]
pub struct CpuShare {
    pool: CpuPool,
    cpus: Vec<usize>,
    each: u64,
}

impl CpuShare {
    /// The processors, for [`super::Limits::cpus`].
    #[must_use]
    pub fn cpus(&self) -> &[usize] {
        &self.cpus
    }

    fn change(&self, change: impl Fn(u64) -> u64) {
        let mut pool = self.pool.0.lock().unwrap_or_else(PoisonError::into_inner);
        for cpu in pool
            .iter_mut()
            .filter(|cpu| self.cpus.contains(&cpu.number))
        {
            cpu.used = change(cpu.used);
        }
    }
}

impl Drop for CpuShare {
    fn drop(&mut self) {
        self.change(|used| used.saturating_sub(self.each));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_are_spread_over_cores_before_siblings_are_used() {
        // Processors 0 and 2 share a core, and so do 1 and 3.
        let pool = CpuPool::new([(0, 0), (1, 1), (2, 0), (3, 1)].into_iter());
        let first = pool.take(1.0);
        let second = pool.take(0.5);
        let third = pool.take(1.5);
        assert_eq!(
            (first.cpus(), second.cpus(), third.cpus()),
            (&[0][..], &[1][..], &[2, 3][..])
        );
        drop(second);
        assert_eq!(pool.take(1.0).cpus(), [1]);
    }

    #[test]
    fn what_is_given_back_is_free_again() {
        let pool = CpuPool::new((0..4).map(|cpu| (cpu, cpu)));
        for _ in 0..10 {
            let adopted = pool.retake(2.0, vec![0, 1]);
            assert_eq!(pool.take(2.0).cpus(), [2, 3]);
            drop(adopted);
            assert_eq!(pool.take(2.0).cpus(), [0, 1]);
        }
    }

    #[test]
    fn more_than_there_is_gives_all_there_is() {
        let pool = CpuPool::new((0..2).map(|cpu| (cpu, cpu)));
        for cpus in [2.0, 2.5, 1e300, f64::MAX] {
            assert_eq!(pool.take(cpus).cpus(), [0, 1], "{cpus}");
        }
        for cpus in [0.0, -1.0, f64::NAN, 0.25] {
            assert_eq!(pool.take(cpus).cpus().len(), 1, "{cpus}");
        }
    }

    #[test]
    fn this_process_may_use_something() {
        assert!(
            !CpuPool::of_this_process()
                .unwrap()
                .take(1.0)
                .cpus()
                .is_empty()
        );
    }
}
