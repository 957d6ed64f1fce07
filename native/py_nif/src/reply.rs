//! The way out: one ticket per request, and exactly one answer to it.
//!
//! A ticket is a single atomic word. Its low bits say how far the request is. Of two more one says
//! that nobody looks into the slot any more, so that the answer has to go by message, and one that
//! something was said before it.
//!
//! ```text
//!              start                finish
//!   QUEUED ─────────────► RUNNING ─────────► REPLIED        (the answer is in the slot,
//!      │                     │                               or on its way as a message)
//!      └───── cancel ────────┴─────────────► CANCELLED      (nobody will hear of it)
//! ```
//!
//! Whoever moves the ticket to its last state owns the answer. The caller looks at the slot for a
//! few microseconds. If that is too soon, it names the tag that messages are to have and sets
//! `BY_MESSAGE`; the word it finds there tells whether the answer has come to the slot meanwhile,
//! in which case it takes it and no message is sent. What the worker has to say before the answer,
//! and before there is a tag, waits for that: `EARLY` keeps the answer from being taken first.

use std::cell::{Cell, UnsafeCell};
use std::mem::ManuallyDrop;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustler::{Encoder, Env, LocalPid, Monitor, Resource, ResourceArc, Term};

use crate::address::{Address, CastInfo, Format, Kind};
use crate::contexts::Entry;
use crate::convert::Plain;
use crate::output::Attended;
use crate::terms::{self, AnyPid, OwnedTerm, Tuple};
use crate::{atoms, attendant, task, timeslice};

const QUEUED: u8 = 0;
const RUNNING: u8 = 1;
const REPLIED: u8 = 2;
const CANCELLED: u8 = 3;
const PHASE: u8 = 3;
const BY_MESSAGE: u8 = 4;
const EARLY: u8 = 8;

/// In this order: what the worker writes at the end is beside the count of references, since who
/// fetches the answer has to count as well, and far from the state, which a caller that waits
/// fetches again and again.
#[repr(C)]
pub struct Ticket {
    pub id: u64,
    pub entry: Arc<Entry>,
    slot: UnsafeCell<Option<Reply>>,
    pub attended: Attended,
    pub address: Address,
    /// Held while something is said before the answer.
    hearing: Mutex<Hearing>,
    /// What the owner of a task holds, kept until that is answered.
    reference: Mutex<Option<ResourceArc<TicketRef>>>,
    state: AtomicU8,
    /// Has its coroutine become a task of an event loop?
    is_task: AtomicBool,
}

/// How the caller hears of what does not come by the slot.
#[derive(Default)]
struct Hearing {
    /// What each of its messages is to begin with, once it waits for them.
    tag: Option<OwnedTerm>,
    /// What was said before.
    early: Vec<OwnedTerm>,
}

/// What is said to a request.
pub enum Reply {
    /// `{ok, Value}`
    Value(Plain),
    Term(OwnedTerm),
}

// SAFETY: the slot is written by the worker before it moves the ticket to REPLIED, and read after
// that by the one caller whose `leave` found it there.
unsafe impl Sync for Ticket {}
// SAFETY: a pid is a plain value, and all other parts may move between threads.
unsafe impl Send for Ticket {}

/// What the caller holds while it waits for a message. When the last reference goes, which is when
/// its process dies, nobody can hear of the answer any more.
pub struct TicketRef(pub Arc<Ticket>);

#[rustler::resource_impl]
impl Resource for TicketRef {
    const IMPLEMENTS_DOWN: bool = true;

    /// The owner of a task has died.
    fn down<'a>(&'a self, _env: Env<'a>, _pid: LocalPid, _monitor: Monitor) {
        self.0.cancel();
    }
}

impl Drop for TicketRef {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// What cancelling found.
pub enum Cancelled {
    /// It will never run, or is being interrupted.
    Now,
    /// Too late: the answer is in the caller's mailbox, or about to be.
    Replied,
}

impl Ticket {
    pub fn new(entry: Arc<Entry>, address: Address) -> Arc<Ticket> {
        Ticket::named(next_id(), entry, address)
    }

    /// The ticket of a request that has an id already.
    pub fn named(id: u64, entry: Arc<Entry>, address: Address) -> Arc<Ticket> {
        let has_slot = matches!(address.kind, Kind::Call | Kind::Spawn { .. });
        Arc::new(Ticket {
            id,
            entry,
            address,
            attended: Attended::default(),
            is_task: AtomicBool::new(false),
            reference: Mutex::default(),
            state: AtomicU8::new(if has_slot { QUEUED } else { QUEUED | BY_MESSAGE }),
            hearing: Mutex::default(),
            slot: UnsafeCell::new(None),
        })
    }

    /// Was it asked with Erlang's habits?
    pub fn erlang(&self) -> bool {
        self.address.format == Format::Erlang
    }

    /// The worker's first step, and again when it goes on with a request that it has put back;
    /// false if the request was cancelled.
    pub fn start(&self) -> bool {
        self.address.times.as_ref().inspect(|times| times.started());
        self.advance(|phase| (phase != CANCELLED).then_some(RUNNING)).is_ok()
    }

