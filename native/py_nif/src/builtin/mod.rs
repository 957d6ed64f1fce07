//! `_erlang`: the module that the Python package `erlang` is written over.
//!
//! It is made once per interpreter, with types of its own each time, and keeps nothing that two
//! interpreters could share.

mod arguments;
pub mod buffer;
pub mod channel;
pub mod connection;
mod instance;
pub mod opaque;
mod poller;
mod print;
pub mod promise;
mod reactor;
mod state;
pub mod talk;
mod wakeups;

use std::cell::Cell;
use std::ffi::{c_char, c_int, c_void, CStr};
use std::{io, ptr};

use py_host::reactor::posix;
use py_host::{Attached, Mode, Object, Raised};
use pyo3_ffi as ffi;

use crate::observe;

pub const NAME: &CStr = c"_erlang";

/// Python's entry point, through the table of built-in modules.
pub unsafe extern "C" fn init() -> *mut ffi::PyObject {
    // SAFETY: the definition is static, and CPython alone writes to it.
    unsafe { ffi::PyModuleDef_Init(&raw mut DEFINITION) }
}

static mut DEFINITION: ffi::PyModuleDef = ffi::PyModuleDef {
    m_base: ffi::PyModuleDef_HEAD_INIT,
    m_name: NAME.as_ptr(),
    m_doc: c"The native half of the package `erlang`.".as_ptr(),
    m_size: 0,
    m_methods: (&raw const METHODS).cast_mut().cast(),
    m_slots: (&raw const SLOTS).cast_mut().cast(),
    m_traverse: None,
    m_clear: None,
    m_free: None,
};

#[repr(transparent)]
struct Methods<const N: usize>([ffi::PyMethodDef; N]);
// SAFETY: constant addresses, read by CPython only.
unsafe impl<const N: usize> Sync for Methods<N> {}

static METHODS: Methods<27> = Methods([
    method(c"execution_mode", execution_mode, ffi::METH_NOARGS),
    method(c"is_multi_phase", is_multi_phase, ffi::METH_VARARGS),
    method(c"import_in_main", import_in_main, ffi::METH_O),
    method(c"call", talk::call, ffi::METH_VARARGS),
    method(c"cast", talk::cast, ffi::METH_VARARGS),
    method(c"send", talk::send, ffi::METH_VARARGS),
    method(c"whereis", talk::whereis, ffi::METH_O),
    method(c"self_", talk::own_pid, ffi::METH_NOARGS),
    method(c"sleep", talk::sleep, ffi::METH_O),
    method(c"write", print::write, ffi::METH_VARARGS),
    method(c"write_out", print::write_out, ffi::METH_O),
    method(c"write_err", print::write_err, ffi::METH_O),
    method(c"flush", print::flush, ffi::METH_NOARGS),
    method(c"log", print::log, ffi::METH_VARARGS),
    method(c"has_function", talk::has_function, ffi::METH_O),
    method(c"to_binary", talk::to_binary, ffi::METH_O),
    method(c"channel_new", channel::make, ffi::METH_VARARGS),
    method(c"from_binary", talk::from_binary, ffi::METH_O),
    method(c"state_get", state::get, ffi::METH_VARARGS),
    method(c"state_set", state::set, ffi::METH_VARARGS),
    method(c"state_delete", state::delete, ffi::METH_O),
    method(c"state_add", state::add, ffi::METH_VARARGS),
    method(c"state_keys", state::keys, ffi::METH_NOARGS),
    method(c"state_clear", state::clear, ffi::METH_NOARGS),
    method(c"is_tracing", is_tracing, ffi::METH_NOARGS),
    method(c"log_level", log_level, ffi::METH_NOARGS),
    ffi::PyMethodDef::zeroed(),
]);

/// Documented in the stub file `erlang/_erlang.pyi`; users call what the package makes of these.
const fn method(name: &'static CStr, function: ffi::PyCFunction, flags: c_int) -> ffi::PyMethodDef {
    ffi::PyMethodDef {
        ml_name: name.as_ptr(),
        ml_meth: ffi::PyMethodDefPointer { PyCFunction: function },
        ml_flags: flags,
        ml_doc: ptr::null(),
    }
}

thread_local! {
    static MODE: Cell<Option<Mode>> = const { Cell::new(None) };
}

/// Tells `execution_mode()` on this thread what to answer.
pub fn set_mode(mode: Mode) {
    MODE.set(Some(mode));
}

