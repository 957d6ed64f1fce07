//! Reading terms where rustler would make a vector of them first.

use std::ffi::c_int;

use rustler::sys::{enif_get_tuple, ErlNifTerm};
use rustler::{Env, Term};

/// The elements of a tuple.
#[derive(Clone, Copy)]
pub struct Tuple<'a> {
    env: Env<'a>,
    items: &'a [ErlNifTerm],
}

impl<'a> Tuple<'a> {
    pub fn of(term: Term<'a>) -> Option<Tuple<'a>> {
        let env = term.get_env();
        let (mut arity, mut items): (c_int, *const ErlNifTerm) = (0, std::ptr::null());
        // SAFETY: the term belongs to its environment; on success there are `arity` items, which
        // live as long as the term.
        unsafe {
            if enif_get_tuple(env.as_c_arg(), term.as_c_arg(), &mut arity, &mut items) == 0 {
                return None;
            }
            let items =
                if arity == 0 { &[] } else { std::slice::from_raw_parts(items, arity as usize) };
            Some(Tuple { env, items })
        }
    }

    pub fn len(self) -> usize {
        self.items.len()
    }

    pub fn at(self, index: usize) -> Term<'a> {
        // SAFETY: an element of a term of this environment.
        unsafe { Term::new(self.env, self.items[index]) }
    }

    pub fn iter(self) -> impl Iterator<Item = Term<'a>> {
        (0..self.len()).map(move |index| self.at(index))
    }

    /// The elements as a slice to match on, in a place for at most `N` of them.
    pub fn fill<'p, const N: usize>(self, place: &'p mut [Term<'a>; N]) -> &'p [Term<'a>] {
        let count = self.len().min(N);
        for (slot, item) in place.iter_mut().zip(self.iter()) {
            *slot = item;
        }
        &place[..count]
    }
}
