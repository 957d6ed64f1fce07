//! What can go wrong: Python raised, a context could not take the job, Python could not start.

use std::fmt;

use pyo3_ffi as ffi;

use crate::{Attached, Object};

/// A Python exception, taken off the thread state and normalised on every version.
pub struct Raised<'py>(Object<'py>);

impl<'py> Raised<'py> {
    /// Takes the exception that a failed C API call has set.
    pub fn take(py: Attached<'py>) -> Self {
        let exception = Self::fetch(py);
        if exception.is_null() {
            // A C extension that fails without saying why; Python's own loop says the same.
            // SAFETY: attached; the message is NUL-terminated.
            unsafe {
                ffi::PyErr_SetString(
                    ffi::PyExc_SystemError,
                    c"error return without exception set".as_ptr(),
                );
            }
            return Self::take(py);
        }
        // SAFETY: not null, and the fetch gave us the reference.
        Raised(unsafe { Object::from_owned(py, exception) }.unwrap_or_else(|raised| raised.0))
    }

    #[cfg(Py_3_12)]
    fn fetch(_py: Attached<'py>) -> *mut ffi::PyObject {
        // SAFETY: attached; returns a new reference or null.
        unsafe { ffi::PyErr_GetRaisedException() }
    }

    #[cfg(not(Py_3_12))]
    fn fetch(_py: Attached<'py>) -> *mut ffi::PyObject {
        let (mut kind, mut value, mut traceback) =
            (std::ptr::null_mut(), std::ptr::null_mut(), std::ptr::null_mut());
        // SAFETY: attached; the three slots receive new references or null, and after
        // normalisation `value` is an exception instance that may take its traceback.
        unsafe {
            ffi::PyErr_Fetch(&mut kind, &mut value, &mut traceback);
            ffi::PyErr_NormalizeException(&mut kind, &mut value, &mut traceback);
            if !value.is_null() && !traceback.is_null() {
                ffi::PyException_SetTraceback(value, traceback);
            }
            ffi::Py_XDECREF(kind);
            ffi::Py_XDECREF(traceback);
        }
        value
    }

    /// An exception that has not been raised yet.
    pub fn new(exception: Object<'py>) -> Self {
        Raised(exception)
    }

    pub fn exception(&self) -> &Object<'py> {
        &self.0
    }

    pub fn into_exception(self) -> Object<'py> {
        self.0
    }

    /// Sets the exception again, for a function that reports to Python.
    pub fn restore(self) {
        let exception = self.0.into_ptr();
        #[cfg(Py_3_12)]
        // SAFETY: attached; gives our reference to the thread state.
        unsafe {
            ffi::PyErr_SetRaisedException(exception);
        }
        #[cfg(not(Py_3_12))]
        // SAFETY: attached, with a live exception; the call takes the three references, of which
        // the last may be null.
        unsafe {
            let kind = ffi::Py_TYPE(exception).cast();
            ffi::Py_INCREF(kind);
            ffi::PyErr_Restore(kind, exception, ffi::PyException_GetTraceback(exception));
        }
    }

    /// `"ZeroDivisionError: division by zero"`, for places where no traceback fits.
    pub fn to_text(&self) -> String {
        // SAFETY: an exception is alive and has a type with a NUL-terminated name.
        let name = unsafe { std::ffi::CStr::from_ptr((*ffi::Py_TYPE(self.0.as_ptr())).tp_name) };
        format!("{}: {}", name.to_string_lossy(), self.0.to_text())
    }

    pub fn is_attribute_error(&self) -> bool {
        // SAFETY: both are live: the type is one of Python's static exception types.
        unsafe { ffi::PyErr_GivenExceptionMatches(self.0.as_ptr(), ffi::PyExc_AttributeError) != 0 }
    }

    pub fn is_memory_error(&self) -> bool {
        // SAFETY: as above.
        unsafe { ffi::PyErr_GivenExceptionMatches(self.0.as_ptr(), ffi::PyExc_MemoryError) != 0 }
    }

    /// Is it what [`Context::interrupt`](crate::Context::interrupt) raises?
    pub fn is_interrupt(&self) -> bool {
        // SAFETY: as above.
        unsafe {
            ffi::PyErr_GivenExceptionMatches(self.0.as_ptr(), ffi::PyExc_KeyboardInterrupt) != 0
        }
    }
}

/// Why a context did not run a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// Its queue is full.
    Busy,
    /// It is closing or closed.
    Closed,
}

/// Why Python, or a context in it, did not start. The text says what was attempted and what failed.
#[derive(Clone, Debug)]
pub struct StartError(pub String);

impl fmt::Display for StartError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for StartError {}
