//! A request on its context's thread: what it comes to, and that it is answered.

use std::sync::{Arc, Mutex, PoisonError};

use py_host::{Attached, Handle, Innermost, Kept, Object, Raised, Rejection, Worker};
use rustler::{Atom, Env, Term};

use crate::address::{Address, Format};
use crate::answer::{self, encode, name_interrupt, within_memory};
use crate::convert::{self, Converter, Plain};
use crate::current::Current;
use crate::failure::{self, Failure, Outcome};
use crate::reply::{self, Reply, Ticket};
use crate::task::{self, Next, Place};
use crate::terms::OwnedTerm;
use crate::{atoms, callback, ops, output};

/// The duty to answer a ticket. Dropped, it says that the context has closed: a panic on the way is
/// answered, too.
pub struct Request {
    /// Until that is done.
    ticket: Option<Arc<Ticket>>,
    /// While it is a task of an event loop.
    place: Option<Place>,
    /// Why that task is being cancelled, if it is not for the caller.
    stopped: Option<Atom>,
}

/// What there is to say, once all that belongs to the request has been done.
struct Answer {
    reply: Reply,
    /// The value, if that may be released when the answer is away.
    spent: Option<Kept>,
}

/// One that lets others go first goes on with this, an `erlang._schedule.PyMarker`.
struct Resumed {
    id: u64,
    request: Mutex<Option<Request>>,
    marker: Handle,
}

impl py_host::Job for Ticket {
    fn id(&self) -> u64 {
        self.id
    }

    fn run(self: Arc<Self>, py: Attached<'_>, worker: &Worker) {
        Request::of(self).run(py, worker, None);
    }

    fn reject(self: Arc<Self>, reason: Rejection) {
        Request::of(self).refuse(reason);
    }
}

impl Resumed {
    fn request(&self) -> Option<Request> {
        self.request.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl py_host::Job for Resumed {
    fn id(&self) -> u64 {
        self.id
    }

    fn run(self: Arc<Self>, py: Attached<'_>, worker: &Worker) {
        if let Some(request) = self.request() {
            request.run(py, worker, Some(&self.marker));
        }
    }

    fn reject(self: Arc<Self>, reason: Rejection) {
        if let Some(request) = self.request() {
            request.refuse(reason);
        }
    }
}

impl Request {
    pub fn of(ticket: Arc<Ticket>) -> Request {
        Request { ticket: Some(ticket), place: None, stopped: None }
    }

    pub fn ticket(&self) -> &Arc<Ticket> {
        self.ticket.as_ref().expect("it is not answered yet")
    }

    fn run(self, py: Attached<'_>, worker: &Worker, marker: Option<&Handle>) {
        let ticket = self.ticket();
        task::cancel_doomed(py, worker, &ticket.entry);
        if !ticket.start() {
            return;
        }
        let (answer, next) = {
            let current = Current::request(py, worker, ticket);
            current.during(py, || self.work(&current.converter(py), marker, &current))
        };
        let loops = (next == Next::Drive).then(|| Arc::clone(&ticket.entry));
        self.leave(answer);
        if let Some(entry) = loops {
            task::drive(py, worker, &entry);
        }
    }

    /// The rest of one that has run on its caller's scheduler: no loop runs there.
    pub fn end_inline<'py>(
        self,
        converter: &Converter<'py>,
        outcome: Outcome<'py, Object<'py>>,
        current: &Current<'_>,
    ) {
        let (answer, _next) = self.end_with(converter, outcome, current);
        self.leave(answer);
    }

    /// The answer, unless somebody else is to give it.
    fn work<'py>(
        &self,
        converter: &Converter<'py>,
        marker: Option<&Handle>,
        current: &Current<'_>,
    ) -> (Option<Answer>, Next) {
        let Address { op, scope, format, .. } = &self.ticket().address;
        if let Some(calls) = op.batch() {
            let answer = self.conclude(converter, Some(current), |env| {
                let encode = |value| Ok(encode(env, converter, *format, value)?.0);
                let answers = ops::batch::run(env, converter, scope, calls, encode);
                let answers = answers.map_err(|failure| name_interrupt(failure, current.worker))?;
                let answers = within_memory(answers, current.worker)?;
                Ok((reply::ok(env, answers), None))
            });
            return (Some(answer), Next::Nothing);
        }
        let outcome = match marker {
            None => op.run(converter, scope),
            Some(marker) => resume(converter, marker),
        };
        self.end_with(converter, outcome, current)
    }

