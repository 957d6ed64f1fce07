//! An ordered stream of messages between processes and Python, with any number of senders and
//! receivers on both sides.
//!
//! One lock guards all of a channel. It is held for well under a microsecond: while it is, nothing
//! waits, no Python runs, and no message is released, as that may lead back here. Who has to be
//! woken is woken afterwards.
//!
//! For each message that comes, the receiver that has been waiting longest gets its turn. A process
//! is sent the oldest message at once; Python code is called to take it, and if it cannot come (an
//! interrupt, a cancelled task), it is the next one's turn. So messages leave in the order in which
//! they came, whoever takes them.

pub mod blocking;
pub mod census;
mod message;
mod state;
mod waiting;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustler::{Encoder, Env, LocalPid, Monitor, Resource, ResourceArc, Term};

use crate::atoms;
use crate::terms::Caller;

use state::{After, Sender, State};

pub use message::{Measure, Message};
pub use state::{Receiver, SenderWho, Who};
pub use waiting::{new_id, Id, Process, Sleeper, Thread, Verdict, Wakeups};

/// So many messages go to subscribers in one call.
const AT_A_TIME: usize = 64;

pub struct Channel {
    pub kind: Kind,
    /// So many bytes may be queued.
    max_size: usize,
    state: Arc<Mutex<State>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Terms,
    Bytes,
}

pub enum Sent {
    Now,
    /// There is no room for it.
    Busy(Message),
    Closed,
}

pub enum Taken {
    Message(Message),
    Empty,
    Closed,
}

/// How a channel is at some moment.
pub struct Info {
    /// Bytes that are queued, and how many may be.
    pub size: usize,
    pub max_size: Option<usize>,
    pub messages: usize,
    /// How many wait for a message, and for room.
    pub receivers: usize,
    pub senders: usize,
    pub closed: bool,
}

#[rustler::resource_impl]
impl Resource for Channel {
    const IMPLEMENTS_DOWN: bool = true;

    /// The owner has died.
    fn down<'a>(&'a self, env: Env<'a>, _pid: LocalPid, _monitor: Monitor) {
        // SAFETY: the BEAM's own callback.
        self.close(unsafe { Caller::beam(env) });
    }
}

