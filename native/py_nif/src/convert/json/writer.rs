//! Python objects as JSON.

use std::cell::RefCell;
use std::ptr;

use py_host::{Object, Raised};
use pyo3_ffi as ffi;
use rustler::{Env, Term};
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};

use super::text::Text;
use crate::convert::collection::{inside, Pairs};
use crate::convert::{refuse_out, text, type_name, Converter, Parents};
use crate::failure::{Direction, Failure, Outcome, Step};
use crate::kinds::{Builtin, How};

/// A Python object as a binary of JSON.
pub fn to_json<'a, 'py>(
    env: Env<'a>,
    converter: &Converter<'py>,
    object: &Object<'py>,
) -> Outcome<'py, Term<'a>> {
    let writer = Writer { converter, failure: RefCell::new(None) };
    let no_memory = || refuse_out("memory", "no memory for a text of this size");
    let mut text = Text::new();
    let root = Value { writer: &writer, object: object.as_ptr(), parents: &Parents::none() };
    match root.serialize(&mut serde_json::Serializer::new(&mut text)) {
        Ok(()) => Ok(text.into_term(env).ok_or_else(no_memory)?),
        Err(_) => match writer.failure.take() {
            Some(Failure::Conversion(mut error)) => {
                error.direction = Direction::AsJson;
                Err(Failure::Conversion(error))
            }
            Some(failure) => Err(failure),
            None => Err(no_memory().into()),
        },
    }
}

struct Writer<'c, 'py> {
    converter: &'c Converter<'py>,
    /// Why the text cannot be finished: serde's own errors are words only.
    failure: RefCell<Option<Failure<'py>>>,
}

impl<'py> Writer<'_, 'py> {
    /// For an error of serde's, which then ends the walk.
    fn fail<E: serde::ser::Error>(&self, failure: impl Into<Failure<'py>>) -> E {
        self.failure.replace(Some(failure.into()));
        E::custom("")
    }

    /// Adds a step to the path of what failed.
    fn inside<E>(&self, error: E, step: impl FnOnce() -> Step) -> E {
        let failure = self.failure.take();
        self.failure.replace(failure.map(|failure| inside(failure, step)));
        error
    }
}

/// One object on its way. It is borrowed from a container or an `Object` that outlives the walk
/// through it.
struct Value<'w, 'c, 'py> {
    writer: &'w Writer<'c, 'py>,
    object: *mut ffi::PyObject,
    parents: &'w Parents<'w>,
}

impl Serialize for Value<'_, '_, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // SAFETY: the object is alive, and so is its type.
        let kind = unsafe { ffi::Py_TYPE(self.object) };
        if let Some(builtin) = Builtin::of(kind) {
            return self.builtin(builtin, serializer);
        }
        // SAFETY: only addresses are compared.
        unsafe {
            if ptr::eq(self.object, ffi::Py_None()) {
                return serializer.serialize_unit();
            }
            if ptr::eq(kind, &raw const ffi::PyBool_Type) {
                return serializer.serialize_bool(ptr::eq(self.object, ffi::Py_True()));
            }
        }
        self.other(kind, serializer)
    }
}

impl<'w, 'c, 'py> Value<'w, 'c, 'py> {
    fn builtin<S: Serializer>(&self, kind: Builtin, serializer: S) -> Result<S::Ok, S::Error> {
        match kind {
            Builtin::Str => match self.utf8() {
                Ok(text) => serializer.serialize_str(text),
                Err(failure) => Err(self.writer.fail(failure)),
            },
            Builtin::Int => self.int(serializer),
            Builtin::Float => self.float(serializer),
            Builtin::Dict => self.dict(serializer),
            Builtin::List => self.list(self.object, serializer),
            Builtin::Tuple | Builtin::Set => {
                // SAFETY: a live iterable; a list of its own, which nobody else can change.
                let items = unsafe { self.owned(ffi::PySequence_List(self.object)) };
                match items {
                    Ok(items) => self.list(items.as_ptr(), serializer),
                    Err(raised) => Err(self.writer.fail(raised)),
                }
            }
            Builtin::Bytes => Err(self.no_form("decode it, or encode it as base64")),
        }
    }

    /// Subclasses, and what `erlang._convert` and `erlang._json` know a form for.
    fn other<S: Serializer>(
        &self,
        kind: *mut ffi::PyTypeObject,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let Converter { py, local, .. } = *self.writer.converter;
        if kind.cast() == local.atom_type.as_ptr() {
            return self.builtin(Builtin::Str, serializer);
        }
        // SAFETY: a live object has a live type, and the object outlives the walk.
        let (kind, object) = unsafe {
            (Object::from_borrowed(py, kind.cast()), Object::from_borrowed(py, self.object))
        };
        let encoder = local.encoder(&kind).map_err(|raised| self.writer.fail(raised))?;
        match &encoder.how {
            How::As(builtin) => self.builtin(*builtin, serializer),
            How::By(encode) => {
                let form = encode.get(py).call1(&object).and_then(|tagged| {
                    let pair = Object::tuple(py, [object.clone(), tagged])?;
                    local.json_form.get(py).call(&pair, None)
                });
                let form = form.map_err(|raised| self.writer.fail(raised))?;
                let parents = self.within(self.object)?;
                Value { object: form.as_ptr(), parents: &parents, ..*self }.serialize(serializer)
            }
            How::Channel => Err(self.no_form("receive from it and answer with that")),
            How::Handle => Err(self.no_form("answer with what it holds")),
        }
    }

