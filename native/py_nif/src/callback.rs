//! Python calls a function of the BEAM: the way out to the process that runs it, the wait, and
//! the way back in.
//!
//! The function runs in the process that waits for the request at hand, or else in one that
//! `Py.Attendant` starts. Meanwhile the worker runs the requests that this process makes of it
//! (`py_host::nested`).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use py_host::{guest, Attached, Nested, Object, Poller, Raised, Worker};
use pyo3_ffi as ffi;
use rustler::{Encoder, Env, Resource, ResourceArc, Term};

use crate::builtin::opaque;
use crate::contexts::Entry;
use crate::convert::{self, Converter};
use crate::current::{self, Current};
use crate::failure::{Failure, Outcome};
use crate::reply::Ticket;
use crate::terms::{self, OwnedTerm, Tuple};
use crate::{atoms, attendant, functions, output};

/// What Python calls.
#[derive(Clone, Copy)]
pub enum Target<'t> {
    /// A function that Elixir has registered.
    Name(&'t str),
    /// An `erlang.Fun`.
    Fun(*mut ffi::PyObject),
    /// Nothing; the answer says that all output has been written.
    Flush,
}

impl Target<'_> {
    /// With what is registered in the place of a name.
    fn found<'a>(&self, env: Env<'a>) -> Term<'a> {
        match self {
            Target::Name(name) => functions::target(env, name),
            target => target.encode(env),
        }
    }
}

impl Encoder for Target<'_> {
    fn encode<'a>(&self, env: Env<'a>) -> Term<'a> {
        match self {
            Target::Name(name) => name.encode(env),
            // SAFETY: whoever made this has looked at its type, and it lives as long.
            Target::Fun(fun) => unsafe { opaque::term(*fun) }.in_env(env),
            Target::Flush => atoms::flush().encode(env),
        }
    }
}

/// One call that Python waits for.
pub struct Callback {
    pub entry: Arc<Entry>,
    waiter: Waiter,
    state: Mutex<State>,
}

/// Who waits for the answer.
enum Waiter {
    /// A worker, which runs jobs meanwhile.
    Worker(Arc<Nested>),
    /// Another thread, which does nothing else.
    Thread(Arc<Nested>),
    /// An event loop, for a future of this number.
    Loop(Arc<Inbox>, u64),
}

/// What an event loop waits with, and the answers that it has not taken yet.
pub struct Inbox {
    pub poller: Arc<Poller>,
    answers: Mutex<Vec<(u64, Option<OwnedTerm>)>>,
}

enum State {
    Open,
    Answered(OwnedTerm),
    /// The process that was to answer has died.
    Gone,
    /// Python no longer waits.
    Over,
}

/// What that process holds.
pub struct CallbackRef(pub Arc<Callback>);

#[rustler::resource_impl]
impl Resource for CallbackRef {}

impl Drop for CallbackRef {
    fn drop(&mut self) {
        self.0.set(State::Gone);
    }
}

impl Callback {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// False if there is an answer already, or nobody who wants it.
    pub fn give(&self, answer: Term<'_>) -> bool {
        self.set(State::Answered(OwnedTerm::of(answer)))
    }

    fn set(&self, next: State) -> bool {
        let mut state = self.state();
        if !matches!(*state, State::Open) {
            return false;
        }
        *state = next;
        match &self.waiter {
            Waiter::Worker(nested) | Waiter::Thread(nested) => {
                drop(state);
                nested.wake();
            }
            Waiter::Loop(inbox, number) => {
                let answer = match std::mem::replace(&mut *state, State::Over) {
                    State::Answered(answer) => Some(answer),
                    State::Open | State::Gone | State::Over => None,
                };
                inbox.put(*number, answer);
            }
        }
        true
    }

    fn new(converter: &Converter<'_>, waiter: Waiter) -> Arc<Callback> {
        let entry = Arc::clone(converter.entry);
        Arc::new(Callback { entry, waiter, state: Mutex::new(State::Open) })
    }

    /// The queue of the wait, for requests that are part of the callback.
    pub fn nested(&self) -> Option<&Arc<Nested>> {
        match &self.waiter {
            Waiter::Worker(nested) => Some(nested),
            Waiter::Thread(_) | Waiter::Loop(..) => None,
        }
    }

    fn is_open(&self) -> bool {
        matches!(*self.state(), State::Open)
    }

    fn take(&self) -> State {
        std::mem::replace(&mut *self.state(), State::Over)
    }
}

