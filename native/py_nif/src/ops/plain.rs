//! Operations of a few small values, as most are. They cross as they stand here: to copy a term
//! there has to be an environment, and that is a fifth of what a short call costs.

use py_host::Object;
use rustler::types::map::map_new;
use rustler::{Atom, Binary, Encoder, Env, NewBinary, Term};
use smallvec::SmallVec;

use super::{call, code};
use crate::atoms;
use crate::convert::{self, Converter, In, Plain};
use crate::failure::Outcome;
use crate::request::Scope;
use crate::terms::Tuple;

/// More arguments go as a term.
const MOST: usize = 4;

/// Longer binaries, too; from here on the BEAM does not copy them either.
const LONGEST: usize = 64;

#[expect(clippy::large_enum_variant, reason = "an allocation is what this saves")]
pub enum PlainOp {
    /// The names of a module and of a function in there, and what it is called with.
    Call([Name; 2], SmallVec<[Argument; MOST]>),
    /// Source code.
    Eval(Small),
}

pub enum Name {
    Atom(Atom),
    Text(Small),
}

pub enum Argument {
    Plain(Plain),
    Binary(Small),
}

/// The bytes of a short binary.
pub struct Small(SmallVec<[u8; 24]>);

impl PlainOp {
    /// `None` for whatever else there is to do.
    pub fn of(op: Term<'_>) -> Option<PlainOp> {
        let op = Tuple::of(op)?;
        let is = |atom: Atom| op.at(0).as_c_arg() == atom.as_c_arg();
        match op.len() {
            5 if is(atoms::call()) && op.at(4).is_empty_list() && !call::is_main(op.at(1)) => {
                let names = [Name::of(op.at(1))?, Name::of(op.at(2))?];
                op.at(3).list_length().ok().filter(|length| *length <= MOST)?;
                let args = op.at(3).into_list_iterator().ok()?.map(Argument::of);
                Some(PlainOp::Call(names, args.collect::<Option<_>>()?))
            }
            3 if is(atoms::eval()) && op.at(2).map_size().is_ok_and(|size| size == 0) => {
                Small::of(op.at(1)).map(PlainOp::Eval)
            }
            _ => None,
        }
    }

    pub fn run<'py>(&self, converter: &Converter<'py>, scope: &Scope) -> Outcome<'py, Object<'py>> {
        match self {
            PlainOp::Call([module, function], args) => {
                let count = args.len();
                let args = args.iter().map(|arg| arg.to_python(converter));
                let args = convert::tuple_of(converter, count, args)?;
                let names = [module.to_python(converter)?, function.to_python(converter)?];
                call::of_module(converter, &names, &args, None)
            }
            PlainOp::Eval(source) => code::eval(converter, scope, &source.0, None),
        }
    }
}

impl Encoder for PlainOp {
    fn encode<'a>(&self, env: Env<'a>) -> Term<'a> {
        match self {
            PlainOp::Call([module, function], args) => {
                let args: Vec<_> = args.iter().map(|arg| arg.encode(env)).collect();
                let kwargs: [Term<'a>; 0] = [];
                (atoms::call(), module, function, args, &kwargs[..]).encode(env)
            }
            PlainOp::Eval(source) => (atoms::eval(), source, map_new(env)).encode(env),
        }
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
