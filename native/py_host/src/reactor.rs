//! Connections that are read and written while no thread is attached: the half of a reactor that
//! knows nothing of protocols.
//!
//! One thread goes round: it writes what there is to write, waits, and reads what has come, all
//! of it detached, and brings back events for Python, a batch at a time. So it attaches once per
//! batch and not once per descriptor.

pub mod address;
pub mod blocks;
pub mod connection;
pub mod descriptor;
mod output;
pub mod posix;

use std::collections::HashMap;
use std::io;
use std::os::fd::RawFd;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use address::Address;
use blocks::{Block, Blocks};
pub use connection::{Connection, Phase};
use descriptor::Descriptor;

use crate::interrupt::own_thread;
use crate::poller::Ready;
use crate::Poller;

/// Where there was no room for a connection, there may be some so much later.
const PAUSE: Duration = Duration::from_millis(100);

/// So long after a protocol has been at work, it is looked at whether the descriptor of its
/// connection is still there. One that was closed by mistake shows in no other way, and looking
/// every time would make every message dearer.
const LOOK: Duration = Duration::from_secs(1);

/// What a round brings.
pub enum Event {
    Data(Arc<Connection>, Block),
    /// All is written, and the protocol wanted to know.
    Writable(Arc<Connection>),
    /// It is over, well or by an error.
    Lost(Arc<Connection>, Option<io::Error>),
    /// Somebody has connected to the first.
    Accepted(Arc<Connection>, Descriptor, Address),
}

#[derive(Clone, Copy)]
pub struct Limits {
    pub connections: usize,
    /// Bytes that may wait to be written to one connection before it takes no more.
    pub write_buffer: usize,
}

/// Figures since the start.
#[derive(Default)]
pub struct Counters {
    pub received: Counter,
    pub sent: Counter,
    /// Connections.
    pub total: Counter,
    /// Exceptions of protocols.
    pub errors: Counter,
}

#[derive(Default)]
pub struct Counter(AtomicU64);

