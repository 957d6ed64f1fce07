//! Coroutines that a context's event loops run for requests.
//!
//! A request whose function gives a coroutine becomes a task, and its answer a promise that Python
//! keeps (`erlang._tasks`). Most tasks belong to a loop of the context's own, which runs for as
//! long as anything is left in it: the job that has begun the first task goes on as its driver.
//! While that loop waits, the context serves other requests.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use py_host::queue::NOBODYS;
use py_host::{Attached, Object, Raised, Rejection, Worker};
use pyo3_ffi as ffi;

use crate::address::Kind;
use crate::builtin::promise;
use crate::contexts::Entry;
use crate::convert::Converter;
use crate::current::Current;
use crate::local::Local;
use crate::output;
use crate::reply;
use crate::request::Request;

/// Tasks that one context may have.
const MOST: usize = 10_000;

/// The worker looks at tasks to be cancelled between two jobs. If it has not come to it after so
/// long, something keeps it: it may be one of those very tasks.
const AT_ONCE: Duration = Duration::from_millis(10);

/// A task that was told so many times, and goes on, is treated like any job that has to stop.
const PATIENT: u32 = 100;

/// For so long the tasks of a context that closes may clear up.
const CLEARING_UP: Duration = Duration::from_secs(1);

/// What is known of a context's tasks outside of Python.
#[derive(Default)]
pub struct Tasks {
    count: AtomicUsize,
    /// The requests of those to be cancelled.
    doomed: Mutex<Vec<u64>>,
    /// Are there any, as far as the worker has not seen?
    announced: AtomicBool,
    watched: AtomicBool,
}

/// A task's place among those that a context may have.
pub struct Place(Arc<Entry>);

impl Place {
    /// `None` if there are too many.
    pub fn take(entry: &Arc<Entry>) -> Option<Place> {
        let place = Place(Arc::clone(entry));
        (entry.tasks.count.fetch_add(1, Ordering::Relaxed) < MOST).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.tasks.count.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Is it what an `async def` function gives?
pub fn is_coroutine(object: &Object<'_>) -> bool {
    // SAFETY: alive; only types are compared.
    unsafe { ffi::PyCoro_CheckExact(object.as_ptr()) != 0 }
}

/// What is left to do for the job whose request has become a task.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Next {
    Nothing,
    /// The context's loop has something to run, and nobody runs it.
    Drive,
}

/// Makes a task of a coroutine; the request answers for it. `poller` is that of the loop on top
/// of which the request is served, zero if there is none. Fails with the request given back.
pub fn begin<'py>(
    converter: &Converter<'py>,
    request: Box<Request>,
    coroutine: &Object<'py>,
    poller: usize,
) -> Result<Next, (Raised<'py>, Option<Box<Request>>)> {
    let py = converter.py;
    let seconds = match request.ticket().address.kind {
        Kind::Task { timeout: Some(timeout), .. } => timeout.as_secs_f64(),
        _ => -1.0,
    };
    let start = match converter.local.start_task(py) {
        Ok(start) => start,
        Err(raised) => return Err((raised, Some(request))),
    };
    let promise = promise::new(converter, request).map_err(|raised| (raised, None))?;
    let started = arguments(coroutine, &promise, poller, seconds)
        .and_then(|arguments| start.call(&arguments, None));
    match started {
        // SAFETY: only an address is compared.
        Ok(idle) if std::ptr::eq(idle.as_ptr(), unsafe { ffi::Py_True() }) => Ok(Next::Drive),
        // More tasks to begin, perhaps, which is quicker in a loop that runs.
        Ok(_done) if poller == 0 && converter.entry.context.waiting() > 0 => Ok(Next::Drive),
        Ok(_running) => Ok(Next::Nothing),
        Err(raised) => Err((raised, promise::take(&promise))),
    }
}

fn arguments<'py>(
    coroutine: &Object<'py>,
    promise: &Object<'py>,
    poller: usize,
    seconds: f64,
) -> Result<Object<'py>, Raised<'py>> {
    let py = coroutine.py();
    // SAFETY: attached; both make new references, or null with an exception set.
    let (poller, seconds) = unsafe {
        let poller = Object::from_owned(py, ffi::PyLong_FromSize_t(poller))?;
        (poller, Object::from_owned(py, ffi::PyFloat_FromDouble(seconds))?)
    };
    Object::tuple(py, [coroutine.clone(), promise.clone(), poller, seconds])
}

/// Runs a coroutine to its end, in a loop of its own: for a request that is part of a callback,
/// for which a task of the context's loop waits perhaps.
pub fn run_within<'py>(
    converter: &Converter<'py>,
    coroutine: &Object<'py>,
) -> Result<Object<'py>, Raised<'py>> {
    Object::import(converter.py, c"erlang._tasks")?.attr(c"run_within")?.call1(coroutine)
}

