//! What a reactor says to a protocol, and what that answers.

use std::ptr;

use py_host::reactor::Phase;
use py_host::{Attached, Kept, Object, Raised};
use pyo3_ffi as ffi;

/// The names of a protocol's functions and of its answers, as strings of this interpreter, which
/// are compared by address.
pub struct Names {
    made: Kept,
    data: Kept,
    write: Kept,
    lost: Kept,
    proceed: Kept,
}

/// The functions, for what they are called with.
#[derive(Clone, Copy)]
pub enum Call<'c, 'py> {
    Made(&'c Object<'py>, &'c Object<'py>),
    Data(&'c Object<'py>),
    Write,
    Lost,
}

impl Names {
    pub fn new(py: Attached<'_>) -> Result<Names, Raised<'_>> {
        let name = |text| Object::interned(py, text).map(Object::keep);
        Ok(Names {
            made: name("connection_made")?,
            data: name("data_received")?,
            write: name("write_ready")?,
            lost: name("connection_lost")?,
            proceed: name("continue")?,
        })
    }

    pub fn call<'py>(
        &self,
        protocol: &Object<'py>,
        call: Call<'_, 'py>,
    ) -> Result<Object<'py>, Raised<'py>> {
        let none = ptr::null_mut();
        let (name, first, second, count) = match call {
            Call::Made(fd, info) => (&self.made, fd.as_ptr(), info.as_ptr(), 3),
            Call::Data(data) => (&self.data, data.as_ptr(), none, 2),
            Call::Write => (&self.write, none, none, 1),
            Call::Lost => (&self.lost, none, none, 1),
        };
        // One spare slot in front, which the callee may use.
        let mut slots = [none, protocol.as_ptr(), first, second];
        // SAFETY: so many live arguments after the spare slot that the flag announces.
        unsafe {
            let answer = ffi::PyObject_VectorcallMethod(
                name.as_ptr(),
                slots.as_mut_ptr().add(1),
                count | ffi::PY_VECTORCALL_ARGUMENTS_OFFSET,
                none,
            );
            Object::from_owned(protocol.py(), answer)
        }
    }

    /// What a function's answer says is next. `None` is the usual: to read on.
    pub fn phase<'py>(
        &self,
        call: Call<'_, 'py>,
        answer: &Object<'py>,
    ) -> Result<Phase, Raised<'py>> {
        let writes = matches!(call, Call::Write);
        let proceed = if writes { Phase::Writing } else { Phase::Reading };
        if answer.is_none() {
            return Ok(Phase::Reading);
        }
        // SAFETY: only addresses are compared.
        if unsafe { ffi::Py_Is(answer.as_ptr(), self.proceed.as_ptr()) } != 0 {
            return Ok(proceed);
        }
        match answer.as_str() {
            Some("continue") => Ok(proceed),
            Some("read_pending") => Ok(Phase::Reading),
            Some("write_pending") => Ok(Phase::Writing),
            Some("async_pending") => Ok(Phase::Waiting),
            Some("close") => Ok(Phase::Closing),
            _ => Err(wrong(answer)),
        }
    }
}

fn wrong<'py>(answer: &Object<'py>) -> Raised<'py> {
    // SAFETY: attached; the format takes one object.
    unsafe {
        ffi::PyErr_Format(
            ffi::PyExc_ValueError,
            c"%R is no action: a protocol answers 'continue', 'write_pending', 'read_pending', \
              'async_pending' or 'close'"
                .as_ptr(),
            answer.as_ptr(),
        );
    }
    Raised::take(answer.py())
}
