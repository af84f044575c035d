//! Instances that files of services tell of: those that are always where they are, and processes of this platform.

use std::{
    collections::BTreeMap,
    io,
    path::PathBuf,
    sync::{Mutex, OnceLock, PoisonError, Weak},
    thread,
};

use tokio::sync::watch;
use trefoil_director::{Catalog, Entry, InstanceId, NewInstance, ServiceState};

use super::{
    Shared, Thrift,
    processes::{self, Wanted},
};

/// See the module.
#[derive(Default)]
pub(super) struct Providers {
    /// Static instances as they were registered last.
    fixed: Mutex<BTreeMap<InstanceId, NewInstance>>,
    host: OnceLock<Host>,
}

/// The thread that starts processes.
struct Host {
    wanted: watch::Sender<Wanted>,
    thread: Mutex<Option<thread::JoinHandle<()>>>,
}

impl Providers {
    /// From now on providers are processes of this platform. The first call counts.
    pub(super) fn start(
        &self,
        shared: Weak<Shared>,
        catalog: Catalog,
        supervisor: PathBuf,
        data: PathBuf,
    ) -> io::Result<()> {
        if self.host.get().is_some() {
            return Ok(());
        }
        let (wanted, wishes) = watch::channel(Wanted::Catalog(catalog));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let shell = processes::Shell::new(shared, supervisor, data);
        // The signal of a parent's death comes when the *thread* ends that started the process: this one does nothing else,
        // and ends when all of them have.
        let thread = thread::Builder::new()
            .name("thrift-providers".to_owned())
            .spawn(move || runtime.block_on(shell.run(wishes)))?;
        let host = Host {
            wanted,
            thread: Mutex::new(Some(thread)),
        };
        // Whoever was faster has done the same; without its sender this thread ends.
        let _ = self.host.set(host);
        Ok(())
    }

    /// Files changed.
    pub(super) fn follow(&self, thrift: &Thrift, catalog: &Catalog) {
        self.register_fixed(thrift, catalog);
        if let Some(host) = self.host.get() {
            host.wanted.send_if_modified(|wanted| match wanted {
                Wanted::Catalog(known) => {
                    *known = catalog.clone();
                    true
                }
                Wanted::Nothing => false,
            });
        }
    }

    fn register_fixed(&self, thrift: &Thrift, catalog: &Catalog) {
        let wanted: BTreeMap<InstanceId, NewInstance> = catalog
            .iter()
            .filter(|entry| entry.state != ServiceState::Retired)
            .flat_map(fixed_instances)
            .map(|new| (new.id.clone(), new))
            .collect();
        let mut fixed = self.fixed.lock().unwrap_or_else(PoisonError::into_inner);
        for id in fixed.keys().filter(|id| !wanted.contains_key(id)) {
            // Somebody may have deregistered it.
            let _ = thrift.deregister(id, "service.toml does not name it any more");
        }
        for (id, new) in &wanted {
            if fixed.get(id) != Some(new)
                && let Err(error) = thrift.register(new.clone())
            {
                tracing::warn!(instance = %id, %error, "an instance of a service.toml is not registered");
            }
        }
        *fixed = wanted;
    }

    /// Ends all processes.
    pub(super) async fn stop(&self) {
        let Some(host) = self.host.get() else { return };
        host.wanted.send_replace(Wanted::Nothing);
        let thread = host
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread {
            let joined = tokio::task::spawn_blocking(move || thread.join());
            if !matches!(joined.await, Ok(Ok(()))) {
                tracing::error!("the thread of the providers panicked");
            }
        }
    }
}

fn fixed_instances(entry: &Entry) -> impl Iterator<Item = NewInstance> {
    let service = &entry.service;
    service.provision.instances.iter().map(|fixed| NewInstance {
        id: InstanceId {
            service: service.id.clone(),
            name: fixed.name.clone(),
        },
        address: fixed.address.clone(),
        thrift: fixed.speaks.thrift.clone(),
        slots: fixed.speaks.slots,
        weight: fixed.speaks.weight,
        lease_ms: None,
    })
}
