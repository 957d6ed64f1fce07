//! Where containers lay out their items before the BEAM makes a term of them: a stack for all
//! levels, and the same memory for one conversion after another. An array for each container would
//! cost more than its items do: a large one comes in pages that are new each time.

use std::cell::{Cell, RefCell};

use rustler::sys::ErlNifTerm;

/// So many items of memory (2 MiB) stay with a worker.
const MOST_KEPT: usize = 1 << 18;

#[derive(Default)]
pub struct Scratch {
    /// Of maps and sets.
    pub keys: Stack,
    /// Of maps, and the items of everything else.
    pub values: Stack,
}

#[derive(Default)]
pub struct Stack(RefCell<Vec<ErlNifTerm>>);

/// The items of one container. They go with it, so that one which does not cross leaves the stack
/// as it was.
pub struct Level<'s> {
    stack: &'s Stack,
    base: usize,
}

impl Stack {
    pub fn level(&self) -> Level<'_> {
        Level { stack: self, base: self.0.borrow().len() }
    }
}

impl Level<'_> {
    /// While no level above this one is left.
    #[inline]
    pub fn push(&self, item: ErlNifTerm) {
        self.stack.0.borrow_mut().push(item);
    }

    pub fn with<R>(&self, work: impl FnOnce(&[ErlNifTerm]) -> R) -> R {
        work(&self.stack.0.borrow()[self.base..])
    }
}

impl Drop for Level<'_> {
    fn drop(&mut self) {
        self.stack.0.borrow_mut().truncate(self.base);
    }
}

/// A worker's scratch memory. A conversion within a conversion, of what Python code sends in the
/// middle of it, gets another one.
#[derive(Default)]
pub struct Spare(Cell<Scratch>);

impl Spare {
    pub fn take(&self) -> Scratch {
        self.0.take()
    }

    pub fn put_back(&self, scratch: Scratch) {
        let sizes = [&scratch.keys, &scratch.values].map(|stack| stack.0.borrow().capacity());
        if sizes.iter().all(|size| *size <= MOST_KEPT) {
            self.0.set(scratch);
        }
    }
}
