//! One operation on its way to a context, with its reply address.

use std::sync::Arc;

use py_host::namespace::Missing;
use py_host::{Attached, Handle, Object, Rejection, Worker};
use rustler::{Encoder, Env, ResourceArc, Term};

use crate::convert::{self, Converter};
use crate::current::Current;
use crate::failure::{self, Failure, Outcome};
use crate::object::{self, NamespaceRef};
use crate::reply::{self, Answer, Ticket};
use crate::terms::Tuple;
use crate::{atoms, attendant, ops, output};

pub struct Request {
    ticket: Arc<Ticket>,
    scope: Scope,
    format: Format,
    /// What to go on with, for one that lets others go first: an `erlang._schedule.PyMarker`.
    resume: Option<Handle>,
    answered: bool,
}

/// In which namespace code runs and `__main__` is looked up.
pub enum Scope {
    /// The one that everybody who names the context shares.
    Context,
    /// A new one that goes when the request is done.
    Fresh,
    Private(ResourceArc<NamespaceRef>),
}

impl Scope {
    pub fn namespace<'py>(&self, converter: &Converter<'py>) -> Outcome<'py, Object<'py>> {
        let Converter { py, worker, .. } = *converter;
        match self {
            Scope::Context => Ok(worker.namespace(py)),
            Scope::Fresh => Ok(worker.fresh_namespace(py)?),
            Scope::Private(reference) => {
                reference.0.dict(py, worker).map_err(|missing| match missing {
                    Missing::Elsewhere => Failure::Context(atoms::closed()),
                    Missing::Raised(raised) => raised.into(),
                })
            }
        }
    }
}

/// What the caller wants to get.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Term,
    /// The same with Erlang's habits.
    Erlang,
    Object,
    /// A binary of JSON.
    Json,
}

impl py_host::Job for Request {
    fn id(&self) -> u64 {
        self.ticket.id
    }

    fn run(self: Box<Self>, py: Attached<'_>, worker: &Worker) {
        if self.ticket.start() {
            let ticket = Arc::clone(&self.ticket);
            let current = Current::new(worker, &ticket, self.format == Format::Erlang);
            current.during(|| self.work(py, &current));
        }
    }

    fn reject(mut self: Box<Self>, reason: Rejection) {
        self.answer(Answer::new(|env| failure::rejection(env, reason)));
    }
}

impl Request {
    pub fn new(ticket: Arc<Ticket>, scope: Scope, format: Format) -> Request {
        Request { ticket, scope, format, resume: None, answered: false }
    }

    fn work(mut self: Box<Self>, py: Attached<'_>, current: &Current<'_>) {
        let converter = &current.converter(py);
        let outcome = match self.resume.take() {
            None => ops::run(converter, &self.scope, self.ticket.address.op()),
            Some(marker) => resume(converter, &marker),
        };
        match outcome {
            Ok(value) if value.is_instance_of(&converter.local.py_marker) => {
                self.resume = Some(converter.worker.export(value));
                output::flush(current);
                if converter.entry.context.has_waits() {
                    // Who waits for this one has the others wait as well: on with it.
                    self.work(py, current);
                } else if let Err((reason, job)) = converter.entry.context.submit(self) {
                    job.reject(reason);
                }
            }
            outcome => {
                let outcome = outcome.map_err(|failure| name_interrupt(failure, current.worker));
                (*self).conclude(converter, outcome, current);
            }
        }
    }

    fn conclude<'py>(
        mut self,
        converter: &Converter<'py>,
        outcome: Outcome<'py, Object<'py>>,
        current: &Current<'_>,
    ) {
        output::flush(current);
        attendant::settle(converter, current);
        let answer = Answer::new(|env| {
            let encoded = outcome.and_then(|value| self.encode(env, converter, value));
            encoded.unwrap_or_else(|failure| failure.encode(env, converter))
        });
        // What the conversion has printed.
        output::flush(current);
        current.worker.finish(converter.py);
        self.answer(answer);
    }

    fn encode<'a, 'py>(
        &self,
        env: Env<'a>,
        converter: &Converter<'py>,
        value: Object<'py>,
    ) -> Outcome<'py, Term<'a>> {
        if value.is_instance_of(&converter.local.call_marker) {
            return schedule(env, converter, &value);
        }
        let value = match self.format {
            Format::Term | Format::Erlang => convert::to_elixir(env, converter, &value)?,
            Format::Json => convert::to_json(env, converter, &value)?,
            Format::Object => {
                let name = convert::type_name(&value);
                object::to_struct(env, converter.object_ref(value), &name)
            }
        };
        Ok(reply::ok(env, value))
    }

    /// Once; a second answer has nowhere to go.
    fn answer(&mut self, answer: Answer) {
        if !std::mem::replace(&mut self.answered, true) {
            self.ticket.answer(answer);
        }
    }
}

impl Drop for Request {
    /// A panic on the way is answered, too.
    fn drop(&mut self) {
        if !self.answered {
            self.answer(Answer::new(|env| failure::rejection(env, Rejection::Closed)));
        }
    }
}

fn resume<'py>(converter: &Converter<'py>, marker: &Handle) -> Outcome<'py, Object<'py>> {
    match converter.worker.resolve(converter.py, marker) {
        Some(marker) => Ok(marker.attr(c"resume")?.call0()?),
        None => Err(Failure::Context(atoms::closed())),
    }
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

/// Whoever interrupts has a reason, and the caller hears of that and not of the means.
fn name_interrupt<'py>(failure: Failure<'py>, worker: &Worker) -> Failure<'py> {
    match failure {
        Failure::Raised(raised) if raised.is_interrupt() && worker.context().is_closed() => {
            Failure::Context(atoms::closed())
        }
        Failure::Raised(raised) if raised.is_interrupt() && worker.was_interrupted() => {
            Failure::Context(atoms::interrupted())
        }
        other => other,
    }
}
