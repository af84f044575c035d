//! Processes that provide services: what [`trefoil_director::Processes`] orders is done here.
//!
//! All of it is on one thread, which starts every process, so that the system ends them when the platform dies however it
//! does.

mod child;
mod log;

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, Weak},
    time::Duration,
};

use rustix::process::Signal;
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep_until},
};
use trefoil_director::{
    Catalog, Entry, InstanceId, InstanceName, InstanceState, NewInstance, Processes, ProviderSpec,
    ServiceId, ServiceState, Source,
    processes::{ProcessNumber, ProcessOrder, WantedProcesses},
};

use super::{Shared, Thrift};
use crate::services::directory_name;
use child::{Child, Launcher};
use log::Log;

/// How often starting processes are looked at whether they are well, and draining ones whether a call is left.
const LOOK: Duration = Duration::from_millis(20);
/// When nothing is due.
const IDLE: Duration = Duration::from_secs(3_600);
/// Ends that are told at a time; who tells more waits.
const ENDS: usize = 64;

/// What is to run.
#[derive(Debug, Clone)]
pub(super) enum Wanted {
    /// The providers of these services.
    Catalog(Catalog),
    /// Nothing, ever again.
    Nothing,
}

/// A process ended.
#[derive(Debug)]
struct Ended {
    service: ServiceId,
    number: ProcessNumber,
    how: String,
}

/// The providers of a service version.
struct Provided {
    machine: Processes,
    /// What is started, and the directory of the service; as it was last if nothing is to be started any more.
    spec: Arc<ProviderSpec>,
    dir: PathBuf,
    children: BTreeMap<ProcessNumber, Child>,
    log: Arc<Mutex<Log>>,
}

/// See the module.
pub(super) struct Shell {
    shared: Weak<Shared>,
    supervisor: PathBuf,
    data: PathBuf,
    services: BTreeMap<ServiceId, Provided>,
    tell: mpsc::Sender<Ended>,
    ends: mpsc::Receiver<Ended>,
    clock: crate::clock::Clock,
}

impl Shell {
    pub(super) fn new(shared: Weak<Shared>, supervisor: PathBuf, data: PathBuf) -> Self {
        let (tell, ends) = mpsc::channel(ENDS);
        Self {
            shared,
            supervisor,
            data: data.join("providers"),
            services: BTreeMap::new(),
            tell,
            ends,
            clock: crate::clock::Clock::start(),
        }
    }

    /// Does as it is told, until nothing is wanted any more and everything has ended.
    pub(super) async fn run(mut self, mut wishes: watch::Receiver<Wanted>) {
        let mut wanted = Some(wishes.borrow_and_update().clone());
        let mut is_stopping = false;
        loop {
            match wanted.take() {
                Some(Wanted::Catalog(catalog)) => self.follow(&catalog),
                Some(Wanted::Nothing) => {
                    is_stopping = true;
                    let now = self.now();
                    let all = self.services.values_mut();
                    all.for_each(|provided| provided.machine.stop(now));
                }
                None => {}
            }
            self.look();
            self.carry_out();
            if is_stopping && self.services.is_empty() {
                return;
            }
            let due = self.due();
            tokio::select! {
                changed = wishes.changed(), if !is_stopping => {
                    // Without an endpoint there is nobody to provide for.
                    wanted = Some(match changed {
                        Ok(()) => wishes.borrow_and_update().clone(),
                        Err(_) => Wanted::Nothing,
                    });
                }
                Some(ended) = self.ends.recv() => self.handle_ended(&ended),
                () = sleep_until(due) => {}
            }
        }
    }

    fn now(&self) -> u64 {
        self.clock.steady_ms()
    }

    fn thrift(&self) -> Option<Thrift> {
        self.shared.upgrade().map(|shared| Thrift { shared })
    }

    /// What the catalog wants to run, and nothing else.
    fn follow(&mut self, catalog: &Catalog) {
        let now = self.now();
        let mut wanted: BTreeMap<&ServiceId, (&Entry, &ProviderSpec, &Path)> = BTreeMap::new();
        for entry in catalog.iter() {
            let service = &entry.service;
            let dir = match &service.source {
                Source::Directory { dir } | Source::Published { dir } => dir,
                Source::Builtin => continue,
            };
            if let (ServiceState::Active, Some(spec)) = (entry.state, &service.provision.process) {
                wanted.insert(&service.id, (entry, spec, dir));
            }
        }
        for (id, provided) in &mut self.services {
            if !wanted.contains_key(id) {
                provided.machine.set_wanted(None, now);
            }
        }
        for (id, (entry, spec, dir)) in wanted {
            let provided = self
                .services
                .entry(id.clone())
                .or_insert_with(|| Provided::new(id, spec, dir, &self.data));
            provided.spec = Arc::new(spec.clone());
            provided.dir = dir.to_owned();
            let ms = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
            let wanted = WantedProcesses {
                digest: entry.service.digest.clone(),
                instances: spec.instances,
                // A year is as good as for ever, and no sum with it overflows.
                ready_ms: ms(spec.ready).min(365 * 86_400_000),
                grace_ms: ms(spec.grace).min(365 * 86_400_000),
            };
            provided.machine.set_wanted(Some(wanted), now);
        }
    }