/// A thread that Python code started is none of ours and gets the default's answer.
unsafe extern "C" fn execution_mode(
    _module: *mut ffi::PyObject,
    _none: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    let mode = MODE.get().or_else(|| Mode::parse("auto").ok());
    let name = mode.map_or("worker", |mode| mode.row().execution_mode);
    // SAFETY: CPython calls us attached; the text is copied.
    unsafe { ffi::PyUnicode_FromStringAndSize(name.as_ptr().cast(), name.len() as ffi::Py_ssize_t) }
}

/// Are spans wanted?
unsafe extern "C" fn is_tracing(
    _module: *mut ffi::PyObject,
    _none: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls us attached.
    unsafe { ffi::PyBool_FromLong(observe::is_tracing().into()) }
}

/// The level that `Py.Logger` has set, or -1.
unsafe extern "C" fn log_level(
    _module: *mut ffi::PyObject,
    _none: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls us attached.
    unsafe { ffi::PyLong_FromLong(observe::log_level().into()) }
}

/// For `erlang._isolation`; see `py_host::extension`.
unsafe extern "C" fn is_multi_phase(
    _module: *mut ffi::PyObject,
    arguments: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls us attached, with a tuple that keeps its items alive.
    let (py, name, path) = unsafe {
        let py = Attached::assume();
        let (mut name, mut path) = (ptr::null_mut::<ffi::PyObject>(), ptr::null_mut());
        if ffi::PyArg_ParseTuple(arguments, c"UU".as_ptr(), &mut name, &mut path) == 0 {
            return ptr::null_mut();
        }
        (py, Object::from_borrowed(py, name), Object::from_borrowed(py, path))
    };
    let answer = py_host::extension::is_multi_phase(py, &name.to_text(), &path.to_text());
    // SAFETY: attached; the message is copied.
    unsafe {
        match answer {
            Ok(answer) => ffi::PyBool_FromLong(answer.into()),
            Err(text) => {
                if let Ok(text) = Object::str(py, &text) {
                    ffi::PyErr_SetObject(ffi::PyExc_ImportError, text.as_ptr());
                }
                ptr::null_mut()
            }
        }
    }
}

/// For `erlang._isolation`, likewise.
unsafe extern "C" fn import_in_main(
    _module: *mut ffi::PyObject,
    name: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls us attached, with a live argument.
    let (py, name) = unsafe {
        let py = Attached::assume();
        (py, Object::from_borrowed(py, name))
    };
    py_host::extension::import_in_main(py, &name.to_text());
    Object::none(py).into_ptr()
}

#[repr(transparent)]
struct Slots<const N: usize>([ffi::PyModuleDef_Slot; N]);
// SAFETY: constant addresses, read by CPython only.
unsafe impl<const N: usize> Sync for Slots<N> {}

#[cfg(not(Py_3_12))]
static SLOTS: Slots<2> = Slots([EXEC, END]);
#[cfg(all(Py_3_12, not(Py_3_13)))]
static SLOTS: Slots<3> = Slots([EXEC, INTERPRETERS, END]);
#[cfg(Py_3_13)]
static SLOTS: Slots<4> = Slots([EXEC, INTERPRETERS, NO_GIL, END]);

const EXEC: ffi::PyModuleDef_Slot =
    ffi::PyModuleDef_Slot { slot: ffi::Py_mod_exec, value: exec as *mut c_void };
#[cfg(Py_3_12)]
const INTERPRETERS: ffi::PyModuleDef_Slot = ffi::PyModuleDef_Slot {
    slot: ffi::Py_mod_multiple_interpreters,
    value: ffi::Py_MOD_PER_INTERPRETER_GIL_SUPPORTED,
};
#[cfg(Py_3_13)]
const NO_GIL: ffi::PyModuleDef_Slot =
    ffi::PyModuleDef_Slot { slot: ffi::Py_mod_gil, value: ffi::Py_MOD_GIL_NOT_USED };
const END: ffi::PyModuleDef_Slot = ffi::PyModuleDef_Slot { slot: 0, value: ptr::null_mut() };

