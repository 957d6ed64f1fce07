//! The least that a hand-over to another thread and back can take: two words in memory, of which
//! each side writes one and watches the other, and what lies in memory for the other one to read.

use std::hint;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::OnceLock;
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use crate::SPIN;

/// In a cache line of its own.
#[repr(align(128))]
struct Word(AtomicU64);

/// A number, and in its low bits how many words there are to read.
static ASKED: Word = Word(AtomicU64::new(0));
static ANSWERED: Word = Word(AtomicU64::new(0));
static ASLEEP: AtomicBool = AtomicBool::new(false);

/// What there is to read: each time in another place, as requests are.
#[repr(align(128))]
struct Block([AtomicU64; WORDS]);

static BLOCKS: [Block; 64] = [const { Block([const { AtomicU64::new(0) }; WORDS]) }; 64];

const WORDS: usize = 64;
const SHIFT: u32 = 7;

impl Block {
    fn of(asked: u64) -> &'static Block {
        &BLOCKS[(asked >> SHIFT) as usize % BLOCKS.len()]
    }
}

/// Whoever asks at a time when nobody answers gives up, as this runs on a scheduler.
const LONGEST: Duration = Duration::from_millis(1);

/// Has the thread read so many bytes, 512 at most, and answer with a word. For one process at a
/// time. False if there was no answer.
pub fn hand_over(bytes: usize) -> bool {
    static THREAD: OnceLock<Thread> = OnceLock::new();
    let thread = THREAD.get_or_init(|| thread::spawn(answer).thread().clone());
    let words = (bytes / size_of::<u64>()).min(WORDS);
    let number = (ASKED.0.load(Ordering::Relaxed) >> SHIFT) + 1;
    let asked = number << SHIFT | words as u64;
    for word in &Block::of(asked).0[..words] {
        word.store(number, Ordering::Relaxed);
    }
    ASKED.0.store(asked, Ordering::SeqCst);
    if ASLEEP.load(Ordering::SeqCst) {
        thread.unpark();
    }
    let since = Instant::now();
    while ANSWERED.0.load(Ordering::Acquire) != asked {
        hint::spin_loop();
        if since.elapsed() > LONGEST {
            return false;
        }
    }
    words == 0 || Block::of(asked).0[0].load(Ordering::Relaxed) == number * words as u64
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
        let words = (seen & ((1 << SHIFT) - 1)) as usize;
        if words > 0 {
            let Block(block) = Block::of(seen);
            let sum = block[..words].iter().map(|word| word.load(Ordering::Relaxed)).sum();
            block[0].store(sum, Ordering::Relaxed);
        }
        ANSWERED.0.store(seen, Ordering::Release);
    }
}
