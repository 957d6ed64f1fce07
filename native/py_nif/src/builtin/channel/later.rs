//! The methods of `_erlang.Channel` for tasks of event loops, which do not wait here.
//!
//! They give out ids, of which the loop's wake-ups tell when the time has come.

use std::ptr;

use py_host::{Attached, Object};
use pyo3_ffi as ffi;

use super::super::arguments::{optional, parse_id, required};
use super::super::{talk, wakeups};
use super::{channel, encode};
use crate::channel::blocking::{closed, give_up};
use crate::channel::{new_id, Receiver, SenderWho, Sent, Sleeper, Who};
use crate::terms::Caller;

/// `_watch(wakeups)`: an id, of which the wake-ups will tell, or `None` if it is time to look.
pub unsafe extern "C" fn watch(
    object: *mut ffi::PyObject,
    wakeups: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls us attached, with an instance of ours and a live argument.
    unsafe {
        let py = Attached::assume();
        let Some(wakeups) = wakeups::of(wakeups) else { return ptr::null_mut() };
        let id = new_id();
        let who = Who::Sleeper(Sleeper::Task(wakeups, id));
        if channel(object).wait(Receiver { id, who }) {
            return ffi::PyLong_FromUnsignedLongLong(id);
        }
        Object::none(py).into_ptr()
    }
}

/// `_leave(id)`: that task does not come for its message.
pub unsafe extern "C" fn leave(
    object: *mut ffi::PyObject,
    id: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls us attached, with an instance of ours and a live argument.
    unsafe {
        let Some(id) = parse_id(id) else { return ptr::null_mut() };
        give_up(channel(object), id);
        Object::none(Attached::assume()).into_ptr()
    }
}

/// `_send_later(wakeups, term)`: `None` if it is in, else an id, as above.
pub unsafe extern "C" fn send_later(
    object: *mut ffi::PyObject,
    args: *const *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls us attached, with an instance of ours and live arguments.
    unsafe {
        let Some([wakeups, term]) = required(optional([c"wakeups", c"term"], args, count, names))
        else {
            return ptr::null_mut();
        };
        let Some(wakeups) = wakeups::of(wakeups) else { return ptr::null_mut() };
        talk::speak(Attached::assume(), |converter, _current| {
            let message = encode(converter, channel(object), term)?;
            let id = new_id();
            let who = || SenderWho::Sleeper(Sleeper::Task(wakeups, id));
            match channel(object).send_later(Caller::python(), message, id, who) {
                Ok(Sent::Closed) => Err(closed(converter)),
                Ok(_sent) => Ok(Object::none(converter.py)),
                Err(id) => {
                    let id = ffi::PyLong_FromUnsignedLongLong(id);
                    Ok(Object::from_owned(converter.py, id)?)
                }
            }
        })
    }
}

/// `_withdraw(id)`: that task no longer wants to send.
pub unsafe extern "C" fn withdraw(
    object: *mut ffi::PyObject,
    id: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls us attached, with an instance of ours and a live argument.
    unsafe {
        let Some(id) = parse_id(id) else { return ptr::null_mut() };
        ffi::PyBool_FromLong(channel(object).withdraw(Caller::python(), id).into())
    }
}
