//! Threads that Python code has started. They are nobody's workers, but what they say to the
//! outside needs what a worker has: types and caches of their interpreter, a context to export to.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use pyo3_ffi as ffi;

use crate::{Attached, Context, Worker};

/// What guests of one context have used and left for the next one.
#[derive(Default)]
pub(crate) struct Guests {
    idle: Mutex<Idle>,
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

fn host(_py: Attached<'_>) -> Option<Arc<Context>> {
    // SAFETY: attached, so there is a current interpreter.
    let id = unsafe { ffi::PyInterpreterState_GetID(ffi::PyInterpreterState_Get()) };
    let open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut found: Vec<_> = open
        .iter()
        .filter_map(Weak::upgrade)
        .filter(|context| context.info().interpreter_id == id && !context.is_closed())
        .collect();
    drop(open);
    let busy = found.iter().position(|context| !context.is_idle());
    match busy {
        Some(index) => Some(found.swap_remove(index)),
        None => found.pop(),
    }
}

impl Guests {
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