impl Counter {
    pub fn add(&self, count: usize) {
        self.0.fetch_add(count as u64, Ordering::Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What threads share of a reactor.
pub struct Reactor {
    pub poller: Arc<Poller>,
    pub limits: Limits,
    pub counters: Counters,
    /// Those that are open or about to be.
    connections: AtomicUsize,
    open: Mutex<Open>,
    /// Those whose protocols have been at work lately, and when to look after them.
    touched: Mutex<(Vec<Arc<Connection>>, Option<Instant>)>,
    /// Those that somebody has written to, or whose protocol wants something else.
    noted: Mutex<Vec<Arc<Connection>>>,
    /// Listeners for whose next connection there is no room, and when to look again.
    paused: Mutex<(Vec<Arc<Connection>>, Option<Instant>)>,
    /// The thread that goes round, as a number, or zero.
    thread: AtomicU64,
    stopped: AtomicBool,
}

#[derive(Default)]
struct Open {
    by_number: HashMap<RawFd, Arc<Connection>>,
    /// Those that have lost their descriptors, as others have the same numbers now.
    displaced: Vec<Arc<Connection>>,
    /// The poller may watch a file under a number that belongs to another one by now.
    stale: bool,
}

/// Every open connection of all reactors, for those who know the number alone.
static CONNECTIONS: LazyLock<Mutex<HashMap<RawFd, Weak<Connection>>>> =
    LazyLock::new(Mutex::default);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The connection that has a descriptor now, whichever reactor it belongs to. Numbers are used
/// again, so whoever knows the serial of the one that is meant finds that one or none.
pub fn find(fd: RawFd, serial: Option<u64>) -> Option<Arc<Connection>> {
    let found = lock(&CONNECTIONS).get(&fd)?.upgrade()?;
    serial.is_none_or(|serial| serial == found.serial).then_some(found)
}

impl Reactor {
    pub fn new(limits: Limits) -> io::Result<Arc<Reactor>> {
        Ok(Arc::new(Reactor {
            poller: Arc::new(Poller::new()?),
            limits,
            counters: Counters::default(),
            connections: AtomicUsize::new(0),
            open: Mutex::default(),
            touched: Mutex::default(),
            noted: Mutex::default(),
            paused: Mutex::default(),
            thread: AtomicU64::new(0),
            stopped: AtomicBool::new(false),
        }))
    }

    /// Makes room for a connection, if there is any.
    pub fn admit(&self) -> bool {
        let most = self.limits.connections;
        let more = |count| (count < most).then_some(count + 1);
        self.connections.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).is_ok()
    }

    /// There was nobody to admit after all, so there is as much room as before.
    pub(self) fn retract(&self) {
        self.connections.fetch_sub(1, Ordering::AcqRel);
    }

    /// An admitted connection came to nothing, or is over.
    pub fn dismiss(&self) {
        self.retract();
        let mut paused = lock(&self.paused);
        if !paused.0.is_empty() {
            paused.1 = Some(Instant::now());
        }
    }

    /// Connections that are open or about to be.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// Takes a connection in that was admitted.
    pub fn add(self: &Arc<Self>, descriptor: Descriptor, peer: Option<Address>) -> Arc<Connection> {
        let connection = Connection::new(self, descriptor, peer);
        let fd = connection.fd;
        {
            let mut open = lock(&self.open);
            if let Some(displaced) = open.by_number.insert(fd, Arc::clone(&connection)) {
                open.displaced.push(displaced);
                open.stale = true;
            }
        }
        let before = lock(&CONNECTIONS).insert(fd, Arc::downgrade(&connection));
        if let Some(displaced) = before.and_then(|before| before.upgrade()) {
            displaced.displaced();
        }
        self.counters.total.add(1);
        connection
    }

    /// Closes a connection of which `connection_lost` has been told. Detached.
    pub fn remove(&self, connection: &Connection) {
        let fd = connection.fd;
        {
            let mut open = lock(&self.open);
            open.displaced.retain(|other| !ptr::eq(&**other, connection));
            if open.by_number.get(&fd).is_some_and(|other| ptr::eq(&**other, connection)) {
                open.by_number.remove(&fd);
            }
        }
        {
            // Before its number is free for another one.
            let mut connections = lock(&CONNECTIONS);
            if connections.get(&fd).is_some_and(|other| ptr::eq(other.as_ptr(), connection)) {
                connections.remove(&fd);
            }
        }
        if connection.close() {
            self.dismiss();
        }
    }

    pub fn is_empty(&self) -> bool {
        let open = lock(&self.open);
        open.by_number.is_empty() && open.displaced.is_empty()
    }

    pub fn all(&self) -> Vec<Arc<Connection>> {
        let open = lock(&self.open);
        open.by_number.values().chain(&open.displaced).cloned().collect()
    }

    /// The thread that goes round; false if another one does.
    pub fn enter(&self) -> bool {
        let own = own_thread() as u64;
        self.thread.compare_exchange(0, own, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }

    /// It goes round no more, and all connections have been removed.
    pub fn leave(&self) {
        // They have the reactor, which would keep them in turn.
        lock(&self.noted).clear();
        *lock(&self.touched) = Default::default();
        *lock(&self.paused) = Default::default();
        self.thread.store(0, Ordering::SeqCst);
    }

    pub fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
        self.poller.wake();
    }

    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }

    pub(self) fn note(&self, connection: Arc<Connection>) {
        lock(&self.noted).push(connection);
        // The thread itself looks before it waits.
        if self.thread.load(Ordering::SeqCst) != own_thread() as u64 {
            self.poller.wake();
        }
    }

    pub(self) fn pause(&self, listener: Arc<Connection>) {
        let mut paused = lock(&self.paused);
        paused.0.push(listener);
        paused.1.get_or_insert_with(|| Instant::now() + PAUSE);
    }

    pub(self) fn touch(&self, connection: Arc<Connection>) {
        let mut touched = lock(&self.touched);
        touched.0.push(connection);
        touched.1.get_or_insert_with(|| Instant::now() + LOOK);
    }

    /// Looks after connections whose protocols have been at work, when it is time; until when to
    /// wait at most, if it is not yet.
    fn look(&self, events: &mut Vec<Event>) -> Option<Duration> {
        let mut touched = lock(&self.touched);
        let left = touched.1?.saturating_duration_since(Instant::now());
        if !left.is_zero() {
            return Some(left);
        }
        let (connections, _) = std::mem::take(&mut *touched);
        drop(touched);
        events.extend(connections.iter().filter_map(Connection::look));
        None
    }

    /// The kernel tells of a file as long as anybody has it open, and by the number it had here.
    /// When that was closed behind our back, only another set of files makes it forget.
    fn watch_anew(&self) {
        let mut open = lock(&self.open);
        if open.stale {
            // For want of a descriptor it stays as it is, until the next time.
            let Ok(forgotten) = self.poller.forget() else { return };
            open.stale = false;
            if forgotten {
                open.by_number.values().for_each(Connection::watch_again);
            }
        }
    }

    /// Listeners go on when there may be room; until when to wait at most, if some do not yet.
    fn resume(&self) -> Option<Duration> {
        let mut paused = lock(&self.paused);
        let left = paused.1?.saturating_duration_since(Instant::now());
        if !left.is_zero() {
            return Some(left);
        }
        let (listeners, _) = std::mem::take(&mut *paused);
        drop(paused);
        listeners.iter().for_each(|listener| listener.turn(Phase::Reading));
        None
    }

    /// Writes, waits, reads. Detached, on the thread that entered.
    pub fn round(
        &self,
        timeout: Option<Duration>,
        blocks: &mut Blocks,
        ready: &mut Ready,
        events: &mut Vec<Event>,
    ) -> io::Result<()> {
        let soon = [self.resume(), self.look(events)].into_iter().flatten().min();
        self.watch_anew();
        let noted = std::mem::take(&mut *lock(&self.noted));
        events.extend(noted.iter().filter_map(Connection::settle));
        let timeout = match (timeout, soon) {
            _ if !events.is_empty() => Some(Duration::ZERO),
            (Some(timeout), Some(soon)) => Some(timeout.min(soon)),
            (timeout, soon) => timeout.or(soon),
        };
        ready.clear();
        self.poller.wait(timeout, ready)?;
        let mut open = lock(&self.open);
        for (fd, interest) in ready.iter() {
            // What was closed and what came in its place since are not told apart, nor need be:
            // nothing here blocks.
            let Some(connection) = open.by_number.get(fd) else {
                // It was closed by somebody else, and its file is still open elsewhere.
                open.stale = true;
                continue;
            };
            if !connection.ready(*interest, blocks, events) {
                // The others are told of again.
                break;
            }
        }
        Ok(())
    }
}
