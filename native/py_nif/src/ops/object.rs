//! Operations on one object, most often a handle that comes back.

use py_host::{Object, Raised};
use pyo3_ffi as ffi;
use rustler::Term;

use super::call::name;
use crate::convert::{self, Converter};
use crate::failure::Outcome;

type Answer<'py> = Outcome<'py, Object<'py>>;

pub fn itself<'py>(converter: &Converter<'py>, object: Term<'_>) -> Answer<'py> {
    Ok(convert::to_python(converter, object)?)
}

pub fn getattr<'py>(
    converter: &Converter<'py>,
    object: Term<'_>,
    attribute: Term<'_>,
) -> Answer<'py> {
    Ok(itself(converter, object)?.getattr(&name(converter, attribute)?)?)
}

/// Python's three-argument `getattr`: only a missing attribute gives the default.
pub fn getattr_or<'py>(
    converter: &Converter<'py>,
    object: Term<'_>,
    attribute: Term<'_>,
    default: Term<'_>,
) -> Answer<'py> {
    let default = itself(converter, default)?;
    match itself(converter, object)?.getattr(&name(converter, attribute)?) {
        Err(raised) if raised.is_attribute_error() => Ok(default),
        found => Ok(found?),
    }
}

pub fn setattr<'py>(
    converter: &Converter<'py>,
    object: Term<'_>,
    attribute: Term<'_>,
    value: Term<'_>,
) -> Answer<'py> {
    let value = itself(converter, value)?;
    let (object, attribute) = (itself(converter, object)?, name(converter, attribute)?);
    // SAFETY: all are live.
    done(converter, unsafe {
        ffi::PyObject_SetAttr(object.as_ptr(), attribute.as_ptr(), value.as_ptr())
    })
}

pub fn get_item<'py>(converter: &Converter<'py>, object: Term<'_>, key: Term<'_>) -> Answer<'py> {
    let (object, key) = (itself(converter, object)?, itself(converter, key)?);
    // SAFETY: both are live.
    made(converter, unsafe { ffi::PyObject_GetItem(object.as_ptr(), key.as_ptr()) })
}

pub fn set_item<'py>(
    converter: &Converter<'py>,
    object: Term<'_>,
    key: Term<'_>,
    value: Term<'_>,
) -> Answer<'py> {
    let (key, value) = (itself(converter, key)?, itself(converter, value)?);
    let object = itself(converter, object)?;
    // SAFETY: all are live.
    done(converter, unsafe { ffi::PyObject_SetItem(object.as_ptr(), key.as_ptr(), value.as_ptr()) })
}

pub fn type_name<'py>(converter: &Converter<'py>, object: Term<'_>) -> Answer<'py> {
    Ok(Object::str(converter.py, &convert::type_name(&itself(converter, object)?))?)
}

pub fn dir<'py>(converter: &Converter<'py>, object: Term<'_>) -> Answer<'py> {
    let object = itself(converter, object)?;
    // SAFETY: a live object.
    made(converter, unsafe { ffi::PyObject_Dir(object.as_ptr()) })
}

pub fn repr<'py>(converter: &Converter<'py>, object: Term<'_>) -> Answer<'py> {
    let object = itself(converter, object)?;
    // SAFETY: a live object.
    made(converter, unsafe { ffi::PyObject_Repr(object.as_ptr()) })
}

pub fn str<'py>(converter: &Converter<'py>, object: Term<'_>) -> Answer<'py> {
    let object = itself(converter, object)?;
    // SAFETY: a live object.
    made(converter, unsafe { ffi::PyObject_Str(object.as_ptr()) })
}

pub fn len<'py>(converter: &Converter<'py>, object: Term<'_>) -> Answer<'py> {
    let object = itself(converter, object)?;
    // SAFETY: a live object; -1 means that an exception is set.
    match unsafe { ffi::PyObject_Size(object.as_ptr()) } {
        -1 => Err(Raised::take(converter.py).into()),
        // SAFETY: attached.
        size => made(converter, unsafe { ffi::PyLong_FromSsize_t(size) }),
    }
}

/// What a C API function returned: a new reference, or null and an exception set.
fn made<'py>(converter: &Converter<'py>, result: *mut ffi::PyObject) -> Answer<'py> {
    // SAFETY: the callers pass on what a call has just returned.
    Ok(unsafe { Object::from_owned(converter.py, result)? })
}

/// What a C API function returned that answers with success or -1.
fn done<'py>(converter: &Converter<'py>, status: std::ffi::c_int) -> Answer<'py> {
    if status < 0 {
        Err(Raised::take(converter.py).into())
    } else {
        Ok(Object::none(converter.py))
    }
}
