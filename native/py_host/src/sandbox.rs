//! What Python code must not do in a process that is not its own: copy it, replace it, end it,
//! take its signals, or trace its memory and look into its threads where that would corrupt it.
//!
//! An *audit hook* refuses what starts a child process. CPython calls it in every interpreter, and
//! nothing in Python takes it away again. What raises no event for it is refused by the function
//! itself: its row in the method table of its module, which is static and the same for all
//! interpreters, leads to a function of ours.
//!
//! This keeps honest code from breaking the process. It is no wall against hostile code, which
//! has `ctypes`.

use std::ffi::{c_char, c_int, c_void, CStr, CString};
use std::ptr;

use pyo3_ffi as ffi;

use crate::{frames, runtime, Attached, Mode, Object, StartError};

/// What the refused functions say after their name: what to do instead. The host does not know
/// whose process it is in.
pub struct Sandbox {
    /// Instead of starting a child process.
    pub processes: &'static str,
    /// Instead of ending the process.
    pub ending: &'static str,
    /// Instead of handling its signals.
    pub signals: &'static str,
    /// Instead of tracing memory where contexts have a GIL of their own.
    pub tracing: &'static str,
    /// Instead of looking into other threads there.
    pub threads: &'static str,
}

/// The events of what starts a child process, or takes this one for another program. What the
/// rest of the standard library offers (`os.popen`, `os.spawnl`, `multiprocessing`) comes to one
/// of them.
const EVENTS: [&CStr; 7] = [
    c"os.exec",
    c"os.fork",
    c"os.posix_spawn",
    c"os.spawn",
    c"os.system",
    c"pty.spawn",
    c"subprocess.Popen",
];

/// Before Python is initialised, so that there is no interpreter without it.
pub(crate) fn add_hook() -> Result<(), StartError> {
    // SAFETY: the hook is a static function that needs no data.
    match unsafe { PySys_AddAuditHook(audit, ptr::null_mut()) } {
        0 => Ok(()),
        _ => Err(StartError("Python refused the sandbox's audit hook".into())),
    }
}

/// In the main interpreter, before there is any other and any code of a user's. Functions that a
/// platform does not have need no refusal.
pub(crate) fn close_gaps(py: Attached<'_>) {
    close(py, &GAPS);
    if Mode::OwnGil.row().is_supported() {
        close(py, &GAPS_OF_SEVERAL_GILS);
        if frames::find_thread_ids() {
            close(py, &[CURRENT_FRAMES]);
        }
    }
}

fn close(py: Attached<'_>, gaps: &[Gap]) {
    for gap in gaps {
        let function = Object::import(py, gap.module).and_then(|module| module.attr(gap.name));
        if let Ok(function) = function {
            replace(&function, gap.instead);
        }
    }
}

extern "C" {
    // Left out by pyo3-ffi.
    fn PySys_AddAuditHook(hook: Hook, data: *mut c_void) -> c_int;
}

type Hook = unsafe extern "C" fn(*const c_char, *mut ffi::PyObject, *mut c_void) -> c_int;

/// Called for every event, of which there are many (each `id()` is one), so one byte has to do
/// for most of them.
unsafe extern "C" fn audit(
    event: *const c_char,
    _arguments: *mut ffi::PyObject,
    _data: *mut c_void,
) -> c_int {
    // SAFETY: CPython passes a text that ends with NUL.
    let first = unsafe { *event.cast::<u8>() };
    if !matches!(first, b'o' | b'p' | b's') {
        return 0;
    }
    // SAFETY: as above.
    let event = unsafe { CStr::from_ptr(event) };
    if !EVENTS.contains(&event) {
        return 0;
    }
    // SAFETY: events are raised by attached threads.
    unsafe { refuse(ffi::PyExc_PermissionError, event, |sandbox| sandbox.processes) };
    -1
}

/// A function that raises no event, or one that is to do something else.
struct Gap {
    module: &'static CStr,
    name: &'static CStr,
    instead: Function,
}

type Function = unsafe extern "C" fn() -> *mut ffi::PyObject;

