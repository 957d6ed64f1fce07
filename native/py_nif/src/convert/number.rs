//! Integers of any size, and floats with their three values that the BEAM has no float for.

use py_host::{Object, Raised};
use pyo3_ffi as ffi;
use rustler::{Encoder, Term};

use super::{failed_in, refuse_out, Converter, In, Plain, Walk};
use crate::atoms;
use crate::failure::Outcome;

// Tags of Erlang's external term format, in which integers beyond 64 bits travel.
const VERSION: u8 = 131;
const SMALL_BIG: u8 = 110;
const LARGE_BIG: u8 = 111;

pub fn integer_in<'py>(converter: &Converter<'py>, term: Term<'_>) -> In<'py> {
    let py = converter.py;
    if let Ok(small) = term.decode::<i64>() {
        return integer_to_python(converter, small);
    }
    let external = term.to_binary();
    let (negative, magnitude) = match external.as_slice() {
        [VERSION, SMALL_BIG, _, sign, magnitude @ ..] => (*sign != 0, magnitude),
        [VERSION, LARGE_BIG, _, _, _, _, sign, magnitude @ ..] => (*sign != 0, magnitude),
        _ => unreachable!("an integer beyond 64 bits is a big one"),
    };
    // SAFETY: the slice is valid for its length; little-endian, unsigned.
    let value = unsafe {
        Object::from_owned(
            py,
            ffi::_PyLong_FromByteArray(magnitude.as_ptr(), magnitude.len(), 1, 0),
        )
    };
    let value = if negative {
        // SAFETY: a live int.
        value.and_then(|value| unsafe {
            Object::from_owned(py, ffi::PyNumber_Negative(value.as_ptr()))
        })
    } else {
        value
    };
    value.map_err(failed_in("memory"))
}

pub fn integer_to_python<'py>(converter: &Converter<'py>, value: i64) -> In<'py> {
    // SAFETY: attached; a new reference or null with an exception set.
    unsafe { Object::from_owned(converter.py, ffi::PyLong_FromLongLong(value)) }
        .map_err(failed_in("memory"))
}

pub fn float_in<'py>(converter: &Converter<'py>, term: Term<'_>) -> In<'py> {
    float_to_python(converter, term.decode().expect("its type says float"))
}

pub fn float_to_python<'py>(converter: &Converter<'py>, value: f64) -> In<'py> {
    // SAFETY: attached; a new reference or null with an exception set.
    unsafe { Object::from_owned(converter.py, ffi::PyFloat_FromDouble(value)) }
        .map_err(failed_in("memory"))
}

impl<'a, 'py> Walk<'a, '_, 'py> {
    /// For an `int` or an instance of a subclass.
    pub fn int_out(&self, object: *mut ffi::PyObject) -> Outcome<'py, Term<'a>> {
        if let Some(small) = small(object) {
            return Ok(small.encode(self.env));
        }
        let py = self.converter.py;
        // SAFETY: a live int; a new reference or null with an exception set.
        let magnitude = unsafe { Object::from_owned(py, ffi::PyNumber_Absolute(object))? };
        let bytes = little_endian(&magnitude)?;
        let mut external = vec![VERSION, LARGE_BIG];
        let too_large =
            || refuse_out("too_large", "an integer of this size does not fit on the BEAM");
        external.extend(u32::try_from(bytes.len()).map_err(|_| too_large())?.to_be_bytes());
        external.push(is_negative(object).into());
        external.extend(bytes);
        let (term, _) = self.env.binary_to_term(&external).ok_or_else(too_large)?;
        Ok(term)
    }

    pub fn float_out(&self, object: *mut ffi::PyObject) -> Term<'a> {
        float(object).encode(self.env)
    }
}

/// The value of an `int` or an instance of a subclass, if it has 64 bits at most.
pub fn small(object: *mut ffi::PyObject) -> Option<i64> {
    let mut overflow = 0;
    // SAFETY: a live int; it has no `__index__` to go astray in, so no exception is set.
    let value = unsafe { ffi::PyLong_AsLongLongAndOverflow(object, &mut overflow) };
    (overflow == 0).then_some(value)
}

/// Is an `int` that is not small below zero?
fn is_negative(object: *mut ffi::PyObject) -> bool {
    let mut overflow = 0;
    // SAFETY: as above.
    unsafe { ffi::PyLong_AsLongLongAndOverflow(object, &mut overflow) };
    overflow < 0
}

/// The value of a `float` or an instance of a subclass.
pub fn float(object: *mut ffi::PyObject) -> Plain {
    // SAFETY: a subclass stores its value the same way.
    let value = unsafe { ffi::PyFloat_AS_DOUBLE(object) };
    if value.is_finite() {
        Plain::Float(value)
    } else if value.is_nan() {
        Plain::Atom(atoms::nan())
    } else if value > 0.0 {
        Plain::Atom(atoms::infinity())
    } else {
        Plain::Atom(atoms::neg_infinity())
    }
}

/// The bytes of a non-negative `int`, least significant first. `int.to_bytes` is the one way that
/// all versions share.
fn little_endian<'py>(value: &Object<'py>) -> Result<Vec<u8>, Raised<'py>> {
    let py = value.py();
    let bits = value.attr(c"bit_length")?.call(&Object::tuple(py, [])?, None)?;
    // SAFETY: a live int that is far below 2^63.
    let size = unsafe { ffi::PyLong_AsLongLong(bits.as_ptr()) } / 8 + 1;
    // SAFETY: attached.
    let size = unsafe { Object::from_owned(py, ffi::PyLong_FromLongLong(size))? };
    let bytes = value
        .attr(c"to_bytes")?
        .call(&Object::tuple(py, [size, Object::str(py, "little")?])?, None)?;
    // SAFETY: `to_bytes` returns bytes, which `bytes` keeps alive while we copy.
    Ok(unsafe {
        let data = ffi::PyBytes_AsString(bytes.as_ptr()).cast();
        std::slice::from_raw_parts(data, ffi::PyBytes_Size(bytes.as_ptr()) as usize)
    }
    .to_vec())
}
