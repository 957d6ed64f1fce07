//! What only one side can open: pids, references, ports and functions in Python, objects on the
//! BEAM, and buffers that both look into.

use py_host::{Kept, Object, View};
use pyo3_ffi as ffi;
use rustler::{Encoder, Term};

use super::{failed_in, refuse_in, type_name, Converter, In, Walk};
use crate::atoms;
use crate::builtin::{self, buffer, opaque};
use crate::channel;
use crate::failure::Outcome;
use crate::object::{self, ObjectRef};

/// A term that Python may hold, compare and give back.
pub fn opaque_in<'py>(converter: &Converter<'py>, term: Term<'_>, kind: &Kept) -> In<'py> {
    opaque::new(&kind.get(converter.py), term).map_err(failed_in("memory"))
}

/// A reference; the bare reference of a `%Py.Object{}` is the object.
pub fn reference_in<'py>(converter: &Converter<'py>, term: Term<'_>) -> In<'py> {
    match object::from_term(term) {
        Some(reference) => resolve(converter, &reference),
        None => opaque_in(converter, term, &converter.local.ref_type),
    }
}

pub fn object_in<'py>(converter: &Converter<'py>, term: Term<'_>) -> In<'py> {
    match object::from_term(term) {
        Some(reference) => resolve(converter, &reference),
        None => Err(refuse_in("bad_struct", "a Py.Object without its reference")),
    }
}

fn resolve<'py>(converter: &Converter<'py>, reference: &ObjectRef) -> In<'py> {
    converter.worker.resolve(converter.py, &reference.handle).ok_or_else(|| {
        if reference.entry.context.is_closed() {
            refuse_in("object_gone", "the context of this object is closed")
        } else {
            refuse_in(
                "foreign_object",
                "this object lives in another context; call there, or send a copy of its value",
            )
        }
    })
}

/// `%Py.Buffer{binary: …}`: a `memoryview` of the binary itself.
pub fn buffer_in<'py>(converter: &Converter<'py>, term: Term<'_>) -> In<'py> {
    let binary = term.map_get(atoms::binary()).ok().filter(|binary| binary.is_binary());
    let binary = binary.ok_or_else(|| refuse_in("bad_struct", "a Py.Buffer holds a binary"))?;
    buffer::view(&converter.local.buffer_type.get(converter.py), binary)
        .map_err(failed_in("memory"))
}

/// `%Py.Channel{ref: …}`
pub fn channel_in<'py>(converter: &Converter<'py>, term: Term<'_>) -> In<'py> {
    let reference = term.map_get(atoms::ref_()).and_then(|reference| reference.decode());
    let reference = reference
        .map_err(|_| refuse_in("foreign_channel", "this channel lives on another node"))?;
    builtin::channel::new(converter, reference).map_err(failed_in("memory"))
}

impl<'a, 'py> Walk<'a, '_, 'py> {
    pub fn channel_out(&self, object: &Object<'py>) -> Term<'a> {
        // SAFETY: an instance of our type, which `object` keeps alive.
        channel::to_struct(self.env, unsafe { builtin::channel::channel(object.as_ptr()) })
    }

    /// A pid, reference, port or function that comes back.
    pub fn opaque_out(
        &self,
        object: *mut ffi::PyObject,
        kind: *mut ffi::PyTypeObject,
    ) -> Option<Term<'a>> {
        let local = self.converter.local;
        let ours = [&local.pid_type, &local.ref_type, &local.port_type, &local.fun_type];
        if !ours.iter().any(|ours| ours.as_ptr() == kind.cast()) {
            return None;
        }
        // SAFETY: the type says that this is one of ours, and the caller keeps it alive.
        Some(unsafe { opaque::term(object) }.in_env(self.env))
    }

    /// A `memoryview` of a buffer of ours is the binary itself, or a part of it; any other is what
    /// its bytes are.
    pub fn memoryview_out(&self, object: &Object<'py>) -> Outcome<'py, Term<'a>> {
        let exporter = object.attr(c"obj")?;
        let view = View::of(object)?;
        if exporter.is_instance_of(&self.converter.local.buffer_type) {
            // SAFETY: its type says so, and the view is of the object that shows it.
            if let Some(binary) = unsafe { buffer::shown(self.env, &exporter, &view) } {
                return Ok(binary);
            }
        }
        Ok(self.bytes_out(view.to_bytes()?.as_ptr()))
    }

    /// What has no natural form on the BEAM.
    pub fn handle_out(&self, object: Object<'py>) -> Term<'a> {
        let name = type_name(&object);
        object::to_struct(self.env, self.converter.object_ref(object), &name).encode(self.env)
    }
}
