//! The echo of `bench/reactor.exs` without Python and without processes: one thread that reads and
//! writes. What it takes for a request is the kernel's share of what all others take.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use crate::epoll::Epoll;

/// The listener's number; connections have the others, in the order in which they came.
const LISTENER: u64 = 0;

/// The port of a server that lives as long as the process.
pub fn serve() -> io::Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let port = listener.local_addr()?.port();
    thread::spawn(move || {
        if let Err(error) = run(&listener) {
            eprintln!("the echo without Python has ended: {error}");
        }
    });
    Ok(port)
}

fn run(listener: &TcpListener) -> io::Result<()> {
    let poll = Epoll::new()?;
    poll.add(listener, LISTENER)?;
    let mut connections = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        for number in poll.wait()? {
            if number == LISTENER {
                let (stream, _address) = listener.accept()?;
                stream.set_nodelay(true)?;
                poll.add(&stream, connections.len() as u64 + 1)?;
                connections.push(Some(stream));
            } else {
                let connection = &mut connections[number as usize - 1];
                if !connection.as_mut().is_some_and(|stream| answer(stream, &mut buffer)) {
                    *connection = None;
                }
            }
        }
    }
}

/// False once the other side is done.
fn answer(stream: &mut TcpStream, buffer: &mut [u8]) -> bool {
    match stream.read(buffer) {
        Ok(0) | Err(_) => false,
        Ok(count) => stream.write_all(&buffer[..count]).is_ok(),
    }
}
