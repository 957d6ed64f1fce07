//! Waiting in the middle of a job, and the jobs that run meanwhile because they belong to it.
//!
//! Python code that asks the outside for something waits detached. What it waits for may itself
//! need this context: such jobs come through a queue of their own and run on the waiting thread,
//! on top of the job that waits, to any depth. Jobs of others keep their place in the context's
//! queue.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::executor::run_job;
use crate::queue::{Event, Pace, Queue, SharedJob, NOBODYS};
use crate::{Attached, Context, Poller, Rejection, Worker};

/// Jobs that one wait may have in its queue. They come from the one process that is waited for.
const CAPACITY: usize = 1_000;

/// The queue of one wait.
pub struct Nested {
    queue: Queue,
}

/// The wait was ended from outside, and its job is to stop; or there was none, as whoever runs the
/// job must not be kept waiting ([`Worker::is_inline`]).
pub struct Interrupted;

impl Nested {
    #[allow(clippy::new_without_default)]
    pub fn new() -> Nested {
        Nested { queue: Queue::new(CAPACITY) }
    }

    /// Queues a job to run within the wait, or hands it back at once.
    pub fn submit(&self, job: SharedJob) -> Result<(), (Rejection, SharedJob)> {
        self.queue.push(job)
    }

    /// Is the waiting thread awake, so that a short job may be done within a microsecond or two?
    pub fn is_hot(&self) -> bool {
        self.queue.is_hot()
    }

    /// Makes the waiting thread look whether what it waits for is there.
    pub fn wake(&self) {
        self.queue.wake();
    }

    /// Sleeps until it is woken, for a thread to which nobody gives jobs.
    pub(crate) fn doze(&self, deadline: Option<Instant>) {
        drop(self.queue.sleep_until(&mut Pace::default(), deadline));
    }

    fn close(&self) {
        self.queue.close();
        self.queue.drain_closed().for_each(|job| job.reject(Rejection::Closed));
    }
}

impl Worker {
    /// Runs the jobs of `nested` until `done` says that there is what was waited for, or until
    /// `deadline`. Whoever changes what `done` sees calls [`Nested::wake`] afterwards.
    pub fn wait(
        &self,
        py: Attached<'_>,
        nested: &Arc<Nested>,
        deadline: Option<Instant>,
        done: impl Fn() -> bool,
    ) -> Result<(), Interrupted> {
        let waited = self.wait_open(py, nested, deadline, done);
        // However it ended, and even if it never began: whoever is asked for something may
        // have put jobs there already, which are to be answered.
        nested.close();
        waited
    }

    fn wait_open(
        &self,
        py: Attached<'_>,
        nested: &Arc<Nested>,
        deadline: Option<Instant>,
        done: impl Fn() -> bool,
    ) -> Result<(), Interrupted> {
        let context = self.context();
        if self.was_interrupted() || self.is_inline() {
            return Err(Interrupted);
        }
        context.suspend(Waker::Nested(Arc::clone(nested)));
        let mut pace = self.pace.get();
        while !done() && !context.is_closed() && !context.waits.is_interrupted() {
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                break;
            }
            let event = py.detached(|| {
                let queue = &nested.queue;
                queue.soon(&mut pace).or_else(|| queue.sleep_until(&mut pace, deadline))
            });
            if let Some(Event::Job(job)) = event {
                run_job(py, self, job);
            }
        }
        self.pace.set(pace);
        context.resume()
    }
}

/// The jobs of a context that wait, the innermost last.
#[derive(Default)]
pub(crate) struct Waits {
    stack: Mutex<Vec<Wait>>,
    depth: AtomicUsize,
}

struct Wait {
    id: u64,
    since: u64,
    waker: Waker,
    interrupted: bool,
}

/// On what a job waits.
pub(crate) enum Waker {
    Nested(Arc<Nested>),
    Poller(Arc<Poller>),
}

impl Waker {
    fn wake(&self) {
        match self {
            Waker::Nested(nested) => nested.wake(),
            Waker::Poller(poller) => poller.wake(),
        }
    }
}

/// On what the innermost job that waits does so.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Innermost {
    /// None waits.
    None,
    /// On an answer, in [`Worker::wait`].
    Answer,
    /// On this poller, by its [`Poller::address`].
    Poller(usize),
}

/// What an interrupter finds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    Running,
    /// It waits, and has been told.
    Waiting,
    /// So does an event loop.
    Polling,
    Gone,
}

impl Waits {
    fn stack(&self) -> MutexGuard<'_, Vec<Wait>> {
        self.stack.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does a job wait?
    pub fn any(&self) -> bool {
        self.depth.load(Ordering::Relaxed) > 0
    }

    fn is_interrupted(&self) -> bool {
        self.stack().last().is_some_and(|wait| wait.interrupted)
    }

    /// Wakes all that wait, because the context closes.
    pub fn wake(&self) {
        self.stack().iter().for_each(|wait| wait.waker.wake());
    }
}

/// A job moves between running and waiting while the stack is locked, so that an interrupter,
/// which locks it too, always finds it in one of the two places.
impl Context {
    pub(crate) fn suspend(&self, waker: Waker) {
        let mut stack = self.waits.stack();
        let (id, since) = self.take_running();
        stack.push(Wait { id, since, waker, interrupted: false });
        self.waits.depth.store(stack.len(), Ordering::Relaxed);
    }

    /// The job goes on, unless it was interrupted while it waited. For an answer nobody waits
    /// in a context that closes; a loop goes on polling, as what it runs may need that to end.
    pub(crate) fn resume(&self) -> Result<(), Interrupted> {
        let mut stack = self.waits.stack();
        let wait = stack.pop().expect("suspended before");
        self.waits.depth.store(stack.len(), Ordering::Relaxed);
        self.put_running(wait.id, wait.since);
        drop(stack);
        let is_over = matches!(wait.waker, Waker::Nested(_)) && self.is_closed();
        if wait.interrupted || is_over {
            self.interrupts.mark(wait.id);
            return Err(Interrupted);
        }
        Ok(())
    }

    /// What the innermost job that waits here waits for.
    pub fn innermost(&self) -> Innermost {
        if !self.waits.any() {
            return Innermost::None;
        }
        match self.waits.stack().last().map(|wait| &wait.waker) {
            None => Innermost::None,
            Some(Waker::Nested(_)) => Innermost::Answer,
            Some(Waker::Poller(poller)) => Innermost::Poller(poller.address()),
        }
    }

    /// Where the job is. One that waits is told to stop, a loop only if it is to be disturbed.
    pub(crate) fn find(&self, id: u64, disturb_loops: bool) -> Found {
        let mut stack = self.waits.stack();
        if self.running() == id {
            return Found::Running;
        }
        let Some(wait) = stack.iter_mut().find(|wait| wait.id == id) else {
            return Found::Gone;
        };
        let is_loop = matches!(wait.waker, Waker::Poller(_));
        if disturb_loops || !is_loop {
            wait.interrupted = true;
            wait.waker.wake();
        }
        if is_loop {
            Found::Polling
        } else {
            Found::Waiting
        }
    }

    /// Does that job still run or wait?
    pub(crate) fn has(&self, id: u64) -> bool {
        let stack = self.waits.stack();
        self.running() == id || stack.iter().any(|wait| wait.id == id)
    }

    /// The ids of all jobs that run or wait here.
    pub(crate) fn present(&self) -> Vec<u64> {
        let stack = self.waits.stack();
        let running = Some(self.running()).filter(|id| *id != 0 && *id != NOBODYS);
        stack.iter().map(|wait| wait.id).chain(running).collect()
    }
}