impl Channel {
    /// Closes with `owner`, and is closed from the start if that is dead already.
    pub fn new(
        env: Option<Env<'_>>,
        kind: Kind,
        max_size: Option<usize>,
        owner: &LocalPid,
    ) -> ResourceArc<Channel> {
        let max_size = max_size.unwrap_or(usize::MAX);
        let state = Arc::default();
        census::enter(&state);
        let channel = ResourceArc::new(Channel { kind, max_size, state });
        if channel.monitor(env, owner).is_none() {
            channel.state().closed = true;
        }
        channel
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Never waits.
    pub fn send(&self, caller: Caller, message: Message) -> Sent {
        self.enter(caller, message).unwrap_or_else(|(_state, message)| Sent::Busy(message))
    }

    /// Leaves the message here until there is room; `who` hears of it, if the answer is an id.
    pub fn send_later(
        &self,
        caller: Caller,
        message: Message,
        id: Id,
        who: impl FnOnce() -> SenderWho,
    ) -> Result<Sent, Id> {
        self.enter(caller, message).map_err(|(mut state, message)| {
            state.senders.push_back(Sender { id, message, who: who() });
            id
        })
    }

    /// Gives the message back, and the lock, if there is no room.
    fn enter(
        &self,
        caller: Caller,
        message: Message,
    ) -> Result<Sent, (MutexGuard<'_, State>, Message)> {
        let mut after = After::default();
        let mut state = self.state();
        if state.closed {
            drop(state);
            return Ok(Sent::Closed);
        }
        if !state.senders.is_empty() || !state.has_room(&message, self.max_size) {
            return Err((state, message));
        }
        state.push(caller, message, &mut after);
        drop(state);
        after.run();
        Ok(Sent::Now)
    }

    /// A sender no longer waits. False if its message is in by now, or was refused.
    pub fn withdraw(&self, caller: Caller, id: Id) -> bool {
        let mut after = After::default();
        let mut state = self.state();
        let found = state.senders.iter().position(|sender| sender.id == id);
        let sender = found.and_then(|index| state.senders.remove(index));
        // A smaller one behind it may fit.
        state.admit(caller, self.max_size, &mut after);
        drop(state);
        after.run();
        sender.is_some()
    }

    /// Never waits.
    pub fn take(&self, caller: Caller) -> Taken {
        let mut after = After::default();
        let mut state = self.state();
        let Some(message) = state.queue.pop_front() else {
            return if state.closed { Taken::Closed } else { Taken::Empty };
        };
        state.size -= message.size();
        state.admit(caller, self.max_size, &mut after);
        state.end(caller, &mut after);
        drop(state);
        after.run();
        Taken::Message(message)
    }

    /// `receiver` waits from now on. False if there is something to take already, or never will be.
    pub fn wait(&self, receiver: Receiver) -> bool {
        let mut state = self.state();
        let waits = state.queue.is_empty() && !state.closed;
        if waits {
            state.receivers.push_back(receiver);
        }
        waits
    }

    /// A receiver no longer waits. False if it has been called.
    pub fn leave(&self, id: Id) -> bool {
        let mut state = self.state();
        let found = state.receivers.iter().position(|receiver| receiver.id == id);
        let receiver = found.and_then(|index| state.receivers.remove(index));
        drop(state);
        receiver.is_some()
    }

    /// A receiver that has been called does not come: the message is for the next one.
    pub fn hand_on(&self, caller: Caller) {
        self.feed_at_most(caller, 1);
    }

    /// Messages go to a process from now on, or so many of them. Those that are queued go by `feed`.
    pub fn subscribe(&self, process: Process, demand: Option<u64>) {
        self.state().seat(Receiver { id: new_id(), who: Who::Subscriber(process, demand) });
    }

    /// A subscriber wants so many more messages, or all. False if it is none.
    pub fn ask(&self, tag: Term<'_>, more: Option<u64>) -> bool {
        let mut state = self.state();
        let subscriber = state.remove_subscriber(tag);
        let found = subscriber.is_some();
        subscriber.into_iter().for_each(|subscriber| state.seat(subscriber.wants(more)));
        found
    }

    /// Subscribers get some of what is queued. True if there may be more of it; only so much is
    /// done at a time, as this runs on a scheduler.
    pub fn feed(&self, caller: Caller) -> bool {
        self.feed_at_most(caller, AT_A_TIME)
    }

    fn feed_at_most(&self, caller: Caller, most: usize) -> bool {
        let mut after = After::default();
        let mut state = self.state();
        let more = state.feed(caller, most, &mut after);
        state.admit(caller, self.max_size, &mut after);
        state.end(caller, &mut after);
        drop(state);
        after.run();
        more
    }

    /// False if it is no subscriber.
    pub fn unsubscribe(&self, tag: Term<'_>) -> bool {
        self.state().remove_subscriber(tag).is_some()
    }

    /// Nothing more comes in; what is queued can still be received.
    pub fn close(&self, caller: Caller) {
        let mut after = After::default();
        let mut state = self.state();
        if !std::mem::replace(&mut state.closed, true) {
            for Sender { message, who, .. } in std::mem::take(&mut state.senders) {
                who.tell(caller, Verdict::Refused, &mut after);
                after.refused.push(message);
            }
            state.end(caller, &mut after);
        }
        drop(state);
        after.run();
    }

    pub fn info(&self) -> Info {
        let state = self.state();
        let max_size = Some(self.max_size).filter(|size| *size != usize::MAX);
        Info {
            size: state.size,
            max_size,
            messages: state.queue.len(),
            receivers: state.receivers.len(),
            senders: state.senders.len(),
            closed: state.closed,
        }
    }
}

/// What a process holds while it waits. When the last reference goes, which is when the process
/// dies, it no longer does.
pub struct WaiterRef {
    pub channel: ResourceArc<Channel>,
    pub id: Id,
    pub sends: bool,
}

#[rustler::resource_impl]
impl Resource for WaiterRef {
    const IMPLEMENTS_DESTRUCTOR: bool = true;

    fn destructor(self, env: Env<'_>) {
        // SAFETY: the BEAM's own callback.
        self.cancel(unsafe { Caller::beam(env) });
    }
}

impl WaiterRef {
    /// False if the answer is in its mailbox.
    pub fn cancel(&self, caller: Caller) -> bool {
        if self.sends {
            self.channel.withdraw(caller, self.id)
        } else {
            self.channel.leave(self.id)
        }
    }
}

/// `%Py.Channel{ref: …}`
pub fn to_struct<'a>(env: Env<'a>, channel: &ResourceArc<Channel>) -> Term<'a> {
    let pairs = [
        (atoms::struct_().encode(env), atoms::py_channel_struct().encode(env)),
        (atoms::ref_().encode(env), channel.encode(env)),
    ];
    Term::map_from_pairs(env, &pairs).expect("two different keys")
}
