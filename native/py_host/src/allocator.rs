//! Where Python's objects lie when contexts have a GIL of their own: in mimalloc's heaps.
//!
//! CPython's own allocator keeps the arenas (2 MB and more) of every such interpreter that ever
//! ended, if only one block in them is alive, and CPython always leaves some. The C library's
//! keeps far less, but it takes twice as long for a small block. mimalloc has a heap per thread,
//! hence per context, is as fast as CPython's allocator, and takes back what a thread leaves.
//! `bench/contexts.exs` and `bench/convert.exs` show both.

use std::ffi::c_void;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};

use libmimalloc_sys::{mi_collect, mi_free, mi_malloc, mi_realloc, mi_usable_size, mi_zalloc};
use pyo3_ffi as ffi;
use pyo3_ffi::PyMemAllocatorDomain::{PYMEM_DOMAIN_MEM, PYMEM_DOMAIN_OBJ};

/// Python's domains of memory that is asked for while attached.
pub(crate) const DOMAINS: [ffi::PyMemAllocatorDomain; 2] = [PYMEM_DOMAIN_MEM, PYMEM_DOMAIN_OBJ];

static INSTALLED: AtomicBool = AtomicBool::new(false);

/// Is there anything to `trim`?
pub(crate) fn is_installed() -> bool {
    INSTALLED.load(Ordering::Relaxed)
}

/// Gives back what the calling thread's heap has no use for. Where it does not come to that,
/// memory stays ready for some time after it was freed, which saves most of what new memory costs.
pub(crate) fn trim() {
    // SAFETY: concerns the calling thread's heap alone.
    unsafe { mi_collect(true) }
}

/// Serves Python's two domains of memory that is asked for while attached; the raw one, for what
/// is asked for at any time and seldom, stays with the C library.
///
/// # Safety
/// After Python's preinitialisation and before its initialisation, when it has no blocks yet.
pub(crate) unsafe fn install() {
    for domain in DOMAINS {
        let mut allocator = ffi::PyMemAllocatorEx {
            ctx: ptr::null_mut(),
            malloc: Some(malloc),
            calloc: Some(calloc),
            realloc: Some(realloc),
            free: Some(free),
        };
        // SAFETY: the caller's promise; the struct is copied. The functions may be called on any
        // thread, and a block may be freed on another one than it was made on.
        unsafe { ffi::PyMem_SetAllocator(domain, &mut allocator) }
    }
    INSTALLED.store(true, Ordering::Relaxed);
}

pub(crate) extern "C" fn malloc(_context: *mut c_void, size: usize) -> *mut c_void {
    // SAFETY: any size will do, also none.
    unsafe { mi_malloc(size) }
}

pub(crate) extern "C" fn calloc(_context: *mut c_void, count: usize, size: usize) -> *mut c_void {
    match count.checked_mul(size) {
        // SAFETY: as above.
        Some(total) => unsafe { mi_zalloc(total) },
        None => ptr::null_mut(),
    }
}

pub(crate) extern "C" fn realloc(
    _context: *mut c_void,
    block: *mut c_void,
    size: usize,
) -> *mut c_void {
    // SAFETY: Python gives back what it got from here, or null.
    unsafe { mi_realloc(block, size) }
}

pub(crate) extern "C" fn free(_context: *mut c_void, block: *mut c_void) {
    // SAFETY: as above.
    unsafe { mi_free(block) }
}

/// How many bytes a block has; none for null.
pub(crate) fn size_of_block(block: *mut c_void) -> usize {
    // SAFETY: Python's blocks come from here.
    unsafe { mi_usable_size(block) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: *mut c_void = ptr::null_mut();

    #[test]
    fn a_block_of_no_bytes_is_a_block() {
        let (one, two) = (malloc(NONE, 0), calloc(NONE, 0, 8));
        assert!(!one.is_null() && !two.is_null() && one != two);
        free(NONE, one);
        free(NONE, two);
        free(NONE, NONE);
    }

    #[test]
    fn blocks_are_zeroed_if_asked_for_and_keep_their_bytes_when_they_grow() {
        let block = calloc(NONE, 100, 7);
        // SAFETY: blocks of that many bytes, which nobody else has.
        unsafe {
            assert!(std::slice::from_raw_parts(block.cast::<u8>(), 700).iter().all(|b| *b == 0));
            ptr::write_bytes(block.cast::<u8>(), 7, 700);
            let larger = realloc(NONE, block, 70_000);
            assert!(std::slice::from_raw_parts(larger.cast::<u8>(), 700).iter().all(|b| *b == 7));
            free(NONE, larger);
        }
    }

    #[test]
    fn what_cannot_be_is_null() {
        assert!(calloc(NONE, usize::MAX, 2).is_null());
    }
}
