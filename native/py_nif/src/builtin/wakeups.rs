//! `_erlang.Wakeups`: how an event loop hears that tasks of its may go on.

use std::ffi::c_void;
use std::ptr;
use std::sync::Arc;

use py_host::{Attached, Object};
use pyo3_ffi as ffi;

use super::{heap_type, method, slot, Methods};
use crate::channel::{Verdict, Wakeups};

/// An instance. `wakeups` is an `Arc` in the raw.
#[repr(C)]
struct Instance {
    head: ffi::PyObject,
    wakeups: *const Wakeups,
}

static METHODS: Methods<3> = Methods([
    method(c"fileno", fileno, ffi::METH_NOARGS),
    method(c"take", take, ffi::METH_NOARGS),
    ffi::PyMethodDef::zeroed(),
]);

/// # Safety
/// Attached, and `module` is the module that the type is for.
pub unsafe fn make_type(module: *mut ffi::PyObject) -> *mut ffi::PyObject {
    let slots = [
        slot(ffi::Py_tp_new, new as *mut c_void),
        slot(ffi::Py_tp_dealloc, dealloc as *mut c_void),
        slot(ffi::Py_tp_methods, (&raw const METHODS).cast_mut().cast()),
        slot(0, ptr::null_mut()),
    ];
    // SAFETY: the caller's promise, and an instance is laid out as `Instance`.
    unsafe { heap_type::<Instance, 4>(module, c"_erlang.Wakeups", ffi::Py_TPFLAGS_DEFAULT, slots) }
}

/// The wake-ups of an instance. `None`, with an exception set, for anything else.
///
/// # Safety
/// Attached, and the object is alive.
pub unsafe fn of(object: *mut ffi::PyObject) -> Option<Arc<Wakeups>> {
    // SAFETY: the caller's promise. Types are told apart by their way of being freed, which no
    // other type has; we take a reference of our own.
    unsafe {
        let dealloc: ffi::destructor = dealloc;
        if (*ffi::Py_TYPE(object)).tp_dealloc.map(|own| own as usize) != Some(dealloc as usize) {
            let message = c"an _erlang.Wakeups is expected".as_ptr();
            ffi::PyErr_SetString(ffi::PyExc_TypeError, message);
            return None;
        }
        let wakeups = (*object.cast::<Instance>()).wakeups;
        Arc::increment_strong_count(wakeups);
        Some(Arc::from_raw(wakeups))
    }
}

unsafe extern "C" fn new(
    kind: *mut ffi::PyTypeObject,
    _args: *mut ffi::PyObject,
    _kwargs: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls us attached with our type; the field is filled before anybody sees it.
    unsafe {
        let py = Attached::assume();
        match Wakeups::new() {
            Ok(wakeups) => {
                let made = ffi::PyType_GenericAlloc(kind, 0);
                if !made.is_null() {
                    (*made.cast::<Instance>()).wakeups = Arc::into_raw(Arc::new(wakeups));
                }
                made
            }
            Err(error) => super::raise(py, &error),
        }
    }
}

unsafe extern "C" fn dealloc(object: *mut ffi::PyObject) {
    // SAFETY: CPython frees an object once, and a heap type's instance holds a reference to it.
    unsafe {
        let kind = ffi::Py_TYPE(object);
        let wakeups = (*object.cast::<Instance>()).wakeups;
        if !wakeups.is_null() {
            let wakeups = Arc::from_raw(wakeups);
            wakeups.close();
        }
        (*kind).tp_free.expect("every type has one")(object.cast());
        ffi::Py_DECREF(kind.cast());
    }
}

unsafe extern "C" fn fileno(
    object: *mut ffi::PyObject,
    _none: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls us attached, with an instance of ours.
    unsafe { ffi::PyLong_FromLong((*(*object.cast::<Instance>()).wakeups).poller.fd().into()) }
}

/// `take()`: a list of `(id, accepted)`.
unsafe extern "C" fn take(
    object: *mut ffi::PyObject,
    _none: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls us attached, with an instance of ours; the list takes the tuples, and
    // is freed with those it has when one fails.
    unsafe {
        let py = Attached::assume();
        let calls = (*(*object.cast::<Instance>()).wakeups).take();
        let list = ffi::PyList_New(calls.len() as ffi::Py_ssize_t);
        let Ok(list) = Object::from_owned(py, list).map_err(|raised| raised.restore()) else {
            return ptr::null_mut();
        };
        for (index, (id, verdict)) in calls.into_iter().enumerate() {
            let accepted = if verdict == Verdict::Go { ffi::Py_True() } else { ffi::Py_False() };
            let pair = ffi::Py_BuildValue(c"(KO)".as_ptr(), id, accepted);
            if pair.is_null() {
                return ptr::null_mut();
            }
            ffi::PyList_SET_ITEM(list.as_ptr(), index as ffi::Py_ssize_t, pair);
        }
        list.into_ptr()
    }
}
