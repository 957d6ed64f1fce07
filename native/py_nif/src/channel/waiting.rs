//! Who waits at a channel: Python threads, tasks of event loops, and processes.

use std::sync::atomic::{AtomicU64, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use py_host::nested::Interrupted;
use py_host::{guest, Nested, Poller};
use rustler::sys::enif_is_identical;
use rustler::{Encoder, Env, LocalPid, Term};

use crate::convert::Converter;
use crate::current::Current;
use crate::terms::{Caller, OwnedTerm, TermStore};

/// Names somebody who waits, at whichever channel.
pub type Id = u64;

pub fn new_id() -> Id {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// What somebody who waits is told.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Verdict {
    /// A receiver is to look for a message; the message of a sender is in.
    Go = 1,
    /// A sender's message was refused, as the channel is closed.
    Refused = 2,
}

/// Python code that waits. To `call` it costs nothing and decides who has been called; `wake`,
/// which may be a system call, comes when nothing is locked any more.
#[derive(Clone)]
pub enum Sleeper {
    Thread(Arc<Thread>),
    Task(Arc<Wakeups>, Id),
}

impl Sleeper {
    /// False if there is nobody any more who would hear of it.
    pub fn call(&self, verdict: Verdict) -> bool {
        match self {
            Sleeper::Thread(thread) => {
                thread.called.store(verdict as u8, Ordering::Release);
                true
            }
            Sleeper::Task(wakeups, id) => wakeups.add(*id, verdict),
        }
    }

    pub fn wake(&self) {
        match self {
            Sleeper::Thread(thread) => thread.nested.wake(),
            Sleeper::Task(wakeups, _id) => wakeups.poller.wake(),
        }
    }
}

/// A thread that waits.
pub struct Thread {
    called: AtomicU8,
    nested: Arc<Nested>,
}

impl Thread {
    #[allow(clippy::new_without_default)]
    pub fn new() -> Thread {
        Thread { called: AtomicU8::new(0), nested: Arc::new(Nested::new()) }
    }

    /// What it has been told by now.
    pub fn verdict(&self) -> Option<Verdict> {
        match self.called.load(Ordering::Acquire) {
            0 => None,
            1 => Some(Verdict::Go),
            _ => Some(Verdict::Refused),
        }
    }

    /// Waits until it is called, or until `deadline`.
    pub fn wait(
        &self,
        converter: &Converter<'_>,
        current: Option<&Current<'_>>,
        deadline: Option<Instant>,
    ) -> Result<(), Interrupted> {
        let called = || self.verdict().is_some();
        match current {
            Some(current) => current.worker.wait(converter.py, &self.nested, deadline, called),
            None => guest::wait(converter.py, converter.worker, &self.nested, deadline, called),
        }
    }
}

/// The tasks of one event loop that have been called, and a descriptor by which the loop, whoever
/// has written it, hears of that. So no GIL is needed to call a task.
pub struct Wakeups {
    pub poller: Poller,
    due: Mutex<Due>,
}

#[derive(Default)]
struct Due {
    calls: Vec<(Id, Verdict)>,
    closed: bool,
}

impl Wakeups {
    pub fn new() -> std::io::Result<Wakeups> {
        Ok(Wakeups { poller: Poller::new()?, due: Mutex::default() })
    }

    fn due(&self) -> MutexGuard<'_, Due> {
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, id: Id, verdict: Verdict) -> bool {
        let mut due = self.due();
        if !due.closed {
            due.calls.push((id, verdict));
        }
        !due.closed
    }

    /// Who has been called since the last time.
    pub fn take(&self) -> Vec<(Id, Verdict)> {
        // The descriptor first: a call that comes in between makes it ready again.
        let _ = self.poller.wait(Some(std::time::Duration::ZERO), &mut Vec::new());
        std::mem::take(&mut self.due().calls)
    }

    /// The loop is gone.
    pub fn close(&self) {
        self.due().closed = true;
    }
}

/// A process, and the term by which it knows what is for it.
pub struct Process {
    pub pid: LocalPid,
    tag: OwnedTerm,
}

// SAFETY: a local pid is a plain value that is valid on every thread; the rest may move.
unsafe impl Send for Process {}
// SAFETY: as above, and neither of the two changes.
unsafe impl Sync for Process {}

impl Process {
    pub fn new(pid: LocalPid, tag: Term<'_>) -> Process {
        Process { pid, tag: OwnedTerm::of(tag) }
    }

    pub fn tag(&self) -> Term<'_> {
        self.tag.term()
    }

    pub fn is_known_by(&self, tag: Term<'_>) -> bool {
        // SAFETY: two live terms.
        unsafe { enif_is_identical(self.tag().as_c_arg(), tag.as_c_arg()) != 0 }
    }

    /// Tells it something that is no message of the channel.
    pub fn tell(&self, caller: Caller, make: impl for<'a> FnOnce(Env<'a>, Term<'a>) -> Term<'a>) {
        let mut store = TermStore::new();
        let message = store.make(|env| make(env, self.tag().in_env(env)));
        // SAFETY: made in that store. A process that is gone need not know.
        let _ = unsafe { store.send_from(caller, &self.pid, message) };
    }

    /// `{Tag, Answer}`
    pub fn answer(&self, caller: Caller, answer: impl Encoder) {
        self.tell(caller, |env, tag| (tag, answer).encode(env));
    }
}
