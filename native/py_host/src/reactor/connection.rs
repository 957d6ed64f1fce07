//! One descriptor of a reactor, from the hand-off to its end.

use std::io;
use std::os::fd::RawFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::address::Address;
use super::blocks::{Blocks, SIZE};
use super::descriptor::{Descriptor, Kind, Taken};
use super::output::Output;
use super::{Event, Reactor};
use crate::poller::Interest;

/// Above so many bytes that wait to be written, nothing more is read: whoever takes no answers
/// gets to ask no more.
const HIGH: usize = 64 * 1024;

/// After so many accepted connections it is the others' turn.
const ACCEPTED_AT_ONCE: usize = 64;

/// Used by the reactor's thread and by whoever writes. No lock is held while a thread attaches,
/// so those who wait for it wait for a system call or two.
pub struct Connection {
    /// Its number, which stays its name when it has been closed.
    pub fd: RawFd,
    /// Tells it from all others that have that number before or after it; never zero.
    pub serial: u64,
    pub kind: Kind,
    reactor: Arc<Reactor>,
    state: Mutex<State>,
}

struct State {
    /// `None` once closed.
    descriptor: Option<Descriptor>,
    phase: Phase,
    output: Output,
    /// The peer has said all it has to say.
    eof: bool,
    failed: Option<io::Error>,
    /// What the poller watches it for; `None` if it does not.
    watched: Option<Interest>,
    /// It hung up while nothing was wanted of it, of which the poller would tell without end.
    muted: bool,
    /// It is in the reactor's list of those to look after.
    noted: bool,
    /// Somebody called `signal_write_ready` before the protocol said that it would be.
    signalled: bool,
    /// `Event::Writable` has been given, and the protocol has not said yet what comes next.
    asked: bool,
    /// Its protocol has been at work since the reactor has last looked whether the descriptor is
    /// still there.
    touched: bool,
    /// `Event::Lost` has been given.
    lost: bool,
    /// Who sent the datagram at hand, or who is at the other end.
    peer: Option<Address>,
}

/// What happens next.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Data is read and given to the protocol.
    Reading,
    /// The protocol is asked for more as soon as all is written.
    Writing,
    /// Nothing, until somebody signals that there is something to write.
    Waiting,
    /// The rest is written, and then the connection closes.
    Closing,
}

/// Why bytes were not taken.
pub enum Refused {
    Closed,
    /// So many wait already.
    Full(usize),
}

