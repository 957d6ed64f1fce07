//! Requests that run on their caller's scheduler, because the caller has promised that they are
//! short and their context has nothing else to do.
//!
//! Such a caller waits in the NIF: the request runs on the terms that it was asked with, and what
//! comes of it is made where the caller has its own. So there is nobody to answer from elsewhere,
//! and no ticket, until Python has something to say before the answer.

use std::cell::{Cell, OnceCell};
use std::sync::Arc;
use std::time::Duration;

use py_host::{usage, Attached, Object, Worker};
use rustler::{Encoder, Env, Term};

use crate::address::{Address, Format, Kind, Scope};
use crate::answer;
use crate::contexts::Entry;
use crate::convert::Converter;
use crate::current::Current;
use crate::failure::Outcome;
use crate::ops::{self, Op};
use crate::reply::{self, Reply, Ticket};
use crate::request::Request;
use crate::terms::{self, OwnedTerm};
use crate::{atoms, task, timeslice};

/// What runs for longer is not short, and `Py.Request.Inline` hears of it.
const LONG: Duration = Duration::from_millis(1);

thread_local! {
    /// How many calls were short here since the last one that was not.
    static CALLS: Cell<u64> = const { Cell::new(0) };
}

/// Such a request.
pub struct Inline<'a, 'r> {
    env: Env<'a>,
    id: u64,
    entry: &'r Arc<Entry>,
    op: Term<'a>,
    scope: &'r Scope,
    format: Format,
    ticket: OnceCell<Arc<Ticket>>,
}

impl<'a, 'r> Inline<'a, 'r> {
    pub fn new(
        env: Env<'a>,
        entry: &'r Arc<Entry>,
        op: Term<'a>,
        scope: &'r Scope,
        format: Format,
    ) -> Self {
        Inline { env, id: reply::next_id(), entry, op, scope, format, ticket: OnceCell::new() }
    }

    /// The ticket by which to speak to the caller, or to hand the request over to others.
    fn ticket(&self) -> &Arc<Ticket> {
        self.ticket.get_or_init(|| {
            let address = Address {
                op: Op::of(self.op),
                scope: self.scope.clone(),
                format: self.format,
                caller: self.env.pid(),
                kind: Kind::Call,
                times: None,
            };
            let ticket = Ticket::named(self.id, Arc::clone(self.entry), address);
            ticket.start();
            ticket
        })
    }

    /// The answer, `{wait, Ticket}` if something was said before it or others go on with the
    /// request, either of them in `{slow, Microseconds, Calls, Answer}` if it took too long;
    /// `None` if it cannot run here now.
    pub fn run(&self) -> Option<Term<'a>> {
        let env = self.env;
        let since = usage::now();
        usage::begin(since);
        let mut ended = None;
        let has_run = terms::calling(env, || {
            self.entry.context.run_inline(self.id, |py, worker| {
                ended = Some(self.work(py, worker));
            })
        });
        if !has_run {
            return None;
        }
        let mut elapsed = usage::now() - since;
        if elapsed >= LONG {
            elapsed = usage::held(elapsed);
        }
        timeslice::pay(env, elapsed);
        let answer = match ended {
            Some(Some(answer)) => answer,
            Some(None) => self.by_ticket(),
            None => self.panicked(),
        };
        if elapsed < LONG {
            CALLS.set(CALLS.get() + 1);
            return Some(answer);
        }
        Some((atoms::slow(), elapsed.as_micros() as u64, CALLS.take(), answer).encode(env))
    }

    /// The answer, if nothing was said before it.
    fn by_ticket(&self) -> Term<'a> {
        let (env, ticket) = (self.env, self.ticket());
        ticket.take(env).unwrap_or_else(|| (atoms::wait(), ticket.reference(env)).encode(env))
    }

    /// A bug of ours has ended it. The duty to answer, dropped, says something for it.
    fn panicked(&self) -> Term<'a> {
        if !self.ticket().is_over() {
            drop(Request::of(Arc::clone(self.ticket())));
        }
        self.by_ticket()
    }

    /// The answer, unless that is with the ticket.
    fn work(&self, py: Attached<'_>, worker: &Worker) -> Option<Term<'a>> {
        task::cancel_doomed(py, worker, self.entry);
        let ticket = || Arc::clone(self.ticket());
        let current = Current::inline(worker, self.entry, &ticket, self.format);
        current.during(py, || {
            let converter = current.converter(py);
            let outcome = ops::run(&converter, self.scope, self.op);
            if outcome.as_ref().is_ok_and(|value| is_unfinished(&converter, value)) {
                let request = Request::of(ticket());
                request.end_inline(&converter, outcome, &current);
                return None;
            }
            let answer = self.encode(&converter, outcome);
            answer::end(&converter, self.id, self.ticket.get(), Some(&current));
            let Some(ticket) = self.ticket.get() else { return Some(answer) };
            // After what was said before.
            Request::of(Arc::clone(ticket)).answer(Reply::Term(OwnedTerm::of(answer)));
            None
        })
    }

    fn encode<'py>(
        &self,
        converter: &Converter<'py>,
        outcome: Outcome<'py, Object<'py>>,
    ) -> Term<'a> {
        let env = self.env;
        let made = outcome.and_then(|value| answer::encode(env, converter, self.format, value));
        match made {
            Ok((answer, _spent)) => answer,
            Err(failure) => {
                answer::name_interrupt(failure, converter.worker).encode(env, converter)
            }
        }
    }
}

/// Is it no value yet?
fn is_unfinished<'py>(converter: &Converter<'py>, value: &Object<'py>) -> bool {
    value.is_instance_of(&converter.local.py_marker) || task::is_coroutine(value)
}
