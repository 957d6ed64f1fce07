//! Reactors that the BEAM hands descriptors to, by the pid of their process.

pub mod driver;
pub mod protocol;

use std::os::fd::RawFd;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use py_host::reactor::descriptor::Descriptor;
use py_host::reactor::{Limits, Reactor};
use rustc_hash::FxHashMap;
use rustler::sys::ErlNifTerm;
use rustler::{Encoder, Env, LocalPid, Monitor, Resource, ResourceArc, Term};

use crate::terms::TermStore;

/// A reactor and the way into it.
pub struct Entry {
    pub reactor: Arc<Reactor>,
    /// Does it take what is handed off to nobody in particular?
    shared: bool,
    /// `None` once closed.
    inbox: Mutex<Option<Vec<HandedOff>>>,
    /// The pid as a term: local pids are immediate values, the same in every environment.
    key: ErlNifTerm,
}

/// A descriptor on its way, with what is said of it.
pub struct HandedOff {
    pub descriptor: Descriptor,
    store: TermStore,
    info: ErlNifTerm,
}

impl HandedOff {
    pub fn info(&self) -> Term<'_> {
        // SAFETY: put into the store beside it.
        unsafe { self.store.get(self.info) }
    }
}

/// Why a descriptor was not taken.
pub enum Refused {
    Closed,
    Busy,
    System(std::io::Error),
}

/// Watches the process: when it dies, however that happens, its reactor stops.
pub struct Owner(Arc<Entry>);

#[rustler::resource_impl]
impl Resource for Owner {
    const IMPLEMENTS_DOWN: bool = true;

    fn down<'a>(&'a self, _env: Env<'a>, _pid: LocalPid, _monitor: Monitor) {
        self.0.stop();
    }
}

type Registry = RwLock<FxHashMap<ErlNifTerm, (Arc<Entry>, ResourceArc<Owner>)>>;

fn registry() -> &'static Registry {
    static REGISTRY: OnceLock<Registry> = OnceLock::new();
    REGISTRY.get_or_init(Registry::default)
}

/// Makes the calling process a reactor.
pub fn open(env: Env<'_>, limits: Limits, shared: bool) -> std::io::Result<()> {
    let entry = Arc::new(Entry {
        reactor: Reactor::new(limits)?,
        shared,
        inbox: Mutex::new(Some(Vec::new())),
        key: env.pid().encode(env).as_c_arg(),
    });
    let owner = ResourceArc::new(Owner(Arc::clone(&entry)));
    let registered = (Arc::clone(&entry), owner.clone());
    registry().write().unwrap_or_else(PoisonError::into_inner).insert(entry.key, registered);
    if env.monitor(&owner, &env.pid()).is_none() {
        entry.stop();
    }
    Ok(())
}

pub fn find(pid: Term<'_>) -> Option<Arc<Entry>> {
    let reactors = registry().read().unwrap_or_else(PoisonError::into_inner);
    reactors.get(&pid.as_c_arg()).map(|(entry, _)| Arc::clone(entry))
}

/// Of those that are for everybody, the one with the fewest connections.
pub fn any() -> Option<Arc<Entry>> {
    let reactors = registry().read().unwrap_or_else(PoisonError::into_inner);
    let shared = reactors.values().filter(|(entry, _)| entry.shared);
    shared.min_by_key(|(entry, _)| entry.reactor.connections()).map(|(entry, _)| Arc::clone(entry))
}

impl Entry {
    /// Takes a descriptor for the reactor's thread to take in. What came from `fd_duplicate` is
    /// closed even if it is refused, as whoever hands it off is done with it.
    pub fn hand_off(&self, fd: RawFd, info: Term<'_>) -> Result<(), Refused> {
        let descriptor = Descriptor::handed_off(fd).map_err(Refused::System)?;
        let mut store = TermStore::new();
        let info = store.keep(info);
        let mut inbox = self.inbox();
        let Some(waiting) = &mut *inbox else { return Err(Refused::Closed) };
        if !self.reactor.admit() {
            return Err(Refused::Busy);
        }
        waiting.push(HandedOff { descriptor, store, info });
        drop(inbox);
        self.reactor.poller.wake();
        Ok(())
    }

    /// What has come since, for the reactor's thread.
    pub fn take(&self) -> Vec<HandedOff> {
        self.inbox().as_mut().map_or_else(Vec::new, std::mem::take)
    }

    /// From here on nothing is taken, and the thread ends its round.
    pub fn stop(&self) {
        self.close();
        self.reactor.stop();
    }

    /// Nothing is taken any more, and what was taken and has not been looked at closes.
    pub fn close(&self) {
        let removed = registry().write().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
        let waiting = self.inbox().take().unwrap_or_default();
        // Outside of the locks: closing a socket may take a while.
        drop(removed);
        for item in waiting {
            item.descriptor.hang_up();
            self.reactor.dismiss();
        }
    }

    fn inbox(&self) -> std::sync::MutexGuard<'_, Option<Vec<HandedOff>>> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
