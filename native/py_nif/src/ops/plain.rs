//! Calls of a few small values, as most are. They cross as they stand here: to copy a term there has
//! to be an environment, and that costs as much as the rest of such a call.

use py_host::Object;
use rustler::{Atom, Binary, Encoder, Env, NewBinary, Term};
use smallvec::SmallVec;

use super::call;
use crate::atoms;
use crate::convert::{self, Converter, In, Plain};
use crate::failure::Outcome;
use crate::terms::Tuple;

/// More arguments go as a term.
const MOST: usize = 4;

/// Longer binaries, too; from here on the BEAM does not copy them either.
const LONGEST: usize = 64;

pub struct PlainCall {
    /// Of a module and of a function in there.
    names: [Name; 2],
    args: SmallVec<[Argument; MOST]>,
}

enum Name {
    Atom(Atom),
    Text(Small),
}

enum Argument {
    Plain(Plain),
    Binary(Small),
}

/// The bytes of a short binary.
struct Small(SmallVec<[u8; 24]>);

impl PlainCall {
    /// `None` for whatever else there is to do.
    pub fn of(op: Term<'_>) -> Option<PlainCall> {
        let op = Tuple::of(op).filter(|op| op.len() == 5)?;
        let is_call = op.at(0).as_c_arg() == atoms::call().as_c_arg();
        if !is_call || call::is_main(op.at(1)) || !op.at(4).is_empty_list() {
            return None;
        }
        let names = [Name::of(op.at(1))?, Name::of(op.at(2))?];
        op.at(3).list_length().ok().filter(|length| *length <= MOST)?;
        let args = op.at(3).into_list_iterator().ok()?.map(Argument::of).collect::<Option<_>>()?;
        Some(PlainCall { names, args })
    }

    pub fn run<'py>(&self, converter: &Converter<'py>) -> Outcome<'py, Object<'py>> {
        let args = self.args.iter().map(|arg| arg.to_python(converter));
        let args = convert::tuple_of(converter, self.args.len(), args)?;
        let [module, function] = &self.names;
        let names = [module.to_python(converter)?, function.to_python(converter)?];
        call::of_module(converter, &names, &args, None)
    }
}

impl Encoder for PlainCall {
    fn encode<'a>(&self, env: Env<'a>) -> Term<'a> {
        let args: Vec<_> = self.args.iter().map(|arg| arg.encode(env)).collect();
        let kwargs: [Term<'a>; 0] = [];
        let [module, function] = &self.names;
        (atoms::call(), module, function, args, &kwargs[..]).encode(env)
    }
}

impl Name {
    fn of(term: Term<'_>) -> Option<Name> {
        if let Ok(atom) = Atom::from_term(term) {
            return Some(Name::Atom(atom));
        }
        // What is no text is refused with the reason, as a term.
        let text = Small::of(term).filter(|name| std::str::from_utf8(&name.0).is_ok())?;
        Some(Name::Text(text))
    }

    fn to_python<'py>(&self, converter: &Converter<'py>) -> Outcome<'py, Object<'py>> {
        match self {
            Name::Atom(atom) => call::name(converter, converter.local.atom_term(*atom)),
            Name::Text(text) => {
                let text = std::str::from_utf8(&text.0).expect("seen in `of`");
                Ok(Object::interned(converter.py, text)?)
            }
        }
    }
}

impl Encoder for Name {
    fn encode<'a>(&self, env: Env<'a>) -> Term<'a> {
        match self {
            Name::Atom(atom) => atom.encode(env),
            Name::Text(text) => text.encode(env),
        }
    }
}

impl Argument {
    fn of(term: Term<'_>) -> Option<Argument> {
        if let Some(plain) = Plain::of_term(term) {
            return Some(Argument::Plain(plain));
        }
        Small::of(term).map(Argument::Binary)
    }

    fn to_python<'py>(&self, converter: &Converter<'py>) -> In<'py> {
        match self {
            Argument::Plain(plain) => plain.to_python(converter),
            Argument::Binary(data) => convert::data(converter, &data.0),
        }
    }
}

impl Encoder for Argument {
    fn encode<'a>(&self, env: Env<'a>) -> Term<'a> {
        match self {
            Argument::Plain(plain) => plain.encode(env),
            Argument::Binary(data) => data.encode(env),
        }
    }
}

impl Small {
    fn of(term: Term<'_>) -> Option<Small> {
        let binary = Binary::from_term(term).ok().filter(|binary| binary.len() <= LONGEST)?;
        Some(Small(binary.as_slice().into()))
    }
}

impl Encoder for Small {
    fn encode<'a>(&self, env: Env<'a>) -> Term<'a> {
        let mut binary = NewBinary::new(env, self.0.len());
        binary.as_mut_slice().copy_from_slice(&self.0);
        binary.into()
    }
}
