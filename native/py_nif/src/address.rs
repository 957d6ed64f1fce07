//! Who asked, for what, and what they want to hear: what a request's ticket has to know of it.

use std::time::Duration;

use rustler::types::map::map_new;
use rustler::{Atom, Encoder, Env, LocalPid, Term};

use crate::atoms;
use crate::ops::Op;
use crate::request::{Format, Scope};
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
