//! Stopping Python code that runs.
//!
//! An exception is put into the worker's thread from outside and lands at the next bytecode; code
//! that swallows it gets another one. It belongs to one job: when that job is over, an exception
//! still on its way is taken back before the next job starts.

use std::os::raw::c_long;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use pyo3_ffi as ffi;

use crate::attach::ThreadState;
use crate::nested::Found;
use crate::{Attached, Context};

/// Between two exceptions for code that goes on all the same.
const AGAIN: Duration = Duration::from_millis(10);

/// After a second of that, code that is still there is most likely in a C call that never looks.
const OFTEN: u32 = 100;
const SELDOM: Duration = Duration::from_millis(500);

/// Where a context's Python runs, for as long as it can be interrupted.
pub(crate) struct Target {
    pub interpreter: *mut ffi::PyInterpreterState,
    pub thread: c_long,
}

// SAFETY: two addresses; they are used while `Interrupts::target` is locked, which the worker
// clears before the interpreter goes.
unsafe impl Send for Target {}

/// Lock order: `target` before any GIL before `raising`. The worker takes `target` only while it
/// is detached, so it never waits for an interrupter that waits for its GIL.
#[derive(Default)]
pub(crate) struct Interrupts {
    target: Mutex<Option<Target>>,
    raising: Mutex<()>,
    sent: AtomicBool,
}

impl Interrupts {
    pub fn enable(&self, target: Target) {
        *self.target.lock().unwrap_or_else(PoisonError::into_inner) = Some(target);
    }

    /// Called detached, before the interpreter ends.
    pub fn disable(&self) {
        *self.target.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Has anybody interrupted the job that runs?
    pub fn was_sent(&self) -> bool {
        self.sent.load(Ordering::SeqCst)
    }

    /// The worker's side: the job was interrupted while it waited.
    pub fn mark_sent(&self) {
        self.sent.store(true, Ordering::SeqCst);
    }

    /// The worker's side, after a job: nothing meant for it may reach the next one.
    pub fn settle(&self, _py: Attached<'_>) {
        // The interrupter announces itself before it looks whether the job still runs, and the
        // worker has ended the job before it looks here: one of the two sees the other.
        if self.sent.load(Ordering::SeqCst) {
            let _exclusive = self.raising.lock().unwrap_or_else(PoisonError::into_inner);
            self.sent.store(false, Ordering::SeqCst);
            // SAFETY: attached; a null exception takes back the one that is pending.
            unsafe { ffi::PyThreadState_SetAsyncExc(own_thread(), std::ptr::null_mut()) };
        }
    }
}

/// What Python calls this thread: CPython numbers threads by `pthread_self` on every Unix.
pub(crate) fn own_thread() -> c_long {
    // SAFETY: always succeeds.
    unsafe { libc::pthread_self() as c_long }
}

/// Interrupts job `id` of `context` until it stops. Returns at once: attaching may take until the
/// job next lets go of its GIL, so a thread of its own does that.
pub(crate) fn start(context: &Arc<Context>, id: u64) {
    let context = Arc::clone(context);
    let interrupter = thread::Builder::new().name("py-interrupt".into());
    // Without a thread there is no interrupt: the caller has its answer already, and the job ends
    // when it ends.
    drop(interrupter.spawn(move || {
        (context.on_interrupt)(id);
        run(&context, id);
    }));
}

/// The same on this thread, which must be none of Python's.
pub(crate) fn run(context: &Context, id: u64) {
    for time in 1.. {
        match context.find(id) {
            Found::Running if !raise_in(context, id) => return,
            Found::Running | Found::Waiting => {}
            Found::Gone => return,
        }
        thread::sleep(if time < OFTEN { AGAIN } else { SELDOM });
    }
}

/// False once there is nothing left to interrupt.
fn raise_in(context: &Context, id: u64) -> bool {
    let interrupts = &context.interrupts;
    let target = interrupts.target.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(Target { interpreter, thread }) = *target else {
        return false;
    };
    // SAFETY: the interpreter lives while `target` is locked and set.
    let Some(state) = (unsafe { ThreadState::new(interpreter) }) else {
        return false;
    };
    state.attach(|_py| {
        let _exclusive = interrupts.raising.lock().unwrap_or_else(PoisonError::into_inner);
        interrupts.sent.store(true, Ordering::SeqCst);
        if context.running() == id {
            // SAFETY: attached to the interpreter that `thread` belongs to; the exception type is
            // static.
            unsafe { ffi::PyThreadState_SetAsyncExc(thread, ffi::PyExc_KeyboardInterrupt) };
        }
    });
    state.delete();
    true
}
