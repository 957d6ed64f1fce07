//! Keys that came by lately. Rows of data have the same few keys over and over, and making a
//! `str`, hashing it and freeing it again costs more than the rest of a small map.

use std::cell::RefCell;
use std::hash::Hasher;

use py_host::{Attached, Kept, Object};
use rustc_hash::FxHasher;
use rustler::sys::ErlNifTerm;

use crate::kinds::Builtin;

/// A power of two. A key has one place, and whoever came last has it.
const PLACES: usize = 512;

/// Longer ones are hardly names, and rarely come twice.
const LONGEST: usize = 64;

/// On the way in: text to `str`. It stays with the worker.
#[derive(Default)]
pub struct Names(RefCell<Vec<Option<Kept>>>);

impl Names {
    pub fn find<'py>(&self, py: Attached<'py>, text: &[u8]) -> Option<Object<'py>> {
        if text.len() > LONGEST {
            return None;
        }
        let places = self.0.borrow();
        let known = places.get(place(text))?.as_ref()?.get(py);
        (known.as_str()?.as_bytes() == text).then_some(known)
    }

    /// `object` is what became of `text`; only a `str` is remembered.
    pub fn remember(&self, text: &[u8], object: &Object<'_>) {
        if text.len() > LONGEST || Builtin::of(object.kind()) != Some(Builtin::Str) {
            return;
        }
        let mut places = self.0.borrow_mut();
        places.resize_with(PLACES, || None);
        let former = places[place(text)].replace(object.clone().keep());
        drop(places);
        drop(former);
    }
}

fn place(text: &[u8]) -> usize {
    let mut hasher = FxHasher::default();
    hasher.write(text);
    hasher.finish() as usize % PLACES
}

/// On the way out: `str` to binary, by address, for one conversion. Dicts that were made by the
/// same code share their keys. The binaries are shared, too, which makes the term smaller.
#[derive(Default)]
pub struct Binaries<'py>(RefCell<Vec<Option<(Object<'py>, ErlNifTerm)>>>);

/// Another power of two; what one conversion makes for itself has to be cheap to make.
const FEW_PLACES: usize = 64;

impl<'py> Binaries<'py> {
    pub fn find(&self, key: &Object<'py>) -> Option<ErlNifTerm> {
        match self.0.borrow().get(few_places(key))? {
            Some((known, binary)) if known.as_ptr() == key.as_ptr() => Some(*binary),
            _ => None,
        }
    }

    /// Holds the key, so that its address stays its own.
    pub fn remember(&self, key: &Object<'py>, binary: ErlNifTerm) {
        let mut places = self.0.borrow_mut();
        places.resize_with(FEW_PLACES, || None);
        let former = places[few_places(key)].replace((key.clone(), binary));
        drop(places);
        drop(former);
    }
}

/// Objects lie at multiples of 16.
fn few_places(key: &Object<'_>) -> usize {
    let address = key.as_ptr() as usize;
    (address >> 4 ^ address >> 10) % FEW_PLACES
}
