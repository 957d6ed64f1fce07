//! Starting Python, and facts about it.

use std::sync::{PoisonError, RwLock};
use std::thread;

use py_host::{context, facts, mode, runtime, Sandbox};
use rustler::sys::ErlNifTerm;
use rustler::{Atom, Encoder, Env, Term};

use super::Tagged;
use crate::terms::TermStore;
use crate::{atoms, builtin, functions, local};

/// What the Elixir that runs tells about its structs: an example of each that Python values come
/// back as, and which others have a `Py.Encoder`.
struct Structs {
    store: TermStore,
    map: ErlNifTerm,
}

const SANDBOX: Sandbox = Sandbox {
    processes: "Python starts no child processes inside the BEAM. Use a port (Port.open/2) or \
                System.cmd/3 in a function registered by Py.register_function, and call that from \
                Python",
    ending: "it would end the BEAM and all that runs there. Raise an exception, which ends the \
             call, or call a registered function that uses System.stop/1",
    signals: "the signals of this operating system process belong to the BEAM. Handle them in \
              Elixir (System.trap_signal/3) or Erlang (os:set_signal/2), and let that call \
              Python; for timers there is Process.send_after/3",
    tracing: "this Python can have interpreters with a GIL of their own, with which tracing \
              corrupts memory. Trace with Python 3.9 to 3.11 or with 3.13t, or look at \
              Py.memory_stats/1",
    threads: "this Python can have interpreters with a GIL of their own, whose threads cannot be \
              looked into without corrupting memory. sys.exception() has this thread's exception, \
              and Py.Context.stacktrace/2 shows what a context runs",
};

static STRUCTS: RwLock<Option<Structs>> = RwLock::new(None);

fn look_up<R>(name: Atom, found: impl for<'a> FnOnce(Option<Term<'a>>) -> R) -> R {
    let structs = STRUCTS.read().unwrap_or_else(PoisonError::into_inner);
    let structs = structs.as_ref().expect("set when Python started");
    // SAFETY: put into that store when Python started.
    let map = unsafe { structs.store.get(structs.map) };
    found(map.map_get(name).ok())
}

/// The template of that name; the atom `nil` where there is none.
pub fn template<'a>(env: Env<'a>, name: &str) -> Term<'a> {
    let name = Atom::from_str(env, name).expect("a short name");
    look_up(name, |found| found.map_or_else(|| atoms::nil().encode(env), |term| term.in_env(env)))
}

/// Has that struct a `Py.Encoder`, which only the BEAM can run?
pub fn has_encoder(name: Term<'_>) -> bool {
    look_up(atoms::encoders(), |encoders| {
        encoders.is_some_and(|encoders| match encoders.decode::<Vec<Term<'_>>>() {
            Ok(names) => names.iter().any(|other| other.as_c_arg() == name.as_c_arg()),
            // Not consolidated: any struct may have one.
            Err(_) => true,
        })
    })
}

/// Answers `{Tag, ok | {error, Message}}`.
#[rustler::nif]
fn runtime_start<'a>(env: Env<'a>, config: Term<'a>, tag: Term<'a>) -> rustler::NifResult<Atom> {
    let templates = config.map_get(atoms::templates())?;
    let mut store = TermStore::new();
    let structs = Structs { map: store.keep(templates), store };
    *STRUCTS.write().unwrap_or_else(PoisonError::into_inner) = Some(structs);
    let config = runtime::Config {
        executable: config.map_get(atoms::executable())?.decode()?,
        paths: config.map_get(atoms::paths())?.decode()?,
        stack_size: config.map_get(atoms::stack_size())?.decode()?,
        builtins: vec![(builtin::NAME, builtin::init)],
        setup: local::setup,
        sandbox: SANDBOX,
    };
    let tagged = Tagged::new(env, tag);
    thread::spawn(move || match runtime::start(config) {
        Ok(_) => tagged.send(atoms::ok()),
        Err(error) => tagged.send((atoms::error(), error.0)),
    });
    Ok(atoms::ok())
}

/// The functions that Python code may call by name, each `{Name, Entry}`.
#[rustler::nif]
fn functions_set(functions: Vec<(String, Term<'_>)>) -> Atom {
    functions::set(functions);
    atoms::ok()
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
        (atoms::abandoned_threads(), context::abandoned_threads().encode(env)),
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
