//! File descriptors that belong to a reactor: non-blocking, closed on exec, and closed by nobody
//! else.
//!
//! Nobody else should, that is: Python code knows their numbers and may close them by mistake. The
//! next file that is opened in this process, by whomever, gets the number then. So before a
//! descriptor is closed or shut down, and when the system finds fault with it, it is looked at
//! whether it is still the one that was taken over.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use super::address::Address;

/// How bytes go in and out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A connected socket, TCP or Unix.
    Stream,
    /// A socket whose messages keep their boundaries.
    Datagram,
    /// A socket that takes connections.
    Listener,
    /// An end of a pipe, or a terminal.
    Pipe,
}

pub struct Descriptor {
    fd: RawFd,
    file: File,
    /// Tells it from all others that have its number before or after it; never zero.
    pub serial: u64,
    pub kind: Kind,
    pub readable: bool,
}

/// To whom descriptors belong of which somebody might give us the number.
enum Owner {
    /// Made by [`duplicate`], of this file, and not handed off yet. Its number may have been
    /// closed and used again meanwhile, hence the file.
    Caller(File),
    /// A [`Descriptor`], by its file and its serial.
    Reactor(File, u64),
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct File {
    device: u64,
    inode: u64,
}

static OWNERS: LazyLock<Mutex<HashMap<RawFd, Owner>>> = LazyLock::new(Mutex::default);

fn owners() -> MutexGuard<'static, HashMap<RawFd, Owner>> {
    OWNERS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Another descriptor for the same file, which is the caller's to hand off or to close.
pub fn duplicate(fd: RawFd) -> io::Result<RawFd> {
    let made = duplicated(fd)?;
    let file = status(made.as_raw_fd())?.1;
    let fd = made.into_raw_fd();
    owners().insert(fd, Owner::Caller(file));
    Ok(fd)
}

impl Descriptor {
    /// What somebody hands off. One that [`duplicate`] has made is taken over, since nobody would
    /// close it otherwise; any other is duplicated and stays its owner's.
    pub fn handed_off(fd: RawFd) -> io::Result<Descriptor> {
        let given = {
            let mut owners = owners();
            match owners.get(&fd) {
                Some(Owner::Reactor(file, _serial)) if status(fd)?.1 == *file => {
                    return Err(io::Error::from_raw_os_error(libc::EEXIST));
                }
                Some(Owner::Caller(file)) if status(fd)?.1 == *file => owners.remove(&fd).is_some(),
                _ => false,
            }
        };
        let fd = match given {
            // SAFETY: made by `duplicate` for a caller who now gives it away, and out of the table.
            true => unsafe { OwnedFd::from_raw_fd(fd) },
            false => duplicated(fd)?,
        };
        Descriptor::own(fd)
    }

