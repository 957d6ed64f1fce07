//! Submitting and cancelling requests: the way every operation goes.

use std::ffi::c_int;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::Arc;
use std::time::Duration;

use py_host::queue::SharedJob;
use py_host::{Nested, Rejection};
use rustler::codegen_runtime::{handle_nif_result, inventory};
use rustler::sys::{ErlNifEnv, ErlNifTerm};
use rustler::{Atom, Encoder, Env, Nif, NifResult, ResourceArc, Term};

use crate::address::{Address, CastInfo, Format, Kind, Scope};
use crate::atoms;
use crate::callback::CallbackRef;
use crate::contexts::{self, Entry};
use crate::failure;
use crate::inline::Inline;
use crate::object::{self, NamespaceRef};
use crate::ops::Op;
use crate::patience;
use crate::reply::{Cancelled, Ticket, TicketRef};
use crate::terms::{AnyPid, OwnedTerm, Tuple};
use crate::times::Times;
use crate::timeslice;

/// How long a submitter looks at the slot, on its scheduler, when the worker is awake. Most short
/// calls are done by then, and neither of the two has to be woken.
const AT_ONCE: Duration = Duration::from_micros(3);

/// With more requests than that before ours, the slot will not be filled in time.
const SHORT_QUEUE: usize = 3;

/// A job that has been running for so long may well run for longer.
const LONG: Duration = Duration::from_millis(10);

/// When the preferred context of a pool is busy: so many others are asked whether they are idle.
const MOST_NEIGHBOURS: usize = 16;

inventory::submit! {
    Nif { name: c"request_submit".as_ptr(), arity: 5, flags: 0, raw_func: request_submit }
}

/// What `#[rustler::nif]` would make of `submit`, but for a vector of the arguments: to allocate
/// that takes a thirtieth of an inline call.
unsafe extern "C" fn request_submit(
    env: *mut ErlNifEnv,
    _count: c_int,
    arguments: *const ErlNifTerm,
) -> ErlNifTerm {
    let call = ();
    // SAFETY: the BEAM calls us with an environment that lives until we return, and with as many
    // terms of it as we have registered arguments.
    unsafe {
        let env = Env::new(&call, env);
        let arguments = *arguments.cast::<[ErlNifTerm; 5]>();
        let result = catch_unwind(AssertUnwindSafe(|| {
            Ok(submit(env, arguments.map(|argument| Term::new(env, argument))))
        }));
        handle_nif_result(result, env).apply(env)
    }
}

fn submit<'a>(
    env: Env<'a>,
    [target, op, scope, format, kind]: [Term<'a>; 5],
) -> NifResult<Term<'a>> {
    let inline = kind.as_c_arg() == atoms::inline().as_c_arg();
    let (entry, nested) = match Target::find(target, inline)? {
        Target::Here(entry) => (entry, None),
        Target::Within(entry, nested) => (entry, Some(nested)),
        Target::Unopened(index) => return Ok((atoms::unopened(), index).encode(env)),
        Target::Remote => return Ok(atoms::remote().encode(env)),
        Target::Gone => {
            return Ok((atoms::error(), (atoms::context(), atoms::not_found())).encode(env))
        }
    };
    let (scope, wanted) = (parse_scope(scope)?, parse_format(format)?);
    if inline && nested.is_none() {
        if let Some(answer) = Inline::new(env, &entry, op, &scope, wanted).run() {
            return Ok(answer);
        }
    }
    let (kind, is_timed) = parse_kind(kind, format)?;
    let (is_cast, is_task) = (matches!(kind, Kind::Cast { .. }), matches!(kind, Kind::Task { .. }));
    // Only a caller that waits can be in the middle of a callback.
    let nested = nested.filter(|_| matches!(kind, Kind::Call));
    let waits = matches!(kind, Kind::Call)
        && match &nested {
            Some(nested) => nested.is_hot(),
            None => entry.context.is_hot() && entry.context.waiting() < SHORT_QUEUE,
        };
    let times = is_timed.then(Times::default);
    let address =
        Address { op: Op::paid(env, op), scope, format: wanted, caller: env.pid(), kind, times };
    let ticket = Ticket::new(entry, address);
    let task = is_task.then(|| ticket.reference(env));
    let job: SharedJob = Arc::clone(&ticket) as SharedJob;
    if let Err((reason, job)) = push(&ticket.entry, nested.as_deref(), job) {
        drop(job);
        ticket.withdraw();
        return Ok(failure::rejection(env, reason));
    }
    if is_cast {
        return Ok(atoms::ok().encode(env));
    }
    if waits {
        patience::look(&ticket, AT_ONCE);
        if let Some(answer) = ticket.take(env) {
            return Ok(answer);
        }
    }
    let reference = task.unwrap_or_else(|| ticket.reference(env));
    Ok((atoms::wait(), reference).encode(env))
}

fn push(
    entry: &Entry,
    nested: Option<&Nested>,
    job: SharedJob,
) -> Result<(), (Rejection, SharedJob)> {
    match nested {
        Some(nested) => nested.submit(job),
        None => entry.context.submit(job),
    }
}

/// The answer if it is there by now; otherwise `wait`, and it comes as a message.
#[rustler::nif]
fn request_expect<'a>(env: Env<'a>, ticket: ResourceArc<TicketRef>, tag: Term<'a>) -> Term<'a> {
    ticket.0.expect(env, tag).unwrap_or_else(|| atoms::wait().encode(env))
}

