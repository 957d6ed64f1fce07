//! A binary of the BEAM that grows as it is written.

use std::io::{Error, ErrorKind, Result, Write};

use rustler::{Env, NewBinary, OwnedBinary, Term};

/// Where a text starts: most that a controller answers with fits.
const FIRST: usize = 4096;

/// A binary up to this size lives on a process's heap, so it is copied there.
const LARGEST_ON_HEAP: usize = 64;

/// The text is written to where the BEAM will read it, so it is never copied as a whole.
pub struct Text {
    binary: OwnedBinary,
    length: usize,
}

impl Text {
    pub fn new() -> Text {
        Text { binary: OwnedBinary::new(FIRST), length: 0 }
    }

    pub fn into_term(mut self, env: Env<'_>) -> Option<Term<'_>> {
        if self.length <= LARGEST_ON_HEAP {
            let mut small = NewBinary::new(env, self.length);
            small.as_mut_slice().copy_from_slice(&self.binary.as_slice()[..self.length]);
            return Some(small.into());
        }
        self.binary.realloc(self.length).then(|| self.binary.release(env).to_term(env))
    }

    #[cold]
    fn grow(&mut self, needed: usize) -> Result<()> {
        if self.binary.realloc(needed.next_power_of_two()) {
            Ok(())
        } else {
            Err(Error::new(ErrorKind::OutOfMemory, "no memory for so long a text"))
        }
    }
}

impl Write for Text {
    #[inline]
    fn write(&mut self, data: &[u8]) -> Result<usize> {
        self.write_all(data).map(|()| data.len())
    }

    #[inline]
    fn write_all(&mut self, data: &[u8]) -> Result<()> {
        let end = self.length + data.len();
        if end > self.binary.len() {
            self.grow(end)?;
        }
        self.binary.as_mut_slice()[self.length..end].copy_from_slice(data);
        self.length = end;
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}
