//! epoll directly, because a library would cost a loop four system calls per round (a timer, and
//! re-arming what it adds of its own) where one will do.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::{Interest, Ready};

/// So many events are fetched at a time; what is left comes next time.
const AT_A_TIME: usize = 256;

/// In the place of a descriptor, for the one by which others wake us.
const WAKE: u64 = u64::MAX;

pub struct Poller {
    epoll: OwnedFd,
    event: OwnedFd,
    woken: AtomicBool,
}

impl Poller {
    pub fn new() -> io::Result<Poller> {
        // SAFETY: these calls take no memory of ours; each gives a new descriptor or -1.
        let (epoll, event) = unsafe {
            let epoll = owned(libc::epoll_create1(libc::EPOLL_CLOEXEC))?;
            (epoll, owned(libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK))?)
        };
        let poller = Poller { epoll, event, woken: AtomicBool::new(false) };
        let event = poller.event.as_raw_fd();
        poller.control(libc::EPOLL_CTL_ADD, event, libc::EPOLLIN as u32, WAKE)?;
        Ok(poller)
    }

    pub fn fd(&self) -> RawFd {
        self.epoll.as_raw_fd()
    }

    pub fn add(&self, fd: RawFd, interest: Interest) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, fd, flags(interest), fd as u64)
    }

    pub fn modify(&self, fd: RawFd, interest: Interest) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_MOD, fd, flags(interest), fd as u64)
    }

    pub fn delete(&self, fd: RawFd) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_DEL, fd, 0, 0)
    }

    /// Forgets all descriptors, even those that are closed by now; true if they have to be
    /// added again. On the thread that waits.
    pub fn forget(&self) -> io::Result<bool> {
        // SAFETY: takes no memory; gives a new descriptor or -1.
        let other = unsafe { owned(libc::epoll_create1(libc::EPOLL_CLOEXEC))? };
        let event = self.event.as_raw_fd();
        control(&other, libc::EPOLL_CTL_ADD, event, libc::EPOLLIN as u32, WAKE)?;
        // SAFETY: two descriptors of ours; the second keeps its number and its owner.
        counted(unsafe { libc::dup3(other.as_raw_fd(), self.epoll.as_raw_fd(), libc::O_CLOEXEC) })?;
        Ok(true)
    }

    /// Ends a wait that is under way, or the next one.
    pub fn wake(&self) {
        if !self.woken.swap(true, Ordering::SeqCst) {
            let one = 1u64.to_ne_bytes();
            // SAFETY: eight bytes of ours. It can only fail when it has been woken already.
            unsafe { libc::write(self.event.as_raw_fd(), one.as_ptr().cast(), one.len()) };
        }
    }

    pub fn wait(&self, timeout: Option<Duration>, ready: &mut Ready) -> io::Result<()> {
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; AT_A_TIME];
        let count = match self.wait_for_events(timeout, &mut events) {
            // A signal: to the loop it is a wait that ended early.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
            other => other?,
        };
        for event in &events[..count] {
            let (bits, fd) = (event.events, event.u64);
            if fd == WAKE {
                self.settle();
                continue;
            }
            // Errors and hang-ups concern readers and writers alike.
            let read = bits & !(libc::EPOLLOUT as u32) != 0;
            let write = bits & !(libc::EPOLLIN as u32) != 0;
            ready.push((fd as RawFd, Interest { read, write }));
        }
        Ok(())
    }

    /// To the nanosecond where the kernel can (5.11), else to the next millisecond.
    fn wait_for_events(
        &self,
        timeout: Option<Duration>,
        events: &mut [libc::epoll_event; AT_A_TIME],
    ) -> io::Result<usize> {
        static MILLISECONDS_ONLY: AtomicBool = AtomicBool::new(false);
        let (epoll, most) = (self.epoll.as_raw_fd(), AT_A_TIME as libc::c_int);
        if !MILLISECONDS_ONLY.load(Ordering::Relaxed) {
            let time = timeout.map(|timeout| libc::timespec {
                tv_sec: timeout.as_secs() as _,
                tv_nsec: timeout.subsec_nanos() as libc::c_long,
            });
            let time = time.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
            // SAFETY: our own array with its length, a timespec or null, and no signal mask.
            let count = unsafe {
                libc::syscall(
                    libc::SYS_epoll_pwait2,
                    epoll,
                    events.as_mut_ptr(),
                    most,
                    time,
                    std::ptr::null::<libc::sigset_t>(),
                    0usize,
                )
            };
            match counted(count as libc::c_int) {
                Err(error) if error.raw_os_error() == Some(libc::ENOSYS) => {
                    MILLISECONDS_ONLY.store(true, Ordering::Relaxed);
                }
                other => return other,
            }
        }
        let milliseconds = timeout.map_or(-1, |timeout| {
            libc::c_int::try_from(timeout.as_nanos().div_ceil(1_000_000)).unwrap_or(-1)
        });
        // SAFETY: as above.
        counted(unsafe { libc::epoll_wait(epoll, events.as_mut_ptr(), most, milliseconds) })
    }

    fn settle(&self) {
        let mut buffer = [0u8; 8];
        // SAFETY: eight bytes of ours.
        unsafe {
            libc::read(self.event.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len());
        }
        self.woken.store(false, Ordering::SeqCst);
    }

    fn control(&self, what: libc::c_int, fd: RawFd, bits: u32, data: u64) -> io::Result<()> {
        control(&self.epoll, what, fd, bits, data)
    }
}

fn control(epoll: &OwnedFd, what: libc::c_int, fd: RawFd, bits: u32, data: u64) -> io::Result<()> {
    let mut event = libc::epoll_event { events: bits, u64: data };
    // SAFETY: our own event, which is copied; a bad descriptor is an error.
    counted(unsafe { libc::epoll_ctl(epoll.as_raw_fd(), what, fd, &mut event) })?;
    Ok(())
}

fn flags(interest: Interest) -> u32 {
    let read = if interest.read { libc::EPOLLIN } else { 0 };
    let write = if interest.write { libc::EPOLLOUT } else { 0 };
    (read | write) as u32
}

fn counted(result: libc::c_int) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}

/// # Safety
/// `fd` is new, or -1 and the error is in `errno`.
unsafe fn owned(fd: RawFd) -> io::Result<OwnedFd> {
    counted(fd)?;
    // SAFETY: the caller's promise: nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
