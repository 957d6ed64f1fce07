//! Terms beyond what rustler does with them: tuples without a vector, maps in one direction,
//! and terms that outlive a call.

use std::cell::{Cell, RefCell};
use std::ffi::c_int;
use std::mem::MaybeUninit;

use rustler::sys::{
    enif_alloc_env, enif_clear_env, enif_free_env, enif_get_tuple, enif_is_identical,
    enif_make_copy, enif_map_iterator_create, enif_map_iterator_destroy,
    enif_map_iterator_get_pair, enif_map_iterator_next, enif_send, enif_whereis_pid, ErlNifEnv,
    ErlNifMapIterator, ErlNifMapIteratorEntry, ErlNifTerm,
};
use rustler::{Atom, Encoder, Env, LocalPid, Term};

use crate::atoms;

/// The elements of a tuple.
#[derive(Clone, Copy)]
pub struct Tuple<'a> {
    env: Env<'a>,
    items: &'a [ErlNifTerm],
}

impl<'a> Tuple<'a> {
    pub fn of(term: Term<'a>) -> Option<Tuple<'a>> {
        let env = term.get_env();
        let (mut arity, mut items): (c_int, *const ErlNifTerm) = (0, std::ptr::null());
        // SAFETY: the term belongs to its environment; on success there are `arity` items, which
        // live as long as the term.
        unsafe {
            if enif_get_tuple(env.as_c_arg(), term.as_c_arg(), &mut arity, &mut items) == 0 {
                return None;
            }
            let items =
                if arity == 0 { &[] } else { std::slice::from_raw_parts(items, arity as usize) };
            Some(Tuple { env, items })
        }
    }

    pub fn len(self) -> usize {
        self.items.len()
    }

    pub fn at(self, index: usize) -> Term<'a> {
        // SAFETY: an element of a term of this environment.
        unsafe { Term::new(self.env, self.items[index]) }
    }

    pub fn iter(self) -> impl Iterator<Item = Term<'a>> {
        (0..self.len()).map(move |index| self.at(index))
    }

    /// The elements as a slice to match on, in a place for at most `N` of them.
    pub fn fill<'p, const N: usize>(self, place: &'p mut [Term<'a>; N]) -> &'p [Term<'a>] {
        let count = self.len().min(N);
        for (slot, item) in place.iter_mut().zip(self.iter()) {
            *slot = item;
        }
        &place[..count]
    }
}

/// The pairs of a map. The iterator of rustler's can turn round, and takes twice as long for it.
pub struct MapPairs<'a> {
    env: Env<'a>,
    iterator: ErlNifMapIterator,
}

impl<'a> MapPairs<'a> {
    /// `None` for what is no map.
    pub fn of(map: Term<'a>) -> Option<MapPairs<'a>> {
        let env = map.get_env();
        let first = ErlNifMapIteratorEntry::ERL_NIF_MAP_ITERATOR_HEAD;
        let mut iterator = MaybeUninit::uninit();
        // SAFETY: the term belongs to its environment; on success the iterator is filled in.
        unsafe {
            let (env, map) = (env.as_c_arg(), map.as_c_arg());
            if enif_map_iterator_create(env, map, iterator.as_mut_ptr(), first) == 0 {
                return None;
            }
        }
        // SAFETY: as above.
        Some(MapPairs { env, iterator: unsafe { iterator.assume_init() } })
    }
}

impl<'a> Iterator for MapPairs<'a> {
    type Item = (Term<'a>, Term<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let env = self.env.as_c_arg();
        let (mut key, mut value) = (MaybeUninit::uninit(), MaybeUninit::uninit());
        let places = (key.as_mut_ptr(), value.as_mut_ptr());
        // SAFETY: the iterator is that of a live map; what it gives are terms of its environment.
        unsafe {
            if enif_map_iterator_get_pair(env, &mut self.iterator, places.0, places.1) == 0 {
                return None;
            }
            enif_map_iterator_next(env, &mut self.iterator);
            let [key, value] = [key, value].map(|term| Term::new(self.env, term.assume_init()));
            Some((key, value))
        }
    }
}

impl Drop for MapPairs<'_> {
    fn drop(&mut self) {
        // SAFETY: created once, and nobody has it any more.
        unsafe { enif_map_iterator_destroy(self.env.as_c_arg(), &mut self.iterator) }
    }
}

/// On whose behalf a message is sent: the BEAM wants to know when it is on one of its own threads.
#[derive(Clone, Copy)]
pub struct Caller(*mut ErlNifEnv);

