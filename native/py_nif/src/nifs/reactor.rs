//! Reactors, and the descriptors that go to them.

use std::io;
use std::os::fd::RawFd;

use py_host::reactor::{descriptor, posix, Limits};
use rustler::{Atom, Encoder, Env, NifResult, Term};

use crate::atoms;
use crate::reactor::{self, Refused};

/// Makes the calling process a reactor: `ok | {error, Posix}`.
#[rustler::nif]
fn reactor_open<'a>(env: Env<'a>, config: Term<'a>) -> NifResult<Term<'a>> {
    let most: Option<usize> = config.map_get(atoms::max_connections())?.decode()?;
    let limits = Limits {
        connections: most.unwrap_or(usize::MAX),
        write_buffer: config.map_get(atoms::max_write_buffer())?.decode()?,
    };
    let shared = config.map_get(atoms::shared())?.decode()?;
    Ok(match reactor::open(env, limits, shared) {
        Ok(()) => atoms::ok().encode(env),
        Err(error) => env.error_tuple(posix(env, &error)),
    })
}

/// Hands a descriptor to the reactor of that process, or to the one `any` of those for everybody
/// that has the fewest connections.
#[rustler::nif]
fn reactor_handoff<'a>(
    env: Env<'a>,
    target: Term<'a>,
    fd: Term<'a>,
    info: Term<'a>,
) -> NifResult<Term<'a>> {
    let fd = number(fd)?;
    let (found, missing) = if target.as_c_arg() == atoms::any().as_c_arg() {
        (reactor::any(), atoms::not_found())
    } else {
        (reactor::find(target), atoms::closed())
    };
    let Some(entry) = found else {
        // Given away all the same.
        drop(descriptor::Descriptor::handed_off(fd));
        return Ok(env.error_tuple(missing));
    };
    Ok(match entry.hand_off(fd, info) {
        Ok(()) => atoms::ok().encode(env),
        Err(Refused::Closed) => env.error_tuple(atoms::closed()),
        Err(Refused::Busy) => env.error_tuple(atoms::busy()),
        Err(Refused::System(error)) => env.error_tuple(posix(env, &error)),
    })
}

#[rustler::nif]
fn reactor_stats<'a>(env: Env<'a>, pid: Term<'a>) -> Term<'a> {
    let Some(entry) = reactor::find(pid) else {
        return env.error_tuple(atoms::closed());
    };
    let reactor = &entry.reactor;
    let pairs = [
        (atoms::connections(), reactor.connections() as u64),
        (atoms::total(), reactor.counters.total.get()),
        (atoms::received(), reactor.counters.received.get()),
        (atoms::sent(), reactor.counters.sent.get()),
        (atoms::errors(), reactor.counters.errors.get()),
    ];
    let stats = Term::map_from_pairs(env, &pairs).expect("different keys");
    (atoms::ok(), stats).encode(env)
}

/// Stops it; the request in which it runs then ends.
#[rustler::nif]
fn reactor_close(pid: Term<'_>) -> Atom {
    if let Some(entry) = reactor::find(pid) {
        entry.stop();
    }
    atoms::ok()
}

/// Another descriptor for the same file: `{ok, Fd} | {error, Posix}`.
#[rustler::nif]
fn fd_duplicate<'a>(env: Env<'a>, fd: Term<'a>) -> NifResult<Term<'a>> {
    Ok(match descriptor::duplicate(number(fd)?) {
        Ok(fd) => (atoms::ok(), fd).encode(env),
        Err(error) => env.error_tuple(posix(env, &error)),
    })
}

/// An integer that is too large for a descriptor is none, like one that is not open.
fn number(fd: Term<'_>) -> NifResult<RawFd> {
    let fd: i64 = fd.decode()?;
    Ok(RawFd::try_from(fd).unwrap_or(-1))
}

/// The name that Erlang's own modules have for it.
fn posix(env: Env<'_>, error: &io::Error) -> Atom {
    Atom::from_str(env, posix::name(error)).expect("a short name")
}
