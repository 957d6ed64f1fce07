//! Threads of Python that send and receive, and wait meanwhile.

use std::ffi::CStr;
use std::sync::Arc;
use std::time::Instant;

use py_host::{Object, Raised};
use pyo3_ffi as ffi;

use super::{
    new_id, Channel, Message, Receiver, SenderWho, Sent, Sleeper, Taken, Thread, Verdict, Who,
};
use crate::callback;
use crate::convert::Converter;
use crate::current::Current;
use crate::failure::{Failure, Outcome};
use crate::terms::Caller;

/// The next message; `Taken::Empty` is that the deadline has passed.
pub fn receive<'py>(
    converter: &Converter<'py>,
    current: Option<&Current<'_>>,
    channel: &Channel,
    deadline: Option<Instant>,
) -> Outcome<'py, Taken> {
    loop {
        match channel.take(Caller::python()) {
            Taken::Empty => {}
            taken => return Ok(taken),
        }
        if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            return Ok(Taken::Empty);
        }
        let (id, thread) = (new_id(), Arc::new(Thread::new()));
        let who = Who::Sleeper(Sleeper::Thread(thread.clone()));
        if !channel.wait(Receiver { id, who }) {
            continue;
        }
        if thread.wait(converter, current, deadline).is_err() {
            give_up(channel, id);
            return Err(interrupted(converter, current));
        }
        if thread.verdict().is_none() && channel.leave(id) {
            return Ok(Taken::Empty);
        }
    }
}

pub fn send<'py>(
    converter: &Converter<'py>,
    current: Option<&Current<'_>>,
    channel: &Channel,
    message: Message,
    deadline: Option<Instant>,
) -> Outcome<'py, ()> {
    let id = new_id();
    let mut thread = None;
    let who = || {
        let waiting = thread.insert(Arc::new(Thread::new()));
        SenderWho::Sleeper(Sleeper::Thread(waiting.clone()))
    };
    match channel.send_later(Caller::python(), message, id, who) {
        Ok(Sent::Closed) => return Err(closed(converter)),
        Ok(_sent) => return Ok(()),
        Err(_id) => {}
    }
    let thread = thread.expect("made when it was needed");
    let waited = thread.wait(converter, current, deadline);
    let withdrawn = thread.verdict().is_none() && channel.withdraw(Caller::python(), id);
    if waited.is_err() {
        return Err(interrupted(converter, current));
    }
    match thread.verdict() {
        _ if withdrawn => Err(timed_out(converter, c"there was no room in time").into()),
        Some(Verdict::Refused) => Err(closed(converter)),
        _ => Ok(()),
    }
}

/// A receiver that may have been called does not come.
pub fn give_up(channel: &Channel, id: u64) {
    if !channel.leave(id) {
        channel.hand_on(Caller::python());
    }
}

/// What is raised in code whose wait was ended from outside.
fn interrupted<'py>(converter: &Converter<'py>, current: Option<&Current<'_>>) -> Failure<'py> {
    if current.is_some() {
        callback::interrupted(converter)
    } else {
        callback::end_of_thread(converter)
    }
}

/// `erlang.ChannelClosed`
pub fn closed<'py>(converter: &Converter<'py>) -> Failure<'py> {
    let made = Object::str(converter.py, "the channel is closed")
        .and_then(|text| converter.local.channel_closed.get(converter.py).call1(&text));
    match made {
        Ok(exception) => Raised::new(exception).into(),
        Err(raised) => raised.into(),
    }
}

pub fn timed_out<'py>(converter: &Converter<'py>, message: &CStr) -> Raised<'py> {
    // SAFETY: attached; the type is static and the text is copied.
    unsafe { ffi::PyErr_SetString(ffi::PyExc_TimeoutError, message.as_ptr()) };
    Raised::take(converter.py)
}