impl Caller {
    /// A thread that runs Python: none of the BEAM's, unless it is within `calling`.
    pub fn python() -> Caller {
        Caller(CALLING.get())
    }

    /// A NIF, or a callback of a resource, for as long as it runs.
    ///
    /// # Safety
    /// `env` is the environment that the BEAM has called us with, and its call outlives the value.
    pub unsafe fn beam(env: Env<'_>) -> Caller {
        Caller(env.as_c_arg())
    }
}

/// Terms that outlive the call they came with, in an environment of their own.
///
/// It is filled while one thread has it, and only read afterwards, by any number of them.
pub struct TermStore(*mut ErlNifEnv);

// SAFETY: the environment is bound to no process; filling it takes `&mut self`, and reading terms
// that no longer change is safe from everywhere.
unsafe impl Send for TermStore {}
// SAFETY: as above.
unsafe impl Sync for TermStore {}

impl TermStore {
    pub fn new() -> TermStore {
        let spare = SPARE.try_with(|spare| spare.take()).ok().flatten();
        // SAFETY: needs nothing; freed when dropped.
        TermStore(spare.unwrap_or_else(|| unsafe { enif_alloc_env() }))
    }

    /// Puts a copy of a term in.
    pub fn keep(&mut self, term: Term<'_>) -> ErlNifTerm {
        // SAFETY: our own live environment, and a term that lives for the call.
        unsafe { enif_make_copy(self.0, term.as_c_arg()) }
    }

    /// Puts in what is made there.
    pub fn make(&mut self, make: impl for<'a> FnOnce(Env<'a>) -> Term<'a>) -> ErlNifTerm {
        make(self.env()).as_c_arg()
    }

    /// # Safety
    /// `term` was put into this store.
    pub unsafe fn get(&self, term: ErlNifTerm) -> Term<'_> {
        // SAFETY: the caller's promise; the term lives as long as the environment.
        unsafe { Term::new(self.env(), term) }
    }

    /// Sends a term of this store. False if the process is gone. On a thread of the BEAM's it has
    /// to be within `calling`.
    ///
    /// # Safety
    /// `term` was put into this store.
    pub unsafe fn send(self, to: &LocalPid, term: ErlNifTerm) -> bool {
        // SAFETY: the caller's promise.
        unsafe { self.send_from(Caller::python(), to, term) }.is_ok()
    }

    /// Sends a term of this store; gives it back as it is if the process is gone.
    ///
    /// # Safety
    /// `term` was put into this store.
    pub unsafe fn send_from(
        self,
        caller: Caller,
        to: &LocalPid,
        term: ErlNifTerm,
    ) -> Result<(), TermStore> {
        // SAFETY: the caller is what it says. The message takes the terms along, and what is left
        // of the environment is freed with `self`.
        let sent = unsafe { enif_send(caller.0, to.as_c_arg(), self.0, term) != 0 };
        if sent {
            Ok(())
        } else {
            Err(self)
        }
    }

    pub fn env(&self) -> Env<'_> {
        // SAFETY: the environment lives as long as `self`.
        unsafe { Env::new(self, self.0) }
    }
}

impl Drop for TermStore {
    fn drop(&mut self) {
        // SAFETY: ours, and nobody has a term of it any more.
        unsafe { enif_clear_env(self.0) };
        if !SPARE.try_with(|spare| spare.put(self.0)).unwrap_or(false) {
            // SAFETY: as above; nobody else knows it.
            unsafe { enif_free_env(self.0) };
        }
    }
}

thread_local! {
    static SPARE: Spare = const { Spare(RefCell::new(Vec::new())) };
}

/// Environments that this thread has done with, to be filled again. Making one takes as long as
/// everything else about a small term, and one that goes from thread to thread would be freed by
/// another than the one that made it, which takes still longer. What each call sends in both
/// directions is replaced by what it gets.
struct Spare(RefCell<Vec<*mut ErlNifEnv>>);

const MOST_SPARE: usize = 32;

impl Spare {
    fn take(&self) -> Option<*mut ErlNifEnv> {
        self.0.borrow_mut().pop()
    }

    /// False if there are enough.
    fn put(&self, env: *mut ErlNifEnv) -> bool {
        let mut envs = self.0.borrow_mut();
        let has_room = envs.len() < MOST_SPARE;
        if has_room {
            envs.push(env);
        }
        has_room
    }
}

impl Drop for Spare {
    fn drop(&mut self) {
        for env in self.0.get_mut().drain(..) {
            // SAFETY: put there by its last owner.
            unsafe { enif_free_env(env) };
        }
    }
}

