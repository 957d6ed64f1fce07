//! What each worker keeps between requests: the types and functions of its own interpreter, and
//! caches that save asking Python twice.
//!
//! Only the worker's thread touches it, and always attached. A cache is borrowed for a lookup or
//! an insertion and never while Python code may run, since that code may lead back here.

use std::any::Any;
use std::cell::{OnceCell, RefCell};
use std::num::NonZeroUsize;
use std::rc::Rc;

use lru::LruCache;
use py_host::{Attached, Kept, Mode, Object, Raised, Worker};
use pyo3_ffi as ffi;
use rustc_hash::{FxBuildHasher, FxHashMap};
use rustler::sys::ErlNifTerm;
use rustler::{Atom, Term};

use crate::builtin;
use crate::convert::{Moulds, Spare};
use crate::keys::Names;
use crate::kinds::{Builtin, How, TypeEncoder};
use crate::sites::Sites;
use crate::terms::TermStore;

/// More atoms than this in one interpreter's traffic and the cache starts again from empty.
const MOST_ATOMS: usize = 8192;
const MOST_TYPES: usize = 1024;
const MOST_MODULES: usize = 1024;
const MOST_CODE: usize = 512;

/// Longer source is compiled anew each time: what costs 64 KiB to keep takes long to run anyway.
const LONGEST_CODE: usize = 64 * 1024;

pub struct Local {
    pub atom_type: Kept,
    /// `erlang._atom.existing`
    existing_atom: Kept,
    pub pid_type: Kept,
    pub ref_type: Kept,
    pub port_type: Kept,
    pub fun_type: Kept,
    pub buffer_type: Kept,
    /// `erlang._failure.describe`
    pub describe: Kept,
    /// `erlang._errors.CallbackError`
    pub callback_error: Kept,
    /// `erlang._errors.ProcessError`
    pub process_error: Kept,
    /// `erlang._errors.ChannelClosed`
    pub channel_closed: Kept,
    /// `_erlang.Channel`, and what is made of it in Python, once it has been needed.
    channel_base: Kept,
    channel_type: OnceCell<Kept>,
    /// `erlang._schedule.CallMarker`
    pub call_marker: Kept,
    /// `erlang._schedule.PyMarker`
    pub py_marker: Kept,
    pub promise_type: Kept,
    /// `erlang._request.REQUEST`
    pub request: Kept,
    /// The name of the method by which a task gives its result.
    pub result: Kept,
    /// An `erlang._tasks.Tasks`, made for the first coroutine.
    tasks: OnceCell<Kept>,
    /// Its method `start`.
    start_task: OnceCell<Kept>,
    /// The module `erlang._convert`
    pub convert: Kept,
    /// `erlang._convert.encoder_for`
    pub encoder_for: Kept,
    /// `erlang._json.form`
    pub json_form: Kept,
    /// `erlang._json.digits`
    pub json_digits: Kept,
    /// `erlang._json.integer`
    pub json_integer: Kept,
    compile_eval: Kept,
    compile_exec: Kept,
    pub sites: Sites,
    /// Keys of maps that came as binaries.
    pub keys: Names,
    /// For terms in the making.
    pub scratch: Spare,
    pub moulds: Moulds,
    names: RefCell<FxHashMap<ErlNifTerm, Kept>>,
    atoms: RefCell<FxHashMap<ErlNifTerm, Kept>>,
    /// Modules that were found, by the addresses of their interned names.
    modules: RefCell<FxHashMap<usize, Module>>,
    encoders: RefCell<FxHashMap<usize, Rc<TypeEncoder>>>,
    evals: RefCell<CodeCache>,
    execs: RefCell<CodeCache>,
    /// Of no use but that a term has to have one, even an atom, which is a word.
    anywhere: TermStore,
}

type CodeCache = LruCache<Box<str>, Kept, FxBuildHasher>;

struct Module {
    /// Keeps the name alive, so that its address means the same one as long as we remember it.
    _name: Kept,
    module: Kept,
}

/// The runtime's `setup` function.
pub fn setup(py: Attached<'_>, worker: &Worker) -> Result<Box<dyn Any>, String> {
    builtin::set_mode(worker.context().mode);
    match Local::new(py, worker.context().mode) {
        Ok(local) => Ok(Box::new(local)),
        Err(raised) => {
            Err(format!("the Python package `erlang` does not load: {}", raised.to_text()))
        }
    }
}