impl Inbox {
    pub fn new(poller: Poller) -> Inbox {
        Inbox { poller: Arc::new(poller), answers: Mutex::default() }
    }

    fn answers(&self) -> MutexGuard<'_, Vec<(u64, Option<OwnedTerm>)>> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, number: u64, answer: Option<OwnedTerm>) {
        self.answers().push((number, answer));
        self.poller.wake();
    }

    /// What has come, with the numbers of the futures it is for.
    pub fn take<'py>(&self, converter: &Converter<'py>) -> Vec<(u64, Outcome<'py, Object<'py>>)> {
        let answers = std::mem::take(&mut *self.answers());
        let decoded = answers.into_iter().map(|(number, answer)| match answer {
            Some(answer) => (number, decode(converter, answer.term())),
            None => (number, Err(gone(converter))),
        });
        decoded.collect()
    }
}

/// Calls, and leaves it to an event loop to wait. The function runs in a process of its own, so
/// any number of them run at a time.
pub fn ask_for_loop<'py>(
    converter: &Converter<'py>,
    current: Option<&Current<'_>>,
    inbox: &Arc<Inbox>,
    number: u64,
    target: Target<'_>,
    args: &Object<'py>,
) -> Outcome<'py, ()> {
    let callback = Callback::new(converter, Waiter::Loop(Arc::clone(inbox), number));
    let call = call_term(converter, |env| target.found(env), Some(args))?;
    let ticket = current::ticket(converter, current);
    if !send_to_attendant(converter, ticket.as_ref(), &callback, &call) {
        callback.set(State::Gone);
    }
    Ok(())
}

/// Calls and waits. `args` is a tuple, or nothing.
pub fn ask<'py>(
    converter: &Converter<'py>,
    current: Option<&Current<'_>>,
    target: Target<'_>,
    args: Option<&Object<'py>>,
) -> Outcome<'py, Object<'py>> {
    if converter.worker.is_inline() {
        return Err(interrupted(converter));
    }
    let nested = Arc::new(Nested::new());
    let waiter = match current {
        Some(_) => Waiter::Worker(nested),
        None => Waiter::Thread(nested),
    };
    let callback = Callback::new(converter, waiter);
    let call = call_term(converter, |env| target.found(env), args)?;
    if !send(converter, current, &callback, call) {
        callback.set(State::Gone);
    }
    wait(converter, current, &callback)?;
    match callback.take() {
        State::Answered(answer) => decode(converter, answer.term()),
        State::Open | State::Gone | State::Over => Err(gone(converter)),
    }
}

/// Calls and does not wait.
pub fn cast<'py>(
    converter: &Converter<'py>,
    current: Option<&Current<'_>>,
    target: Target<'_>,
    args: &Object<'py>,
) -> Outcome<'py, ()> {
    // By its name, which the log has to tell if it fails.
    let call = call_term(converter, |env| target.encode(env), Some(args))?;
    let ticket = current::ticket(converter, current);
    attendant::tell(|env| {
        let [target, args] = call.pair(env);
        (atoms::cast(), attendant::caller(env, ticket.as_ref()), target, args).encode(env)
    });
    Ok(())
}

/// `{Target, Args}`: made before anything is sent, as it may fail.
fn call_term<'py>(
    converter: &Converter<'py>,
    target: impl for<'a> FnOnce(Env<'a>) -> Term<'a>,
    args: Option<&Object<'py>>,
) -> Outcome<'py, OwnedTerm> {
    OwnedTerm::try_new(|env| {
        let target = target(env);
        let args = match args {
            Some(args) => convert::to_elixir(env, converter, args)?,
            None => rustler::types::tuple::make_tuple(env, &[]),
        };
        let args: Vec<Term<'_>> =
            Tuple::of(args).map_or_else(Vec::new, |args| args.iter().collect());
        Ok((target, args).encode(env))
    })
}

fn send(
    converter: &Converter<'_>,
    current: Option<&Current<'_>>,
    callback: &Arc<Callback>,
    call: OwnedTerm,
) -> bool {
    let ticket = current::ticket(converter, current);
    output::flush_own(current, ticket.as_ref());
    match (current, &ticket) {
        (Some(_), Some(ticket)) if ticket.address.waits() => ticket.tell(call.map(|env, call| {
            let [target, args] = terms::pair(call);
            let context = converter.entry.pid;
            (atoms::callback(), reference(callback), context, target, args).encode(env)
        })),
        _ => send_to_attendant(converter, ticket.as_ref(), callback, &call),
    }
}

