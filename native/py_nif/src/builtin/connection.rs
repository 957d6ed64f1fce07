//! `_erlang.Connection`: what `erlang.reactor.Protocol` derives from, the connection as its
//! protocol sees it.

use std::ffi::{c_void, CStr};
use std::ptr;
use std::sync::{Arc, OnceLock};

use py_host::reactor::address::{Address, Name};
use py_host::reactor::connection::Refused;
use py_host::reactor::{blocks, posix, Connection, Phase};
use py_host::{Attached, Object, Raised};
use pyo3_ffi as ffi;

use super::{give, instance, method, methods, raise, raise_as, slot, Methods};

/// What an instance holds, as soon as there is one.
type Bound = OnceLock<Arc<Connection>>;

static METHODS: Methods<6> = Methods([
    method(c"write", write, ffi::METH_O),
    method(c"read", read, ffi::METH_VARARGS),
    method(c"flush", flush, ffi::METH_NOARGS),
    method(c"close", close, ffi::METH_NOARGS),
    method(c"signal_write_ready", signal, ffi::METH_NOARGS),
    ffi::PyMethodDef::zeroed(),
]);

struct Getters<const N: usize>([ffi::PyGetSetDef; N]);
// SAFETY: constant addresses, read by CPython only.
unsafe impl<const N: usize> Sync for Getters<N> {}

static GETTERS: Getters<5> = Getters([
    getter(c"fd", fd),
    getter(c"serial", serial),
    getter(c"peer", peer),
    getter(c"write_buffer_size", write_buffer_size),
    ffi::PyGetSetDef {
        name: ptr::null(),
        get: None,
        set: None,
        doc: ptr::null(),
        closure: ptr::null_mut(),
    },
]);

const fn getter(name: &'static CStr, get: ffi::getter) -> ffi::PyGetSetDef {
    ffi::PyGetSetDef {
        name: name.as_ptr(),
        get: Some(get),
        set: None,
        doc: ptr::null(),
        closure: ptr::null_mut(),
    }
}

/// # Safety
/// Attached, and `module` is the module that the type is for.
pub unsafe fn make_type(module: *mut ffi::PyObject) -> *mut ffi::PyObject {
    let slots =
        [methods(&METHODS), slot(ffi::Py_tp_getset, (&raw const GETTERS).cast_mut().cast())];
    // SAFETY: the caller's promise; `new` and the slots are for instances with a `Bound`.
    unsafe {
        let flags = ffi::Py_TPFLAGS_DEFAULT | ffi::Py_TPFLAGS_BASETYPE;
        instance::make_type::<Bound>(module, c"_erlang.Connection", flags, new, &slots)
    }
}

/// Gives an object its connection. What has one already, or is nothing of ours, is refused.
pub fn bind<'py>(
    kind: &Object<'py>,
    object: &Object<'py>,
    connection: &Arc<Connection>,
) -> Result<(), Raised<'py>> {
    // SAFETY: attached, with two live types; an instance of a class derived from ours is one of
    // ours. The formats take one object.
    unsafe {
        let own = ffi::Py_TYPE(object.as_ptr());
        if ffi::PyType_IsSubtype(own, kind.as_ptr().cast()) == 0 {
            let format = c"a protocol factory makes instances of erlang.reactor.Protocol, not %R";
            ffi::PyErr_Format(ffi::PyExc_TypeError, format.as_ptr(), object.as_ptr());
            return Err(Raised::take(kind.py()));
        }
        if instance::value::<Bound>(object.as_ptr()).set(Arc::clone(connection)).is_err() {
            let format = c"a protocol factory makes a new instance for every connection, and %R \
                           has one already";
            ffi::PyErr_Format(ffi::PyExc_ValueError, format.as_ptr(), object.as_ptr());
            return Err(Raised::take(kind.py()));
        }
        Ok(())
    }
}

unsafe extern "C" fn new(
    kind: *mut ffi::PyTypeObject,
    _args: *mut ffi::PyObject,
    _kwargs: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls us attached with our type or one derived from it.
    unsafe { instance::make(kind, Bound::new()) }
}

/// The connection of an object, lent for as long as the object is.
///
/// # Safety
/// Attached, with an instance of ours that outlives the answer.
unsafe fn connection<'o>(object: *mut ffi::PyObject) -> Option<&'o Arc<Connection>> {
    // SAFETY: the caller's promise.
    unsafe { instance::value::<Bound>(object) }.get()
}

/// The same, or an exception.
///
/// # Safety
/// As above.
unsafe fn connected<'o>(object: *mut ffi::PyObject) -> Option<&'o Arc<Connection>> {
    // SAFETY: the caller's promise.
    unsafe {
        let found = connection(object);
        if found.is_none() {
            let text = "this protocol has no connection yet";
            raise_as(Attached::assume(), posix::NOT_CONNECTED, text);
        }
        found
    }
}

