//! How long a caller looks at the slot for an answer that was not there at once.
//!
//! An answer by message costs some microseconds, and several times as many when the caller's
//! scheduler has gone to sleep in the kernel's poll. So it pays to look for a little longer, if
//! what runs in the context takes that little. Whether it does is found out: who has looked in vain
//! has the next ones go without looking, twice as many each time.
//!
//! The same goes for a worker that has to wake up first. The kernel may well have it wake up on the
//! core that we look from, so we keep offering that.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};
use std::{hint, thread};

use crate::reply::Ticket;

/// The BEAM is fine with functions that take less than a millisecond, if there are few of them.
const AWAKE: Duration = Duration::from_micros(25);
const WAKING: Duration = Duration::from_micros(50);

/// After so many vain looks in a row one caller in 256 looks.
const MOST_VAIN: u32 = 8;

/// Somebody offers a core to a worker. Two who did would keep each other's workers from theirs.
static OFFERED: AtomicBool = AtomicBool::new(false);

/// That of the callers of one context.
#[derive(Default)]
pub struct Patience {
    awake: Record,
    waking: Record,
}

#[derive(Default)]
struct Record {
    /// Looks in a row that ended without an answer.
    vain: AtomicU32,
    /// So many more callers do not look.
    rest: AtomicU32,
}

impl Patience {
    /// Looks for a while, if that has been good for something lately.
    pub fn look(&self, ticket: &Ticket, is_awake: bool) {
        if is_awake {
            self.awake.keep(|| look(ticket, AWAKE));
        } else if !OFFERED.swap(true, Ordering::Relaxed) {
            self.waking.keep(|| look_from(ticket, WAKING, thread::yield_now));
            OFFERED.store(false, Ordering::Relaxed);
        }
    }
}

impl Record {
    fn keep(&self, look: impl FnOnce() -> bool) {
        // Nothing here has to be exact: of two threads that count at a time one may be missed.
        let rest = self.rest.load(Ordering::Relaxed);
        if rest > 0 {
            self.rest.store(rest - 1, Ordering::Relaxed);
        } else if look() {
            self.vain.store(0, Ordering::Relaxed);
        } else {
            let vain = (self.vain.load(Ordering::Relaxed) + 1).min(MOST_VAIN);
            self.vain.store(vain, Ordering::Relaxed);
            self.rest.store((1 << vain) - 1, Ordering::Relaxed);
        }
    }
}

/// Whether there was anything to be heard within that time.
pub fn look(ticket: &Ticket, time: Duration) -> bool {
    look_from(ticket, time, spin)
}

/// Some 100 ns: each look takes the state from the worker's core, which wants to write there.
fn spin() {
    for _ in 0..5 {
        hint::spin_loop();
    }
}

fn look_from(ticket: &Ticket, time: Duration, pause: fn()) -> bool {
    let since = Instant::now();
    while !ticket.has_spoken() {
        if since.elapsed() >= time {
            return false;
        }
        pause();
    }
    // A pause lasts for milliseconds where somebody else wants the core: too long for any answer.
    since.elapsed() < 2 * time
}
