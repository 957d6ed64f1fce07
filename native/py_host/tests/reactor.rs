//! Rounds of reactors in which nothing is read: what listens, what is asked for more, and what
//! becomes of connections whose descriptor somebody else has closed.

mod support;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use py_host::poller::Ready;
use py_host::reactor::blocks::Blocks;
use py_host::reactor::descriptor::{Descriptor, Taken};
use py_host::reactor::{find, Connection, Event, Phase, Reactor};
use support::reactor::{add, alone, is_open, pair, reactor};
use support::SOON;

/// One round, in which nothing is to be read, as that would need Python.
fn round(reactor: &Reactor, events: &mut Vec<Event>) {
    let (mut blocks, mut ready) = (Blocks::default(), Ready::new());
    let timeout = Some(Duration::from_millis(50));
    reactor.round(timeout, &mut blocks, &mut ready, events).unwrap();
}

/// Rounds until there is an event, which is returned.
fn next(reactor: &Reactor) -> Event {
    let (mut events, start) = (Vec::new(), Instant::now());
    while events.is_empty() && start.elapsed() < SOON {
        round(reactor, &mut events);
    }
    assert_eq!(events.len(), 1);
    events.remove(0)
}

/// How many rounds there are where nothing happens.
fn rounds(reactor: &Reactor) -> usize {
    let (mut events, start, mut count) = (Vec::new(), Instant::now(), 0);
    while start.elapsed() < Duration::from_millis(300) {
        round(reactor, &mut events);
        count += 1;
    }
    assert!(events.is_empty());
    count
}

/// The connection that is lost next, as somebody else has closed its descriptor.
fn next_taken(reactor: &Reactor) -> Arc<Connection> {
    match next(reactor) {
        Event::Lost(connection, Some(error)) if Taken::is(&error) => connection,
        Event::Lost(_, error) => panic!("lost by {error:?}"),
        _ => panic!("not lost"),
    }
}

/// Closes what is left.
fn end(reactor: &Reactor) {
    reactor.all().iter().for_each(|connection| reactor.remove(connection));
    reactor.leave();
    assert_eq!(reactor.connections(), 0);
}

/// As long as it lives, this process gets no descriptors.
struct NoDescriptors(libc::rlimit);

impl NoDescriptors {
    fn new() -> NoDescriptors {
        let mut before = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: a place for what the system fills in, and the same with fewer.
        unsafe {
            assert_eq!(libc::getrlimit(libc::RLIMIT_NOFILE, &mut before), 0);
            let none = libc::rlimit { rlim_cur: 0, ..before };
            assert_eq!(libc::setrlimit(libc::RLIMIT_NOFILE, &none), 0);
        }
        NoDescriptors(before)
    }
}

impl Drop for NoDescriptors {
    fn drop(&mut self) {
        // SAFETY: as it was before.
        unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &self.0) };
    }
}

#[test]
fn several_listeners_wait_for_descriptors_instead_of_asking_without_end() {
    let _alone = alone();
    let reactor = reactor(1 << 16);
    let clients: Vec<_> = (0..2)
        .map(|_| {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            add(&reactor, listener.as_raw_fd());
            TcpStream::connect(listener.local_addr().unwrap()).unwrap()
        })
        .collect();
    let mut events = Vec::new();
    let none = NoDescriptors::new();
    let count = rounds(&reactor);
    drop(none);
    assert!(count < 100, "{count} rounds");
    let start = Instant::now();
    while events.len() < clients.len() && start.elapsed() < SOON {
        round(&reactor, &mut events);
    }
    assert_eq!(events.len(), clients.len());
    assert!(events.iter().all(|event| matches!(event, Event::Accepted(..))));
    events.iter().for_each(|_accepted| reactor.dismiss());
    end(&reactor);
}

#[test]
fn a_protocol_is_asked_once_for_more_though_its_peer_hangs_up_meanwhile() {
    let _alone = alone();
    let reactor = reactor(1 << 16);
    // Whose end, unlike TCP's, is told of without an error.
    let (client, server) = UnixStream::pair().unwrap();
    let connection = add(&reactor, server.as_raw_fd());
    drop(server);
    let mut events = Vec::new();
    connection.turn(Phase::Waiting);
    round(&reactor, &mut events);
    assert!(events.is_empty());
    drop(client);
    assert!(connection.signal());
    round(&reactor, &mut events);
    assert!(matches!(events[..], [Event::Writable(_)]), "{} events", events.len());
    // Nor is it before it has answered.
    assert!(connection.signal());
    round(&reactor, &mut events);
    assert_eq!(events.len(), 1);
    connection.turn(Phase::Writing);
    round(&reactor, &mut events);
    assert_eq!(events.len(), 2);
    end(&reactor);
}

