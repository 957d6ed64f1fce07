//! How long a request waited, ran, and took to convert, for those who ask.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use rustler::{Encoder, Env, LocalPid, Term};

use crate::atoms;

/// Nanoseconds since the request was submitted; zero is what has not been reached. The worker
/// alone writes, and reads at the end.
pub struct Times {
    submitted: Instant,
    started: AtomicU64,
    converted: AtomicU64,
    ran: AtomicU64,
}

impl Default for Times {
    fn default() -> Times {
        Times {
            submitted: Instant::now(),
            started: AtomicU64::new(0),
            converted: AtomicU64::new(0),
            ran: AtomicU64::new(0),
        }
    }
}

impl Times {
    /// Taken from the queue. A request that lets others go first is, more than once.
    pub fn started(&self) {
        if self.started.load(Ordering::Relaxed) == 0 {
            self.mark(&self.started);
        }
    }

    /// Its arguments are Python's.
    pub fn converted(&self) {
        self.mark(&self.converted);
    }

    /// Python has come back.
    pub fn ran(&self) {
        self.mark(&self.ran);
    }

    /// `{timed, {Queue, Convert, Run, Context}, Answer}`, in nanoseconds.
    pub fn encode<'a>(&self, env: Env<'a>, context: &LocalPid, answer: Term<'a>) -> Term<'a> {
        let [queue, ran] = [&self.started, &self.ran].map(|mark| mark.load(Ordering::Relaxed));
        // What does not say when its arguments were there has hardly any.
        let converted = self.converted.load(Ordering::Relaxed).max(queue);
        let convert = (converted - queue) + self.now().saturating_sub(ran);
        let times = (queue, convert, ran.saturating_sub(converted), context);
        (atoms::timed(), times, answer).encode(env)
    }

    fn mark(&self, mark: &AtomicU64) {
        mark.store(self.now(), Ordering::Relaxed);
    }

    fn now(&self) -> u64 {
        self.submitted.elapsed().as_nanos() as u64
    }
}
