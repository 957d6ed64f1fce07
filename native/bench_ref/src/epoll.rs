//! What the load and the echo wait with.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// Streams, by a number each.
pub struct Epoll(OwnedFd);

impl Epoll {
    pub fn new() -> io::Result<Epoll> {
        // SAFETY: takes no memory, and gives a new descriptor or -1.
        let fd = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        // SAFETY: new, and nobody else has it.
        checked(fd).map(|fd| Epoll(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    pub fn add(&self, stream: &impl AsRawFd, data: u64) -> io::Result<()> {
        let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: data };
        let (epoll, fd) = (self.0.as_raw_fd(), stream.as_raw_fd());
        // SAFETY: our own event, which is copied.
        checked(unsafe { libc::epoll_ctl(epoll, libc::EPOLL_CTL_ADD, fd, &mut event) }).map(drop)
    }

    /// Which are readable; nothing after 100 ms.
    pub fn wait(&self) -> io::Result<impl Iterator<Item = u64>> {
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; 64];
        // SAFETY: our own array with its length.
        let count = unsafe { libc::epoll_wait(self.0.as_raw_fd(), events.as_mut_ptr(), 64, 100) };
        let count = match checked(count) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
            count => count? as usize,
        };
        Ok(events.into_iter().take(count).map(|event| event.u64))
    }
}

fn checked(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}