impl Local {
    fn new(py: Attached<'_>, mode: Mode) -> Result<Local, Raised<'_>> {
        let native = Object::import(py, builtin::NAME)?;
        Object::import(py, c"erlang._isolation")?
            .attr(c"install")?
            .call1(&Object::str(py, mode.row().name)?)?;
        Object::import(py, c"erlang._library")?.attr(c"install")?.call0()?;
        let erlang = Object::import(py, c"erlang")?;
        let convert = Object::import(py, c"erlang._convert")?;
        let failure = Object::import(py, c"erlang._failure")?;
        let code = Object::import(py, c"erlang._code")?;
        let errors = Object::import(py, c"erlang._errors")?;
        let json = Object::import(py, c"erlang._json")?;
        let schedule = Object::import(py, c"erlang._schedule")?;
        Object::import(py, c"erlang._output")?.attr(c"install")?.call0()?;
        let cache = || {
            RefCell::new(LruCache::with_hasher(
                NonZeroUsize::new(MOST_CODE).expect("not zero"),
                FxBuildHasher,
            ))
        };
        Ok(Local {
            atom_type: erlang.attr(c"Atom")?.keep(),
            existing_atom: Object::import(py, c"erlang._atom")?.attr(c"existing")?.keep(),
            pid_type: native.attr(c"Pid")?.keep(),
            ref_type: native.attr(c"Ref")?.keep(),
            port_type: native.attr(c"Port")?.keep(),
            fun_type: native.attr(c"Fun")?.keep(),
            buffer_type: native.attr(c"Buffer")?.keep(),
            describe: failure.attr(c"describe")?.keep(),
            callback_error: errors.attr(c"CallbackError")?.keep(),
            process_error: errors.attr(c"ProcessError")?.keep(),
            channel_closed: errors.attr(c"ChannelClosed")?.keep(),
            channel_base: native.attr(c"Channel")?.keep(),
            channel_type: OnceCell::new(),
            call_marker: schedule.attr(c"CallMarker")?.keep(),
            py_marker: schedule.attr(c"PyMarker")?.keep(),
            promise_type: native.attr(c"Promise")?.keep(),
            request: Object::import(py, c"erlang._request")?.attr(c"REQUEST")?.keep(),
            result: Object::interned(py, "result")?.keep(),
            tasks: OnceCell::new(),
            start_task: OnceCell::new(),
            encoder_for: convert.attr(c"encoder_for")?.keep(),
            json_form: json.attr(c"form")?.keep(),
            json_digits: json.attr(c"digits")?.keep(),
            json_integer: json.attr(c"integer")?.keep(),
            compile_eval: code.attr(c"compile_eval")?.keep(),
            compile_exec: code.attr(c"compile_exec")?.keep(),
            convert: convert.keep(),
            sites: Sites::default(),
            keys: Names::default(),
            scratch: Spare::default(),
            moulds: Moulds::new(),
            names: RefCell::default(),
            atoms: RefCell::default(),
            modules: RefCell::default(),
            encoders: RefCell::default(),
            evals: cache(),
            execs: cache(),
            anywhere: TermStore::new(),
        })
    }

    /// What makes a task of a coroutine. `asyncio` is large, so it is imported when first needed.
    pub fn start_task<'py>(&self, py: Attached<'py>) -> Result<Object<'py>, Raised<'py>> {
        if let Some(start) = self.start_task.get() {
            return Ok(start.get(py));
        }
        let tasks = Object::import(py, c"erlang._tasks")?.attr(c"Tasks")?.call0()?;
        let start = tasks.attr(c"start")?;
        self.tasks.get_or_init(|| tasks.keep());
        Ok(self.start_task.get_or_init(|| start.keep()).get(py))
    }

