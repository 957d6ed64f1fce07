//! A CPython host: one libpython per process, interpreters in it, and a thread for each context.
//!
//! This crate knows nothing of the BEAM. What it runs is a [`Job`]; who asked for it and in which
//! form the answer travels is the business of the caller. In return nobody outside this crate
//! handles thread states, GILs or the order in which interpreters come and go.
//!
//! From the bottom up: [`attach`] and [`object`] give Python's C API lifetimes, [`mode`] is the
//! table of ways to run Python, [`interpreter`] makes one, [`context`] is the shared face of a
//! context and [`executor`] the thread behind it.

mod allocator;
pub mod attach;
pub mod context;
pub mod error;
mod executor;
pub mod extension;
pub mod facts;
mod frames;
pub mod garbage;
mod gilstate;
pub mod guest;
mod inline;
mod interpreter;
pub mod interrupt;
mod lent;
pub mod look;
mod memory;
pub mod mode;
pub mod namespace;
pub mod nested;
pub mod object;
pub mod poller;
pub mod queue;
pub mod reactor;
pub mod runtime;
pub mod sandbox;
pub mod usage;
mod view;

pub use attach::Attached;
pub use context::Context;
pub use error::{Raised, Rejection, StartError};
pub use executor::Worker;
pub use garbage::Handle;
pub use lent::Lent;
pub use look::Looked;
pub use mode::Mode;
pub use namespace::Namespace;
pub use nested::{Innermost, Nested};
pub use object::{Kept, Object};
pub use poller::Poller;
pub use queue::Job;
pub use sandbox::Sandbox;
pub use view::View;
