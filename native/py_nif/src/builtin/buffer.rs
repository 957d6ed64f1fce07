//! `_erlang.Buffer`: a binary of the BEAM that Python reads in place, through the buffer protocol.

use std::ffi::{c_int, c_void};
use std::ptr;

use py_host::{Object, Raised, View};
use pyo3_ffi as ffi;
use rustler::sys::{enif_alloc_env, enif_free_env, enif_make_copy, ErlNifEnv, ErlNifTerm};
use rustler::{Binary, Env, Term};

use super::{heap_type, slot};

/// An instance. Its environment keeps the binary alive, and with it the bytes at `data`.
#[repr(C)]
struct Buffer {
    head: ffi::PyObject,
    env: *mut ErlNifEnv,
    binary: ErlNifTerm,
    data: *const u8,
    length: usize,
}

/// # Safety
/// Attached, and `module` is the module that the type is for.
pub unsafe fn make_type(module: *mut ffi::PyObject) -> *mut ffi::PyObject {
    let slots = [
        slot(ffi::Py_tp_new, super::refuse_new as *mut c_void),
        slot(ffi::Py_tp_dealloc, dealloc as *mut c_void),
        slot(ffi::Py_bf_getbuffer, get_buffer as *mut c_void),
        slot(0, ptr::null_mut()),
    ];
    // SAFETY: the caller's promise, and an instance is laid out as `Buffer`.
    unsafe { heap_type::<Buffer, 4>(module, c"_erlang.Buffer", ffi::Py_TPFLAGS_DEFAULT, slots) }
}

/// A read-only `memoryview` of the binary `term`. Binaries above 64 bytes are shared, not copied.
pub fn view<'py>(kind: &Object<'py>, term: Term<'_>) -> Result<Object<'py>, Raised<'py>> {
    // SAFETY: `kind` is the type made above, so the instance has our layout, and all fields are
    // filled before anybody sees it. Terms in an environment of its own do not move.
    unsafe {
        let made =
            Object::from_owned(kind.py(), ffi::PyType_GenericAlloc(kind.as_ptr().cast(), 0))?;
        let buffer = made.as_ptr().cast::<Buffer>();
        (*buffer).env = enif_alloc_env();
        let env = Env::new(&*buffer, (*buffer).env);
        let copy = Term::new(env, enif_make_copy((*buffer).env, term.as_c_arg()));
        (*buffer).binary = copy.as_c_arg();
        let binary = Binary::from_term(copy).expect("the caller has asked");
        (*buffer).data = binary.as_slice().as_ptr();
        (*buffer).length = binary.as_slice().len();
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
    // SAFETY: the caller's promise; the environment lives as long as the instance.
    let (binary, data) = unsafe {
        let buffer = buffer.as_ptr().cast::<Buffer>();
        let own = Env::new(&*buffer, (*buffer).env);
        (Term::new(own, (*buffer).binary), (*buffer).data)
    };
    let binary = Binary::from_term(binary.in_env(env)).ok()?;
    if view.size() == binary.len() {
        return Some(binary.to_term(env));
    }
    let offset = address as usize - data as usize;
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
        let buffer = object.cast::<Buffer>();
        let data = (*buffer).data.cast_mut().cast();
        ffi::PyBuffer_FillInfo(view, object, data, (*buffer).length as ffi::Py_ssize_t, 1, flags)
    }
}

unsafe extern "C" fn dealloc(object: *mut ffi::PyObject) {
    // SAFETY: CPython frees an object once, when no view is left, and a heap type's instance
    // holds a reference to it.
    unsafe {
        let kind = ffi::Py_TYPE(object);
        let env = (*object.cast::<Buffer>()).env;
        if !env.is_null() {
            enif_free_env(env);
        }
        (*kind).tp_free.expect("every type has one")(object.cast());
        ffi::Py_DECREF(kind.cast());
    }
}
