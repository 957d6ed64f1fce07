//! Values changing sides. Each family of values has a file with both directions in it; the two
//! dispatchers are here.
//!
//! Both directions walk a value once and build the other side's as they go: nothing stands in
//! between. They recurse, so nesting is limited; and they stop at the first value that does not
//! cross, with its path.

mod collection;
mod handle;
mod json;
mod moulds;
mod number;
mod plain;
mod scratch;
mod structs;
mod text;

use std::cell::Cell;
use std::ptr;
use std::sync::Arc;

use py_host::{Attached, Object, Worker};
use pyo3_ffi as ffi;
use rustler::sys::ErlNifTerm;
use rustler::{Encoder, Env, Term, TermType};

use crate::contexts::Entry;
use crate::failure::{Direction, Outcome, Unconvertible, INTERRUPTED};
use crate::keys::Binaries;
use crate::kinds::{Builtin, How};
use crate::local::Local;
use crate::object::ObjectRef;

use scratch::Scratch;

pub use collection::{kwargs_in as keywords, tuple_of};
pub use json::to_json;
pub use moulds::Moulds;
pub use plain::Plain;
pub use scratch::Spare;
pub use text::{
    atom_text, binary_from as binary, bytes_from as bytes, data_in as data, with_escaped,
};

/// As deep as Python's own recursion limit lets a program go by default.
const DEEPEST: usize = 1000;

/// Everything a conversion needs to know of where it happens.
pub struct Converter<'py> {
    pub py: Attached<'py>,
    pub worker: &'py Worker,
    pub local: &'py Local,
    pub entry: &'py Arc<Entry>,
    /// Speak Erlang's habits: `none` for `None`, and `undefined` too on the way in.
    pub erlang: bool,
}

pub type In<'py> = Result<Object<'py>, Box<Unconvertible>>;

impl<'py> Converter<'py> {
    /// Gives the BEAM a hold on a Python object.
    pub fn object_ref(&self, object: Object<'py>) -> ObjectRef {
        ObjectRef { handle: self.worker.export(object), entry: Arc::clone(self.entry) }
    }
}

/// A term as a Python object.
pub fn to_python<'py>(converter: &Converter<'py>, term: Term<'_>) -> In<'py> {
    into(converter, term, 0)
}

/// The arguments of a call, a list, as a tuple.
pub fn positional<'py>(converter: &Converter<'py>, list: Term<'_>) -> In<'py> {
    match (list.list_length(), list.into_list_iterator()) {
        (Ok(length), Ok(items)) => collection::sequence_in(converter, length, items, 0),
        _ => Err(refuse_in("bad_args", "the arguments of a call are a list")),
    }
}

/// Some terms as a tuple.
pub fn arguments<'py>(converter: &Converter<'py>, terms: &[Term<'_>]) -> In<'py> {
    collection::sequence_in(converter, terms.len(), terms.iter().copied(), 0)
}

fn into<'py>(converter: &Converter<'py>, term: Term<'_>, depth: usize) -> In<'py> {
    if depth > DEEPEST {
        return Err(refuse_in("too_deep", format!("nested more than {DEEPEST} levels deep")));
    }
    match term.get_type() {
        TermType::Integer => number::integer_in(converter, term),
        TermType::Binary => text::binary_in(converter, term),
        TermType::Atom => text::atom_in(converter, term),
        TermType::Float => number::float_in(converter, term),
        TermType::List => collection::list_in(converter, term, depth),
        TermType::Tuple => collection::tuple_in(converter, term, depth),
        TermType::Map => collection::map_in(converter, term, depth),
        TermType::Pid => handle::opaque_in(converter, term, &converter.local.pid_type),
        TermType::Ref => handle::reference_in(converter, term),
        TermType::Port => handle::opaque_in(converter, term, &converter.local.port_type),
        TermType::Fun => handle::opaque_in(converter, term, &converter.local.fun_type),
        TermType::Unknown => {
            Err(refuse_in("unknown", "a term of a kind this version does not know"))
        }
    }
}

/// A Python object as a term.
pub fn to_elixir<'a, 'py>(
    env: Env<'a>,
    converter: &Converter<'py>,
    object: &Object<'py>,
) -> Outcome<'py, Term<'a>> {
    walk(env, converter, object).map(|(term, _is_data)| term)
}

/// The same, and the object again if it is data all through: as no code of Python's can run when
/// that is released, it need not happen before somebody has the term.
pub fn spend<'a, 'py>(
    env: Env<'a>,
    converter: &Converter<'py>,
    object: Object<'py>,
) -> Outcome<'py, (Term<'a>, Option<Object<'py>>)> {
    let (term, is_data) = walk(env, converter, &object)?;
    Ok((term, is_data.then_some(object)))
}