    /// The coroutine of the request becomes a task; false if the request was cancelled. Whoever
    /// cancels it from now on does not interrupt the thread but cancels the task.
    pub fn become_task(&self) -> bool {
        self.is_task.store(true, Ordering::SeqCst);
        !self.is_cancelled()
    }

    /// The task is done, and the request goes on as an ordinary one.
    pub fn leave_task(&self) {
        self.is_task.store(false, Ordering::SeqCst);
    }

    pub fn is_cancelled(&self) -> bool {
        self.state.load(Ordering::SeqCst) & PHASE == CANCELLED
    }

    /// Has it come to its end, one way or another?
    pub fn is_over(&self) -> bool {
        self.state.load(Ordering::SeqCst) & PHASE >= REPLIED
    }

    /// For a task: what its owner gets, who is watched from now on.
    pub fn reference(self: &Arc<Self>, env: Env<'_>) -> ResourceArc<TicketRef> {
        let reference = ResourceArc::new(TicketRef(Arc::clone(self)));
        if self.address.is_task() {
            *self.kept() = Some(reference.clone());
            // One that is dying already takes its reference along, and nobody hears of the task.
            let _ = env.monitor(&reference, &self.address.caller);
        }
        reference
    }

    fn kept(&self) -> MutexGuard<'_, Option<ResourceArc<TicketRef>>> {
        self.reference.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Is there anything to be heard?
    pub fn has_spoken(&self) -> bool {
        let state = self.state.load(Ordering::Acquire);
        state & PHASE == REPLIED || state & EARLY != 0
    }

    /// The answer, if it is in the slot and nothing was said before it. For the caller alone.
    pub fn take<'a>(self: &Arc<Self>, env: Env<'a>) -> Option<Term<'a>> {
        if self.state.load(Ordering::Acquire) != REPLIED {
            return None;
        }
        self.leave(REPLIED).map(|reply| reply.fetch(env))
    }

    /// The same, and otherwise whatever there is to be heard comes as messages `{Tag, Message}`,
    /// from now on. For the caller alone, once.
    pub fn expect<'a>(self: &Arc<Self>, env: Env<'a>, tag: Term<'a>) -> Option<Term<'a>> {
        if let Some(answer) = self.take(env) {
            return Some(answer);
        }
        let mut hearing = self.hearing();
        let early = std::mem::take(&mut hearing.early);
        let was_early = !early.is_empty();
        hearing.tag = Some(OwnedTerm::of(tag));
        terms::calling(env, || {
            for message in early {
                self.say(tag, message);
            }
        });
        // Still locked: what is said from now on is a message, and so is the answer after it.
        let reply = self.leave(REPLIED | if was_early { EARLY } else { 0 })?;
        if !was_early {
            return Some(reply.fetch(env));
        }
        terms::calling(env, || self.say(tag, OwnedTerm::new(|env| reply.encode(env))));
        None
    }

    /// Nobody looks into the slot after this. What is there, if that is the state.
    fn leave(self: &Arc<Self>, state: u8) -> Option<Reply> {
        if self.state.fetch_or(BY_MESSAGE, Ordering::AcqRel) != state {
            return None;
        }
        // SAFETY: REPLIED without BY_MESSAGE means that the worker has filled the slot and is
        // done with it, and has left its reference; and whoever found that word has changed it, so
        // comes here alone.
        unsafe {
            Arc::decrement_strong_count(Arc::as_ptr(self));
            (*self.slot.get()).take()
        }
    }

    fn hearing(&self) -> MutexGuard<'_, Hearing> {
        self.hearing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn say(&self, tag: Term<'_>, message: OwnedTerm) -> bool {
        message
            .map(|env, message| (tag.in_env(env), message).encode(env))
            .send(&self.address.caller)
    }

    /// After that nothing is said to the caller any more, beyond what is in its mailbox.
    pub fn cancel(self: &Arc<Self>) -> Cancelled {
        match self.advance(|phase| (phase < REPLIED).then_some(CANCELLED)) {
            Ok(before) => {
                if before & PHASE == RUNNING {
                    drop(self.hearing());
                    // The worker says that it is a task, then looks whether it was cancelled; we
                    // do the opposite.
                    if self.is_task.load(Ordering::SeqCst) {
                        task::cancel(&self.entry, self.id);
                    } else {
                        self.entry.context.interrupt(self.id);
                    }
                }
                Cancelled::Now
            }
            // What is in the slot is not wanted.
            Err(state) if state & PHASE == REPLIED => {
                if state & BY_MESSAGE == 0 && self.leave(state).is_some() {
                    Cancelled::Now
                } else {
                    Cancelled::Replied
                }
            }
            Err(_) => Cancelled::Now,
        }
    }

    /// The request was not accepted.
    pub fn withdraw(&self) {
        let _ = self.advance(|_| Some(CANCELLED));
        drop(self.kept().take());
    }

    /// A caller that waits gets this before the answer. False if it no longer does.
    pub fn tell(&self, message: OwnedTerm) -> bool {
        // Whoever cancels waits for this lock afterwards, so what we say is either not said or in
        // the mailbox by then.
        let mut hearing = self.hearing();
        if self.is_over() {
            return false;
        }
        match &hearing.tag {
            Some(tag) => self.say(tag.term(), message),
            None => {
                hearing.early.push(message);
                self.state.fetch_or(EARLY, Ordering::AcqRel);
                true
            }
        }
    }

    /// The answer; the worker gives it once, and its reference along with it. The caller, who comes
    /// for the answer, drops that one too: so the worker touches nothing any more that the caller
    /// looks at, and memory goes back where it came from.
    pub fn answer(self: Arc<Self>, reply: Reply) {
        let reference = if self.address.is_task() { self.kept().take() } else { None };
        let state = self.state.load(Ordering::Acquire);
        if state & PHASE == CANCELLED {
            return;
        }
        if let Some(reference) = reference {
            return self.end_task(reply, reference);
        }
        if let Kind::Cast { leader, info } = &self.address.kind {
            return self.report(&reply, leader, info);
        }
        if state & BY_MESSAGE != 0 {
            return self.post(reply);
        }
        let ticket = ManuallyDrop::new(self);
        let slot = ticket.slot.get();
        // SAFETY: nobody looks into the slot before REPLIED is set, below.
        unsafe { *slot = Some(reply) };
        let placed = ticket.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, |state| {
            (state & BY_MESSAGE == 0 && state & PHASE != CANCELLED)
                .then_some(REPLIED | (state & !PHASE))
        });
        if placed.is_err() {
            // SAFETY: the slot was left before we were done, so it is still ours.
            let reply = unsafe { (*slot).take() };
            ManuallyDrop::into_inner(ticket).post(reply.expect("put there above"));
        }
    }

    fn post(&self, reply: Reply) {
        if self.advance(|phase| (phase != CANCELLED).then_some(REPLIED)).is_err() {
            return;
        }
        let Some(tag) = self.hearing().tag.take() else { return };
        // A receiver that has died needs no answer.
        match reply {
            Reply::Value(value) => tag
                .map(|env, tag| (tag, (atoms::ok(), value)).encode(env))
                .send(&self.address.caller),
            Reply::Term(answer) => self.say(tag.term(), answer),
        };
    }

    fn end_task(&self, reply: Reply, reference: ResourceArc<TicketRef>) {
        let Kind::Task { info, .. } = &self.address.kind else { return };
        if self.advance(|phase| (phase != CANCELLED).then_some(REPLIED)).is_err() {
            return;
        }
        match reply {
            Reply::Term(answer) if !is_ok(answer.term()) => {
                attendant::task_ended(reference, &self.address, info.term(), answer.term());
            }
            reply => {
                terms::send(&self.address.caller, |env| {
                    (atoms::async_result(), reference, reply.encode(env)).encode(env)
                });
            }
        }
    }

    /// Of a cast nobody hears when it went well.
    fn report(&self, reply: &Reply, leader: &AnyPid, info: &CastInfo) {
        let Reply::Term(answer) = reply else { return };
        let Address { op, caller, .. } = &self.address;
        attendant::cast_ended(answer.term(), op, |env| info.encode(env, caller, leader));
    }

    /// Moves on from the present phase if `next` says so; the state before, either way.
    fn advance(&self, next: impl Fn(u8) -> Option<u8>) -> Result<u8, u8> {
        self.state.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |state| {
            next(state & PHASE).map(|phase| phase | (state & !PHASE))
        })
    }
}

