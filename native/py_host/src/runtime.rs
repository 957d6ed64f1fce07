//! Starting Python, once per process. It is never finalised: a process that has run threads and
//! interpreters cannot be taken back to before, and libpython's memory is needed again anyway.

use std::any::Any;
use std::ffi::{CStr, CString};
use std::os::raw::c_int;
use std::sync::{mpsc, OnceLock};
use std::thread;

use pyo3_ffi as ffi;

use crate::attach::ThreadState;
use crate::lent::orphans;
use crate::{
    gilstate, sandbox, usage, Attached, Mode, Object, Raised, Sandbox, StartError, Worker,
};

/// Called for a built-in module of ours when an interpreter first imports it.
pub type ModuleInit = unsafe extern "C" fn() -> *mut ffi::PyObject;

/// Makes what the caller wants to find on each worker again.
pub type Setup = fn(Attached<'_>, &Worker) -> Result<Box<dyn Any>, String>;

pub struct Config {
    /// The interpreter whose installation (prefix, standard library, venv) is to be used.
    pub executable: String,
    /// Folders put in front of `sys.path` in every interpreter.
    pub paths: Vec<String>,
    /// Bytes of stack for each thread that runs Python.
    pub stack_size: usize,
    /// Modules compiled into this process.
    pub builtins: Vec<(&'static CStr, ModuleInit)>,
    /// Called on each worker before its first job; an error keeps the context from opening.
    pub setup: Setup,
    /// What Python code is told that would start a process or end this one.
    pub sandbox: Sandbox,
}

/// `PyMemAllocatorName`'s value, which pyo3-ffi leaves out.
const PYMEM_ALLOCATOR_MALLOC: c_int = 3;

static RUNTIME: OnceLock<Result<Config, StartError>> = OnceLock::new();

/// Initialises Python on a thread of its own. Blocks for some 20 ms; later calls answer at once,
/// with the first call's result, whatever their configuration.
pub fn start(config: Config) -> Result<&'static Config, StartError> {
    let result = RUNTIME.get_or_init(|| {
        let (send, receive) = mpsc::sync_channel(1);
        thread::Builder::new()
            .name("py-main".into())
            .stack_size(config.stack_size)
            .spawn(move || main_thread(config, send))
            .map_err(|error| StartError(format!("no thread for Python: {error}")))?;
        receive.recv().map_err(|_| StartError("Python's main thread died while starting".into()))?
    });
    result.as_ref().map_err(StartError::clone)
}

/// The configuration Python was started with.
pub fn get() -> Result<&'static Config, StartError> {
    match RUNTIME.get() {
        Some(result) => result.as_ref().map_err(StartError::clone),
        None => Err(StartError("Python has not been started".into())),
    }
}

/// Python remembers the thread that initialised it as its main thread, so it stays for ever. All
/// it does is to release what interpreters that have ended left to it.
fn main_thread(config: Config, answer: mpsc::SyncSender<Result<Config, StartError>>) {
    let (thread, result) = match initialise(&config) {
        Ok(thread) => (Some(thread), Ok(config)),
        Err(error) => (None, Err(error)),
    };
    let _ = MAIN_THREAD.set(thread::current());
    let _ = answer.send(result);
    let Some(thread) = thread else { return };
    loop {
        thread::park();
        if orphans::are_waiting() {
            thread.attach(orphans::collect);
        }
    }
}

static MAIN_THREAD: OnceLock<thread::Thread> = OnceLock::new();

pub(crate) fn wake_main_thread() {
    if let Some(thread) = MAIN_THREAD.get() {
        thread.unpark();
    }
}

fn initialise(config: &Config) -> Result<ThreadState, StartError> {
    for (name, init) in &config.builtins {
        // SAFETY: Python is not initialised yet, and both live for ever.
        if unsafe { ffi::PyImport_AppendInittab(name.as_ptr(), Some(*init)) } < 0 {
            return Err(StartError(format!("no room for the built-in module {name:?}")));
        }
    }
    sandbox::add_hook()?;
    usage::prepare();
    initialise_main_interpreter(config)?;
    // SAFETY: initialisation leaves this thread attached to the main interpreter, with a state
    // that is ours from here on.
    let thread = unsafe { ThreadState::take_current() };
    thread
        .attach(|py| {
            gilstate::find(py);
            sandbox::close_gaps(py);
            prime(py).map_err(|raised| raised.to_text())?;
            prepare(py, config)
        })
        .map_err(|text: String| StartError(format!("Python started, but {text}")))?;
    Ok(thread)
}

