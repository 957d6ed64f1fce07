//! Making and ending interpreters.

use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use pyo3_ffi as ffi;

use crate::attach::ThreadState;
use crate::mode::Place;
use crate::{runtime, Attached, Object, StartError};

/// Interpreters are made and ended one at a time: CPython 3.12 hangs when several end at once.
static LIFECYCLE: Mutex<()> = Mutex::new(());

/// How long a closing interpreter waits for threads that Python code started and left behind.
const PATIENCE: Duration = Duration::from_secs(1);

/// An interpreter together with the thread state of its worker.
pub(crate) struct Interpreter {
    thread: ThreadState,
    place: Place,
    pub raw: *mut ffi::PyInterpreterState,
    pub id: i64,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Cleanly,
    /// Threads of its own still run in it, so it can only be left behind.
    Abandoned,
}

impl Interpreter {
    /// For the calling thread alone: it has to do everything else with it, too.
    pub fn open(place: Place) -> Result<Interpreter, StartError> {
        let config = runtime::get()?;
        // SAFETY: Python is initialised, and the main interpreter lives as long as the process.
        let main = unsafe { ffi::PyInterpreterState_Main() };
        // SAFETY: as above.
        let thread = unsafe { ThreadState::new(main) }
            .ok_or_else(|| StartError("no memory for a Python thread state".into()))?;
        let thread = match place {
            Place::Main => thread,
            _ => new_sub_interpreter(thread, place)?,
        };
        let (raw, id) = thread.attach(|_py| {
            // SAFETY: attached, so there is a current interpreter.
            unsafe {
                let raw = ffi::PyInterpreterState_Get();
                (raw, ffi::PyInterpreterState_GetID(raw))
            }
        });
        let interpreter = Interpreter { thread, place, raw, id };
        if place != Place::Main {
            if let Err(text) = interpreter.attach(|py| runtime::prepare(py, config)) {
                interpreter.end();
                return Err(StartError(format!("the interpreter opened, but {text}")));
            }
        }
        Ok(interpreter)
    }

    pub fn attach<R>(&self, work: impl for<'py> FnOnce(Attached<'py>) -> R) -> R {
        self.thread.attach(work)
    }

    /// The worker's state.
    pub fn thread(&self) -> *mut ffi::PyThreadState {
        self.thread.as_ptr()
    }

    /// Are there threads in it beside the worker's?
    pub fn has_other_threads(&self, _py: Attached<'_>) -> bool {
        // SAFETY: the interpreter is alive, as we are attached to it; we look at its newest thread
        // and whether there is a second.
        unsafe {
            let first = ffi::PyInterpreterState_ThreadHead(self.raw);
            !ffi::PyThreadState_Next(first).is_null()
        }
    }

    /// Nothing may hold an object of a sub-interpreter any more.
    pub fn end(self) -> Ended {
        if self.place == Place::Main {
            self.thread.delete();
            return Ended::Cleanly;
        }
        self.attach(run_exit_functions);
        let deadline = Instant::now() + PATIENCE;
        while self.attach(|py| self.has_other_threads(py)) {
            if Instant::now() > deadline {
                return Ended::Abandoned;
            }
            thread::sleep(Duration::from_millis(2));
        }
        let _one_at_a_time = LIFECYCLE.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: the state is this thread's, and the only one left in the interpreter: others
        // are only ever started by threads that run in it. Afterwards nothing is attached.
        unsafe {
            ffi::PyEval_RestoreThread(self.thread.as_ptr());
            ffi::Py_EndInterpreter(self.thread.as_ptr());
        }
        Ended::Cleanly
    }
}

/// `atexit` functions run here, not in `Py_EndInterpreter`, where one that never returns would
/// hold up every other interpreter that opens or closes.
fn run_exit_functions(py: Attached<'_>) {
    let ran =
        Object::import(py, c"atexit").and_then(|atexit| atexit.attr(c"_run_exitfuncs")?.call0());
    // An exception has nobody left to hear it.
    drop(ran);
}

#[cfg(Py_3_12)]
fn new_sub_interpreter(main: ThreadState, place: Place) -> Result<ThreadState, StartError> {
    let own = place == Place::OwnGil;
    let settings = ffi::PyInterpreterConfig {
        // An own GIL needs an allocator of its own and extensions that are prepared for it. Under
        // the shared GIL any extension may be tried, as long as memory is shared too.
        use_main_obmalloc: (!own).into(),
        check_multi_interp_extensions: own.into(),
        // The sandbox refuses both, and says what to do instead.
        allow_fork: 1,
        allow_exec: 1,
        allow_threads: 1,
        allow_daemon_threads: 1,
        gil: if own {
            ffi::PyInterpreterConfig_OWN_GIL
        } else {
            ffi::PyInterpreterConfig_SHARED_GIL
        },
    };
    let _one_at_a_time = LIFECYCLE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut state = std::ptr::null_mut();
    // SAFETY: called attached to the main interpreter, as CPython asks; on success the new state
    // is attached instead, and the main one detached.
    let status = unsafe {
        ffi::PyEval_RestoreThread(main.as_ptr());
        ffi::Py_NewInterpreterFromConfig(&mut state, &settings)
    };
    if let Err(error) = runtime::check(status) {
        // SAFETY: after a failure the main state is attached again.
        unsafe { ffi::PyEval_SaveThread() };
        main.delete();
        return Err(error);
    }
    // SAFETY: the new state is attached, and nobody else knows of it.
    let thread = unsafe { ThreadState::take_current() };
    main.delete();
    Ok(thread)
}

#[cfg(not(Py_3_12))]
fn new_sub_interpreter(main: ThreadState, _place: Place) -> Result<ThreadState, StartError> {
    main.delete();
    Err(StartError("this Python has no isolated sub-interpreters".into()))
}
