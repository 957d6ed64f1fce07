//! `_erlang.Reactor`: what goes round in `erlang.reactor.serve` and in a `Py.Reactor`.

use std::ffi::{c_int, c_long, c_ulonglong};
use std::os::fd::RawFd;
use std::ptr;

use py_host::reactor::{self, Connection, Limits};
use py_host::{Attached, Object, Raised};
use pyo3_ffi as ffi;

use super::{give, instance, method, methods, opaque, raise, Methods};
use crate::current;
use crate::reactor::driver::{Driver, Python};

static METHODS: Methods<6> = Methods([
    method(c"add", add, ffi::METH_VARARGS),
    method(c"set_factory", set_factory, ffi::METH_O),
    method(c"run", run, ffi::METH_NOARGS),
    method(c"stop", stop, ffi::METH_NOARGS),
    method(c"signal_write_ready", signal, ffi::METH_VARARGS | ffi::METH_STATIC),
    ffi::PyMethodDef::zeroed(),
]);

/// # Safety
/// Attached, and `module` is the module that the type is for.
pub unsafe fn make_type(module: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: the caller's promise; `new` and the methods are for instances with a `Driver`.
    unsafe {
        let (name, flags) = (c"_erlang.Reactor", ffi::Py_TPFLAGS_DEFAULT);
        instance::make_type::<Driver>(module, name, flags, new, &[methods(&METHODS)])
    }
}

/// `Reactor(protocols, report, number)` for code that serves by itself, and with a pid as well for
/// the reactor of that process.
unsafe extern "C" fn new(
    kind: *mut ffi::PyTypeObject,
    args: *mut ffi::PyObject,
    _kwargs: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls us attached with our type and a tuple that keeps its items alive.
    unsafe {
        let py = Attached::assume();
        let [mut protocols, mut report, mut number, mut pid] =
            [ptr::null_mut::<ffi::PyObject>(); 4];
        let parsed = ffi::PyArg_ParseTuple(
            args,
            c"O!OO|O:Reactor".as_ptr(),
            &raw mut ffi::PyDict_Type,
            &mut protocols,
            &mut report,
            &mut number,
            &mut pid,
        );
        if parsed == 0 {
            return ptr::null_mut();
        }
        let python = Python {
            protocols: Object::from_borrowed(py, protocols),
            report: Object::from_borrowed(py, report),
            number: Object::from_borrowed(py, number),
        };
        let made = match pid.is_null() {
            true => private(py, python),
            false => of(py, python, &Object::from_borrowed(py, pid)),
        };
        made.map_or(ptr::null_mut(), |driver| instance::make(kind, driver))
    }
}

/// Bytes that may wait for a connection of `serve`; a `Py.Reactor` has an option for it.
const WRITE_BUFFER: usize = 16 * 1024 * 1024;

fn private<'py>(py: Attached<'py>, python: Python<'py>) -> Option<Driver> {
    let limits = Limits { connections: usize::MAX, write_buffer: WRITE_BUFFER };
    match reactor::Reactor::new(limits) {
        Ok(reactor) => driver(Driver::new(py, python, reactor, None)),
        Err(error) => {
            raise(py, &error);
            None
        }
    }
}

fn of<'py>(py: Attached<'py>, python: Python<'py>, pid: &Object<'py>) -> Option<Driver> {
    let entry = current::speak(py, |converter, _current| {
        if !pid.is_instance_of(&converter.local.pid_type) {
            return None;
        }
        // SAFETY: an instance of that type, which outlives the term.
        crate::reactor::find(unsafe { opaque::term(pid.as_ptr()) })
    });
    let Some(entry) = entry.flatten() else {
        // SAFETY: attached, and the type is static.
        unsafe {
            let text = c"that process has no reactor, or has closed it";
            ffi::PyErr_SetString(ffi::PyExc_ValueError, text.as_ptr());
        }
        return None;
    };
    let reactor = std::sync::Arc::clone(&entry.reactor);
    driver(Driver::new(py, python, reactor, Some(entry)))
}

fn driver(made: Result<Driver, Raised<'_>>) -> Option<Driver> {
    made.map_err(Raised::restore).ok()
}

/// # Safety
/// Attached, with an instance of ours, which lives at least as long as the answer is used.
unsafe fn driver_of<'a>(object: *mut ffi::PyObject) -> &'a Driver {
    // SAFETY: the caller's promise.
    unsafe { instance::value(object) }
}

fn done(py: Attached<'_>, result: Result<(), Raised<'_>>) -> *mut ffi::PyObject {
    give(result.map(|()| Object::none(py)))
}

/// `add(fd, factory, info)`
unsafe extern "C" fn add(
    object: *mut ffi::PyObject,
    arguments: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    let (mut fd, mut factory, mut info): (c_int, _, _) =
        (0, ptr::null_mut::<ffi::PyObject>(), ptr::null_mut::<ffi::PyObject>());
    // SAFETY: CPython calls us attached, with an instance of ours and a tuple that keeps its items
    // alive.
    unsafe {
        let format = c"iOO:add".as_ptr();
        if ffi::PyArg_ParseTuple(arguments, format, &mut fd, &mut factory, &mut info) == 0 {
            return ptr::null_mut();
        }
        let py = Attached::assume();
        let factory = Object::from_borrowed(py, factory);
        let info = Object::from_borrowed(py, info);
        done(py, driver_of(object).add(py, fd as RawFd, factory, info))
    }
}

/// `set_factory(factory)`: for what is handed off.
unsafe extern "C" fn set_factory(
    object: *mut ffi::PyObject,
    factory: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls us attached, with an instance of ours and a live argument.
    unsafe {
        let py = Attached::assume();
        driver_of(object).set_factory(Object::from_borrowed(py, factory));
        Object::none(py).into_ptr()
    }
}

/// `run()`: until it is stopped or, if it is private, nothing is left.
unsafe extern "C" fn run(
    object: *mut ffi::PyObject,
    _none: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls us attached, with an instance of ours that the caller keeps.
    unsafe {
        let py = Attached::assume();
        done(py, driver_of(object).run(py))
    }
}

unsafe extern "C" fn stop(
    object: *mut ffi::PyObject,
    _none: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls us attached, with an instance of ours.
    unsafe {
        driver_of(object).reactor.stop();
        Object::none(Attached::assume()).into_ptr()
    }
}

/// `signal_write_ready(fd, serial)`: false if no connection has that descriptor, or not the one
/// with that serial, unless it is zero.
unsafe extern "C" fn signal(
    _none: *mut ffi::PyObject,
    arguments: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    let (mut fd, mut serial): (c_long, c_ulonglong) = (0, 0);
    // SAFETY: CPython calls us attached, with a tuple, and fills numbers of the formats' sizes.
    unsafe {
        let format = c"lK:signal_write_ready".as_ptr();
        if ffi::PyArg_ParseTuple(arguments, format, &mut fd, &mut serial) == 0 {
            return ptr::null_mut();
        }
        let serial = (serial != 0).then_some(serial);
        let found = RawFd::try_from(fd).ok().and_then(|fd| reactor::find(fd, serial));
        ffi::PyBool_FromLong(found.as_ref().is_some_and(Connection::signal).into())
    }
}
