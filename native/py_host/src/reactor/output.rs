//! What a connection has to write and the system has not taken yet.

use std::collections::VecDeque;
use std::io;

use super::address::Address;
use super::descriptor::{Descriptor, Kind};

/// A buffer that has grown beyond this is given back once it is empty.
const KEPT: usize = 64 * 1024;

#[derive(Default)]
pub struct Output {
    /// Of a stream: the bytes from `start` on.
    bytes: Vec<u8>,
    start: usize,
    datagrams: VecDeque<(Option<Address>, Vec<u8>)>,
    waiting: usize,
}

impl Output {
    /// How many bytes wait.
    pub fn len(&self) -> usize {
        self.waiting
    }

    pub fn is_empty(&self) -> bool {
        self.waiting == 0 && self.datagrams.is_empty()
    }

    pub fn push(&mut self, kind: Kind, data: &[u8], to: Option<Address>) {
        self.waiting += data.len();
        if kind == Kind::Datagram {
            self.datagrams.push_back((to, data.to_vec()));
        } else {
            self.bytes.extend_from_slice(data);
        }
    }

    /// Writes until all is written or there is no room; how many bytes went.
    pub fn flush(&mut self, descriptor: &Descriptor) -> io::Result<usize> {
        let before = self.waiting;
        let flushed = if descriptor.kind == Kind::Datagram {
            self.flush_datagrams(descriptor)
        } else {
            self.flush_bytes(descriptor)
        };
        match flushed {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            _ => Ok(before - self.waiting),
        }
    }

    pub fn clear(&mut self) {
        *self = Output::default();
    }

    fn flush_bytes(&mut self, descriptor: &Descriptor) -> io::Result<()> {
        while self.start < self.bytes.len() {
            let rest = &self.bytes[self.start..];
            let asked = rest.len();
            let count = descriptor.write(rest, None)?;
            self.start += count;
            self.waiting -= count;
            if count < asked {
                // The next attempt would only say that there is no room.
                break;
            }
        }
        if self.start == self.bytes.len() {
            self.start = 0;
            self.bytes.clear();
            if self.bytes.capacity() > KEPT {
                self.bytes = Vec::new();
            }
        } else if self.start > KEPT && self.start > self.bytes.len() / 2 {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        Ok(())
    }

    fn flush_datagrams(&mut self, descriptor: &Descriptor) -> io::Result<()> {
        while let Some((to, data)) = self.datagrams.front() {
            match descriptor.write(data, to.as_ref()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(error),
                Err(error) if !descriptor.is_ours() => return Err(error),
                // One that cannot go is lost, as on the wire.
                _ => {
                    self.waiting -= data.len();
                    self.datagrams.pop_front();
                }
            }
        }
        Ok(())
    }
}
