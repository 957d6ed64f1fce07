//! What was called lately, by names that are atoms. To find the two as `str`, and the module that
//! the first one leads to, takes three look-ups; here it is one.
//!
//! Which module has that name, and what it has by the other one, is looked at every time.

use std::cell::RefCell;
use std::hash::{Hash, Hasher};

use py_host::{Attached, Kept, Object};
use rustc_hash::FxHasher;
use rustler::sys::ErlNifTerm;

/// A power of two. A pair of names has one place, and whichever came last has it.
const PLACES: usize = 256;

/// The names of a module and of a function in it.
pub type Names = [ErlNifTerm; 2];

/// It stays with the worker.
#[derive(Default)]
pub struct Sites(RefCell<Vec<Option<Known>>>);

struct Known {
    names: Names,
    module: Kept,
    function: Kept,
    is_dotted: bool,
    found: Kept,
}

pub struct Site<'py> {
    pub module: Object<'py>,
    pub function: Object<'py>,
    /// Is the function's name several in a row, as in `Path.home`?
    pub is_dotted: bool,
    /// The module that was found by its name.
    pub found: Object<'py>,
}

impl Sites {
    pub fn find<'py>(&self, py: Attached<'py>, names: Names) -> Option<Site<'py>> {
        let places = self.0.borrow();
        let known = places.get(place(names))?.as_ref().filter(|known| known.names == names)?;
        Some(Site {
            module: known.module.get(py),
            function: known.function.get(py),
            is_dotted: known.is_dotted,
            found: known.found.get(py),
        })
    }

    pub fn remember(&self, names: Names, site: &Site<'_>) {
        let [module, function, found] =
            [&site.module, &site.function, &site.found].map(|object| object.clone().keep());
        let known = Known { names, module, function, is_dotted: site.is_dotted, found };
        let mut places = self.0.borrow_mut();
        places.resize_with(PLACES, || None);
        let former = places[place(names)].replace(known);
        drop(places);
        // To release a module may run Python code, so the table is free again by now.
        drop(former);
    }
}

fn place(names: Names) -> usize {
    let mut hasher = FxHasher::default();
    names.hash(&mut hasher);
    hasher.finish() as usize % PLACES
}