/// Puts the types into a new module.
unsafe extern "C" fn exec(module: *mut ffi::PyObject) -> c_int {
    let pickled = || methods(&opaque::PICKLED);
    let called = slot(ffi::Py_tp_call, talk::call_fun as *mut c_void);
    for (name, full_name, special) in [
        (c"Pid", c"erlang.Pid", pickled()),
        (c"Ref", c"erlang.Ref", pickled()),
        (c"Port", c"erlang.Port", pickled()),
        (c"Fun", c"erlang.Fun", called),
    ] {
        // SAFETY: CPython calls us attached, with the module that it is making.
        if unsafe { add(module, name, opaque::make_type(module, full_name, special)) } < 0 {
            return -1;
        }
    }
    // SAFETY: as above.
    unsafe {
        for (name, kind) in [
            (c"Poller", poller::make_type(module)),
            (c"Buffer", buffer::make_type(module)),
            (c"Channel", channel::make_type(module)),
            (c"Wakeups", wakeups::make_type(module)),
            (c"Promise", promise::make_type(module)),
            (c"Connection", connection::make_type(module)),
            (c"Reactor", reactor::make_type(module)),
        ] {
            if add(module, name, kind) < 0 {
                return -1;
            }
        }
        0
    }
}

fn slot(slot: c_int, pfunc: *mut c_void) -> ffi::PyType_Slot {
    ffi::PyType_Slot { slot, pfunc }
}

fn methods<const N: usize>(methods: &'static Methods<N>) -> ffi::PyType_Slot {
    slot(ffi::Py_tp_methods, (&raw const *methods).cast_mut().cast())
}

/// # Safety
/// Attached; `value` is a new reference or null with an exception set.
unsafe fn add(module: *mut ffi::PyObject, name: &CStr, value: *mut ffi::PyObject) -> c_int {
    if value.is_null() {
        return -1;
    }
    // SAFETY: the caller's promise; AddObject steals the reference when it succeeds.
    unsafe {
        let status = ffi::PyModule_AddObject(module, name.as_ptr(), value);
        if status < 0 {
            ffi::Py_DECREF(value);
        }
        status
    }
}

/// What comparing answers when the other one may know better.
///
/// # Safety
/// Attached.
unsafe fn not_implemented() -> *mut ffi::PyObject {
    // SAFETY: the caller's promise; it lives for ever, and whoever gets it owns a reference.
    unsafe {
        let not_implemented = ffi::Py_NotImplemented();
        ffi::Py_INCREF(not_implemented);
        not_implemented
    }
}

/// `tp_new` of types whose instances only the BEAM can make.
unsafe extern "C" fn refuse_new(
    kind: *mut ffi::PyTypeObject,
    _args: *mut ffi::PyObject,
    _kwargs: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls us attached with a live type; the format takes one C string.
    unsafe {
        let format: *const c_char =
            c"%s values come from the BEAM and cannot be made in Python".as_ptr();
        ffi::PyErr_Format(ffi::PyExc_TypeError, format, (*kind).tp_name)
    }
}

/// What a function gives Python: a new reference, or null with the exception set.
fn give(result: Result<Object<'_>, Raised<'_>>) -> *mut ffi::PyObject {
    match result {
        Ok(object) => object.into_ptr(),
        Err(raised) => {
            raised.restore();
            ptr::null_mut()
        }
    }
}

/// A list of what comes one by one.
fn list<'py>(
    py: Attached<'py>,
    items: impl ExactSizeIterator<Item = Result<Object<'py>, Raised<'py>>>,
) -> Result<Object<'py>, Raised<'py>> {
    // SAFETY: attached; the list takes the items, and is freed with those it has when one fails.
    unsafe {
        let list = Object::from_owned(py, ffi::PyList_New(items.len() as ffi::Py_ssize_t))?;
        for (index, item) in items.enumerate() {
            ffi::PyList_SET_ITEM(list.as_ptr(), index as ffi::Py_ssize_t, item?.into_ptr());
        }
        Ok(list)
    }
}

/// `OSError(errno, text)`, which makes itself the subclass that it should be.
pub fn raise(py: Attached<'_>, error: &io::Error) -> *mut ffi::PyObject {
    raise_as(py, posix::code(error), &error.to_string())
}

/// The same in words of our own.
fn raise_as(py: Attached<'_>, code: c_int, text: &str) -> *mut ffi::PyObject {
    give(os_error(py, code, text).and_then(|exception| Err(Raised::new(exception))))
}

/// Made here, because before Python 3.12 `except` looks at the type that was set, and that is to
/// be the subclass.
fn os_error<'py>(py: Attached<'py>, code: c_int, text: &str) -> Result<Object<'py>, Raised<'py>> {
    // SAFETY: attached; a new reference or null with an exception set, and a static type.
    let (code, kind) = unsafe {
        let code = Object::from_owned(py, ffi::PyLong_FromLong(code.into()))?;
        (code, Object::from_borrowed(py, ffi::PyExc_OSError))
    };
    kind.call(&Object::tuple(py, [code, Object::str(py, text)?])?, None)
}
