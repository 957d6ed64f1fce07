//! Addresses of sockets.

use std::mem::{offset_of, MaybeUninit};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

#[derive(Clone, Copy)]
pub struct Address {
    storage: libc::sockaddr_storage,
    length: libc::socklen_t,
}

/// What an address says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Name {
    Internet(IpAddr, u16),
    /// Of a socket in the file system; most of those that connect have none.
    Unix(Vec<u8>),
    Other,
}

impl Address {
    pub(super) fn empty() -> Address {
        // SAFETY: all zero is an address of no family.
        let storage = unsafe { MaybeUninit::zeroed().assume_init() };
        Address { storage, length: size_of::<libc::sockaddr_storage>() as libc::socklen_t }
    }

    /// Where the system puts one.
    pub(super) fn place(&mut self) -> (*mut libc::sockaddr, *mut libc::socklen_t) {
        self.length = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
        ((&raw mut self.storage).cast(), &raw mut self.length)
    }

    pub(super) fn get(&self) -> (*const libc::sockaddr, libc::socklen_t) {
        ((&raw const self.storage).cast(), self.length)
    }

    /// The system gives no address where there is none to answer to.
    pub(super) fn is_known(&self) -> bool {
        self.length > 0 && i32::from(self.storage.ss_family) != libc::AF_UNSPEC
    }

    pub fn name(&self) -> Name {
        let start = &raw const self.storage;
        match i32::from(self.storage.ss_family) {
            libc::AF_INET => {
                // SAFETY: the family says which structure it is, and the storage holds any.
                let found = unsafe { &*start.cast::<libc::sockaddr_in>() };
                let ip = Ipv4Addr::from(u32::from_be(found.sin_addr.s_addr));
                Name::Internet(ip.into(), u16::from_be(found.sin_port))
            }
            libc::AF_INET6 => {
                // SAFETY: as above.
                let found = unsafe { &*start.cast::<libc::sockaddr_in6>() };
                let ip = Ipv6Addr::from(found.sin6_addr.s6_addr);
                Name::Internet(ip.into(), u16::from_be(found.sin6_port))
            }
            libc::AF_UNIX => {
                let offset = offset_of!(libc::sockaddr_un, sun_path);
                let length = (self.length as usize).min(size_of::<libc::sockaddr_un>());
                // SAFETY: as above; the path is what the length leaves of it.
                let path = unsafe {
                    let path = start.cast::<u8>().add(offset);
                    std::slice::from_raw_parts(path, length.saturating_sub(offset))
                };
                // Abstract names begin with a NUL; those of files end before one.
                let end = match path {
                    [0, ..] => path.len(),
                    _ => path.iter().position(|byte| *byte == 0).unwrap_or(path.len()),
                };
                Name::Unix(path[..end].to_vec())
            }
            _ => Name::Other,
        }
    }
}
