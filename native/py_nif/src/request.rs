//! One operation on its way to a context, with its reply address.

use std::sync::Arc;

use py_host::namespace::Missing;
use py_host::{Attached, Handle, Innermost, Object, Raised, Rejection, Worker};
use rustler::{Atom, Encoder, Env, ResourceArc, Term};

use crate::convert::{self, Converter, Plain};
use crate::current::Current;
use crate::failure::{self, Failure, Outcome};
use crate::object::{self, NamespaceRef};
use crate::reply::{self, Reply, Ticket};
use crate::task::{self, Next, Place};
use crate::terms::{OwnedTerm, Tuple};
use crate::{atoms, callback, ops, output};

pub struct Request {
    ticket: Arc<Ticket>,
    scope: Scope,
    format: Format,
    /// What to go on with, for one that lets others go first: an `erlang._schedule.PyMarker`.
    resume: Option<Handle>,
    /// While it is a task of an event loop.
    place: Option<Place>,
    /// Why that task is being cancelled, if it is not for the caller.
    stopped: Option<Atom>,
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
        let ticket = Arc::clone(&self.ticket);
        task::cancel_doomed(py, worker, &ticket.entry);
        if ticket.start() {
            let current = Current::request(py, worker, &ticket);
            let next = current.during(|| self.work(py, &ticket, &current));
            if next == Next::Drive {
                task::drive(py, worker, &ticket.entry);
            }
        }
    }

    fn reject(mut self: Box<Self>, reason: Rejection) {
        self.refuse(reason);
    }
}

impl Request {
    pub fn new(ticket: Arc<Ticket>, scope: Scope, format: Format) -> Request {
        Request { ticket, scope, format, resume: None, place: None, stopped: None, answered: false }
    }

    pub fn ticket(&self) -> &Arc<Ticket> {
        &self.ticket
    }

    fn work(mut self: Box<Self>, py: Attached<'_>, ticket: &Ticket, current: &Current<'_>) -> Next {
        let converter = &current.converter(py);
        let op = &ticket.address.op;
        if let Some(calls) = op.batch() {
            (*self).conclude(converter, Some(current), |request, env| {
                let encode = |value| Ok(request.encode(env, converter, value)?.0);
                let answers = ops::batch::run(env, converter, &request.scope, calls, encode);
                let answers = answers.map_err(|failure| name_interrupt(failure, current.worker))?;
                Ok(reply::ok(env, answers))
            });
            return Next::Nothing;
        }
        let outcome = match self.resume.take() {
            None => op.run(converter, &self.scope),
            Some(marker) => resume(converter, &marker),
        };
        match outcome {
            Ok(value) if value.is_instance_of(&converter.local.py_marker) => {
                output::flush(current);
                self.go_on_later(converter, value, Some(current))
            }
            Ok(value) if task::is_coroutine(&value) && op.awaits() => {
                self.become_task(converter, &value, current)
            }
            outcome => (*self).conclude_job(converter, outcome, current),
        }
    }

    /// Lets others go first.
    fn go_on_later(
        mut self: Box<Self>,
        converter: &Converter<'_>,
        marker: Object<'_>,
        current: Option<&Current<'_>>,
    ) -> Next {
        let context = &converter.entry.context;
        self.resume = Some(converter.worker.export(marker));
        match current {
            // Who waits for this one has the others wait as well: on with it.
            Some(current) if context.innermost() == Innermost::Answer => {
                let ticket = Arc::clone(&self.ticket);
                return self.work(converter.py, &ticket, current);
            }
            _ => {}
        }
        if let Err((reason, job)) = context.submit(self) {
            job.reject(reason);
        }
        Next::Nothing
    }

