//! Submitting and cancelling requests: the way every operation goes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rustler::{Atom, Encoder, Env, NifResult, OwnedEnv, ResourceArc, Term};

use crate::atoms;
use crate::contexts::{self, Entry};
use crate::failure;
use crate::object::{self, NamespaceRef};
use crate::reply::{Address, Cancelled, Reply, Ticket, TicketRef};
use crate::request::{save, Format, Request, Scope};
use crate::terms::Tuple;

/// How long a submitter waits at the slot, on its scheduler, when the worker is awake. Most short
/// calls are done by then, and neither of the two has to be woken.
const PATIENCE: Duration = Duration::from_micros(3);

/// With more requests than that before ours, the slot will not be filled in time.
const SHORT_QUEUE: usize = 3;

/// A job that has been running for so long may well run for longer.
const LONG: Duration = Duration::from_millis(10);

/// When the preferred context of a pool is busy: so many others are asked whether they are idle.
const MOST_NEIGHBOURS: usize = 16;

#[rustler::nif]
fn request_submit<'a>(
    env: Env<'a>,
    target: Term<'a>,
    op: Term<'a>,
    scope: Term<'a>,
    tag: Term<'a>,
    format: Term<'a>,
    kind: Term<'a>,
) -> NifResult<Term<'a>> {
    let entry = match Target::find(target)? {
        Target::Here(entry) => entry,
        Target::Unopened(index) => return Ok((atoms::unopened(), index).encode(env)),
        Target::Remote => return Ok(atoms::remote().encode(env)),
        Target::Gone => {
            return Ok((atoms::error(), (atoms::context(), atoms::not_found())).encode(env))
        }
    };
    let is = |atom: Atom| kind.as_c_arg() == atom.as_c_arg();
    let context = &entry.context;
    let waits = is(atoms::call()) && context.is_hot() && context.waiting() < SHORT_QUEUE;
    let ticket = Ticket::new(Arc::clone(&entry), !waits);
    let own = OwnedEnv::new();
    let address = (!is(atoms::cast())).then(|| Address { pid: env.pid(), tag: save(&own, tag) });
    let request = Request {
        ticket: Arc::clone(&ticket),
        op: save(&own, op),
        scope: parse_scope(scope)?,
        format: parse_format(format)?,
        reply: address.map(|address| Reply::new(Arc::clone(&ticket), address)),
        env: own,
    };
    if let Err((reason, job)) = context.submit(Box::new(request)) {
        // The answer goes back from here, so the request must not give one when it is dropped.
        ticket.withdraw();
        drop(job);
        return Ok(failure::rejection(env, reason));
    }
    if is(atoms::cast()) {
        return Ok(atoms::ok().encode(env));
    }
    if waits {
        wait_at_slot(&ticket);
        if let Some(answer) = ticket.leave(env) {
            return Ok(answer);
        }
    }
    Ok((atoms::wait(), ResourceArc::new(TicketRef(ticket))).encode(env))
}

/// `cancelled`, or `replied` if the answer is in the mailbox or about to be.
#[rustler::nif]
fn request_cancel(ticket: ResourceArc<TicketRef>) -> Atom {
    match ticket.0.cancel() {
        Cancelled::Now => atoms::cancelled(),
        Cancelled::Replied => atoms::replied(),
    }
}

fn wait_at_slot(ticket: &Ticket) {
    let since = Instant::now();
    while !ticket.is_replied() && since.elapsed() < PATIENCE {
        std::hint::spin_loop();
    }
}

/// Where a request goes.
enum Target {
    Here(Arc<Entry>),
    /// This slot of the pool has no context yet, and it is its turn.
    Unopened(usize),
    Remote,
    Gone,
}

impl Target {
    /// From a context's pid, a pool and the preferred place in it, or an object.
    fn find(target: Term<'_>) -> NifResult<Target> {
        if target.is_pid() {
            return Ok(match contexts::find(target) {
                Some(entry) => Target::Here(entry),
                None if target.decode::<rustler::LocalPid>().is_err() => Target::Remote,
                None => Target::Gone,
            });
        }
        if let Some(pool) = Tuple::of(target).filter(|pool| pool.len() == 2) {
            let slots = Tuple::of(pool.at(0)).filter(|slots| slots.len() > 0);
            let slots = slots.ok_or(rustler::Error::BadArg)?;
            return Ok(choose(slots, pool.at(1).decode::<usize>()? % slots.len()));
        }
        match object::from_term(target) {
            Some(reference) => Ok(Target::Here(Arc::clone(&reference.entry))),
            None => Err(rustler::Error::BadArg),
        }
    }
}

/// The preferred context unless it is busy and another one is idle. If none is idle at this very
/// instant, at least none that is stuck in a long job while another one has just begun.
fn choose(slots: Tuple<'_>, preferred: usize) -> Target {
    let Some(first) = contexts::find(slots.at(preferred)) else {
        return Target::Unopened(preferred);
    };
    if first.context.is_idle() {
        return Target::Here(first);
    }
    let mut best = first;
    let mut unopened = None;
    for step in 1..slots.len().min(MOST_NEIGHBOURS) {
        let index = (preferred + step) % slots.len();
        match contexts::find(slots.at(index)) {
            Some(entry) if entry.context.is_idle() => return Target::Here(entry),
            Some(entry) if load(&entry) < load(&best) => best = entry,
            Some(_) => {}
            None => unopened = unopened.or(Some(index)),
        }
    }
    unopened.map_or(Target::Here(best), Target::Unopened)
}

/// In a long job or not, then how many wait: ties leave a request where it prefers to be.
fn load(entry: &Entry) -> (bool, usize) {
    (entry.context.busy() >= LONG, entry.context.waiting())
}

fn parse_scope(scope: Term<'_>) -> NifResult<Scope> {
    if scope.as_c_arg() == atoms::context().as_c_arg() {
        Ok(Scope::Context)
    } else if scope.as_c_arg() == atoms::fresh().as_c_arg() {
        Ok(Scope::Fresh)
    } else {
        scope.decode::<ResourceArc<NamespaceRef>>().map(Scope::Private)
    }
}

fn parse_format(format: Term<'_>) -> NifResult<Format> {
    let is = |atom: Atom| format.as_c_arg() == atom.as_c_arg();
    if is(atoms::term()) {
        Ok(Format::Term)
    } else if is(atoms::erlang()) {
        Ok(Format::Erlang)
    } else if is(atoms::object()) {
        Ok(Format::Object)
    } else {
        Err(rustler::Error::BadArg)
    }
}
