//! A bounded queue of jobs that a worker can watch: a job and the word that tells of it are in one
//! cache line, so that to bring one over takes one line from core to core, where a queue behind a lock
//! takes several.

use std::cell::UnsafeCell;
use std::mem::MaybeUninit;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::OnceLock;

use super::SharedJob;
use crate::{Job, Rejection};

/// Places are numbered from zero on and are used again, lap after lap. Any thread may push and any
/// may take, but to take costs nothing extra only on the one that does it all the time.
#[repr(C)]
pub struct Ring {
    /// The next place to be filled, and whether the ring is closed: one word, so that whoever takes
    /// a place learns in the same instant whether that is refused.
    tail: AtomicU64,
    _apart_from_the_head: Apart,
    /// The next place to be emptied.
    head: AtomicU64,
    _apart_from_the_rest: Apart,
    capacity: u64,
    /// Made for the first job, since many a queue never gets one.
    places: OnceLock<Box<[Place]>>,
}

const CLOSED: u64 = 1 << 63;

/// Keeps what is before it and what is after it in different cache lines, wherever the whole is.
/// To align it would take an allocation with a search of its own, for every callback's queue.
struct Apart {
    _nothing: [MaybeUninit<u8>; 128],
}

impl Default for Apart {
    fn default() -> Apart {
        Apart { _nothing: [MaybeUninit::uninit(); 128] }
    }
}

struct Place {
    /// Twice the lap in which it is to be filled, and one more when it has been.
    stamp: AtomicU64,
    job: UnsafeCell<MaybeUninit<SharedJob>>,
}

// SAFETY: a job is written by the one thread that has taken the place at the tail, and read by the
// one that has taken it at the head after it saw the stamp that says so. Jobs may change threads.
unsafe impl Sync for Place {}
// Nothing that could panic happens between taking a place and filling or emptying it.
impl RefUnwindSafe for Place {}
impl UnwindSafe for Place {}

impl Ring {
    pub fn new(capacity: usize) -> Ring {
        Ring {
            tail: AtomicU64::new(0),
            _apart_from_the_head: Apart::default(),
            head: AtomicU64::new(0),
            _apart_from_the_rest: Apart::default(),
            capacity: capacity.max(1) as u64,
            places: OnceLock::new(),
        }
    }

    /// Hands the job back when there is no room or no future.
    pub fn push(&self, job: SharedJob) -> Result<(), (Rejection, SharedJob)> {
        let places = self.places.get_or_init(|| (0..self.capacity).map(|_| Place::new()).collect());
        let mut tail = self.tail.load(Ordering::Relaxed);
        loop {
            if tail & CLOSED != 0 {
                return Err((Rejection::Closed, job));
            }
            let (place, lap) = self.locate(places, tail);
            if place.stamp.load(Ordering::Acquire) == 2 * lap {
                // Sequentially consistent, for those who push and then look what the worker does.
                let taken = self.tail.compare_exchange_weak(
                    tail,
                    tail + 1,
                    Ordering::SeqCst,
                    Ordering::Relaxed,
                );
                match taken {
                    Ok(_) => {
                        // SAFETY: the place is empty, and ours until the stamp says that it is not.
                        unsafe { (*place.job.get()).write(job) };
                        place.stamp.store(2 * lap + 1, Ordering::Release);
                        return Ok(());
                    }
                    Err(now) => tail = now,
                }
            } else {
                // Somebody was quicker; or the job of a lap ago is still there.
                let now = self.tail.load(Ordering::Relaxed);
                if now == tail {
                    return Err((Rejection::Busy, job));
                }
                tail = now;
            }
        }
    }

