//! Where bytes are read to: `bytes` objects in the making, so that Python gets what was read
//! without a copy, and as the type that all its libraries know.

use std::ptr;

use pyo3_ffi as ffi;

use crate::{Attached, Object, Raised};

/// As much as one read takes.
pub const SIZE: usize = 64 * 1024;

/// Below this, copying is quicker than cutting a block to size and making a new one.
const SMALL: usize = 4 * 1024;

/// So many descriptors are read between two attachments; the others' turn is next.
const MOST: usize = 64;

/// Made and dropped attached, filled by whoever has it.
pub struct Block {
    object: *mut ffi::PyObject,
    data: *mut u8,
    pub length: usize,
}

impl Block {
    fn new(py: Attached<'_>) -> Result<Block, Raised<'_>> {
        // SAFETY: without data the bytes are left as they are; nobody sees them before `finish`.
        unsafe {
            let made = ffi::PyBytes_FromStringAndSize(ptr::null(), SIZE as ffi::Py_ssize_t);
            let object = Object::from_owned(py, made)?.into_ptr();
            Ok(Block { object, data: ffi::PyBytes_AsString(object).cast(), length: 0 })
        }
    }

    /// Room for `SIZE` bytes, which nobody else uses, as ours is the only reference.
    pub fn place(&mut self) -> *mut u8 {
        self.data
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: our reference, or null; dropped attached, as the type says.
        unsafe { ffi::Py_XDECREF(self.object) }
    }
}

/// Blocks to read to, for one round.
#[derive(Default)]
pub struct Blocks {
    free: Vec<Block>,
    /// How many a round may want; it grows when that was too few.
    wanted: usize,
}

impl Blocks {
    /// Before a round.
    pub fn fill<'py>(&mut self, py: Attached<'py>) -> Result<(), Raised<'py>> {
        self.wanted = self.wanted.clamp(2, MOST);
        while self.free.len() < self.wanted {
            self.free.push(Block::new(py)?);
        }
        Ok(())
    }

    pub fn take(&mut self) -> Option<Block> {
        let block = self.free.pop();
        if block.is_none() {
            self.wanted *= 2;
        }
        block
    }

    pub fn give_back(&mut self, block: Block) {
        self.free.push(block);
    }

    /// What was read, as `bytes`.
    pub fn finish<'py>(
        &mut self,
        py: Attached<'py>,
        mut block: Block,
    ) -> Result<Object<'py>, Raised<'py>> {
        let length = block.length as ffi::Py_ssize_t;
        // SAFETY: a live bytes object of `SIZE` bytes at least; ours is the only reference when it
        // is cut to size, and if that fails, it has been released and the pointer is null.
        unsafe {
            if block.length < SMALL {
                let data = block.place().cast();
                let copy = Object::from_owned(py, ffi::PyBytes_FromStringAndSize(data, length));
                self.free.push(block);
                return copy;
            }
            let mut object = std::mem::replace(&mut block.object, ptr::null_mut());
            ffi::_PyBytes_Resize(&mut object, length);
            Object::from_owned(py, object)
        }
    }
}
