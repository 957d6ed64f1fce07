//! What runs in the threads of an interpreter, and of no other.
//!
//! CPython's `sys._current_frames()` goes through the threads of all interpreters and makes a frame
//! object for each, with no GIL but its own. Code that runs in another interpreter at that moment
//! then leaves its frame to whoever looks, or both give back the same memory. So where interpreters
//! can have a GIL each, a function of ours takes its place, for debuggers and profilers as for us.

use std::ffi::c_ulong;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};

use pyo3_ffi as ffi;

/// Where in a thread state CPython keeps the number that `threading.get_ident()` tells, in bytes.
static THREAD_ID: AtomicUsize = AtomicUsize::new(0);

/// In which the number is looked for. Thread states are larger in every version.
const WORDS: usize = 32;

/// No function tells the number of a thread state's thread. But it is known for the calling
/// thread, which must be attached, and lies at the same place in each. False if it is not found.
pub(crate) fn find_thread_ids() -> bool {
    // SAFETY: an attached thread has a state, which is that large at least and aligned to words,
    // and the caller is the only thread that changes it.
    let (words, own) = unsafe {
        let state = ffi::PyThreadState_Get().cast::<c_ulong>();
        (std::slice::from_raw_parts(state, WORDS), PyThread_get_thread_ident())
    };
    let place = words.iter().position(|word| *word == own);
    THREAD_ID.store(place.unwrap_or(0) * size_of::<c_ulong>(), Ordering::Relaxed);
    place.is_some()
}

extern "C" {
    // Left out by pyo3-ffi.
    fn PyThread_get_thread_ident() -> c_ulong;
}

/// `sys._current_frames()`: the frames of this interpreter's threads, by their numbers. CPython
/// calls it attached, after `find_thread_ids` has been called.
pub(crate) unsafe extern "C" fn current_frames() -> *mut ffi::PyObject {
    // SAFETY: attached, and the list of an interpreter's states loses none without its GIL, of
    // which nothing here lets go. Each key and frame is our own reference, which the dictionary
    // doubles.
    unsafe {
        let frames = ffi::PyDict_New();
        let mut state = ffi::PyInterpreterState_ThreadHead(ffi::PyInterpreterState_Get());
        while !frames.is_null() && !state.is_null() {
            let frame = ffi::PyThreadState_GetFrame(state).cast::<ffi::PyObject>();
            if !frame.is_null() {
                let key = ffi::PyLong_FromUnsignedLong(thread_id(state));
                let added = !key.is_null() && ffi::PyDict_SetItem(frames, key, frame) == 0;
                ffi::Py_XDECREF(key);
                ffi::Py_DECREF(frame);
                if !added {
                    ffi::Py_DECREF(frames);
                    return ptr::null_mut();
                }
            }
            state = ffi::PyThreadState_Next(state);
        }
        frames
    }
}

/// # Safety
/// A live thread state of an interpreter whose GIL the caller has.
unsafe fn thread_id(state: *mut ffi::PyThreadState) -> c_ulong {
    // SAFETY: the caller's promise, and `find_thread_ids` has found the place.
    unsafe { state.cast::<u8>().add(THREAD_ID.load(Ordering::Relaxed)).cast::<c_ulong>().read() }
}