    /// Tells the machines what time and checks brought.
    fn look(&mut self) {
        let now = self.now();
        let thrift = self.thrift();
        for (service, provided) in &mut self.services {
            let view = |number: ProcessNumber| {
                let id = instance_id(service, number)?;
                thrift.as_ref()?.instance(&id)
            };
            let starting: Vec<_> = provided.machine.starting().collect();
            for number in starting {
                if view(number).is_some_and(|view| view.state == InstanceState::Healthy) {
                    tracing::info!(%service, process = number.0, "a provider is ready");
                    provided.machine.handle_ready(number, now);
                }
            }
            let draining: Vec<_> = provided.machine.draining().collect();
            for number in draining {
                if view(number).is_none_or(|view| view.pending == 0) {
                    provided.machine.handle_idle(number, now);
                }
            }
            provided.machine.handle_timeout(now);
        }
    }

    fn carry_out(&mut self) {
        let thrift = self.thrift();
        let now = self.now();
        for (service, provided) in &mut self.services {
            while let Some(order) = provided.machine.poll_order() {
                tracing::debug!(%service, ?order, "a provider's process");
                match order {
                    ProcessOrder::Start(number) => {
                        let started = provided.start(&self.supervisor, service, number, &self.tell);
                        let registered = started.and_then(|new| match &thrift {
                            Some(thrift) => {
                                thrift.register(new).map(drop).map_err(io::Error::other)
                            }
                            None => Ok(()),
                        });
                        if let Err(error) = registered {
                            tracing::warn!(%service, %error, "a provider was not started");
                            match provided.children.get(&number) {
                                // Its end will be told.
                                Some(child) => child.signal(Signal::KILL),
                                None => provided.machine.handle_ended(number, now),
                            }
                        }
                    }
                    ProcessOrder::Drain(number) => {
                        if let (Some(thrift), Some(id)) = (&thrift, instance_id(service, number)) {
                            // If it is gone, nobody calls it.
                            let _ = thrift.drain_instance(&id);
                        }
                    }
                    ProcessOrder::Terminate(number) => {
                        if let (Some(thrift), Some(id)) = (&thrift, instance_id(service, number)) {
                            let _ = thrift.deregister(&id, "the platform stops it");
                        }
                        provided.signal(number, Signal::TERM);
                    }
                    ProcessOrder::Kill(number) => provided.signal(number, Signal::KILL),
                }
            }
        }
        self.services
            .retain(|_, provided| !provided.machine.is_done());
    }

    fn handle_ended(&mut self, ended: &Ended) {
        let Ended {
            service,
            number,
            how,
        } = ended;
        tracing::info!(%service, process = number.0, how, "a provider ended");
        if let (Some(thrift), Some(id)) = (self.thrift(), instance_id(service, *number)) {
            let _ = thrift.deregister(&id, &format!("its process ended: {how}"));
        }
        let now = self.now();
        if let Some(provided) = self.services.get_mut(service) {
            provided.children.remove(number);
            provided.machine.handle_ended(*number, now);
        }
    }

    /// When to look again.
    fn due(&self) -> Instant {
        let now = self.now();
        let machines = || self.services.values().map(|provided| &provided.machine);
        let timeout = machines().filter_map(Processes::poll_timeout).min();
        let wait = timeout.map_or(IDLE, |at| Duration::from_millis(at.saturating_sub(now)));
        let is_looking = machines().any(|machine| {
            machine
                .starting()
                .chain(machine.draining())
                .next()
                .is_some()
        });
        Instant::now()
            + if is_looking {
                wait.min(LOOK)
            } else {
                wait.min(IDLE)
            }
    }
}

impl Provided {
    fn new(id: &ServiceId, spec: &ProviderSpec, dir: &Path, data: &Path) -> Self {
        let mut seed = [0; 8];
        // Without random bits waits are spread less, which hurts nobody.
        let _ = getrandom::fill(&mut seed);
        Self {
            machine: Processes::new(u64::from_le_bytes(seed)),
            spec: Arc::new(spec.clone()),
            dir: dir.to_owned(),
            children: BTreeMap::new(),
            log: Arc::new(Mutex::new(Log::new(data.join(directory_name(id))))),
        }
    }

    /// Starts a process: the instance that it will be.
    fn start(
        &mut self,
        supervisor: &Path,
        service: &ServiceId,
        number: ProcessNumber,
        tell: &mpsc::Sender<Ended>,
    ) -> io::Result<NewInstance> {
        let id = instance_id(service, number).ok_or_else(|| io::Error::other("it has no name"))?;
        let launcher = Launcher {
            supervisor,
            spec: &self.spec,
            dir: &self.dir,
            id: &id,
        };
        let tell = tell.clone();
        let service = service.clone();
        let (child, ending) = launcher.start(&self.log)?;
        let address = format!("127.0.0.1:{}", child.port);
        tokio::spawn(async move {
            let how = ending.await;
            // Without the shell nobody asks.
            let _ = tell
                .send(Ended {
                    service,
                    number,
                    how,
                })
                .await;
        });
        self.children.insert(number, child);
        let speaks = &self.spec.speaks;
        Ok(NewInstance {
            id,
            address,
            thrift: speaks.thrift.clone(),
            slots: speaks.slots,
            weight: speaks.weight,
            lease_ms: None,
        })
    }

    fn signal(&self, number: ProcessNumber, signal: Signal) {
        if let Some(child) = self.children.get(&number) {
            child.signal(signal);
        }
    }
}

fn instance_id(service: &ServiceId, number: ProcessNumber) -> Option<InstanceId> {
    let name = InstanceName::try_from(format!("process-{}", number.0)).ok()?;
    Some(InstanceId {
        service: service.clone(),
        name,
    })
}
