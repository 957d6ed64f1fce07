//! Descriptors that are handed off: who owns them, and what they are.

mod support;

use std::net::{TcpListener, UdpSocket};
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

use py_host::reactor::descriptor::{duplicate, Descriptor, Kind};
use support::reactor::{alone, is_open, pair};

fn code<T>(result: std::io::Result<T>) -> Option<i32> {
    result.err().and_then(|error| error.raw_os_error())
}

#[test]
fn a_descriptor_is_duplicated_or_taken_over_and_never_stolen() {
    let _alone = alone();
    let (_client, server) = pair();
    let fd = server.as_raw_fd();

    // Somebody else's stays theirs.
    let own = Descriptor::handed_off(fd).unwrap();
    assert_ne!(own.number(), fd);
    assert_eq!(code(Descriptor::handed_off(own.number())), Some(libc::EEXIST));
    drop(own);
    assert!(is_open(fd));

    // One that was made to be handed off is taken over, and closed with it.
    let made = duplicate(fd).unwrap();
    let own = Descriptor::handed_off(made).unwrap();
    assert_eq!(own.number(), made);
    drop(own);
    assert!(!is_open(made) && is_open(fd));

    // If it was closed, and its number has gone to another file, it is somebody else's.
    let made = duplicate(fd).unwrap();
    let (other, _far) = UnixStream::pair().unwrap();
    // SAFETY: `made` is ours, and is closed and replaced by the call.
    assert_eq!(unsafe { libc::dup2(other.as_raw_fd(), made) }, made);
    // SAFETY: made by `dup2` just now.
    let reused = unsafe { OwnedFd::from_raw_fd(made) };
    let own = Descriptor::handed_off(made).unwrap();
    assert_ne!(own.number(), made);
    drop(own);
    assert!(is_open(reused.as_raw_fd()));
}

#[test]
fn what_a_descriptor_is_decides_how_it_is_used() {
    let _alone = alone();
    let kind = |fd: RawFd| Descriptor::handed_off(fd).map(|own| (own.kind, own.readable));
    let (client, _server) = pair();
    assert_eq!(kind(client.as_raw_fd()).unwrap(), (Kind::Stream, true));
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    assert_eq!(kind(socket.as_raw_fd()).unwrap(), (Kind::Datagram, true));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    assert_eq!(kind(listener.as_raw_fd()).unwrap(), (Kind::Listener, true));
    let (reader, writer) = std::io::pipe().unwrap();
    assert_eq!(kind(reader.as_raw_fd()).unwrap(), (Kind::Pipe, true));
    assert_eq!(kind(writer.as_raw_fd()).unwrap(), (Kind::Pipe, false));
    let file = std::fs::File::open("/").unwrap();
    assert_eq!(code(kind(file.as_raw_fd())), Some(libc::ENOTSUP));
    assert_eq!(code(kind(-1)), Some(libc::EBADF));
    assert_eq!(code(duplicate(file.into_raw_fd() + 1_000)), Some(libc::EBADF));
}
