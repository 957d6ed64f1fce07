//! Instances of the types of `_erlang`: Python objects with a value of ours in them.
//!
//! Methods of one object may run on several threads at once: where there is no GIL, or while one
//! of them waits detached. So a value is only lent, and what is to change in it is atomic or has a
//! lock, under which no Python code runs.

use std::ffi::{c_int, c_ulong, c_void, CStr};
use std::ptr;

use pyo3_ffi as ffi;

use super::slot;

#[repr(C)]
struct Instance<T> {
    head: ffi::PyObject,
    value: T,
}

/// A new type of this interpreter, with a `T` in each of its instances; null with an exception set
/// if that fails. All instances come from `make`, through `new` or at our own wish: Python refuses
/// `object.__new__` where a type has its own.
///
/// # Safety
/// Attached; `module` is the module that the type is for. `new` gives what `make::<T>` has made or
/// refuses, and the slots, which neither make nor free, are for instances with a `T`.
pub unsafe fn make_type<T>(
    module: *mut ffi::PyObject,
    name: &'static CStr,
    flags: c_ulong,
    new: ffi::newfunc,
    slots: &[ffi::PyType_Slot],
) -> *mut ffi::PyObject {
    const { assert!(align_of::<T>() <= align_of::<ffi::PyObject>(), "as Python aligns objects") }
    let mut slots = slots.to_vec();
    slots.push(slot(ffi::Py_tp_new, new as *mut c_void));
    slots.push(slot(ffi::Py_tp_dealloc, dealloc::<T> as *mut c_void));
    slots.push(slot(0, ptr::null_mut()));
    let mut spec = ffi::PyType_Spec {
        name: name.as_ptr(),
        basicsize: size_of::<Instance<T>>() as c_int,
        itemsize: 0,
        flags: flags as u32,
        slots: slots.as_mut_ptr(),
    };
    // SAFETY: the caller's promise. The spec and its slots outlive the call, which copies what it
    // needs; the name is static.
    unsafe { ffi::PyType_FromModuleAndSpec(module, &mut spec, ptr::null_mut()) }
}

/// A new instance; null with an exception set if there is no memory for it.
///
/// # Safety
/// Attached; `kind` comes from `make_type::<T>`, or derives from such a type.
pub unsafe fn make<T>(kind: *mut ffi::PyTypeObject, value: T) -> *mut ffi::PyObject {
    // SAFETY: the caller's promise says that the instance has our layout; the value is put there
    // before anybody sees it.
    unsafe {
        let made = ffi::PyType_GenericAlloc(kind, 0);
        if !made.is_null() {
            (&raw mut (*made.cast::<Instance<T>>()).value).write(value);
        }
        made
    }
}

/// What an instance holds.
///
/// # Safety
/// `object` is what `make::<T>` has made, and outlives the reference.
pub unsafe fn value<'o, T>(object: *mut ffi::PyObject) -> &'o T {
    // SAFETY: the caller's promise; the value is there for as long as the object lives.
    unsafe { &(*object.cast::<Instance<T>>()).value }
}

unsafe extern "C" fn dealloc<T>(object: *mut ffi::PyObject) {
    // SAFETY: CPython frees an object once, when nobody has it any more, and `make` has put a value
    // into it. A heap type's instance holds a reference to its type. Where that derives from ours,
    // we are called last, and are the ones to free the object and to give that reference back.
    unsafe {
        let kind = ffi::Py_TYPE(object);
        ptr::drop_in_place(&raw mut (*object.cast::<Instance<T>>()).value);
        (*kind).tp_free.expect("every type has one")(object.cast());
        ffi::Py_DECREF(kind.cast());
    }
}
