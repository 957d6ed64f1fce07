//! Python objects that somebody outside holds, and the list of those nobody holds any more.
//!
//! A [`Handle`] may be dropped on any thread, at any time: the BEAM collects garbage when it
//! likes, on a scheduler that must never wait for a GIL. So dropping only writes a key down, and
//! the context's worker releases the object the next time it is attached.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pyo3_ffi as ffi;
use slab::Slab;

use crate::lent::orphans;
use crate::{Attached, Context, Object};

/// The objects of one context that have handles.
#[derive(Default)]
pub(crate) struct Exports {
    table: Mutex<Table>,
    has_garbage: AtomicBool,
}

#[derive(Default)]
struct Table {
    live: Slab<Exported>,
    dropped: Vec<usize>,
    /// What was lent and has come back.
    returned: Vec<Exported>,
    stage: Stage,
}

#[derive(Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Open,
    /// Handles find nothing any more, but Python code may still run.
    Closing,
    /// The interpreter has ended, or the context has left the main one.
    Ended,
}

/// One owned reference; released by the worker, never by `Drop`.
pub(crate) struct Exported(pub *mut ffi::PyObject);

// SAFETY: only an address travels between threads; it is dereferenced on the worker alone.
unsafe impl Send for Exported {}

impl Exports {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn live(&self) -> usize {
        let table = self.table();
        table.live.len() - table.dropped.len()
    }

    fn insert(&self, object: Object<'_>) -> usize {
        self.table().live.insert(Exported(object.into_ptr()))
    }

    fn get<'py>(&self, py: Attached<'py>, key: usize) -> Option<Object<'py>> {
        let table = self.table();
        let exported = table.live.get(key)?;
        // SAFETY: the table owns a reference, and its lock is held until we have one too.
        Some(unsafe { Object::from_borrowed(py, exported.0) })
    }

    /// Writes down that `key` is no longer wanted. Says whether it is the first one since the
    /// last collection, that is, whether the worker should be told.
    fn discard(&self, key: usize) -> bool {
        let mut table = self.table();
        if table.stage != Stage::Open {
            return false;
        }
        table.dropped.push(key);
        !self.has_garbage.swap(true, Ordering::AcqRel)
    }

    /// The same for lent memory. What is left when the interpreter has ended is an orphan.
    pub fn give_back(&self, object: Exported) -> bool {
        let mut table = self.table();
        if table.stage == Stage::Ended {
            drop(table);
            orphans::add(vec![object]);
            return false;
        }
        table.returned.push(object);
        !self.has_garbage.swap(true, Ordering::AcqRel)
    }

    /// Releases what was discarded. Runs `__del__` methods, hence outside the lock.
    pub fn collect(&self, py: Attached<'_>) {
        if !self.has_garbage.load(Ordering::Acquire) {
            return;
        }
        let released: Vec<Exported> = {
            let mut table = self.table();
            self.has_garbage.store(false, Ordering::Release);
            let dropped = std::mem::take(&mut table.dropped);
            let mut released = std::mem::take(&mut table.returned);
            released.extend(dropped.into_iter().map(|key| table.live.remove(key)));
            released
        };
        release(py, released);
    }

    /// Releases everything but what is lent; from here on handles find nothing.
    pub fn close(&self, py: Attached<'_>) {
        let released: Vec<Exported> = {
            let mut table = self.table();
            table.stage = Stage::Closing;
            table.dropped.clear();
            let mut released = std::mem::take(&mut table.returned);
            released.extend(std::mem::take(&mut table.live).into_iter().map(|(_, it)| it));
            released
        };
        release(py, released);
    }

    /// Nothing runs in the interpreter any more. Not for one that was abandoned: threads there
    /// may still have to do with what was lent, so it stays.
    pub fn end(&self) {
        let mut table = self.table();
        table.stage = Stage::Ended;
        let returned = std::mem::take(&mut table.returned);
        drop(table);
        orphans::add(returned);
    }
}

pub(crate) fn release(_py: Attached<'_>, objects: Vec<Exported>) {
    for Exported(object) in objects {
        // SAFETY: the table owned this reference and has given it up; we are attached.
        unsafe { ffi::Py_DECREF(object) }
    }
}

/// A reference to a Python object that may be held, sent and dropped anywhere, and used only on
/// its own context's thread.
pub struct Handle {
    context: Arc<Context>,
    key: usize,
}

impl Handle {
    pub(crate) fn new(context: &Arc<Context>, object: Object<'_>) -> Handle {
        Handle { context: Arc::clone(context), key: context.exports.insert(object) }
    }

    /// The context to which the object belongs.
    pub fn context(&self) -> &Arc<Context> {
        &self.context
    }

    /// The object, if `context` is the one it belongs to and has not closed.
    pub(crate) fn get<'py>(
        &self,
        py: Attached<'py>,
        context: &Arc<Context>,
    ) -> Option<Object<'py>> {
        if !Arc::ptr_eq(&self.context, context) {
            return None;
        }
        context.exports.get(py, self.key)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if self.context.exports.discard(self.key) {
            self.context.wake();
        }
    }
}