    /// The next job, if it is there by now.
    pub fn take(&self) -> Option<SharedJob> {
        let places = self.places.get()?;
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            let (place, lap) = self.locate(places, head);
            let stamp = place.stamp.load(Ordering::Acquire);
            if stamp <= 2 * lap {
                return None;
            }
            let next = head + 1;
            match self.head.compare_exchange(head, next, Ordering::SeqCst, Ordering::Relaxed) {
                Ok(_) => {
                    // SAFETY: filled, as the stamp said, and nobody else has taken it.
                    let job = unsafe { (*place.job.get()).assume_init_read() };
                    fetch(&*job);
                    place.stamp.store(2 * (lap + 1), Ordering::Release);
                    return Some(job);
                }
                Err(now) => head = now,
            }
        }
    }

    /// How many jobs wait to be taken.
    pub fn len(&self) -> usize {
        let tail = self.tail.load(Ordering::Relaxed) & !CLOSED;
        // Mostly none. Then the last place that was filled says so, which is beside the next one
        // to be filled, and the taker's own line is left alone.
        if let (Some(places), Some(last)) = (self.places.get(), tail.checked_sub(1)) {
            let (place, lap) = self.locate(places, last);
            if place.stamp.load(Ordering::Relaxed) > 2 * lap + 1 {
                return 0;
            }
        }
        tail.saturating_sub(self.head.load(Ordering::Relaxed)) as usize
    }

    /// Is any place taken, be its job there or about to be? In one order with those who push and
    /// then look what the worker does.
    pub fn is_any(&self) -> bool {
        let tail = self.tail.load(Ordering::SeqCst) & !CLOSED;
        tail != self.head.load(Ordering::SeqCst)
    }

    /// From here on every `push` is refused.
    pub fn close(&self) {
        self.tail.fetch_or(CLOSED, Ordering::SeqCst);
    }

    fn locate<'r>(&self, places: &'r [Place], number: u64) -> (&'r Place, u64) {
        (&places[(number % self.capacity) as usize], number / self.capacity)
    }
}

/// Has all cache lines of a job brought over at once, instead of one after the other as it is run.
#[cfg(target_arch = "x86_64")]
fn fetch(job: &dyn Job) {
    use std::arch::x86_64::{_mm_prefetch, _MM_HINT_T0};
    const LINE: usize = 64;
    let first = std::ptr::from_ref(job).cast::<i8>();
    for offset in (0..size_of_val(job)).step_by(LINE) {
        // SAFETY: the address is within the job; and this is advice, which reads nothing.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(first.add(offset)) };
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn fetch(_job: &dyn Job) {}

impl Place {
    fn new() -> Place {
        Place { stamp: AtomicU64::new(0), job: UnsafeCell::new(MaybeUninit::uninit()) }
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        while let Some(job) = self.take() {
            job.reject(Rejection::Closed);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{Attached, Worker};

    struct Numbered(u64, #[expect(dead_code, reason = "counts who has one")] Arc<()>);

    impl Job for Numbered {
        fn id(&self) -> u64 {
            self.0
        }
        fn run(self: Arc<Self>, _py: Attached<'_>, _worker: &Worker) {}
        fn reject(self: Arc<Self>, _reason: Rejection) {}
    }

    #[test]
    fn it_has_so_many_places_lap_after_lap() {
        let counted = Arc::new(());
        for capacity in 1..4 {
            let ring = Ring::new(capacity);
            let push = |id| ring.push(Arc::new(Numbered(id, Arc::clone(&counted))));
            for lap in 0..5 {
                for place in 0..capacity as u64 {
                    assert!(push(10 * lap + place).is_ok());
                }
                assert_eq!(ring.len(), capacity);
                let refused = push(7).expect_err("it is full");
                assert!(matches!(refused.0, Rejection::Busy));
                drop(refused);
                let jobs = std::iter::from_fn(|| ring.take());
                let ids: Vec<u64> = jobs.map(|job| job.id()).collect();
                assert_eq!(
                    ids,
                    (0..capacity as u64).map(|place| 10 * lap + place).collect::<Vec<_>>()
                );
                assert!(!ring.is_any());
            }
            ring.close();
            assert!(matches!(push(7), Err((Rejection::Closed, _))));
        }
        assert_eq!(Arc::strong_count(&counted), 1);
    }

    #[test]
    fn what_is_left_goes_with_it() {
        let counted = Arc::new(());
        let ring = Ring::new(8);
        for id in 0..5 {
            assert!(ring.push(Arc::new(Numbered(id, Arc::clone(&counted)))).is_ok());
        }
        drop(ring.take());
        assert_eq!(Arc::strong_count(&counted), 5);
        drop(ring);
        assert_eq!(Arc::strong_count(&counted), 1);
    }
}
