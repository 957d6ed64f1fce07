//! Opening, closing and looking at contexts.

use std::sync::Arc;

use py_host::{Context, Mode};
use rustler::{Atom, Encoder, Env, NifResult, ResourceArc, Term};

use super::Tagged;
use crate::object::NamespaceRef;
use crate::{atoms, contexts, terms};

/// Makes the calling process a context. Answers `{Tag, ok | {error, Message}}`.
#[rustler::nif]
fn context_open<'a>(
    env: Env<'a>,
    mode: Term<'a>,
    config: Term<'a>,
    tag: Term<'a>,
) -> NifResult<Term<'a>> {
    let capacity = config.map_get(atoms::max_queue())?.decode()?;
    let limit: Option<usize> = config.map_get(atoms::memory_limit())?.decode()?;
    let opened = Mode::parse(&mode.atom_to_string()?).and_then(|mode| {
        let tagged = Tagged::new(env, tag);
        let opened = move |result: Result<(), py_host::StartError>| match result {
            Ok(()) => tagged.send(atoms::ok()),
            Err(error) => tagged.send((atoms::error(), error.0)),
        };
        let owner = env.pid();
        let on_interrupt = move |id: u64| {
            terms::send(&owner, |env| (atoms::interrupting(), id).encode(env));
        };
        Context::open(mode, capacity, limit, Box::new(on_interrupt), opened)
            .map_err(|error| error.0)
    });
    Ok(match opened {
        Ok(context) => {
            if contexts::register(env, Arc::clone(&context)).is_none() {
                // The process is dying as it asks; nobody else will close what it opened.
                let _ = context.close(Box::new(|| {}));
            }
            atoms::ok().encode(env)
        }
        Err(message) => (atoms::error(), message).encode(env),
    })
}

/// Answers `{Tag, closed}` once the interpreter has ended.
#[rustler::nif]
fn context_close<'a>(env: Env<'a>, pid: Term<'a>, tag: Term<'a>) -> Term<'a> {
    let Some(entry) = contexts::find(pid) else {
        return env.error_tuple(atoms::not_found());
    };
    contexts::remove(&entry);
    let tagged = Tagged::new(env, tag);
    if entry.context.close(Box::new(move || tagged.send(atoms::closed()))).is_err() {
        let message = (tag, atoms::closed()).encode(env);
        let _ = env.send(&env.pid(), message);
    }
    atoms::ok().encode(env)
}

/// Interrupts all that runs there.
#[rustler::nif]
fn context_interrupt<'a>(env: Env<'a>, pid: Term<'a>) -> Term<'a> {
    match contexts::find(pid) {
        Some(entry) if entry.context.interrupt_all() => atoms::interrupting().encode(env),
        Some(_) => atoms::idle().encode(env),
        None => env.error_tuple(atoms::not_found()),
    }
}

/// Closes without waiting for what runs, which will most likely never end.
#[rustler::nif]
fn context_abandon(pid: Term<'_>) -> Atom {
    if let Some(entry) = contexts::find(pid) {
        contexts::remove(&entry);
        entry.context.abandon();
    }
    atoms::ok()
}

#[rustler::nif]
fn context_info<'a>(env: Env<'a>, pid: Term<'a>) -> Term<'a> {
    let Some(entry) = contexts::find(pid) else {
        return env.error_tuple(atoms::not_found());
    };
    let info = entry.context.info();
    let row = info.mode.row();
    let atom = |name| Atom::from_str(env, name).expect("a short name").encode(env);
    let pairs = [
        (atoms::mode(), atom(row.name)),
        (atoms::execution_mode(), atom(row.execution_mode)),
        (atoms::interp_id(), info.interpreter_id.encode(env)),
        (atoms::queue(), info.waiting.encode(env)),
        (atoms::request(), info.job.encode(env)),
        (atoms::running(), info.running.encode(env)),
        (atoms::busy(), (info.busy.as_micros() as u64).encode(env)),
        (atoms::objects(), info.objects.encode(env)),
        (atoms::served(), info.served.encode(env)),
        (atoms::memory(), info.memory.encode(env)),
    ];
    let info = Term::map_from_pairs(env, &pairs).expect("different keys");
    (atoms::ok(), info).encode(env)
}

#[rustler::nif]
fn context_list(env: Env<'_>) -> Vec<Term<'_>> {
    contexts::pids().iter().map(|pid| pid.encode(env)).collect()
}

#[rustler::nif]
fn namespace_new() -> ResourceArc<NamespaceRef> {
    ResourceArc::new(NamespaceRef::default())
}