    fn int<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Some(small) = self.small_int() {
            return serializer.serialize_i64(small);
        }
        let digits = self.digits().map_err(|raised| self.writer.fail(raised))?;
        let number = digits.as_str().and_then(|digits| digits.parse::<serde_json::Number>().ok());
        number.expect("an int's digits are a number").serialize(serializer)
    }

    fn small_int(&self) -> Option<i64> {
        let mut overflow = 0;
        // SAFETY: a live int; no exception is set, as it has no `__index__` to go astray in.
        let small = unsafe { ffi::PyLong_AsLongLongAndOverflow(self.object, &mut overflow) };
        (overflow == 0).then_some(small)
    }

    /// All of them: `str(int)` refuses more than 4,300.
    fn digits(&self) -> Result<Object<'py>, Raised<'py>> {
        let Converter { py, local, .. } = *self.writer.converter;
        // SAFETY: the object outlives the walk.
        local.json_digits.get(py).call1(unsafe { &Object::from_borrowed(py, self.object) })
    }

    fn float<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // SAFETY: a live float or an instance of a subclass, which stores its value the same way.
        let value = unsafe { ffi::PyFloat_AS_DOUBLE(self.object) };
        if value.is_finite() {
            return serializer.serialize_f64(value);
        }
        let text = "JSON has no number for nan, inf and -inf; None or a text may stand for them";
        Err(self.writer.fail(refuse_out("not_finite", text)))
    }

    /// The list may change while we walk, as an item's form may be a matter of Python code.
    fn list<S: Serializer>(
        &self,
        list: *mut ffi::PyObject,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let parents = self.within(self.object)?;
        let mut array = serializer.serialize_seq(None)?;
        let mut index = 0;
        // SAFETY: a live list; its size is read again after each item.
        while index < unsafe { ffi::PyList_GET_SIZE(list) } {
            // SAFETY: a new reference, or null and IndexError if another thread shortened it.
            let item = unsafe { self.owned(ffi::compat::PyList_GetItemRef(list, index)) };
            let item = item.map_err(|raised| self.writer.fail(raised))?;
            let value = Value { object: item.as_ptr(), parents: &parents, ..*self };
            array
                .serialize_element(&value)
                .map_err(|error| self.writer.inside(error, || Step::Index(index as usize)))?;
            index += 1;
        }
        array.end()
    }

    fn dict<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let parents = self.within(self.object)?;
        let mut map = serializer.serialize_map(None)?;
        let pairs = Pairs::of(self.writer.converter.py, self.object);
        for (key, value) in pairs.map_err(|raised| self.writer.fail(raised))? {
            let value = Value { object: value.as_ptr(), parents: &parents, ..*self };
            Value { object: key.as_ptr(), ..value }
                .key(&mut map)
                .and_then(|()| map.serialize_value(&value))
                .map_err(|error| self.writer.inside(error, || Step::Text(key.to_text())))?;
        }
        map.end()
    }

    /// JSON's keys are text. Numbers and constants become theirs, as in Python's own `json`.
    fn key<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        // SAFETY: a live object has a live type; only addresses are compared.
        let (kind, is_none) =
            unsafe { (ffi::Py_TYPE(self.object), ptr::eq(self.object, ffi::Py_None())) };
        if is_none {
            return map.serialize_key("null");
        }
        if matches!(Builtin::of(kind), Some(Builtin::Int)) && self.small_int().is_none() {
            let digits = self.digits().map_err(|raised| self.writer.fail(raised))?;
            return map.serialize_key(digits.as_str().unwrap_or_default());
        }
        let written = map.serialize_key(self);
        if written.is_err() && self.writer.failure.borrow().is_none() {
            let text = "a key of a JSON object is text, a number, a constant, or has such a form";
            self.writer.failure.replace(Some(refuse_out("bad_key", text).into()));
        }
        written
    }

    fn within<E: serde::ser::Error>(&self, object: *mut ffi::PyObject) -> Result<Parents<'w>, E> {
        self.parents.with(object).map_err(|error| self.writer.fail(error))
    }

    fn no_form<E: serde::ser::Error>(&self, advice: &str) -> E {
        let py = self.writer.converter.py;
        // SAFETY: the object outlives the walk.
        let name = type_name(unsafe { &Object::from_borrowed(py, self.object) });
        self.writer
            .fail(refuse_out("no_json_form", format!("{name} has no form in JSON; {advice}")))
    }

    fn utf8(&self) -> Outcome<'py, &str> {
        text::utf8(self.writer.converter.py, self.object)
    }

    /// # Safety
    /// `made` is what a C API function has just returned.
    unsafe fn owned(&self, made: *mut ffi::PyObject) -> Result<Object<'py>, Raised<'py>> {
        // SAFETY: the caller's promise.
        unsafe { Object::from_owned(self.writer.converter.py, made) }
    }
}
