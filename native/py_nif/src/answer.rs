//! What the answer to a request is made of, whether that has a ticket or runs inline.

use std::sync::Arc;

use py_host::{Innermost, Object, Worker};
use rustler::{Encoder, Env, Term};

use crate::address::Format;
use crate::convert::{self, Converter};
use crate::current::Current;
use crate::failure::{Failure, Outcome};
use crate::reply::{self, Ticket};
use crate::terms::Tuple;
use crate::{atoms, object, output};

/// All has been done but the answer.
pub fn end(
    converter: &Converter<'_>,
    id: u64,
    ticket: Option<&Arc<Ticket>>,
    current: Option<&Current<'_>>,
) {
    // All that was printed, by the conversion as well.
    if let Some(current) = current {
        output::flush(current);
    }
    if let Some(ticket) = ticket {
        output::settle(converter, ticket);
    }
    if converter.worker.is_at(id) {
        let interrupted = converter.worker.was_interrupted();
        converter.worker.finish(converter.py);
        if interrupted {
            put_right(converter);
        }
    }
}

/// Nothing interrupts that any more. What is left of an event loop may be that of somebody who
/// waits for the request.
fn put_right(converter: &Converter<'_>) {
    let name = match converter.entry.context.innermost() {
        Innermost::None => c"put_right",
        Innermost::Poller(_) => c"put_right_within_loop",
        Innermost::Answer => c"put_imports_right",
    };
    let module = Object::import(converter.py, c"erlang._interrupt");
    drop(module.and_then(|module| module.attr(name)?.call0()));
}

/// The answer, and the value if that may be released later.
pub fn encode<'a, 'py>(
    env: Env<'a>,
    converter: &Converter<'py>,
    format: Format,
    value: Object<'py>,
) -> Outcome<'py, (Term<'a>, Option<Object<'py>>)> {
    if value.is_instance_of(&converter.local.call_marker) {
        return Ok((schedule(env, converter, &value)?, None));
    }
    let (term, spent) = match format {
        Format::Term | Format::Erlang => convert::spend(env, converter, value)?,
        Format::Json => (convert::to_json(env, converter, &value)?, None),
        Format::Object => {
            let name = convert::type_name(&value);
            (object::to_struct(env, converter.object_ref(value), &name), None)
        }
    };
    Ok((reply::ok(env, term), spent))
}

/// `{schedule, Target, Args}`: the caller goes on with a function of its own.
fn schedule<'a, 'py>(
    env: Env<'a>,
    converter: &Converter<'py>,
    marker: &Object<'py>,
) -> Outcome<'py, Term<'a>> {
    let target = convert::to_elixir(env, converter, &marker.attr(c"target")?)?;
    let args = convert::to_elixir(env, converter, &marker.attr(c"args")?)?;
    let args: Vec<Term<'a>> = Tuple::of(args).map_or_else(Vec::new, |args| args.iter().collect());
    Ok((atoms::schedule(), target, args).encode(env))
}

/// What was done before anybody could stop it may have taken too much all the same.
pub fn within_memory<'py, T>(done: T, worker: &Worker) -> Outcome<'py, T> {
    if worker.exceeded_memory() {
        return Err(Failure::Context(atoms::out_of_memory()));
    }
    Ok(done)
}

/// Whoever interrupts has a reason, and the caller hears of that and not of the means.
pub fn name_interrupt<'py>(failure: Failure<'py>, worker: &Worker) -> Failure<'py> {
    let is_interrupt = failure.is_interrupt();
    let is_memory = matches!(&failure, Failure::Raised(raised) if raised.is_memory_error());
    if is_interrupt && worker.context().is_closed() {
        Failure::Context(atoms::closed())
    } else if (is_interrupt || is_memory) && worker.exceeded_memory()
        || is_memory && worker.was_refused_memory()
    {
        Failure::Context(atoms::out_of_memory())
    } else if is_interrupt && worker.was_interrupted() {
        Failure::Context(atoms::interrupted())
    } else {
        failure
    }
}
