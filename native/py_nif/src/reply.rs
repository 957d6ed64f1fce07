//! The way out: one ticket per request, and exactly one answer to it.
//!
//! A ticket is a single atomic word. Its low bits say how far the request is, and one more bit
//! says that nobody waits at the slot any longer, so that the answer has to go by message:
//!
//! ```text
//!              start                finish
//!   QUEUED ─────────────► RUNNING ─────────► REPLIED        (the answer is in the slot,
//!      │                     │                               or on its way as a message)
//!      └───── cancel ────────┴─────────────► CANCELLED      (nobody will hear of it)
//! ```
//!
//! Whoever moves the ticket to its last state owns the answer. The submitter, which waits at the
//! slot for a few microseconds, sets `BY_MESSAGE` when it leaves; the word it finds there tells
//! whether the answer was in the slot already, in which case it takes it and no message is sent.

use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicU64, AtomicU8, Ordering};
use std::sync::Arc;

use rustler::env::SavedTerm;
use rustler::sys::{enif_send, ErlNifTerm};
use rustler::{Encoder, Env, LocalPid, OwnedEnv, Resource, Term};

use crate::atoms;
use crate::contexts::Entry;

const QUEUED: u8 = 0;
const RUNNING: u8 = 1;
const REPLIED: u8 = 2;
const CANCELLED: u8 = 3;
const PHASE: u8 = 3;
const BY_MESSAGE: u8 = 4;

pub struct Ticket {
    pub id: u64,
    pub entry: Arc<Entry>,
    state: AtomicU8,
    slot: UnsafeCell<Option<Answer>>,
}

/// A term in an environment of its own.
pub struct Answer {
    env: OwnedEnv,
    term: ErlNifTerm,
}

// SAFETY: the slot is written by the worker before it moves the ticket to REPLIED, and read after
// that by the one submitter whose `leave` found it there.
unsafe impl Sync for Ticket {}
// SAFETY: all parts may move between threads; the term's environment moves with it.
unsafe impl Send for Ticket {}

#[rustler::resource_impl]
impl Resource for TicketRef {}

/// What the caller holds while it waits for a message.
pub struct TicketRef(pub Arc<Ticket>);

/// What cancelling found.
pub enum Cancelled {
    /// It will never run, or is being interrupted.
    Now,
    /// Too late: the answer is in the caller's mailbox, or about to be.
    Replied,
}

impl Ticket {
    pub fn new(entry: Arc<Entry>, by_message: bool) -> Arc<Ticket> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Arc::new(Ticket {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            entry,
            state: AtomicU8::new(if by_message { QUEUED | BY_MESSAGE } else { QUEUED }),
            slot: UnsafeCell::new(None),
        })
    }

    /// The worker's first step; false if the request was cancelled.
    pub fn start(&self) -> bool {
        self.advance(|phase| (phase == QUEUED).then_some(RUNNING)).is_ok()
    }

    pub fn is_replied(&self) -> bool {
        self.state.load(Ordering::Acquire) & PHASE == REPLIED
    }

    /// The submitter stops waiting at the slot. The answer, if it is there.
    pub fn leave<'a>(&self, env: Env<'a>) -> Option<Term<'a>> {
        let before = self.state.fetch_or(BY_MESSAGE, Ordering::AcqRel);
        if before & PHASE != REPLIED {
            return None;
        }
        // SAFETY: REPLIED without BY_MESSAGE means that the worker has filled the slot and is
        // done with it, and only the submitter comes here, once.
        let answer = unsafe { (*self.slot.get()).take() }?;
        Some(answer.env.run(|own| {
            // SAFETY: the term was made in this environment.
            unsafe { Term::new(own, answer.term) }.in_env(env)
        }))
    }

    pub fn cancel(&self) -> Cancelled {
        match self.advance(|phase| (phase != REPLIED).then_some(CANCELLED)) {
            Ok(_) => {
                self.entry.context.interrupt(self.id);
                Cancelled::Now
            }
            Err(_) => Cancelled::Replied,
        }
    }

    /// The request was not accepted: whatever becomes of it, nobody is to hear of it.
    pub fn withdraw(&self) {
        let _ = self.advance(|_| Some(CANCELLED));
    }

    /// Moves on from the present phase if `next` says so; the state before, either way.
    fn advance(&self, next: impl Fn(u8) -> Option<u8>) -> Result<u8, u8> {
        self.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, |state| {
            next(state & PHASE).map(|phase| phase | (state & BY_MESSAGE))
        })
    }
}

/// The worker's right, and duty, to answer.
pub struct Reply {
    ticket: Arc<Ticket>,
    to: Address,
}

/// Where the answer goes if it goes by message.
pub struct Address {
    pub pid: LocalPid,
    pub tag: SavedTerm,
}

// SAFETY: a local pid is a plain value that is valid on every thread.
unsafe impl Send for Address {}

impl Answer {
    pub fn new(make: impl for<'a> FnOnce(Env<'a>) -> Term<'a>) -> Answer {
        let env = OwnedEnv::new();
        let term = env.run(|env| make(env).as_c_arg());
        Answer { env, term }
    }
}

impl Reply {
    pub fn new(ticket: Arc<Ticket>, to: Address) -> Reply {
        Reply { ticket, to }
    }

    /// `tags` is the environment in which the tag was saved.
    pub fn send(self, tags: &OwnedEnv, answer: Answer) {
        if self.ticket.state.load(Ordering::Acquire) & BY_MESSAGE != 0 {
            return self.post(tags, answer);
        }
        let slot = self.ticket.slot.get();
        // SAFETY: nobody looks into the slot before REPLIED is set, below.
        unsafe { *slot = Some(answer) };
        let placed = self.ticket.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, |state| {
            (state & BY_MESSAGE == 0 && state & PHASE != CANCELLED).then_some(REPLIED)
        });
        if placed.is_err() {
            // SAFETY: the submitter left before we were done, so the slot is still ours.
            let answer = unsafe { (*slot).take() };
            self.post(tags, answer.expect("put there above"));
        }
    }

    fn post(self, tags: &OwnedEnv, answer: Answer) {
        if self.ticket.advance(|phase| (phase != CANCELLED).then_some(REPLIED)).is_err() {
            return;
        }
        answer.env.run(|env| {
            // SAFETY: the term was made in this environment.
            let term = unsafe { Term::new(env, answer.term) };
            let tag = tags.run(|tags| self.to.tag.load(tags).in_env(env));
            let message = (tag, term).encode(env).as_c_arg();
            // SAFETY: workers are no threads of the BEAM, so there is no calling process. The
            // message takes the environment's terms with it, and what is left is freed with
            // `answer`. A receiver that has died needs no answer.
            unsafe {
                enif_send(std::ptr::null_mut(), self.to.pid.as_c_arg(), env.as_c_arg(), message)
            };
        });
    }
}

/// `{ok, Value}`
pub fn ok<'a>(env: Env<'a>, value: Term<'a>) -> Term<'a> {
    (atoms::ok(), value).encode(env)
}