fn walk<'a, 'py>(
    env: Env<'a>,
    converter: &Converter<'py>,
    object: &Object<'py>,
) -> Outcome<'py, (Term<'a>, bool)> {
    if let Some(plain) = Plain::of(converter, object) {
        return Ok((plain.encode(env), true));
    }
    let scratch = converter.local.scratch.take();
    let walk = Walk {
        env,
        converter,
        names: Binaries::default(),
        scratch: &scratch,
        is_data: Cell::new(true),
    };
    let made = walk.out(object.as_ptr(), &Parents::none());
    let is_data = walk.is_data.get();
    drop(walk);
    converter.local.scratch.put_back(scratch);
    made.map(|term| (term, is_data))
}

/// The way out, with the environment that the term is built in.
struct Walk<'a, 'c, 'py> {
    env: Env<'a>,
    converter: &'c Converter<'py>,
    names: Binaries<'py>,
    scratch: &'c Scratch,
    /// Nothing but numbers, text, and lists, tuples and dicts of them so far.
    is_data: Cell<bool>,
}

/// The containers around the value at hand: their number limits the depth, and when it does,
/// they tell a cycle from mere depth.
struct Parents<'p> {
    object: *mut ffi::PyObject,
    outer: Option<&'p Parents<'p>>,
    depth: usize,
}

impl<'p> Parents<'p> {
    fn none() -> Self {
        Parents { object: ptr::null_mut(), outer: None, depth: 0 }
    }

    fn with(&'p self, object: *mut ffi::PyObject) -> Result<Parents<'p>, Box<Unconvertible>> {
        if self.depth < DEEPEST {
            return Ok(Parents { object, outer: Some(self), depth: self.depth + 1 });
        }
        let mut parents = Some(self);
        while let Some(parent) = parents {
            if parent.object == object {
                return Err(refuse_out("cyclic", "the value contains itself"));
            }
            parents = parent.outer;
        }
        Err(refuse_out("too_deep", format!("nested more than {DEEPEST} levels deep")))
    }
}

impl<'a, 'py> Walk<'a, '_, 'py> {
    /// `object` is borrowed from a container or an `Object` that outlives the call.
    fn out(&self, object: *mut ffi::PyObject, parents: &Parents<'_>) -> Outcome<'py, Term<'a>> {
        let made = self.item_out(object, parents)?;
        // SAFETY: made in this environment.
        Ok(unsafe { Term::new(self.env, made) })
    }

