//! The crate `polling`, for other systems than Linux: kqueue on those of BSD's kin, macOS among them.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::time::Duration;

use polling::{Event, Events, PollMode};

use super::{Interest, Ready};

pub struct Poller(polling::Poller);

impl Poller {
    pub fn new() -> io::Result<Poller> {
        polling::Poller::new().map(Poller)
    }

    pub fn fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }

    pub fn add(&self, fd: RawFd, interest: Interest) -> io::Result<()> {
        // SAFETY: the loop takes a descriptor out before it closes it; one that is closed all
        // the same is out by itself.
        unsafe { self.0.add_with_mode(fd, event(fd, interest), PollMode::Level) }
    }

    pub fn modify(&self, fd: RawFd, interest: Interest) -> io::Result<()> {
        // SAFETY: a number is all that the call needs; a bad one is an error.
        let fd = unsafe { BorrowedFd::borrow_raw(fd) };
        self.0.modify_with_mode(fd, event(fd.as_raw_fd(), interest), PollMode::Level)
    }

    pub fn delete(&self, fd: RawFd) -> io::Result<()> {
        // SAFETY: as above.
        self.0.delete(unsafe { BorrowedFd::borrow_raw(fd) })
    }

    /// Forgets all descriptors, even those that are closed by now; true if they have to be added
    /// again. kqueue does that by itself when one is closed.
    pub fn forget(&self) -> io::Result<bool> {
        Ok(false)
    }

    pub fn wake(&self) {
        // It can only fail when it has been woken already.
        let _ = self.0.notify();
    }

    pub fn wait(&self, timeout: Option<Duration>, ready: &mut Ready) -> io::Result<()> {
        let mut events = Events::new();
        self.0.wait(&mut events, timeout)?;
        ready.extend(events.iter().map(|event| {
            (event.key as RawFd, Interest { read: event.readable, write: event.writable })
        }));
        Ok(())
    }
}

fn event(fd: RawFd, interest: Interest) -> Event {
    Event::new(fd as usize, interest.read, interest.write)
}
