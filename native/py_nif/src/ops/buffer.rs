//! Objects with memory to show: arrays, images, whatever has Python's buffer protocol.

use py_host::{Attached, Object, Raised, View};
use pyo3_ffi as ffi;
use rustler::Term;

use super::object::itself;
use crate::convert::Converter;
use crate::failure::Outcome;

/// A `bytes` of the elements, which leaves Python without another copy. The memory itself cannot:
/// Python code may write to it, and a binary never changes.
pub fn to_binary<'py>(converter: &Converter<'py>, object: Term<'_>) -> Outcome<'py, Object<'py>> {
    Ok(View::of(&itself(converter, object)?)?.to_bytes()?)
}

/// `(shape, strides, format, itemsize, nbytes, readonly, contiguous)`
pub fn buffer_info<'py>(converter: &Converter<'py>, object: Term<'_>) -> Outcome<'py, Object<'py>> {
    let py = converter.py;
    let view = View::of(&itself(converter, object)?)?;
    let size = |value: usize| integer(py, value as ffi::Py_ssize_t);
    let flag = |value: bool| {
        // SAFETY: attached; a new reference.
        unsafe { Object::from_owned(py, ffi::PyBool_FromLong(value.into())) }
    };
    let facts = [
        integers(py, view.shape())?,
        integers(py, view.strides())?,
        Object::str(py, view.format())?,
        size(view.item_size())?,
        size(view.size())?,
        flag(view.is_read_only())?,
        flag(view.address().is_some())?,
    ];
    Ok(Object::tuple(py, facts)?)
}

fn integers<'py>(
    py: Attached<'py>,
    values: &[ffi::Py_ssize_t],
) -> Result<Object<'py>, Raised<'py>> {
    // SAFETY: a new tuple with that many slots, each of which takes over one reference.
    unsafe {
        let tuple = Object::from_owned(py, ffi::PyTuple_New(values.len() as ffi::Py_ssize_t))?;
        for (index, value) in values.iter().enumerate() {
            let value = integer(py, *value)?.into_ptr();
            ffi::PyTuple_SET_ITEM(tuple.as_ptr(), index as ffi::Py_ssize_t, value);
        }
        Ok(tuple)
    }
}

fn integer<'py>(py: Attached<'py>, value: ffi::Py_ssize_t) -> Result<Object<'py>, Raised<'py>> {
    // SAFETY: attached; a new reference or null with an exception set.
    unsafe { Object::from_owned(py, ffi::PyLong_FromSsize_t(value)) }
}
