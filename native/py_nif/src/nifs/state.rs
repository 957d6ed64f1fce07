//! What all processes and contexts share; see `crate::state`.

use std::thread;

use rustler::{Atom, Encoder, Env, Term};

use super::Tagged;
use crate::atoms;
use crate::state::{self, Uncounted, Value};
use crate::timeslice::paid;

#[rustler::nif]
fn state_fetch<'a>(env: Env<'a>, key: Term<'a>) -> Term<'a> {
    paid(env, || match state::get(key) {
        Some(value) => (atoms::ok(), value.in_env(env)).encode(env),
        None => atoms::error().encode(env),
    })
}

#[rustler::nif]
fn state_store<'a>(env: Env<'a>, key: Term<'a>, value: Term<'a>) -> Atom {
    paid(env, || state::set(key, Value::of(value)));
    atoms::ok()
}

#[rustler::nif]
fn state_remove<'a>(env: Env<'a>, key: Term<'a>) -> Atom {
    paid(env, || state::delete(key));
    atoms::ok()
}

#[rustler::nif]
fn state_add<'a>(env: Env<'a>, key: Term<'a>, by: Term<'a>) -> Term<'a> {
    let sum = by.decode().map_err(|_| Uncounted::Overflow).and_then(|by| state::add(key, by));
    match sum {
        Ok(sum) => (atoms::ok(), sum).encode(env),
        Err(Uncounted::NotAnInteger) => (atoms::error(), atoms::not_an_integer()).encode(env),
        Err(Uncounted::Overflow) => (atoms::error(), atoms::overflow()).encode(env),
    }
}

/// Answers `{Tag, Keys}`.
#[rustler::nif]
fn state_keys<'a>(env: Env<'a>, tag: Term<'a>) -> Atom {
    let tagged = Tagged::new(env, tag);
    thread::spawn(move || tagged.send(Keys));
    atoms::ok()
}

struct Keys;

impl Encoder for Keys {
    fn encode<'a>(&self, env: Env<'a>) -> Term<'a> {
        state::keys(env)
    }
}

#[rustler::nif]
fn state_clear() -> Atom {
    state::clear();
    atoms::ok()
}
