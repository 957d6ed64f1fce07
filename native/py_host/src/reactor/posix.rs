//! Errors by the names that POSIX has for them, in small letters, as the BEAM does.

use std::io;

use super::descriptor::Taken;

/// The number of an error, for Python; zero if it has none.
pub fn code(error: &io::Error) -> i32 {
    match error.raw_os_error() {
        Some(code) => code,
        None if Taken::is(error) => libc::EBADF,
        None => 0,
    }
}

pub fn name(error: &io::Error) -> &'static str {
    match error.raw_os_error() {
        Some(libc::EBADF) => "ebadf",
        Some(libc::EEXIST) => "eexist",
        Some(libc::EMFILE) => "emfile",
        Some(libc::ENFILE) => "enfile",
        Some(libc::ENOMEM) => "enomem",
        Some(libc::ENOBUFS) => "enobufs",
        Some(libc::ENOTSUP) => "enotsup",
        Some(libc::EPROTOTYPE) => "eprototype",
        Some(libc::EPERM) => "eperm",
        Some(libc::EACCES) => "eacces",
        Some(libc::EIO) => "eio",
        _ => "einval",
    }
}

pub const NOT_CONNECTED: i32 = libc::ENOTCONN;
pub const BROKEN_PIPE: i32 = libc::EPIPE;
pub const WOULD_BLOCK: i32 = libc::EAGAIN;
