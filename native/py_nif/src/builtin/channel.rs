//! `_erlang.Channel`, the base of `erlang.channel.Channel`.
//!
//! Its methods without an underscore are public as they are. Those with one serve the methods for
//! event loops, which are written in Python.

mod later;

use std::ffi::{c_int, c_void};
use std::ptr;

use py_host::{Attached, Object, Raised};
use pyo3_ffi as ffi;
use rustler::ResourceArc;

use super::arguments::{deadline, fast, optional, required};
use super::{instance, method, methods, refuse_new, slot, talk, Methods};
use crate::channel::blocking::{self, closed, timed_out};
use crate::channel::{Channel, Kind, Message, Sent, Taken};
use crate::convert::{self, Converter};
use crate::failure::Outcome;
use crate::terms::Caller;

type Answer<'py> = Outcome<'py, Object<'py>>;

/// What an instance holds.
type Held = ResourceArc<Channel>;

static METHODS: Methods<11> = Methods([
    fast(c"receive", receive),
    fast(c"try_receive", try_receive),
    fast(c"send", send),
    method(c"try_send", try_send, ffi::METH_O),
    method(c"close", close, ffi::METH_NOARGS),
    method(c"info", info, ffi::METH_NOARGS),
    method(c"_watch", later::watch, ffi::METH_O),
    method(c"_leave", later::leave, ffi::METH_O),
    fast(c"_send_later", later::send_later),
    method(c"_withdraw", later::withdraw, ffi::METH_O),
    ffi::PyMethodDef::zeroed(),
]);

/// # Safety
/// Attached, and `module` is the module that the type is for.
pub unsafe fn make_type(module: *mut ffi::PyObject) -> *mut ffi::PyObject {
    let slots = [
        slot(ffi::Py_tp_hash, hash as *mut c_void),
        slot(ffi::Py_tp_richcompare, compare as *mut c_void),
        slot(ffi::Py_tp_iter, iter as *mut c_void),
        slot(ffi::Py_tp_iternext, next as *mut c_void),
        methods(&METHODS),
    ];
    // SAFETY: the caller's promise; the slots are for instances with a `Held`.
    unsafe {
        let flags = ffi::Py_TPFLAGS_DEFAULT | ffi::Py_TPFLAGS_BASETYPE;
        instance::make_type::<Held>(module, c"_erlang.Channel", flags, refuse_new, &slots)
    }
}

/// An `erlang.channel.Channel`.
pub fn new<'py>(
    converter: &Converter<'py>,
    channel: ResourceArc<Channel>,
) -> Result<Object<'py>, Raised<'py>> {
    let kind = converter.local.channel_type(converter.py)?;
    // SAFETY: attached, and that class derives from our type.
    unsafe { Object::from_owned(converter.py, instance::make(kind.as_ptr().cast(), channel)) }
}

/// `channel_new(bytes, max_size or None)`: it closes with the context.
pub unsafe extern "C" fn make(
    _module: *mut ffi::PyObject,
    arguments: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    let (mut bytes, mut size): (c_int, *mut ffi::PyObject) = (0, ptr::null_mut());
    // SAFETY: CPython calls us attached, with a tuple that keeps its items alive; -1 may mean an
    // exception.
    let (py, size) = unsafe {
        if ffi::PyArg_ParseTuple(arguments, c"pO:Channel".as_ptr(), &mut bytes, &mut size) == 0 {
            return ptr::null_mut();
        }
        let limited = size != ffi::Py_None();
        let size = if limited { ffi::PyLong_AsSize_t(size) } else { 0 };
        if size == usize::MAX && !ffi::PyErr_Occurred().is_null() {
            return ptr::null_mut();
        }
        (Attached::assume(), limited.then_some(size))
    };
    let kind = if bytes == 0 { Kind::Terms } else { Kind::Bytes };
    talk::speak(py, |converter, _current| {
        Ok(new(converter, Channel::new(None, kind, size, &converter.entry.pid))?)
    })
}

/// The channel of an instance.
///
/// # Safety
/// `object` is an instance of our type or a subclass, and outlives the reference.
pub unsafe fn channel<'o>(object: *mut ffi::PyObject) -> &'o ResourceArc<Channel> {
    // SAFETY: the caller's promise.
    unsafe { instance::value(object) }
}

unsafe extern "C" fn hash(object: *mut ffi::PyObject) -> ffi::Py_hash_t {
    // SAFETY: CPython calls this with an instance of ours. The low bits of an address say little.
    (unsafe { channel(object) }.as_c_arg() as usize >> 4) as ffi::Py_hash_t
}

/// Equal when they stand for the same channel.
unsafe extern "C" fn compare(
    left: *mut ffi::PyObject,
    right: *mut ffi::PyObject,
    operation: c_int,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls this with an instance of ours on the left. The right one is looked
    // into only when it has the same type.
    unsafe {
        let same_type = ffi::Py_TYPE(left) == ffi::Py_TYPE(right);
        if !same_type || !matches!(operation, ffi::Py_EQ | ffi::Py_NE) {
            return super::not_implemented();
        }
        let same = channel(left).as_c_arg() == channel(right).as_c_arg();
        ffi::PyBool_FromLong((same == (operation == ffi::Py_EQ)).into())
    }
}

