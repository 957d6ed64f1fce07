//! `_erlang.Poller`: what the selector of `erlang.ErlangEventLoop` waits with.

use std::ffi::{c_int, c_long, c_ulonglong};
use std::io;
use std::os::fd::RawFd;
use std::ptr;
use std::sync::{Arc, Mutex, PoisonError};

use py_host::poller::{Failed, Interest, Ready};
use py_host::{Attached, Object, Poller, Raised};
use pyo3_ffi as ffi;

use super::{arguments, give, instance, list, method, methods, raise, talk, Methods};
use crate::callback::{self, Inbox};
use crate::current;

/// What an instance holds; nothing once it is closed.
type Open = Mutex<Option<Arc<Inbox>>>;

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
    // SAFETY: the caller's promise; `new` and the methods are for instances with an `Open`.
    unsafe {
        let (name, flags) = (c"_erlang.Poller", ffi::Py_TPFLAGS_DEFAULT);
        instance::make_type::<Open>(module, name, flags, new, &[methods(&METHODS)])
    }
}

unsafe extern "C" fn new(
    kind: *mut ffi::PyTypeObject,
    _args: *mut ffi::PyObject,
    _kwargs: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls us attached with our type.
    unsafe {
        match Poller::new() {
            Ok(poller) => instance::make(kind, Open::new(Some(Arc::new(Inbox::new(poller))))),
            Err(error) => raise(Attached::assume(), &error),
        }
    }
}

/// The poller and the inbox, also for a wait during which another thread closes the instance.
///
/// # Safety
/// Attached, with an instance of ours. `None` means that an exception is set.
unsafe fn inbox(object: *mut ffi::PyObject) -> Option<Arc<Inbox>> {
    // SAFETY: the caller's promise, and the type is static.
    unsafe {
        let open = instance::value::<Open>(object);
        let inbox = open.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if inbox.is_none() {
            ffi::PyErr_SetString(ffi::PyExc_ValueError, c"this poller is closed".as_ptr());
        }
        inbox
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
        let Some(inbox) = inbox(object) else { return ptr::null_mut() };
        done(work(&inbox.poller, fd, interest))
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
        let Some(inbox) = inbox(object) else { return ptr::null_mut() };
        done(inbox.poller.delete(fd as RawFd))
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
        let Some(timeout) = arguments::timeout(timeout) else { return ptr::null_mut() };
        let Some(inbox) = inbox(object) else { return ptr::null_mut() };
        let mut ready = Ready::new();
        let waited = match current::here() {
            Some(current) => current.worker.poll(py, &inbox.poller, timeout, &mut ready),
            None => py.detached(|| inbox.poller.wait(timeout, &mut ready)).map_err(Failed::from),
        };
        match waited {
            Ok(()) => give(list(py, ready.iter().map(|(fd, interest)| pair(py, *fd, *interest)))),
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
        let Some(inbox) = inbox(object) else { return ptr::null_mut() };
        inbox.poller.wake();
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
    // SAFETY: CPython calls us attached, with an instance of ours.
    unsafe {
        let Some(inbox) = inbox(object) else { return ptr::null_mut() };
        talk::speak(Attached::assume(), |converter, _current| {
            let answers = inbox.take(converter).into_iter().map(|(number, outcome)| {
                let none = Object::none(converter.py);
                let (exception, value) = match outcome {
                    Ok(value) => (none, value),
                    Err(failure) => (failure.into_exception(converter.py), none),
                };
                let number = ffi::PyLong_FromUnsignedLongLong(number);
                let number = Object::from_owned(converter.py, number)?;
                Object::tuple(converter.py, [number, exception, value])
            });
            Ok(list(converter.py, answers)?)
        })
    }
}

unsafe extern "C" fn fileno(
    object: *mut ffi::PyObject,
    _none: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls us attached, with an instance of ours.
    unsafe {
        let Some(inbox) = inbox(object) else { return ptr::null_mut() };
        ffi::PyLong_FromLong(inbox.poller.fd().into())
    }
}

/// `address()`: by which the loop is found that a request is served on top of.
unsafe extern "C" fn address(
    object: *mut ffi::PyObject,
    _none: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls us attached, with an instance of ours.
    unsafe {
        let Some(inbox) = inbox(object) else { return ptr::null_mut() };
        ffi::PyLong_FromSize_t(inbox.poller.address())
    }
}

unsafe extern "C" fn close(
    object: *mut ffi::PyObject,
    _none: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls us attached, with an instance of ours.
    unsafe {
        let open = instance::value::<Open>(object);
        let inbox = open.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(inbox);
        Object::none(Attached::assume()).into_ptr()
    }
}

fn pair<'py>(py: Attached<'py>, fd: RawFd, interest: Interest) -> Result<Object<'py>, Raised<'py>> {
    let read = if interest.read { READ } else { 0 };
    let write = if interest.write { WRITE } else { 0 };
    // SAFETY: attached; the format takes two ints.
    unsafe { Object::from_owned(py, ffi::Py_BuildValue(c"(ii)".as_ptr(), fd, read | write)) }
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