/// A term in an environment of its own.
pub struct OwnedTerm {
    store: TermStore,
    term: ErlNifTerm,
}

impl OwnedTerm {
    pub fn new(make: impl for<'a> FnOnce(Env<'a>) -> Term<'a>) -> OwnedTerm {
        let mut store = TermStore::new();
        let term = store.make(make);
        OwnedTerm { store, term }
    }

    /// The same, if it can be made.
    pub fn try_new<E>(
        make: impl for<'a> FnOnce(Env<'a>) -> Result<Term<'a>, E>,
    ) -> Result<OwnedTerm, E> {
        let mut failed = None;
        let made = OwnedTerm::new(|env| {
            make(env).unwrap_or_else(|error| {
                failed = Some(error);
                atoms::error().encode(env)
            })
        });
        failed.map_or(Ok(made), Err)
    }

    /// A copy of a term.
    pub fn of(term: Term<'_>) -> OwnedTerm {
        let mut store = TermStore::new();
        let term = store.keep(term);
        OwnedTerm { store, term }
    }

    pub fn term(&self) -> Term<'_> {
        // SAFETY: made in this store.
        unsafe { self.store.get(self.term) }
    }

    /// The two halves of a pair, elsewhere.
    pub fn pair<'a>(&self, env: Env<'a>) -> [Term<'a>; 2] {
        pair(self.term()).map(|half| half.in_env(env))
    }

    /// What is made of it, in the environment that it has already.
    pub fn map(self, make: impl for<'a> FnOnce(Env<'a>, Term<'a>) -> Term<'a>) -> OwnedTerm {
        let term = make(self.store.env(), self.term()).as_c_arg();
        OwnedTerm { store: self.store, term }
    }

    /// False if the process is gone.
    pub fn send(self, to: &LocalPid) -> bool {
        // SAFETY: made in that store.
        unsafe { self.store.send(to, self.term) }
    }
}

/// The two halves of what was made as a pair.
pub fn pair(term: Term<'_>) -> [Term<'_>; 2] {
    let pair = Tuple::of(term).expect("made as a pair");
    [pair.at(0), pair.at(1)]
}

/// A process, of this node or of another one.
pub enum AnyPid {
    /// A word, which needs no environment.
    Local(LocalPid),
    Remote(OwnedTerm),
}

impl AnyPid {
    pub fn of(pid: Term<'_>) -> AnyPid {
        pid.decode().map_or_else(|_| AnyPid::Remote(OwnedTerm::of(pid)), AnyPid::Local)
    }
}

impl Encoder for AnyPid {
    fn encode<'a>(&self, env: Env<'a>) -> Term<'a> {
        match self {
            AnyPid::Local(pid) => pid.encode(env),
            AnyPid::Remote(pid) => pid.term().in_env(env),
        }
    }
}

/// `One === Other`, wherever the two are.
pub fn are_identical(one: Term<'_>, other: Term<'_>) -> bool {
    // SAFETY: both are alive in their environments.
    unsafe { enif_is_identical(one.as_c_arg(), other.as_c_arg()) != 0 }
}

/// Sends what is made to a process, from a thread that is not the BEAM's.
pub fn send(to: &LocalPid, make: impl for<'a> FnOnce(Env<'a>) -> Term<'a>) -> bool {
    OwnedTerm::new(make).send(to)
}

thread_local! {
    /// The environment of the process that runs on this thread, for those that ask for it.
    static CALLING: Cell<*mut ErlNifEnv> = const { Cell::new(std::ptr::null_mut()) };
}

/// What `work` sends is sent by the process of this environment, on whose scheduler it runs.
pub fn calling<R>(env: Env<'_>, work: impl FnOnce() -> R) -> R {
    struct Leave(*mut ErlNifEnv);
    impl Drop for Leave {
        fn drop(&mut self) {
            CALLING.set(self.0);
        }
    }
    let _leave = Leave(CALLING.replace(env.as_c_arg()));
    work()
}

/// The process registered under that name. As for `TermStore::send`.
pub fn whereis(name: Atom) -> Option<LocalPid> {
    let mut pid = MaybeUninit::uninit();
    // SAFETY: the calling process is that of `calling`; on success the pid is filled in.
    unsafe {
        let found = enif_whereis_pid(CALLING.get(), name.as_c_arg(), pid.as_mut_ptr());
        (found != 0).then(|| LocalPid::from_c_arg(pid.assume_init()))
    }
}
