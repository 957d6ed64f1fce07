//! One message of a channel: a term in an environment of its own, and what it counts.

use rustler::{Binary, Encoder, Term, TermType};

use crate::atoms;
use crate::nifs::runtime::has_encoder;
use crate::reply;
use crate::terms::{Caller, MapPairs, TermStore, Tuple};

use super::waiting::Process;

/// What every value counts, beside the bytes of binaries: a word.
const WORD: usize = 8;

pub struct Message {
    store: TermStore,
    term: rustler::sys::ErlNifTerm,
    size: usize,
}

impl Message {
    /// A copy of `term`; large binaries in it are shared.
    pub fn of(term: Term<'_>) -> Message {
        Message::measured(term, &Measure::of(term))
    }

    pub fn measured(term: Term<'_>, measure: &Measure) -> Message {
        let mut store = TermStore::new();
        Message { term: store.keep(term), store, size: measure.size }
    }

    /// What `make` makes, in the message's own environment.
    pub fn try_new<E>(
        make: impl for<'a> FnOnce(rustler::Env<'a>) -> Result<Term<'a>, E>,
    ) -> Result<Message, E> {
        let mut failed = None;
        let mut store = TermStore::new();
        let term = store.make(|env| {
            make(env).unwrap_or_else(|error| {
                failed = Some(error);
                atoms::error().encode(env)
            })
        });
        match failed {
            Some(error) => Err(error),
            None => {
                // SAFETY: made in that store.
                let size = Measure::of(unsafe { store.get(term) }).size;
                Ok(Message { store, term, size })
            }
        }
    }

    pub fn size(&self) -> usize {
        self.size
    }

    pub fn term(&self) -> Term<'_> {
        // SAFETY: made in this store.
        unsafe { self.store.get(self.term) }
    }

    /// Sends `{Tag, {ok, Term}}`, or gives the message back if the process is gone.
    pub fn answer(self, caller: Caller, to: &Process) -> Result<(), Message> {
        self.send(caller, to, |tag, term| {
            let env = term.get_env();
            (tag, reply::ok(env, term)).encode(env)
        })
    }

    /// Sends `{py_channel, Tag, {data, Term}}`, likewise.
    pub fn publish(self, caller: Caller, to: &Process) -> Result<(), Message> {
        self.send(caller, to, |tag, term| {
            (atoms::py_channel(), tag, (atoms::data(), term)).encode(term.get_env())
        })
    }

    fn send(
        self,
        caller: Caller,
        to: &Process,
        make: impl for<'a> FnOnce(Term<'a>, Term<'a>) -> Term<'a>,
    ) -> Result<(), Message> {
        let Message { mut store, term, size } = self;
        let tag = store.keep(to.tag());
        // SAFETY: both terms were put into this store.
        let message = unsafe { make(store.get(tag), store.get(term)) }.as_c_arg();
        // SAFETY: made in this store, which is left as it was if the process is gone.
        unsafe { store.send_from(caller, &to.pid, message) }.map_err(|store| Message {
            store,
            term,
            size,
        })
    }
}

/// What a term counts: a word for each value in it, and the bytes of its binaries.
#[derive(Default)]
pub struct Measure {
    pub size: usize,
    /// There is a struct in it that only the BEAM can encode.
    pub has_encoder: bool,
}

impl Measure {
    pub fn of(term: Term<'_>) -> Measure {
        let mut measure = Measure::default();
        // Deep terms must not cost stack: schedulers have little of it.
        let mut rest = Vec::new();
        measure.count(term, &mut rest);
        while let Some(term) = rest.pop() {
            measure.count(term, &mut rest);
        }
        measure
    }

    fn count<'a>(&mut self, term: Term<'a>, rest: &mut Vec<Term<'a>>) {
        self.size += WORD;
        match term.get_type() {
            TermType::Binary => self.size += Binary::from_term(term).map_or(0, |data| data.len()),
            TermType::List => {
                let mut list = term;
                while let Ok((head, tail)) = list.list_get_cell() {
                    rest.push(head);
                    list = tail;
                }
                if !list.is_list() {
                    rest.push(list);
                }
            }
            TermType::Tuple => rest.extend(Tuple::of(term).into_iter().flat_map(Tuple::iter)),
            TermType::Map => {
                if let Ok(name) = term.map_get(atoms::struct_()) {
                    self.has_encoder = self.has_encoder || has_encoder(name);
                }
                rest.extend(MapPairs::of(term).into_iter().flatten().flat_map(<[_; 2]>::from));
            }
            _ => {}
        }
    }
}
