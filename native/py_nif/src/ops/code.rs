//! Running source code.

use py_host::Object;
use pyo3_ffi as ffi;
use rustler::{Binary, Term};

use crate::address::Scope;
use crate::convert::{self, Converter};
use crate::current;
use crate::failure::{Direction, Outcome, Unconvertible};

pub fn eval_term<'py>(
    converter: &Converter<'py>,
    scope: &Scope,
    code: Term<'_>,
    vars: Term<'_>,
) -> Outcome<'py, Object<'py>> {
    let vars = convert::keywords(converter, vars)?;
    eval(converter, scope, bytes(code), vars)
}

/// The value of the last expression. With `vars`, the code runs in a copy of its namespace that
/// has them in it: functions and comprehensions see them like any global, and nothing stays behind.
pub fn eval<'py>(
    converter: &Converter<'py>,
    scope: &Scope,
    code: &[u8],
    vars: Option<Object<'py>>,
) -> Outcome<'py, Object<'py>> {
    let compiled = converter.local.compiled_eval(converter.py, text(code)?)?;
    let mut namespace = scope.namespace(converter)?;
    if let Some(vars) = vars {
        // SAFETY: live dicts; the copy is ours alone.
        unsafe {
            namespace = Object::from_owned(converter.py, ffi::PyDict_Copy(namespace.as_ptr()))?;
            if ffi::PyDict_Update(namespace.as_ptr(), vars.as_ptr()) < 0 {
                return Err(py_host::Raised::take(converter.py).into());
            }
        }
    }
    current::converted();
    // SAFETY: `compile_eval` returns a pair, and `compiled` keeps its items alive.
    let (body, last) = unsafe {
        let item = |index| {
            Object::from_borrowed(converter.py, ffi::PyTuple_GET_ITEM(compiled.as_ptr(), index))
        };
        (item(0), item(1))
    };
    if !body.is_none() {
        run(&body, &namespace)?;
    }
    if last.is_none() {
        return Ok(Object::none(converter.py));
    }
    run(&last, &namespace)
}

pub fn exec<'py>(
    converter: &Converter<'py>,
    scope: &Scope,
    code: Term<'_>,
) -> Outcome<'py, Object<'py>> {
    let compiled = converter.local.compiled_exec(converter.py, source(code)?)?;
    run(&compiled, &scope.namespace(converter)?)
}

/// Code within Elixir code: its value, and the values of the names it assigns.
pub fn sigil<'py>(
    converter: &Converter<'py>,
    scope: &Scope,
    [code, vars, file, line, assigns]: [Term<'_>; 5],
) -> Outcome<'py, Object<'py>> {
    let py = converter.py;
    let to_python = |term| convert::to_python(converter, term);
    let vars = convert::keywords(converter, vars)?;
    let args = [
        Object::str(py, source(code)?)?,
        to_python(file)?,
        to_python(line)?,
        to_python(assigns)?,
        scope.namespace(converter)?,
        vars.unwrap_or_else(|| Object::none(py)),
    ];
    let run = Object::import(py, c"erlang._sigil")?.attr(c"run")?;
    Ok(run.call(&Object::tuple(py, args)?, None)?)
}

/// Executes code in the context's namespace and has every namespace made after that begin with
/// the names it defines.
pub fn preload<'py>(converter: &Converter<'py>, code: Term<'_>) -> Outcome<'py, Object<'py>> {
    let result = exec(converter, &Scope::Context, code)?;
    converter.worker.share_names(converter.py)?;
    Ok(result)
}

fn run<'py>(code: &Object<'py>, namespace: &Object<'py>) -> Outcome<'py, Object<'py>> {
    // SAFETY: a live code object and a live dict.
    let value =
        unsafe { ffi::PyEval_EvalCode(code.as_ptr(), namespace.as_ptr(), namespace.as_ptr()) };
    // SAFETY: a new reference or null with an exception set.
    Ok(unsafe { Object::from_owned(code.py(), value)? })
}

fn source<'py, 't>(code: Term<'t>) -> Outcome<'py, &'t str> {
    text(bytes(code))
}

/// Of what is no binary, some that are no text.
fn bytes(code: Term<'_>) -> &[u8] {
    Binary::from_term(code).map_or(b"\xFF", |binary| binary.as_slice())
}

fn text<'py>(code: &[u8]) -> Outcome<'py, &str> {
    std::str::from_utf8(code).map_err(|_| {
        Unconvertible::new(Direction::ToPython, "bad_code", "source code is a UTF-8 string").into()
    })
}
