//! One operation on its way to a context, with its reply address.

use py_host::namespace::Missing;
use py_host::{Attached, Object, Rejection, Worker};
use rustler::env::SavedTerm;
use rustler::{Encoder, OwnedEnv, ResourceArc, Term};

use crate::atoms;
use crate::convert::{self, Converter};
use crate::failure::{self, Failure, Outcome};
use crate::local::Local;
use crate::object::{self, NamespaceRef};
use crate::ops;
use crate::reply::{self, Answer, Reply, Ticket};
use std::sync::Arc;

pub struct Request {
    pub ticket: Arc<Ticket>,
    /// Holds the operation and the tag of the reply.
    pub env: OwnedEnv,
    pub op: SavedTerm,
    pub scope: Scope,
    pub format: Format,
    pub reply: Option<Reply>,
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
}

impl py_host::Job for Request {
    fn id(&self) -> u64 {
        self.ticket.id
    }

    fn run(mut self: Box<Self>, py: Attached<'_>, worker: &Worker) {
        if !self.ticket.start() {
            return;
        }
        let converter = Converter {
            py,
            worker,
            local: worker.local::<Local>(),
            entry: &self.ticket.entry,
            erlang: self.format == Format::Erlang,
        };
        let outcome = self.env.run(|env| ops::run(&converter, &self.scope, self.op.load(env)));
        let outcome = outcome.map_err(|failure| name_interrupt(failure, worker));
        if self.reply.is_none() {
            return;
        }
        let answer = Answer::new(|env| {
            let encoded = outcome.and_then(|value| match self.format {
                Format::Term | Format::Erlang => convert::to_elixir(env, &converter, &value),
                Format::Object => {
                    let name = convert::type_name(&value);
                    Ok(object::to_struct(env, converter.object_ref(value), &name))
                }
            });
            match encoded {
                Ok(value) => reply::ok(env, value),
                Err(failure) => failure.encode(env, &converter),
            }
        });
        worker.finish(py);
        self.answer(answer);
    }

    fn reject(mut self: Box<Self>, reason: Rejection) {
        self.answer(Answer::new(|env| failure::rejection(env, reason)));
    }
}

impl Request {
    /// Once; a second answer has nowhere to go.
    fn answer(&mut self, answer: Answer) {
        if let Some(reply) = self.reply.take() {
            reply.send(&self.env, answer);
        }
    }
}

impl Drop for Request {
    /// A panic on the way is answered, too.
    fn drop(&mut self) {
        if self.reply.is_some() {
            self.answer(Answer::new(|env| failure::rejection(env, Rejection::Closed)));
        }
    }
}

/// A closing context interrupts what runs, and the caller hears of the reason, not of the means.
fn name_interrupt<'py>(failure: Failure<'py>, worker: &Worker) -> Failure<'py> {
    match failure {
        Failure::Raised(raised) if raised.is_interrupt() && worker.context().is_closed() => {
            Failure::Context(atoms::closed())
        }
        other => other,
    }
}

/// A copy of a term that outlives the call.
pub fn save(env: &OwnedEnv, term: Term<'_>) -> SavedTerm {
    env.run(|own| env.save(term.in_env(own).encode(own)))
}
