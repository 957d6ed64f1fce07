//! A client that asks as fast as it is answered: one thread, so many connections, one request at
//! a time on each. It is a thread without Python and without processes, so that what is measured
//! is the server.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::epoll::Epoll;

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
