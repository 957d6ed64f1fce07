//! The functions of `_erlang` by which Python code talks to the BEAM.

use std::ffi::{c_char, CStr};
use std::ptr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use py_host::{guest, Attached, Nested, Object, Raised};
use pyo3_ffi as ffi;

use super::arguments::two;
use crate::callback::{self, Target};
use crate::convert::Converter;
use crate::current::{self, Current};
use crate::failure::Outcome;
use crate::{functions, message};

type Answer<'py> = Outcome<'py, Object<'py>>;

/// `call(target, args)`
pub unsafe extern "C" fn call(
    _module: *mut ffi::PyObject,
    arguments: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls us attached, with a tuple that keeps its items alive.
    unsafe {
        answer(arguments, c"OO!:call", |converter, current, target, args| {
            callback::ask(converter, current, target, Some(args))
        })
    }
}

/// `cast(target, args)`
pub unsafe extern "C" fn cast(
    _module: *mut ffi::PyObject,
    arguments: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: as above.
    unsafe {
        answer(arguments, c"OO!:cast", |converter, current, target, args| {
            callback::cast(converter, current, target, args)?;
            Ok(Object::none(converter.py))
        })
    }
}

/// `send(target, term)`
pub unsafe extern "C" fn send(
    _module: *mut ffi::PyObject,
    arguments: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls us attached, with a tuple that keeps its items alive.
    let Some([target, term]) = (unsafe { two(arguments, c"OO:send") }) else {
        return ptr::null_mut();
    };
    speak(target.py(), |converter, _current| message::send(converter, &target, &term))
}

/// `whereis(name)`
pub unsafe extern "C" fn whereis(
    _module: *mut ffi::PyObject,
    name: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls us attached, with a live argument.
    unsafe { of_one(name, message::whereis) }
}

/// `self_()`
pub unsafe extern "C" fn own_pid(
    _module: *mut ffi::PyObject,
    _none: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls us attached.
    let py = unsafe { Attached::assume() };
    speak(py, |converter, current| {
        let ticket = current::ticket(converter, current);
        let pid = ticket.map_or(converter.entry.pid, |ticket| ticket.address.caller);
        message::pid_object(converter, &pid)
    })
}

/// `sleep(seconds)`: detached, and ended by an interrupt.
pub unsafe extern "C" fn sleep(
    _module: *mut ffi::PyObject,
    seconds: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls us attached, with a live argument; -1 may mean an exception.
    let (py, seconds) = unsafe {
        let seconds = ffi::PyFloat_AsDouble(seconds);
        if seconds == -1.0 && !ffi::PyErr_Occurred().is_null() {
            return ptr::null_mut();
        }
        (Attached::assume(), seconds)
    };
    let Ok(time) = Duration::try_from_secs_f64(seconds) else {
        // SAFETY: attached, and the type is static.
        return unsafe {
            refuse(ffi::PyExc_ValueError, c"sleep length must be a non-negative number")
        };
    };
    speak(py, |converter, current| {
        let deadline = Instant::now().checked_add(time);
        let nested = Arc::new(Nested::new());
        match current {
            Some(current) => {
                let slept = current.worker.wait(py, &nested, deadline, || false);
                slept.map_err(|_interrupted| callback::interrupted(converter))?;
            }
            None => {
                let slept = guest::wait(py, converter.worker, &nested, deadline, || false);
                slept.map_err(|_closed| callback::end_of_thread(converter))?;
            }
        }
        Ok(Object::none(converter.py))
    })
}

/// `has_function(name)`
pub unsafe extern "C" fn has_function(
    _module: *mut ffi::PyObject,
    name: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls us attached, with a live argument.
    let name = unsafe { Object::from_borrowed(Attached::assume(), name) };
    let known = name.as_str().is_some_and(functions::contains);
    // SAFETY: attached.
    unsafe { ffi::PyBool_FromLong(known.into()) }
}

/// `to_binary(term)`, for pickles.
pub unsafe extern "C" fn to_binary(
    _module: *mut ffi::PyObject,
    object: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls us attached, with a live argument.
    unsafe { of_one(object, message::to_binary) }
}

/// `from_binary(data)`
pub unsafe extern "C" fn from_binary(
    _module: *mut ffi::PyObject,
    data: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls us attached, with a live argument.
    unsafe { of_one(data, message::from_binary) }
}

