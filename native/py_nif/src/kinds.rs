//! Types of Python objects, as far as it matters how they cross.

use py_host::Kept;
use pyo3_ffi as ffi;

/// How the instances of a type that is not built in are encoded.
pub struct TypeEncoder {
    /// Keeps the type alive, so that its address means the same type as long as we remember it.
    pub _type: Kept,
    pub how: How,
}

pub enum How {
    /// As the built-in type they derive from.
    As(Builtin),
    /// By a function that makes a tagged tuple of them.
    By(Kept),
    /// As the channel that they stand for.
    Channel,
    /// Not at all: the BEAM gets a handle.
    Handle,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Builtin {
    Int,
    Float,
    Str,
    Bytes,
    List,
    Tuple,
    Dict,
    Set,
}

impl Builtin {
    /// Told by address: all interpreters share these types.
    #[inline]
    pub fn of(kind: *mut ffi::PyTypeObject) -> Option<Builtin> {
        macro_rules! is {
            ($kind:ident) => {
                std::ptr::eq(kind, &raw const ffi::$kind)
            };
        }
        // The more frequent, the earlier.
        Some(if is!(PyUnicode_Type) {
            Builtin::Str
        } else if is!(PyLong_Type) {
            Builtin::Int
        } else if is!(PyFloat_Type) {
            Builtin::Float
        } else if is!(PyDict_Type) {
            Builtin::Dict
        } else if is!(PyList_Type) {
            Builtin::List
        } else if is!(PyTuple_Type) {
            Builtin::Tuple
        } else if is!(PyBytes_Type) {
            Builtin::Bytes
        } else if is!(PySet_Type) || is!(PyFrozenSet_Type) {
            Builtin::Set
        } else {
            return None;
        })
    }

    pub fn parse(name: &str) -> Option<Builtin> {
        Some(match name {
            "int" => Builtin::Int,
            "float" => Builtin::Float,
            "str" => Builtin::Str,
            "bytes" => Builtin::Bytes,
            "list" => Builtin::List,
            "tuple" => Builtin::Tuple,
            "dict" => Builtin::Dict,
            "set" => Builtin::Set,
            _ => return None,
        })
    }
}
