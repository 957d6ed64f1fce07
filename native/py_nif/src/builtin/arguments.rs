//! Arguments and units of methods, as CPython hands them over.

use std::ffi::CStr;
use std::ptr;
use std::time::{Duration, Instant};

use py_host::{Attached, Object};
use pyo3_ffi as ffi;

type Fast = ffi::PyCFunctionFastWithKeywords;

/// A method that takes arguments by position and by name; see `optional`.
pub const fn fast(name: &'static CStr, function: Fast) -> ffi::PyMethodDef {
    ffi::PyMethodDef {
        ml_name: name.as_ptr(),
        ml_meth: ffi::PyMethodDefPointer { PyCFunctionFastWithKeywords: function },
        ml_flags: ffi::METH_FASTCALL | ffi::METH_KEYWORDS,
        ml_doc: ptr::null(),
    }
}

/// Two positional arguments; `None` with an exception set if there are not as many.
///
/// # Safety
/// Attached; `arguments` is a live tuple that outlives the result.
pub unsafe fn two<'py>(arguments: *mut ffi::PyObject, format: &CStr) -> Option<[Object<'py>; 2]> {
    let (mut one, mut other) = (ptr::null_mut::<ffi::PyObject>(), ptr::null_mut::<ffi::PyObject>());
    // SAFETY: the caller's promise; the format asks for two objects.
    unsafe {
        if ffi::PyArg_ParseTuple(arguments, format.as_ptr(), &mut one, &mut other) == 0 {
            return None;
        }
        let py = Attached::assume();
        Some([Object::from_borrowed(py, one), Object::from_borrowed(py, other)])
    }
}

/// The arguments of those names, by position or by name; null for those that are not given.
/// `None`: an exception is set.
///
/// # Safety
/// Attached, with what CPython has called a method with.
pub unsafe fn optional<const N: usize>(
    known: [&CStr; N],
    args: *const *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
    names: *mut ffi::PyObject,
) -> Option<[*mut ffi::PyObject; N]> {
    let mut found = [ptr::null_mut(); N];
    let count = count as usize;
    // SAFETY: `args` has `count` arguments, followed by one for each of the names, a tuple of str
    // or null; all are alive.
    unsafe {
        let named = if names.is_null() { 0 } else { ffi::PyTuple_Size(names) as usize };
        if count + named > N {
            ffi::PyErr_SetString(ffi::PyExc_TypeError, c"too many arguments".as_ptr());
            return None;
        }
        for (index, slot) in found.iter_mut().enumerate().take(count) {
            *slot = *args.add(index);
        }
        for index in 0..named {
            let name = ffi::PyTuple_GetItem(names, index as ffi::Py_ssize_t);
            let place = known
                .iter()
                .position(|known| ffi::PyUnicode_CompareWithASCIIString(name, known.as_ptr()) == 0);
            match place.filter(|place| found[*place].is_null()) {
                Some(place) => found[place] = *args.add(count + index),
                None => {
                    let format = c"unexpected argument %R".as_ptr();
                    ffi::PyErr_Format(ffi::PyExc_TypeError, format, name);
                    return None;
                }
            }
        }
    }
    Some(found)
}

/// The same where the first one has to be given.
///
/// # Safety
/// Attached.
pub unsafe fn required<const N: usize>(
    found: Option<[*mut ffi::PyObject; N]>,
) -> Option<[*mut ffi::PyObject; N]> {
    let found = found?;
    if found.first().is_some_and(|first| first.is_null()) {
        let message = c"the first argument is missing".as_ptr();
        // SAFETY: attached; the text is copied.
        unsafe { ffi::PyErr_SetString(ffi::PyExc_TypeError, message) };
        return None;
    }
    Some(found)
}

/// When so many seconds are over; `None` inside is never. `None` outside: an exception is set.
///
/// # Safety
/// As for `timeout`.
pub unsafe fn deadline(seconds: *mut ffi::PyObject) -> Option<Option<Instant>> {
    // SAFETY: the caller's promise.
    let time = unsafe { timeout(seconds) }?;
    // What no clock can hold is for ever.
    Some(time.and_then(|time| Instant::now().checked_add(time)))
}

/// So many seconds; `None` inside is for ever. `None` outside: an exception is set.
///
/// # Safety
/// Attached; the argument is null or alive.
pub unsafe fn timeout(timeout: *mut ffi::PyObject) -> Option<Option<Duration>> {
    // SAFETY: the caller's promise; -1 may mean an exception.
    unsafe {
        if timeout.is_null() || timeout == ffi::Py_None() {
            return Some(None);
        }
        let seconds = ffi::PyFloat_AsDouble(timeout);
        if seconds == -1.0 && !ffi::PyErr_Occurred().is_null() {
            return None;
        }
        // Negative is at once, and what no clock can hold is for ever.
        Some(Duration::try_from_secs_f64(seconds.max(0.0)).ok())
    }
}

/// # Safety
/// Attached; the argument is alive. `None`: an exception is set.
pub unsafe fn parse_id(id: *mut ffi::PyObject) -> Option<u64> {
    // SAFETY: the caller's promise; all bits set may mean an exception.
    unsafe {
        let id = ffi::PyLong_AsUnsignedLongLong(id);
        (id != u64::MAX || ffi::PyErr_Occurred().is_null()).then_some(id)
    }
}
