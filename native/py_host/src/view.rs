//! The memory that an object shows through Python's buffer protocol.

use std::ffi::{c_char, CStr};

use pyo3_ffi as ffi;

use crate::{Object, Raised};

/// The object cannot move or free this memory while the view lives; others may write to it.
pub struct View<'py> {
    /// In a box, as `shape` and `strides` may point to other fields of the same struct.
    raw: Box<ffi::Py_buffer>,
    object: Object<'py>,
}

impl<'py> View<'py> {
    /// Of anything with a buffer, however it is laid out; `TypeError` for all else.
    pub fn of(object: &Object<'py>) -> Result<Self, Raised<'py>> {
        let mut raw = Box::new(ffi::Py_buffer::new());
        // SAFETY: a live object and an empty view, which is given back when it is dropped.
        let status =
            unsafe { ffi::PyObject_GetBuffer(object.as_ptr(), &raw mut *raw, ffi::PyBUF_FULL_RO) };
        if status < 0 {
            return Err(Raised::take(object.py()));
        }
        Ok(View { raw, object: object.clone() })
    }

    /// Where the memory is, if it is all in one piece and in the order of C's arrays.
    pub fn address(&self) -> Option<*const u8> {
        // SAFETY: a filled view.
        let contiguous =
            unsafe { ffi::PyBuffer_IsContiguous(&raw const *self.raw, b'C' as c_char) };
        (contiguous != 0).then_some(self.raw.buf.cast_const().cast())
    }

    /// In bytes.
    pub fn size(&self) -> usize {
        self.raw.len as usize
    }

    /// A `bytes` with a copy of the elements, in the order of C's arrays; `TypeError` for elements
    /// that are Python objects, whose bytes would be addresses.
    pub fn to_bytes(&self) -> Result<Object<'py>, Raised<'py>> {
        let py = self.object.py();
        if self.holds_objects() {
            let text = c"the elements are Python objects, which are no bytes; convert them first";
            // SAFETY: attached; the text is copied.
            unsafe { ffi::PyErr_SetString(ffi::PyExc_TypeError, text.as_ptr()) };
            return Err(Raised::take(py));
        }
        // SAFETY: a new bytes object of that size, filled before anybody else sees it.
        unsafe {
            let made = ffi::PyBytes_FromStringAndSize(std::ptr::null(), self.raw.len);
            let made = Object::from_owned(py, made)?;
            let data = ffi::PyBytes_AsString(made.as_ptr()).cast();
            // Before Python 3.11 this took a pointer to what could be changed.
            let (view, order) = ((&raw const *self.raw).cast_mut(), b'C' as c_char);
            if ffi::PyBuffer_ToContiguous(data, view, self.raw.len, order) < 0 {
                return Err(Raised::take(py));
            }
            Ok(made)
        }
    }

    /// The size of each dimension; empty for a single element.
    pub fn shape(&self) -> &[ffi::Py_ssize_t] {
        self.dimensions(self.raw.shape)
    }

    /// How many bytes to go for the next element of each dimension.
    pub fn strides(&self) -> &[ffi::Py_ssize_t] {
        self.dimensions(self.raw.strides)
    }

    fn dimensions(&self, values: *const ffi::Py_ssize_t) -> &[ffi::Py_ssize_t] {
        if values.is_null() {
            return &[];
        }
        // SAFETY: a view that was asked for both has `ndim` of each.
        unsafe { std::slice::from_raw_parts(values, self.raw.ndim as usize) }
    }

    /// What an element is, as the module `struct` has it.
    pub fn format(&self) -> &str {
        if self.raw.format.is_null() {
            return "B";
        }
        // SAFETY: NUL-terminated, and alive as long as the view.
        unsafe { CStr::from_ptr(self.raw.format) }.to_str().unwrap_or("")
    }

    /// The format of records has names in it, between colons.
    fn holds_objects(&self) -> bool {
        self.format().split(':').step_by(2).any(|types| types.contains('O'))
    }

    pub fn item_size(&self) -> usize {
        self.raw.itemsize as usize
    }

    pub fn is_read_only(&self) -> bool {
        self.raw.readonly != 0
    }
}

impl Drop for View<'_> {
    fn drop(&mut self) {
        // SAFETY: filled by `of` and given back once; `object` says that we are attached.
        unsafe { ffi::PyBuffer_Release(&raw mut *self.raw) }
    }
}
