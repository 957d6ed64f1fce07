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
        if let Some(message) = self.offer(caller, message, after) {
            self.size += message.size();
            self.queue.push_back(message);
        }
    }

    /// To the one who has been waiting longest. Gives the message back if that is Python code,
    /// which comes for it, or if nobody waits.
    fn offer(
        &mut self,
        caller: Caller,
        mut message: Message,
        after: &mut After,
    ) -> Option<Message> {
        while let Some(Receiver { id, who }) = self.receivers.pop_front() {
            let gone = match who {
                Who::Sleeper(sleeper) => {
                    if sleeper.call(Verdict::Go) {
                        after.wake.push(sleeper);
                        return Some(message);
                    }
                    message
                }
                Who::Process(process) => match message.answer(caller, &process) {
                    Ok(()) => return None,
                    Err(message) => message,
                },
                Who::Subscriber(process, demand) => match message.publish(caller, &process) {
                    Ok(()) => {
                        let demand = demand.map(|demand| demand - 1);
                        self.seat(Receiver { id, who: Who::Subscriber(process, demand) });
                        return None;
                    }
                    Err(message) => message,
                },
            };
            message = gone;
        }
        Some(message)
    }

    /// A subscriber waits for its turn, or until it asks for more.
    pub fn seat(&mut self, subscriber: Receiver) {
        if matches!(subscriber.who, Who::Subscriber(_, Some(0))) {
            self.sated.push(subscriber);
        } else {
            self.receivers.push_back(subscriber);
        }
    }

    /// Receivers get what is queued, until one is called or none is left. One is called for each
    /// message, so this is for those who have just come, and for what others have left.
    pub fn feed(&mut self, caller: Caller, max_size: usize, after: &mut After) {
        while !self.receivers.is_empty() {
            let Some(message) = self.queue.pop_front() else { break };
            let size = message.size();
            if let Some(message) = self.offer(caller, message, after) {
                self.queue.push_front(message);
                break;
            }
            self.size -= size;
            self.admit(caller, max_size, after);
        }
        self.end(caller, after);
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
