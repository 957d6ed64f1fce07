//! The BEAM's side of the crossing: what comes in as a term leaves as a job for a `py_host`
//! context, and its result comes back as a term.
//!
//! Nothing here knows of thread states, GILs or the life of interpreters; that is `py_host`.
//! [`nifs`] is the boundary, [`request`] the way in, [`reply`] the way out, [`ops`] what a request
//! may ask for, and [`convert`] how values change sides.

mod address;
mod answer;
mod atoms;
mod attendant;
mod builtin;
mod callback;
mod channel;
mod contexts;
mod convert;
mod current;
mod failure;
mod functions;
mod inline;
mod keys;
mod kinds;
mod local;
mod message;
mod nifs;
mod object;
mod observe;
mod ops;
mod output;
mod patience;
mod reactor;
mod reply;
mod request;
mod shown;
mod sites;
mod state;
mod task;
mod terms;
mod times;
mod timeslice;

rustler::init!("Elixir.Py.Native");
