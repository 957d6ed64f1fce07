//! Which request the calling thread works on, for the functions of `_erlang` that Python code
//! calls from in there.

use std::cell::{Cell, RefCell};
use std::ptr;
use std::sync::{Arc, PoisonError};

use py_host::{guest, Attached, Worker};

use crate::contexts::{self, Entry};
use crate::convert::Converter;
use crate::local::Local;
use crate::output::Lines;
use crate::reply::Ticket;

/// A request in the making.
pub struct Current<'r> {
    pub worker: &'r Worker,
    pub ticket: &'r Arc<Ticket>,
    pub lines: RefCell<Lines>,
    /// The one whose callback this one belongs to.
    outer: *const Current<'static>,
    erlang: bool,
}

thread_local! {
    static CURRENT: Cell<*const Current<'static>> = const { Cell::new(ptr::null()) };
}

impl<'r> Current<'r> {
    pub fn new(worker: &'r Worker, ticket: &'r Arc<Ticket>, erlang: bool) -> Current<'r> {
        Current { worker, ticket, lines: RefCell::default(), outer: CURRENT.get(), erlang }
    }

    /// Whatever `work` calls on this thread belongs to this request.
    pub fn during<R>(&self, work: impl FnOnce() -> R) -> R {
        struct Leave<'c, 'r>(&'c Current<'r>, Option<Arc<Ticket>>);
        impl Drop for Leave<'_, '_> {
            fn drop(&mut self) {
                CURRENT.set(self.0.outer);
                self.0.ticket.entry.set_current(self.1.take());
            }
        }
        let entry = &self.ticket.entry;
        let _leave = Leave(self, entry.set_current(Some(Arc::clone(self.ticket))));
        CURRENT.set(ptr::from_ref(self).cast());
        work()
    }

    pub fn converter<'py>(&'py self, py: Attached<'py>) -> Converter<'py> {
        converter(py, self.worker, &self.ticket.entry, self.erlang)
    }
}

/// The request that this thread works on.
pub fn here<'c>() -> Option<&'c Current<'c>> {
    let current = CURRENT.get();
    // SAFETY: `during` has put it there, further down this thread's stack, and takes it away
    // before it returns; whoever calls us is called from within.
    (!current.is_null()).then(|| unsafe { &*current.cast() })
}

/// Gives a function of `_erlang` what it needs to speak for the thread that calls it: a converter
/// and, on a worker's thread, the request at hand. `None` if this interpreter's contexts are all
/// closed.
pub fn speak<R>(
    py: Attached<'_>,
    work: impl FnOnce(&Converter<'_>, Option<&Current<'_>>) -> R,
) -> Option<R> {
    if let Some(current) = here() {
        return Some(work(&current.converter(py), Some(current)));
    }
    guest::lend(py, |worker| {
        let entry = contexts::of(worker.context())?;
        Some(work(&converter(py, worker, &entry, false), None))
    })?
}

/// The request that a function of `_erlang` speaks for. A thread without one most likely works
/// for the one that runs in its context.
pub fn ticket(converter: &Converter<'_>, current: Option<&Current<'_>>) -> Option<Arc<Ticket>> {
    match current {
        Some(current) => Some(Arc::clone(current.ticket)),
        None => converter.entry.current.lock().unwrap_or_else(PoisonError::into_inner).clone(),
    }
}

fn converter<'py>(
    py: Attached<'py>,
    worker: &'py Worker,
    entry: &'py Arc<Entry>,
    erlang: bool,
) -> Converter<'py> {
    Converter { py, worker, local: worker.local::<Local>(), entry, erlang }
}
