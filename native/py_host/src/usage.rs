//! How long something has held its thread: the time by the clock, less what the operating system
//! gave to other threads meanwhile.
//!
//! Asking the system costs more than the shortest jobs take. So it is asked at most every half
//! millisecond, and again when something took so long that it matters.

use std::cell::Cell;
use std::sync::OnceLock;
use std::time::Duration;

use quanta::{Clock, Instant};

/// A report that is older is of no use: what the thread did before counts as well.
const RECENT: Duration = Duration::from_micros(500);

/// The system's account of a thread.
#[derive(Clone, Copy)]
struct Report {
    at: Instant,
    processor: Duration,
    /// How often the thread has waited for something, of its own accord.
    waits: libc::c_long,
}

thread_local! {
    static LAST: Cell<Option<Report>> = const { Cell::new(None) };
}

/// `Instant::now` looks for one that a test may have put in its place.
static CLOCK: OnceLock<Clock> = OnceLock::new();

/// The time by a clock that is read in a third of what the system's takes.
#[inline]
pub fn now() -> Instant {
    CLOCK.get_or_init(Clock::new).now()
}

/// The clock finds out how fast it runs when it is first read, which takes it half a millisecond.
pub(crate) fn prepare() {
    now();
}

/// Something begins on this thread at that time, which is about now.
#[inline]
pub fn begin(now: Instant) {
    let is_recent = |last: Report| now.saturating_duration_since(last.at) < RECENT;
    if !LAST.get().is_some_and(is_recent) {
        LAST.set(report(now));
    }
}

/// How much of `elapsed` is on the account of what began last on this thread, at most: all of it
/// if it has waited for something, and otherwise the time for which it had the processor.
pub fn held(elapsed: Duration) -> Duration {
    match (LAST.get(), report(now())) {
        (Some(before), Some(after)) if before.waits == after.waits => {
            elapsed.min(after.processor.saturating_sub(before.processor))
        }
        _ => elapsed,
    }
}

#[cfg(target_os = "linux")]
fn report(at: Instant) -> Option<Report> {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::uninit();
    // SAFETY: room for what is asked for, which is filled in on success.
    let usage = unsafe {
        if libc::getrusage(libc::RUSAGE_THREAD, usage.as_mut_ptr()) != 0 {
            return None;
        }
        usage.assume_init()
    };
    let time = |time: libc::timeval| {
        Duration::from_secs(time.tv_sec as u64) + Duration::from_micros(time.tv_usec as u64)
    };
    let processor = time(usage.ru_utime) + time(usage.ru_stime);
    Some(Report { at, processor, waits: usage.ru_nvcsw })
}

/// Other systems do not tell.
#[cfg(not(target_os = "linux"))]
fn report(_at: Instant) -> Option<Report> {
    None
}

/// The time for which a thread, as `pthread_self` names it, has had a processor.
///
/// # Safety
/// The thread lives.
#[cfg(target_os = "linux")]
pub unsafe fn processor_time(thread: std::ffi::c_long) -> Option<Duration> {
    let mut clock = 0;
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the caller's promise, and both calls fill in what is ours.
    let told = unsafe {
        libc::pthread_getcpuclockid(thread as libc::pthread_t, &mut clock) == 0
            && libc::clock_gettime(clock, &mut time) == 0
    };
    told.then(|| Duration::new(time.tv_sec as u64, time.tv_nsec as u32))
}

/// # Safety
/// None is needed where the system does not tell.
#[cfg(not(target_os = "linux"))]
pub unsafe fn processor_time(_thread: std::ffi::c_long) -> Option<Duration> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measure(work: impl FnOnce()) -> (Duration, Duration) {
        let since = Instant::now();
        begin(since);
        work();
        let elapsed = since.elapsed();
        (held(elapsed), elapsed)
    }

    fn spin(time: Duration) {
        let since = Instant::now();
        while since.elapsed() < time {
            std::hint::spin_loop();
        }
    }

    #[test]
    fn who_waits_holds_the_thread_all_the_time() {
        let (held, elapsed) = measure(|| std::thread::sleep(Duration::from_millis(20)));
        assert_eq!(held, elapsed);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn what_others_took_is_not_on_the_account() {
        // Two threads on one core have half of it each.
        let pin = || {
            // SAFETY: a set of cores is plain data; that of core 0 concerns this thread alone.
            unsafe {
                let mut cores: libc::cpu_set_t = std::mem::zeroed();
                libc::sched_getaffinity(0, size_of_val(&cores), &mut cores);
                let all = libc::CPU_SETSIZE as usize;
                let first = (0..all).find(|core| libc::CPU_ISSET(*core, &cores));
                libc::CPU_ZERO(&mut cores);
                libc::CPU_SET(first.expect("a core to run on"), &mut cores);
                libc::sched_setaffinity(0, size_of_val(&cores), &cores);
            }
        };
        let time = Duration::from_millis(500);
        let other = std::thread::spawn(move || {
            pin();
            spin(time);
        });
        let ours = std::thread::spawn(move || {
            pin();
            measure(|| spin(time))
        });
        let (held, elapsed) = ours.join().unwrap();
        other.join().unwrap();
        assert!(held < elapsed * 9 / 10, "{held:?} of {elapsed:?}");
    }
}
