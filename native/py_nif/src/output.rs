//! What Python code prints and logs, on its way to the caller's devices.

use std::cell::Cell;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};

use py_host::{Attached, Object};
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

/// Output of a request that goes by way of `Py.Attendant`.
#[repr(C)]
#[derive(Default)]
pub struct Attended {
    stage: AtomicU8,
    /// The beginnings of lines of threads that Python code has started.
    guests: Mutex<Vec<(ThreadId, Lines)>>,
}

const NOTHING: u8 = 0;
/// Some may still be under way when the request is done.
const SOME: u8 = 1;
/// The request is done.
const OVER: u8 = 2;

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

    fn is_empty(&self) -> bool {
        self.out.is_empty() && self.err.is_empty()
    }

    fn of(&mut self, device: Device) -> &mut Vec<u8> {
        match device {
            Device::Out => &mut self.out,
            Device::Err => &mut self.err,
        }
    }

    /// Sends the lines that end with `data`, and keeps the beginning of the next one. How many
    /// bytes were sent?
    fn add(&mut self, device: Device, data: &[u8], send: impl FnOnce(&[u8])) -> usize {
        let line = self.of(device);
        let end = match data.iter().rposition(|byte| *byte == b'\n') {
            Some(index) => index + 1,
            None if line.len() + data.len() >= LONG => data.len(),
            None => 0,
        };
        let (ends, begins) = data.split_at(end);
        let mut sent = 0;
        if !ends.is_empty() {
            sent = line.len() + ends.len();
            if line.is_empty() {
                send(ends);
            } else {
                line.extend_from_slice(ends);
                send(line);
                line.clear();
                line.shrink_to(LONG);
            }
        }
        line.extend_from_slice(begins);
        sent
    }

    /// Sends the lines that have not ended.
    fn end(&mut self, mut send: impl FnMut(Device, &[u8])) {
        for device in [Device::Out, Device::Err] {
            let line = std::mem::take(self.of(device));
            if !line.is_empty() {
                send(device, &line);
            }
        }
    }
}

impl Attended {
    /// There is some to come; false if the request is over.
    fn expect(&self) -> bool {
        let stage = &self.stage;
        match stage.compare_exchange(NOTHING, SOME, Ordering::SeqCst, Ordering::SeqCst) {
            Ok(_) | Err(SOME) => true,
            Err(_over) => false,
        }
    }

    /// The request is over. Is there some to come? Whoever writes is attached: where there is a
    /// GIL, nobody else does so at this moment.
    fn close(&self, _py: Attached<'_>) -> bool {
        if cfg!(Py_GIL_DISABLED) {
            return self.stage.swap(OVER, Ordering::SeqCst) == SOME;
        }
        let is_any = self.stage.load(Ordering::Relaxed) == SOME;
        self.stage.store(OVER, Ordering::Relaxed);
        is_any
    }

    fn guests(&self) -> MutexGuard<'_, Vec<(ThreadId, Lines)>> {
        self.guests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes what Python code writes.
pub fn write<'py>(
    converter: &Converter<'py>,
    current: Option<&Current<'_>>,
    device: Device,
    data: &[u8],
) -> Outcome<'py, ()> {
    let ticket = current::ticket(converter, current);
    let unread = match current {
        Some(current) => {
            if !current.lines.borrow().is_of(ticket.as_ref()) {
                flush(current);
                current.lines.borrow_mut().speaker.clone_from(&ticket);
            }
            let mut lines = current.lines.borrow_mut();
            let sent = lines.add(device, data, |line| send(ticket.as_ref(), device, line));
            lines.unread += sent;
            let unread = lines.unread;
            if unread > UNREAD {
                lines.unread = 0;
            }
            unread
        }
        None => write_as_guest(ticket.as_ref(), device, data),
    };
    if unread > UNREAD {
        callback::ask(converter, current, Target::Flush, None)?;
    }
    Ok(())
}

/// The thread is none of ours. What it begins is kept with the request, whose end sends it.
/// Returns how many bytes of its are unread.
fn write_as_guest(ticket: Option<&Arc<Ticket>>, device: Device, data: &[u8]) -> usize {
    thread_local! {
        static UNREAD_OF_GUEST: Cell<usize> = const { Cell::new(0) };
    }
    let send = |line: &[u8]| to_attendant(ticket, device, line);
    let sent = ticket.and_then(|ticket| {
        let mut guests = ticket.attended.guests();
        if !ticket.attended.expect() {
            return None;
        }
        let me = thread::current().id();
        let mine = guests.iter().position(|(thread, _)| *thread == me);
        let mut lines = mine.map_or_else(Lines::default, |mine| guests.swap_remove(mine).1);
        let sent = lines.add(device, data, send);
        if !lines.is_empty() {
            guests.push((me, lines));
        }
        Some(sent)
    });
    let sent = sent.unwrap_or_else(|| {
        send(data);
        data.len()
    });
    let unread = UNREAD_OF_GUEST.get() + sent;
    UNREAD_OF_GUEST.set(if unread > UNREAD { 0 } else { unread });
    unread
}

/// Sends the lines of a worker that have not ended.
pub fn flush(current: &Current<'_>) {
    let mut lines = current.lines.borrow_mut();
    let speaker = lines.speaker.take();
    lines.end(|device, line| send(speaker.as_ref(), device, line));
}

/// The same for the calling thread, be it a worker's or not. Before whatever else it says.
pub fn flush_own(current: Option<&Current<'_>>, ticket: Option<&Arc<Ticket>>) {
    match (current, ticket) {
        (Some(current), _) => flush(current),
        (None, Some(ticket)) => {
            let me = thread::current().id();
            flush_guests(ticket, |thread| thread == me);
        }
        (None, None) => {}
    }
}

/// The request is done: sends what threads have begun for it, and waits until all that goes by
/// way of the attendant has arrived.
pub fn settle(converter: &Converter<'_>, ticket: &Arc<Ticket>) {
    if ticket.attended.close(converter.py) {
        flush_guests(ticket, |_any| true);
        // At worst some output is late.
        let _ = callback::ask(converter, None, Target::Flush, None);
    }
}

fn flush_guests(ticket: &Arc<Ticket>, of: impl Fn(ThreadId) -> bool) {
    ticket.attended.guests().retain_mut(|(thread, lines)| {
        let flushed = of(*thread);
        if flushed {
            lines.end(|device, line| to_attendant(Some(ticket), device, line));
        }
        !flushed
    });
}

fn send(ticket: Option<&Arc<Ticket>>, device: Device, data: &[u8]) {
    match ticket.filter(|ticket| ticket.address.waits()) {
        Some(ticket) => {
            ticket.tell(OwnedTerm::new(|env| {
                (atoms::output(), device.name(), binary(env, data)).encode(env)
            }));
        }
        None => {
            if let Some(ticket) = ticket {
                ticket.attended.expect();
            }
            to_attendant(ticket, device, data);
        }
    }
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
    flush_own(current, ticket.as_ref());
    match (current, &ticket) {
        (Some(_), Some(ticket)) if ticket.address.waits() => {
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
