//! The way into a context: a bounded queue of jobs, and the meter by which its worker decides
//! between spinning and sleeping.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use crate::{Attached, Rejection, Worker};

/// One piece of work for a context. Exactly one of `run` and `reject` is called.
pub trait Job: Send {
    /// Names the job to [`Context::interrupt`](crate::Context::interrupt); never zero.
    fn id(&self) -> u64;
    fn run(self: Box<Self>, py: Attached<'_>, worker: &Worker);
    fn reject(self: Box<Self>, reason: Rejection);
}

/// The id of a job that is no request: it is neither counted nor interrupted.
pub const NOBODYS: u64 = u64::MAX;

pub type BoxedJob = Box<dyn Job>;

/// How long an idle worker looks for the next job before it sleeps. Waking a sleeping thread
/// costs 7 to 30 µs; a spinning one answers in about one (bench/call.exs shows both).
const SPIN: Duration = Duration::from_micros(20);

/// Two jobs closer together than this are dense traffic. It is longer than `SPIN` because the gap
/// that a sleeping worker sees contains its own wake-up.
const DENSE: Duration = Duration::from_micros(80);

pub struct Queue {
    sender: flume::Sender<BoxedJob>,
    receiver: flume::Receiver<BoxedJob>,
    waiting: AtomicUsize,
    submitting: AtomicUsize,
    closed: AtomicBool,
    hot: AtomicBool,
}

impl Queue {
    pub fn new(capacity: usize) -> Queue {
        let (sender, receiver) = flume::bounded(capacity.max(1));
        Queue {
            sender,
            receiver,
            waiting: AtomicUsize::new(0),
            submitting: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
            hot: AtomicBool::new(false),
        }
    }

    /// Hands the job back when there is no room or no future.
    pub fn push(&self, job: BoxedJob) -> Result<(), (Rejection, BoxedJob)> {
        // Announce first, look second: `drain_closed` closes first and looks at the announcements
        // second, so that one of the two always sees the other.
        self.submitting.fetch_add(1, Ordering::SeqCst);
        let result = if self.closed.load(Ordering::SeqCst) {
            Err((Rejection::Closed, job))
        } else {
            self.waiting.fetch_add(1, Ordering::SeqCst);
            self.sender.try_send(job).map_err(|error| {
                self.waiting.fetch_sub(1, Ordering::Relaxed);
                (Rejection::Busy, error.into_inner())
            })
        };
        self.submitting.fetch_sub(1, Ordering::SeqCst);
        result
    }

    /// How many jobs wait to be taken.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// The same, in one order with those who `push` and then look whether the worker polls.
    pub fn has_jobs(&self) -> bool {
        self.waiting.load(Ordering::SeqCst) > 0
    }

    /// Is the worker awake, so that an answer may come within a microsecond or two?
    pub fn is_hot(&self) -> bool {
        self.hot.load(Ordering::Relaxed)
    }

    /// For a worker that sleeps elsewhere.
    pub fn set_hot(&self, hot: bool) {
        self.hot.store(hot, Ordering::Relaxed);
    }

    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// From here on every `push` is refused.
    pub fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
    }

    /// Gets the worker to look around. Unlike `push` it works on a closed queue; on a full one it
    /// is not needed.
    pub fn wake(&self, job: BoxedJob) {
        self.waiting.fetch_add(1, Ordering::Release);
        if self.sender.try_send(job).is_err() {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// The worker's side: the next job if there is one now.
    pub fn take(&self) -> Option<BoxedJob> {
        if self.waiting.load(Ordering::Acquire) == 0 {
            return None;
        }
        let job = self.receiver.try_recv().ok()?;
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        Some(job)
    }

    /// The worker's side: the next job if it comes within microseconds, and if traffic is so
    /// dense that looking out for it pays.
    pub fn soon(&self, pace: &mut Pace) -> Option<BoxedJob> {
        pace.idle_since = Instant::now();
        let _spinning = pace.wants_to_spin().then(Spinning::start).flatten()?;
        loop {
            // Reading the clock costs as much as a few dozen looks.
            for _ in 0..32 {
                std::hint::spin_loop();
                if let Some(job) = self.take() {
                    pace.fruitless = 0;
                    return Some(job);
                }
            }
            if pace.idle_since.elapsed() > SPIN {
                pace.fruitless += 1;
                return None;
            }
        }
    }

    /// The worker's side: sleeps until there is a job. Comes after `soon`.
    pub fn sleep(&self, pace: &mut Pace) -> BoxedJob {
        self.sleep_until(pace, None).expect("there is no deadline")
    }

    /// The same until a point in time, when it may end without a job.
    pub fn sleep_until(&self, pace: &mut Pace, deadline: Option<Instant>) -> Option<BoxedJob> {
        self.hot.store(false, Ordering::Relaxed);
        let job = match deadline {
            Some(deadline) => self.receiver.recv_deadline(deadline).ok()?,
            None => self.receiver.recv().expect("the queue owns a sender itself"),
        };
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        self.hot.store(true, Ordering::Relaxed);
        pace.woken();
        Some(job)
    }

    /// After `close`: everything that was accepted and will not run.
    pub fn drain_closed(&self) -> impl Iterator<Item = BoxedJob> + '_ {
        debug_assert!(self.is_closed());
        // A submitter that looked before the queue closed is a few instructions from done.
        while self.submitting.load(Ordering::SeqCst) > 0 {
            std::hint::spin_loop();
        }
        self.receiver.drain().inspect(|_| {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
        })
    }
}

/// A worker's memory of how spinning has paid.
#[derive(Clone, Copy)]
pub struct Pace {
    idle_since: Instant,
    dense: bool,
    /// Spins in a row that ended without a job.
    fruitless: u32,
    /// So many more jobs without spinning.
    rest: u32,
}

/// So many fruitless spins in a row, and for so many jobs there is no other: worker and caller
/// probably share a core, and each waits for the other to let go of it.
const MOST_FRUITLESS: u32 = 4;
const REST: u32 = 256;

impl Default for Pace {
    fn default() -> Pace {
        Pace { idle_since: Instant::now(), dense: false, fruitless: 0, rest: 0 }
    }
}

impl Pace {
    fn wants_to_spin(&self) -> bool {
        self.dense && self.rest == 0
    }

    fn woken(&mut self) {
        self.dense = self.idle_since.elapsed() < DENSE;
        self.rest = self.rest.saturating_sub(1);
        if self.fruitless >= MOST_FRUITLESS {
            self.fruitless = 0;
            self.rest = REST;
        }
    }
}

/// Workers that spin right now. One in two cores at most, and none on a single one: a core that
/// spins is one that no scheduler has, and under full load that costs more than the wake-up saves.
static SPINNING: AtomicUsize = AtomicUsize::new(0);

struct Spinning;

impl Spinning {
    fn start() -> Option<Spinning> {
        static MOST: OnceLock<usize> = OnceLock::new();
        let cores = || thread::available_parallelism().map_or(1, usize::from);
        let most = *MOST.get_or_init(|| cores() / 2);
        let spinning = Spinning;
        (SPINNING.fetch_add(1, Ordering::Relaxed) < most).then_some(spinning)
    }
}

impl Drop for Spinning {
    fn drop(&mut self) {
        SPINNING.fetch_sub(1, Ordering::Relaxed);
    }
}
