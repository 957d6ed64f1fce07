//! What Python code is asked to report, for all interpreters at once: they look here each time.
//! And what can be seen of it without asking.

use std::os::raw::c_long;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

use py_host::{Attached, Object};
use pyo3_ffi as ffi;

static TRACING: AtomicBool = AtomicBool::new(false);
static LOG_LEVEL: AtomicI32 = AtomicI32::new(UNSET);

/// Python's own default applies.
pub const UNSET: i32 = -1;

/// Are spans wanted?
pub fn is_tracing() -> bool {
    TRACING.load(Ordering::Relaxed)
}

pub fn set_tracing(on: bool) {
    TRACING.store(on, Ordering::Relaxed);
}

/// The level of Python's root logger, or `UNSET`.
pub fn log_level() -> i32 {
    LOG_LEVEL.load(Ordering::Relaxed)
}

pub fn set_log_level(level: i32) {
    LOG_LEVEL.store(level, Ordering::Relaxed);
}

/// The stack of a thread, as `erlang._stack` tells it.
pub fn stack(py: Attached<'_>, thread: c_long) -> String {
    let described = Object::import(py, c"erlang._stack").and_then(|module| {
        // SAFETY: attached; a new reference or null with an exception set.
        let thread = unsafe { Object::from_owned(py, ffi::PyLong_FromUnsignedLong(thread as _)) }?;
        module.attr(c"describe")?.call1(&thread)
    });
    match described {
        Ok(text) => text.to_text(),
        Err(raised) => format!("the stack could not be read: {}", raised.to_text()),
    }
}
