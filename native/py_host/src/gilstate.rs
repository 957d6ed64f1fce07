//! What `PyGILState_Ensure` takes for the calling thread's own state.
//!
//! C code calls that function when it comes from somewhere without Python and wants to call some:
//! a callback of `ctypes`, say. It finds the state in thread-specific data. A thread that runs with
//! another one's state has none there, and would be given one of the main interpreter, for objects
//! that are not the main interpreter's.

use std::ptr;
use std::sync::OnceLock;

use libc::{c_void, pthread_getspecific, pthread_key_t, pthread_setspecific};
use pyo3_ffi as ffi;

use crate::Attached;

/// The key of that data. No function tells it.
static KEY: OnceLock<pthread_key_t> = OnceLock::new();

/// More keys than any C library has.
const KEYS: pthread_key_t = 1024;

/// Looks for the key, on a thread whose own state is attached: its state is what lies there, and
/// if that is taken away, Python misses it.
pub(crate) fn find(_py: Attached<'_>) {
    // SAFETY: attached, so there is a state. No C library minds being asked for keys that it has
    // not given out. What is taken away is put back before anybody else runs on this thread.
    let key = unsafe {
        let state = ffi::PyThreadState_Get().cast::<c_void>();
        (0..KEYS).filter(|key| pthread_getspecific(*key) == state).find(|key| {
            pthread_setspecific(*key, ptr::null());
            let missed = PyGILState_GetThisThreadState().is_null();
            pthread_setspecific(*key, state);
            missed
        })
    };
    if let Some(key) = key {
        let _ = KEY.set(key);
    }
}

extern "C" {
    fn PyGILState_GetThisThreadState() -> *mut ffi::PyThreadState;
}

/// Makes a state the calling thread's own for as long as the guard lives. `None` where the key was
/// not found, or the thread has another one.
pub(crate) fn bind(state: *mut ffi::PyThreadState) -> Option<Bound> {
    let key = *KEY.get()?;
    // SAFETY: Python's key, which it never gives back, as it is never finalised.
    unsafe {
        let free = pthread_getspecific(key).is_null();
        (free && pthread_setspecific(key, state.cast()) == 0).then_some(Bound(key))
    }
}

pub(crate) struct Bound(pthread_key_t);

impl Drop for Bound {
    fn drop(&mut self) {
        // SAFETY: as in `bind`.
        unsafe { pthread_setspecific(self.0, ptr::null()) };
    }
}
