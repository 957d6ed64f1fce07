//! What the tests of reactors and of their descriptors share.

use std::net::{TcpListener, TcpStream};
use std::os::fd::RawFd;
use std::sync::{Arc, Mutex};

use py_host::reactor::descriptor::Descriptor;
use py_host::reactor::{Connection, Limits, Phase, Reactor};

/// The tests ask for descriptors by number, which others must not take meanwhile.
static ALONE: Mutex<()> = Mutex::new(());

pub fn alone() -> impl Drop {
    ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

pub fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (client, listener.accept().unwrap().0)
}

pub fn is_open(fd: RawFd) -> bool {
    // SAFETY: takes no memory; fails for what is not open.
    unsafe { libc::fcntl(fd, libc::F_GETFD) >= 0 }
}

pub fn reactor(write_buffer: usize) -> Arc<Reactor> {
    Reactor::new(Limits { connections: 10, write_buffer }).unwrap()
}

pub fn add(reactor: &Arc<Reactor>, fd: RawFd) -> Arc<Connection> {
    assert!(reactor.admit());
    let connection = reactor.add(Descriptor::handed_off(fd).unwrap(), None);
    connection.turn(Phase::Reading);
    connection
}
