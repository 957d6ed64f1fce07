//! JSON as Python objects: `%Py.JSON{}`.

use std::cell::Cell;
use std::fmt;

use py_host::{Attached, Object, Raised};
use pyo3_ffi as ffi;
use rustler::{Binary, Term};
use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde::Deserializer;

use crate::atoms;
use crate::convert::{refuse_in, text, Converter, In, DEEPEST};

/// `%Py.JSON{binary: …}`: what the text says.
pub fn json_in<'py>(converter: &Converter<'py>, term: Term<'_>) -> In<'py> {
    let binary = term.map_get(atoms::binary()).and_then(Binary::from_term);
    let binary = binary.map_err(|_| refuse_in("bad_struct", "a Py.JSON holds a binary"))?;
    let text = binary.as_slice();
    let reader = Reader { converter, text, reason: Cell::new("invalid_json") };
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    // Ours is deeper than serde's, and the stacks of our threads are made for it.
    deserializer.disable_recursion_limit();
    Value { reader: &reader, depth: 0 }
        .deserialize(&mut deserializer)
        .and_then(|value| deserializer.end().map(|()| value))
        .map_err(|error| refuse_in(reader.reason.get(), error.to_string()))
}

struct Reader<'r, 'py> {
    converter: &'r Converter<'py>,
    text: &'r [u8],
    /// Why it cannot be read: serde's own errors are words only.
    reason: Cell<&'static str>,
}

impl<'py> Reader<'_, 'py> {
    fn py(&self) -> Attached<'py> {
        self.converter.py
    }

    fn fail<E: serde::de::Error>(&self, reason: &'static str, message: impl fmt::Display) -> E {
        self.reason.set(reason);
        E::custom(message)
    }

    /// Python failed while it made an object.
    fn made<E: serde::de::Error>(
        &self,
        made: Result<Object<'py>, Raised<'py>>,
    ) -> Result<Object<'py>, E> {
        made.map_err(|raised| self.fail("memory", raised.to_text()))
    }

    /// A number that serde_json leaves as text: a float, or an integer beyond 64 bits.
    fn number<E: serde::de::Error>(&self, digits: &str) -> Result<Object<'py>, E> {
        if digits.contains(['.', 'e', 'E']) {
            let value = digits.parse().map_err(E::custom)?;
            // SAFETY: attached; a new reference or null with an exception set.
            return self
                .made(unsafe { Object::from_owned(self.py(), ffi::PyFloat_FromDouble(value)) });
        }
        let integer = self.converter.local.json_integer.get(self.py());
        self.made(Object::str(self.py(), digits).and_then(|digits| integer.call1(&digits)))
    }
}

/// One value of the text.
#[derive(Clone, Copy)]
struct Value<'v, 'r, 'py> {
    reader: &'v Reader<'r, 'py>,
    depth: usize,
}

impl Value<'_, '_, '_> {
    /// For the values inside this one.
    fn inner<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.depth == DEEPEST {
            let text = format!("nested more than {DEEPEST} levels deep");
            return Err(self.reader.fail("too_deep", text));
        }
        Ok(Value { depth: self.depth + 1, ..self })
    }
}

impl<'de, 'py> DeserializeSeed<'de> for Value<'_, '_, 'py> {
    type Value = Object<'py>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Object<'py>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, 'py> Visitor<'de> for Value<'_, '_, 'py> {
    type Value = Object<'py>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Object<'py>, E> {
        Ok(Object::none(self.reader.py()))
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<Object<'py>, E> {
        // SAFETY: attached; a new reference.
        self.reader.made(unsafe {
            Object::from_owned(self.reader.py(), ffi::PyBool_FromLong(value.into()))
        })
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Object<'py>, E> {
        // SAFETY: attached; a new reference or null with an exception set.
        self.reader
            .made(unsafe { Object::from_owned(self.reader.py(), ffi::PyLong_FromLongLong(value)) })
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Object<'py>, E> {
        // SAFETY: as above.
        self.reader.made(unsafe {
            Object::from_owned(self.reader.py(), ffi::PyLong_FromUnsignedLongLong(value))
        })
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Object<'py>, E> {
        self.reader.made(text::python_str(self.reader.converter, value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Object<'py>, A::Error> {
        let inner = self.inner()?;
        let mut items = Vec::new();
        while let Some(item) = array.next_element_seed(inner)? {
            items.push(item);
        }
        // SAFETY: the new list has that many empty slots; each is filled once, with a reference
        // that it takes over.
        unsafe {
            let list = ffi::PyList_New(items.len() as ffi::Py_ssize_t);
            let list = self.reader.made(Object::from_owned(self.reader.py(), list))?;
            for (index, item) in items.into_iter().enumerate() {
                let index = index as ffi::Py_ssize_t;
                ffi::PyList_SET_ITEM(list.as_ptr(), index, item.into_ptr());
            }
            Ok(list)
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<'py>, A::Error> {
        let inner = self.inner()?;
        let dict = self.reader.made(Object::dict(self.reader.py()))?;
        while let Some(key) = map.next_key_seed(Key(self.reader))? {
            let Some(key) = key else {
                return self.reader.number(&map.next_value::<String>()?);
            };
            let value = map.next_value_seed(inner)?;
            // As with Python's own `json`, the last of several equal keys wins.
            // SAFETY: all are live, and a str can be hashed.
            if unsafe { ffi::PyDict_SetItem(dict.as_ptr(), key.as_ptr(), value.as_ptr()) } < 0 {
                return self.reader.made(Err(Raised::take(self.reader.py())));
            }
        }
        Ok(dict)
    }
}

/// A key. serde_json hands out long numbers as maps whose one key is a name of its own; `None` is
/// that key.
struct Key<'v, 'r, 'py>(&'v Reader<'r, 'py>);

impl<'de, 'py> DeserializeSeed<'de> for Key<'_, '_, 'py> {
    type Value = Option<Object<'py>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, 'py> Visitor<'de> for Key<'_, '_, 'py> {
    type Value = Option<Object<'py>>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a key")
    }

    /// What is borrowed is a piece of our text, or else a constant of serde_json's. A document
    /// may well have a key of that very name, so where it lies is asked, and not what it says.
    fn visit_borrowed_str<E: serde::de::Error>(self, key: &'de str) -> Result<Self::Value, E> {
        let is_in_text = self.0.text.as_ptr_range().contains(&key.as_ptr());
        if is_in_text {
            self.visit_str(key)
        } else {
            Ok(None)
        }
    }

    fn visit_str<E: serde::de::Error>(self, key: &str) -> Result<Self::Value, E> {
        let Converter { py, local, .. } = *self.0.converter;
        if let Some(known) = local.keys.find(py, key.as_bytes()) {
            return Ok(Some(known));
        }
        let made = self.0.made(text::python_str(self.0.converter, key))?;
        local.keys.remember(key.as_bytes(), &made);
        Ok(Some(made))
    }
}