/// `receive(timeout=None)`
unsafe extern "C" fn receive(
    object: *mut ffi::PyObject,
    args: *const *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls us attached, with an instance of ours and live arguments.
    unsafe {
        let py = Attached::assume();
        let Some([timeout]) = optional([c"timeout"], args, count, names) else {
            return ptr::null_mut();
        };
        let Some(deadline) = deadline(timeout) else { return ptr::null_mut() };
        talk::speak(py, |converter, current| {
            match blocking::receive(converter, current, channel(object), deadline)? {
                Taken::Message(message) => decode(converter, channel(object), message),
                Taken::Closed => Err(closed(converter)),
                Taken::Empty => Err(timed_out(converter, c"no message came in time").into()),
            }
        })
    }
}

unsafe extern "C" fn iter(object: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: CPython calls us attached, with an instance of ours.
    unsafe { ffi::Py_INCREF(object) };
    object
}

/// The next message; null without an exception ends the loop.
unsafe extern "C" fn next(object: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: CPython calls us attached, with an instance of ours.
    unsafe {
        let mut ended = false;
        let message =
            talk::speak(Attached::assume(), |converter, current| {
                match blocking::receive(converter, current, channel(object), None)? {
                    Taken::Message(message) => decode(converter, channel(object), message),
                    Taken::Closed | Taken::Empty => {
                        ended = true;
                        Ok(Object::none(converter.py))
                    }
                }
            });
        if ended {
            ffi::Py_XDECREF(message);
            return ptr::null_mut();
        }
        message
    }
}

/// `try_receive(default=None)`
unsafe extern "C" fn try_receive(
    object: *mut ffi::PyObject,
    args: *const *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls us attached, with an instance of ours and live arguments.
    unsafe {
        let py = Attached::assume();
        let Some([default]) = optional([c"default"], args, count, names) else {
            return ptr::null_mut();
        };
        talk::speak(py, |converter, _current| match channel(object).take(Caller::python()) {
            Taken::Message(message) => decode(converter, channel(object), message),
            Taken::Closed => Err(closed(converter)),
            Taken::Empty if default.is_null() => Ok(Object::none(converter.py)),
            Taken::Empty => Ok(Object::from_borrowed(converter.py, default)),
        })
    }
}

/// `send(term, timeout=None)`
unsafe extern "C" fn send(
    object: *mut ffi::PyObject,
    args: *const *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls us attached, with an instance of ours and live arguments.
    unsafe {
        let py = Attached::assume();
        let Some([term, timeout]) = required(optional([c"term", c"timeout"], args, count, names))
        else {
            return ptr::null_mut();
        };
        let Some(deadline) = deadline(timeout) else { return ptr::null_mut() };
        talk::speak(py, |converter, current| {
            let message = encode(converter, channel(object), term)?;
            blocking::send(converter, current, channel(object), message, deadline)?;
            Ok(Object::none(converter.py))
        })
    }
}

/// `try_send(term)`: is it in?
unsafe extern "C" fn try_send(
    object: *mut ffi::PyObject,
    term: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls us attached, with an instance of ours and a live argument.
    unsafe {
        talk::speak(Attached::assume(), |converter, _current| {
            let message = encode(converter, channel(object), term)?;
            let is_in = match channel(object).send(Caller::python(), message) {
                Sent::Now => true,
                Sent::Busy(_message) => false,
                Sent::Closed => return Err(closed(converter)),
            };
            Ok(Object::from_owned(converter.py, ffi::PyBool_FromLong(is_in.into()))?)
        })
    }
}

unsafe extern "C" fn close(
    object: *mut ffi::PyObject,
    _none: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls us attached, with an instance of ours.
    unsafe {
        channel(object).close(Caller::python());
        Object::none(Attached::assume()).into_ptr()
    }
}

/// A dict with what `Py.Channel.info/1` tells; no limit is `None`.
unsafe extern "C" fn info(
    object: *mut ffi::PyObject,
    _none: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls us attached, with an instance of ours; the format takes references of
    // its own to what is borrowed.
    unsafe {
        let info = channel(object).info();
        let kind = if channel(object).kind == Kind::Terms { c"term" } else { c"bytes" };
        let max_size = match info.max_size {
            Some(size) => ffi::PyLong_FromSize_t(size),
            None => Object::none(Attached::assume()).into_ptr(),
        };
        ffi::Py_BuildValue(
            c"{s:n,s:N,s:n,s:n,s:n,s:O,s:s}".as_ptr(),
            c"size".as_ptr(),
            info.size,
            c"max_size".as_ptr(),
            max_size,
            c"messages".as_ptr(),
            info.messages,
            c"receivers".as_ptr(),
            info.receivers,
            c"senders".as_ptr(),
            info.senders,
            c"closed".as_ptr(),
            if info.closed { ffi::Py_True() } else { ffi::Py_False() },
            c"type".as_ptr(),
            kind.as_ptr(),
        )
    }
}

fn decode<'py>(converter: &Converter<'py>, channel: &Channel, message: Message) -> Answer<'py> {
    Ok(match channel.kind {
        Kind::Terms => convert::to_python(converter, message.term())?,
        Kind::Bytes => convert::bytes(converter, message.term())?,
    })
}

fn encode<'py>(
    converter: &Converter<'py>,
    channel: &Channel,
    term: *mut ffi::PyObject,
) -> Outcome<'py, Message> {
    // SAFETY: the caller of the method keeps its arguments alive.
    let term = unsafe { Object::from_borrowed(converter.py, term) };
    Message::try_new(|env| match channel.kind {
        Kind::Terms => convert::to_elixir(env, converter, &term),
        Kind::Bytes => convert::binary(env, converter, &term),
    })
}
