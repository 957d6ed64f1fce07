//! The shared face of a context: what other threads may ask of it.

use std::panic::RefUnwindSafe;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crate::garbage::Exports;
use crate::guest::Guests;
use crate::inline::Seat;
use crate::interrupt::{self, Interrupts};
use crate::memory::{self, Account};
use crate::nested::Waits;
use crate::poller::Polling;
use crate::queue::{Queue, SharedJob, NOBODYS};
use crate::{executor, Attached, Job, Mode, Rejection, StartError, Worker};

/// An interpreter, a namespace, a queue, and the worker thread that brings them together.
///
/// It is open from [`open`](Context::open) on, closing from [`close`](Context::close) on (jobs
/// are refused, the running one is interrupted, the waiting ones are rejected), and closed when
/// its worker has ended the interpreter and called the functions that `close` was given.
pub struct Context {
    pub mode: Mode,
    pub(crate) queue: Queue,
    pub(crate) exports: Exports,
    pub(crate) interrupts: Interrupts,
    pub(crate) waits: Waits,
    pub(crate) polling: Polling,
    pub(crate) guests: Guests,
    pub(crate) seat: Seat,
    pub(crate) on_interrupt: OnInterrupt,
    /// If it has a limit.
    pub(crate) account: Option<Account>,
    pub(crate) interpreter_id: AtomicI64,
    activity: Activity,
    stuck: AtomicBool,
    closers: Mutex<Closers>,
}

/// What the worker writes with every job, in a cache line apart from all that others read.
#[repr(align(128))]
#[derive(Default)]
struct Activity {
    running: AtomicU64,
    running_since: AtomicU64,
    served: AtomicU64,
}

type Closer = Box<dyn FnOnce() + Send>;

/// Called with the id of a job, on a thread of its own, when somebody begins to interrupt it.
pub type OnInterrupt = Box<dyn Fn(u64) + Send + Sync + RefUnwindSafe>;

enum Closers {
    Waiting(Vec<Closer>),
    Closed,
}

/// What can be said of a context from outside.
pub struct Info {
    pub mode: Mode,
    pub interpreter_id: i64,
    pub waiting: usize,
    pub running: bool,
    /// The id of the job that runs or, when it waits for something, of the innermost that does;
    /// zero if there is none.
    pub job: u64,
    /// For how long the present job has been running, to a few milliseconds.
    pub busy: Duration,
    pub objects: usize,
    pub served: u64,
    /// Bytes that it has allocated since it was opened, if it has a limit.
    pub memory: Option<usize>,
}

static OPEN: AtomicUsize = AtomicUsize::new(0);
static ABANDONED: AtomicUsize = AtomicUsize::new(0);
static STUCK: AtomicUsize = AtomicUsize::new(0);

/// Contexts whose worker thread lives.
pub fn open_contexts() -> usize {
    OPEN.load(Ordering::Relaxed)
}

/// Interpreters that could not be ended because threads still ran in them.
pub fn abandoned_interpreters() -> usize {
    ABANDONED.load(Ordering::Relaxed)
}

/// Threads that were given up because their job did not end, and that still run.
pub fn abandoned_threads() -> usize {
    STUCK.load(Ordering::Relaxed)
}

impl Context {
    /// Starts the worker thread. `opened` is called on it, with the result, before the first job;
    /// jobs may be submitted at once and wait for it. Jobs that take more than `memory_limit`
    /// bytes are interrupted.
    pub fn open(
        mode: Mode,
        capacity: usize,
        memory_limit: Option<usize>,
        on_interrupt: OnInterrupt,
        opened: impl FnOnce(Result<(), StartError>) + Send + 'static,
    ) -> Result<Arc<Context>, StartError> {
        if memory_limit.is_some() {
            memory::prepare(mode)?;
        }
        let context = Arc::new(Context {
            mode,
            queue: Queue::new(capacity),
            exports: Exports::default(),
            interrupts: Interrupts::default(),
            waits: Waits::default(),
            polling: Polling::default(),
            guests: Guests::default(),
            seat: Seat::default(),
            on_interrupt,
            account: memory_limit.map(Account::new),
            interpreter_id: AtomicI64::new(-1),
            activity: Activity::default(),
            stuck: AtomicBool::new(false),
            closers: Mutex::new(Closers::Waiting(Vec::new())),
        });
        executor::spawn(Arc::clone(&context), opened)?;
        Ok(context)
    }

    /// Queues a job, or hands it back at once.
    pub fn submit(&self, job: SharedJob) -> Result<(), (Rejection, SharedJob)> {
        self.queue.push(job)?;
        self.polling.wake();
        Ok(())
    }

    /// Is its worker awake, so that a short job may be done within a microsecond or two?
    pub fn is_hot(&self) -> bool {
        self.queue.is_hot()
    }

    /// How many jobs wait for the one that runs.
    pub fn waiting(&self) -> usize {
        self.queue.waiting()
    }

    /// Is it doing nothing, with nothing to do?
    pub fn is_idle(&self) -> bool {
        self.waiting() == 0 && !self.is_running()
    }

    /// For how long the present job has been running, to a few milliseconds; zero if none is.
    pub fn busy(&self) -> Duration {
        if !self.is_running() {
            return Duration::ZERO;
        }
        let since = self.activity.running_since.load(Ordering::Relaxed);
        Duration::from_millis(coarse_milliseconds().saturating_sub(since))
    }

    pub fn is_closed(&self) -> bool {
        self.queue.is_closed()
    }

    /// Interrupts the job of that id if it has begun and not ended.
    pub fn interrupt(self: &Arc<Self>, id: u64) {
        if self.has(id) {
            interrupt::start(self, id);
        }
    }

