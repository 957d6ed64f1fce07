//! What a request may ask for: one row each, the work in the files beside.

pub mod batch;
mod buffer;
mod call;
mod code;
mod object;
mod plain;

use py_host::Object;
use rustler::types::list::ListIterator;
use rustler::{Atom, Encoder, Env, Term};

use crate::address::Scope;
use crate::convert::Converter;
use crate::failure::{Direction, Outcome, Unconvertible};
use crate::terms::{OwnedTerm, Tuple};
use crate::{atoms, timeslice};

use plain::PlainOp;

/// More elements than any operation has: one that is too long matches no row either.
const LONGEST: usize = 6;

/// An operation on its way.
pub enum Op {
    Plain(PlainOp),
    Term(OwnedTerm),
}

impl Op {
    pub fn of(op: Term<'_>) -> Op {
        PlainOp::of(op).map_or_else(|| Op::Term(OwnedTerm::of(op)), Op::Plain)
    }

    /// The same at the expense of the process that has called: a copy takes as long as it is large.
    pub fn paid(env: Env<'_>, op: Term<'_>) -> Op {
        let copy = || timeslice::paid(env, || OwnedTerm::of(op));
        PlainOp::of(op).map_or_else(|| Op::Term(copy()), Op::Plain)
    }

    pub fn run<'py>(&self, converter: &Converter<'py>, scope: &Scope) -> Outcome<'py, Object<'py>> {
        match self {
            Op::Plain(op) => op.run(converter, scope),
            Op::Term(op) => run(converter, scope, op.term()),
        }
    }

    /// See below.
    pub fn awaits(&self) -> bool {
        match self {
            Op::Plain(_) => true,
            Op::Term(op) => awaits(op.term()),
        }
    }

    /// Its calls, if it is many.
    pub fn batch(&self) -> Option<ListIterator<'_>> {
        match self {
            Op::Plain(_) => None,
            Op::Term(op) => batch::calls(op.term()),
        }
    }
}

impl Encoder for Op {
    fn encode<'a>(&self, env: Env<'a>) -> Term<'a> {
        match self {
            Op::Plain(op) => op.encode(env),
            Op::Term(op) => op.term().in_env(env),
        }
    }
}

/// Does it run code, so that a coroutine it gives is to be awaited? What others give was there
/// before.
fn awaits(op: Term<'_>) -> bool {
    let names = [atoms::call(), atoms::call_method(), atoms::call_object(), atoms::eval()];
    Tuple::of(op)
        .is_some_and(|parts| names.iter().any(|name| name.as_c_arg() == parts.at(0).as_c_arg()))
}

/// Runs one operation. The tuple comes from `Py.Request`, which has looked at the shapes.
pub fn run<'py>(
    converter: &Converter<'py>,
    scope: &Scope,
    op: Term<'_>,
) -> Outcome<'py, Object<'py>> {
    let mut place = [op; LONGEST];
    let parts = Tuple::of(op).map(|parts| parts.fill(&mut place));
    let Some((name, arguments)) = parts.and_then(|parts| parts.split_first()) else {
        return Err(unknown(op));
    };
    let is = |atom: Atom| name.as_c_arg() == atom.as_c_arg();
    match *arguments {
        [module, function, args, kwargs] if is(atoms::call()) => {
            call::call(converter, scope, module, function, args, kwargs)
        }
        [code, vars] if is(atoms::eval()) => code::eval_term(converter, scope, code, vars),
        [code, vars, file, line, assigns] if is(atoms::sigil()) => {
            code::sigil(converter, scope, [code, vars, file, line, assigns])
        }
        [code] if is(atoms::exec()) => code::exec(converter, scope, code),
        [code] if is(atoms::preload()) => code::preload(converter, code),
        [module] if is(atoms::import()) => call::import(converter, module),
        [object, name] if is(atoms::getattr()) => object::getattr(converter, object, name),
        [object, name, default] if is(atoms::getattr()) => {
            object::getattr_or(converter, object, name, default)
        }
        [object, name, value] if is(atoms::setattr()) => {
            object::setattr(converter, object, name, value)
        }
        [object, args, kwargs] if is(atoms::call_object()) => {
            call::call_object(converter, object, args, kwargs)
        }
        [object, name, args, kwargs] if is(atoms::call_method()) => {
            call::call_method(converter, object, name, args, kwargs)
        }
        [object, key] if is(atoms::get_item()) => object::get_item(converter, object, key),
        [object, key, value] if is(atoms::set_item()) => {
            object::set_item(converter, object, key, value)
        }
        [object] if is(atoms::to_term()) => object::itself(converter, object),
        [object] if is(atoms::type_()) => object::type_name(converter, object),
        [object] if is(atoms::dir()) => object::dir(converter, object),
        [object] if is(atoms::repr()) => object::repr(converter, object),
        [object] if is(atoms::str()) => object::str(converter, object),
        [object] if is(atoms::len()) => object::len(converter, object),
        [object] if is(atoms::to_binary()) => buffer::to_binary(converter, object),
        [object] if is(atoms::buffer_info()) => buffer::buffer_info(converter, object),
        _ => Err(unknown(op)),
    }
}

fn unknown<'py>(op: Term<'_>) -> crate::failure::Failure<'py> {
    Unconvertible::new(
        Direction::ToPython,
        "unknown_operation",
        format!("no operation looks like {op:?}"),
    )
    .into()
}
