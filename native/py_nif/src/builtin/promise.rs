//! `_erlang.Promise`: a request whose coroutine is a task, as Python keeps it until that is done.
//!
//! The context variable `erlang._request.REQUEST` has the promise while code of its task runs, and
//! of the tasks that this starts. So what they say is said for the right request.

use std::ffi::{c_int, c_void};
use std::ptr;
use std::sync::Arc;

use py_host::{Attached, Object, Raised};
use pyo3_ffi as ffi;
use rustler::Atom;

use super::{heap_type, method, slot, talk, Methods};
use crate::atoms;
use crate::convert::Converter;
use crate::local::Local;
use crate::reply::Ticket;
use crate::request::Request;

/// An instance. `request` is a `Box` in the raw, null once it is answered, and `ticket` an `Arc`.
#[repr(C)]
struct Instance {
    head: ffi::PyObject,
    request: *mut Request,
    ticket: *const Ticket,
}

/// Tells promises apart while they live.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Address(*mut ffi::PyObject);

static METHODS: Methods<5> = Methods([
    method(c"settle", settle, ffi::METH_O),
    method(c"stop", stop, ffi::METH_O),
    method(c"is_cancelled", is_cancelled, ffi::METH_NOARGS),
    method(c"id", id, ffi::METH_NOARGS),
    ffi::PyMethodDef::zeroed(),
]);

/// # Safety
/// Attached, and `module` is the module that the type is for.
pub unsafe fn make_type(module: *mut ffi::PyObject) -> *mut ffi::PyObject {
    let slots = [
        slot(ffi::Py_tp_new, super::refuse_new as *mut c_void),
        slot(ffi::Py_tp_dealloc, dealloc as *mut c_void),
        slot(ffi::Py_tp_methods, (&raw const METHODS).cast_mut().cast()),
        slot(0, ptr::null_mut()),
    ];
    // SAFETY: the caller's promise, and an instance is laid out as `Instance`.
    unsafe { heap_type::<Instance, 4>(module, c"_erlang.Promise", ffi::Py_TPFLAGS_DEFAULT, slots) }
}

/// The promise to answer a request.
pub fn new<'py>(
    converter: &Converter<'py>,
    request: Box<Request>,
) -> Result<Object<'py>, Raised<'py>> {
    let kind = converter.local.promise_type.as_ptr();
    let ticket = Arc::into_raw(Arc::clone(request.ticket()));
    // SAFETY: `kind` is our type, so the instance has our layout, and both fields are filled
    // before anybody sees it.
    unsafe {
        let made = ffi::PyType_GenericAlloc(kind.cast(), 0);
        if made.is_null() {
            drop(Arc::from_raw(ticket));
            return Err(Raised::take(converter.py));
        }
        let instance = made.cast::<Instance>();
        (*instance).request = Box::into_raw(request);
        (*instance).ticket = ticket;
        Object::from_owned(converter.py, made)
    }
}

/// Takes the request back; `None` if it has been answered.
pub fn take(promise: &Object<'_>) -> Option<Box<Request>> {
    // SAFETY: called with what `new` has made.
    unsafe { take_from(promise.as_ptr()) }
}

/// # Safety
/// Attached, with an instance of ours.
unsafe fn take_from(promise: *mut ffi::PyObject) -> Option<Box<Request>> {
    // SAFETY: the caller's promise; the pointer is ours to take, once.
    unsafe {
        let request = ptr::replace(&raw mut (*promise.cast::<Instance>()).request, ptr::null_mut());
        (!request.is_null()).then(|| Box::from_raw(request))
    }
}

/// The promise of the task that this thread is in the middle of.
pub fn present(py: Attached<'_>, local: &Local) -> Option<Address> {
    get(py, local).map(|promise| Address(promise.as_ptr()))
}

/// The request of that task, if it is still to be answered and not that of `outer`.
pub fn speaker(converter: &Converter<'_>, outer: Option<Address>) -> Option<Arc<Ticket>> {
    let promise = get(converter.py, converter.local)?;
    if outer == Some(Address(promise.as_ptr())) {
        return None;
    }
    // SAFETY: the instance keeps one count for as long as it lives, and we take another.
    let ticket = unsafe {
        let ticket = (*promise.as_ptr().cast::<Instance>()).ticket;
        Arc::increment_strong_count(ticket);
        Arc::from_raw(ticket)
    };
    (!ticket.is_over()).then_some(ticket)
}

fn get<'py>(py: Attached<'py>, local: &Local) -> Option<Object<'py>> {
    let mut value = ptr::null_mut();
    // SAFETY: attached; the variable is alive, and on success `value` is a new reference or null.
    unsafe {
        let status = ffi::PyContextVar_Get(local.request.as_ptr(), ptr::null_mut(), &raw mut value);
        if status < 0 {
            ffi::PyErr_Clear();
            return None;
        }
        if value.is_null() {
            return None;
        }
        let value = Object::from_owned(py, value).ok()?;
        value.is_instance_of(&local.promise_type).then_some(value)
    }
}

unsafe extern "C" fn dealloc(object: *mut ffi::PyObject) {
    // SAFETY: CPython frees an object once, and a heap type's instance holds a reference to it.
    // A request that is dropped unanswered says that its context has closed.
    unsafe {
        let kind = ffi::Py_TYPE(object);
        drop(take_from(object));
        let ticket = (*object.cast::<Instance>()).ticket;
        if !ticket.is_null() {
            drop(Arc::from_raw(ticket));
        }
        (*kind).tp_free.expect("every type has one")(object.cast());
        ffi::Py_DECREF(kind.cast());
    }
}

/// `settle(task)`: what has come of the task is the answer.
unsafe extern "C" fn settle(
    object: *mut ffi::PyObject,
    task: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls us attached, with an instance of ours and a live argument; the method
    // gives a new reference, or null with an exception set.
    unsafe {
        let (py, request) = (Attached::assume(), take_from(object));
        talk::speak(py, |converter, current| {
            if let Some(request) = request {
                let name = converter.local.result.as_ptr();
                let result = ffi::PyObject_CallMethodNoArgs(task, name);
                let result = Object::from_owned(converter.py, result);
                request.end_as_task(converter, result, current);
            }
            Ok(Object::none(converter.py))
        })
    }
}

/// `stop("interrupted" or "timeout")`: for that reason its task is being cancelled.
unsafe extern "C" fn stop(
    object: *mut ffi::PyObject,
    reason: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls us attached, with an instance of ours and a live argument; whoever
    // takes the request does so attached, too.
    unsafe {
        let py = Attached::assume();
        let reason: Atom = match Object::from_borrowed(py, reason).as_str() {
            Some("timeout") => atoms::timeout(),
            _ => atoms::interrupted(),
        };
        if let Some(request) = (*object.cast::<Instance>()).request.as_mut() {
            request.stop(reason);
        }
        Object::none(py).into_ptr()
    }
}

/// `is_cancelled()`: does nobody wait for it any more?
unsafe extern "C" fn is_cancelled(
    object: *mut ffi::PyObject,
    _none: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls us attached, with an instance of ours, whose ticket lives as long.
    unsafe {
        let cancelled = (*(*object.cast::<Instance>()).ticket).is_cancelled();
        ffi::PyBool_FromLong(c_int::from(cancelled).into())
    }
}

/// `id()`: names the request.
unsafe extern "C" fn id(
    object: *mut ffi::PyObject,
    _none: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: as above.
    unsafe { ffi::PyLong_FromUnsignedLongLong((*(*object.cast::<Instance>()).ticket).id) }
}
