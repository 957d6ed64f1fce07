//! Resources by which the BEAM holds something of Python's.

use std::sync::Arc;

use py_host::{Handle, Lent, Namespace};
use rustler::{Env, Resource, ResourceArc, Term};

use crate::atoms;
use crate::contexts::Entry;

/// What a `%Py.Object{}` refers to. Its garbage collection tells the context, which releases the
/// object when it next runs.
pub struct ObjectRef {
    pub handle: Handle,
    pub entry: Arc<Entry>,
}

#[rustler::resource_impl]
impl Resource for ObjectRef {}

/// A private namespace. A process keeps it in its dictionary, so it goes when the process goes.
#[derive(Default)]
pub struct NamespaceRef(pub Namespace);

#[rustler::resource_impl]
impl Resource for NamespaceRef {}

/// What a large binary refers to that lies in Python's memory.
pub struct LentRef(pub Lent);

#[rustler::resource_impl]
impl Resource for LentRef {}

/// `%Py.Object{ref: …, type: "collections.deque", context: pid}`
pub fn to_struct<'a>(env: Env<'a>, object: ObjectRef, type_name: &str) -> Term<'a> {
    use rustler::Encoder;
    let pid = object.entry.pid;
    let pairs = [
        (atoms::struct_().encode(env), atoms::py_object().encode(env)),
        (atoms::ref_().encode(env), ResourceArc::new(object).encode(env)),
        (atoms::type_().encode(env), type_name.encode(env)),
        (atoms::context().encode(env), pid.encode(env)),
    ];
    Term::map_from_pairs(env, &pairs).expect("four different keys")
}

/// The resource inside a `%Py.Object{}`, or the bare reference.
pub fn from_term(term: Term<'_>) -> Option<ResourceArc<ObjectRef>> {
    let reference = if term.is_map() { term.map_get(atoms::ref_()).ok()? } else { term };
    reference.decode().ok()
}
