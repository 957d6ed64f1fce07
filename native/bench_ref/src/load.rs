//! A client that asks as fast as it is answered: one thread, so many connections, one request at
//! a time on each. It is a thread without Python and without processes, so that what is measured
//! is the server.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::{Duration, Instant};

struct Connection {
    stream: TcpStream,
    missing: usize,
}

/// How many requests were answered, and in how many nanoseconds.
pub fn run(port: u16, connections: usize, size: usize, time: Duration) -> io::Result<(u64, u64)> {
    let request = vec![b'x'; size];
    let poll = Epoll::new()?;
    let mut all = Vec::new();
    for index in 0..connections {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        poll.add(&stream, index as u64)?;
        all.push(Connection { stream, missing: size });
    }
    for connection in &mut all {
        connection.stream.write_all(&request)?;
    }
    let (mut buffer, mut answered) = (vec![0; 64 * 1024], 0);
    let since = Instant::now();
    while since.elapsed() < time {
        for index in poll.wait()? {
            let connection = &mut all[index as usize];
            let count = connection.stream.read(&mut buffer)?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            connection.missing -= count;
            if connection.missing == 0 {
                answered += 1;
                connection.missing = size;
                connection.stream.write_all(&request)?;
            }
        }
    }
    Ok((answered, since.elapsed().as_nanos() as u64))
}

struct Epoll(OwnedFd);

impl Epoll {
    fn new() -> io::Result<Epoll> {
        // SAFETY: takes no memory, and gives a new descriptor or -1.
        let fd = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        // SAFETY: new, and nobody else has it.
        checked(fd).map(|fd| Epoll(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    fn add(&self, stream: &TcpStream, data: u64) -> io::Result<()> {
        let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: data };
        let (epoll, fd) = (self.0.as_raw_fd(), stream.as_raw_fd());
        // SAFETY: our own event, which is copied.
        checked(unsafe { libc::epoll_ctl(epoll, libc::EPOLL_CTL_ADD, fd, &mut event) }).map(drop)
    }

    /// Which are readable; nothing after 100 ms.
    fn wait(&self) -> io::Result<impl Iterator<Item = u64>> {
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
