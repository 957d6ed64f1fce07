//! `_erlang.Promise`: a request whose coroutine is a task, as Python keeps it until that is done.
//!
//! The context variable `erlang._request.REQUEST` has the promise while code of its task runs, and
//! of the tasks that this starts. So what they say is said for the right request.

use std::ptr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use py_host::{Attached, Object, Raised};
use pyo3_ffi as ffi;
use rustler::Atom;

use super::{instance, method, methods, refuse_new, talk, Methods};
use crate::atoms;
use crate::convert::Converter;
use crate::local::Local;
use crate::reply::Ticket;
use crate::request::Request;

/// What an instance holds; no request once that is answered. One that is dropped unanswered says
/// that its context has closed.
struct Promise {
    request: Mutex<Option<Box<Request>>>,
    ticket: Arc<Ticket>,
}

impl Promise {
    fn request(&self) -> MutexGuard<'_, Option<Box<Request>>> {
        self.request.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
    // SAFETY: the caller's promise; the methods are for instances with a `Promise`.
    unsafe {
        let (name, flags) = (c"_erlang.Promise", ffi::Py_TPFLAGS_DEFAULT);
        instance::make_type::<Promise>(module, name, flags, refuse_new, &[methods(&METHODS)])
    }
}

/// The promise to answer a request.
pub fn new<'py>(
    converter: &Converter<'py>,
    request: Box<Request>,
) -> Result<Object<'py>, Raised<'py>> {
    let kind = converter.local.promise_type.as_ptr().cast();
    let ticket = Arc::clone(request.ticket());
    let promise = Promise { request: Mutex::new(Some(request)), ticket };
    // SAFETY: attached, and `kind` is our type.
    unsafe { Object::from_owned(converter.py, instance::make(kind, promise)) }
}

/// Takes the request back; `None` if it has been answered.
pub fn take(promise: &Object<'_>) -> Option<Box<Request>> {
    // SAFETY: called with what `new` has made.
    unsafe { held(promise.as_ptr()) }.request().take()
}

/// # Safety
/// `object` is an instance of ours, and outlives the reference.
unsafe fn held<'o>(object: *mut ffi::PyObject) -> &'o Promise {
    // SAFETY: the caller's promise.
    unsafe { instance::value(object) }
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
    // SAFETY: `get` has looked at its type, and `promise` keeps it.
    let ticket = unsafe { &held(promise.as_ptr()).ticket };
    (!ticket.is_over()).then(|| Arc::clone(ticket))
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

/// `settle(task)`: what has come of the task is the answer.
unsafe extern "C" fn settle(
    object: *mut ffi::PyObject,
    task: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls us attached, with an instance of ours and a live argument; the method
    // gives a new reference, or null with an exception set.
    unsafe {
        let request = held(object).request().take();
        talk::speak(Attached::assume(), |converter, current| {
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

/// `stop(reason)`: for that reason, `"interrupted"`, `"out_of_memory"` or `"timeout"`, its task is
/// being cancelled.
unsafe extern "C" fn stop(
    object: *mut ffi::PyObject,
    reason: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls us attached, with an instance of ours and a live argument.
    unsafe {
        let py = Attached::assume();
        let reason: Atom = match Object::from_borrowed(py, reason).as_str() {
            Some("timeout") => atoms::timeout(),
            Some("out_of_memory") => atoms::out_of_memory(),
            _ => atoms::interrupted(),
        };
        if let Some(request) = held(object).request().as_mut() {
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
    // SAFETY: CPython calls us attached, with an instance of ours.
    unsafe { ffi::PyBool_FromLong(held(object).ticket.is_cancelled().into()) }
}

/// `id()`: names the request.
unsafe extern "C" fn id(
    object: *mut ffi::PyObject,
    _none: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: as above.
    unsafe { ffi::PyLong_FromUnsignedLongLong(held(object).ticket.id) }
}
