//! The way into a context: a bounded queue of jobs, and the meter by which its worker decides
//! between spinning and sleeping.

mod ring;

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use ring::Ring;

use crate::{Attached, Rejection, Worker};

/// One piece of work for a context. Exactly one of `run` and `reject` is called, with the reference
/// that was submitted: it comes from whoever asks, who may go on holding another one.
pub trait Job: Send + Sync {
    /// Names the job to [`Context::interrupt`](crate::Context::interrupt); never zero.
    fn id(&self) -> u64;
    fn run(self: Arc<Self>, py: Attached<'_>, worker: &Worker);
    fn reject(self: Arc<Self>, reason: Rejection);
}

/// The id of a job that is no request: it is neither counted nor interrupted.
pub const NOBODYS: u64 = u64::MAX;

pub type SharedJob = Arc<dyn Job>;

/// How long an idle worker looks for the next job before it sleeps. Waking a sleeping thread
/// costs 7 to 30 µs; a spinning one answers in about one (bench/call.exs shows both).
const SPIN: Duration = Duration::from_micros(20);

/// Jobs that come this soon after the one before are dense traffic. A worker that had to be woken
/// for such a job also looks for the next one for so long: the answer went to its caller as a
/// message, so now that may have to be woken first. Without this patience both would go on waking
/// each other, three times as slow as need be, as long as the traffic lasts.
const DENSE: Duration = Duration::from_micros(80);

/// In this order, so that what everybody reads is not beside the ring's tail.
#[repr(C)]
pub struct Queue {
    ring: Ring,
    /// Said beside the ring, since a worker that looks at its tail would take that away from those
    /// who push.
    closed: AtomicBool,
    sleep: Sleep,
}

/// About the worker, for those who bring a job.
struct Sleep {
    hot: AtomicBool,
    /// It is to look around, job or no job.
    woken: AtomicBool,
    /// When a job last came while the worker slept, in nanoseconds after `epoch`.
    knocked: AtomicU64,
    epoch: Instant,
    /// Does it wait for the bell?
    waits: Mutex<bool>,
    bell: Condvar,
}

/// Why a worker goes on.
pub enum Event {
    Job(SharedJob),
    /// Somebody wants it to look around.
    Woken,
}

impl Queue {
    pub fn new(capacity: usize) -> Queue {
        let sleep = Sleep {
            hot: AtomicBool::new(false),
            woken: AtomicBool::new(false),
            knocked: AtomicU64::new(0),
            epoch: Instant::now(),
            waits: Mutex::new(false),
            bell: Condvar::new(),
        };
        Queue { ring: Ring::new(capacity), closed: AtomicBool::new(false), sleep }
    }

    /// Hands the job back when there is no room or no future.
    pub fn push(&self, job: SharedJob) -> Result<(), (Rejection, SharedJob)> {
        if !self.is_hot() {
            self.knock();
        }
        self.ring.push(job)?;
        self.rouse();
        Ok(())
    }

    /// How many jobs wait to be taken.
    pub fn waiting(&self) -> usize {
        self.ring.len()
    }

    /// The same, in one order with those who `push` and then look whether the worker polls.
    pub fn has_jobs(&self) -> bool {
        self.ring.is_any()
    }

    /// Is the worker awake, so that an answer may come within a microsecond or two?
    pub fn is_hot(&self) -> bool {
        self.sleep.hot.load(Ordering::Relaxed)
    }

    /// For a worker that sleeps elsewhere.
    pub fn set_hot(&self, hot: bool) {
        self.sleep.hot.store(hot, Ordering::SeqCst);
    }

    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// From here on every `push` is refused.
    pub fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.ring.close();
    }

    /// Gets the worker to look around.
    pub fn wake(&self) {
        self.sleep.woken.store(true, Ordering::SeqCst);
        self.rouse();
    }

    /// There is something for the worker, which says that it is no longer awake before it looks for
    /// the last time.
    fn rouse(&self) {
        if !self.sleep.hot.load(Ordering::SeqCst) {
            let waits = *self.waits();
            if waits {
                self.sleep.bell.notify_one();
            }
        }
    }

    fn waits(&self) -> MutexGuard<'_, bool> {
        self.sleep.waits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The worker's side: the next job if there is one now.
    pub fn take(&self) -> Option<SharedJob> {
        self.ring.take()
    }

    fn look(&self) -> Option<Event> {
        if let Some(job) = self.ring.take() {
            return Some(Event::Job(job));
        }
        let woken = &self.sleep.woken;
        (woken.load(Ordering::Relaxed) && woken.swap(false, Ordering::SeqCst))
            .then_some(Event::Woken)
    }

    /// The worker's side: what comes within microseconds, if traffic is so dense that looking out
    /// for it pays.
    pub fn soon(&self, pace: &mut Pace) -> Option<Event> {
        pace.idle_since = Instant::now();
        let _spinning = pace.wants_to_spin().then(Spinning::start).flatten()?;
        loop {
            // Reading the clock costs as much as a few dozen looks.
            for _ in 0..32 {
                std::hint::spin_loop();
                if let Some(event) = self.look() {
                    pace.found();
                    return Some(event);
                }
            }
            if pace.idle_since.elapsed() > pace.patience() {
                pace.fruitless += 1;
                return None;
            }
        }
    }

    /// The worker's side: sleeps until there is something. Comes after `soon`.
    pub fn sleep(&self, pace: &mut Pace) -> Event {
        self.sleep_until(pace, None).expect("there is no deadline")
    }

