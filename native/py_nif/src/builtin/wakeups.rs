//! `_erlang.Wakeups`: how an event loop hears that tasks of its may go on.

use std::ptr;
use std::sync::Arc;

use py_host::{Attached, Object};
use pyo3_ffi as ffi;

use super::{give, instance, list, method, methods, Methods};
use crate::channel::{Verdict, Wakeups};

/// What an instance holds. They are closed with it, whoever else has them.
struct Own(Arc<Wakeups>);

impl Drop for Own {
    fn drop(&mut self) {
        self.0.close();
    }
}

static METHODS: Methods<3> = Methods([
    method(c"fileno", fileno, ffi::METH_NOARGS),
    method(c"take", take, ffi::METH_NOARGS),
    ffi::PyMethodDef::zeroed(),
]);

/// # Safety
/// Attached, and `module` is the module that the type is for.
pub unsafe fn make_type(module: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: the caller's promise; `new` and the methods are for instances with an `Own`.
    unsafe {
        let (name, flags) = (c"_erlang.Wakeups", ffi::Py_TPFLAGS_DEFAULT);
        instance::make_type::<Own>(module, name, flags, new, &[methods(&METHODS)])
    }
}

/// The wake-ups of an instance. `None`, with an exception set, for anything else.
///
/// # Safety
/// Attached, and the object is alive.
pub unsafe fn of(object: *mut ffi::PyObject) -> Option<Arc<Wakeups>> {
    // SAFETY: the caller's promise. Types are told apart by their table of methods, which no other
    // type has.
    unsafe {
        let own = (&raw const METHODS).cast();
        if !ptr::eq((*ffi::Py_TYPE(object)).tp_methods, own) {
            let message = c"an _erlang.Wakeups is expected".as_ptr();
            ffi::PyErr_SetString(ffi::PyExc_TypeError, message);
            return None;
        }
        Some(Arc::clone(wakeups(object)))
    }
}

unsafe extern "C" fn new(
    kind: *mut ffi::PyTypeObject,
    _args: *mut ffi::PyObject,
    _kwargs: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls us attached with our type.
    unsafe {
        match Wakeups::new() {
            Ok(wakeups) => instance::make(kind, Own(Arc::new(wakeups))),
            Err(error) => super::raise(Attached::assume(), &error),
        }
    }
}

/// # Safety
/// `object` is an instance of ours, and outlives the reference.
unsafe fn wakeups<'o>(object: *mut ffi::PyObject) -> &'o Arc<Wakeups> {
    // SAFETY: the caller's promise.
    unsafe { &instance::value::<Own>(object).0 }
}

unsafe extern "C" fn fileno(
    object: *mut ffi::PyObject,
    _none: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls us attached, with an instance of ours.
    unsafe { ffi::PyLong_FromLong(wakeups(object).poller.fd().into()) }
}

/// `take()`: a list of `(id, accepted)`.
unsafe extern "C" fn take(
    object: *mut ffi::PyObject,
    _none: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls us attached, with an instance of ours; the format makes a reference of
    // its own to the bool.
    unsafe {
        let py = Attached::assume();
        let calls = wakeups(object).take().into_iter().map(|(id, verdict)| {
            let accepted = if verdict == Verdict::Go { ffi::Py_True() } else { ffi::Py_False() };
            Object::from_owned(py, ffi::Py_BuildValue(c"(KO)".as_ptr(), id, accepted))
        });
        give(list(py, calls))
    }
}
