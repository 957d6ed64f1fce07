//! Which request the calling thread works on, for the functions of `_erlang` that Python code
//! calls from in there.

use std::cell::{Cell, RefCell};
use std::ptr;
use std::sync::Arc;

use py_host::{guest, Attached, Innermost, Worker};

use crate::address::Format;
use crate::builtin::promise;
use crate::contexts::{self, Entry};
use crate::convert::Converter;
use crate::local::Local;
use crate::output::Lines;
use crate::reply::Ticket;
use crate::shown::Lazily;

/// Which request that is.
#[derive(Clone, Copy)]
enum Asked<'r> {
    Ticket(&'r Arc<Ticket>),
    /// One that runs inline, and has a ticket once it needs one.
    Inline(Lazily<'r>),
    /// None: the event loop, each of whose tasks has its own.
    Loop,
}

/// What a worker does right now: a request in the making, or the context's event loop.
pub struct Current<'r> {
    pub worker: &'r Worker,
    pub lines: RefCell<Lines>,
    entry: &'r Arc<Entry>,
    request: Asked<'r>,
    /// The task in whose middle this request is, as it belongs to a callback of that.
    task: Option<promise::Address>,
    /// What this one interrupts, which has to wait for it.
    outer: *const Current<'static>,
    erlang: bool,
}

thread_local! {
    static CURRENT: Cell<*const Current<'static>> = const { Cell::new(ptr::null()) };
}

impl<'r> Current<'r> {
    pub fn request(py: Attached<'_>, worker: &'r Worker, ticket: &'r Arc<Ticket>) -> Current<'r> {
        // Where nothing waits, nothing is in the middle of anything.
        let is_within = worker.context().innermost() != Innermost::None;
        Current {
            worker,
            lines: RefCell::default(),
            entry: &ticket.entry,
            request: Asked::Ticket(ticket),
            task: if is_within { promise::present(py, worker.local()) } else { None },
            outer: CURRENT.get(),
            erlang: ticket.erlang(),
        }
    }

    /// Nothing waits where that runs, so it is in the middle of nothing.
    pub fn inline(
        worker: &'r Worker,
        entry: &'r Arc<Entry>,
        ticket: Lazily<'r>,
        format: Format,
    ) -> Current<'r> {
        let (lines, outer) = (RefCell::default(), CURRENT.get());
        let (request, erlang) = (Asked::Inline(ticket), format == Format::Erlang);
        Current { worker, lines, entry, request, task: None, outer, erlang }
    }

    pub fn event_loop(worker: &'r Worker, entry: &'r Arc<Entry>) -> Current<'r> {
        let (lines, outer) = (RefCell::default(), CURRENT.get());
        Current { worker, lines, entry, request: Asked::Loop, task: None, outer, erlang: false }
    }

    /// Whatever `work` calls on this thread belongs to this.
    pub fn during<R>(&self, py: Attached<'_>, work: impl FnOnce() -> R) -> R {
        struct Leave(*const Current<'static>);
        impl Drop for Leave {
            fn drop(&mut self) {
                CURRENT.set(self.0);
            }
        }
        let _leave = Leave(self.outer);
        CURRENT.set(ptr::from_ref(self).cast());
        match self.request {
            Asked::Ticket(ticket) => self.entry.current.during(Some(ticket), work),
            Asked::Loop => self.entry.current.during(None, work),
            Asked::Inline(ticket) => self.entry.current.during_inline(py, ticket, work),
        }
    }

    fn ticket(&self) -> Option<Arc<Ticket>> {
        match self.request {
            Asked::Ticket(ticket) => Some(Arc::clone(ticket)),
            Asked::Inline(ticket) => Some(ticket()),
            Asked::Loop => None,
        }
    }

    pub fn converter<'py>(&'py self, py: Attached<'py>) -> Converter<'py> {
        converter(py, self.worker, self.entry, self.erlang)
    }
}

/// The request that this thread works on.
pub fn here<'c>() -> Option<&'c Current<'c>> {
    let current = CURRENT.get();
    // SAFETY: `during` has put it there, further down this thread's stack, and takes it away
    // before it returns; whoever calls us is called from within.
    (!current.is_null()).then(|| unsafe { &*current.cast() })
}

/// The arguments of the request at hand have become Python's.
pub fn converted() {
    if let Some(Current { request: Asked::Ticket(ticket), .. }) = here() {
        ticket.address.times.as_ref().inspect(|times| times.converted());
    }
}

/// Gives a function of `_erlang` what it needs to speak for the thread that calls it: a converter
/// and, on a worker's thread, the request at hand. `None` if this interpreter's contexts are all
/// closed.
pub fn speak<R>(
    py: Attached<'_>,
    work: impl FnOnce(&Converter<'_>, Option<&Current<'_>>) -> R,
) -> Option<R> {
    if let Some(current) = here() {
        let mut converter = current.converter(py);
        if matches!(current.request, Asked::Loop) {
            let task = promise::speaker(&converter, current.task);
            converter.erlang = task.is_some_and(|ticket| ticket.erlang());
        }
        return Some(work(&converter, Some(current)));
    }
    guest::lend(py, |worker| {
        let entry = contexts::of(worker.context())?;
        Some(work(&converter(py, worker, &entry, false), None))
    })?
}

/// The request that a function of `_erlang` speaks for: that of the task it is called in, else the
/// one that the thread works on. A thread without one most likely works for the one that runs in
/// its context.
pub fn ticket(converter: &Converter<'_>, current: Option<&Current<'_>>) -> Option<Arc<Ticket>> {
    if let Some(ticket) = promise::speaker(converter, current.and_then(|current| current.task)) {
        return Some(ticket);
    }
    match current.and_then(Current::ticket) {
        Some(ticket) => Some(ticket),
        None => converter.entry.current.get_beside(converter.py),
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
