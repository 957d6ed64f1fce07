//! The least that a hand-over to another thread and back can take: two words in memory, of which
//! each side writes one and watches the other.

use std::hint;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::OnceLock;
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use crate::SPIN;

/// In a cache line of its own.
#[repr(align(128))]
struct Word(AtomicU64);

static ASKED: Word = Word(AtomicU64::new(0));
static ANSWERED: Word = Word(AtomicU64::new(0));
static ASLEEP: AtomicBool = AtomicBool::new(false);

/// Whoever asks at a time when nobody answers gives up, as this runs on a scheduler.
const LONGEST: Duration = Duration::from_millis(1);

/// For one process at a time. False if there was no answer.
pub fn hand_over() -> bool {
    static THREAD: OnceLock<Thread> = OnceLock::new();
    let thread = THREAD.get_or_init(|| thread::spawn(answer).thread().clone());
    let number = ASKED.0.fetch_add(1, Ordering::SeqCst) + 1;
    if ASLEEP.load(Ordering::SeqCst) {
        thread.unpark();
    }
    let since = Instant::now();
    while ANSWERED.0.load(Ordering::Acquire) != number {
        hint::spin_loop();
        if since.elapsed() > LONGEST {
            return false;
        }
    }
    true
}

fn answer() {
    let mut seen = 0;
    loop {
        let since = Instant::now();
        while ASKED.0.load(Ordering::Acquire) == seen {
            hint::spin_loop();
            if since.elapsed() > SPIN {
                ASLEEP.store(true, Ordering::SeqCst);
                while ASKED.0.load(Ordering::SeqCst) == seen {
                    thread::park();
                }
                ASLEEP.store(false, Ordering::SeqCst);
            }
        }
        seen = ASKED.0.load(Ordering::Acquire);
        ANSWERED.0.store(seen, Ordering::Release);
    }
}
