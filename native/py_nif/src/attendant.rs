//! What goes to `Py.Attendant`, the process that does for requests nobody waits for, and for
//! threads that Python code started, what callers do for theirs.

use std::sync::Arc;

use rustler::{Encoder, Env, LocalPid, ResourceArc, Term};

use crate::address::Address;
use crate::atoms;
use crate::ops::Op;
use crate::reply::{Ticket, TicketRef};
use crate::terms;

/// A message to it. False if there is no attendant, which is when the application is stopped.
pub fn tell(make: impl for<'a> FnOnce(Env<'a>) -> Term<'a>) -> bool {
    terms::whereis(atoms::attendant()).is_some_and(|attendant| terms::send(&attendant, make))
}

/// The caller of a request as a term, `nil` without one.
pub fn caller<'a>(env: Env<'a>, ticket: Option<&Arc<Ticket>>) -> Term<'a> {
    let pid: Option<LocalPid> = ticket.map(|ticket| ticket.address.caller);
    pid.map_or_else(|| atoms::nil().encode(env), |pid| pid.encode(env))
}

pub fn leader<'a>(env: Env<'a>, ticket: Option<&Arc<Ticket>>) -> Term<'a> {
    let leader = ticket.and_then(|ticket| ticket.address.leader());
    leader.map_or_else(|| atoms::nil().encode(env), |leader| leader.encode(env))
}

/// The answer to a cast: only failures, and what is to be done next, are news to anybody.
pub fn cast_ended(answer: Term<'_>, op: &Op, info: impl for<'a> FnOnce(Env<'a>) -> Term<'a>) {
    let Some(answer) = terms::Tuple::of(answer) else { return };
    let is = |atom: rustler::Atom| answer.at(0).as_c_arg() == atom.as_c_arg();
    if is(atoms::error()) {
        tell(|env| {
            let reason = answer.at(1).in_env(env);
            (atoms::cast_failed(), info(env), op, reason).encode(env)
        });
    } else if is(atoms::schedule()) {
        tell(|env| {
            let [target, args] = [answer.at(1), answer.at(2)].map(|term| term.in_env(env));
            (atoms::cast(), atoms::nil(), target, args).encode(env)
        });
    }
}

/// The answer of a task that has no plain value: it takes Elixir to say what that comes to.
pub fn task_ended(
    reference: ResourceArc<TicketRef>,
    address: &Address,
    info: Term<'_>,
    answer: Term<'_>,
) {
    tell(|env| {
        let (info, answer) = (info.in_env(env), answer.in_env(env));
        let Address { caller, op, .. } = address;
        (atoms::task_ended(), reference, caller, info, op, answer).encode(env)
    });
}