/// The same for a caller with time to look: the answer if it is there within microseconds.
#[rustler::nif]
fn request_fetch<'a>(
    env: Env<'a>,
    ticket: ResourceArc<TicketRef>,
    tag: Term<'a>,
    others: usize,
) -> Term<'a> {
    look(env, &ticket.0, others);
    ticket.0.expect(env, tag).unwrap_or_else(|| atoms::wait().encode(env))
}

/// Comes back within microseconds; by then the message of a task may be there.
#[rustler::nif]
fn request_look(env: Env<'_>, ticket: Term<'_>) -> Atom {
    // A task that was refused has no ticket, and its message is there.
    if let Ok(ticket) = ticket.decode::<ResourceArc<TicketRef>>() {
        look(env, &ticket.0, 0);
    }
    atoms::ok()
}

/// So many others for each scheduler make for a long time until a process has its next turn.
const CROWD: usize = 4;

/// While others want the schedulers, only for a worker that has to wake up, and only in a crowd:
/// by the next turn that worker would be asleep again.
fn look(env: Env<'_>, ticket: &Ticket, others: usize) {
    let context = &ticket.entry.context;
    let is_awake = context.is_hot();
    // In the queue of one that wakes up there is ours.
    let most = if is_awake { SHORT_QUEUE } else { 1 };
    if context.waiting() <= most && (others == 0 || (others >= CROWD && !is_awake)) {
        timeslice::paid(env, || ticket.entry.patience.look(ticket, is_awake));
    }
}

/// `cancelled`, or `replied` if the answer is in the mailbox or about to be.
#[rustler::nif]
fn request_cancel(ticket: ResourceArc<TicketRef>) -> Atom {
    match ticket.0.cancel() {
        Cancelled::Replied => atoms::replied(),
        Cancelled::Now => atoms::cancelled(),
    }
}

/// What Python waits for; `gone` if it no longer does.
#[rustler::nif]
fn callback_reply<'a>(env: Env<'a>, callback: ResourceArc<CallbackRef>, answer: Term<'a>) -> Atom {
    if timeslice::paid(env, || callback.0.give(answer)) {
        atoms::ok()
    } else {
        atoms::gone()
    }
}

/// Where a request goes.
enum Target {
    Here(Arc<Entry>),
    /// On top of the request there that waits for its caller.
    Within(Arc<Entry>, Arc<Nested>),
    /// This slot of the pool has no context yet, and it is its turn.
    Unopened(usize),
    Remote,
    Gone,
}

impl Target {
    /// From a context's pid, a pool and the preferred place in it, an object, or a callback.
    fn find(target: Term<'_>, inline: bool) -> NifResult<Target> {
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
            return Ok(choose(slots, pool.at(1).decode::<usize>()? % slots.len(), inline));
        }
        if let Some(reference) = object::from_term(target) {
            return Ok(Target::Here(Arc::clone(&reference.entry)));
        }
        let callback = target.decode::<ResourceArc<CallbackRef>>()?;
        let entry = Arc::clone(&callback.0.entry);
        Ok(match callback.0.nested() {
            Some(nested) => Target::Within(entry, Arc::clone(nested)),
            None => Target::Here(entry),
        })
    }
}

/// The preferred context unless it is busy and another one is idle. If none is idle at this very
/// instant, at least none that is stuck in a long job while another one has just begun.
fn choose(slots: Tuple<'_>, preferred: usize, inline: bool) -> Target {
    let Some(first) = contexts::find(slots.at(preferred)) else {
        return Target::Unopened(preferred);
    };
    let neighbours =
        || (1..slots.len().min(MOST_NEIGHBOURS)).map(|step| (preferred + step) % slots.len());
    if first.context.is_idle() {
        if inline || first.context.is_hot() {
            return Target::Here(first);
        }
        // To wake it takes longer than most calls do, and another one may be looking out.
        let awake = |entry: &Arc<Entry>| entry.context.is_idle() && entry.context.is_hot();
        let other = neighbours().filter_map(|index| contexts::find(slots.at(index))).find(awake);
        return Target::Here(other.unwrap_or(first));
    }
    let mut best = first;
    let mut unopened = None;
    for index in neighbours() {
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

/// `call`, `inline`, `{spawn, Leader}`, `{cast, Leader, IsRouted | Info}` or
/// `{task, Leader, Info, Timeout}`, and whether the answer is to say how long all took
/// (`timed_call`, `timed_spawn`).
fn parse_kind(kind: Term<'_>, format: Term<'_>) -> NifResult<(Kind, bool)> {
    let is = |term: Term<'_>, atom: Atom| term.as_c_arg() == atom.as_c_arg();
    if kind.is_atom() {
        return Ok((Kind::Call, is(kind, atoms::timed_call())));
    }
    let parts = Tuple::of(kind).filter(|parts| parts.len() > 1).ok_or(rustler::Error::BadArg)?;
    let leader = AnyPid::of(parts.at(1));
    let kind = match parts.len() {
        2 => Kind::Spawn { leader },
        3 => {
            let info = match parts.at(2).decode() {
                Ok(routed) => CastInfo::Own { format: format.decode()?, routed },
                Err(_) => CastInfo::Given(OwnedTerm::of(parts.at(2))),
            };
            Kind::Cast { leader, info }
        }
        4 => {
            let timeout = parts.at(3).decode().ok().map(Duration::from_millis);
            Kind::Task { leader, info: OwnedTerm::of(parts.at(2)), timeout }
        }
        _ => return Err(rustler::Error::BadArg),
    };
    Ok((kind, is(parts.at(0), atoms::timed_spawn())))
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
    } else if is(atoms::json()) {
        Ok(Format::Json)
    } else {
        Err(rustler::Error::BadArg)
    }
}
