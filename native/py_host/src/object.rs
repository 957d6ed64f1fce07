//! Owned references to Python objects: [`Object`] while attached, [`Kept`] in structures that a
//! worker owns.

use std::ffi::CStr;
use std::mem::ManuallyDrop;
use std::os::raw::c_char;
use std::ptr::{self, NonNull};

use pyo3_ffi as ffi;

use crate::{Attached, Raised};

/// An owned reference that cannot outlive the attachment it was made under.
pub struct Object<'py> {
    ptr: NonNull<ffi::PyObject>,
    py: Attached<'py>,
}

impl<'py> Object<'py> {
    /// Takes over what a C API function returned: a new reference, or null and an exception set.
    ///
    /// # Safety
    /// `ptr` must be null with an exception set, or a reference that nobody else will release.
    pub unsafe fn from_owned(
        py: Attached<'py>,
        ptr: *mut ffi::PyObject,
    ) -> Result<Self, Raised<'py>> {
        match NonNull::new(ptr) {
            Some(ptr) => Ok(Object { ptr, py }),
            None => Err(Raised::take(py)),
        }
    }

    /// A new reference to a borrowed object.
    ///
    /// # Safety
    /// `ptr` must point to a live object.
    pub unsafe fn from_borrowed(py: Attached<'py>, ptr: *mut ffi::PyObject) -> Self {
        // SAFETY: the caller's promise, and the token says that we are attached.
        unsafe { ffi::Py_INCREF(ptr) };
        // SAFETY: a live object's address is not null.
        Object { ptr: unsafe { NonNull::new_unchecked(ptr) }, py }
    }

    pub fn none(py: Attached<'py>) -> Self {
        // SAFETY: None lives for ever.
        unsafe { Object::from_borrowed(py, ffi::Py_None()) }
    }

    pub fn str(py: Attached<'py>, text: &str) -> Result<Self, Raised<'py>> {
        // SAFETY: the slice is valid UTF-8 of the given length.
        unsafe {
            let ptr = ffi::PyUnicode_FromStringAndSize(
                text.as_ptr().cast(),
                text.len() as ffi::Py_ssize_t,
            );
            Object::from_owned(py, ptr)
        }
    }

    /// A string for names that are looked up often: interned, so that dictionaries compare it by
    /// address.
    pub fn interned(py: Attached<'py>, text: &str) -> Result<Self, Raised<'py>> {
        let mut ptr = Object::str(py, text)?.into_ptr();
        // SAFETY: we own the only reference; it is replaced by one to the interned twin.
        unsafe {
            ffi::PyUnicode_InternInPlace(&mut ptr);
            Object::from_owned(py, ptr)
        }
    }

    pub fn dict(py: Attached<'py>) -> Result<Self, Raised<'py>> {
        // SAFETY: returns a new reference or null with an exception set.
        unsafe { Object::from_owned(py, ffi::PyDict_New()) }
    }

    pub fn tuple<const N: usize>(
        py: Attached<'py>,
        items: [Object<'py>; N],
    ) -> Result<Self, Raised<'py>> {
        // SAFETY: the new tuple has N slots, each of which takes over one reference.
        unsafe {
            let tuple = Object::from_owned(py, ffi::PyTuple_New(N as ffi::Py_ssize_t))?;
            for (index, item) in items.into_iter().enumerate() {
                ffi::PyTuple_SET_ITEM(tuple.as_ptr(), index as ffi::Py_ssize_t, item.into_ptr());
            }
            Ok(tuple)
        }
    }

    /// `importlib.import_module(name)`, dotted names included.
    pub fn import(py: Attached<'py>, name: &CStr) -> Result<Self, Raised<'py>> {
        // SAFETY: the name is NUL-terminated.
        unsafe { Object::from_owned(py, ffi::PyImport_ImportModule(name.as_ptr())) }
    }

    pub fn is_none(&self) -> bool {
        // SAFETY: only addresses are compared.
        unsafe { ptr::eq(self.as_ptr(), ffi::Py_None()) }
    }

    pub fn py(&self) -> Attached<'py> {
        self.py
    }

    /// Borrowed: valid for as long as `self` is.
    pub fn as_ptr(&self) -> *mut ffi::PyObject {
        self.ptr.as_ptr()
    }

    /// Hands the reference to someone else, typically a C API function that steals it.
    pub fn into_ptr(self) -> *mut ffi::PyObject {
        ManuallyDrop::new(self).ptr.as_ptr()
    }

    pub fn attr(&self, name: &CStr) -> Result<Self, Raised<'py>> {
        // SAFETY: both are valid for the call.
        unsafe {
            Object::from_owned(self.py, ffi::PyObject_GetAttrString(self.as_ptr(), name.as_ptr()))
        }
    }

    pub fn getattr(&self, name: &Object<'py>) -> Result<Self, Raised<'py>> {
        // SAFETY: both are valid for the call.
        unsafe { Object::from_owned(self.py, ffi::PyObject_GetAttr(self.as_ptr(), name.as_ptr())) }
    }

    /// Calls with an argument tuple and, if there are any, a dictionary of keyword arguments.
    pub fn call(
        &self,
        args: &Object<'py>,
        kwargs: Option<&Object<'py>>,
    ) -> Result<Self, Raised<'py>> {
        let kwargs = kwargs.map_or(ptr::null_mut(), Object::as_ptr);
        // SAFETY: all three are live, `args` is a tuple and `kwargs` a dict or null, else Python
        // raises SystemError.
        unsafe {
            Object::from_owned(self.py, ffi::PyObject_Call(self.as_ptr(), args.as_ptr(), kwargs))
        }
    }

    /// Calls without arguments.
    pub fn call0(&self) -> Result<Self, Raised<'py>> {
        // SAFETY: live, and no arguments.
        unsafe {
            Object::from_owned(self.py, ffi::PyObject_CallObject(self.as_ptr(), ptr::null_mut()))
        }
    }

    /// Calls with one positional argument.
    pub fn call1(&self, argument: &Object<'py>) -> Result<Self, Raised<'py>> {
        // One spare slot in front, which the callee may use for `self` without copying.
        let mut slots = [ptr::null_mut(), argument.as_ptr()];
        // SAFETY: the slice holds one live argument after the spare slot that the flag announces.
        unsafe {
            let result = ffi::PyObject_Vectorcall(
                self.as_ptr(),
                slots.as_mut_ptr().add(1),
                1 | ffi::PY_VECTORCALL_ARGUMENTS_OFFSET,
                ptr::null_mut(),
            );
            Object::from_owned(self.py, result)
        }
    }

    pub fn set_item(&self, key: &CStr, value: &Object<'py>) -> Result<(), Raised<'py>> {
        // SAFETY: all are live; the call checks that `self` is a mapping.
        let status =
            unsafe { ffi::PyMapping_SetItemString(self.as_ptr(), key.as_ptr(), value.as_ptr()) };
        if status < 0 {
            Err(Raised::take(self.py))
        } else {
            Ok(())
        }
    }

    /// Its type, borrowed: valid for as long as `self` is.
    pub fn kind(&self) -> *mut ffi::PyTypeObject {
        // SAFETY: a live object has a type.
        unsafe { ffi::Py_TYPE(self.as_ptr()) }
    }

    /// Is `kind` its type?
    pub fn is_instance_of(&self, kind: &Kept) -> bool {
        self.kind().cast() == kind.as_ptr()
    }

    /// `str(self)` for messages; falls back to a remark, so it never fails.
    pub fn to_text(&self) -> String {
        // SAFETY: `self` is live; the result is a new reference or null with an exception set.
        let text = unsafe { Object::from_owned(self.py, ffi::PyObject_Str(self.as_ptr())) };
        text.ok()
            .and_then(|text| text.as_str().map(str::to_owned))
            .unwrap_or_else(|| "<no text>".into())
    }

    /// The text of a `str`; `None` for other types and for lone surrogates, which UTF-8 cannot hold.
    pub fn as_str(&self) -> Option<&str> {
        let mut length = 0;
        // SAFETY: the call checks the type itself and sets an exception for anything but a str.
        let data: *const c_char =
            unsafe { ffi::PyUnicode_AsUTF8AndSize(self.as_ptr(), &mut length) };
        if data.is_null() {
            // SAFETY: attached; drops the exception that the call has set.
            unsafe { ffi::PyErr_Clear() };
            return None;
        }
        // SAFETY: Python keeps this UTF-8 buffer alive as long as the str, which `self` owns.
        Some(unsafe {
            std::str::from_utf8_unchecked(std::slice::from_raw_parts(data.cast(), length as usize))
        })
    }

    /// Keeps the object beyond this attachment.
    pub fn keep(self) -> Kept {
        Kept(NonNull::new(self.into_ptr()).expect("an object's address"))
    }
}

impl Clone for Object<'_> {
    fn clone(&self) -> Self {
        // SAFETY: `self` keeps the object alive.
        unsafe { Object::from_borrowed(self.py, self.as_ptr()) }
    }
}

impl Drop for Object<'_> {
    fn drop(&mut self) {
        // SAFETY: we own one reference, and the token in `self` says that we are attached.
        unsafe { ffi::Py_DECREF(self.as_ptr()) }
    }
}

/// An owned reference inside a structure that a worker owns, such as a cache.
///
/// It has no lifetime to hold it back, so the rule is the worker's: everything it owns is dropped
/// while its thread is attached (see `executor`). It is not `Send`, hence cannot leave the thread.
pub struct Kept(NonNull<ffi::PyObject>);

impl Kept {
    pub fn get<'py>(&self, py: Attached<'py>) -> Object<'py> {
        // SAFETY: `self` owns a reference, so the object is alive.
        unsafe { Object::from_borrowed(py, self.as_ptr()) }
    }

    pub fn as_ptr(&self) -> *mut ffi::PyObject {
        self.0.as_ptr()
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        // SAFETY: we own one reference, and the worker drops what it owns while attached.
        unsafe { ffi::Py_DECREF(self.as_ptr()) }
    }
}
