//! Messages from Python to processes, and the names and terms that go with them.

use py_host::{Object, Raised};
use pyo3_ffi as ffi;
use rustler::{Atom, Encoder, Env, LocalPid, Term, TermType};

use crate::builtin::opaque;
use crate::convert::{self, Converter};
use crate::failure::{self, Failure, Outcome};
use crate::terms::{self, OwnedTerm, Tuple};
use crate::{atoms, attendant};

type Made<'py> = Outcome<'py, Object<'py>>;

/// `erlang.send(target, term)`: to a pid, a name, `(name, node)`, or an alias.
pub fn send<'py>(
    converter: &Converter<'py>,
    target: &Object<'py>,
    term: &Object<'py>,
) -> Made<'py> {
    let pair = OwnedTerm::try_new(|env| {
        let target = convert::to_elixir(env, converter, target)?;
        Ok::<_, Failure<'py>>((target, convert::to_elixir(env, converter, term)?).encode(env))
    })?;
    let pair = Tuple::of(pair.term()).expect("a pair");
    let (to, term) = (pair.at(0), pair.at(1));
    match to.get_type() {
        TermType::Pid => match to.decode::<LocalPid>().ok() {
            Some(pid) => deliver(converter, &pid, term, || format!("{to:?} is not alive"))?,
            None => forward(to, term),
        },
        TermType::Ref => forward(to, term),
        TermType::Tuple => forward(place(converter, to)?.term(), term),
        _ => {
            let name = text(to).ok_or_else(|| {
                type_error(converter, "a message goes to a pid, a name, (name, node) or an alias")
            })?;
            let nobody = || format!("no process is registered as {name:?}");
            let pid = existing_atom(to.get_env(), &name).and_then(terms::whereis);
            let pid = pid.ok_or_else(|| process_error(converter, &nobody()))?;
            deliver(converter, &pid, term, nobody)?;
        }
    }
    Ok(Object::none(converter.py))
}

/// `erlang.whereis(name)`
pub fn whereis<'py>(converter: &Converter<'py>, name: &Object<'py>) -> Made<'py> {
    let Some(name) = name.as_str() else {
        return Err(type_error(converter, "a name is a str or an erlang.Atom"));
    };
    let answer = OwnedTerm::new(|env| atoms::nil().encode(env));
    match existing_atom(answer.term().get_env(), name).and_then(terms::whereis) {
        Some(pid) => pid_object(converter, &pid),
        None => Ok(Object::none(converter.py)),
    }
}

pub fn pid_object<'py>(converter: &Converter<'py>, pid: &LocalPid) -> Made<'py> {
    let answer = OwnedTerm::new(|env| pid.encode(env));
    Ok(opaque::new(&converter.local.pid_type.get(converter.py), answer.term())?)
}

/// The external term format of a pid, reference or port.
pub fn to_binary<'py>(converter: &Converter<'py>, object: &Object<'py>) -> Made<'py> {
    let answer = OwnedTerm::try_new(|env| convert::to_elixir(env, converter, object))?;
    let binary = answer.term().to_binary();
    // SAFETY: the bytes are copied.
    unsafe {
        let data = ffi::PyBytes_FromStringAndSize(
            binary.as_slice().as_ptr().cast(),
            binary.as_slice().len() as ffi::Py_ssize_t,
        );
        Ok(Object::from_owned(converter.py, data)?)
    }
}

pub fn from_binary<'py>(converter: &Converter<'py>, data: &Object<'py>) -> Made<'py> {
    let bytes = OwnedTerm::try_new(|env| convert::to_elixir(env, converter, data))?;
    let bytes = rustler::Binary::from_term(bytes.term())
        .map_err(|_| type_error(converter, "the external term format is bytes"))?
        .as_slice()
        .to_vec();
    let answer = OwnedTerm::try_new(|env: Env<'_>| {
        // Safe: what makes new atoms or functions is refused.
        match env.binary_to_term(&bytes) {
            Some((term, _length)) => Ok(term),
            None => Err(type_error(converter, "this is no term of the BEAM")),
        }
    })?;
    match answer.term().get_type() {
        TermType::Pid | TermType::Ref | TermType::Port => {
            Ok(convert::to_python(converter, answer.term())?)
        }
        _ => Err(type_error(converter, "only pids, references and ports are pickled like this")),
    }
}

fn deliver<'py>(
    converter: &Converter<'py>,
    pid: &LocalPid,
    term: Term<'_>,
    dead: impl FnOnce() -> String,
) -> Outcome<'py, ()> {
    if terms::send(pid, |env| term.in_env(env)) {
        Ok(())
    } else {
        Err(process_error(converter, &dead()))
    }
}

/// What only a process can send to.
fn forward(to: Term<'_>, term: Term<'_>) {
    attendant::tell(|env| (atoms::send(), to.in_env(env), term.in_env(env)).encode(env));
}

/// `{name, node}` with atoms. Python makes none: names that the BEAM does not know lead nowhere.
fn place<'py>(converter: &Converter<'py>, pair: Term<'_>) -> Outcome<'py, OwnedTerm> {
    let parts = Tuple::of(pair).filter(|parts| parts.len() == 2);
    let parts = parts.and_then(|parts| Some((text(parts.at(0))?, text(parts.at(1))?)));
    let Some((name, node)) = parts else {
        return Err(type_error(converter, "a place is a pair of names: (name, node)"));
    };
    OwnedTerm::try_new(|env| {
        let atom = |text: &str| {
            existing_atom(env, text).ok_or_else(|| {
                process_error(converter, &format!("no process or node is called {text:?}"))
            })
        };
        Ok((atom(&name)?, atom(&node)?).encode(env))
    })
}

/// The text of a binary or an atom.
fn text(term: Term<'_>) -> Option<String> {
    if term.is_atom() {
        return term.atom_to_string().ok();
    }
    term.decode::<String>().ok()
}

fn existing_atom(env: Env<'_>, name: &str) -> Option<Atom> {
    Atom::existing_from_str(env, name).ok()
}

fn process_error<'py>(converter: &Converter<'py>, message: &str) -> Failure<'py> {
    let made = Object::str(converter.py, message)
        .and_then(|text| converter.local.process_error.get(converter.py).call1(&text));
    match made {
        Ok(exception) => Raised::new(exception).into(),
        Err(raised) => raised.into(),
    }
}

fn type_error<'py>(converter: &Converter<'py>, message: &str) -> Failure<'py> {
    failure::type_error(converter.py, message).into()
}