    /// Interrupts all that has begun; false if there is nothing.
    pub fn interrupt_all(self: &Arc<Self>) -> bool {
        let present = self.present();
        present.iter().for_each(|id| interrupt::start(self, *id));
        !present.is_empty()
    }

    /// Closes without hope that the job that runs will ever end. The thread is counted until it
    /// does.
    pub fn abandon(self: &Arc<Self>) {
        if !self.stuck.swap(true, Ordering::SeqCst) {
            STUCK.fetch_add(1, Ordering::Relaxed);
            if self.close(Box::new(|| {})).is_err() {
                self.no_longer_stuck();
            }
        }
    }

    fn no_longer_stuck(&self) {
        if self.stuck.swap(false, Ordering::SeqCst) {
            STUCK.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Closes, and calls `closed` on the worker thread when that is done. Hands `closed` back if
    /// it was done before.
    pub fn close(self: &Arc<Self>, closed: Closer) -> Result<(), Closer> {
        match &mut *self.closers.lock().unwrap_or_else(PoisonError::into_inner) {
            Closers::Waiting(closers) => closers.push(closed),
            Closers::Closed => return Err(closed),
        }
        self.queue.close();
        // The worker may be stuck in a call that never returns, so the waiting jobs are answered
        // from elsewhere. It wakes up last: what woke it earlier might have been drained.
        let context = Arc::clone(self);
        let spawned = thread::Builder::new().name("py-close".into()).spawn(move || {
            context.reject_waiting();
            context.queue.wake();
            context.waits.wake();
            context.guests.wake();
            for id in context.present() {
                context.interrupt_after(id, Duration::ZERO);
            }
        });
        if spawned.is_err() {
            self.queue.wake();
        }
        Ok(())
    }

    /// Answers everything that was accepted and will not run.
    pub(crate) fn reject_waiting(&self) {
        self.queue.drain_closed().for_each(|job| job.reject(Rejection::Closed));
    }

    pub fn info(&self) -> Info {
        Info {
            mode: self.mode,
            interpreter_id: self.interpreter_id.load(Ordering::Relaxed),
            waiting: self.waiting(),
            running: self.is_running(),
            job: self.present().last().copied().unwrap_or(0),
            busy: self.busy(),
            objects: self.exports.live(),
            served: self.activity.served.load(Ordering::Relaxed),
            memory: self.account.as_ref().map(Account::used),
        }
    }

    /// The id of the job that runs, or zero.
    pub(crate) fn running(&self) -> u64 {
        self.activity.running.load(Ordering::SeqCst)
    }

    pub(crate) fn set_running(&self, id: u64) {
        self.activity.running_since.store(coarse_milliseconds(), Ordering::Relaxed);
        self.activity.running.store(id, Ordering::SeqCst);
    }

    pub(crate) fn clear_running(&self) {
        self.activity.running.store(0, Ordering::SeqCst);
    }

    /// Counted before the answer is given: who has it may look at the count.
    pub(crate) fn job_is_over(&self) {
        if self.running() == 0 {
            return;
        }
        let id = self.activity.running.swap(0, Ordering::SeqCst);
        if id != 0 && id != NOBODYS {
            // One thread at a time runs jobs here, so nobody else counts.
            let served = &self.activity.served;
            served.store(served.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        }
    }

    /// The job that runs begins to wait: its id and since when it has been running.
    pub(crate) fn take_running(&self) -> (u64, u64) {
        let since = self.activity.running_since.load(Ordering::Relaxed);
        (self.activity.running.swap(0, Ordering::SeqCst), since)
    }

    pub(crate) fn put_running(&self, id: u64, since: u64) {
        self.activity.running_since.store(since, Ordering::Relaxed);
        self.activity.running.store(id, Ordering::SeqCst);
    }

    fn is_running(&self) -> bool {
        self.running() != 0 || self.waits.any()
    }

    /// Makes an idle worker attach once, which is when it collects garbage. A busy one, or one
    /// with a full queue, will come to it by itself.
    pub(crate) fn wake(&self) {
        if self.waiting() == 0 {
            let _ = self.submit(Arc::new(Wake));
        }
    }

    pub(crate) fn count_open(&self) {
        OPEN.fetch_add(1, Ordering::Relaxed);
    }

    /// The worker's last word.
    pub(crate) fn finished(&self, abandoned: bool) {
        ABANDONED.fetch_add(abandoned.into(), Ordering::Relaxed);
        OPEN.fetch_sub(1, Ordering::Relaxed);
        self.no_longer_stuck();
        let closers = std::mem::replace(
            &mut *self.closers.lock().unwrap_or_else(PoisonError::into_inner),
            Closers::Closed,
        );
        if let Closers::Waiting(closers) = closers {
            closers.into_iter().for_each(|closed| closed());
        }
    }
}

/// A clock that is read in a few nanoseconds because it ticks only every few milliseconds.
fn coarse_milliseconds() -> u64 {
    #[cfg(target_os = "linux")]
    const CLOCK: libc::clockid_t = libc::CLOCK_MONOTONIC_COARSE;
    #[cfg(not(target_os = "linux"))]
    const CLOCK: libc::clockid_t = libc::CLOCK_MONOTONIC;
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: fills our own struct; the clock exists wherever we run.
    unsafe { libc::clock_gettime(CLOCK, &mut now) };
    now.tv_sec as u64 * 1_000 + now.tv_nsec as u64 / 1_000_000
}

/// A job that does nothing: what is wanted is the attaching around it.
struct Wake;

impl Job for Wake {
    fn id(&self) -> u64 {
        NOBODYS
    }
    fn run(self: Arc<Self>, _py: Attached<'_>, _worker: &Worker) {}
    fn reject(self: Arc<Self>, _reason: Rejection) {}
}
