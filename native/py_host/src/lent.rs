//! Memory of Python's that others read where it is, for as long as they like.

use std::sync::Arc;

use pyo3_ffi as ffi;

use crate::garbage::Exported;
use crate::{Context, Object};

/// The bytes of a Python `bytes`, to be read from anywhere for as long as this lives. It holds a
/// reference, so they stay where they are, and a `bytes` never changes.
///
/// That is so when its interpreter has ended, too. None of the allocators that Python may have here
/// counts a block of this size among what belongs to an interpreter: CPython's own passes requests
/// of more than 512 bytes on to the C library, and mimalloc (see `allocator`) knows threads only,
/// whose blocks stay when they end. A `bytes` has no type and no members of that interpreter's, and
/// the garbage collector does not know of it. For the same reasons any interpreter may free it, and
/// the main one does.
pub struct Lent {
    context: Arc<Context>,
    object: *mut ffi::PyObject,
    data: *const u8,
    length: usize,
}

// SAFETY: the data never changes, and the object is released by a thread that may.
unsafe impl Send for Lent {}
// SAFETY: as above.
unsafe impl Sync for Lent {}

impl Lent {
    /// Worth it, and large enough for what is said above.
    pub const SMALLEST: usize = 64 * 1024;

    /// `None` for what is not exactly a `bytes`, or small.
    pub(crate) fn new(context: &Arc<Context>, object: &Object<'_>) -> Option<Lent> {
        // SAFETY: a live object has a type; if that says `bytes`, there is a buffer of that size.
        let (data, length) = unsafe {
            if ffi::PyBytes_CheckExact(object.as_ptr()) == 0 {
                return None;
            }
            let data = ffi::PyBytes_AsString(object.as_ptr()).cast();
            (data, ffi::PyBytes_Size(object.as_ptr()) as usize)
        };
        (length >= Lent::SMALLEST).then(|| Lent {
            context: Arc::clone(context),
            object: object.clone().into_ptr(),
            data,
            length,
        })
    }

    pub fn as_slice(&self) -> &[u8] {
        // SAFETY: the reference in `object` keeps the bytes there; see above.
        unsafe { std::slice::from_raw_parts(self.data, self.length) }
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if self.context.exports.give_back(Exported(self.object)) {
            self.context.wake();
        }
    }
}

/// What was lent by interpreters that have ended, released by the main one's own thread.
pub(crate) mod orphans {
    use std::sync::{Mutex, PoisonError};

    use crate::garbage::{release, Exported};
    use crate::{runtime, Attached};

    static WAITING: Mutex<Vec<Exported>> = Mutex::new(Vec::new());

    pub fn add(objects: Vec<Exported>) {
        if !objects.is_empty() {
            WAITING.lock().unwrap_or_else(PoisonError::into_inner).extend(objects);
            runtime::wake_main_thread();
        }
    }

    pub fn are_waiting() -> bool {
        !WAITING.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    pub fn collect(py: Attached<'_>) {
        let objects = std::mem::take(&mut *WAITING.lock().unwrap_or_else(PoisonError::into_inner));
        release(py, objects);
    }
}
