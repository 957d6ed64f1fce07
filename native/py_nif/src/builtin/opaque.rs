//! `erlang.Pid`, `Ref`, `Port` and `Fun`: terms that Python holds without looking into them.

use std::ffi::{c_int, c_void, CStr};
use std::ptr;

use py_host::{Attached, Object, Raised};
use pyo3_ffi as ffi;
use rustler::sys::{enif_alloc_env, enif_free_env, enif_make_copy, ErlNifEnv, ErlNifTerm};
use rustler::{Env, Term};

use super::{heap_type, method, slot, talk, Methods};

/// An instance. The environment is its own and holds nothing but the term.
#[repr(C)]
struct Opaque {
    head: ffi::PyObject,
    env: *mut ErlNifEnv,
    term: ErlNifTerm,
}

/// A type whose instances hold a term and can do one more thing. Null with an exception set if
/// that fails.
///
/// # Safety
/// Attached, and `module` is the module that the type is for.
pub unsafe fn make_type(
    module: *mut ffi::PyObject,
    name: &'static CStr,
    special: ffi::PyType_Slot,
) -> *mut ffi::PyObject {
    let slots = [
        slot(ffi::Py_tp_new, super::refuse_new as *mut c_void),
        slot(ffi::Py_tp_dealloc, dealloc as *mut c_void),
        slot(ffi::Py_tp_hash, hash as *mut c_void),
        slot(ffi::Py_tp_repr, repr as *mut c_void),
        slot(ffi::Py_tp_richcompare, compare as *mut c_void),
        special,
        slot(0, ptr::null_mut()),
    ];
    // SAFETY: the caller's promise, and an instance is laid out as `Opaque`.
    unsafe { heap_type::<Opaque, 7>(module, name, ffi::Py_TPFLAGS_DEFAULT, slots) }
}

/// A new instance of `kind`, one of the types above, that holds a copy of `term`.
pub fn new<'py>(kind: &Object<'py>, term: Term<'_>) -> Result<Object<'py>, Raised<'py>> {
    // SAFETY: `kind` is one of our types, so the instance has our layout, and both fields are
    // filled before anybody sees it.
    unsafe {
        let made =
            Object::from_owned(kind.py(), ffi::PyType_GenericAlloc(kind.as_ptr().cast(), 0))?;
        let opaque = made.as_ptr().cast::<Opaque>();
        (*opaque).env = enif_alloc_env();
        (*opaque).term = enif_make_copy((*opaque).env, term.as_c_arg());
        Ok(made)
    }
}

/// The term inside, valid as long as the object lives.
///
/// # Safety
/// `object` is an instance of one of the types above and outlives the term.
pub unsafe fn term<'a>(object: *mut ffi::PyObject) -> Term<'a> {
    let opaque = object.cast::<Opaque>();
    // SAFETY: the caller's promise; the environment lives as long as the object.
    unsafe {
        let env = Env::new(&*opaque, (*opaque).env);
        Term::new(env, (*opaque).term)
    }
}

unsafe extern "C" fn dealloc(object: *mut ffi::PyObject) {
    // SAFETY: CPython frees an object once, and a heap type's instance holds a reference to it.
    unsafe {
        let kind = ffi::Py_TYPE(object);
        let env = (*object.cast::<Opaque>()).env;
        if !env.is_null() {
            enif_free_env(env);
        }
        (*kind).tp_free.expect("every type has one")(object.cast());
        ffi::Py_DECREF(kind.cast());
    }
}

unsafe extern "C" fn hash(object: *mut ffi::PyObject) -> ffi::Py_hash_t {
    // SAFETY: CPython calls this with an instance of ours.
    let hash = unsafe { term(object) }.hash_internal(0) as ffi::Py_hash_t;
    // Python keeps -1 for errors.
    if hash == -1 {
        -2
    } else {
        hash
    }
}

/// For the types that can be pickled.
pub(super) static PICKLED: Methods<2> =
    Methods([method(c"__reduce__", reduce, ffi::METH_NOARGS), ffi::PyMethodDef::zeroed()]);

/// `(erlang._terms.restore, (bytes,))`
unsafe extern "C" fn reduce(
    object: *mut ffi::PyObject,
    _none: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls this attached with an instance of ours; the format takes two objects
    // and makes references of its own.
    unsafe {
        let py = Attached::assume();
        let bytes = talk::to_binary(ptr::null_mut(), object);
        if bytes.is_null() {
            return ptr::null_mut();
        }
        let restore = Object::import(py, c"erlang._terms").and_then(|terms| terms.attr(c"restore"));
        let made = match restore {
            Ok(restore) => ffi::Py_BuildValue(c"O(O)".as_ptr(), restore.as_ptr(), bytes),
            Err(raised) => {
                raised.restore();
                ptr::null_mut()
            }
        };
        ffi::Py_DECREF(bytes);
        made
    }
}

unsafe extern "C" fn repr(object: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: CPython calls this with an instance of ours; the text is copied.
    unsafe {
        let kind = CStr::from_ptr((*ffi::Py_TYPE(object)).tp_name).to_string_lossy();
        let text = format!("{kind}({:?})", term(object));
        ffi::PyUnicode_FromStringAndSize(text.as_ptr().cast(), text.len() as ffi::Py_ssize_t)
    }
}

/// Equal when the BEAM calls them equal; ordered in the BEAM's own order.
unsafe extern "C" fn compare(
    left: *mut ffi::PyObject,
    right: *mut ffi::PyObject,
    operation: c_int,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls this with an instance of ours on the left. The right one is looked
    // into only when it has the same type.
    unsafe {
        if ffi::Py_TYPE(left) != ffi::Py_TYPE(right) {
            return super::not_implemented();
        }
        let order = term(left).cmp(&term(right));
        let holds = match operation {
            ffi::Py_LT => order.is_lt(),
            ffi::Py_LE => order.is_le(),
            ffi::Py_EQ => order.is_eq(),
            ffi::Py_NE => order.is_ne(),
            ffi::Py_GT => order.is_gt(),
            _ => order.is_ge(),
        };
        ffi::PyBool_FromLong(holds.into())
    }
}
