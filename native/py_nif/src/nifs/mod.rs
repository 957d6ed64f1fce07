//! The boundary: the functions of `Py.Native`, each of which returns at once.
//!
//! What takes longer than some 50 µs happens on a thread of its own and is answered by a message
//! `{Tag, Answer}`.

mod channel;
mod context;
mod observe;
mod reactor;
mod request;
pub mod runtime;
mod state;

use rustler::sys::ErlNifTerm;
use rustler::{Encoder, Env, LocalPid, Term};

use crate::terms::{self, TermStore};

/// Where the answer of a slow function goes.
struct Tagged {
    store: TermStore,
    tag: ErlNifTerm,
    pid: LocalPid,
}

// SAFETY: a local pid is a plain value that is valid on every thread; the rest may move.
unsafe impl Send for Tagged {}

impl Tagged {
    fn new(env: Env<'_>, tag: Term<'_>) -> Tagged {
        let mut store = TermStore::new();
        Tagged { tag: store.keep(tag), store, pid: env.pid() }
    }

    /// From a thread that is not the BEAM's.
    fn send(self, answer: impl Encoder) {
        let Tagged { store, tag, pid } = self;
        terms::send(&pid, |env| {
            // SAFETY: put into that store when this was made.
            let tag = unsafe { store.get(tag) }.in_env(env);
            (tag, answer).encode(env)
        });
    }
}
