//! Calls of a few small values, as most are. They cross as they stand here: to copy a term there has
//! to be an environment, and that costs as much as the rest of such a call.

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
    module: Atom,
    function: Atom,
    args: SmallVec<[Argument; MOST]>,
}

enum Argument {
    Plain(Plain),
    Binary(SmallVec<[u8; 24]>),
}

impl PlainCall {
    /// `None` for whatever else there is to do.
    pub fn of(op: Term<'_>) -> Option<PlainCall> {
        let op = Tuple::of(op).filter(|op| op.len() == 5)?;
        let is = |index: usize, atom: Atom| op.at(index).as_c_arg() == atom.as_c_arg();
        if !is(0, atoms::call()) || is(1, atoms::main()) || !op.at(4).is_empty_list() {
            return None;
        }
        let [module, function] = [op.at(1), op.at(2)].map(Atom::from_term);
        op.at(3).list_length().ok().filter(|length| *length <= MOST)?;
        let args = op.at(3).into_list_iterator().ok()?.map(Argument::of).collect::<Option<_>>()?;
        Some(PlainCall { module: module.ok()?, function: function.ok()?, args })
    }

    pub fn run<'py>(&self, converter: &Converter<'py>) -> Outcome<'py, py_host::Object<'py>> {
        let local = converter.local;
        let args = self.args.iter().map(|arg| arg.to_python(converter));
        let args = convert::tuple_of(converter, self.args.len(), args)?;
        let name = |atom| local.atom_term(atom);
        call::of_module(converter, name(self.module), name(self.function), &args, None)
    }
}

impl Encoder for PlainCall {
    fn encode<'a>(&self, env: Env<'a>) -> Term<'a> {
        let args: Vec<_> = self.args.iter().map(|arg| arg.encode(env)).collect();
        let kwargs: [Term<'a>; 0] = [];
        (atoms::call(), self.module, self.function, args, &kwargs[..]).encode(env)
    }
}

impl Argument {
    fn of(term: Term<'_>) -> Option<Argument> {
        if let Some(plain) = Plain::of_term(term) {
            return Some(Argument::Plain(plain));
        }
        let binary = Binary::from_term(term).ok().filter(|binary| binary.len() <= LONGEST)?;
        Some(Argument::Binary(binary.as_slice().into()))
    }

    fn to_python<'py>(&self, converter: &Converter<'py>) -> In<'py> {
        match self {
            Argument::Plain(plain) => plain.to_python(converter),
            Argument::Binary(data) => convert::data(converter, data),
        }
    }
}

impl Encoder for Argument {
    fn encode<'a>(&self, env: Env<'a>) -> Term<'a> {
        match self {
            Argument::Plain(plain) => plain.encode(env),
            Argument::Binary(data) => {
                let mut binary = NewBinary::new(env, data.len());
                binary.as_mut_slice().copy_from_slice(data);
                binary.into()
            }
        }
    }
}
