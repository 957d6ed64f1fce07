//! `erlang.Pid`, `Ref`, `Port` and `Fun`: terms that Python holds without looking into them.

use std::ffi::{c_int, c_void, CStr};
use std::ptr;

use py_host::{Attached, Object, Raised};
use pyo3_ffi as ffi;
use rustler::Term;

use super::{give, instance, method, refuse_new, slot, talk, Methods};
use crate::terms::OwnedTerm;

/// A type whose instances hold a term, in an environment of its own, and can do one more thing.
/// Null with an exception set if that fails.
///
/// # Safety
/// Attached, and `module` is the module that the type is for.
pub unsafe fn make_type(
    module: *mut ffi::PyObject,
    name: &'static CStr,
    special: ffi::PyType_Slot,
) -> *mut ffi::PyObject {
    let slots = [
        slot(ffi::Py_tp_hash, hash as *mut c_void),
        slot(ffi::Py_tp_repr, repr as *mut c_void),
        slot(ffi::Py_tp_richcompare, compare as *mut c_void),
        special,
    ];
    // SAFETY: the caller's promise; the slots are for instances with an `OwnedTerm`.
    unsafe {
        let flags = ffi::Py_TPFLAGS_DEFAULT;
        instance::make_type::<OwnedTerm>(module, name, flags, refuse_new, &slots)
    }
}

/// A new instance of `kind`, one of the types above, that holds a copy of `term`.
pub fn new<'py>(kind: &Object<'py>, term: Term<'_>) -> Result<Object<'py>, Raised<'py>> {
    // SAFETY: attached, and `kind` is one of our types.
    unsafe {
        let made = instance::make(kind.as_ptr().cast(), OwnedTerm::of(term));
        Object::from_owned(kind.py(), made)
    }
}

/// The term inside, valid as long as the object lives.
///
/// # Safety
/// `object` is an instance of one of the types above and outlives the term.
pub unsafe fn term<'a>(object: *mut ffi::PyObject) -> Term<'a> {
    // SAFETY: the caller's promise.
    unsafe { instance::value::<OwnedTerm>(object) }.term()
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
        let bytes = Object::from_owned(py, talk::to_binary(ptr::null_mut(), object));
        give(bytes.and_then(|bytes| {
            let restore = Object::import(py, c"erlang._terms")?.attr(c"restore")?;
            let made = ffi::Py_BuildValue(c"O(O)".as_ptr(), restore.as_ptr(), bytes.as_ptr());
            Object::from_owned(py, made)
        }))
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