fn initialise_main_interpreter(config: &Config) -> Result<(), StartError> {
    let executable = CString::new(config.executable.as_str())
        .map_err(|_| StartError("the interpreter's path contains a NUL byte".into()))?;

    // SAFETY: zeroed memory is valid for these C structs, and the Init function fills it at once.
    let mut preconfig: ffi::PyPreConfig = unsafe { std::mem::zeroed() };
    // SAFETY: as above; the functions below take pointers to our own, initialised structs.
    unsafe { ffi::PyPreConfig_InitPythonConfig(&mut preconfig) };
    // The process belongs to the BEAM: its locale and its signals stay as they are, and text is
    // UTF-8 whatever the environment says.
    preconfig.configure_locale = 0;
    preconfig.coerce_c_locale = 0;
    preconfig.utf8_mode = 1;
    // What the environment says comes first, for those who look for faults in memory.
    let own_allocator =
        Mode::OwnGil.row().is_default() && std::env::var_os("PYTHONMALLOC").is_none();
    if own_allocator {
        preconfig.allocator = PYMEM_ALLOCATOR_MALLOC;
    }
    // SAFETY: a valid struct, before initialisation.
    check(unsafe { ffi::Py_PreInitialize(&preconfig) })?;
    if own_allocator {
        // SAFETY: just preinitialised.
        unsafe { crate::allocator::install() };
    }

    // SAFETY: as for the preconfig.
    let mut settings: ffi::PyConfig = unsafe { std::mem::zeroed() };
    // SAFETY: as above.
    unsafe { ffi::PyConfig_InitPythonConfig(&mut settings) };
    settings.install_signal_handlers = 0;
    settings.parse_argv = 0;
    settings.configure_c_stdio = 0;
    // From `program_name` Python derives its prefix, and a venv's `pyvenv.cfg` beside it.
    for target in [&raw mut settings.program_name, &raw mut settings.executable] {
        // SAFETY: the struct is initialised, the string NUL-terminated, and Python copies it.
        check(unsafe { ffi::PyConfig_SetBytesString(&mut settings, target, executable.as_ptr()) })?;
    }
    // SAFETY: a valid struct; on return we own its strings and give them back.
    let status = unsafe {
        let status = ffi::Py_InitializeFromConfig(&settings);
        ffi::PyConfig_Clear(&mut settings);
        status
    };
    check(status)
}

pub(crate) fn check(status: ffi::PyStatus) -> Result<(), StartError> {
    // SAFETY: PyStatus is a plain value; its strings, if any, are static.
    unsafe {
        if ffi::PyStatus_Exception(status) == 0 {
            return Ok(());
        }
        let text = |pointer: *const std::os::raw::c_char| {
            if pointer.is_null() {
                "no reason given".into()
            } else {
                CStr::from_ptr(pointer).to_string_lossy()
            }
        };
        Err(StartError(format!("Python refused to start: {}", text(status.err_msg))))
    }
}

/// What every interpreter needs before its first job.
pub(crate) fn prepare(py: Attached<'_>, config: &Config) -> Result<(), String> {
    put_on_path(py, &config.paths).map_err(|raised| raised.to_text())
}

/// Modules whose C part keeps state that the first interpreter to import them sets up. If that is
/// a sub-interpreter, the state goes with it and the next user corrupts the heap (3.12 at once,
/// 3.13 when interpreters end), so the main interpreter goes first.
const PRIMED: [&CStr; 3] = [c"datetime", c"decimal", c"zoneinfo"];

fn prime(py: Attached<'_>) -> Result<(), Raised<'_>> {
    if Mode::OwnGil.row().is_supported() {
        for module in PRIMED {
            Object::import(py, module)?;
        }
    }
    Ok(())
}

fn put_on_path<'py>(py: Attached<'py>, paths: &[String]) -> Result<(), Raised<'py>> {
    let path = Object::import(py, c"sys")?.attr(c"path")?;
    for (index, folder) in paths.iter().enumerate() {
        let folder = Object::str(py, folder)?;
        // SAFETY: both are live; the call checks that `path` is a list.
        let status =
            unsafe { ffi::PyList_Insert(path.as_ptr(), index as ffi::Py_ssize_t, folder.as_ptr()) };
        if status as c_int != 0 {
            return Err(Raised::take(py));
        }
    }
    Ok(())
}
