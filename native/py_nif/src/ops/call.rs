//! Calling functions, methods and objects.

use py_host::{Object, Raised};
use pyo3_ffi as ffi;
use rustler::{Binary, Term};

use crate::address::Scope;
use crate::atoms;
use crate::convert::{self, atom_text, Converter};
use crate::current;
use crate::failure::{Direction, Outcome, Unconvertible};
use crate::sites::Site;

pub fn call<'py, 't>(
    converter: &Converter<'py>,
    scope: &Scope,
    module: Term<'t>,
    function: Term<'t>,
    args: Term<'_>,
    kwargs: Term<'_>,
) -> Outcome<'py, Object<'py>> {
    let (args, kwargs) = arguments(converter, args, kwargs)?;
    let callable = if is_main(module) {
        from_namespace(converter, scope, function)?
    } else if module.is_atom() && function.is_atom() {
        by_atoms(converter, [module, function])?
    } else {
        by_names(converter, &[name(converter, module)?, name(converter, function)?])?
    };
    current::converted();
    Ok(callable.call(&args, kwargs.as_ref())?)
}

/// A function in a module, whose names are interned.
pub fn by_names<'py>(
    converter: &Converter<'py>,
    [module, function]: &[Object<'py>; 2],
) -> Outcome<'py, Object<'py>> {
    attribute(import_named(converter, module)?, function)
}

/// The same by atoms, as most are named.
pub fn by_atoms<'py>(
    converter: &Converter<'py>,
    names: [Term<'_>; 2],
) -> Outcome<'py, Object<'py>> {
    let key = names.map(|name| name.as_c_arg());
    let known = converter.local.sites.find(converter.py, key);
    let site = match known.filter(|site| is_present(&site.module, &site.found)) {
        Some(site) => site,
        None => {
            let [module, function] = names;
            let (module, function) = (name(converter, module)?, name(converter, function)?);
            let found = import_named(converter, &module)?;
            let is_dotted = is_dotted(&function);
            let site = Site { module, function, is_dotted, found };
            converter.local.sites.remember(key, &site);
            site
        }
    };
    if site.is_dotted {
        descend(site.found, &site.function)
    } else {
        Ok(site.found.getattr(&site.function)?)
    }
}

/// Is that the module of that name still?
fn is_present<'py>(name: &Object<'py>, module: &Object<'py>) -> bool {
    present(name).is_some_and(|present| present.as_ptr() == module.as_ptr())
}

fn is_dotted(name: &Object<'_>) -> bool {
    name.as_str().is_some_and(|text| text.contains('.'))
}

pub fn call_object<'py>(
    converter: &Converter<'py>,
    object: Term<'_>,
    args: Term<'_>,
    kwargs: Term<'_>,
) -> Outcome<'py, Object<'py>> {
    let (args, kwargs) = arguments(converter, args, kwargs)?;
    let object = convert::to_python(converter, object)?;
    current::converted();
    Ok(object.call(&args, kwargs.as_ref())?)
}

pub fn call_method<'py>(
    converter: &Converter<'py>,
    object: Term<'_>,
    method: Term<'_>,
    args: Term<'_>,
    kwargs: Term<'_>,
) -> Outcome<'py, Object<'py>> {
    let (args, kwargs) = arguments(converter, args, kwargs)?;
    let object = convert::to_python(converter, object)?;
    let method = attribute(object, &name(converter, method)?)?;
    current::converted();
    Ok(method.call(&args, kwargs.as_ref())?)
}

/// The module of that name, imported if it has not been, and waited for if another thread is
/// just importing it.
pub fn import<'py>(converter: &Converter<'py>, module: Term<'_>) -> Outcome<'py, Object<'py>> {
    import_named(converter, &name(converter, module)?)
}

fn import_named<'py>(converter: &Converter<'py>, name: &Object<'py>) -> Outcome<'py, Object<'py>> {
    if let Some(known) = converter.local.known_module(name, present) {
        return Ok(known);
    }
    let found = find_module(name)?;
    converter.local.know_module(name, &found);
    Ok(found)
}

fn find_module<'py>(name: &Object<'py>) -> Outcome<'py, Object<'py>> {
    let text = name.as_str().unwrap_or_default();
    if !text.contains('.') {
        return Ok(import_by(name)?);
    }
    if loaded(name)?.is_none() {
        // Parents first: Python locks a module before its parent, and two threads that import a
        // package and a module in it would each find the other's half made.
        for (end, _dot) in text.match_indices('.') {
            import_by(&Object::str(name.py(), &text[..end])?)?;
        }
    }
    import_by(name)?;
    match loaded(name)? {
        Some(module) => Ok(module),
        None => Ok(import_by(name)?),
    }
}

