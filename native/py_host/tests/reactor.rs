//! Descriptors of reactors: who owns them, what they are, and how they are read and written.

mod support;

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::{mpsc, Arc, Mutex};
use std::time::{Duration, Instant};

use py_host::poller::Ready;
use py_host::reactor::blocks::{Blocks, SIZE};
use py_host::reactor::connection::Refused;
use py_host::reactor::descriptor::{duplicate, Descriptor, Kind, Taken};
use py_host::reactor::{find, Connection, Event, Limits, Phase, Reactor};
use py_host::{Attached, Context};
use support::{close, job, open, SOON};

/// The tests ask for descriptors by number, which others must not take meanwhile.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> impl Drop {
    ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (client, listener.accept().unwrap().0)
}

fn code<T>(result: std::io::Result<T>) -> Option<i32> {
    result.err().and_then(|error| error.raw_os_error())
}

fn is_open(fd: RawFd) -> bool {
    // SAFETY: takes no memory; fails for what is not open.
    unsafe { libc::fcntl(fd, libc::F_GETFD) >= 0 }
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

/// Goes round on a context's thread until `done`, and gives the events to `act`.
fn go_round(
    reactor: Arc<Reactor>,
    act: impl Fn(Attached<'_>, &Reactor, Event, &mut Blocks) -> bool + Send + 'static,
) -> (Arc<Context>, mpsc::Receiver<()>) {
    let context = open(py_host::Mode::parse("auto").unwrap(), 10);
    let (send, ended) = mpsc::channel();
    let work = job(move |py: Attached<'_>, worker| {
        assert!(reactor.enter());
        let (mut blocks, mut ready, mut events) =
            (Blocks::default(), Ready::new(), Vec::<Event>::new());
        loop {
            assert!(blocks.fill(py).is_ok());
            let work = |timeout| reactor.round(timeout, &mut blocks, &mut ready, &mut events);
            match worker.poll_with(py, &reactor.poller, None, work) {
                Ok(round) => round.unwrap(),
                Err(_interrupted) => break,
            }
            let over = events.drain(..).any(|event| act(py, &reactor, event, &mut blocks));
            if over {
                break;
            }
        }
        reactor.leave();
        let _ = send.send(());
    });
    assert!(context.submit(work).is_ok());
    (context, ended)
}

/// Writes back what comes.
fn echo(py: Attached<'_>, reactor: &Reactor, event: Event, blocks: &mut Blocks) -> bool {
    match event {
        Event::Data(connection, block) => {
            let data = blocks.finish(py, block).unwrap_or_else(|_| panic!("memory"));
            // SAFETY: a live bytes object of that length.
            let bytes = unsafe {
                let length = pyo3_ffi::PyBytes_Size(data.as_ptr()) as usize;
                let start = pyo3_ffi::PyBytes_AsString(data.as_ptr());
                std::slice::from_raw_parts(start.cast::<u8>(), length)
            };
            assert!(connection.write(bytes).is_ok());
            connection.turn(Phase::Reading);
            false
        }
        Event::Lost(connection, _error) => {
            py.detached(|| reactor.remove(&connection));
            true
        }
        Event::Writable(_) | Event::Accepted(..) => false,
    }
}

fn reactor(write_buffer: usize) -> Arc<Reactor> {
    Reactor::new(Limits { connections: 10, write_buffer }).unwrap()
}

fn add(reactor: &Arc<Reactor>, fd: RawFd) -> Arc<Connection> {
    assert!(reactor.admit());
    let connection = reactor.add(Descriptor::handed_off(fd).unwrap(), None);
    connection.turn(Phase::Reading);
    connection
}

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

#[test]
fn a_stream_is_echoed_whatever_its_length_and_the_end_is_seen() {
    let _alone = alone();
    let (mut client, server) = pair();
    let reactor = reactor(1 << 20);
    let fd = add(&reactor, server.as_raw_fd()).fd;
    drop(server);
    assert!(find(fd, None).is_some());
    let (context, ended) = go_round(Arc::clone(&reactor), echo);
    for length in [1, 4_095, 4_096, SIZE, SIZE + 1, 1 << 20] {
        let data: Vec<u8> = (0..length).map(|index| index as u8).collect();
        let mut writer = client.try_clone().unwrap();
        let sent = data.clone();
        let sender = std::thread::spawn(move || writer.write_all(&sent).unwrap());
        let mut back = vec![0; length];
        client.read_exact(&mut back).unwrap();
        sender.join().unwrap();
        assert!(back == data, "{length} bytes");
    }
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(client.read(&mut [0; 1]).unwrap(), 0);
    ended.recv_timeout(SOON).unwrap();
    assert!(find(fd, None).is_none() && !is_open(fd));
    assert_eq!(reactor.connections(), 0);
    let total: usize = [1, 4_095, 4_096, SIZE, SIZE + 1, 1 << 20].iter().sum();
    assert_eq!(reactor.counters.received.get(), total as u64);
    assert_eq!(reactor.counters.sent.get(), total as u64);
    close(&context);
}

#[test]
fn what_is_written_from_elsewhere_goes_out_and_is_bounded() {
    let _alone = alone();
    let (mut client, server) = pair();
    let reactor = reactor(1 << 16);
    let connection = add(&reactor, server.as_raw_fd());
    drop(server);
    // The first is taken whole, whatever its size; then there is no more room.
    assert!(connection.write(&vec![1; 1 << 17]).is_ok());
    assert!(matches!(connection.write(&[2]), Err(Refused::Full(131_072))));
    let (context, ended) = go_round(Arc::clone(&reactor), echo);
    client.read_exact(&mut vec![0; 1 << 17]).unwrap();
    assert!(connection.write(b"later").is_ok());
    let mut back = [0; 5];
    client.read_exact(&mut back).unwrap();
    assert_eq!(&back, b"later");

    // What waits is woken by a signal, and what closes writes its rest first.
    connection.turn(Phase::Waiting);
    assert!(connection.signal());
    assert!(connection.write(b"rest").is_ok());
    connection.turn(Phase::Closing);
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).unwrap();
    assert_eq!(rest, b"rest");
    ended.recv_timeout(SOON).unwrap();
    assert!(!connection.signal());
    assert!(matches!(connection.write(b"x"), Err(Refused::Closed)));
    close(&context);
}

