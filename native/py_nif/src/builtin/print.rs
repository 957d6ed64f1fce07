//! The functions of `_erlang` behind `print` and `logging`.

use std::ffi::c_int;
use std::ptr;

use py_host::{Attached, Object};
use pyo3_ffi as ffi;
use rustler::Atom;

use super::talk::speak;
use crate::failure::Failure;
use crate::output::{self, Device};
use crate::{atoms, convert, current};

/// `write(device, data)`
pub unsafe extern "C" fn write(
    _module: *mut ffi::PyObject,
    arguments: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    let mut device: c_int = 0;
    let mut view = std::mem::MaybeUninit::<ffi::Py_buffer>::zeroed();
    // SAFETY: CPython calls us attached; on success the view is ours until we release it, and its
    // bytes do not move meanwhile.
    unsafe {
        let format = c"iy*:write".as_ptr();
        if ffi::PyArg_ParseTuple(arguments, format, &mut device, view.as_mut_ptr()) == 0 {
            return ptr::null_mut();
        }
        let length = (*view.as_ptr()).len;
        let data = match length {
            0 => &[][..],
            _ => std::slice::from_raw_parts((*view.as_ptr()).buf.cast::<u8>(), length as usize),
        };
        let device = if device == 2 { Device::Err } else { Device::Out };
        let written = take(Attached::assume(), device, data, length);
        ffi::PyBuffer_Release(view.as_mut_ptr());
        written
    }
}

/// `write_out(text)`
pub unsafe extern "C" fn write_out(
    _module: *mut ffi::PyObject,
    text: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls us attached, with a live argument.
    unsafe { write_text(Device::Out, text) }
}

/// `write_err(text)`
pub unsafe extern "C" fn write_err(
    _module: *mut ffi::PyObject,
    text: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: as above.
    unsafe { write_text(Device::Err, text) }
}

/// # Safety
/// Attached, with a live argument.
unsafe fn write_text(device: Device, text: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: the caller's promise.
    unsafe {
        let py = Attached::assume();
        if ffi::PyUnicode_Check(text) == 0 {
            let format = c"write() argument must be str, not %s".as_ptr();
            return ffi::PyErr_Format(ffi::PyExc_TypeError, format, (*ffi::Py_TYPE(text)).tp_name);
        }
        let length = ffi::PyUnicode_GetLength(text);
        let written = convert::with_escaped(py, text, |data| take(py, device, data, length));
        written.unwrap_or_else(|raised| {
            raised.restore();
            ptr::null_mut()
        })
    }
}

/// What is written in one piece, and how long Python says it is.
fn take(
    py: Attached<'_>,
    device: Device,
    data: &[u8],
    length: ffi::Py_ssize_t,
) -> *mut ffi::PyObject {
    speak(py, |converter, current| {
        output::write(converter, current, device, data)?;
        // SAFETY: attached.
        let length = unsafe { ffi::PyLong_FromSsize_t(length) };
        // SAFETY: a new reference, or none and an exception.
        unsafe { Object::from_owned(converter.py, length) }.map_err(Failure::from)
    })
}

/// `flush()`: lines that have not ended go out as they are.
pub unsafe extern "C" fn flush(
    _module: *mut ffi::PyObject,
    _none: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls us attached.
    let py = unsafe { Attached::assume() };
    // Once all contexts are closed there is nothing left to send.
    current::speak(py, |converter, current| {
        output::flush_own(current, current::ticket(converter, current).as_ref());
    });
    Object::none(py).into_ptr()
}

/// `log(level, text, metadata)`
pub unsafe extern "C" fn log(
    _module: *mut ffi::PyObject,
    arguments: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls us attached, with a tuple that keeps its items alive.
    unsafe {
        let (mut level, mut text, mut metadata) =
            (ptr::null_mut(), ptr::null_mut::<ffi::PyObject>(), ptr::null_mut::<ffi::PyObject>());
        let format = c"UOO:log".as_ptr();
        if ffi::PyArg_ParseTuple(arguments, format, &mut level, &mut text, &mut metadata) == 0 {
            return ptr::null_mut();
        }
        let py = Attached::assume();
        let (level, text) = (Object::from_borrowed(py, level), Object::from_borrowed(py, text));
        let metadata = Object::from_borrowed(py, metadata);
        speak(py, |converter, current| {
            let level = level_atom(level.as_str().unwrap_or_default());
            output::log(converter, current, level, &text, &metadata)?;
            Ok(Object::none(converter.py))
        })
    }
}

fn level_atom(level: &str) -> Atom {
    match level {
        "debug" => atoms::debug(),
        "warning" => atoms::warning(),
        "error" => atoms::error(),
        "critical" => atoms::critical(),
        _ => atoms::info(),
    }
}
