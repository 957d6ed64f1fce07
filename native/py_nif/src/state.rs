//! Data that all processes and all contexts of the node share: `Py.State`, `erlang.state_*`.
//!
//! The table is in here and not in ETS because no native code can look into ETS: Python would
//! have to ask a process for every value, which costs ten times as much (bench/state.exs). It is
//! divided into shards, each with a lock under which keys are compared and at most a key is
//! copied. Nobody waits for a GIL while he has one, and values are copied outside.

use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread;

use hashbrown::hash_table::Entry;
use hashbrown::HashTable;
use rustler::{Encoder, Env, Term};

use crate::terms::OwnedTerm;
use crate::{atoms, terms};

/// A power of two, several times the number of threads that may want one at the same time.
const SHARDS: usize = 64;

static TABLE: LazyLock<[Shard; SHARDS]> =
    LazyLock::new(|| std::array::from_fn(|_| Shard::default()));

type Shard = Mutex<HashTable<Row>>;

struct Row {
    hash: u64,
    key: OwnedTerm,
    value: Value,
}

/// What is kept under a key. Taking one out of the table copies no more than a pointer.
#[derive(Clone)]
pub enum Value {
    /// Can be counted up and down in its place, and needs no memory of its own.
    Integer(i64),
    Term(Arc<OwnedTerm>),
}

impl Value {
    pub fn of(term: Term<'_>) -> Value {
        term.decode().map_or_else(|_| Value::Term(Arc::new(OwnedTerm::of(term))), Value::Integer)
    }

    /// Without another copy.
    pub fn take(answer: OwnedTerm) -> Value {
        match answer.term().decode() {
            Ok(integer) => Value::Integer(integer),
            Err(_) => Value::Term(Arc::new(answer)),
        }
    }

    pub fn in_env<'a>(&self, env: Env<'a>) -> Term<'a> {
        match self {
            Value::Integer(integer) => integer.encode(env),
            Value::Term(answer) => answer.term().in_env(env),
        }
    }
}

/// Why a value was not counted.
pub enum Uncounted {
    NotAnInteger,
    /// The sum does not fit into 64 bits.
    Overflow,
}

pub fn get(key: Term<'_>) -> Option<Value> {
    let key = Key::of(key);
    let shard = key.shard();
    shard.find(key.hash, |row| key.is(row)).map(|row| row.value.clone())
}

pub fn set(key: Term<'_>, value: Value) {
    let key = Key::of(key);
    let mut shard = key.shard();
    let old = match shard.entry(key.hash, |row| key.is(row), |row| row.hash) {
        Entry::Occupied(mut row) => Some(std::mem::replace(&mut row.get_mut().value, value)),
        Entry::Vacant(place) => {
            place.insert(key.row(value));
            None
        }
    };
    drop(shard);
    // Outside the lock, as it may be large.
    drop(old);
}

pub fn delete(key: Term<'_>) {
    let key = Key::of(key);
    let mut shard = key.shard();
    let old = shard.find_entry(key.hash, |row| key.is(row)).ok().map(|row| row.remove().0);
    drop(shard);
    drop(old);
}

/// Adds to an integer, or to 0 where there is nothing, and answers with the sum.
pub fn add(key: Term<'_>, by: i64) -> Result<i64, Uncounted> {
    let key = Key::of(key);
    let mut shard = key.shard();
    match shard.entry(key.hash, |row| key.is(row), |row| row.hash) {
        Entry::Occupied(mut row) => match &mut row.get_mut().value {
            Value::Integer(integer) => {
                *integer = integer.checked_add(by).ok_or(Uncounted::Overflow)?;
                Ok(*integer)
            }
            Value::Term(_) => Err(Uncounted::NotAnInteger),
        },
        Entry::Vacant(place) => {
            place.insert(key.row(Value::Integer(by)));
            Ok(by)
        }
    }
}

pub fn keys<'a>(env: Env<'a>) -> Term<'a> {
    let mut keys = Vec::new();
    for shard in TABLE.iter() {
        keys.extend(lock(shard).iter().map(|row| row.key.term().in_env(env)));
    }
    keys.encode(env)
}

/// Forgets everything. Giving the memory back may take a while, so a thread does that.
pub fn clear() {
    let old: Vec<_> = TABLE.iter().map(|shard| std::mem::take(&mut *lock(shard))).collect();
    if old.iter().any(|rows| !rows.is_empty()) {
        thread::spawn(move || drop(old));
    }
}

/// A key with its hash.
struct Key<'a> {
    term: Term<'a>,
    hash: u64,
}

impl<'a> Key<'a> {
    /// An atom is its name, as it is for keys of maps: what Elixir keeps under `:name`, Python
    /// finds under `"name"`.
    fn of(term: Term<'a>) -> Key<'a> {
        let constants = [atoms::nil(), atoms::true_(), atoms::false_()];
        let term = match term.atom_to_string() {
            Ok(name) if !constants.iter().any(|constant| *constant == term) => {
                name.encode(term.get_env())
            }
            _ => term,
        };
        // The BEAM's hash has 32 bits, of which the table wants the lowest and highest of 64.
        let hash = term.hash_internal(0).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        Key { term, hash }
    }

    /// Chosen by bits in the middle, as the table inside uses those at both ends.
    fn shard(&self) -> MutexGuard<'static, HashTable<Row>> {
        lock(&TABLE[(self.hash >> 40) as usize % SHARDS])
    }

    fn is(&self, row: &Row) -> bool {
        self.hash == row.hash && terms::are_identical(row.key.term(), self.term)
    }

    fn row(&self, value: Value) -> Row {
        Row { hash: self.hash, key: OwnedTerm::of(self.term), value }
    }
}

fn lock(shard: &'static Shard) -> MutexGuard<'static, HashTable<Row>> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}
