//! What a call could cost at best: the same hand-over to a thread, without Python behind it.
//!
//! The benchmarks put these figures beside their own from the same run, because those of another
//! day or machine say little.

mod echo;
mod epoll;
mod load;
mod word;

use std::hint;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use flume::{Receiver, Sender};
use rustler::env::SavedTerm;
use rustler::{Atom, Binary, Encoder, Env, LocalPid, NewBinary, OwnedEnv, Term};

rustler::atoms! { ok, pong }

/// How long the spinning thread looks for more work before it parks: as long as a context does.
const SPIN: Duration = Duration::from_micros(20);

/// Looking at the clock costs as much as several looks at the queue.
const LOOKS_PER_CLOCK: u32 = 16;

struct Ping {
    caller: LocalPid,
    env: OwnedEnv,
    tag: SavedTerm,
}

impl Ping {
    fn answer(mut self) {
        let Ping { caller, tag, .. } = self;
        // The caller may have ended meanwhile, and then nobody misses the answer.
        let _ = self.env.send_and_clear(&caller, |env| (tag.load(env), pong()).encode(env));
    }
}

/// The price of entering and leaving native code.
#[rustler::nif]
fn noop() -> Atom {
    ok()
}

/// Copies to memory that has been written to before, which is the least that a copy can cost.
#[rustler::nif]
fn copy(bytes: Binary<'_>) -> Atom {
    static TARGET: Mutex<Vec<u8>> = Mutex::new(Vec::new());
    let mut target = TARGET.lock().unwrap_or_else(PoisonError::into_inner);
    target.clear();
    target.extend_from_slice(&bytes);
    // Nobody reads the copy, and it must be made all the same.
    hint::black_box(target.as_slice());
    ok()
}

/// Copies to a binary that has to be made for it, as whoever gives bytes to the BEAM does.
#[rustler::nif]
fn copy_to_new<'a>(env: Env<'a>, bytes: Binary<'_>) -> Binary<'a> {
    let mut target = NewBinary::new(env, bytes.len());
    target.as_mut_slice().copy_from_slice(&bytes);
    target.into()
}

/// Hands so many bytes over to a thread and takes its answer, by nothing but memory.
#[rustler::nif]
fn hand_over(bytes: usize) -> bool {
    word::hand_over(bytes)
}

/// `{Tag, pong}` comes from a thread that parks whenever its queue is empty.
#[rustler::nif]
fn ping_parked(caller: LocalPid, tag: Term<'_>) -> Atom {
    static THREAD: OnceLock<Sender<Ping>> = OnceLock::new();
    push(&THREAD, answer_parking, caller, tag)
}

/// The same from a thread that keeps looking for a while before it parks.
#[rustler::nif]
fn ping_spinning(caller: LocalPid, tag: Term<'_>) -> Atom {
    static THREAD: OnceLock<Sender<Ping>> = OnceLock::new();
    push(&THREAD, answer_spinning, caller, tag)
}

/// The threads live as long as the process, as the benchmark never unloads this library.
fn push(
    thread: &OnceLock<Sender<Ping>>,
    work: fn(Receiver<Ping>),
    caller: LocalPid,
    tag: Term<'_>,
) -> Atom {
    let queue = thread.get_or_init(|| {
        let (queue, pings) = flume::unbounded();
        thread::spawn(move || work(pings));
        queue
    });
    let env = OwnedEnv::new();
    let tag = env.save(tag);
    // The thread holds its end for ever, so this cannot fail.
    let _ = queue.send(Ping { caller, env, tag });
    ok()
}

fn answer_parking(pings: Receiver<Ping>) {
    for ping in pings {
        ping.answer();
    }
}

fn answer_spinning(pings: Receiver<Ping>) {
    while let Some(ping) = next_after_spinning(&pings) {
        ping.answer();
    }
}

fn next_after_spinning(pings: &Receiver<Ping>) -> Option<Ping> {
    let parks_at = Instant::now() + SPIN;
    loop {
        for _ in 0..LOOKS_PER_CLOCK {
            if let Ok(ping) = pings.try_recv() {
                return Some(ping);
            }
            hint::spin_loop();
        }
        if Instant::now() > parks_at {
            return pings.recv().ok();
        }
    }
}

/// `{Tag, {Answered, Nanoseconds}}` or `{Tag, Error}`, from a thread that loads an echo server.
#[rustler::nif]
fn echo_load(
    caller: LocalPid,
    tag: Term<'_>,
    port: u16,
    connections: usize,
    size: usize,
    milliseconds: u64,
) -> Atom {
    let mut env = OwnedEnv::new();
    let tag = env.save(tag);
    thread::spawn(move || {
        let result = load::run(port, connections, size, Duration::from_millis(milliseconds));
        let _ = env.send_and_clear(&caller, |env| match result {
            Ok(figures) => (tag.load(env), figures).encode(env),
            Err(error) => (tag.load(env), error.to_string()).encode(env),
        });
    });
    ok()
}

/// `{ok, Port}` of an echo server without Python, or `{error, Text}`.
#[rustler::nif]
fn echo_serve() -> Result<u16, String> {
    echo::serve().map_err(|error| error.to_string())
}

rustler::init!("Elixir.Bench.Reference");
