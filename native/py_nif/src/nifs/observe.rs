//! Looking at what contexts do.

use py_host::Looked;
use rustler::{Atom, Encoder, Env, Term};

use super::Tagged;
use crate::terms::Tuple;
use crate::{atoms, contexts, observe};

#[rustler::nif]
fn tracing_set(on: bool) -> Atom {
    observe::set_tracing(on);
    atoms::ok()
}

#[rustler::nif]
fn log_level_set(level: Option<i32>) -> Atom {
    observe::set_log_level(level.unwrap_or(observe::UNSET));
    atoms::ok()
}

/// `{Caller, Op}` of the innermost request there, without its arguments; `nil` if there is none.
#[rustler::nif]
fn context_operation<'a>(env: Env<'a>, pid: Term<'a>) -> Term<'a> {
    let Some(ticket) = contexts::find(pid).and_then(|entry| entry.current.get()) else {
        return atoms::nil().encode(env);
    };
    let Some(op) = Tuple::of(ticket.address.op.encode(env)) else {
        return atoms::nil().encode(env);
    };
    let is = |atom: Atom| op.at(0).as_c_arg() == atom.as_c_arg();
    let part = |index: usize| op.at(index);
    let operation = match op.len() {
        5 if is(atoms::call()) => (part(0), part(1), part(2)).encode(env),
        5 if is(atoms::call_method()) => (part(0), part(1), part(2)).encode(env),
        2 | 3 if is(atoms::eval()) || is(atoms::exec()) => (part(0), part(1)).encode(env),
        _ => part(0),
    };
    (ticket.address.caller, operation).encode(env)
}

/// Answers `{Tag, {ok, Text} | closed | busy}`, when the thread of that context lets go of its GIL.
#[rustler::nif]
fn context_stack<'a>(env: Env<'a>, pid: Term<'a>, tag: Term<'a>) -> Atom {
    let Some(entry) = contexts::find(pid) else {
        return atoms::closed();
    };
    let tagged = Tagged::new(env, tag);
    entry.context.look(observe::stack, move |looked| match looked {
        Looked::Seen(text) => tagged.send((atoms::ok(), text)),
        Looked::Busy => tagged.send(atoms::busy()),
        Looked::Closed => tagged.send(atoms::closed()),
    });
    atoms::ok()
}