    /// The same until a point in time, when it may end without anything.
    pub fn sleep_until(&self, pace: &mut Pace, deadline: Option<Instant>) -> Option<Event> {
        self.set_hot(false);
        let mut waits = self.waits();
        let event = loop {
            if let Some(event) = self.look() {
                break event;
            }
            if self.has_jobs() {
                // Whoever has taken a place for one is a few instructions from filling it.
                thread::yield_now();
                continue;
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                return None;
            }
            *waits = true;
            waits = self.listen(waits, left);
            *waits = false;
        };
        drop(waits);
        self.set_hot(true);
        pace.woken(self.knocked());
        Some(event)
    }

    /// For the bell, or for so long.
    fn listen<'s>(
        &'s self,
        waits: MutexGuard<'s, bool>,
        time: Option<Duration>,
    ) -> MutexGuard<'s, bool> {
        let bell = &self.sleep.bell;
        match time {
            None => bell.wait(waits).unwrap_or_else(PoisonError::into_inner),
            Some(time) => bell.wait_timeout(waits, time).unwrap_or_else(PoisonError::into_inner).0,
        }
    }

    /// The worker takes its time to wake up, which says nothing about how dense the traffic is.
    fn knock(&self) {
        let now = self.sleep.epoch.elapsed().as_nanos() as u64;
        self.sleep.knocked.store(now, Ordering::Relaxed);
    }

    fn knocked(&self) -> Instant {
        self.sleep.epoch + Duration::from_nanos(self.sleep.knocked.load(Ordering::Relaxed))
    }

    /// After `close`: everything that was accepted and will not run.
    pub fn drain_closed(&self) -> impl Iterator<Item = SharedJob> + '_ {
        debug_assert!(self.is_closed());
        std::iter::from_fn(|| loop {
            if let Some(job) = self.ring.take() {
                return Some(job);
            }
            if !self.has_jobs() {
                return None;
            }
            thread::yield_now();
        })
    }
}

/// A worker's memory of how spinning has paid.
#[derive(Clone, Copy)]
pub struct Pace {
    idle_since: Instant,
    dense: bool,
    /// Was it asleep before the last job?
    was_asleep: bool,
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
        let idle_since = Instant::now();
        Pace { idle_since, dense: false, was_asleep: true, fruitless: 0, rest: 0 }
    }
}

impl Pace {
    fn wants_to_spin(&self) -> bool {
        self.dense && self.rest == 0
    }

    fn patience(&self) -> Duration {
        if self.was_asleep {
            DENSE
        } else {
            SPIN
        }
    }

    /// A spin has ended with a job.
    fn found(&mut self) {
        self.was_asleep = false;
        self.fruitless = 0;
    }

    /// A sleep has ended with a job, which came at that time.
    fn woken(&mut self, knocked: Instant) {
        self.dense = knocked.saturating_duration_since(self.idle_since) < DENSE;
        self.was_asleep = true;
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

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    const PUSHERS: u64 = 3;
    const JOBS: u64 = 20_000;

    struct Numbered(u64);

    impl Job for Numbered {
        fn id(&self) -> u64 {
            self.0
        }
        fn run(self: Arc<Self>, _py: Attached<'_>, _worker: &Worker) {}
        fn reject(self: Arc<Self>, _reason: Rejection) {}
    }

    /// Pushes jobs that say whose they are and which; how many were accepted.
    fn push_all(queue: &Queue, pusher: u64) -> u64 {
        for number in 0..JOBS {
            let mut job: SharedJob = Arc::new(Numbered(pusher * JOBS + number));
            loop {
                job = match queue.push(job) {
                    Ok(()) => break,
                    Err((Rejection::Busy, job)) => job,
                    Err(_closed) => return number,
                };
                thread::yield_now();
            }
            // So that the worker is found looking, asleep, and in between.
            if number % 64 == 0 {
                thread::sleep(Duration::from_micros(number % 96));
            }
        }
        JOBS
    }

    fn next(queue: &Queue, pace: &mut Pace) -> u64 {
        loop {
            if let Event::Job(job) = queue.soon(pace).unwrap_or_else(|| queue.sleep(pace)) {
                return job.id();
            }
        }
    }

    #[test]
    fn every_job_is_taken_once_and_each_pushers_in_order() {
        let queue = Queue::new(100);
        thread::scope(|scope| {
            for pusher in 0..PUSHERS {
                let queue = &queue;
                scope.spawn(move || push_all(queue, pusher));
            }
            let (mut pace, mut expected) = (Pace::default(), HashMap::new());
            for _ in 0..PUSHERS * JOBS {
                let id = next(&queue, &mut pace);
                let number = expected.entry(id / JOBS).or_insert(0);
                assert_eq!(id % JOBS, *number);
                *number += 1;
            }
        });
        assert_eq!(queue.waiting(), 0);
    }

    #[test]
    fn what_a_closed_queue_has_accepted_is_drained() {
        for taken in (0..100).map(|time| time * 50) {
            let queue = Queue::new(100);
            let (accepted, drained) = thread::scope(|scope| {
                let pushers: Vec<_> = (0..PUSHERS)
                    .map(|pusher| {
                        let queue = &queue;
                        scope.spawn(move || push_all(queue, pusher))
                    })
                    .collect();
                let mut pace = Pace::default();
                for _ in 0..taken {
                    next(&queue, &mut pace);
                }
                queue.close();
                let drained = queue.drain_closed().count() as u64;
                (pushers.into_iter().map(|pusher| pusher.join().unwrap()).sum::<u64>(), drained)
            });
            assert_eq!(accepted, taken + drained);
        }
    }
}
