//! Where names live: a dictionary that code runs in, private to whoever holds it.

use std::sync::OnceLock;

use crate::{Attached, Handle, Object, Raised, Worker};

/// A private namespace. It belongs to the first context that uses it and goes when it is dropped.
#[derive(Default)]
pub struct Namespace {
    dict: OnceLock<Handle>,
}

pub enum Missing<'py> {
    /// It belongs to another context, or to one that is gone.
    Elsewhere,
    Raised(Raised<'py>),
}

impl Namespace {
    /// The dictionary, made on first use.
    pub fn dict<'py>(
        &self,
        py: Attached<'py>,
        worker: &Worker,
    ) -> Result<Object<'py>, Missing<'py>> {
        if self.dict.get().is_none() {
            let fresh = worker.fresh_namespace(py).map_err(Missing::Raised)?;
            // Two workers may race for it; the loser's handle is dropped and collected.
            let _ = self.dict.set(worker.export(fresh));
        }
        let handle = self.dict.get().expect("set above");
        worker.resolve(py, handle).ok_or(Missing::Elsewhere)
    }
}
