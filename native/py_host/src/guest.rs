//! Threads that Python code has started. They are nobody's workers, but what they say to the
//! outside needs what a worker has: types and caches of their interpreter, a context to export to.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;

use pyo3_ffi as ffi;

use crate::nested::Interrupted;
use crate::{Attached, Context, Nested, Worker};

/// What guests of one context have used and left for the next one.
#[derive(Default)]
pub(crate) struct Guests {
    idle: Mutex<Idle>,
    /// On what guests wait just now.
    waiting: Mutex<Vec<Arc<Nested>>>,
}

#[derive(Default)]
struct Idle {
    workers: Vec<Lent>,
    closed: bool,
}

/// A worker between two guests.
struct Lent(Worker);

// SAFETY: it is used and dropped by one thread at a time, attached to the interpreter that its
// objects belong to.
unsafe impl Send for Lent {}

/// The contexts that are open, to find one by its interpreter.
static OPEN: Mutex<Vec<Weak<Context>>> = Mutex::new(Vec::new());

pub(crate) fn register(context: &Arc<Context>) {
    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    open.retain(|context| context.strong_count() > 0);
    open.push(Arc::downgrade(context));
}

pub(crate) fn open_contexts() -> Vec<Arc<Context>> {
    let open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    open.iter().filter_map(Weak::upgrade).collect()
}

/// Lends the calling thread, which is no worker, the means of one. `None` if the interpreter has
/// no open context. In the main interpreter, where there may be several, one that has a job.
pub fn lend<R>(py: Attached<'_>, work: impl FnOnce(&Worker) -> R) -> Option<R> {
    let context = host(py)?;
    let idle = || context.guests.idle.lock().unwrap_or_else(PoisonError::into_inner);
    let left = idle().workers.pop();
    let worker = match left {
        Some(Lent(worker)) => worker,
        None => Worker::new(py, Arc::clone(&context)).ok()?,
    };
    let result = work(&worker);
    let mut idle = idle();
    if idle.closed {
        drop(idle);
        drop(worker);
    } else {
        idle.workers.push(Lent(worker));
    }
    Some(result)
}

/// A guest waits until `done`, or until `deadline`. When the context closes it is interrupted, as
/// an interpreter cannot end before its threads have.
pub fn wait(
    py: Attached<'_>,
    worker: &Worker,
    nested: &Arc<Nested>,
    deadline: Option<Instant>,
    done: impl Fn() -> bool,
) -> Result<(), Interrupted> {
    let context = worker.context();
    // In there first, then looking whether the context is closed: `close` does the opposite.
    context.guests.waiting().push(Arc::clone(nested));
    while !done() && !context.is_closed() {
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            break;
        }
        py.detached(|| nested.doze(deadline));
    }
    context.guests.waiting().retain(|other| !Arc::ptr_eq(other, nested));
    if context.is_closed() && !done() {
        return Err(Interrupted);
    }
    Ok(())
}

fn host(_py: Attached<'_>) -> Option<Arc<Context>> {
    // SAFETY: attached, so there is a current interpreter.
    let id = unsafe { ffi::PyInterpreterState_GetID(ffi::PyInterpreterState_Get()) };
    let mut found = open_contexts();
    found.retain(|context| context.info().interpreter_id == id && !context.is_closed());
    let busy = found.iter().position(|context| !context.is_idle());
    match busy {
        Some(index) => Some(found.swap_remove(index)),
        None => found.pop(),
    }
}

impl Guests {
    fn waiting(&self) -> MutexGuard<'_, Vec<Arc<Nested>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes all that wait, because the context closes.
    pub fn wake(&self) {
        self.waiting().iter().for_each(|nested| nested.wake());
    }

    /// The worker's side, attached, at the end.
    pub fn close(&self, _py: Attached<'_>) {
        let workers = {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            idle.closed = true;
            std::mem::take(&mut idle.workers)
        };
        drop(workers);
    }
}
