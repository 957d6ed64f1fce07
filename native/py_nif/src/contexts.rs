//! The contexts of this node by the pid of their process, which is how everybody names them.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock, Weak};

use py_host::Context;
use rustc_hash::FxHashMap;
use rustler::sys::ErlNifTerm;
use rustler::{Encoder, Env, LocalPid, Monitor, Resource, ResourceArc, Term};

use crate::patience::Patience;
use crate::shown::Shown;
use crate::task::Tasks;

/// A context and the process that stands for it.
pub struct Entry {
    pub context: Arc<Context>,
    pub pid: LocalPid,
    /// The pid as a term: local pids are immediate values, the same in every environment.
    key: ErlNifTerm,
    /// The request that runs there.
    pub current: Shown,
    pub tasks: Tasks,
    pub patience: Patience,
}

// SAFETY: a local pid is a plain value that is valid on every thread.
unsafe impl Send for Entry {}
// SAFETY: as above, and what changes is made for it.
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

type Registry = FxHashMap<ErlNifTerm, (Arc<Entry>, ResourceArc<Owner>)>;

fn registry() -> &'static RwLock<Registry> {
    static REGISTRY: OnceLock<RwLock<Registry>> = OnceLock::new();
    REGISTRY.get_or_init(RwLock::default)
}

/// How many times the registry has changed.
static CHANGES: AtomicU64 = AtomicU64::new(0);

fn change<R>(work: impl FnOnce(&mut Registry) -> R) -> R {
    let mut contexts = registry().write().unwrap_or_else(PoisonError::into_inner);
    CHANGES.fetch_add(1, Ordering::Release);
    work(&mut contexts)
}

/// Makes the calling process the owner of `context`; false if it is dying already.
pub fn register(env: Env<'_>, context: Arc<Context>) -> Option<Arc<Entry>> {
    let entry = Arc::new(Entry {
        context,
        pid: env.pid(),
        key: env.pid().encode(env).as_c_arg(),
        current: Shown::default(),
        tasks: Tasks::default(),
        patience: Patience::default(),
    });
    let owner = ResourceArc::new(Owner(Arc::clone(&entry)));
    let registered = (Arc::clone(&entry), owner.clone());
    change(|contexts| contexts.insert(entry.key, registered));
    if env.monitor(&owner, &entry.pid).is_none() {
        remove(&entry);
        return None;
    }
    Some(entry)
}

pub fn remove(entry: &Entry) {
    let removed = change(|contexts| contexts.remove(&entry.key));
    // Outside the lock: the last reference may have garbage to discard.
    drop(removed);
}

/// What stands for a context.
pub fn of(context: &Arc<Context>) -> Option<Arc<Entry>> {
    let contexts = registry().read().unwrap_or_else(PoisonError::into_inner);
    let mut entries = contexts.values().map(|(entry, _)| entry);
    entries.find(|entry| Arc::ptr_eq(&entry.context, context)).cloned()
}

/// What this thread has found since the registry last changed. Even to lock for reading is to write
/// to what all schedulers share, with every request.
#[derive(Default)]
struct Known {
    changes: u64,
    entries: FxHashMap<ErlNifTerm, Weak<Entry>>,
}

thread_local! {
    static KNOWN: RefCell<Known> = RefCell::default();
}

/// The context of a pid, if it is one of this node's and open.
pub fn find(pid: Term<'_>) -> Option<Arc<Entry>> {
    let pid = pid.as_c_arg();
    KNOWN.with_borrow_mut(|known| {
        let changes = CHANGES.load(Ordering::Acquire);
        if known.changes != changes {
            *known = Known { changes, ..Known::default() };
        }
        if let Some(entry) = known.entries.get(&pid) {
            return entry.upgrade();
        }
        let contexts = registry().read().unwrap_or_else(PoisonError::into_inner);
        let (entry, _owner) = contexts.get(&pid)?;
        known.entries.insert(pid, Arc::downgrade(entry));
        Some(Arc::clone(entry))
    })
}

/// Of all that are registered.
pub fn pids() -> Vec<LocalPid> {
    let contexts = registry().read().unwrap_or_else(PoisonError::into_inner);
    contexts.values().map(|(entry, _)| entry.pid).collect()
}