    /// Takes a descriptor over. It is closed if it is of no use to a reactor.
    pub fn own(fd: OwnedFd) -> io::Result<Descriptor> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let number = fd.as_raw_fd();
        let (kind, file) = kind(number)?;
        // SAFETY: a live descriptor and no memory of ours.
        let flags = unsafe {
            checked(libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC))?;
            checked(libc::fcntl(number, libc::F_GETFL))?
        };
        // SAFETY: as above.
        checked(unsafe { libc::fcntl(number, libc::F_SETFL, flags | libc::O_NONBLOCK) })?;
        let readable = flags & libc::O_ACCMODE != libc::O_WRONLY;
        let serial = NEXT.fetch_add(1, Ordering::Relaxed);
        owners().insert(number, Owner::Reactor(file, serial));
        Ok(Descriptor { fd: fd.into_raw_fd(), file, serial, kind, readable })
    }

    pub fn number(&self) -> RawFd {
        self.fd
    }

    /// Is the number still the one of what was taken over? Not if somebody else has closed it,
    /// whether or not it has been used again since.
    pub fn is_ours(&self) -> bool {
        let is_known = matches!(owners().get(&self.fd),
            Some(Owner::Reactor(_, serial)) if *serial == self.serial);
        is_known && status(self.fd).is_ok_and(|(_mode, file)| file == self.file)
    }

    /// What is to be said of an error that the system has given for it.
    pub fn explain(&self, error: io::Error) -> io::Error {
        if self.is_ours() {
            error
        } else {
            Taken::error()
        }
    }

    /// Reads once, to a place for `length` bytes; who sent it, if that is news.
    ///
    /// # Safety
    /// `data` has room for `length` bytes, and nobody else uses it.
    pub unsafe fn read(
        &self,
        data: *mut u8,
        length: usize,
    ) -> io::Result<(usize, Option<Address>)> {
        let fd = self.number();
        let mut from = None;
        let count = again(|| match self.kind {
            // SAFETY: the caller's promise.
            Kind::Pipe => unsafe { libc::read(fd, data.cast(), length) },
            Kind::Datagram => {
                let mut address = Address::empty();
                let (place, size) = address.place();
                // SAFETY: the caller's promise, and the address has room for any.
                let count =
                    unsafe { libc::recvfrom(fd, data.cast(), length, NO_WAIT, place, size) };
                from = Some(address);
                count
            }
            // SAFETY: the caller's promise.
            Kind::Stream | Kind::Listener => unsafe {
                libc::recv(fd, data.cast(), length, NO_WAIT)
            },
        })?;
        Ok((count, from.filter(Address::is_known)))
    }

    /// Writes once, as much as there is room for.
    pub fn write(&self, data: &[u8], to: Option<&Address>) -> io::Result<usize> {
        let (fd, start, length) = (self.number(), data.as_ptr().cast(), data.len());
        again(|| match (self.kind, to) {
            // SAFETY: a slice with its length.
            (Kind::Pipe, _) => unsafe { libc::write(fd, start, length) },
            (Kind::Datagram, Some(to)) => {
                let (address, size) = to.get();
                // SAFETY: as above, and an address with its length.
                unsafe { libc::sendto(fd, start, length, NO_SIGNAL | NO_WAIT, address, size) }
            }
            // SAFETY: as above.
            _ => unsafe { libc::send(fd, start, length, NO_SIGNAL | NO_WAIT) },
        })
    }

    /// A connection that waits to be accepted.
    pub fn accept(&self) -> io::Result<(OwnedFd, Address)> {
        let mut address = Address::empty();
        let fd = again(|| {
            let (place, size) = address.place();
            // SAFETY: the address has room for any.
            (unsafe { libc::accept(self.number(), place, size) }) as isize
        })?;
        // SAFETY: new, and nobody else has it.
        Ok((unsafe { OwnedFd::from_raw_fd(fd as RawFd) }, address))
    }

    /// Closes it, and with it the connection, whoever else has a descriptor of that: the peer must
    /// not wait for one that has merely not been collected yet.
    pub fn hang_up(self) {
        if self.kind == Kind::Stream && self.is_ours() {
            // SAFETY: takes no memory, and is ours; it fails when the peer has gone already.
            unsafe { libc::shutdown(self.number(), libc::SHUT_RDWR) };
        }
    }

    /// The error that the socket has waiting, if any.
    pub fn pending_error(&self) -> Option<io::Error> {
        match option(self.number(), libc::SO_ERROR) {
            Ok(0) => None,
            Ok(code) => Some(io::Error::from_raw_os_error(code)),
            Err(error) => Some(error),
        }
    }

    /// Who is at the other end.
    pub fn peer(&self) -> Option<Address> {
        let mut address = Address::empty();
        let (place, size) = address.place();
        // SAFETY: the address has room for any.
        let status = unsafe { libc::getpeername(self.number(), place, size) };
        (status == 0).then_some(address)
    }
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        let is_ours = self.is_ours();
        {
            let mut owners = owners();
            match owners.get(&self.fd) {
                Some(Owner::Reactor(_, serial)) if *serial == self.serial => {
                    owners.remove(&self.fd);
                }
                _ => {}
            }
        }
        if is_ours {
            // SAFETY: taken over by `own`, and nobody has closed it meanwhile.
            drop(unsafe { OwnedFd::from_raw_fd(self.fd) });
        }
    }
}

