//! The functions that Elixir has registered: a copy of `Py.Callback.Registry`'s table, for Python
//! code, which calls them by name. With a call goes what is to be called, so that nobody has to
//! look it up on the way.

use std::sync::{OnceLock, PoisonError, RwLock, RwLockReadGuard};

use rustc_hash::FxHashMap;
use rustler::{Encoder, Env, Term};

use crate::terms::OwnedTerm;

type Table = FxHashMap<String, OwnedTerm>;

fn table() -> &'static RwLock<Table> {
    static TABLE: OnceLock<RwLock<Table>> = OnceLock::new();
    TABLE.get_or_init(RwLock::default)
}

fn read() -> RwLockReadGuard<'static, Table> {
    table().read().unwrap_or_else(PoisonError::into_inner)
}

/// All of them, in place of those from before.
pub fn set(functions: Vec<(String, Term<'_>)>) {
    let functions = functions.into_iter().map(|(name, entry)| (name, OwnedTerm::of(entry)));
    *table().write().unwrap_or_else(PoisonError::into_inner) = functions.collect();
}

pub fn contains(name: &str) -> bool {
    read().contains_key(name)
}

/// What is to be called by that name; the name itself if that is nothing.
pub fn target<'a>(env: Env<'a>, name: &str) -> Term<'a> {
    match read().get(name) {
        Some(entry) => entry.term().in_env(env),
        None => name.encode(env),
    }
}
