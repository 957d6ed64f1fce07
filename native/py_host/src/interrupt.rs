//! Stopping Python code that runs.
//!
//! An exception is put into the worker's thread from outside and lands at the next bytecode; code
//! that swallows it gets another one. It belongs to one job: when that job is over, an exception
//! still on its way is taken back before the next job starts.

use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::os::raw::c_long;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use pyo3_ffi as ffi;

use crate::attach::ThreadState;
use crate::nested::Found;
use crate::{usage, Attached, Context, Object};

/// Between two exceptions for code that goes on all the same.
const AGAIN: Duration = Duration::from_millis(10);

/// The next one waits until the thread has run for so long since the one before, by the processor's
/// time where the system tells it, or until so much time has passed. On a busy machine a thread may
/// not run at all for longer than `AGAIN`, and code that clears up may have to wait for something.
const CHANCE: Duration = Duration::from_millis(2);
const LONG: Duration = Duration::from_millis(200);

/// So many times code may do something about it and go on: most of it cleans up and ends. What
/// comes then cannot be swallowed, nor cleaned up after: a lock that is held then may stay so.
const PATIENT: u32 = 3;

/// After a second of that, code that is still there is most likely in a C call that never looks.
const OFTEN: u32 = 100;
const SELDOM: Duration = Duration::from_millis(500);

/// For so long an event loop that was interrupted may go on polling: the coroutines that it
/// cancels clear up, for which some have to wait.
const CLEARING_UP: Duration = Duration::from_secs(1);

/// Where a context's Python runs, for as long as it can be interrupted.
pub(crate) struct Target {
    pub interpreter: *mut ffi::PyInterpreterState,
    pub thread: c_long,
}

// SAFETY: two addresses; they are used while `Interrupts::target` is locked, which the worker
// clears before the interpreter goes.
unsafe impl Send for Target {}

/// Lock order: `target` before any GIL before `raising`. The worker takes `target` only while it
/// is detached, so it never waits for an interrupter that waits for its GIL. Under `raising`
/// nothing is done that may let go of a GIL or stop other threads, such as making an object or
/// setting a trace function: whoever waits for `raising` is attached.
#[derive(Default)]
pub(crate) struct Interrupts {
    target: Mutex<Option<Target>>,
    /// What Python calls the worker's thread, whoever may sit in its place.
    thread: OnceLock<c_long>,
    raising: Mutex<()>,
    /// Somebody has looked, or is about to look, whether there is something to interrupt.
    announced: AtomicBool,
    /// The last job that was interrupted.
    interrupted: AtomicU64,
    /// Somebody is looking at what runs; see `look`.
    pub(crate) looking: AtomicBool,
}

impl Interrupts {
    pub fn enable(&self, target: Target) {
        let _ = self.thread.set(target.thread);
        *self.target.lock().unwrap_or_else(PoisonError::into_inner) = Some(target);
    }

