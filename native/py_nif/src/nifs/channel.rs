//! Channels, as processes use them.
//!
//! A reference that is no channel of this node answers `remote`.

use rustler::schedule::consume_timeslice;
use rustler::{Atom, Binary, Encoder, Env, LocalPid, NifResult, ResourceArc, Term};

use crate::channel::census::{self, Census};
use crate::channel::{
    self, Channel, Kind, Measure, Message, Process, Receiver, SenderWho, Sent, Taken, WaiterRef,
    Who,
};
use crate::terms::Caller;
use crate::{atoms, reply};

/// So many bytes are worked through in about a hundredth of a process's turn.
const LARGE: usize = 4 * 1024;

/// `%Py.Channel{}`, empty, whose life is that of `owner`.
#[rustler::nif]
fn channel_new<'a>(
    env: Env<'a>,
    kind: Atom,
    max_size: Option<usize>,
    owner: LocalPid,
) -> NifResult<Term<'a>> {
    let kind = if kind == atoms::term() {
        Kind::Terms
    } else if kind == atoms::bytes() {
        Kind::Bytes
    } else {
        return Err(rustler::Error::BadArg);
    };
    Ok(channel::to_struct(env, &Channel::new(Some(env), kind, max_size, &owner)))
}

/// `ok`, `busy`, `{error, closed}`; `encode` if the BEAM has to encode structs in it first.
#[rustler::nif]
fn channel_send<'a>(
    env: Env<'a>,
    channel: Term<'a>,
    term: Term<'a>,
    encoded: bool,
) -> NifResult<Term<'a>> {
    with_channel(env, channel, |channel| {
        let message = match message(&channel, term, encoded)? {
            Some(message) => message,
            None => return Ok(atoms::encode().encode(env)),
        };
        Ok(sent(env, channel.send(caller(env), message)))
    })
}

/// The same, but instead of `busy` it is `{wait, Waiter}`: `{Tag, Answer}` follows.
#[rustler::nif]
fn channel_send_later<'a>(
    env: Env<'a>,
    channel: Term<'a>,
    term: Term<'a>,
    encoded: bool,
    tag: Term<'a>,
) -> NifResult<Term<'a>> {
    with_channel(env, channel, |channel| {
        let message = match message(&channel, term, encoded)? {
            Some(message) => message,
            None => return Ok(atoms::encode().encode(env)),
        };
        let who = || SenderWho::Process(Process::new(env.pid(), tag));
        match channel.send_later(caller(env), message, channel::new_id(), who) {
            Ok(answer) => Ok(sent(env, answer)),
            Err(id) => Ok(wait(env, channel, id, true)),
        }
    })
}

/// `{ok, Term}`, `empty`, `{error, closed}`.
#[rustler::nif]
fn channel_take<'a>(env: Env<'a>, channel: Term<'a>) -> NifResult<Term<'a>> {
    with_channel(env, channel, |channel| Ok(taken(env, &channel.take(caller(env)))))
}

/// The same, but instead of `empty` it is `{wait, Waiter}`: `{Tag, Answer}` follows.
#[rustler::nif]
fn channel_receive<'a>(env: Env<'a>, channel: Term<'a>, tag: Term<'a>) -> NifResult<Term<'a>> {
    with_channel(env, channel, |channel| loop {
        match channel.take(caller(env)) {
            Taken::Empty => {}
            other => return Ok(taken(env, &other)),
        }
        let id = channel::new_id();
        if channel.wait(Receiver { id, who: Who::Process(Process::new(env.pid(), tag)) }) {
            return Ok(wait(env, channel, id, false));
        }
    })
}

/// `cancelled`, or `replied` if the answer is in the mailbox.
#[rustler::nif]
fn channel_cancel(env: Env<'_>, waiter: ResourceArc<WaiterRef>) -> Atom {
    if waiter.cancel(caller(env)) {
        atoms::cancelled()
    } else {
        atoms::replied()
    }
}

/// Subscribers get some of what is queued; `more` if there may be more of it.
#[rustler::nif]
fn channel_feed<'a>(env: Env<'a>, channel: Term<'a>) -> NifResult<Term<'a>> {
    with_channel(env, channel, |channel| {
        let answer = if channel.feed(caller(env)) { atoms::more() } else { atoms::ok() };
        Ok(answer.encode(env))
    })
}

/// `channel_feed` is to follow. Messages come as `{py_channel, Tag, {data, Term}}`, the last one is `{py_channel, Tag, closed}`.
#[rustler::nif]
fn channel_subscribe<'a>(
    env: Env<'a>,
    channel: Term<'a>,
    tag: Term<'a>,
    demand: Option<u64>,
) -> NifResult<Term<'a>> {
    with_channel(env, channel, |channel| {
        channel.subscribe(Process::new(env.pid(), tag), demand);
        Ok(atoms::ok().encode(env))
    })
}

