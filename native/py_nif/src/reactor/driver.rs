//! Goes round with a reactor, and speaks to its protocols.

use std::io;
use std::os::fd::RawFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use py_host::poller::Ready;
use py_host::reactor::address::Address;
use py_host::reactor::blocks::Blocks;
use py_host::reactor::descriptor::{Descriptor, Kind, Taken};
use py_host::reactor::{Connection, Event, Phase, Reactor};
use py_host::{Attached, Kept, Object, Raised};
use pyo3_ffi as ffi;
use rustc_hash::FxHashMap;

use super::protocol::{Call, Names};
use super::{Entry, HandedOff};
use crate::builtin::{self, connection};
use crate::{convert, current};

type Done<'py> = Result<(), Raised<'py>>;

/// Used attached, like everything that it keeps.
pub struct Driver {
    pub reactor: Arc<Reactor>,
    /// What the BEAM hands off comes through it.
    entry: Option<Arc<Entry>>,
    names: Names,
    /// The type `_erlang.Connection`.
    kind: Kept,
    /// Protocols by descriptor, a dict, for `erlang.reactor.get_protocol`.
    protocols: Kept,
    /// Called with an exception and the descriptor it is about.
    report: Kept,
    /// Called with a descriptor and a serial, for what protocols know their connections by.
    number: Kept,
    table: Mutex<Table>,
}

/// What `erlang.reactor` brings along; see the fields of the same names above.
pub struct Python<'py> {
    pub protocols: Object<'py>,
    pub report: Object<'py>,
    pub number: Object<'py>,
}

#[derive(Default)]
struct Table {
    /// Makes the protocols of what is handed off.
    factory: Option<Kept>,
    /// By the serials of their connections.
    members: FxHashMap<u64, Member>,
}

enum Member {
    Protocol(Kept),
    /// A socket that is accepted from, and what makes the protocols of those that connect.
    Listener(Kept),
}

/// What one round after the other uses.
#[derive(Default)]
struct Round {
    blocks: Blocks,
    ready: Ready,
    events: Vec<Event>,
    /// Lost, and to be closed when nobody is attached.
    closing: Vec<Arc<Connection>>,
}