    /// What keeps this context's tasks, if there were any.
    pub fn begun_tasks<'py>(&self, py: Attached<'py>) -> Option<Object<'py>> {
        self.tasks.get().map(|tasks| tasks.get(py))
    }

    /// An atom's name as an interned `str`.
    pub fn name<'py>(
        &self,
        py: Attached<'py>,
        atom: ErlNifTerm,
        text: impl FnOnce() -> String,
    ) -> Result<Object<'py>, Raised<'py>> {
        remember(&self.names, py, atom, || Object::interned(py, &text()))
    }

    pub fn atom_term(&self, atom: Atom) -> Term<'_> {
        atom.to_term(self.anywhere.env())
    }

    /// An atom as an `erlang.Atom`.
    pub fn atom<'py>(
        &self,
        py: Attached<'py>,
        atom: ErlNifTerm,
        text: impl FnOnce() -> String,
    ) -> Result<Object<'py>, Raised<'py>> {
        remember(&self.atoms, py, atom, || {
            self.existing_atom.get(py).call1(&Object::interned(py, &text())?)
        })
    }

    /// The module of that name, if it was found before and is in `sys.modules` still, where
    /// `present` looks.
    pub fn known_module<'py>(
        &self,
        name: &Object<'py>,
        present: impl FnOnce(&Object<'py>) -> Option<Object<'py>>,
    ) -> Option<Object<'py>> {
        let key = name.as_ptr() as usize;
        let known = self.modules.borrow().get(&key).map(|known| known.module.as_ptr())?;
        present(name).filter(|present| present.as_ptr() == known)
    }

    pub fn know_module(&self, name: &Object<'_>, module: &Object<'_>) {
        let known = Module { _name: name.clone().keep(), module: module.clone().keep() };
        insert_bounded(&self.modules, MOST_MODULES, name.as_ptr() as usize, known);
    }

    /// `erlang.channel.Channel`
    pub fn channel_type<'py>(&self, py: Attached<'py>) -> Result<Object<'py>, Raised<'py>> {
        if let Some(known) = self.channel_type.get() {
            return Ok(known.get(py));
        }
        let found = Object::import(py, c"erlang.channel")?.attr(c"Channel")?;
        Ok(self.channel_type.get_or_init(|| found.keep()).get(py))
    }

    /// How to encode instances of `kind`, which is asked of Python once.
    pub fn encoder<'py>(&self, kind: &Object<'py>) -> Result<Rc<TypeEncoder>, Raised<'py>> {
        let key = kind.as_ptr() as usize;
        if let Some(known) = self.encoders.borrow().get(&key) {
            return Ok(Rc::clone(known));
        }
        let how = self.find_encoder(kind)?;
        let encoder = Rc::new(TypeEncoder { _type: kind.clone().keep(), how });
        insert_bounded(&self.encoders, MOST_TYPES, key, Rc::clone(&encoder));
        Ok(encoder)
    }

    fn find_encoder<'py>(&self, kind: &Object<'py>) -> Result<How, Raised<'py>> {
        let base = self.channel_base.as_ptr().cast();
        // SAFETY: two live types.
        if unsafe { ffi::PyType_IsSubtype(kind.as_ptr().cast(), base) } != 0 {
            return Ok(How::Channel);
        }
        let answer = self.encoder_for.get(kind.py()).call1(kind)?;
        Ok(match answer.as_str() {
            Some(name) => Builtin::parse(name).map_or(How::Handle, How::As),
            None if answer.is_none() => How::Handle,
            None => How::By(answer.keep()),
        })
    }

    /// `(body, last)`: code to execute and code to evaluate after it, either of them `None`.
    pub fn compiled_eval<'py>(
        &self,
        py: Attached<'py>,
        source: &str,
    ) -> Result<Object<'py>, Raised<'py>> {
        compiled(&self.evals, &self.compile_eval, py, source)
    }

    pub fn compiled_exec<'py>(
        &self,
        py: Attached<'py>,
        source: &str,
    ) -> Result<Object<'py>, Raised<'py>> {
        compiled(&self.execs, &self.compile_exec, py, source)
    }
}

impl Drop for Local {
    /// The worker ends, attached: its loop and what is left in it, too.
    fn drop(&mut self) {
        if let Some(tasks) = self.tasks.take() {
            // SAFETY: what a worker owns is dropped while its thread is attached.
            let py = unsafe { Attached::assume() };
            // Nobody is left who could hear that it failed.
            drop(tasks.get(py).attr(c"close").and_then(|close| close.call0()));
        }
    }
}

fn remember<'py>(
    cache: &RefCell<FxHashMap<ErlNifTerm, Kept>>,
    py: Attached<'py>,
    key: ErlNifTerm,
    make: impl FnOnce() -> Result<Object<'py>, Raised<'py>>,
) -> Result<Object<'py>, Raised<'py>> {
    if let Some(known) = cache.borrow().get(&key) {
        return Ok(known.get(py));
    }
    let made = make()?;
    insert_bounded(cache, MOST_ATOMS, key, made.clone().keep());
    Ok(made)
}

fn insert_bounded<K: Eq + std::hash::Hash, V>(
    cache: &RefCell<FxHashMap<K, V>>,
    most: usize,
    key: K,
    value: V,
) {
    let mut entries = cache.borrow_mut();
    let evicted =
        if entries.len() >= most { std::mem::take(&mut *entries) } else { FxHashMap::default() };
    entries.insert(key, value);
    drop(entries);
    // Releasing a type may run Python code, so the cache is free again by now.
    drop(evicted);
}

fn compiled<'py>(
    cache: &RefCell<CodeCache>,
    compile: &Kept,
    py: Attached<'py>,
    source: &str,
) -> Result<Object<'py>, Raised<'py>> {
    if let Some(known) = cache.borrow_mut().get(source) {
        return Ok(known.get(py));
    }
    let code = compile.get(py).call1(&Object::str(py, source)?)?;
    if source.len() <= LONGEST_CODE {
        let evicted = cache.borrow_mut().push(source.into(), code.clone().keep());
        drop(evicted);
    }
    Ok(code)
}