/// `write(data)`: the number of bytes.
unsafe extern "C" fn write(
    object: *mut ffi::PyObject,
    data: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    let mut view = std::mem::MaybeUninit::<ffi::Py_buffer>::zeroed();
    // SAFETY: CPython calls us attached, with an instance of ours and a live argument. On success
    // the view is ours until we release it, and its bytes do not move meanwhile.
    unsafe {
        let Some(connection) = connected(object) else { return ptr::null_mut() };
        if ffi::PyObject_GetBuffer(data, view.as_mut_ptr(), ffi::PyBUF_SIMPLE) < 0 {
            return ptr::null_mut();
        }
        let length = (*view.as_ptr()).len;
        let bytes = match length {
            0 => &[][..],
            _ => std::slice::from_raw_parts((*view.as_ptr()).buf.cast::<u8>(), length as usize),
        };
        let taken = connection.write(bytes);
        ffi::PyBuffer_Release(view.as_mut_ptr());
        let py = Attached::assume();
        match taken {
            Ok(()) => ffi::PyLong_FromSsize_t(length),
            Err(Refused::Closed) => raise_as(py, posix::BROKEN_PIPE, "the connection is closed"),
            Err(Refused::Full(waiting)) => {
                let text = format!(
                    "{waiting} bytes wait to be written already: return 'write_pending' and go \
                     on in write_ready()"
                );
                raise_as(py, posix::WOULD_BLOCK, &text)
            }
        }
    }
}

/// `read(size=65536)`: what is there now.
unsafe extern "C" fn read(
    object: *mut ffi::PyObject,
    arguments: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    let mut size = blocks::SIZE as ffi::Py_ssize_t;
    // SAFETY: CPython calls us attached, with an instance of ours and a tuple; the new bytes have
    // the size, and are ours alone until they are returned. On failure they have been released.
    unsafe {
        if ffi::PyArg_ParseTuple(arguments, c"|n:read".as_ptr(), &mut size) == 0 {
            return ptr::null_mut();
        }
        let Some(connection) = connected(object) else { return ptr::null_mut() };
        let mut bytes = ffi::PyBytes_FromStringAndSize(ptr::null(), size.max(0));
        if bytes.is_null() {
            return ptr::null_mut();
        }
        let data = ffi::PyBytes_AsString(bytes).cast();
        match connection.read(data, size.max(0) as usize) {
            Ok(count) => {
                ffi::_PyBytes_Resize(&mut bytes, count as ffi::Py_ssize_t);
                bytes
            }
            Err(error) => {
                ffi::Py_DECREF(bytes);
                raise(Attached::assume(), &error)
            }
        }
    }
}

unsafe extern "C" fn flush(
    object: *mut ffi::PyObject,
    _none: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls us attached, with an instance of ours.
    unsafe {
        let py = Attached::assume();
        let Some(connection) = connected(object) else { return ptr::null_mut() };
        py.detached(|| connection.flush());
        Object::none(py).into_ptr()
    }
}

unsafe extern "C" fn close(
    object: *mut ffi::PyObject,
    _none: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls us attached, with an instance of ours.
    unsafe {
        if let Some(connection) = connection(object) {
            connection.turn(Phase::Closing);
        }
        Object::none(Attached::assume()).into_ptr()
    }
}

/// `signal_write_ready()`: false if the connection is gone.
unsafe extern "C" fn signal(
    object: *mut ffi::PyObject,
    _none: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls us attached, with an instance of ours.
    unsafe {
        let signalled = connection(object).is_some_and(|connection| connection.signal());
        ffi::PyBool_FromLong(signalled.into())
    }
}

/// -1 without a connection.
unsafe extern "C" fn fd(object: *mut ffi::PyObject, _closure: *mut c_void) -> *mut ffi::PyObject {
    // SAFETY: CPython calls us attached, with an instance of ours.
    unsafe {
        let fd = connection(object).map_or(-1, |connection| connection.fd);
        ffi::PyLong_FromLong(fd.into())
    }
}

/// Zero without a connection.
unsafe extern "C" fn serial(
    object: *mut ffi::PyObject,
    _closure: *mut c_void,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls us attached, with an instance of ours.
    unsafe {
        let serial = connection(object).map_or(0, |connection| connection.serial);
        ffi::PyLong_FromUnsignedLongLong(serial)
    }
}

unsafe extern "C" fn peer(object: *mut ffi::PyObject, _closure: *mut c_void) -> *mut ffi::PyObject {
    // SAFETY: CPython calls us attached, with an instance of ours.
    unsafe {
        let peer = connection(object).and_then(|connection| connection.peer());
        let py = Attached::assume();
        give(peer.map_or(Ok(Object::none(py)), |peer| named(py, &peer)))
    }
}

unsafe extern "C" fn write_buffer_size(
    object: *mut ffi::PyObject,
    _closure: *mut c_void,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls us attached, with an instance of ours.
    unsafe {
        let waiting = connection(object).map_or(0, |connection| connection.unwritten());
        ffi::PyLong_FromSize_t(waiting)
    }
}

/// `(host, port)`, or the path of a Unix socket, or `None`.
pub fn named<'py>(py: Attached<'py>, address: &Address) -> Result<Object<'py>, Raised<'py>> {
    match address.name() {
        Name::Internet(ip, port) => {
            let host = Object::str(py, &ip.to_string())?;
            // SAFETY: attached; a new reference or null.
            let port = unsafe { Object::from_owned(py, ffi::PyLong_FromLong(port.into()))? };
            Object::tuple(py, [host, port])
        }
        Name::Unix(path) if !path.is_empty() => Object::str(py, &String::from_utf8_lossy(&path)),
        Name::Unix(_) | Name::Other => Ok(Object::none(py)),
    }
}