/// Calling an `erlang.Fun`.
pub unsafe extern "C" fn call_fun(
    fun: *mut ffi::PyObject,
    args: *mut ffi::PyObject,
    kwargs: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls us attached, with an instance of ours, a tuple, and a dict or null.
    unsafe {
        if !kwargs.is_null() && ffi::PyDict_Size(kwargs) > 0 {
            let message = c"functions of the BEAM take no keyword arguments";
            return refuse(ffi::PyExc_TypeError, message);
        }
        let py = Attached::assume();
        let args = Object::from_borrowed(py, args);
        speak(py, |converter, current| {
            callback::ask(converter, current, Target::Fun(fun), Some(&args))
        })
    }
}

/// # Safety
/// Attached; the argument is alive.
unsafe fn of_one(
    argument: *mut ffi::PyObject,
    work: for<'py> fn(&Converter<'py>, &Object<'py>) -> Answer<'py>,
) -> *mut ffi::PyObject {
    // SAFETY: the caller's promise.
    let py = unsafe { Attached::assume() };
    speak(py, |converter, _current| {
        // SAFETY: as above.
        work(converter, &unsafe { Object::from_borrowed(converter.py, argument) })
    })
}

/// # Safety
/// Attached; `arguments` is a live tuple.
unsafe fn answer(
    arguments: *mut ffi::PyObject,
    format: &CStr,
    work: impl for<'py> FnOnce(
        &Converter<'py>,
        Option<&Current<'_>>,
        Target<'_>,
        &Object<'py>,
    ) -> Answer<'py>,
) -> *mut ffi::PyObject {
    // SAFETY: the caller's promise; the format asks for an object and a tuple.
    unsafe {
        let py = Attached::assume();
        let (mut target, mut args) =
            (ptr::null_mut::<ffi::PyObject>(), ptr::null_mut::<ffi::PyObject>());
        let kind = &raw mut ffi::PyTuple_Type;
        if ffi::PyArg_ParseTuple(arguments, format.as_ptr(), &mut target, kind, &mut args) == 0 {
            return ptr::null_mut();
        }
        calling(py, target, args, work)
    }
}

/// What is to be called, told from Python's point of view.
///
/// # Safety
/// Both objects are alive, and the second is a tuple.
pub unsafe fn calling(
    py: Attached<'_>,
    target: *mut ffi::PyObject,
    args: *mut ffi::PyObject,
    work: impl for<'py> FnOnce(
        &Converter<'py>,
        Option<&Current<'_>>,
        Target<'_>,
        &Object<'py>,
    ) -> Answer<'py>,
) -> *mut ffi::PyObject {
    // SAFETY: the caller's promise.
    unsafe {
        let (target, args) = (Object::from_borrowed(py, target), Object::from_borrowed(py, args));
        speak(py, |converter, current| {
            let is_fun = target.is_instance_of(&converter.local.fun_type);
            let named = if is_fun { None } else { target.as_str() };
            let target = match named {
                _ if is_fun => Target::Fun(target.as_ptr()),
                Some(name) => Target::Name(name),
                None => {
                    refuse(ffi::PyExc_TypeError, c"what is called is a name or an erlang.Fun");
                    return Err(Raised::take(converter.py).into());
                }
            };
            work(converter, current, target, &Object::from_borrowed(converter.py, args.as_ptr()))
        })
    }
}

/// Runs `work` with what it needs, and reports to Python.
pub fn speak(
    py: Attached<'_>,
    work: impl for<'py> FnOnce(&Converter<'py>, Option<&Current<'_>>) -> Answer<'py>,
) -> *mut ffi::PyObject {
    let result = current::speak(py, |converter, current| match work(converter, current) {
        Ok(value) => value.into_ptr(),
        Err(failure) => {
            failure.raise(converter.py);
            ptr::null_mut()
        }
    });
    // SAFETY: attached, and the type is static.
    result.unwrap_or_else(|| unsafe {
        refuse(ffi::PyExc_RuntimeError, c"the contexts of this interpreter are closed")
    })
}

/// # Safety
/// Attached, with an exception type that is alive.
unsafe fn refuse(kind: *mut ffi::PyObject, message: &CStr) -> *mut ffi::PyObject {
    let text: *const c_char = message.as_ptr();
    // SAFETY: the caller's promise; the text is copied.
    unsafe { ffi::PyErr_SetString(kind, text) };
    ptr::null_mut()
}