#[test]
fn datagrams_keep_their_boundaries_and_answer_their_senders() {
    let _alone = alone();
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap();
    let reactor = reactor(1 << 20);
    let connection = add(&reactor, server.as_raw_fd());
    drop(server);
    let (context, ended) = go_round(Arc::clone(&reactor), echo);
    let clients: Vec<_> = (0..2).map(|_| UdpSocket::bind("127.0.0.1:0").unwrap()).collect();
    for client in &clients {
        client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        for data in ["one", "", "three"] {
            client.send_to(data.as_bytes(), address).unwrap();
        }
    }
    for client in &clients {
        for data in ["one", "", "three"] {
            let mut back = [0; 100];
            let (length, from) = client.recv_from(&mut back).unwrap();
            assert_eq!((&back[..length], from), (data.as_bytes(), address));
        }
    }
    connection.turn(Phase::Closing);
    ended.recv_timeout(SOON).unwrap();
    close(&context);
}

fn is_writable_within(socket: &impl AsRawFd, time: Duration) -> bool {
    let mut asked = libc::pollfd { fd: socket.as_raw_fd(), events: libc::POLLOUT, revents: 0 };
    // SAFETY: one entry of our own.
    unsafe { libc::poll(&mut asked, 1, time.as_millis() as libc::c_int) > 0 }
}

#[test]
fn a_reset_is_an_end_and_a_silent_reader_stops_the_reading() {
    let _alone = alone();
    let (client, server) = pair();
    let reactor = reactor(1 << 30);
    add(&reactor, server.as_raw_fd());
    drop(server);
    let (context, ended) = go_round(Arc::clone(&reactor), echo);
    client.set_nonblocking(true).unwrap();
    // Until nothing moves any more, in either direction.
    while is_writable_within(&client, Duration::from_millis(200)) {
        match (&client).write(&[0; 65_536]) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => panic!("{error}"),
        }
    }
    let waiting = reactor.all()[0].unwritten();
    assert!((1..=64 * 1024 + SIZE).contains(&waiting), "{waiting} bytes");
    // Closing with answers unread is a reset.
    drop(client);
    ended.recv_timeout(SOON).unwrap();
    assert!(reactor.is_empty());
    close(&context);
}