macro_rules! gap {
    ($module:literal, $name:literal, $shown:literal, $exception:ident, $advice:ident) => {{
        unsafe extern "C" fn refusal() -> *mut ffi::PyObject {
            // SAFETY: CPython calls its functions attached.
            unsafe { refuse(ffi::$exception, $shown, |sandbox| sandbox.$advice) }
        }
        Gap { module: $module, name: $name, instead: refusal }
    }};
}

const GAPS: [Gap; 7] = [
    gap!(c"_posixsubprocess", c"fork_exec", c"fork_exec", PyExc_PermissionError, processes),
    // Raises its event only after a sub-interpreter was told less.
    gap!(c"posix", c"forkpty", c"os.forkpty", PyExc_PermissionError, processes),
    gap!(c"posix", c"_exit", c"os._exit", PyExc_PermissionError, ending),
    gap!(c"posix", c"abort", c"os.abort", PyExc_PermissionError, ending),
    // Who receives the signal of a timer would be the process, which dies of it.
    gap!(c"_signal", c"alarm", c"signal.alarm", PyExc_PermissionError, signals),
    gap!(c"_signal", c"setitimer", c"signal.setitimer", PyExc_PermissionError, signals),
    // Never works outside Python's main thread. Libraries are prepared for just this exception.
    gap!(c"_signal", c"signal", c"signal.signal", PyExc_ValueError, signals),
];

/// What relies on one GIL. `tracemalloc` notes things down for the whole process: threads then
/// write to the same memory, and to memory that another one has just given back. The functions of
/// `sys` go through the threads of all interpreters.
const GAPS_OF_SEVERAL_GILS: [Gap; 3] = [
    gap!(c"_tracemalloc", c"start", c"tracemalloc.start", PyExc_RuntimeError, tracing),
    gap!(c"sys", c"_current_exceptions", c"sys._current_exceptions", PyExc_RuntimeError, threads),
    gap!(c"sys", c"_current_frames", c"sys._current_frames", PyExc_RuntimeError, threads),
];

/// Debuggers need this one, so it is replaced by one that can be had.
const CURRENT_FRAMES: Gap =
    Gap { module: c"sys", name: c"_current_frames", instead: frames::current_frames };

fn replace(function: &Object<'_>, instead: Function) {
    // SAFETY: a live object has a type.
    if unsafe { ffi::PyCFunction_Check(function.as_ptr()) } == 0 {
        return;
    }
    // Our function may take the place of one with any number of parameters: the caller passes them
    // in a way that one which has none need not know of, in every calling convention that CPython
    // is built for.
    //
    // SAFETY: the type says what the object is made of. Its method table is static data that
    // CPython does not change, and no other thread runs Python yet.
    unsafe {
        let method = (*function.as_ptr().cast::<ffi::PyCFunctionObject>()).m_ml;
        (*method).ml_meth.PyCFunction = std::mem::transmute::<Function, ffi::PyCFunction>(instead);
    }
}

/// Sets the exception and answers with null.
///
/// # Safety
/// Attached; the exception type is alive.
unsafe fn refuse(
    exception: *mut ffi::PyObject,
    what: &CStr,
    advice: fn(&Sandbox) -> &'static str,
) -> *mut ffi::PyObject {
    let advice = runtime::get().map_or("Python is starting", |config| advice(&config.sandbox));
    let text = CString::new(format!("{} is blocked: {advice}", what.to_string_lossy()));
    let text = text.expect("no NUL in any of these texts");
    // SAFETY: the caller's promise; the formats fit the arguments, of which Python copies the
    // text. With a number first, as all its subclasses, an OSError has `errno` and `strerror`.
    unsafe {
        if ptr::eq(exception, ffi::PyExc_PermissionError) {
            let pair = ffi::Py_BuildValue(c"(is)".as_ptr(), libc::EPERM, text.as_ptr());
            if !pair.is_null() {
                ffi::PyErr_SetObject(exception, pair);
                ffi::Py_DECREF(pair);
            }
        } else {
            ffi::PyErr_SetString(exception, text.as_ptr());
        }
    }
    ptr::null_mut()
}
