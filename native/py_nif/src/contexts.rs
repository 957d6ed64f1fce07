//! The contexts of this node by the pid of their process, which is how everybody names them.

use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use py_host::Context;
use rustc_hash::FxHashMap;
use rustler::sys::ErlNifTerm;
use rustler::{Encoder, Env, LocalPid, Monitor, Resource, ResourceArc, Term};

use crate::reply::Ticket;
use crate::task::Tasks;

/// A context and the process that stands for it.
pub struct Entry {
    pub context: Arc<Context>,
    pub pid: LocalPid,
    /// The pid as a term: local pids are immediate values, the same in every environment.
    key: ErlNifTerm,
    /// The request that runs there, for threads that Python code has started.
    pub current: Mutex<Option<Arc<Ticket>>>,
    pub tasks: Tasks,
}

impl Entry {
    /// The request that runs there.
    pub fn current(&self) -> Option<Arc<Ticket>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Says what runs; answers with what ran before.
    pub fn set_current(&self, ticket: Option<Arc<Ticket>>) -> Option<Arc<Ticket>> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *current, ticket)
    }
}

// SAFETY: a local pid is a plain value that is valid on every thread.
unsafe impl Send for Entry {}
// SAFETY: as above, and what changes is behind a lock.
unsafe impl Sync for Entry {}

/// Watches the process: when it dies, however that happens, its context closes.
pub struct Owner(Arc<Entry>);

#[rustler::resource_impl]
impl Resource for Owner {
    const IMPLEMENTS_DOWN: bool = true;

    fn down<'a>(&'a self, _env: Env<'a>, _pid: LocalPid, _monitor: Monitor) {
        remove(&self.0);
        let _ = self.0.context.close(Box::new(|| {}));
    }
}

type Registry = RwLock<FxHashMap<ErlNifTerm, (Arc<Entry>, ResourceArc<Owner>)>>;

fn registry() -> &'static Registry {
    static REGISTRY: OnceLock<Registry> = OnceLock::new();
    REGISTRY.get_or_init(Registry::default)
}

/// Makes the calling process the owner of `context`; false if it is dying already.
pub fn register(env: Env<'_>, context: Arc<Context>) -> Option<Arc<Entry>> {
    let entry = Arc::new(Entry {
        context,
        pid: env.pid(),
        key: env.pid().encode(env).as_c_arg(),
        current: Mutex::default(),
        tasks: Tasks::default(),
    });
    let owner = ResourceArc::new(Owner(Arc::clone(&entry)));
    let registered = (Arc::clone(&entry), owner.clone());
    registry().write().unwrap_or_else(PoisonError::into_inner).insert(entry.key, registered);
    if env.monitor(&owner, &entry.pid).is_none() {
        remove(&entry);
        return None;
    }
    Some(entry)
}

pub fn remove(entry: &Entry) {
    let removed = registry().write().unwrap_or_else(PoisonError::into_inner).remove(&entry.key);
    // Outside the lock: the last reference may have garbage to discard.
    drop(removed);
}

/// What stands for a context.
pub fn of(context: &Arc<Context>) -> Option<Arc<Entry>> {
    let contexts = registry().read().unwrap_or_else(PoisonError::into_inner);
    let mut entries = contexts.values().map(|(entry, _)| entry);
    entries.find(|entry| Arc::ptr_eq(&entry.context, context)).cloned()
}

/// The context of a pid, if it is one of this node's and open.
pub fn find(pid: Term<'_>) -> Option<Arc<Entry>> {
    let contexts = registry().read().unwrap_or_else(PoisonError::into_inner);
    contexts.get(&pid.as_c_arg()).map(|(entry, _)| Arc::clone(entry))
}

/// Of all that are registered.
pub fn pids() -> Vec<LocalPid> {
    let contexts = registry().read().unwrap_or_else(PoisonError::into_inner);
    contexts.values().map(|(entry, _)| entry.pid).collect()
}
