//! Many calls in one crossing. Each has an answer of its own.

use py_host::Object;
use rustler::types::list::ListIterator;
use rustler::{Encoder, Env, Term};

use super::call;
use crate::address::Scope;
use crate::atoms;
use crate::convert::Converter;
use crate::failure::Outcome;
use crate::task;
use crate::terms::Tuple;

/// The calls of a batch, each `{Module, Function, Args, Kwargs}`; `None` if the operation is
/// another one.
pub fn calls(op: Term<'_>) -> Option<ListIterator<'_>> {
    let op = Tuple::of(op).filter(|op| op.len() == 2)?;
    if op.at(0).as_c_arg() != atoms::batch().as_c_arg() {
        return None;
    }
    op.at(1).decode().ok()
}

/// A list of the calls' answers, in their order. An interrupt ends the batch.
pub fn run<'a, 'py>(
    env: Env<'a>,
    converter: &Converter<'py>,
    scope: &Scope,
    calls: ListIterator<'_>,
    encode: impl Fn(Object<'py>) -> Outcome<'py, Term<'a>>,
) -> Outcome<'py, Term<'a>> {
    let mut answers = Vec::new();
    for call in calls {
        let answer = match one(converter, scope, call).and_then(&encode) {
            Err(failure) if failure.is_interrupt() => return Err(failure),
            outcome => outcome.unwrap_or_else(|failure| failure.encode(env, converter)),
        };
        answers.push(answer);
    }
    Ok(answers.encode(env))
}

fn one<'py>(
    converter: &Converter<'py>,
    scope: &Scope,
    call: Term<'_>,
) -> Outcome<'py, Object<'py>> {
    match Tuple::of(call).filter(|call| call.len() == 4) {
        Some(parts) => {
            let [module, function, args, kwargs] = [0, 1, 2, 3].map(|index| parts.at(index));
            let mut value = call::call(converter, scope, module, function, args, kwargs)?;
            // In the middle of a batch there is no letting others go first.
            if task::is_coroutine(&value) {
                return Ok(task::run_within(converter, &value)?);
            }
            while value.is_instance_of(&converter.local.py_marker) {
                value = value.attr(c"resume")?.call0()?;
            }
            Ok(value)
        }
        None => Err(super::unknown(call)),
    }
}
