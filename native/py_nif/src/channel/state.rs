//! What the lock of a channel guards: messages, and those who wait.

use std::collections::VecDeque;

use rustler::{Encoder, Term};

use super::{Id, Message, Process, Sleeper, Verdict};
use crate::atoms;
use crate::terms::Caller;

#[derive(Default)]
pub struct State {
    pub queue: VecDeque<Message>,
    pub size: usize,
    pub closed: bool,
    /// Who waits for a message, and has not been called yet.
    pub receivers: VecDeque<Receiver>,
    /// Subscribers that have got all that they asked for.
    sated: Vec<Receiver>,
    /// Who waits for room.
    pub senders: VecDeque<Sender>,
}

pub struct Receiver {
    pub id: Id,
    pub who: Who,
}

pub enum Who {
    Sleeper(Sleeper),
    /// It wants one message, as an answer.
    Process(Process),
    /// It wants so many, or all there will ever be.
    Subscriber(Process, Option<u64>),
}

pub struct Sender {
    pub id: Id,
    pub message: Message,
    pub who: SenderWho,
}

pub enum SenderWho {
    Sleeper(Sleeper),
    Process(Process),
}

/// What is done when the lock is free again.
#[derive(Default)]
#[must_use]
pub struct After {
    wake: Vec<Sleeper>,
    pub refused: Vec<Message>,
}

impl After {
    pub fn run(self) {
        self.wake.iter().for_each(Sleeper::wake);
        drop(self.refused);
    }
}

impl State {
    /// Whatever its size, an empty queue takes a message: else one could never be sent.
    pub fn has_room(&self, message: &Message, max_size: usize) -> bool {
        self.queue.is_empty() || self.size.saturating_add(message.size()) <= max_size
    }

    pub fn push(&mut self, caller: Caller, message: Message, after: &mut After) {
        self.size += message.size();
        self.queue.push_back(message);
        self.serve(caller, after);
    }

    /// For one message: the receiver that has been waiting longest gets the oldest message or, if
    /// it is Python code, is called to come for one. False if there is nobody, or nothing, left.
    pub fn serve(&mut self, caller: Caller, after: &mut After) -> bool {
        while !self.queue.is_empty() {
            let Some(Receiver { id, who }) = self.receivers.pop_front() else { return false };
            match who {
                Who::Sleeper(sleeper) => {
                    if sleeper.call(Verdict::Go) {
                        after.wake.push(sleeper);
                        return true;
                    }
                }
                Who::Process(process) => {
                    if self.give(|message| message.answer(caller, &process)) {
                        return true;
                    }
                }
                Who::Subscriber(process, demand) => {
                    if self.give(|message| message.publish(caller, &process)) {
                        let demand = demand.map(|demand| demand - 1);
                        self.seat(Receiver { id, who: Who::Subscriber(process, demand) });
                        return true;
                    }
                }
            }
        }
        false
    }

    /// Takes the oldest message out, unless whom it is for is gone.
    fn give(&mut self, to: impl FnOnce(Message) -> Result<(), Message>) -> bool {
        let Some(message) = self.queue.pop_front() else { return false };
        let size = message.size();
        match to(message) {
            Ok(()) => {
                self.size -= size;
                true
            }
            Err(message) => {
                self.queue.push_front(message);
                false
            }
        }
    }

    /// A subscriber waits for its turn, or until it asks for more.
    pub fn seat(&mut self, subscriber: Receiver) {
        if matches!(subscriber.who, Who::Subscriber(_, Some(0))) {
            self.sated.push(subscriber);
        } else {
            self.receivers.push_back(subscriber);
        }
    }

    /// Subscribers get what is queued, so many messages at most. True if there may be more to do.
    pub fn feed(&mut self, caller: Caller, most: usize, after: &mut After) -> bool {
        (0..most).all(|_| self.serve(caller, after))
    }

    pub fn remove_subscriber(&mut self, tag: Term<'_>) -> Option<Receiver> {
        let is_it = |receiver: &Receiver| match &receiver.who {
            Who::Subscriber(process, _demand) => process.is_known_by(tag),
            Who::Sleeper(_) | Who::Process(_) => false,
        };
        if let Some(index) = self.sated.iter().position(is_it) {
            return Some(self.sated.swap_remove(index));
        }
        let index = self.receivers.iter().position(is_it)?;
        self.receivers.remove(index)
    }

    /// Lets those in who wait for room, in their order.
    pub fn admit(&mut self, caller: Caller, max_size: usize, after: &mut After) {
        while let Some(first) = self.senders.front() {
            if !self.has_room(&first.message, max_size) {
                return;
            }
            let Some(Sender { message, who, .. }) = self.senders.pop_front() else { return };
            who.tell(caller, Verdict::Go, after);
            self.push(caller, message, after);
        }
    }

    /// If it is closed and all has been received, whoever waits hears of it.
    pub fn end(&mut self, caller: Caller, after: &mut After) {
        if !self.closed || !self.queue.is_empty() {
            return;
        }
        for Receiver { who, .. } in self.receivers.drain(..).chain(self.sated.drain(..)) {
            match who {
                Who::Sleeper(sleeper) => {
                    if sleeper.call(Verdict::Go) {
                        after.wake.push(sleeper);
                    }
                }
                Who::Process(process) => {
                    process.answer(caller, (atoms::error(), atoms::closed()));
                }
                Who::Subscriber(process, _demand) => process.tell(caller, |env, tag| {
                    (atoms::py_channel(), tag, atoms::closed()).encode(env)
                }),
            }
        }
    }
}

impl SenderWho {
    pub fn tell(self, caller: Caller, verdict: Verdict, after: &mut After) {
        match self {
            SenderWho::Sleeper(sleeper) => {
                if sleeper.call(verdict) {
                    after.wake.push(sleeper);
                }
            }
            SenderWho::Process(process) => match verdict {
                Verdict::Go => process.answer(caller, atoms::ok()),
                Verdict::Refused => process.answer(caller, (atoms::error(), atoms::closed())),
            },
        }
    }
}

impl Receiver {
    /// The same subscriber with more to get.
    pub fn wants(self, more: Option<u64>) -> Receiver {
        let who = match self.who {
            Who::Subscriber(process, demand) => {
                let demand = demand.and_then(|demand| Some(demand.saturating_add(more?)));
                Who::Subscriber(process, demand)
            }
            other => other,
        };
        Receiver { who, ..self }
    }
}
