//! C extensions that were written for one interpreter per process.
//!
//! Two kinds are not fit for more. Those with *single-phase initialisation* have one set of static data.
//! CPython refuses them in an interpreter with its own GIL, but 3.12 notices only after it has
//! run the initialisation there, on static types that other interpreters are using: two contexts
//! that import `_curses` at the same time can corrupt the heap. Newer versions initialise in the
//! main interpreter first, and [`is_multi_phase`] does that for 3.12.
//!
//! Others remember *the first interpreter that loads them* and refuse all further ones (numpy,
//! everything made with Cython or PyO3). If that were a sub-interpreter under the shared GIL, the
//! main one could never have them again; [`import_in_main`] lets it be first. It also serves those
//! that fill in data for all interpreters when they are first used (`erlang._isolation`).

use std::collections::HashMap;
use std::ffi::CString;
use std::sync::{Mutex, PoisonError};

use pyo3_ffi as ffi;

use crate::attach::ThreadState;
use crate::{Attached, Object, Raised};

/// Has the extension module `name`, in the shared library `path`, multi-phase initialisation?
/// Asked by an isolated interpreter before it loads the library; the answer is remembered.
pub fn is_multi_phase(py: Attached<'_>, name: &str, path: &str) -> Result<bool, String> {
    static KNOWN: Mutex<Option<HashMap<String, bool>>> = Mutex::new(None);
    // Held over the question, so that only one interpreter asks the main one at a time. No GIL is
    // held meanwhile: the main interpreter may take its time.
    py.detached(|| {
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        let known = known.get_or_insert_default();
        if let Some(answer) = known.get(path) {
            return Ok(*answer);
        }
        let answer = in_main_interpreter(|py| {
            let module = create(py, name, path).map_err(|raised| raised.to_text())?;
            Ok(has_slots(&module))
        })?;
        known.insert(path.to_owned(), answer);
        Ok(answer)
    })
}

/// Imports `name` in the main interpreter, whatever becomes of it there: the caller goes on to
/// import it itself and gets its own error.
pub fn import_in_main(py: Attached<'_>, name: &str) {
    let Ok(name) = CString::new(name) else { return };
    py.detached(|| {
        let _ = in_main_interpreter(|py| {
            Object::import(py, &name).map(drop).map_err(|raised| raised.to_text())
        });
    });
}

/// Runs `work` attached to the main interpreter. The calling thread must be detached.
fn in_main_interpreter<T>(
    work: impl for<'py> FnOnce(Attached<'py>) -> Result<T, String>,
) -> Result<T, String> {
    // SAFETY: Python is initialised, and the main interpreter lives as long as the process.
    let state = unsafe { ThreadState::new(ffi::PyInterpreterState_Main()) };
    let state = state.ok_or("no memory for a Python thread state")?;
    let result = state.attach(work);
    state.delete();
    result
}

/// The module as the main interpreter makes it, created but (if it has two phases) not executed.
fn create<'py>(py: Attached<'py>, name: &str, path: &str) -> Result<Object<'py>, Raised<'py>> {
    let spec = Object::import(py, c"importlib.util")?.attr(c"spec_from_file_location")?;
    let arguments = Object::tuple(py, [Object::str(py, name)?, Object::str(py, path)?])?;
    let spec = spec.call(&arguments, None)?;
    Object::import(py, c"_imp")?.attr(c"create_dynamic")?.call1(&spec)
}

fn has_slots(module: &Object<'_>) -> bool {
    // SAFETY: null for anything but a module with a definition, which is static.
    unsafe {
        let definition = ffi::PyModule_GetDef(module.as_ptr());
        if definition.is_null() {
            ffi::PyErr_Clear();
            return false;
        }
        !(*definition).m_slots.is_null()
    }
}
