//! Values that fit into a word. Many a call takes and answers with such, and they travel as they
//! are: an environment to carry them would cost more than what they are made of.

use py_host::Object;
use pyo3_ffi as ffi;
use rustler::{Atom, Encoder, Env, Term, TermType};

use super::{number, text, Converter, In};
use crate::kinds::Builtin;

#[derive(Clone, Copy)]
pub enum Plain {
    Atom(Atom),
    Integer(i64),
    Float(f64),
}

impl Plain {
    /// `None` for everything else, and for instances of subclasses.
    pub fn of(converter: &Converter<'_>, object: &Object<'_>) -> Option<Plain> {
        let object = object.as_ptr();
        // SAFETY: a live object has a type.
        match Builtin::of(unsafe { ffi::Py_TYPE(object) }) {
            Some(Builtin::Int) => number::small(object).map(Plain::Integer),
            Some(Builtin::Float) => Some(number::float(object)),
            Some(_) => None,
            None => text::constant(converter, object).map(Plain::Atom),
        }
    }

    /// `None` for everything else.
    pub fn of_term(term: Term<'_>) -> Option<Plain> {
        match term.get_type() {
            TermType::Integer => term.decode().ok().map(Plain::Integer),
            TermType::Float => term.decode().ok().map(Plain::Float),
            TermType::Atom => Atom::from_term(term).ok().map(Plain::Atom),
            _ => None,
        }
    }

    pub fn to_python<'py>(self, converter: &Converter<'py>) -> In<'py> {
        match self {
            Plain::Atom(atom) => text::atom_in(converter, converter.local.atom_term(atom)),
            Plain::Integer(integer) => number::integer_to_python(converter, integer),
            Plain::Float(float) => number::float_to_python(converter, float),
        }
    }
}

impl Encoder for Plain {
    fn encode<'a>(&self, env: Env<'a>) -> Term<'a> {
        match self {
            Plain::Atom(atom) => atom.encode(env),
            Plain::Integer(integer) => integer.encode(env),
            Plain::Float(float) => float.encode(env),
        }
    }
}
