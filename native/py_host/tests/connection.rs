//! Connections of reactors: how they are read and written, and how they end.

mod support;

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::{mpsc, Arc};
use std::time::Duration;

use py_host::poller::Ready;
use py_host::reactor::blocks::{Blocks, SIZE};
use py_host::reactor::connection::Refused;
use py_host::reactor::{find, Event, Phase, Reactor};
use py_host::{Attached, Context};
use support::reactor::{add, alone, is_open, pair, reactor};
use support::{close, job, open, SOON};

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