impl Driver {
    pub fn new<'py>(
        py: Attached<'py>,
        python: Python<'py>,
        reactor: Arc<Reactor>,
        entry: Option<Arc<Entry>>,
    ) -> Result<Driver, Raised<'py>> {
        Ok(Driver {
            reactor,
            entry,
            names: Names::new(py)?,
            kind: Object::import(py, builtin::NAME)?.attr(c"Connection")?.keep(),
            protocols: python.protocols.keep(),
            report: python.report.keep(),
            number: python.number.keep(),
            table: Mutex::default(),
        })
    }

    /// Never held while Python code may run.
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn set_factory(&self, factory: Object<'_>) {
        let before = self.table().factory.replace(factory.keep());
        drop(before);
    }

    /// Takes a descriptor of Python's in: one that is connected, or one to accept from.
    pub fn add<'py>(
        &self,
        py: Attached<'py>,
        fd: RawFd,
        factory: Object<'py>,
        info: Object<'py>,
    ) -> Done<'py> {
        let descriptor = Descriptor::handed_off(fd).map_err(|error| os_error(py, &error))?;
        // Private reactors have no limit.
        self.reactor.admit();
        self.take_in(py, descriptor, None, &factory, info)
    }

    /// Goes round until it is stopped, interrupted or, without an entry, nothing is left.
    pub fn run<'py>(&self, py: Attached<'py>) -> Done<'py> {
        if !self.reactor.enter() {
            return Err(runtime_error(py, "this reactor runs already"));
        }
        let mut round = Round::default();
        let ended = self.go_round(py, &mut round);
        self.end(py, round);
        self.reactor.leave();
        ended
    }

    fn go_round<'py>(&self, py: Attached<'py>, round: &mut Round) -> Done<'py> {
        loop {
            for item in self.entry.as_ref().map_or_else(Vec::new, |entry| entry.take()) {
                self.receive(py, item)?;
            }
            let is_over = self.entry.is_none() && self.table().members.is_empty();
            if is_over || self.reactor.is_stopped() {
                return Ok(());
            }
            round.blocks.fill(py)?;
            self.wait(py, round)?;
            let mut events = std::mem::take(&mut round.events);
            let delivered = events.drain(..).try_for_each(|event| self.deliver(py, round, event));
            round.events = events;
            delivered?;
        }
    }

    /// One round of the host's, with jobs of the context served if this is its thread.
    fn wait<'py>(&self, py: Attached<'py>, round: &mut Round) -> Done<'py> {
        let Round { blocks, ready, events, closing } = round;
        let mut work = |timeout: Option<Duration>| {
            closing.drain(..).for_each(|connection| self.reactor.remove(&connection));
            self.reactor.round(timeout, blocks, ready, events)
        };
        let waited = match current::here() {
            Some(current) => current.worker.poll_with(py, &self.reactor.poller, None, work),
            None => Ok(py.detached(|| work(None))),
        };
        match waited {
            Ok(result) => result.map_err(|error| os_error(py, &error)),
            Err(_interrupted) => {
                // SAFETY: attached, and the type is static.
                unsafe { ffi::PyErr_SetNone(ffi::PyExc_KeyboardInterrupt) };
                Err(Raised::take(py))
            }
        }
    }

    fn deliver<'py>(&self, py: Attached<'py>, round: &mut Round, event: Event) -> Done<'py> {
        match event {
            Event::Data(connection, block) => match round.blocks.finish(py, block) {
                Ok(data) => self.call(py, &connection, Call::Data(&data)),
                Err(raised) => self.fail(py, connection.fd, Some(&connection), raised),
            },
            Event::Writable(connection) => self.call(py, &connection, Call::Write),
            Event::Lost(connection, error) => {
                round.closing.push(Arc::clone(&connection));
                match error {
                    // Of a listener that is lost by itself, whoever serves it has to hear.
                    Some(error)
                        if Taken::is(&error)
                            && (connection.kind != Kind::Listener || self.entry.is_some()) =>
                    {
                        self.fail(py, connection.fd, None, os_error(py, &error))?;
                        self.lose(py, &connection)
                    }
                    Some(error) if connection.kind == Kind::Listener => Err(os_error(py, &error)),
                    _ => self.lose(py, &connection),
                }
            }
            Event::Accepted(listener, descriptor, address) => {
                let factory = match self.table().members.get(&listener.serial) {
                    Some(Member::Listener(factory)) => Some(factory.get(py)),
                    _ => None,
                };
                match factory {
                    Some(factory) => {
                        let info = accepted(py, &address)?;
                        self.take_in(py, descriptor, Some(address), &factory, info)
                    }
                    None => {
                        self.reactor.dismiss();
                        Ok(())
                    }
                }
            }
        }
    }

    /// What the BEAM has handed off.
    fn receive<'py>(&self, py: Attached<'py>, item: HandedOff) -> Done<'py> {
        let factory = self.table().factory.as_ref().map(|factory| factory.get(py));
        let info = current::speak(py, |converter, _current| {
            convert::to_python(converter, item.info())
                .map(Object::keep)
                .map_err(|bad| bad.to_text())
        });
        let number = item.descriptor.number();
        let problem = match (factory, info) {
            (Some(factory), Some(Ok(info))) => {
                // SAFETY: kept just before, and released here, while this thread is attached.
                let info = info.get(py);
                return self.take_in(py, item.descriptor, None, &factory, info);
            }
            (None, _) => "a descriptor was handed off, and there is no protocol for it: give the \
                          reactor the option protocol:, or call \
                          erlang.reactor.set_protocol_factory in its context"
                .to_owned(),
            (_, Some(Err(text))) => format!("what was said of a handed-off descriptor: {text}"),
            (_, None) => "the context is closed".to_owned(),
        };
        item.descriptor.hang_up();
        self.reactor.dismiss();
        self.fail(py, number, None, runtime_error(py, &problem))
    }

    /// An admitted descriptor gets its protocol, or is dismissed.
    fn take_in<'py>(
        &self,
        py: Attached<'py>,
        descriptor: Descriptor,
        address: Option<Address>,
        factory: &Object<'py>,
        info: Object<'py>,
    ) -> Done<'py> {
        if descriptor.kind == Kind::Listener {
            let connection = self.reactor.add(descriptor, None);
            let member = Member::Listener(factory.clone().keep());
            self.table().members.insert(connection.serial, member);
            connection.turn(Phase::Reading);
            return Ok(());
        }
        let number = descriptor.number();
        let protocol = match factory.call0() {
            Ok(protocol) => protocol,
            Err(raised) => {
                descriptor.hang_up();
                self.reactor.dismiss();
                return self.fail(py, number, None, raised);
            }
        };
        let connection = self.reactor.add(descriptor, address);
        match self.bind(py, &connection, &protocol, &info) {
            Ok(fd) => self.call(py, &connection, Call::Made(&fd, &info)),
            Err(raised) => {
                self.forget(py, &connection);
                py.detached(|| self.reactor.remove(&connection));
                self.fail(py, number, None, raised)
            }
        }
    }

    fn bind<'py>(
        &self,
        py: Attached<'py>,
        connection: &Arc<Connection>,
        protocol: &Object<'py>,
        info: &Object<'py>,
    ) -> Result<Object<'py>, Raised<'py>> {
        connection::bind(&self.kind.get(py), protocol, connection)?;
        let fd = number(py, connection.fd)?;
        // SAFETY: attached, with live objects; the dict takes references of its own.
        let status = unsafe {
            let name = c"client_info".as_ptr();
            match ffi::PyObject_SetAttrString(protocol.as_ptr(), name, info.as_ptr()) {
                0 => ffi::PyDict_SetItem(self.protocols.as_ptr(), fd.as_ptr(), protocol.as_ptr()),
                failed => failed,
            }
        };
        if status < 0 {
            return Err(Raised::take(py));
        }
        let member = Member::Protocol(protocol.clone().keep());
        self.table().members.insert(connection.serial, member);
        // SAFETY: attached; a new reference or null.
        let serial =
            unsafe { Object::from_owned(py, ffi::PyLong_FromUnsignedLongLong(connection.serial))? };
        self.number.get(py).call(&Object::tuple(py, [fd, serial])?, None)
    }

    /// Takes a connection out of the tables; its protocol, if it has one.
    fn forget<'py>(&self, py: Attached<'py>, connection: &Connection) -> Option<Object<'py>> {
        let member = self.table().members.remove(&connection.serial);
        let Some(Member::Protocol(protocol)) = member else { return None };
        let protocol = protocol.get(py);
        if let Ok(fd) = number(py, connection.fd) {
            let (protocols, fd) = (self.protocols.as_ptr(), fd.as_ptr());
            // SAFETY: attached, with live objects. Another connection may have got the number, so
            // what is found there is compared, by its address alone; an exception is for nobody
            // to see.
            unsafe {
                if ffi::PyDict_GetItemWithError(protocols, fd) == protocol.as_ptr() {
                    ffi::PyDict_DelItem(protocols, fd);
                }
                ffi::PyErr_Clear();
            }
        }
        Some(protocol)
    }

    /// Calls a function of a connection's protocol and goes on as that says.
    fn call<'py>(
        &self,
        py: Attached<'py>,
        connection: &Arc<Connection>,
        call: Call<'_, 'py>,
    ) -> Done<'py> {
        let protocol = match self.table().members.get(&connection.serial) {
            // Closed by what was delivered before, in the same batch, it wants nothing more.
            Some(Member::Protocol(protocol)) if connection.is_open() => protocol.get(py),
            _ => return Ok(()),
        };
        let answer = self.names.call(&protocol, call);
        match answer.and_then(|answer| self.names.phase(call, &answer)) {
            Ok(phase) => {
                connection.turn(phase);
                Ok(())
            }
            Err(raised) => self.fail(py, connection.fd, Some(connection), raised),
        }
    }

    fn lose<'py>(&self, py: Attached<'py>, connection: &Arc<Connection>) -> Done<'py> {
        match self.forget(py, connection).map(|protocol| self.names.call(&protocol, Call::Lost)) {
            Some(Err(raised)) => self.fail(py, connection.fd, None, raised),
            _ => Ok(()),
        }
    }

    /// An exception closes its connection and no other. What is no `Exception`, such as an
    /// interrupt, is for whoever runs the reactor.
    fn fail<'py>(
        &self,
        py: Attached<'py>,
        fd: RawFd,
        connection: Option<&Arc<Connection>>,
        raised: Raised<'py>,
    ) -> Done<'py> {
        let exception = raised.exception().clone();
        // SAFETY: attached, with a live exception and a static type.
        let is_ordinary = unsafe {
            ffi::PyErr_GivenExceptionMatches(exception.as_ptr(), ffi::PyExc_Exception) != 0
        };
        if !is_ordinary {
            return Err(raised);
        }
        self.reactor.counters.errors.add(1);
        if let Some(connection) = connection {
            connection.turn(Phase::Closing);
        }
        let arguments = Object::tuple(py, [exception, number(py, fd)?])?;
        self.report.get(py).call(&arguments, None).map(drop)
    }

    /// Closes what is left. The protocols hear of it, unless an interrupt comes even there.
    fn end(&self, py: Attached<'_>, mut round: Round) {
        if let Some(entry) = &self.entry {
            entry.close();
        }
        let left = self.reactor.all();
        let _ = left.iter().try_for_each(|connection| self.lose(py, connection));
        for connection in &left {
            self.forget(py, connection);
        }
        round.closing.extend(left);
        py.detached(|| {
            for connection in &round.closing {
                connection.flush();
                self.reactor.remove(connection);
            }
        });
    }
}

