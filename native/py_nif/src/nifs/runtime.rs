//! Starting Python, and facts about it.

use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread;

use py_host::{context, facts, mode, runtime};
use rustler::env::SavedTerm;
use rustler::{Atom, Encoder, Env, OwnedEnv, Term};

use super::Tagged;
use crate::request::save;
use crate::{atoms, builtin, local};

/// An example of each struct that Python values come back as, from the Elixir that runs.
struct Templates {
    env: OwnedEnv,
    map: SavedTerm,
}

static TEMPLATES: OnceLock<Mutex<Templates>> = OnceLock::new();

/// The template of that name; the atom `nil` where there is none.
pub fn template<'a>(env: Env<'a>, name: &str) -> Term<'a> {
    let templates = TEMPLATES.get().expect("set when Python started");
    let templates = templates.lock().unwrap_or_else(PoisonError::into_inner);
    templates.env.run(|own| {
        let name = Atom::from_str(own, name).expect("a short name");
        match templates.map.load(own).map_get(name) {
            Ok(found) => found.in_env(env),
            Err(_) => atoms::nil().encode(env),
        }
    })
}

/// Answers `{Tag, ok | {error, Message}}`.
#[rustler::nif]
fn runtime_start<'a>(env: Env<'a>, config: Term<'a>, tag: Term<'a>) -> rustler::NifResult<Atom> {
    let templates = config.map_get(atoms::templates())?;
    TEMPLATES.get_or_init(|| {
        let env = OwnedEnv::new();
        Mutex::new(Templates { map: save(&env, templates), env })
    });
    let config = runtime::Config {
        executable: config.map_get(atoms::executable())?.decode()?,
        paths: config.map_get(atoms::paths())?.decode()?,
        stack_size: config.map_get(atoms::stack_size())?.decode()?,
        builtins: vec![(builtin::NAME, builtin::init)],
        setup: local::setup,
    };
    let tagged = Tagged::new(env, tag);
    thread::spawn(move || match runtime::start(config) {
        Ok(_) => tagged.send(atoms::ok()),
        Err(error) => tagged.send((atoms::error(), error.0)),
    });
    Ok(atoms::ok())
}

#[rustler::nif]
fn runtime_info(env: Env<'_>) -> Term<'_> {
    let modes: Vec<Term<'_>> = mode::TABLE.iter().map(|row| mode_facts(env, row)).collect();
    let (major, minor, micro) = facts::version();
    let pairs = [
        (atoms::version(), facts::version_text().encode(env)),
        (atoms::version_info(), (major, minor, micro).encode(env)),
        (atoms::free_threaded(), facts::FREE_THREADED.encode(env)),
        (atoms::modes(), modes.encode(env)),
        (atoms::contexts(), context::open_contexts().encode(env)),
        (atoms::abandoned_interpreters(), context::abandoned_interpreters().encode(env)),
    ];
    Term::map_from_pairs(env, &pairs).expect("different keys")
}

fn mode_facts<'a>(env: Env<'a>, row: &mode::Row) -> Term<'a> {
    let atom = |name| Atom::from_str(env, name).expect("a short name").encode(env);
    let pairs = [
        (atoms::name(), atom(row.name)),
        (atoms::execution_mode(), atom(row.execution_mode)),
        (atoms::supported(), row.is_supported().encode(env)),
        (atoms::default(), row.is_default().encode(env)),
        (atoms::interpreter(), row.description.encode(env)),
        (atoms::requires(), row.requires.encode(env)),
    ];
    Term::map_from_pairs(env, &pairs).expect("different keys")
}