/// Runs the context's loop until nothing is left in it. It goes by an id of its own, and by a new
/// one after each interrupt, so that what was to interrupt it stops there.
pub fn drive(py: Attached<'_>, worker: &Worker, entry: &Arc<Entry>) {
    let Some(tasks) = worker.local::<Local>().begun_tasks(py) else { return };
    let mut interrupted = None;
    loop {
        let id = reply::next_id();
        worker.go_on_as(py, id);
        // Whoever closes a context says so, then looks what runs; we do the opposite.
        let closing = entry.context.is_closed();
        if closing {
            entry.context.interrupt_after(id, CLEARING_UP);
        }
        let current = Current::event_loop(worker, entry);
        let driven = current.during(py, || {
            let driven = go_round(&tasks, interrupted, closing);
            output::flush(&current);
            driven
        });
        if driven.is_ok() || closing {
            break;
        }
        let exceeded = worker.exceeded_memory();
        interrupted = Some(if exceeded { "out_of_memory" } else { "interrupted" });
    }
    worker.stop(py);
}

fn go_round<'py>(
    tasks: &Object<'py>,
    interrupted: Option<&str>,
    closing: bool,
) -> Result<Object<'py>, Raised<'py>> {
    if let Some(reason) = interrupted {
        tasks.attr(c"interrupted")?.call1(&Object::str(tasks.py(), reason)?)?;
    }
    tasks.attr(if closing { c"drive_to_end" } else { c"drive" })?.call0()
}

/// Has a request's task cancelled; from any thread.
pub fn cancel(entry: &Arc<Entry>, id: u64) {
    let tasks = &entry.tasks;
    tasks.doomed.lock().unwrap_or_else(PoisonError::into_inner).push(id);
    if !tasks.announced.swap(true, Ordering::SeqCst) {
        // If the queue is full, the worker looks before the next request in there.
        let _ = entry.context.submit(Arc::new(Cancel(Arc::clone(entry))));
    }
    if !tasks.watched.swap(true, Ordering::SeqCst) {
        let entry = Arc::clone(entry);
        let watchdog = thread::Builder::new().name("py-tasks".into());
        // Without a thread there is nobody to disturb a task that keeps the worker.
        drop(watchdog.spawn(move || watch(&entry)));
    }
}

/// The worker's side of it.
pub fn cancel_doomed(py: Attached<'_>, worker: &Worker, entry: &Entry) {
    let tasks = &entry.tasks;
    if !tasks.announced.load(Ordering::Relaxed) || !tasks.announced.swap(false, Ordering::SeqCst) {
        return;
    }
    let doomed = std::mem::take(&mut *tasks.doomed.lock().unwrap_or_else(PoisonError::into_inner));
    if let Some(tasks) = worker.local::<Local>().begun_tasks(py) {
        for id in doomed {
            // What fails here has ended.
            drop(tasks.attr(c"cancel").and_then(|cancel| cancel.call1(&number(py, id)?)));
        }
    }
}

fn number(py: Attached<'_>, id: u64) -> Result<Object<'_>, Raised<'_>> {
    // SAFETY: attached; a new reference, or null with an exception set.
    unsafe { Object::from_owned(py, ffi::PyLong_FromUnsignedLongLong(id)) }
}

/// Makes the worker look.
struct Cancel(Arc<Entry>);

impl py_host::Job for Cancel {
    fn id(&self) -> u64 {
        NOBODYS
    }
    fn run(self: Arc<Self>, py: Attached<'_>, worker: &Worker) {
        cancel_doomed(py, worker, &self.0);
    }
    fn reject(self: Arc<Self>, _reason: Rejection) {}
}

/// Disturbs a task that is to be cancelled and does not let go of the worker.
fn watch(entry: &Arc<Entry>) {
    let mut times = 0;
    loop {
        thread::sleep(AT_ONCE);
        let doomed = entry.tasks.doomed.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if doomed.is_empty() || entry.context.is_closed() {
            entry.tasks.watched.store(false, Ordering::SeqCst);
            return;
        }
        let mut disturbed = false;
        entry.context.raise_if(|py| {
            let error = disturbance(py, &doomed);
            disturbed = error.is_some();
            error
        });
        times = if disturbed { times + 1 } else { 0 };
        if times == PATIENT {
            entry.context.interrupt_all();
        }
    }
}

/// `asyncio.CancelledError` if one of those tasks is at work at this moment.
fn disturbance<'py>(py: Attached<'py>, doomed: &[u64]) -> Option<Object<'py>> {
    let found = Object::import(py, c"erlang._tasks").and_then(|module| {
        let disturbance = module.attr(c"disturbance")?;
        for id in doomed {
            let error = disturbance.call1(&number(py, *id)?)?;
            if !error.is_none() {
                return Ok(Some(error));
            }
        }
        Ok(None)
    });
    found.ok().flatten()
}
