//! Proof that a thread may touch Python objects, and the thread states that give it.

use std::marker::PhantomData;
use std::ptr::NonNull;

use pyo3_ffi as ffi;

/// The calling thread holds an attached thread state of one interpreter for all of `'py`.
///
/// Every function that touches an object takes this token or an [`Object`](crate::Object) that
/// carries it, so code that forgot to attach does not compile. It is neither `Send` nor `Sync`.
#[derive(Clone, Copy)]
pub struct Attached<'py>(PhantomData<(&'py (), *mut ())>);

impl<'py> Attached<'py> {
    /// Takes the caller's word for it, as in a function that Python itself calls.
    ///
    /// # Safety
    /// The calling thread must hold an attached thread state for all of `'py`.
    pub unsafe fn assume() -> Self {
        Attached(PhantomData)
    }

    /// Lets other threads of this interpreter run while `wait` does something without Python.
    pub fn detached<R>(self, wait: impl FnOnce() -> R) -> R {
        struct Reattach(*mut ffi::PyThreadState);
        impl Drop for Reattach {
            fn drop(&mut self) {
                // SAFETY: this thread's own state, saved just below and not attached since.
                unsafe { ffi::PyEval_RestoreThread(self.0) }
            }
        }
        // SAFETY: the token proves that this thread has a state to save.
        let _reattach = Reattach(unsafe { ffi::PyEval_SaveThread() });
        wait()
    }
}

/// A thread state that belongs to one OS thread and is detached between calls of
/// [`attach`](ThreadState::attach).
pub(crate) struct ThreadState(NonNull<ffi::PyThreadState>);

impl ThreadState {
    /// A new state for the calling thread; `None` when memory ran out.
    ///
    /// # Safety
    /// `interpreter` must stay alive until the state is deleted.
    pub unsafe fn new(interpreter: *mut ffi::PyInterpreterState) -> Option<Self> {
        // SAFETY: this needs no attached state, only an interpreter that is alive.
        NonNull::new(unsafe { ffi::PyThreadState_New(interpreter) }).map(ThreadState)
    }

    /// Wraps the state that is attached right now, which the returned value then owns.
    ///
    /// # Safety
    /// The calling thread must be attached, and nobody else may own its state.
    pub unsafe fn take_current() -> Self {
        // SAFETY: the caller is attached, so there is a state to save.
        let state = unsafe { ffi::PyEval_SaveThread() };
        ThreadState(NonNull::new(state).expect("an attached thread has a state"))
    }

    pub fn as_ptr(&self) -> *mut ffi::PyThreadState {
        self.0.as_ptr()
    }

    /// Attaches (waiting for the GIL where there is one), runs `work`, detaches again.
    pub fn attach<R>(&self, work: impl for<'py> FnOnce(Attached<'py>) -> R) -> R {
        struct Detach;
        impl Drop for Detach {
            fn drop(&mut self) {
                // SAFETY: attached below, on this thread; Python code that detaches in between
                // always attaches again before it returns.
                unsafe { ffi::PyEval_SaveThread() };
            }
        }
        // SAFETY: the state is this thread's own and detached: `attach` is never nested, as it is
        // only called from the thread's own loop.
        unsafe { ffi::PyEval_RestoreThread(self.as_ptr()) };
        let _detach = Detach;
        // SAFETY: attached above for as long as the guard lives.
        work(unsafe { Attached::assume() })
    }

    /// Attaches one last time and deletes the state.
    pub fn delete(self) {
        // SAFETY: as in `attach`; clearing and deleting the current state is how CPython wants a
        // thread to leave, and `self` is consumed, so the pointer is not used again.
        unsafe {
            ffi::PyEval_RestoreThread(self.as_ptr());
            ffi::PyThreadState_Clear(self.as_ptr());
            ffi::PyThreadState_DeleteCurrent();
        }
    }
}