/// `ok`, or `{error, not_found}`.
#[rustler::nif]
fn channel_ask<'a>(
    env: Env<'a>,
    channel: Term<'a>,
    tag: Term<'a>,
    more: Option<u64>,
) -> NifResult<Term<'a>> {
    with_channel(env, channel, |channel| Ok(found(env, channel.ask(tag, more))))
}

/// The same.
#[rustler::nif]
fn channel_unsubscribe<'a>(env: Env<'a>, channel: Term<'a>, tag: Term<'a>) -> NifResult<Term<'a>> {
    with_channel(env, channel, |channel| Ok(found(env, channel.unsubscribe(tag))))
}

#[rustler::nif]
fn channel_close<'a>(env: Env<'a>, channel: Term<'a>) -> NifResult<Term<'a>> {
    with_channel(env, channel, |channel| {
        channel.close(caller(env));
        Ok(atoms::ok().encode(env))
    })
}

/// `{Channels, Messages, Bytes, BytesOfTheFullest}`. There may be many of them to look at.
#[rustler::nif(schedule = "DirtyCpu")]
fn channel_census() -> (usize, usize, usize, usize) {
    let Census { count, messages, size, largest } = census::take();
    (count, messages, size, largest)
}

#[rustler::nif]
fn channel_info<'a>(env: Env<'a>, channel: Term<'a>) -> NifResult<Term<'a>> {
    with_channel(env, channel, |channel| {
        let info = channel.info();
        let max_size = match info.max_size {
            Some(size) => size.encode(env),
            None => atoms::infinity().encode(env),
        };
        let kind = match channel.kind {
            Kind::Terms => atoms::term(),
            Kind::Bytes => atoms::bytes(),
        };
        let pairs = [
            (atoms::size(), info.size.encode(env)),
            (atoms::max_size(), max_size),
            (atoms::messages(), info.messages.encode(env)),
            (atoms::receivers(), info.receivers.encode(env)),
            (atoms::senders(), info.senders.encode(env)),
            (atoms::closed(), info.closed.encode(env)),
            (atoms::type_(), kind.encode(env)),
        ];
        Ok(Term::map_from_pairs(env, &pairs).expect("different keys"))
    })
}

fn with_channel<'a>(
    env: Env<'a>,
    channel: Term<'a>,
    work: impl FnOnce(ResourceArc<Channel>) -> NifResult<Term<'a>>,
) -> NifResult<Term<'a>> {
    match channel.decode() {
        Ok(channel) => work(channel),
        Err(_) => Ok(atoms::remote().encode(env)),
    }
}

fn caller(env: Env<'_>) -> Caller {
    // SAFETY: the environment of the NIF that runs, which outlives what it calls.
    unsafe { Caller::beam(env) }
}

/// `None` if the BEAM has to encode it first.
fn message(channel: &Channel, term: Term<'_>, encoded: bool) -> NifResult<Option<Message>> {
    if channel.kind == Kind::Bytes {
        let data = Binary::from_iolist(term).map_err(|_| rustler::Error::BadArg)?;
        return Ok(Some(Message::of(data.to_term(term.get_env()))));
    }
    let measure = Measure::of(term);
    pay(term.get_env(), measure.size);
    if measure.has_encoder && !encoded {
        return Ok(None);
    }
    Ok(Some(Message::measured(term, &measure)))
}

/// Large terms take their time to be walked and copied, which is the caller's.
fn pay(env: Env<'_>, size: usize) {
    if size >= LARGE {
        consume_timeslice(env, (size / LARGE).min(100) as i32);
    }
}

fn sent(env: Env<'_>, sent: Sent) -> Term<'_> {
    match sent {
        Sent::Now => atoms::ok().encode(env),
        Sent::Busy(_message) => atoms::busy().encode(env),
        Sent::Closed => (atoms::error(), atoms::closed()).encode(env),
    }
}

fn taken<'a>(env: Env<'a>, taken: &Taken) -> Term<'a> {
    match taken {
        Taken::Message(message) => {
            pay(env, message.size());
            reply::ok(env, message.term().in_env(env))
        }
        Taken::Empty => atoms::empty().encode(env),
        Taken::Closed => (atoms::error(), atoms::closed()).encode(env),
    }
}

fn wait(env: Env<'_>, channel: ResourceArc<Channel>, id: u64, sends: bool) -> Term<'_> {
    (atoms::wait(), ResourceArc::new(WaiterRef { channel, id, sends })).encode(env)
}

fn found(env: Env<'_>, found: bool) -> Term<'_> {
    if found {
        atoms::ok().encode(env)
    } else {
        (atoms::error(), atoms::not_found()).encode(env)
    }
}