    /// The same for an item of a container, which are many: a bare term fits into registers.
    fn item_out(
        &self,
        object: *mut ffi::PyObject,
        parents: &Parents<'_>,
    ) -> Outcome<'py, ErlNifTerm> {
        if let Some(leaf) = self.leaf_out(object) {
            return Ok(leaf);
        }
        // SAFETY: `object` is alive, and so is its type.
        let kind = unsafe { ffi::Py_TYPE(object) };
        let made = match Builtin::of(kind) {
            Some(builtin) => self.builtin_out(builtin, object, parents)?,
            None => self.other_out(object, kind, parents)?,
        };
        Ok(made.as_c_arg())
    }

    /// The most frequent of those that hold nothing else, in which no Python code has a say, so
    /// none runs. A `str` or an `int` that takes more than that is not among them.
    #[inline]
    fn leaf_out(&self, object: *mut ffi::PyObject) -> Option<ErlNifTerm> {
        // SAFETY: `object` is alive, and so is its type.
        let made = match Builtin::of(unsafe { ffi::Py_TYPE(object) }) {
            Some(Builtin::Int) => number::small(object)?.encode(self.env),
            Some(Builtin::Float) => self.float_out(object),
            Some(Builtin::Str) => self.text_out(object)?,
            Some(_) => return None,
            None => self.constant_out(object)?,
        };
        Some(made.as_c_arg())
    }

    /// Our own types, subclasses, and everything that `erlang._convert` has a say in.
    fn other_out(
        &self,
        object: *mut ffi::PyObject,
        kind: *mut ffi::PyTypeObject,
        parents: &Parents<'_>,
    ) -> Outcome<'py, Term<'a>> {
        self.is_data.set(false);
        let Converter { py, local, .. } = *self.converter;
        if kind.cast() == local.atom_type.as_ptr() {
            return self.atom_out(object);
        }
        if let Some(term) = self.opaque_out(object, kind) {
            return Ok(term);
        }
        // SAFETY: a live object has a live type, and the caller keeps the object alive.
        let (kind, object) =
            unsafe { (Object::from_borrowed(py, kind.cast()), Object::from_borrowed(py, object)) };
        if ptr::eq(kind.as_ptr().cast(), &raw const ffi::PyMemoryView_Type) {
            return self.memoryview_out(&object);
        }
        match &local.encoder(&kind)?.how {
            How::As(builtin) => self.builtin_out(*builtin, object.as_ptr(), parents),
            How::By(encode) => {
                let tagged = encode.get(py).call1(&object)?;
                self.tagged_out(&object, &tagged, &parents.with(object.as_ptr())?)
            }
            How::Channel => Ok(self.channel_out(&object)),
            How::Handle => Ok(self.handle_out(object)),
        }
    }

    fn builtin_out(
        &self,
        builtin: Builtin,
        object: *mut ffi::PyObject,
        parents: &Parents<'_>,
    ) -> Outcome<'py, Term<'a>> {
        match builtin {
            Builtin::Int => self.int_out(object),
            Builtin::Float => Ok(self.float_out(object)),
            Builtin::Str => self.str_out(object),
            Builtin::Bytes => Ok(self.bytes_out(object)),
            Builtin::List => self.list_out(object, parents),
            Builtin::Tuple => self.tuple_out(object, parents),
            Builtin::Dict => self.dict_out(object, parents),
            Builtin::Set => {
                // Weak references tell of its end.
                self.is_data.set(false);
                self.set_out(object, parents)
            }
        }
    }
}

fn refuse_in(reason: &'static str, message: impl Into<String>) -> Box<Unconvertible> {
    Unconvertible::new(Direction::ToPython, reason, message)
}

fn refuse_out(reason: &'static str, message: impl Into<String>) -> Box<Unconvertible> {
    Unconvertible::new(Direction::ToElixir, reason, message)
}

/// Python failed while it made an object of ours: not the user's code, but out of memory, out of
/// range, or interrupted.
fn failed_in(reason: &'static str) -> impl Fn(py_host::Raised<'_>) -> Box<Unconvertible> {
    move |raised| {
        let reason = if raised.is_interrupt() { INTERRUPTED } else { reason };
        refuse_in(reason, raised.to_text())
    }
}

/// `"collections.deque"`, and `"int"` for what needs no module.
pub fn type_name(object: &Object<'_>) -> String {
    // SAFETY: a live object has a live type.
    let kind = unsafe { Object::from_borrowed(object.py(), ffi::Py_TYPE(object.as_ptr()).cast()) };
    let text = |name| kind.attr(name).map(|value| value.to_text());
    match (text(c"__module__"), text(c"__qualname__")) {
        (Ok(module), Ok(name)) if module == "builtins" || module == "__main__" => name,
        (Ok(module), Ok(name)) => format!("{}.{name}", public(&module)),
        (Err(_), Ok(name)) => name,
        (_, Err(_)) => "object".into(),
    }
}

/// The Python twins of C modules that an interpreter cannot have go by their public name.
fn public(module: &str) -> &str {
    match module {
        "_pydatetime" => "datetime",
        "_pydecimal" => "decimal",
        other => other,
    }
}
