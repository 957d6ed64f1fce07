//! Short binaries on their way out. Asked for one in an environment like ours, the BEAM allocates
//! for that one alone, which takes several times as long as all the rest. A copy of a term,
//! however, goes where the last term went. So there is a binary of each size, which is filled and
//! then copied.

use std::cell::RefCell;
use std::ptr;

use rustler::sys::ErlNifTerm;
use rustler::{Env, NewBinary, Term};

use crate::terms::TermStore;

/// Longer ones lie outside of their terms.
pub const LONGEST: usize = 64;

pub struct Moulds(RefCell<Shelf>);

struct Shelf {
    store: TermStore,
    by_size: [Option<Mould>; LONGEST + 1],
}

#[derive(Clone, Copy)]
struct Mould {
    binary: ErlNifTerm,
    data: *mut u8,
}

impl Moulds {
    pub fn new() -> Moulds {
        Moulds(RefCell::new(Shelf { store: TermStore::new(), by_size: [None; LONGEST + 1] }))
    }

    /// `data`, of `LONGEST` bytes at most, as a binary.
    pub fn cast<'a>(&self, env: Env<'a>, data: &[u8]) -> Term<'a> {
        let Shelf { store, by_size } = &mut *self.0.borrow_mut();
        let mould = by_size[data.len()].get_or_insert_with(|| Mould::new(store, data.len()));
        // SAFETY: the mould has room for as many bytes as it was looked up by. It is in a store
        // that only we know, and what others get are copies.
        unsafe {
            ptr::copy_nonoverlapping(data.as_ptr(), mould.data, data.len());
            store.get(mould.binary).in_env(env)
        }
    }
}

impl Mould {
    fn new(store: &mut TermStore, size: usize) -> Mould {
        let mut data = ptr::null_mut();
        let binary = store.make(|env| {
            let mut binary = NewBinary::new(env, size);
            data = binary.as_mut_slice().as_mut_ptr();
            binary.into()
        });
        Mould { binary, data }
    }
}
