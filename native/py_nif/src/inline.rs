//! Requests that run on their caller's scheduler, because the caller has promised that they are
//! short and their context has nothing else to do.

use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use py_host::queue::SharedJob;
use py_host::usage;
use rustler::{Encoder, Env, Term};

use crate::reply::Ticket;
use crate::{atoms, terms, timeslice};

/// What runs for longer is not short, and `Py.Request.Inline` hears of it.
const LONG: Duration = Duration::from_millis(1);

thread_local! {
    /// How many calls were short here since the last one that was not.
    static CALLS: Cell<u64> = const { Cell::new(0) };
}

/// The answer, `{wait, Ticket}` if something was said before it, either of them in
/// `{slow, Microseconds, Calls, Answer}` if it took too long; or the job, if it cannot run here
/// now.
pub fn run<'a>(env: Env<'a>, ticket: &Arc<Ticket>, job: SharedJob) -> Result<Term<'a>, SharedJob> {
    let since = Instant::now();
    usage::begin(since);
    terms::calling(env, || ticket.entry.context.run_inline(job))?;
    let mut elapsed = since.elapsed();
    if elapsed >= LONG {
        elapsed = usage::held(elapsed);
    }
    timeslice::pay(env, elapsed);
    let answer =
        ticket.take(env).unwrap_or_else(|| (atoms::wait(), ticket.reference(env)).encode(env));
    if elapsed < LONG {
        CALLS.set(CALLS.get() + 1);
        return Ok(answer);
    }
    Ok((atoms::slow(), elapsed.as_micros() as u64, CALLS.take(), answer).encode(env))
}