/// Closes a descriptor of the reactor's, as Python code may by mistake.
fn take_away(connection: &Connection) {
    // SAFETY: takes no memory. The reactor has to bear it, as the tests show.
    assert_eq!(unsafe { libc::close(connection.fd) }, 0);
}

/// The same, and somebody else has got the number, as its owner again.
fn take_over(connection: &Connection, by: &impl AsRawFd) -> OwnedFd {
    // SAFETY: as above; the new descriptor is nobody else's.
    unsafe {
        assert_eq!(libc::dup2(by.as_raw_fd(), connection.fd), connection.fd);
        OwnedFd::from_raw_fd(connection.fd)
    }
}

#[test]
fn a_number_that_has_gone_to_somebody_else_is_neither_closed_nor_shut_down() {
    let _alone = alone();
    let reactor = reactor(1 << 16);
    let acts: [fn(&Arc<Connection>); 4] = [
        |connection| connection.turn(Phase::Closing),
        |connection| assert!(connection.write(b"x").is_ok()),
        |connection| connection.turn(Phase::Waiting),
        // It shows without anything being done, after a while.
        |_connection| {},
    ];
    for act in acts {
        let (client, server) = pair();
        let connection = add(&reactor, server.as_raw_fd());
        // The other end of it stays, of which the poller goes on to tell.
        let mut nothing = Vec::new();
        round(&reactor, &mut nothing);
        assert!(nothing.is_empty());
        let (reader, mut writer) = std::io::pipe().unwrap();
        let foreign = take_over(&connection, &reader);
        act(&connection);
        reactor.remove(&next_taken(&reactor));
        assert!(find(connection.fd, None).is_none());
        writer.write_all(b"untouched").unwrap();
        let mut data = [0; 9];
        std::io::PipeReader::from(foreign).read_exact(&mut data).unwrap();
        assert_eq!(&data, b"untouched");
        drop(client);
    }
    // So it is with a socket, which might be shut down.
    let (_client, server) = pair();
    let connection = add(&reactor, server.as_raw_fd());
    let (mut far, near) = UnixStream::pair().unwrap();
    let foreign = take_over(&connection, &near);
    // Nor is it the reactor's any more to those who hand it off.
    assert_ne!(Descriptor::handed_off(connection.fd).unwrap().number(), connection.fd);
    end(&reactor);
    UnixStream::from(foreign).write_all(b"untouched").unwrap();
    let mut data = [0; 9];
    far.read_exact(&mut data).unwrap();
    assert_eq!(&data, b"untouched");
}

#[test]
#[cfg_attr(feature = "portable", ignore = "only kqueue forgets a descriptor that others close")]
fn a_connection_whose_descriptor_is_gone_ends_and_is_told_of_no_more() {
    let _alone = alone();
    let reactor = reactor(1 << 16);
    let (mut client, server) = pair();
    let connection = add(&reactor, server.as_raw_fd());
    let mut events = Vec::new();
    round(&reactor, &mut events);
    take_away(&connection);
    // As the file is open elsewhere, the poller tells of it all the same.
    client.write_all(b"x").unwrap();
    assert!(Arc::ptr_eq(&next_taken(&reactor), &connection));
    reactor.remove(&connection);
    let count = rounds(&reactor);
    assert!(count < 100, "{count} rounds");
    end(&reactor);
}

#[test]
#[cfg_attr(feature = "portable", ignore = "only kqueue forgets a descriptor that others close")]
fn the_next_connection_with_the_same_number_is_another_one() {
    let _alone = alone();
    let reactor = reactor(1 << 16);
    let (mut client, server) = pair();
    let old = add(&reactor, server.as_raw_fd());
    round(&reactor, &mut Vec::new());
    let (mut other_client, other_server) = pair();
    assert!(reactor.admit());
    let descriptor = Descriptor::own(take_over(&old, &other_server)).unwrap();
    let new = reactor.add(descriptor, None);
    drop(other_server);
    assert_eq!(new.fd, old.fd);
    new.turn(Phase::Waiting);
    // Both are told of by the same number, and this is the old one's.
    client.write_all(b"x").unwrap();
    assert!(Arc::ptr_eq(&next_taken(&reactor), &old));
    assert_eq!(reactor.all().len(), 2);
    reactor.remove(&old);
    reactor.remove(&old);
    assert_eq!(reactor.connections(), 1);
    assert!(find(new.fd, Some(old.serial)).is_none());
    assert!(find(new.fd, Some(new.serial)).is_some());
    let count = rounds(&reactor);
    assert!(count < 100, "{count} rounds");
    assert!(new.write(b"alive").is_ok() && new.signal());
    assert!(matches!(next(&reactor), Event::Writable(_)));
    let mut data = [0; 5];
    other_client.read_exact(&mut data).unwrap();
    assert_eq!(&data, b"alive");
    end(&reactor);
    assert!(!is_open(new.fd));
}