/// What `sys.modules` has, be it finished or not: to see that nobody is in the middle of importing
/// it takes several times as long.
fn present<'py>(name: &Object<'py>) -> Option<Object<'py>> {
    let mut found = std::ptr::null_mut();
    // SAFETY: attached; the dict lives as long as the interpreter, and `found` is a new reference
    // or null. Keys that are no `str` may raise when they are compared; such a module is imported.
    unsafe {
        let modules = ffi::PyImport_GetModuleDict();
        if ffi::compat::PyDict_GetItemRef(modules, name.as_ptr(), &mut found) < 0 {
            ffi::PyErr_Clear();
        }
        (!found.is_null()).then(|| Object::from_owned(name.py(), found).ok()).flatten()
    }
}

/// `__import__(name)`, which for a dotted name gives its first part.
fn import_by<'py>(name: &Object<'py>) -> Result<Object<'py>, Raised<'py>> {
    let nothing = std::ptr::null_mut();
    // SAFETY: a live str; a new reference or null with an exception set.
    unsafe {
        let module =
            ffi::PyImport_ImportModuleLevelObject(name.as_ptr(), nothing, nothing, nothing, 0);
        Object::from_owned(name.py(), module)
    }
}

/// What `sys.modules` has.
fn loaded<'py>(name: &Object<'py>) -> Result<Option<Object<'py>>, Raised<'py>> {
    // SAFETY: a live str; a new reference, or null with or without an exception set.
    unsafe {
        let module = ffi::PyImport_GetModule(name.as_ptr());
        if module.is_null() && ffi::PyErr_Occurred().is_null() {
            return Ok(None);
        }
        Object::from_owned(name.py(), module).map(Some)
    }
}

/// `object.name`, where the name may be dotted: `Path.home`.
fn attribute<'py>(object: Object<'py>, name: &Object<'py>) -> Outcome<'py, Object<'py>> {
    if is_dotted(name) {
        descend(object, name)
    } else {
        Ok(object.getattr(name)?)
    }
}

/// The same for a name of several.
fn descend<'py>(object: Object<'py>, name: &Object<'py>) -> Outcome<'py, Object<'py>> {
    let mut found = object;
    for part in name.as_str().unwrap_or_default().split('.') {
        found = found.getattr(&Object::str(name.py(), part)?)?;
    }
    Ok(found)
}

/// A function that the user's own code defined, in the namespace it was defined in.
fn from_namespace<'py>(
    converter: &Converter<'py>,
    scope: &Scope,
    function: Term<'_>,
) -> Outcome<'py, Object<'py>> {
    let namespace = scope.namespace(converter)?;
    let name = name(converter, function)?;
    let mut found = std::ptr::null_mut();
    // SAFETY: a live dict and a live key; on 1 `found` is a new reference.
    match unsafe { ffi::compat::PyDict_GetItemRef(namespace.as_ptr(), name.as_ptr(), &mut found) } {
        // SAFETY: as above.
        1 => Ok(unsafe { Object::from_owned(converter.py, found)? }),
        0 => {
            let builtins = Object::import(converter.py, c"builtins")?;
            builtins.getattr(&name).map_err(|_| undefined(converter, &name).into())
        }
        _ => Err(Raised::take(converter.py).into()),
    }
}

/// `NameError`, as Python code that named the function would have got.
fn undefined<'py>(converter: &Converter<'py>, name: &Object<'py>) -> Raised<'py> {
    // SAFETY: attached; the format takes one object.
    unsafe {
        ffi::PyErr_Format(ffi::PyExc_NameError, c"name '%U' is not defined".as_ptr(), name.as_ptr())
    };
    Raised::take(converter.py)
}

type Arguments<'py> = (Object<'py>, Option<Object<'py>>);

fn arguments<'py>(
    converter: &Converter<'py>,
    args: Term<'_>,
    kwargs: Term<'_>,
) -> Outcome<'py, Arguments<'py>> {
    let args = convert::positional(converter, args)?;
    let kwargs = convert::keywords(converter, kwargs)?;
    Ok((args, kwargs))
}

/// A name given as an atom or a string, interned.
pub fn name<'py>(converter: &Converter<'py>, name: Term<'_>) -> Outcome<'py, Object<'py>> {
    if name.is_atom() {
        return Ok(converter.local.name(converter.py, name.as_c_arg(), || atom_text(name))?);
    }
    let binary = Binary::from_term(name).ok();
    let text = binary.and_then(|binary| std::str::from_utf8(binary.as_slice()).ok());
    let text = text.ok_or_else(|| {
        Unconvertible::new(
            Direction::ToPython,
            "bad_name",
            format!("{name:?} is no name: atoms and strings are"),
        )
    })?;
    Ok(Object::interned(converter.py, text)?)
}

pub fn is_main(module: Term<'_>) -> bool {
    module.as_c_arg() == atoms::main().as_c_arg()
        || Binary::from_term(module).is_ok_and(|name| name.as_slice() == b"__main__")
}