impl Reply {
    /// For the caller, who pays for the copy.
    fn fetch<'a>(&self, env: Env<'a>) -> Term<'a> {
        match self {
            Reply::Value(_) => self.encode(env),
            Reply::Term(_) => timeslice::paid(env, || self.encode(env)),
        }
    }

    fn encode<'a>(&self, env: Env<'a>) -> Term<'a> {
        match self {
            Reply::Value(value) => (atoms::ok(), value).encode(env),
            Reply::Term(answer) => answer.term().in_env(env),
        }
    }
}

/// Is it `{ok, Value}`?
fn is_ok(answer: Term<'_>) -> bool {
    Tuple::of(answer).is_some_and(|answer| answer.at(0).as_c_arg() == atoms::ok().as_c_arg())
}

/// Names a request, or something else that may be interrupted.
pub fn next_id() -> u64 {
    /// So many at a time are a thread's own, as threads would wait for each other at one counter.
    const BLOCK: u64 = 1024;
    static NEXT: AtomicU64 = AtomicU64::new(1);
    thread_local! {
        static IDS: Cell<Range<u64>> = const { Cell::new(0..0) };
    }
    IDS.with(|ids| {
        let mut block = ids.take();
        let id = block.next().unwrap_or_else(|| {
            let first = NEXT.fetch_add(BLOCK, Ordering::Relaxed);
            block = first + 1..first + BLOCK;
            first
        });
        ids.set(block);
        id
    })
}

/// `{ok, Value}`
pub fn ok<'a>(env: Env<'a>, value: Term<'a>) -> Term<'a> {
    (atoms::ok(), value).encode(env)
}
