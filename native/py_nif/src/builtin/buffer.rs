//! `_erlang.Buffer`: a binary of the BEAM that Python reads in place, through the buffer protocol.

use std::ffi::{c_int, c_void};

use py_host::{Object, Raised, View};
use pyo3_ffi as ffi;
use rustler::{Binary, Env, Term};

use super::{instance, refuse_new, slot};
use crate::terms::OwnedTerm;

/// What an instance holds. The binary's environment keeps it alive, and so the bytes at `data`.
struct Buffer {
    binary: OwnedTerm,
    data: *const u8,
    length: usize,
}

/// # Safety
/// Attached, and `module` is the module that the type is for.
pub unsafe fn make_type(module: *mut ffi::PyObject) -> *mut ffi::PyObject {
    let slots = [slot(ffi::Py_bf_getbuffer, get_buffer as *mut c_void)];
    // SAFETY: the caller's promise; the slot is for instances with a `Buffer`.
    unsafe {
        let (name, flags) = (c"_erlang.Buffer", ffi::Py_TPFLAGS_DEFAULT);
        instance::make_type::<Buffer>(module, name, flags, refuse_new, &slots)
    }
}

/// A read-only `memoryview` of the binary `term`. Binaries above 64 bytes are shared, not copied.
pub fn view<'py>(kind: &Object<'py>, term: Term<'_>) -> Result<Object<'py>, Raised<'py>> {
    // Terms in an environment of its own do not move.
    let copy = OwnedTerm::of(term);
    let bytes = Binary::from_term(copy.term()).expect("the caller has asked").as_slice();
    let (data, length) = (bytes.as_ptr(), bytes.len());
    // SAFETY: attached, and `kind` is the type made above; the view has a reference of its own.
    unsafe {
        let made = instance::make(kind.as_ptr().cast(), Buffer { binary: copy, data, length });
        let made = Object::from_owned(kind.py(), made)?;
        Object::from_owned(kind.py(), ffi::PyMemoryView_FromObject(made.as_ptr()))
    }
}

/// The binary, or the part of it, that a view of `buffer` shows; `None` if that is not in one
/// piece. Nothing is copied.
///
/// # Safety
/// `buffer` is an instance of the type made above, and `view` one of it.
pub unsafe fn shown<'a>(env: Env<'a>, buffer: &Object<'_>, view: &View<'_>) -> Option<Term<'a>> {
    let address = view.address()?;
    // SAFETY: the caller's promise.
    let Buffer { binary, data, .. } = unsafe { instance::value(buffer.as_ptr()) };
    let binary = Binary::from_term(binary.term().in_env(env)).ok()?;
    if view.size() == binary.len() {
        return Some(binary.to_term(env));
    }
    let offset = address as usize - *data as usize;
    Some(binary.make_subbinary(offset, view.size()).ok()?.to_term(env))
}

unsafe extern "C" fn get_buffer(
    object: *mut ffi::PyObject,
    view: *mut ffi::Py_buffer,
    flags: c_int,
) -> c_int {
    // SAFETY: CPython calls this with an instance of ours; the view holds a reference to it, and
    // with it to the bytes, which are read-only.
    unsafe {
        let Buffer { data, length, .. } = instance::value(object);
        let data = data.cast_mut().cast();
        ffi::PyBuffer_FillInfo(view, object, data, *length as ffi::Py_ssize_t, 1, flags)
    }
}