    /// What the function gave is a coroutine, whose result is the answer.
    fn become_task<'py>(
        mut self: Box<Self>,
        converter: &Converter<'py>,
        coroutine: &Object<'py>,
        current: &Current<'_>,
    ) -> Next {
        let poller = match converter.entry.context.innermost() {
            Innermost::None => 0,
            Innermost::Poller(poller) => poller,
            Innermost::Answer => {
                let outcome = task::run_within(converter, coroutine).map_err(Failure::from);
                return (*self).conclude_job(converter, outcome, current);
            }
        };
        if converter.worker.is_inline() {
            close(coroutine);
            let refused = Err(callback::interrupted(converter));
            return (*self).conclude_job(converter, refused, current);
        }
        self.place = Place::take(converter.entry);
        if self.place.is_none() || !self.ticket.become_task() {
            close(coroutine);
            return (*self).conclude_job(converter, Err(Failure::Context(atoms::busy())), current);
        }
        let begun = task::begin(converter, self, coroutine, poller);
        // What its first step has printed; the next one is none of this job's.
        output::flush(current);
        match begun {
            Ok(next) => next,
            Err((raised, request)) => {
                if let Some(request) = request {
                    (*request).conclude_job(converter, Err(raised.into()), current);
                }
                // It may have left a task in there, which is to clear up.
                if poller == 0 {
                    Next::Drive
                } else {
                    Next::Nothing
                }
            }
        }
    }

    /// Its task is done.
    pub fn end_as_task<'py>(
        mut self: Box<Self>,
        converter: &Converter<'py>,
        result: Result<Object<'py>, Raised<'py>>,
        current: Option<&Current<'_>>,
    ) {
        if self.ticket.is_cancelled() {
            return;
        }
        self.place = None;
        let converter = &Converter { erlang: self.ticket.erlang, ..*converter };
        match result {
            Ok(value) if value.is_instance_of(&converter.local.py_marker) => {
                self.ticket.leave_task();
                self.go_on_later(converter, value, None);
            }
            result => {
                let outcome = result.map_err(|raised| self.name_end(converter, raised));
                (*self).conclude_with(converter, outcome, current);
            }
        }
    }

    /// Its task is about to be cancelled for that reason.
    pub fn stop(&mut self, reason: Atom) {
        self.stopped = Some(reason);
    }

    fn name_end<'py>(&self, converter: &Converter<'py>, raised: Raised<'py>) -> Failure<'py> {
        let is_stop = || {
            raised.is_interrupt()
                || convert::type_name(raised.exception()) == "asyncio.exceptions.CancelledError"
        };
        let closed = converter.entry.context.is_closed();
        match if closed { Some(atoms::closed()) } else { self.stopped } {
            Some(reason) if is_stop() => Failure::Context(reason),
            _ => raised.into(),
        }
    }

    fn conclude_job<'py>(
        self,
        converter: &Converter<'py>,
        outcome: Outcome<'py, Object<'py>>,
        current: &Current<'_>,
    ) -> Next {
        self.conclude_with(converter, outcome, Some(current));
        Next::Nothing
    }

    fn conclude_with<'py>(
        self,
        converter: &Converter<'py>,
        outcome: Outcome<'py, Object<'py>>,
        current: Option<&Current<'_>>,
    ) {
        let is_term = matches!(self.format, Format::Term | Format::Erlang);
        let plain = match &outcome {
            Ok(value) if is_term && self.ticket.address.times.is_none() => {
                Plain::of(converter, value)
            }
            _ => None,
        };
        match plain {
            Some(value) => self.end(converter, current, Reply::Value(value)),
            None => {
                // Released when the answer is away.
                let mut spent = None;
                self.conclude(converter, current, |request, env| {
                    let made = outcome.and_then(|value| {
                        let (term, value) = request.encode(env, converter, value)?;
                        spent = value;
                        Ok(term)
                    });
                    // A task's end has its name already, and what the thread runs is not the task.
                    if converter.worker.is_at(request.ticket.id) {
                        made.map_err(|failure| name_interrupt(failure, converter.worker))
                    } else {
                        made
                    }
                });
            }
        }
    }

    fn conclude<'py>(
        self,
        converter: &Converter<'py>,
        current: Option<&Current<'_>>,
        make: impl for<'a> FnOnce(&Request, Env<'a>) -> Outcome<'py, Term<'a>>,
    ) {
        self.ticket.address.times.as_ref().inspect(|times| times.ran());
        let answer = OwnedTerm::new(|env| {
            let made = make(&self, env).unwrap_or_else(|failure| failure.encode(env, converter));
            match &self.ticket.address.times {
                Some(times) => times.encode(env, &self.ticket.entry.pid, made),
                None => made,
            }
        });
        self.end(converter, current, Reply::Term(answer));
    }

    fn end(mut self, converter: &Converter<'_>, current: Option<&Current<'_>>, reply: Reply) {
        // All that was printed, by the conversion as well.
        if let Some(current) = current {
            output::flush(current);
        }
        output::settle(converter, &self.ticket);
        if converter.worker.is_at(self.ticket.id) {
            converter.worker.finish(converter.py);
        }
        self.answer(reply);
    }

    /// The answer, and the value if that may be released later.
    fn encode<'a, 'py>(
        &self,
        env: Env<'a>,
        converter: &Converter<'py>,
        value: Object<'py>,
    ) -> Outcome<'py, (Term<'a>, Option<Object<'py>>)> {
        if value.is_instance_of(&converter.local.call_marker) {
            return Ok((schedule(env, converter, &value)?, None));
        }
        let (term, spent) = match self.format {
            Format::Term | Format::Erlang => convert::spend(env, converter, value)?,
            Format::Json => (convert::to_json(env, converter, &value)?, None),
            Format::Object => {
                let name = convert::type_name(&value);
                (object::to_struct(env, converter.object_ref(value), &name), None)
            }
        };
        Ok((reply::ok(env, term), spent))
    }

    /// Once; a second answer has nowhere to go.
    fn answer(&mut self, reply: Reply) {
        if !std::mem::replace(&mut self.answered, true) {
            self.ticket.answer(reply);
        }
    }

    fn refuse(&mut self, reason: Rejection) {
        self.answer(Reply::Term(OwnedTerm::new(|env| failure::rejection(env, reason))));
    }
}

impl Drop for Request {
    /// A panic on the way is answered, too.
    fn drop(&mut self) {
        if !self.answered {
            self.refuse(Rejection::Closed);
        }
    }
}

/// So that Python does not complain that nobody has awaited it.
fn close(coroutine: &Object<'_>) {
    drop(coroutine.attr(c"close").and_then(|close| close.call0()));
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
    let is_interrupt = failure.is_interrupt();
    let is_memory = matches!(&failure, Failure::Raised(raised) if raised.is_memory_error());
    if is_interrupt && worker.context().is_closed() {
        Failure::Context(atoms::closed())
    } else if (is_interrupt || is_memory) && worker.exceeded_memory() {
        Failure::Context(atoms::out_of_memory())
    } else if is_interrupt && worker.was_interrupted() {
        Failure::Context(atoms::interrupted())
    } else {
        failure
    }
}