fn number(py: Attached<'_>, fd: RawFd) -> Result<Object<'_>, Raised<'_>> {
    // SAFETY: attached; a new reference or null.
    unsafe { Object::from_owned(py, ffi::PyLong_FromLong(fd.into())) }
}

/// What a protocol gets to know of who has connected.
fn accepted<'py>(py: Attached<'py>, address: &Address) -> Result<Object<'py>, Raised<'py>> {
    let (info, name) = (Object::dict(py)?, connection::named(py, address)?);
    // SAFETY: attached; borrowed from a live tuple, or null with an exception set.
    let part =
        |index| unsafe { Object::from_borrowed(py, ffi::PyTuple_GetItem(name.as_ptr(), index)) };
    // SAFETY: a live object.
    let is_internet = unsafe { ffi::PyTuple_Check(name.as_ptr()) != 0 };
    if is_internet {
        info.set_item(c"type", &Object::str(py, "tcp")?)?;
        info.set_item(c"addr", &part(0))?;
        info.set_item(c"port", &part(1))?;
    } else {
        info.set_item(c"type", &Object::str(py, "unix")?)?;
        info.set_item(c"addr", &name)?;
    }
    Ok(info)
}

fn os_error<'py>(py: Attached<'py>, error: &io::Error) -> Raised<'py> {
    builtin::raise(py, error);
    Raised::take(py)
}

fn runtime_error<'py>(py: Attached<'py>, text: &str) -> Raised<'py> {
    if let Ok(text) = Object::str(py, text) {
        // SAFETY: attached; both are alive.
        unsafe { ffi::PyErr_SetObject(ffi::PyExc_RuntimeError, text.as_ptr()) };
    }
    Raised::take(py)
}