    /// Called detached, before the interpreter ends.
    pub fn disable(&self) {
        *self.target.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Has anybody interrupted that job?
    pub fn hit(&self, id: u64) -> bool {
        id != 0 && self.interrupted.load(Ordering::SeqCst) == id
    }

    /// That job is interrupted.
    pub fn mark(&self, id: u64) {
        self.interrupted.store(id, Ordering::SeqCst);
    }

    /// One interrupter at a time, and the worker will know that there was one.
    fn announce(&self, _py: Attached<'_>) -> MutexGuard<'_, ()> {
        let exclusive = self.raising.lock().unwrap_or_else(PoisonError::into_inner);
        self.announced.store(true, Ordering::SeqCst);
        exclusive
    }

    /// The worker's side, after a job: nothing meant for it may reach the next one.
    pub fn settle(&self, _py: Attached<'_>) {
        // The interrupter announces itself before it looks whether the job still runs, and the
        // worker has ended the job before it looks here: one of the two sees the other.
        if self.announced.load(Ordering::SeqCst) {
            let exclusive = self.raising.lock().unwrap_or_else(PoisonError::into_inner);
            self.announced.store(false, Ordering::SeqCst);
            let thread = self.thread.get().copied().unwrap_or_else(own_thread);
            // SAFETY: attached; a null exception takes back the one that is pending.
            unsafe { ffi::PyThreadState_SetAsyncExc(thread, ptr::null_mut()) };
            drop(exclusive);
            if TRACING.replace(false) {
                // SAFETY: attached; null takes the function away.
                unsafe { ffi::PyEval_SetTrace(None, ptr::null_mut()) };
            }
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
    let since = Instant::now();
    let mut attempts = Attempts::default();
    for time in 1.. {
        let disturb_loops = time == 1 || since.elapsed() > CLEARING_UP;
        match context.find(id, disturb_loops) {
            Found::Running if !raise_in(context, id, &mut attempts) => return,
            Found::Polling if time == 1 && has_ended(context, id, since) => return,
            Found::Running => {}
            // Its wait ends with an exception, which counts.
            Found::Waiting | Found::Polling => {
                attempts.next(context.processor_time());
            }
            Found::Gone => return,
        }
        thread::sleep(if time < OFTEN { AGAIN } else { SELDOM });
    }
}

/// A loop that was interrupted while it polled is left alone for as long as it may clear up.
fn has_ended(context: &Context, id: u64, since: Instant) -> bool {
    while since.elapsed() < CLEARING_UP {
        thread::sleep(AGAIN);
        if !context.has(id) {
            return true;
        }
    }
    false
}

impl Context {
    /// Interrupts that job if it is still there after so long.
    pub fn interrupt_after(self: &Arc<Self>, id: u64, time: Duration) {
        let context = Arc::clone(self);
        let interrupter = thread::Builder::new().name("py-interrupt".into());
        drop(interrupter.spawn(move || {
            thread::sleep(time);
            run(&context, id);
        }));
    }

    /// Raises the exception that `choose` names, if any, in what runs here. Not for threads of
    /// Python's; attaching may take until the job next lets go of its GIL.
    pub fn raise_if(&self, choose: impl for<'py> FnOnce(Attached<'py>) -> Option<Object<'py>>) {
        self.attached(|thread, py| {
            // Python code that chooses may let the worker have its GIL, so nothing is locked yet.
            if let Some(kind) = choose(py) {
                let exclusive = self.interrupts.announce(py);
                // SAFETY: attached to the interpreter that `thread` belongs to; the call takes a
                // reference of its own.
                unsafe { ffi::PyThreadState_SetAsyncExc(thread, kind.as_ptr()) };
                drop(exclusive);
            }
        });
    }

    /// Runs `work` in this context's interpreter, with the thread of its worker. False once that
    /// can no longer be.
    pub(crate) fn attached(&self, work: impl for<'py> FnOnce(c_long, Attached<'py>)) -> bool {
        let target = self.interrupts.target.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(Target { interpreter, thread }) = *target else {
            return false;
        };
        // SAFETY: the interpreter lives while `target` is locked and set.
        let Some(state) = (unsafe { ThreadState::new(interpreter) }) else {
            return false;
        };
        state.attach(|py| work(thread, py));
        state.delete();
        true
    }

    /// The time for which its worker has had a processor, if the system tells and it lives.
    fn processor_time(&self) -> Option<Duration> {
        let target = self.interrupts.target.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: the thread lives while `target` is locked and set.
        target.as_ref().and_then(|target| unsafe { usage::processor_time(target.thread) })
    }
}

/// The exceptions for one job so far.
#[derive(Default)]
struct Attempts {
    count: u32,
    /// When the last one was, by the clock and by the processor's time of the thread.
    last: Option<(Instant, Option<Duration>)>,
}

impl Attempts {
    /// Is it time for the next one?
    fn next(&mut self, processor: Option<Duration>) -> bool {
        let now = Instant::now();
        let is_time = self.last.is_none_or(|(then, before)| {
            let ran = processor.zip(before).map(|(now, before)| now.saturating_sub(before));
            ran.is_none_or(|ran| ran >= CHANCE) || now.duration_since(then) >= LONG
        });
        if is_time {
            self.count += 1;
            self.last = Some((now, processor));
        }
        is_time
    }
}

/// False once there is nothing left to interrupt.
fn raise_in(context: &Context, id: u64, attempts: &mut Attempts) -> bool {
    context.attached(|thread, py| {
        // Only now: what the job has run while its GIL was waited for was no chance to end.
        // SAFETY: `attached` has locked the target, and while that is set its thread lives.
        let processor = unsafe { usage::processor_time(thread) };
        if !attempts.next(processor) {
            return;
        }
        let is_patient = attempts.count <= PATIENT;
        let relentless = if is_patient { None } else { Relentless::new_type() };
        let exclusive = context.interrupts.announce(py);
        if context.running() == id {
            context.interrupts.mark(id);
            // SAFETY: attached to the interpreter that `thread` belongs to; the exception type is
            // static, or ours until after the call, which takes a reference of its own.
            unsafe {
                let kind = relentless.unwrap_or(ffi::PyExc_KeyboardInterrupt);
                ffi::PyThreadState_SetAsyncExc(thread, kind);
            }
        }
        drop(exclusive);
        // SAFETY: attached; our own reference, or null.
        unsafe { ffi::Py_XDECREF(relentless.unwrap_or(ptr::null_mut())) };
    })
}

thread_local! {
    /// Whose worker this thread is, or null.
    static OWN: Cell<*const Context> = const { Cell::new(ptr::null()) };
    /// Has `Relentless` left its trace function here?
    static TRACING: Cell<bool> = const { Cell::new(false) };
}

/// What `job` does, it does for that context: the worker of it, or whoever sits in its place.
pub(crate) fn during<R>(context: &Context, job: impl FnOnce() -> R) -> R {
    struct Leave;
    impl Drop for Leave {
        fn drop(&mut self) {
            OWN.set(ptr::null());
        }
    }
    let _leave = Leave;
    OWN.set(context);
    job()
}

/// A `KeyboardInterrupt` that is followed by another one at every line until the job has ended.
///
/// Exceptions from outside arrive where Python looks for them, and code may be such that this is
/// inside of the same `try` every time. So when this one is raised, it leaves a trace function
/// that raises again, in the handler already.
struct Relentless;

impl Relentless {
    /// A new reference; `None` if there is no memory for it. The caller is attached.
    fn new_type() -> Option<*mut ffi::PyObject> {
        let mut slots = [
            ffi::PyType_Slot { slot: ffi::Py_tp_init, pfunc: Self::init as *mut c_void },
            ffi::PyType_Slot { slot: 0, pfunc: ptr::null_mut() },
        ];
        let mut spec = ffi::PyType_Spec {
            name: c"builtins.KeyboardInterrupt".as_ptr(),
            basicsize: 0,
            itemsize: 0,
            flags: ffi::Py_TPFLAGS_DEFAULT as u32,
            slots: slots.as_mut_ptr(),
        };
        // SAFETY: attached; the spec and its slots outlive the call, which copies what it needs.
        let made =
            unsafe { ffi::PyType_FromSpecWithBases(&mut spec, ffi::PyExc_KeyboardInterrupt) };
        if made.is_null() {
            // SAFETY: attached; nobody is to see that exception.
            unsafe { ffi::PyErr_Clear() };
        }
        Some(made).filter(|made| !made.is_null())
    }

    unsafe extern "C" fn init(
        _object: *mut ffi::PyObject,
        _args: *mut ffi::PyObject,
        _kwargs: *mut ffi::PyObject,
    ) -> c_int {
        // Only for the job that it is meant for, whoever makes an instance.
        if is_meant() {
            TRACING.set(true);
            // SAFETY: CPython calls us attached; the function is static.
            unsafe { ffi::PyEval_SetTrace(Some(Self::trace), ptr::null_mut()) };
        }
        0
    }

    unsafe extern "C" fn trace(
        _object: *mut ffi::PyObject,
        _frame: *mut ffi::PyFrameObject,
        _event: c_int,
        _argument: *mut ffi::PyObject,
    ) -> c_int {
        if !is_meant() {
            return 0;
        }
        // SAFETY: CPython calls us attached; the type is static.
        unsafe { ffi::PyErr_SetNone(ffi::PyExc_KeyboardInterrupt) };
        -1
    }
}

fn is_meant() -> bool {
    // SAFETY: null, or put there by `during`, which has a reference until it takes it away.
    let own = unsafe { OWN.get().as_ref() };
    own.is_some_and(|context| context.interrupts.hit(context.running()))
}