impl Connection {
    pub(super) fn new(
        reactor: &Arc<Reactor>,
        descriptor: Descriptor,
        peer: Option<Address>,
    ) -> Arc<Connection> {
        let peer = peer.or_else(|| descriptor.peer());
        Arc::new(Connection {
            fd: descriptor.number(),
            serial: descriptor.serial,
            kind: descriptor.kind,
            reactor: Arc::clone(reactor),
            state: Mutex::new(State {
                descriptor: Some(descriptor),
                phase: Phase::Reading,
                output: Output::default(),
                eof: false,
                failed: None,
                watched: None,
                muted: false,
                noted: false,
                signalled: false,
                asked: false,
                touched: false,
                lost: false,
                peer,
            }),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes bytes, which go out when the protocol's function has returned. They are taken whole
    /// unless too many wait already.
    pub fn write(self: &Arc<Self>, data: &[u8]) -> Result<(), Refused> {
        let mut state = self.state();
        if state.descriptor.is_none() {
            return Err(Refused::Closed);
        }
        // The reactor is about to say so, and until then nobody can know.
        if state.failed.is_some() || state.lost {
            return Ok(());
        }
        let waiting = state.output.len();
        if waiting > 0 && waiting + data.len() > self.reactor.limits.write_buffer {
            return Err(Refused::Full(waiting));
        }
        let to = state.peer;
        state.output.push(self.kind, data, to);
        self.note(state);
        Ok(())
    }

    /// Writes now what there is room for, as far as nothing is in the way.
    pub fn flush(&self) {
        self.state().flush(&self.reactor);
    }

    /// Reads what is there, to a place for so many bytes; none if there is nothing now.
    ///
    /// # Safety
    /// As for [`Descriptor::read`].
    pub unsafe fn read(&self, data: *mut u8, length: usize) -> io::Result<usize> {
        let mut state = self.state();
        let Some(descriptor) = &state.descriptor else {
            return Err(io::Error::from_raw_os_error(libc::EBADF));
        };
        // SAFETY: the caller's promise.
        match unsafe { descriptor.read(data, length) } {
            Ok((count, from)) => {
                state.peer = from.or(state.peer);
                Ok(count)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
            Err(error) => Err(descriptor.explain(error)),
        }
    }

    pub fn peer(&self) -> Option<Address> {
        self.state().peer
    }

    /// How many bytes wait to be written.
    pub fn unwritten(&self) -> usize {
        self.state().output.len()
    }

    pub fn is_open(&self) -> bool {
        let state = self.state();
        state.descriptor.is_some() && state.phase != Phase::Closing
    }

    /// Goes on as the protocol says. What is closing stays so.
    pub fn turn(self: &Arc<Self>, phase: Phase) {
        let mut state = self.state();
        if state.phase == Phase::Closing {
            return;
        }
        state.asked = false;
        self.touch(&mut state);
        let signalled = phase == Phase::Waiting && std::mem::take(&mut state.signalled);
        let phase = if signalled { Phase::Writing } else { phase };
        let settled = state.phase == phase && phase == Phase::Reading && state.output.is_empty();
        state.phase = phase;
        // The common case: it reads on, and all that is to be said of it is known.
        if !settled || state.watched.is_none() || state.eof || state.failed.is_some() {
            self.note(state);
        }
    }

    /// There is something to write, says who works for a protocol that waits; false if it is gone.
    pub fn signal(self: &Arc<Self>) -> bool {
        let mut state = self.state();
        if state.descriptor.is_none() || state.lost {
            return false;
        }
        match state.phase {
            Phase::Waiting => state.phase = Phase::Writing,
            Phase::Closing => return false,
            Phase::Reading | Phase::Writing => state.signalled = true,
        }
        self.touch(&mut state);
        self.note(state);
        true
    }

    fn touch(self: &Arc<Self>, state: &mut State) {
        if !std::mem::replace(&mut state.touched, true) {
            self.reactor.touch(Arc::clone(self));
        }
    }

    /// The reactor's side: is the descriptor still the connection's own?
    pub(super) fn look(self: &Arc<Self>) -> Option<Event> {
        let mut state = self.state();
        state.touched = false;
        if state.check() {
            return None;
        }
        self.decide(state)
    }

    /// Somebody else has got the number of the descriptor, by which the reactor's thread would not
    /// find it any more.
    pub(super) fn displaced(self: &Arc<Self>) {
        let mut state = self.state();
        if !state.check() {
            self.note(state);
        }
    }

    /// The poller has forgotten all that it watched.
    pub(super) fn watch_again(self: &Arc<Self>) {
        let mut state = self.state();
        if state.watched.take().is_some() {
            self.watch(&mut state);
            if state.failed.is_some() {
                self.note(state);
            }
        }
    }

    /// Has the reactor's thread look after it before it next waits.
    fn note(self: &Arc<Self>, mut state: MutexGuard<'_, State>) {
        if !std::mem::replace(&mut state.noted, true) {
            drop(state);
            self.reactor.note(Arc::clone(self));
        }
    }

    /// The reactor's side, detached: writes, and arranges for what comes next.
    pub(super) fn settle(self: &Arc<Self>) -> Option<Event> {
        let mut state = self.state();
        state.noted = false;
        // The poller tells when there is room again.
        if !state.watched.is_some_and(|interest| interest.write) {
            state.flush(&self.reactor);
        }
        self.decide(state)
    }

    /// The reactor's side, detached: the poller has told of something. False if there was no
    /// block to read to.
    pub(super) fn ready(
        self: &Arc<Self>,
        ready: Interest,
        blocks: &mut Blocks,
        events: &mut Vec<Event>,
    ) -> bool {
        let mut state = self.state();
        let Some(watched) = state.watched else { return true };
        if state.lost {
            return true;
        }
        if self.kind == Kind::Listener {
            self.accept(state, events);
            return true;
        }
        if watched.write && ready.write {
            state.flush(&self.reactor);
        }
        if watched.read && ready.read {
            let Some(mut block) = blocks.take() else { return false };
            if state.fill(&mut block, self.kind, &self.reactor) {
                events.push(Event::Data(Arc::clone(self), block));
                return true;
            }
            blocks.give_back(block);
        } else if !watched.read && !watched.write {
            state.hung_up(self, &self.reactor);
        }
        events.extend(self.decide(state));
        true
    }

    fn accept(self: &Arc<Self>, mut state: MutexGuard<'_, State>, events: &mut Vec<Event>) {
        if !state.check() {
            events.extend(self.decide(state));
            return;
        }
        for _ in 0..ACCEPTED_AT_ONCE {
            let Some(descriptor) = &state.descriptor else { return };
            if !self.reactor.admit() {
                return self.pause(state);
            }
            let refused = match descriptor.accept() {
                Ok((fd, address)) => match Descriptor::own(fd) {
                    Ok(made) => {
                        events.push(Event::Accepted(Arc::clone(self), made, address));
                        continue;
                    }
                    Err(error) => error,
                },
                Err(error) => error,
            };
            self.reactor.retract();
            match refused.raw_os_error() {
                Some(libc::EAGAIN) => return,
                // Went as it came; there may be others.
                Some(libc::ECONNABORTED | libc::EPROTO | libc::EPERM) => {}
                // Out of descriptors or memory, which the next one would hear as well.
                Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM) => {
                    return self.pause(state);
                }
                _ => {
                    state.failed = Some(refused);
                    break;
                }
            }
        }
        events.extend(self.decide(state));
    }

    /// No connection is accepted for a while. Those who ask wait in the system's queue.
    fn pause(self: &Arc<Self>, mut state: MutexGuard<'_, State>) {
        state.phase = Phase::Waiting;
        self.watch(&mut state);
        drop(state);
        self.reactor.pause(Arc::clone(self));
    }

    /// Is it over, or the protocol's turn? If neither, it is watched for what it waits for.
    fn decide(self: &Arc<Self>, mut state: MutexGuard<'_, State>) -> Option<Event> {
        if state.lost || state.descriptor.is_none() {
            return None;
        }
        let written = state.output.is_empty();
        let over = state.failed.is_some()
            || written
                && (state.phase == Phase::Closing || state.phase == Phase::Reading && state.eof);
        if over {
            state.check();
        } else {
            self.watch(&mut state);
        }
        if over || state.failed.is_some() {
            state.lost = true;
            return Some(Event::Lost(Arc::clone(self), state.failed.take()));
        }
        // It is looked after more than once in a round when the poller has something to tell, too.
        let asks = written && state.phase == Phase::Writing && !state.asked;
        state.asked |= asks;
        asks.then(|| Event::Writable(Arc::clone(self)))
    }

    fn watch(&self, state: &mut State) {
        let Some(descriptor) = &state.descriptor else { return };
        let reads = state.phase == Phase::Reading && !state.eof && descriptor.readable;
        let read = reads && state.output.len() < HIGH;
        let wanted = Interest { read, write: !state.output.is_empty() };
        let nothing = wanted == Interest::default();
        let poller = &self.reactor.poller;
        let done = match state.watched {
            Some(watched) if watched == wanted => return,
            Some(_) => poller.modify(self.fd, wanted),
            None if nothing && state.muted => return,
            None => poller.add(self.fd, wanted),
        };
        state.muted = false;
        state.watched = Some(wanted);
        if let Err(error) = done {
            state.watched = None;
            state.failed = Some(descriptor.explain(error));
        }
    }

    /// The reactor's side, detached, after `connection_lost`; false if it was closed already.
    pub(super) fn close(&self) -> bool {
        let mut state = self.state();
        state.output.clear();
        state.phase = Phase::Closing;
        let Some(descriptor) = state.descriptor.take() else { return false };
        if state.watched.take().is_some() && descriptor.is_ours() {
            // The kernel forgets it by itself only with the last descriptor of that file.
            let _ = self.reactor.poller.delete(self.fd);
        }
        descriptor.hang_up();
        true
    }
}

impl State {
    /// False, and the connection has failed, if its descriptor is not its own any more.
    fn check(&mut self) -> bool {
        let is_taken = self.descriptor.as_ref().is_some_and(|descriptor| !descriptor.is_ours());
        if is_taken && self.failed.is_none() {
            self.failed = Some(Taken::error());
        }
        !is_taken
    }

    fn flush(&mut self, reactor: &Reactor) {
        let Some(descriptor) = &self.descriptor else { return };
        if self.failed.is_some() || self.output.is_empty() {
            return;
        }
        match self.output.flush(descriptor) {
            Ok(count) => reactor.counters.sent.add(count),
            Err(error) => {
                self.output.clear();
                self.failed = Some(descriptor.explain(error));
            }
        }
    }

    /// Reads once; true if there is something for the protocol.
    fn fill(&mut self, block: &mut super::blocks::Block, kind: Kind, reactor: &Reactor) -> bool {
        let Some(descriptor) = &self.descriptor else { return false };
        // SAFETY: the block has room for that many, and is ours.
        match unsafe { descriptor.read(block.place(), SIZE) } {
            Ok((0, _)) if kind != Kind::Datagram => self.eof = true,
            Ok((count, from)) => {
                reactor.counters.received.add(count);
                self.peer = from.or(self.peer);
                block.length = count;
                return true;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) if !descriptor.is_ours() => self.failed = Some(Taken::error()),
            // Somebody we have written to is not there, which concerns nobody else.
            Err(_) if kind == Kind::Datagram => {}
            // A terminal whose other end is closed.
            Err(error) if kind == Kind::Pipe && error.raw_os_error() == Some(libc::EIO) => {
                self.eof = true;
            }
            Err(error) => self.failed = Some(error),
        }
        false
    }

    /// Nothing was wanted, so this is an error or a hang-up. Unless it is known to be over, what
    /// there is to read is still wanted later.
    fn hung_up(&mut self, connection: &Connection, reactor: &Reactor) {
        if !self.check() {
            return;
        }
        let Some(descriptor) = &self.descriptor else { return };
        self.failed = match descriptor.kind {
            Kind::Pipe if !descriptor.readable => Some(io::Error::from_raw_os_error(libc::EPIPE)),
            Kind::Pipe | Kind::Datagram => None,
            Kind::Stream | Kind::Listener => descriptor.pending_error(),
        };
        if self.failed.is_none() {
            let _ = reactor.poller.delete(connection.fd);
            self.watched = None;
            self.muted = true;
        }
    }
}
