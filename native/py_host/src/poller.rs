//! Waiting for file descriptors, the clock and jobs at once: what an event loop sleeps on.
//!
//! A loop runs inside a job. While it waits its thread is detached, and jobs that come to its
//! context run on top of it, between two rounds of the loop.

#[cfg_attr(all(target_os = "linux", not(feature = "portable")), path = "poller/linux.rs")]
#[cfg_attr(any(not(target_os = "linux"), feature = "portable"), path = "poller/portable.rs")]
mod system;

use std::io;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::executor::run_job;
use crate::nested::{Interrupted, Waker};
use crate::{Attached, Worker};

pub use system::Poller;

/// What a descriptor is waited for, and what it is ready for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Interest {
    pub read: bool,
    pub write: bool,
}

pub type Ready = Vec<(RawFd, Interest)>;

pub enum Failed {
    System(io::Error),
    Interrupted,
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Failed {
        Failed::System(error)
    }
}

impl From<Interrupted> for Failed {
    fn from(_interrupted: Interrupted) -> Failed {
        Failed::Interrupted
    }
}

/// After so many jobs in a row it is the loop's turn again.
const JOBS_PER_ROUND: usize = 64;

/// On whom a context's worker waits right now, for those who bring it a job.
#[derive(Default)]
pub(crate) struct Polling {
    is_on: AtomicBool,
    poller: Mutex<Option<Arc<Poller>>>,
}

impl Polling {
    fn poller(&self) -> MutexGuard<'_, Option<Arc<Poller>>> {
        self.poller.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start(&self, poller: &Arc<Poller>) {
        *self.poller() = Some(Arc::clone(poller));
        self.is_on.store(true, Ordering::SeqCst);
    }

    fn stop(&self) {
        self.is_on.store(false, Ordering::SeqCst);
        *self.poller() = None;
    }

    /// There is a job. The worker looks for one after it has started to poll, and we look whether
    /// it polls after we have queued one, so that one of the two sees the other.
    pub fn wake(&self) {
        if self.is_on.load(Ordering::SeqCst) {
            if let Some(poller) = &*self.poller() {
                poller.wake();
            }
        }
    }
}

impl Poller {
    /// Names it for as long as it lives; never zero.
    pub fn address(self: &Arc<Self>) -> usize {
        Arc::as_ptr(self).addr()
    }
}

impl Worker {
    /// Waits until a descriptor is ready, for so long at most, or a job has been run. What is
    /// ready is added to `ready`.
    pub fn poll(
        &self,
        py: Attached<'_>,
        poller: &Arc<Poller>,
        timeout: Option<Duration>,
        ready: &mut Ready,
    ) -> Result<(), Failed> {
        if self.is_inline() {
            return Err(Failed::Interrupted);
        }
        if self.serve(py, poller)? || timeout == Some(Duration::ZERO) {
            // At once, so that detaching would only cost.
            return Ok(poller.wait(Some(Duration::ZERO), ready)?);
        }
        Ok(self.wait_detached(py, poller, timeout, |timeout| poller.wait(timeout, ready))??)
    }

    /// The same with `work` in the place of the wait, for those who have more to do while they are
    /// detached. It gets the time that it may wait.
    pub fn poll_with<R>(
        &self,
        py: Attached<'_>,
        poller: &Arc<Poller>,
        timeout: Option<Duration>,
        work: impl FnOnce(Option<Duration>) -> R,
    ) -> Result<R, Interrupted> {
        let timeout = if self.serve(py, poller)? { Some(Duration::ZERO) } else { timeout };
        let done = self.wait_detached(py, poller, timeout, work)?;
        // Unlike an event loop, this one has nothing to clear up by going round.
        if self.was_interrupted() || self.context().is_closed() {
            return Err(Interrupted);
        }
        Ok(done)
    }

    fn wait_detached<R>(
        &self,
        py: Attached<'_>,
        poller: &Arc<Poller>,
        timeout: Option<Duration>,
        work: impl FnOnce(Option<Duration>) -> R,
    ) -> Result<R, Interrupted> {
        let context = self.context();
        context.suspend(Waker::Poller(Arc::clone(poller)));
        let done = py.detached(|| {
            context.polling.start(poller);
            context.queue.set_hot(false);
            let timeout = if context.queue.has_jobs() { Some(Duration::ZERO) } else { timeout };
            let done = work(timeout);
            context.queue.set_hot(true);
            context.polling.stop();
            done
        });
        context.resume()?;
        self.serve(py, poller)?;
        Ok(done)
    }

    /// Runs the jobs that wait in the context's queue; false if there was none.
    fn serve(&self, py: Attached<'_>, poller: &Arc<Poller>) -> Result<bool, Interrupted> {
        let context = self.context();
        if context.waiting() == 0 {
            return Ok(false);
        }
        context.suspend(Waker::Poller(Arc::clone(poller)));
        for _ in 0..JOBS_PER_ROUND {
            match context.queue.take() {
                Some(job) => run_job(py, self, job),
                None => break,
            }
        }
        context.resume()?;
        Ok(true)
    }
}
