//! Looking at what runs in a context, from beside it.

use std::os::raw::c_long;
use std::sync::atomic::Ordering;
use std::sync::Arc;
use std::thread;

use crate::{Attached, Context};

/// What came of a look.
pub enum Looked<T> {
    Seen(T),
    /// An earlier look has not come to its end: it waits for a GIL that nobody lets go of.
    Busy,
    Closed,
}

impl Context {
    /// Has `look` run by a thread of its own, attached to the context's interpreter and told what
    /// Python calls the worker's thread, and gives `answer` what came of it. That may take for
    /// ever when code in C keeps the GIL, so there is one look at a time.
    pub fn look<T>(
        self: &Arc<Self>,
        look: impl for<'py> FnOnce(Attached<'py>, c_long) -> T + Send + 'static,
        answer: impl FnOnce(Looked<T>) + Send + 'static,
    ) {
        if self.interrupts.looking.swap(true, Ordering::SeqCst) {
            return answer(Looked::Busy);
        }
        let context = Arc::clone(self);
        let visitor = thread::Builder::new().name("py-look".into()).spawn(move || {
            let mut looked = Looked::Closed;
            context.attached(|thread, py| looked = Looked::Seen(look(py, thread)));
            context.interrupts.looking.store(false, Ordering::SeqCst);
            answer(looked);
        });
        if visitor.is_err() {
            // No thread, no answer: whoever asks does not wait for ever.
            self.interrupts.looking.store(false, Ordering::SeqCst);
        }
    }
}