    /// The same for what has come of the operation.
    fn end_with<'py>(
        &self,
        converter: &Converter<'py>,
        outcome: Outcome<'py, Object<'py>>,
        current: &Current<'_>,
    ) -> (Option<Answer>, Next) {
        let op = &self.ticket().address.op;
        let outcome = match outcome {
            Ok(value) if value.is_instance_of(&converter.local.py_marker) => {
                output::flush(current);
                let marker = converter.worker.export(value);
                // Who waits for this one has the others wait as well: on with it.
                if converter.entry.context.innermost() == Innermost::Answer {
                    return self.work(converter, Some(&marker), current);
                }
                self.twin().go_on_later(marker);
                return (None, Next::Nothing);
            }
            Ok(value) if task::is_coroutine(&value) && op.awaits() => {
                match self.become_task(converter, &value, current) {
                    Begun::Task(next) => return (None, next),
                    Begun::Failed(failure, next) => {
                        let answer = self.conclude_with(converter, Err(failure), Some(current));
                        return (Some(answer), next);
                    }
                    Begun::Ended(outcome) => outcome,
                }
            }
            outcome => outcome,
        };
        (Some(self.conclude_with(converter, outcome, Some(current))), Next::Nothing)
    }

    /// The same duty for somebody else, who takes it over.
    fn twin(&self) -> Request {
        Request::of(Arc::clone(self.ticket()))
    }

    /// Somebody has taken the duty over.
    fn pass_on(mut self) {
        self.ticket = None;
    }

    /// Lets others go first.
    fn go_on_later(self, marker: Handle) {
        let ticket = Arc::clone(self.ticket());
        let job = Resumed { id: ticket.id, request: Mutex::new(Some(self)), marker };
        if let Err((reason, job)) = ticket.entry.context.submit(Arc::new(job)) {
            job.reject(reason);
        }
    }

    /// What the function gave is a coroutine, whose result is the answer.
    fn become_task<'py>(
        &self,
        converter: &Converter<'py>,
        coroutine: &Object<'py>,
        current: &Current<'_>,
    ) -> Begun<'py> {
        let poller = match converter.entry.context.innermost() {
            Innermost::None => 0,
            Innermost::Poller(poller) => poller,
            Innermost::Answer => {
                let outcome = task::run_within(converter, coroutine);
                return Begun::Ended(outcome.map_err(Failure::from));
            }
        };
        if converter.worker.is_inline() {
            close(coroutine);
            return Begun::Failed(callback::interrupted(converter), Next::Nothing);
        }
        let place = Place::take(converter.entry);
        if place.is_none() || !self.ticket().become_task() {
            close(coroutine);
            return Begun::Failed(Failure::Context(atoms::busy()), Next::Nothing);
        }
        let mut request = Box::new(self.twin());
        request.place = place;
        let begun = task::begin(converter, request, coroutine, poller);
        // What its first step has printed; the next one is none of this job's.
        output::flush(current);
        match begun {
            Ok(next) => Begun::Task(next),
            Err((raised, request)) => {
                // It may have left a task in there, which is to clear up.
                let next = if poller == 0 { Next::Drive } else { Next::Nothing };
                match request {
                    None => Begun::Task(next),
                    Some(request) => {
                        request.pass_on();
                        Begun::Failed(raised.into(), next)
                    }
                }
            }
        }
    }

    /// Its task is done.
    pub fn end_as_task<'py>(
        mut self,
        converter: &Converter<'py>,
        result: Result<Object<'py>, Raised<'py>>,
        current: Option<&Current<'_>>,
    ) {
        let ticket = self.ticket();
        if ticket.is_cancelled() {
            return;
        }
        let converter = &Converter { erlang: ticket.erlang(), ..*converter };
        self.place = None;
        match result {
            Ok(value) if value.is_instance_of(&converter.local.py_marker) => {
                self.ticket().leave_task();
                self.go_on_later(converter.worker.export(value));
            }
            result => {
                let outcome = result.map_err(|raised| self.name_end(converter, raised));
                let answer = self.conclude_with(converter, outcome, current);
                self.give(answer);
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

    fn conclude_with<'py>(
        &self,
        converter: &Converter<'py>,
        outcome: Outcome<'py, Object<'py>>,
        current: Option<&Current<'_>>,
    ) -> Answer {
        let Address { format, times, .. } = &self.ticket().address;
        let outcome = outcome.and_then(|value| within_memory(value, converter.worker));
        let is_term = matches!(format, Format::Term | Format::Erlang);
        let plain = match &outcome {
            Ok(value) if is_term && times.is_none() => Plain::of(converter, value),
            _ => None,
        };
        match plain {
            Some(value) => {
                self.end(converter, current);
                Answer { reply: Reply::Value(value), spent: outcome.ok().map(Object::keep) }
            }
            None => self.conclude(converter, current, |env| {
                let made = outcome.and_then(|value| encode(env, converter, *format, value));
                // A task's end has its name already, and what the thread runs is not the task.
                if converter.worker.is_at(self.ticket().id) {
                    made.map_err(|failure| name_interrupt(failure, converter.worker))
                } else {
                    made
                }
            }),
        }
    }

    fn conclude<'py>(
        &self,
        converter: &Converter<'py>,
        current: Option<&Current<'_>>,
        make: impl for<'a> FnOnce(Env<'a>) -> Outcome<'py, (Term<'a>, Option<Object<'py>>)>,
    ) -> Answer {
        let Ticket { address: Address { times, .. }, entry, .. } = &**self.ticket();
        times.as_ref().inspect(|times| times.ran());
        let mut spent = None;
        let answer = OwnedTerm::new(|env| {
            let made = match make(env) {
                Ok((made, value)) => {
                    spent = value.map(Object::keep);
                    made
                }
                Err(failure) => failure.encode(env, converter),
            };
            match times {
                Some(times) => times.encode(env, &entry.pid, made),
                None => made,
            }
        });
        self.end(converter, current);
        Answer { reply: Reply::Term(answer), spent }
    }

    fn end(&self, converter: &Converter<'_>, current: Option<&Current<'_>>) {
        let ticket = self.ticket();
        answer::end(converter, ticket.id, Some(ticket), current);
    }

    /// `None`: somebody else is to give the answer.
    fn leave(self, answer: Option<Answer>) {
        match answer {
            Some(answer) => self.give(answer),
            None => self.pass_on(),
        }
    }

    fn give(self, answer: Answer) {
        self.answer(answer.reply);
        drop(answer.spent);
    }

    pub fn answer(mut self, reply: Reply) {
        if let Some(ticket) = self.ticket.take() {
            ticket.answer(reply);
        }
    }

    fn refuse(self, reason: Rejection) {
        self.answer(Reply::Term(OwnedTerm::new(|env| failure::rejection(env, reason))));
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            Request::of(ticket).refuse(Rejection::Closed);
        }
    }
}

/// What has come of making a task of a coroutine.
enum Begun<'py> {
    Task(Next),
    Failed(Failure<'py>, Next),
    /// It has run to its end.
    Ended(Outcome<'py, Object<'py>>),
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
