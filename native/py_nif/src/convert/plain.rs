//! Values that fit into a word. Many a call answers with one, and it travels as such: an
//! environment to carry it would cost more than the call.

use py_host::Object;
use pyo3_ffi as ffi;
use rustler::{Atom, Encoder, Env, Term};

use super::{number, text, Converter};
use crate::local::Builtin;

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