fn send_to_attendant(
    converter: &Converter<'_>,
    ticket: Option<&Arc<Ticket>>,
    callback: &Arc<Callback>,
    call: &OwnedTerm,
) -> bool {
    attendant::tell(|env| {
        let [target, args] = call.pair(env);
        let (context, caller) = (converter.entry.pid, attendant::caller(env, ticket));
        (atoms::callback(), reference(callback), context, caller, target, args).encode(env)
    })
}

fn reference(callback: &Arc<Callback>) -> ResourceArc<CallbackRef> {
    ResourceArc::new(CallbackRef(Arc::clone(callback)))
}

fn wait<'py>(
    converter: &Converter<'py>,
    current: Option<&Current<'_>>,
    callback: &Arc<Callback>,
) -> Outcome<'py, ()> {
    match (current, &callback.waiter) {
        (Some(current), Waiter::Worker(nested)) => current
            .worker
            .wait(converter.py, nested, None, || !callback.is_open())
            .map_err(|_interrupted| interrupted(converter)),
        (_, Waiter::Thread(nested)) => {
            guest::wait(converter.py, converter.worker, nested, None, || !callback.is_open())
                .map_err(|_closed| end_of_thread(converter))
        }
        (_, Waiter::Worker(_) | Waiter::Loop(..)) => Ok(()),
    }
}

/// `{ok, Value}` or `{error, {Kind, Message, Stacktrace, Exception}}`.
fn decode<'py>(converter: &Converter<'py>, answer: Term<'_>) -> Outcome<'py, Object<'py>> {
    let parts = Tuple::of(answer).filter(|parts| parts.len() == 2);
    let Some(parts) = parts else {
        return Err(error(converter, &[]));
    };
    if parts.at(0).as_c_arg() == atoms::ok().as_c_arg() {
        return Ok(convert::to_python(converter, parts.at(1))?);
    }
    let facts: Vec<Term<'_>> =
        Tuple::of(parts.at(1)).map_or_else(Vec::new, |facts| facts.iter().collect());
    Err(error(converter, &facts))
}

/// `erlang.CallbackError`. An exception of another context cannot be its cause.
fn error<'py>(converter: &Converter<'py>, facts: &[Term<'_>]) -> Failure<'py> {
    let made = convert::arguments(converter, facts).or_else(|_foreign| {
        let nil = atoms::nil();
        let mut facts = facts.to_vec();
        if let Some(cause) = facts.last_mut() {
            *cause = nil.to_term(cause.get_env());
        }
        convert::arguments(converter, &facts)
    });
    let raised = made.map_err(Failure::from).and_then(|facts| {
        Ok(converter.local.callback_error.get(converter.py).call(&facts, None)?)
    });
    match raised {
        Ok(exception) => Failure::Raised(Raised::new(exception)),
        Err(failure) => failure,
    }
}

fn gone<'py>(converter: &Converter<'py>) -> Failure<'py> {
    let facts = OwnedTerm::new(|env| {
        let message = "the process that was to run the function is gone";
        let nothing: Vec<Term<'_>> = Vec::new();
        (atoms::exit(), message, nothing, atoms::nil()).encode(env)
    });
    let facts = Tuple::of(facts.term()).expect("a tuple").iter().collect::<Vec<_>>();
    error(converter, &facts)
}

/// For a thread that Python code has started and whose context closes while it waits: it ends
/// without a word, as the interpreter cannot end before.
pub fn end_of_thread<'py>(converter: &Converter<'py>) -> Failure<'py> {
    // SAFETY: attached; the type is static.
    unsafe { ffi::PyErr_SetNone(ffi::PyExc_SystemExit) };
    Raised::take(converter.py).into()
}

/// The exception of a wait that did not come to its end.
pub fn interrupted<'py>(converter: &Converter<'py>) -> Failure<'py> {
    set_interrupted(converter.py, converter.worker);
    Raised::take(converter.py).into()
}

/// `KeyboardInterrupt`, as for code that was interrupted while it ran; but a wait that could not
/// even begin, because code that runs on a scheduler of the BEAM's must not keep it, says that.
pub fn set_interrupted(_py: Attached<'_>, worker: &Worker) {
    let text = c"an inline call cannot wait for anything outside of Python; make this call \
        without `inline`";
    // SAFETY: attached; the types and the text are static.
    unsafe {
        if worker.is_inline() {
            ffi::PyErr_SetString(ffi::PyExc_RuntimeError, text.as_ptr());
        } else {
            ffi::PyErr_SetNone(ffi::PyExc_KeyboardInterrupt);
        }
    }
}
