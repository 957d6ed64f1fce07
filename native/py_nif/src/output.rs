//! What Python code prints and logs, on its way to the caller's devices.

use std::sync::Arc;

use py_host::Object;
use rustler::{Atom, Encoder, Env, NewBinary, Term};

use crate::callback::{self, Target};
use crate::convert::{self, Converter};
use crate::current::{self, Current};
use crate::failure::{Failure, Outcome};
use crate::reply::Ticket;
use crate::terms::{self, OwnedTerm};
use crate::{atoms, attendant};

/// The beginnings of lines, one for each device. What `print` gives us in pieces travels as a
/// line.
#[derive(Default)]
pub struct Lines {
    out: Vec<u8>,
    err: Vec<u8>,
    /// Bytes sent since all was last known to be written.
    unread: usize,
    /// Whose they are. The tasks of an event loop take turns.
    speaker: Option<Arc<Ticket>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Device {
    Out,
    Err,
}

/// A line of this length is sent though it has not ended.
const LONG: usize = 64 * 1024;

/// Whoever has so much left to write is waited for: code that prints without end must not
/// fill the memory.
const UNREAD: usize = 1024 * 1024;

impl Device {
    fn name(self) -> Atom {
        match self {
            Device::Out => atoms::stdout(),
            Device::Err => atoms::stderr(),
        }
    }
}

impl Lines {
    fn is_of(&self, ticket: Option<&Arc<Ticket>>) -> bool {
        self.speaker.as_ref().map(Arc::as_ptr) == ticket.map(Arc::as_ptr)
    }

    fn of(&mut self, device: Device) -> &mut Vec<u8> {
        match device {
            Device::Out => &mut self.out,
            Device::Err => &mut self.err,
        }
    }
}

/// Takes what Python code writes.
pub fn write<'py>(
    converter: &Converter<'py>,
    current: Option<&Current<'_>>,
    device: Device,
    data: &[u8],
) -> Outcome<'py, ()> {
    let Some(current) = current else {
        from_guest(converter, device, data);
        return Ok(());
    };
    let ticket = current::ticket(converter, Some(current));
    if !current.lines.borrow().is_of(ticket.as_ref()) {
        flush(current);
        current.lines.borrow_mut().speaker.clone_from(&ticket);
    }
    let ready = {
        let mut lines = current.lines.borrow_mut();
        let line = lines.of(device);
        let end = match data.iter().rposition(|byte| *byte == b'\n') {
            Some(index) => index + 1,
            None if line.len() + data.len() >= LONG => data.len(),
            None => 0,
        };
        if end == 0 {
            line.extend_from_slice(data);
            return Ok(());
        }
        let mut ready = std::mem::take(line);
        ready.extend_from_slice(&data[..end]);
        line.extend_from_slice(&data[end..]);
        lines.unread += ready.len();
        ready
    };
    send(ticket.as_ref(), device, &ready);
    let unread = current.lines.borrow().unread;
    if unread > UNREAD {
        current.lines.borrow_mut().unread = 0;
        callback::ask(converter, Some(current), Target::Flush, None)?;
    }
    Ok(())
}

/// Sends the lines that have not ended.
pub fn flush(current: &Current<'_>) {
    let speaker = current.lines.borrow_mut().speaker.take();
    for device in [Device::Out, Device::Err] {
        let line = std::mem::take(current.lines.borrow_mut().of(device));
        if !line.is_empty() {
            send(speaker.as_ref(), device, &line);
        }
    }
}

fn send(ticket: Option<&Arc<Ticket>>, device: Device, data: &[u8]) {
    match ticket.filter(|ticket| ticket.address.waits()) {
        Some(ticket) => {
            ticket.tell(OwnedTerm::new(|env| {
                (atoms::output(), device.name(), binary(env, data)).encode(env)
            }));
        }
        None => {
            attendant::remember(ticket);
            to_attendant(ticket, device, data);
        }
    }
}

fn from_guest(converter: &Converter<'_>, device: Device, data: &[u8]) {
    let ticket = current::ticket(converter, None);
    attendant::remember(ticket.as_ref());
    to_attendant(ticket.as_ref(), device, data);
}

fn to_attendant(ticket: Option<&Arc<Ticket>>, device: Device, data: &[u8]) {
    attendant::tell(|env| {
        let (leader, caller) = (attendant::leader(env, ticket), attendant::caller(env, ticket));
        (atoms::output(), leader, caller, device.name(), binary(env, data)).encode(env)
    });
}

/// A record of Python's `logging`.
pub fn log<'py>(
    converter: &Converter<'py>,
    current: Option<&Current<'_>>,
    level: Atom,
    text: &Object<'py>,
    metadata: &Object<'py>,
) -> Outcome<'py, ()> {
    let record = OwnedTerm::try_new(|env| {
        let text = convert::to_elixir(env, converter, text)?;
        let metadata = convert::to_elixir(env, converter, metadata)?;
        Ok::<_, Failure<'py>>((text, metadata).encode(env))
    })?;
    let ticket = current::ticket(converter, current);
    match (current, &ticket) {
        (Some(current), Some(ticket)) if ticket.address.waits() => {
            flush(current);
            ticket.tell(record.map(|env, record| {
                let [text, metadata] = terms::pair(record);
                (atoms::log(), level, text, metadata).encode(env)
            }));
        }
        _ => {
            attendant::tell(|env| {
                let [text, metadata] = record.pair(env);
                let caller = attendant::caller(env, ticket.as_ref());
                (atoms::log(), caller, level, text, metadata).encode(env)
            });
        }
    }
    Ok(())
}

fn binary<'a>(env: Env<'a>, data: &[u8]) -> Term<'a> {
    let mut binary = NewBinary::new(env, data.len());
    binary.as_mut_slice().copy_from_slice(data);
    binary.into()
}
