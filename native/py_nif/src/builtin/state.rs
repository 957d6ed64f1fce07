//! The functions of `_erlang` for what all contexts share; see `crate::state`.

use std::ptr;

use py_host::{Attached, Object, Raised};
use pyo3_ffi as ffi;

use super::arguments::two;
use super::talk::speak;
use crate::convert::{self, Converter};
use crate::failure::{Failure, Outcome};
use crate::state::{self, Uncounted, Value};
use crate::terms::OwnedTerm;

/// `state_get(key, default)`
pub unsafe extern "C" fn get(
    _module: *mut ffi::PyObject,
    arguments: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls us attached, with a tuple that keeps its items alive.
    let Some([key, default]) = (unsafe { two(arguments, c"OO:state_get") }) else {
        return ptr::null_mut();
    };
    speak(key.py(), |converter, _current| match state::get(term(converter, &key)?.term()) {
        Some(value) => to_python(converter, &value),
        // SAFETY: as above.
        None => Ok(unsafe { Object::from_borrowed(converter.py, default.as_ptr()) }),
    })
}

/// `state_set(key, value)`
pub unsafe extern "C" fn set(
    _module: *mut ffi::PyObject,
    arguments: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls us attached, with a tuple that keeps its items alive.
    let Some([key, value]) = (unsafe { two(arguments, c"OO:state_set") }) else {
        return ptr::null_mut();
    };
    speak(key.py(), |converter, _current| {
        let key = term(converter, &key)?;
        state::set(key.term(), Value::take(term(converter, &value)?));
        Ok(Object::none(converter.py))
    })
}

/// `state_delete(key)`
pub unsafe extern "C" fn delete(
    _module: *mut ffi::PyObject,
    key: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls us attached, with a live argument.
    let key = unsafe { Object::from_borrowed(Attached::assume(), key) };
    speak(key.py(), |converter, _current| {
        state::delete(term(converter, &key)?.term());
        Ok(Object::none(converter.py))
    })
}

/// `state_add(key, by)`
pub unsafe extern "C" fn add(
    _module: *mut ffi::PyObject,
    arguments: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    let (mut key, mut by) = (ptr::null_mut::<ffi::PyObject>(), 0_i64);
    // SAFETY: CPython calls us attached, with a tuple that keeps its items alive; the format asks
    // for an object and a `long long`.
    let key = unsafe {
        if ffi::PyArg_ParseTuple(arguments, c"OL:state_add".as_ptr(), &mut key, &mut by) == 0 {
            return ptr::null_mut();
        }
        Object::from_borrowed(Attached::assume(), key)
    };
    speak(key.py(), |converter, _current| {
        let sum = state::add(term(converter, &key)?.term(), by);
        let sum = sum.map_err(|uncounted| refuse(converter.py, &key, &uncounted))?;
        to_python(converter, &Value::Integer(sum))
    })
}

/// `state_keys()`
pub unsafe extern "C" fn keys(
    _module: *mut ffi::PyObject,
    _none: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls us attached.
    let py = unsafe { Attached::assume() };
    speak(py, |converter, _current| {
        let keys = OwnedTerm::new(state::keys);
        Ok(convert::to_python(converter, keys.term())?)
    })
}

/// `state_clear()`
pub unsafe extern "C" fn clear(
    _module: *mut ffi::PyObject,
    _none: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    state::clear();
    // SAFETY: CPython calls us attached.
    Object::none(unsafe { Attached::assume() }).into_ptr()
}

fn to_python<'py>(converter: &Converter<'py>, value: &Value) -> Outcome<'py, Object<'py>> {
    // A copy of our own: looking into a term may write to its environment, as for a binary that
    // does not begin at a whole byte, and others may be reading this one.
    let value = OwnedTerm::new(|env| value.in_env(env));
    Ok(convert::to_python(converter, value.term())?)
}

fn term<'py>(converter: &Converter<'py>, object: &Object<'_>) -> Outcome<'py, OwnedTerm> {
    // SAFETY: attached to the same interpreter throughout; the object outlives the call.
    let object = unsafe { Object::from_borrowed(converter.py, object.as_ptr()) };
    OwnedTerm::try_new(|env| convert::to_elixir(env, converter, &object))
}

fn refuse<'py>(py: Attached<'py>, key: &Object<'_>, uncounted: &Uncounted) -> Failure<'py> {
    // SAFETY: attached, with a live object and static types; the formats take one object.
    unsafe {
        match uncounted {
            Uncounted::NotAnInteger => ffi::PyErr_Format(
                ffi::PyExc_TypeError,
                c"the value under %R is no integer of 64 bits, so it cannot be counted".as_ptr(),
                key.as_ptr(),
            ),
            Uncounted::Overflow => ffi::PyErr_Format(
                ffi::PyExc_OverflowError,
                c"the counter under %R would no longer fit into 64 bits".as_ptr(),
                key.as_ptr(),
            ),
        };
    }
    Raised::take(py).into()
}
