//! Who asked, for what, and what they want to hear: what a request's ticket has to know of it.

use std::time::Duration;

use py_host::namespace::Missing;
use py_host::Object;
use rustler::types::map::map_new;
use rustler::{Atom, Encoder, Env, LocalPid, ResourceArc, Term};

use crate::atoms;
use crate::convert::Converter;
use crate::failure::{Failure, Outcome};
use crate::object::NamespaceRef;
use crate::ops::Op;
use crate::terms::{AnyPid, OwnedTerm};
use crate::times::Times;

pub struct Address {
    pub op: Op,
    pub scope: Scope,
    pub format: Format,
    pub caller: LocalPid,
    pub kind: Kind,
    /// Kept for those who ask how long all took.
    pub times: Option<Times>,
}

/// In which namespace code runs and `__main__` is looked up.
#[derive(Clone)]
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

pub enum Kind {
    /// The caller waits, at the slot and then in a `receive`, and does meanwhile what Python asks.
    Call,
    /// The caller does other things first; output goes to `leader`.
    Spawn { leader: AnyPid },
    /// As `Spawn`, but the answer comes as an event loop's: `{async_result, Ref, Answer}`. The
    /// reference is what the native side answers with at once, and the request is stopped when
    /// the caller dies. Failures go by way of `Py.Attendant`, with `info`.
    Task { leader: AnyPid, info: OwnedTerm, timeout: Option<Duration> },
    /// Nobody waits. Of a failure `Py.Attendant` hears, with `info`.
    Cast { leader: AnyPid, info: CastInfo },
}

/// What `Py.Request.Cast` has to know of a cast if it fails.
pub enum CastInfo {
    /// As the request itself knows it.
    Own {
        format: Atom,
        routed: bool,
    },
    Given(OwnedTerm),
}

impl Address {
    /// Does the answer come as that of a task?
    pub fn is_task(&self) -> bool {
        matches!(self.kind, Kind::Task { .. })
    }

    /// Does the caller wait, and hear what Python says meanwhile?
    pub fn waits(&self) -> bool {
        matches!(self.kind, Kind::Call)
    }

    /// Where output goes that the caller does not take itself.
    pub fn leader(&self) -> Option<&AnyPid> {
        match &self.kind {
            Kind::Call => None,
            Kind::Spawn { leader } | Kind::Task { leader, .. } | Kind::Cast { leader, .. } => {
                Some(leader)
            }
        }
    }
}

impl CastInfo {
    pub fn encode<'a>(&self, env: Env<'a>, caller: &LocalPid, leader: &AnyPid) -> Term<'a> {
        match self {
            CastInfo::Given(info) => info.term().in_env(env),
            CastInfo::Own { format, routed } => [
                (atoms::caller(), caller.encode(env)),
                (atoms::leader(), leader.encode(env)),
                (atoms::format(), format.encode(env)),
                (atoms::is_routed(), routed.encode(env)),
            ]
            .into_iter()
            .fold(map_new(env), |map, (key, value)| map.map_put(key, value).unwrap_or(map)),
        }
    }
}
