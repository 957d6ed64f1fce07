//! Operations of a few small values, as most are. They cross as they stand here: to copy a term
//! there has to be an environment, and that is a fifth of what a short call costs. They are packed
//! tightly, since the worker has to fetch what its caller has written line by line.

use py_host::Object;
use rustler::types::map::map_new;
use rustler::{Atom, Binary, Encoder, Env, NewBinary, Term};
use smallvec::SmallVec;

use super::{call, code};
use crate::address::Scope;
use crate::convert::{self, Converter, In, Plain};
use crate::failure::Outcome;
use crate::terms::Tuple;
use crate::{atoms, current};

/// More arguments go as a term.
const MOST: usize = 4;

/// Longer binaries, too; from here on the BEAM does not copy them either.
const LONGEST: usize = 64;

pub struct PlainOp {
    verb: Verb,
    items: SmallVec<[Item; 5]>,
    /// Those of all binaries, one behind the other.
    bytes: SmallVec<[u8; 24]>,
}

#[derive(Clone, Copy)]
enum Verb {
    /// The names of a module and of a function in there, and what it is called with.
    Call,
    /// Source code.
    Eval,
}

#[derive(Clone, Copy)]
enum Item {
    Plain(Plain),
    /// So many of the bytes.
    Binary(u8),
}

/// An item, as it can be used.
enum Value<'o> {
    Plain(Plain),
    Binary(&'o [u8]),
}

impl PlainOp {
    /// `None` for whatever else there is to do.
    pub fn of(op: Term<'_>) -> Option<PlainOp> {
        let op = Tuple::of(op)?;
        let is = |atom: Atom| op.at(0).as_c_arg() == atom.as_c_arg();
        match op.len() {
            5 if is(atoms::call()) && op.at(4).is_empty_list() && !call::is_main(op.at(1)) => {
                op.at(3).list_length().ok().filter(|length| *length <= MOST)?;
                let mut call = PlainOp::new(Verb::Call);
                call.add_name(op.at(1))?;
                call.add_name(op.at(2))?;
                for arg in op.at(3).into_list_iterator().ok()? {
                    call.add(arg)?;
                }
                Some(call)
            }
            3 if is(atoms::eval()) && op.at(2).map_size().is_ok_and(|size| size == 0) => {
                let mut eval = PlainOp::new(Verb::Eval);
                eval.add_binary(op.at(1))?;
                Some(eval)
            }
            _ => None,
        }
    }

    fn new(verb: Verb) -> PlainOp {
        PlainOp { verb, items: SmallVec::new(), bytes: SmallVec::new() }
    }

    fn add(&mut self, term: Term<'_>) -> Option<()> {
        match Plain::of_term(term) {
            Some(plain) => self.items.push(Item::Plain(plain)),
            None => self.add_binary(term)?,
        }
        Some(())
    }

    fn add_binary(&mut self, term: Term<'_>) -> Option<()> {
        let binary = Binary::from_term(term).ok().filter(|binary| binary.len() <= LONGEST)?;
        self.items.push(Item::Binary(binary.len() as u8));
        self.bytes.extend_from_slice(binary.as_slice());
        Some(())
    }

    fn add_name(&mut self, term: Term<'_>) -> Option<()> {
        if let Ok(atom) = Atom::from_term(term) {
            self.items.push(Item::Plain(Plain::Atom(atom)));
            return Some(());
        }
        let begin = self.bytes.len();
        self.add_binary(term)?;
        // What is no text is refused with the reason, as a term.
        std::str::from_utf8(&self.bytes[begin..]).ok().map(drop)
    }

    fn values(&self) -> impl Iterator<Item = Value<'_>> {
        let mut rest = &self.bytes[..];
        self.items.iter().map(move |item| match item {
            Item::Plain(plain) => Value::Plain(*plain),
            Item::Binary(length) => {
                let binary;
                (binary, rest) = rest.split_at((*length).into());
                Value::Binary(binary)
            }
        })
    }

    pub fn run<'py>(&self, converter: &Converter<'py>, scope: &Scope) -> Outcome<'py, Object<'py>> {
        let mut values = self.values();
        let mut next = || values.next().expect("put there in `of`");
        match self.verb {
            Verb::Call => {
                let names = [next(), next()];
                let count = self.items.len() - names.len();
                let args = values.map(|value| value.to_python(converter));
                let args = convert::tuple_of(converter, count, args)?;
                let callable = match &names {
                    [Value::Plain(Plain::Atom(module)), Value::Plain(Plain::Atom(function))] => {
                        let names = [module, function];
                        call::by_atoms(
                            converter,
                            names.map(|name| converter.local.atom_term(*name)),
                        )
                    }
                    [module, function] => {
                        let names = [module.to_name(converter)?, function.to_name(converter)?];
                        call::by_names(converter, &names)
                    }
                }?;
                current::converted();
                Ok(callable.call(&args, None)?)
            }
            Verb::Eval => code::eval(converter, scope, &self.bytes, None),
        }
    }
}

impl Encoder for PlainOp {
    fn encode<'a>(&self, env: Env<'a>) -> Term<'a> {
        let values: SmallVec<[Term<'a>; MOST + 2]> =
            self.values().map(|value| value.encode(env)).collect();
        match self.verb {
            Verb::Call => {
                let kwargs: [Term<'a>; 0] = [];
                (atoms::call(), values[0], values[1], &values[2..], &kwargs[..]).encode(env)
            }
            Verb::Eval => (atoms::eval(), values[0], map_new(env)).encode(env),
        }
    }
}

impl Value<'_> {
    fn to_python<'py>(&self, converter: &Converter<'py>) -> In<'py> {
        match self {
            Value::Plain(plain) => plain.to_python(converter),
            Value::Binary(data) => convert::data(converter, data),
        }
    }

    fn to_name<'py>(&self, converter: &Converter<'py>) -> Outcome<'py, Object<'py>> {
        match self {
            Value::Plain(Plain::Atom(atom)) => {
                call::name(converter, converter.local.atom_term(*atom))
            }
            Value::Plain(_number) => unreachable!("`add_name` takes none"),
            Value::Binary(text) => {
                let text = std::str::from_utf8(text).expect("seen in `of`");
                Ok(Object::interned(converter.py, text)?)
            }
        }
    }
}

impl Encoder for Value<'_> {
    fn encode<'a>(&self, env: Env<'a>) -> Term<'a> {
        match self {
            Value::Plain(plain) => plain.encode(env),
            Value::Binary(data) => {
                let mut binary = NewBinary::new(env, data.len());
                binary.copy_from_slice(data);
                binary.into()
            }
        }
    }
}
