//! Why a request has no value, and how that travels.

use py_host::{Attached, Object, Raised, Rejection};
use pyo3_ffi as ffi;
use rustler::types::atom::Atom;
use rustler::{Encoder, Env, Term};

use crate::atoms;
use crate::convert::{self, Converter};
use crate::object;

/// The `Result` of everything that runs for a request.
pub type Outcome<'py, T> = Result<T, Failure<'py>>;

pub enum Failure<'py> {
    /// Python raised.
    Raised(Raised<'py>),
    /// A value does not cross.
    Conversion(Box<Unconvertible>),
    /// The context cannot do it; the atom says why.
    Context(Atom),
}

/// A value that has no equal on the other side.
pub struct Unconvertible {
    pub direction: Direction,
    pub reason: &'static str,
    pub message: String,
    /// Where it sits in the whole, innermost step first.
    path: Vec<Step>,
}

#[derive(Clone, Copy)]
pub enum Direction {
    ToPython,
    ToElixir,
    AsJson,
}

pub enum Step {
    Index(usize),
    Text(String),
    Atom(Atom),
}

/// The reason of a value that would have crossed, had nobody interrupted that.
pub const INTERRUPTED: &str = "interrupted";

/// Longer paths say nothing more; they come from cycles and from nesting without end.
const LONGEST_PATH: usize = 20;

impl<'py> From<Raised<'py>> for Failure<'py> {
    fn from(raised: Raised<'py>) -> Self {
        Failure::Raised(raised)
    }
}

impl From<Box<Unconvertible>> for Failure<'_> {
    fn from(unconvertible: Box<Unconvertible>) -> Self {
        Failure::Conversion(unconvertible)
    }
}

impl Unconvertible {
    pub fn new(
        direction: Direction,
        reason: &'static str,
        message: impl Into<String>,
    ) -> Box<Self> {
        Box::new(Unconvertible { direction, reason, message: message.into(), path: Vec::new() })
    }

    /// Called by each container on the way out, so that finding the path costs nothing until
    /// something fails.
    pub fn inside(mut self: Box<Self>, step: impl FnOnce() -> Step) -> Box<Self> {
        if self.path.len() == LONGEST_PATH {
            self.path.remove(0);
        }
        self.path.push(step());
        self
    }

    /// `rows[3].price: reason`
    pub fn to_text(&self) -> String {
        let steps = self.path.iter().rev().map(|step| match step {
            Step::Index(index) => format!("[{index}]"),
            Step::Text(text) => format!("[{text:?}]"),
            Step::Atom(atom) => format!("[{atom:?}]"),
        });
        match steps.collect::<String>() {
            path if path.is_empty() => self.message.clone(),
            path => format!("{} (at {path})", self.message),
        }
    }

    fn encode<'a>(&self, env: Env<'a>) -> Term<'a> {
        let direction = match self.direction {
            Direction::ToPython => atoms::to_python(),
            Direction::ToElixir => atoms::to_elixir(),
            Direction::AsJson => atoms::to_json(),
        };
        let path: Vec<Term<'a>> = self.path.iter().rev().map(|step| step.encode(env)).collect();
        let reason = Atom::from_str(env, self.reason).expect("reasons are short ASCII names");
        let pairs = [
            (atoms::path().encode(env), path.encode(env)),
            (atoms::reason().encode(env), reason.encode(env)),
            (atoms::message().encode(env), self.message.encode(env)),
            (atoms::direction().encode(env), direction.encode(env)),
        ];
        Term::map_from_pairs(env, &pairs).expect("four different keys")
    }
}

impl Step {
    fn encode<'a>(&self, env: Env<'a>) -> Term<'a> {
        match self {
            Step::Index(index) => index.encode(env),
            Step::Text(text) => text.encode(env),
            Step::Atom(atom) => atom.encode(env),
        }
    }
}

/// A `TypeError`, for what Python code did wrong when it called us.
pub fn type_error<'py>(py: Attached<'py>, message: &str) -> Raised<'py> {
    match Object::str(py, message) {
        Ok(text) => {
            // SAFETY: attached; both are alive.
            unsafe { ffi::PyErr_SetObject(ffi::PyExc_TypeError, text.as_ptr()) };
            Raised::take(py)
        }
        Err(raised) => raised,
    }
}

impl<'py> Failure<'py> {
    /// Is it but what an interrupt has led to?
    pub fn is_interrupt(&self) -> bool {
        match self {
            Failure::Raised(raised) => raised.is_interrupt(),
            Failure::Conversion(unconvertible) => unconvertible.reason == INTERRUPTED,
            Failure::Context(_) => false,
        }
    }

    /// Sets it as the exception of a function that Python code has called.
    pub fn raise(self, py: Attached<'py>) {
        match self {
            Failure::Raised(raised) => raised.restore(),
            Failure::Conversion(unconvertible) if unconvertible.reason == INTERRUPTED => {
                // SAFETY: attached; the type is static.
                unsafe { ffi::PyErr_SetNone(ffi::PyExc_KeyboardInterrupt) };
            }
            Failure::Conversion(unconvertible) => {
                type_error(py, &unconvertible.to_text()).restore();
            }
            Failure::Context(reason) => type_error(py, &format!("{reason:?}")).restore(),
        }
    }

    /// The exception itself, to be raised later.
    pub fn into_exception(self, py: Attached<'py>) -> Object<'py> {
        self.raise(py);
        Raised::take(py).into_exception()
    }

    /// `{error, Reason}`, as `Py.Request` expects it.
    pub fn encode<'a>(self, env: Env<'a>, converter: &Converter<'py>) -> Term<'a> {
        let reason = match self {
            Failure::Raised(raised) => describe(env, converter, raised),
            Failure::Conversion(unconvertible) => {
                (atoms::conversion(), unconvertible.encode(env)).encode(env)
            }
            Failure::Context(reason) => (atoms::context(), reason).encode(env),
        };
        (atoms::error(), reason).encode(env)
    }
}

/// `{error, {context, closed | busy}}`
pub fn rejection(env: Env<'_>, reason: Rejection) -> Term<'_> {
    let reason = match reason {
        Rejection::Busy => atoms::busy(),
        Rejection::Closed => atoms::closed(),
    };
    (atoms::error(), (atoms::context(), reason)).encode(env)
}

/// `{raised, Description, Exception}`. The description is made in Python (`erlang._failure`),
/// where walking exceptions is at home; whatever goes wrong there, the type and text remain.
fn describe<'a, 'py>(env: Env<'a>, converter: &Converter<'py>, raised: Raised<'py>) -> Term<'a> {
    // Made for `Py.Error`, which is Elixir's whoever asks.
    let converter = &Converter { erlang: false, ..*converter };
    let short = |raised: &Raised<'py>| {
        let pairs =
            [("type", convert::type_name(raised.exception())), ("message", raised.to_text())];
        Term::map_from_pairs(env, &pairs).expect("two different keys")
    };
    let described = converter
        .local
        .describe
        .get(converter.py)
        .call1(raised.exception())
        .map_err(Failure::Raised)
        .and_then(|description| convert::to_elixir(env, converter, &description));
    let description = described.unwrap_or_else(|_| short(&raised));
    let exception = handle(env, converter, raised.into_exception());
    (atoms::raised(), description, exception).encode(env)
}

fn handle<'a, 'py>(env: Env<'a>, converter: &Converter<'py>, object: Object<'py>) -> Term<'a> {
    let type_name = convert::type_name(&object);
    object::to_struct(env, converter.object_ref(object), &type_name)
}
