//! `_erlang.Poller`: what the selector of `erlang.ErlangEventLoop` waits with.

use std::ffi::{c_int, c_long, c_ulonglong, c_void};
use std::io;
use std::os::fd::RawFd;
use std::ptr;
use std::sync::Arc;
use std::time::Duration;

use py_host::poller::{Failed, Interest, Ready};
use py_host::{Attached, Object, Poller, Raised};
use pyo3_ffi as ffi;

use super::{heap_type, method, raise, slot, talk, Methods};
use crate::callback::{self, Inbox};
use crate::current;

/// An instance. Both are `Arc`s in the raw, null once closed.
#[repr(C)]
struct Instance {
    head: ffi::PyObject,
    poller: *const Poller,
    inbox: *const Inbox,
}

/// The events of Python's `selectors`.
const READ: c_int = 1;
const WRITE: c_int = 2;

static METHODS: Methods<11> = Methods([
    method(c"register", register, ffi::METH_VARARGS),
    method(c"modify", modify, ffi::METH_VARARGS),
    method(c"unregister", unregister, ffi::METH_O),
    method(c"select", select, ffi::METH_O),
    method(c"wake", wake, ffi::METH_NOARGS),
    method(c"ask", ask, ffi::METH_VARARGS),
    method(c"answers", answers, ffi::METH_NOARGS),
    method(c"fileno", fileno, ffi::METH_NOARGS),
    method(c"address", address, ffi::METH_NOARGS),
    method(c"close", close, ffi::METH_NOARGS),
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
    unsafe { heap_type::<Instance, 4>(module, c"_erlang.Poller", ffi::Py_TPFLAGS_DEFAULT, slots) }
}

unsafe extern "C" fn new(
    kind: *mut ffi::PyTypeObject,
    _args: *mut ffi::PyObject,
    _kwargs: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls us attached with our type; the field is filled before anybody sees it.
    unsafe {
        let py = Attached::assume();
        match Poller::new() {
            Ok(poller) => {
                let made = ffi::PyType_GenericAlloc(kind, 0);
                if !made.is_null() {
                    let (instance, poller) = (made.cast::<Instance>(), Arc::new(poller));
                    (*instance).inbox = Arc::into_raw(Arc::new(Inbox::new(&poller)));
                    (*instance).poller = Arc::into_raw(poller);
                }
                made
            }
            Err(error) => raise(py, &error),
        }
    }
}

unsafe extern "C" fn dealloc(object: *mut ffi::PyObject) {
    // SAFETY: CPython frees an object once, and a heap type's instance holds a reference to it.
    unsafe {
        let kind = ffi::Py_TYPE(object);
        release(object);
        (*kind).tp_free.expect("every type has one")(object.cast());
        ffi::Py_DECREF(kind.cast());
    }
}

/// # Safety
/// Attached, with an instance of ours.
unsafe fn release(object: *mut ffi::PyObject) {
    // SAFETY: the caller's promise; the pointer is ours to give back, once.
    unsafe {
        let poller = ptr::replace(&raw mut (*object.cast::<Instance>()).poller, ptr::null());
        let inbox = ptr::replace(&raw mut (*object.cast::<Instance>()).inbox, ptr::null());
        if !poller.is_null() {
            drop(Arc::from_raw(poller));
        }
        if !inbox.is_null() {
            drop(Arc::from_raw(inbox));
        }
    }
}

/// # Safety
/// Attached, with an instance of ours. Null in the answer means that an exception is set.
unsafe fn poller(object: *mut ffi::PyObject) -> Option<Arc<Poller>> {
    // SAFETY: the caller's promise; the instance keeps one count, and we take another.
    unsafe {
        let poller = (*object.cast::<Instance>()).poller;
        if poller.is_null() {
            ffi::PyErr_SetString(ffi::PyExc_ValueError, c"this poller is closed".as_ptr());
            return None;
        }
        Arc::increment_strong_count(poller);
        Some(Arc::from_raw(poller))
    }
}

/// # Safety
/// As for `poller`.
unsafe fn inbox(object: *mut ffi::PyObject) -> Option<Arc<Inbox>> {
    // SAFETY: as there; the two are there for the same time.
    unsafe {
        poller(object)?;
        let inbox = (*object.cast::<Instance>()).inbox;
        Arc::increment_strong_count(inbox);
        Some(Arc::from_raw(inbox))
    }
}

unsafe extern "C" fn register(
    object: *mut ffi::PyObject,
    arguments: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls us attached, with an instance of ours and a tuple.
    unsafe { with_interest(object, arguments, Poller::add) }
}

unsafe extern "C" fn modify(
    object: *mut ffi::PyObject,
    arguments: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: as above.
    unsafe { with_interest(object, arguments, Poller::modify) }
}

/// # Safety
/// Attached, with an instance of ours and a tuple.
unsafe fn with_interest(
    object: *mut ffi::PyObject,
    arguments: *mut ffi::PyObject,
    work: fn(&Poller, RawFd, Interest) -> io::Result<()>,
) -> *mut ffi::PyObject {
    let (mut fd, mut events): (c_int, c_int) = (0, 0);
    // SAFETY: the caller's promise; the format takes two ints.
    unsafe {
        if ffi::PyArg_ParseTuple(arguments, c"ii".as_ptr(), &mut fd, &mut events) == 0 {
            return ptr::null_mut();
        }
        let interest = Interest { read: events & READ != 0, write: events & WRITE != 0 };
        let Some(poller) = poller(object) else { return ptr::null_mut() };
        done(work(&poller, fd, interest))
    }
}

unsafe extern "C" fn unregister(
    object: *mut ffi::PyObject,
    fd: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls us attached, with an instance of ours and a live argument.
    unsafe {
        let fd: c_long = ffi::PyLong_AsLong(fd);
        if fd == -1 && !ffi::PyErr_Occurred().is_null() {
            return ptr::null_mut();
        }
        let Some(poller) = poller(object) else { return ptr::null_mut() };
        done(poller.delete(fd as RawFd))
    }
}

/// `select(seconds or None)`: a list of `(fd, events)`.
unsafe extern "C" fn select(
    object: *mut ffi::PyObject,
    timeout: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls us attached, with an instance of ours and a live argument.
    unsafe {
        let py = Attached::assume();
        let timeout = if timeout == ffi::Py_None() {
            None
        } else {
            let seconds = ffi::PyFloat_AsDouble(timeout);
            if seconds == -1.0 && !ffi::PyErr_Occurred().is_null() {
                return ptr::null_mut();
            }
            // Negative is at once, and what no clock can hold is for ever.
            Duration::try_from_secs_f64(seconds.max(0.0)).ok()
        };
        let Some(poller) = poller(object) else { return ptr::null_mut() };
        let mut ready = Ready::new();
        let waited = match current::here() {
            Some(current) => current.worker.poll(py, &poller, timeout, &mut ready),
            None => py.detached(|| poller.wait(timeout, &mut ready)).map_err(Failed::from),
        };
        match waited {
            Ok(()) => match list(py, &ready) {
                Ok(list) => list.into_ptr(),
                Err(raised) => {
                    raised.restore();
                    ptr::null_mut()
                }
            },
            Err(Failed::System(error)) => raise(py, &error),
            Err(Failed::Interrupted) => {
                if let Some(current) = current::here() {
                    callback::set_interrupted(py, current.worker);
                }
                ptr::null_mut()
            }
        }
    }
}

unsafe extern "C" fn wake(
    object: *mut ffi::PyObject,
    _none: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls us attached, with an instance of ours.
    unsafe {
        let Some(poller) = poller(object) else { return ptr::null_mut() };
        poller.wake();
        Object::none(Attached::assume()).into_ptr()
    }
}

/// `ask(number, target, args)`: the answer is among `answers()` later, which the loop is woken for.
unsafe extern "C" fn ask(
    object: *mut ffi::PyObject,
    arguments: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    let mut number: c_ulonglong = 0;
    let (mut target, mut args) = (ptr::null_mut::<ffi::PyObject>(), ptr::null_mut());
    // SAFETY: CPython calls us attached, with an instance of ours and a tuple that keeps its items
    // alive; the format asks for a number, an object and a tuple.
    unsafe {
        let py = Attached::assume();
        let (format, kind) = (c"KOO!:ask".as_ptr(), &raw mut ffi::PyTuple_Type);
        let parsed = ffi::PyArg_ParseTuple(
            arguments,
            format,
            &raw mut number,
            &raw mut target,
            kind,
            &raw mut args,
        );
        if parsed == 0 {
            return ptr::null_mut();
        }
        let Some(inbox) = inbox(object) else { return ptr::null_mut() };
        talk::calling(py, target, args, |converter, current, target, args| {
            callback::ask_for_loop(converter, current, &inbox, number, target, args)?;
            Ok(Object::none(converter.py))
        })
    }
}

/// `answers()`: a list of `(number, exception or None, value)`.
unsafe extern "C" fn answers(
    object: *mut ffi::PyObject,
    _none: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls us attached, with an instance of ours; the list takes references of
    // its own to the tuples.
    unsafe {
        let py = Attached::assume();
        let Some(inbox) = inbox(object) else { return ptr::null_mut() };
        talk::speak(py, |converter, _current| {
            let list = Object::from_owned(converter.py, ffi::PyList_New(0))?;
            for (number, outcome) in inbox.take(converter) {
                let none = Object::none(converter.py);
                let (exception, value) = match outcome {
                    Ok(value) => (none, value),
                    Err(failure) => (failure.into_exception(converter.py), none),
                };
                let number = ffi::PyLong_FromUnsignedLongLong(number);
                let number = Object::from_owned(converter.py, number)?;
                let answer = Object::tuple(converter.py, [number, exception, value])?;
                if ffi::PyList_Append(list.as_ptr(), answer.as_ptr()) < 0 {
                    return Err(Raised::take(converter.py).into());
                }
            }
            Ok(list)
        })
    }
}

unsafe extern "C" fn fileno(
    object: *mut ffi::PyObject,
    _none: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls us attached, with an instance of ours.
    unsafe {
        let Some(poller) = poller(object) else { return ptr::null_mut() };
        ffi::PyLong_FromLong(poller.fd().into())
    }
}

/// `address()`: by which the loop is found that a request is served on top of.
unsafe extern "C" fn address(
    object: *mut ffi::PyObject,
    _none: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls us attached, with an instance of ours.
    unsafe {
        let Some(poller) = poller(object) else { return ptr::null_mut() };
        ffi::PyLong_FromSize_t(poller.address())
    }
}

unsafe extern "C" fn close(
    object: *mut ffi::PyObject,
    _none: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls us attached, with an instance of ours.
    unsafe {
        release(object);
        Object::none(Attached::assume()).into_ptr()
    }
}

fn list<'py>(py: Attached<'py>, ready: &Ready) -> Result<Object<'py>, Raised<'py>> {
    // SAFETY: attached; the list takes the tuples, and is freed with those it has when one fails.
    unsafe {
        let list = Object::from_owned(py, ffi::PyList_New(ready.len() as ffi::Py_ssize_t))?;
        for (index, (fd, interest)) in ready.iter().enumerate() {
            let read = if interest.read { READ } else { 0 };
            let write = if interest.write { WRITE } else { 0 };
            let pair = ffi::Py_BuildValue(c"(ii)".as_ptr(), *fd, read | write);
            let pair = Object::from_owned(py, pair)?;
            ffi::PyList_SET_ITEM(list.as_ptr(), index as ffi::Py_ssize_t, pair.into_ptr());
        }
        Ok(list)
    }
}

/// # Safety
/// Attached.
unsafe fn done(result: io::Result<()>) -> *mut ffi::PyObject {
    // SAFETY: the caller's promise.
    let py = unsafe { Attached::assume() };
    match result {
        Ok(()) => Object::none(py).into_ptr(),
        Err(error) => raise(py, &error),
    }
}
