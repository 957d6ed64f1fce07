//! What a NIF keeps a scheduler for is taken from its process's time slice.

use std::cell::Cell;
use std::time::Duration;

use py_host::usage;
use rustler::Env;

/// The BEAM reckons with a millisecond for the time a process may run in one go. A process that
/// calls NIFs back to back which take a while must pay for them, or others would wait for their
/// turn.
const PERCENT: Duration = Duration::from_micros(10);

thread_local! {
    /// Nanoseconds that this scheduler's processes have not paid for yet.
    static DEBT: Cell<u64> = const { Cell::new(0) };
}

/// Does what takes as long as a term is large, at the expense of the process that has called.
pub fn paid<R>(env: Env<'_>, work: impl FnOnce() -> R) -> R {
    let since = usage::now();
    let result = work();
    pay(env, usage::now() - since);
    result
}

pub fn pay(env: Env<'_>, elapsed: Duration) {
    let owed = DEBT.get() + elapsed.as_nanos() as u64;
    let one = PERCENT.as_nanos() as u64;
    DEBT.set(owed % one);
    if owed >= one {
        rustler::schedule::consume_timeslice(env, (owed / one).min(100) as i32);
    }
}
