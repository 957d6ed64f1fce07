//! The request that a context works on, as other threads see it.
//!
//! It changes with every request and is looked at now and then, by threads that Python code has
//! started and by whoever observes. So it is the lookers who say that they are there, and the
//! worker that waits, should one be just taking a reference.

use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use std::sync::Arc;
use std::thread;

use py_host::Attached;

use crate::reply::Ticket;

/// Gives the ticket of a request that does without one for as long as nobody needs it.
pub type Lazily<'r> = &'r dyn Fn() -> Arc<Ticket>;

/// Apart from what callers read, as it is written to with every request.
#[repr(align(128))]
#[derive(Default)]
pub struct Shown {
    ticket: AtomicPtr<Ticket>,
    /// Threads between looking and having a reference of their own.
    lookers: AtomicUsize,
    /// What runs inline.
    inline: AtomicPtr<Lazily<'static>>,
}

impl Shown {
    /// Shows a request, or that there is none, while `work` is being done. Within itself it may be
    /// called again; of two threads one waits for the other to be done, by other means than this.
    pub fn during<R>(&self, ticket: Option<&Arc<Ticket>>, work: impl FnOnce() -> R) -> R {
        struct Leave<'s>(&'s Shown, *mut Ticket);
        impl Drop for Leave<'_> {
            fn drop(&mut self) {
                // Nobody finds it after this, and who has found it before has said so.
                self.0.ticket.store(self.1, Ordering::SeqCst);
                while self.0.lookers.load(Ordering::SeqCst) > 0 {
                    thread::yield_now();
                }
            }
        }
        let _leave = Leave(self, self.ticket.load(Ordering::Relaxed));
        let shown = ticket.map_or(ptr::null(), Arc::as_ptr);
        self.ticket.store(shown.cast_mut(), Ordering::Release);
        work()
    }

    /// Shows a request that runs inline, to threads that Python code may start meanwhile.
    pub fn during_inline<R>(
        &self,
        _py: Attached<'_>,
        ticket: Lazily<'_>,
        work: impl FnOnce() -> R,
    ) -> R {
        struct Leave<'s>(&'s Shown);
        impl Drop for Leave<'_> {
            fn drop(&mut self) {
                self.0.inline.store(ptr::null_mut(), Ordering::Relaxed);
            }
        }
        let _leave = Leave(self);
        self.inline.store(ptr::from_ref(&ticket).cast_mut().cast(), Ordering::Relaxed);
        work()
    }

    /// Also that of a request that runs inline, for a thread of the same interpreter.
    pub fn get_beside(&self, _py: Attached<'_>) -> Option<Arc<Ticket>> {
        self.get().or_else(|| {
            let inline = self.inline.load(Ordering::Relaxed);
            // SAFETY: where code runs inline, each interpreter has a GIL of its own. We hold it
            // now, and `during_inline` did when it put the pointer there, and will when it takes
            // it away. So the process whose terms the ticket copies is in its NIF all the while.
            (!inline.is_null()).then(|| unsafe { (*inline)() })
        })
    }

    pub fn get(&self) -> Option<Arc<Ticket>> {
        self.lookers.fetch_add(1, Ordering::SeqCst);
        let shown = self.ticket.load(Ordering::SeqCst);
        // SAFETY: it comes from an `Arc` that is borrowed until `during` has taken it away and seen
        // that nobody is where we are.
        let ticket = (!shown.is_null()).then(|| unsafe {
            Arc::increment_strong_count(shown);
            Arc::from_raw(shown)
        });
        self.lookers.fetch_sub(1, Ordering::Release);
        ticket
    }
}
