//! The boundary: the functions of `Py.Native`, each of which returns at once.
//!
//! What takes longer than some 50 µs happens on a thread of its own and is answered by a message
//! `{Tag, Answer}`.

mod context;
mod request;
pub mod runtime;

use rustler::{Encoder, Env, LocalPid, OwnedEnv, Term};

use rustler::env::SavedTerm;

use crate::terms::save;

/// Where the answer of a slow function goes.
struct Tagged {
    env: OwnedEnv,
    tag: SavedTerm,
    pid: LocalPid,
}

// SAFETY: a local pid is a plain value that is valid on every thread; the rest may move.
unsafe impl Send for Tagged {}

impl Tagged {
    fn new(env: Env<'_>, tag: Term<'_>) -> Tagged {
        let own = OwnedEnv::new();
        Tagged { tag: save(&own, tag), env: own, pid: env.pid() }
    }

    /// From a thread that is not the BEAM's.
    fn send(self, answer: impl Encoder) {
        let Tagged { mut env, tag, pid } = self;
        let _ = env.send_and_clear(&pid, |env| (tag.load(env), answer));
    }
}
