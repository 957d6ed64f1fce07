//! A job on the thread of whoever submits it, in place of a worker that has nothing to do.
//!
//! Handing a job over costs more than the shortest jobs take. So a submitter who promises that a
//! job is short may take the worker's seat: its interpreter and its thread state, which are not
//! used while the worker sleeps. A thread state of the submitter's own would not do: CPython keeps
//! the address of the state that a thread was last attached with, and there is no way to take it
//! back from a thread that is elsewhere when the interpreter ends.
//!
//! A job that does not keep the promise holds a thread that others need. One that goes on and on is
//! interrupted.
//!
//! Only where nobody else ever holds the GIL, since the submitter must not wait: in interpreters
//! with a GIL of their own, as long as Python code has started no threads there. From 3.14 on
//! CPython compares the stack pointer with the bounds of the thread's own stack, and we run on
//! another one, so there is none of this.

use std::cell::RefCell;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use corosensei::stack::DefaultStack;

use crate::executor::run_as;
use crate::interpreter::Interpreter;
use crate::interrupt;
use crate::mode::Place;
use crate::{gilstate, guest, runtime, Attached, Context, Worker};

/// A job is interrupted when it has kept its submitter's thread for so long.
const ENOUGH: Duration = Duration::from_millis(500);

/// How often that is looked at, and for how long after the last job.
const TICK: Duration = Duration::from_millis(100);
const TICKS: u32 = 20;

/// Whoever has locked it runs the Python of this context.
#[derive(Default)]
pub(crate) struct Seat {
    taken: Mutex<Option<Seated>>,
    /// Python code has left threads behind, which may hold the GIL at any time.
    shared: AtomicBool,
    /// The id of the job that runs inline and has not been interrupted, or zero.
    job: AtomicU64,
}

#[derive(Clone, Copy)]
pub(crate) struct Seated {
    interpreter: NonNull<Interpreter>,
    worker: NonNull<Worker>,
}

// SAFETY: what they point to is used by one thread at a time, the one that holds the lock they
// are under, and the worker's thread takes them back before they go.
unsafe impl Send for Seated {}

impl Seat {
    /// For as long as the guard lives, others may take the place of the worker when it lets them.
    pub fn offer<'s>(&'s self, interpreter: &'s Interpreter, worker: &'s Worker) -> Offer<'s> {
        let seated = Seated { interpreter: interpreter.into(), worker: worker.into() };
        *self.take() = Some(seated);
        Offer(self)
    }

    /// Before the thread that sits here detaches: may somebody else hold the GIL from now on?
    pub fn look_around(&self, py: Attached<'_>, interpreter: &Interpreter) {
        self.shared.store(interpreter.has_other_threads(py), Ordering::Relaxed);
    }

    /// The worker's own way to it. Waits for a job that is supposed to be short.
    pub fn take(&self) -> SeatGuard<'_> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) type SeatGuard<'s> = MutexGuard<'s, Option<Seated>>;

pub(crate) struct Offer<'s>(&'s Seat);

impl Drop for Offer<'_> {
    fn drop(&mut self) {
        *self.0.take() = None;
    }
}

impl Context {
    /// Does `work` here and now, as the job of that id, if the worker sleeps; false if it does not.
    pub fn run_inline(&self, id: u64, work: impl FnOnce(Attached<'_>, &Worker)) -> bool {
        let possible = cfg!(not(Py_3_14)) && self.mode.row().place == Place::OwnGil;
        // Whose memory is counted, it is counted on the worker's thread.
        let possible = possible && self.account.is_none();
        if !possible || self.seat.shared.load(Ordering::Relaxed) || !self.is_idle() {
            return false;
        }
        let Ok(seat) = self.seat.taken.try_lock() else { return false };
        let Some(seated) = *seat else { return false };
        // SAFETY: both live until `Offer` has locked the seat, which we hold.
        let (interpreter, worker) =
            unsafe { (seated.interpreter.as_ref(), seated.worker.as_ref()) };
        let Some(_bound) = gilstate::bind(interpreter.thread()) else { return false };
        worker.inline.set(true);
        self.seat.job.store(id, Ordering::Relaxed);
        watch();
        let mut has_run = false;
        interrupt::during(worker.context(), || {
            on_deep_stack(|| {
                interpreter.attach(|py| {
                    has_run = run_as(py, worker, id, || work(py, worker));
                    self.seat.look_around(py, interpreter);
                });
            });
        });
        self.seat.job.store(0, Ordering::Relaxed);
        worker.inline.set(false);
        has_run
    }
}

impl Worker {
    /// Does a submitter sit in its place, who must not be kept waiting?
    pub fn is_inline(&self) -> bool {
        self.inline.get()
    }
}

/// Jobs have run inline since the watch looked last.
static ACTIVE: AtomicBool = AtomicBool::new(false);
static WATCHED: AtomicBool = AtomicBool::new(false);

/// Sees to it that somebody looks at inline jobs for a while. No thread does when there are none.
fn watch() {
    if !ACTIVE.load(Ordering::Relaxed) {
        ACTIVE.store(true, Ordering::SeqCst);
        if !WATCHED.swap(true, Ordering::SeqCst) {
            let watch = thread::Builder::new().name("py-inline".into()).spawn(keep_watch);
            if watch.is_err() {
                WATCHED.store(false, Ordering::SeqCst);
            }
        }
    }
}

fn keep_watch() {
    let mut idle = 0;
    loop {
        thread::sleep(TICK);
        for context in guest::open_contexts() {
            let job = &context.seat.job;
            let id = job.load(Ordering::Relaxed);
            // Once for each job: an interrupt goes on until the job has ended.
            if id != 0
                && context.busy() >= ENOUGH
                && job.compare_exchange(id, 0, Ordering::Relaxed, Ordering::Relaxed).is_ok()
            {
                interrupt::start(&context, id);
            }
        }
        idle = if ACTIVE.swap(false, Ordering::SeqCst) { 0 } else { idle + 1 };
        if idle == TICKS {
            WATCHED.store(false, Ordering::SeqCst);
            // Whoever came meanwhile has seen that somebody watches.
            if !ACTIVE.load(Ordering::SeqCst) || WATCHED.swap(true, Ordering::SeqCst) {
                return;
            }
            idle = 0;
        }
    }
}

thread_local! {
    /// As large as a worker's: the submitter's own may be too small for what CPython takes to be
    /// a permitted depth of recursion.
    static STACK: RefCell<Option<DefaultStack>> = const { RefCell::new(None) };
}

/// Not at all if there is no room for such a stack. Never within itself: what runs inline does not
/// lead back here.
fn on_deep_stack(work: impl FnOnce()) {
    STACK.with_borrow_mut(|stack| {
        if stack.is_none() {
            *stack =
                runtime::get().ok().and_then(|config| DefaultStack::new(config.stack_size).ok());
        }
        if let Some(stack) = stack {
            corosensei::on_stack(stack, work);
        }
    });
}