/// Why a connection ends whose descriptor is not ours any more.
#[derive(Debug)]
pub struct Taken;

impl Taken {
    pub fn error() -> io::Error {
        io::Error::other(Taken)
    }

    pub fn is(error: &io::Error) -> bool {
        error.get_ref().is_some_and(|reason| reason.is::<Taken>())
    }
}

impl std::fmt::Display for Taken {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(
            "somebody else has closed the descriptor of this connection: it is the reactor's, so \
             a protocol calls self.close(), and gives other code os.dup(self.fd)",
        )
    }
}

impl std::error::Error for Taken {}

/// SIGPIPE is ignored by the BEAM; where the call itself can say so, it does.
#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
const NO_SIGNAL: libc::c_int = libc::MSG_NOSIGNAL;
#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
const NO_SIGNAL: libc::c_int = 0;

/// Ours do not block anyway. What has got the number of one that was closed behind our back might,
/// until that is found out.
const NO_WAIT: libc::c_int = libc::MSG_DONTWAIT;

fn duplicated(fd: RawFd) -> io::Result<OwnedFd> {
    // Not among the first three, which others take for standard input and output.
    // SAFETY: takes no memory; gives a new descriptor or -1.
    let made = checked(unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 3) })?;
    // SAFETY: new, and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(made) })
}

fn kind(fd: RawFd) -> io::Result<(Kind, File)> {
    let (mode, file) = status(fd)?;
    let kind = match mode {
        libc::S_IFSOCK if option(fd, libc::SO_ACCEPTCONN)? != 0 => Kind::Listener,
        libc::S_IFSOCK => match option(fd, libc::SO_TYPE)? {
            libc::SOCK_STREAM => Kind::Stream,
            libc::SOCK_DGRAM => Kind::Datagram,
            _ => return Err(io::Error::from_raw_os_error(libc::EPROTOTYPE)),
        },
        libc::S_IFIFO | libc::S_IFCHR => Kind::Pipe,
        // Files and folders are always ready, so there is nothing to wait for.
        _ => return Err(io::Error::from_raw_os_error(libc::ENOTSUP)),
    };
    Ok((kind, file))
}

fn status(fd: RawFd) -> io::Result<(libc::mode_t, File)> {
    let mut found = std::mem::MaybeUninit::<libc::stat>::uninit();
    // SAFETY: the place has the right size, and is filled when the call succeeds.
    let found = unsafe {
        checked(libc::fstat(fd, found.as_mut_ptr()))?;
        found.assume_init()
    };
    // Their types differ between systems.
    #[allow(clippy::unnecessary_cast)]
    let file = File { device: found.st_dev as u64, inode: found.st_ino as u64 };
    Ok((found.st_mode & libc::S_IFMT, file))
}

fn option(fd: RawFd, name: libc::c_int) -> io::Result<libc::c_int> {
    let (mut value, mut size): (libc::c_int, _) = (0, size_of::<libc::c_int>() as libc::socklen_t);
    // SAFETY: an int with its size.
    checked(unsafe {
        libc::getsockopt(fd, libc::SOL_SOCKET, name, (&raw mut value).cast(), &mut size)
    })?;
    Ok(value)
}

fn checked(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

/// Signals end system calls early, which then are made again.
fn again(mut call: impl FnMut() -> isize) -> io::Result<usize> {
    loop {
        match usize::try_from(call()) {
            Ok(count) => return Ok(count),
            Err(_negative) => match io::Error::last_os_error() {
                error if error.kind() == io::ErrorKind::Interrupted => {}
                error => return Err(error),
            },
        }
    }
}
