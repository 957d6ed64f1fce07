//! Atoms, strings and bytes.

use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};

use py_host::{Attached, Lent, Object, Raised};
use pyo3_ffi as ffi;
use rustler::{Atom, Binary, Encoder, Env, NewBinary, ResourceArc, Term};

use super::{failed_in, moulds, refuse_in, refuse_out, Converter, In, Walk};
use crate::atoms;
use crate::failure::{Outcome, Unconvertible};
use crate::object::LentRef;

/// So many atoms may Python code make that the BEAM, whose table has room for ten times as many by
/// default, does not know yet.
const MOST_MADE: usize = 100_000;

/// UTF-8 is text, anything else is bytes.
pub fn binary_in<'py>(converter: &Converter<'py>, term: Term<'_>) -> In<'py> {
    data_in(converter, whole_bytes(term)?.as_slice())
}

/// The same for the key of a map, which has likely come by before.
pub fn binary_key_in<'py>(converter: &Converter<'py>, term: Term<'_>) -> In<'py> {
    let binary = whole_bytes(term)?;
    let keys = &converter.local.keys;
    if let Some(known) = keys.find(converter.py, binary.as_slice()) {
        return Ok(known);
    }
    let key = data_in(converter, binary.as_slice())?;
    keys.remember(binary.as_slice(), &key);
    Ok(key)
}

fn whole_bytes(term: Term<'_>) -> Result<Binary<'_>, Box<Unconvertible>> {
    Binary::from_term(term).map_err(|_| {
        refuse_in("bitstring", "a bitstring that is not whole bytes has no Python form")
    })
}

pub fn data_in<'py>(converter: &Converter<'py>, data: &[u8]) -> In<'py> {
    let made = if data.is_ascii() {
        ascii_str(converter, data)
    } else {
        match std::str::from_utf8(data) {
            Ok(text) => Object::str(converter.py, text),
            Err(_) => python_bytes(converter, data),
        }
    };
    made.map_err(failed_in("memory"))
}

pub fn python_str<'py>(converter: &Converter<'py>, text: &str) -> Result<Object<'py>, Raised<'py>> {
    if text.is_ascii() {
        ascii_str(converter, text.as_bytes())
    } else {
        Object::str(converter.py, text)
    }
}

/// Known to be ASCII, so neither we nor Python need to look at every byte again.
fn ascii_str<'py>(converter: &Converter<'py>, ascii: &[u8]) -> Result<Object<'py>, Raised<'py>> {
    // SAFETY: a new ASCII string of that length, filled before anybody else sees it; an empty one
    // is there already, and is filled with nothing.
    unsafe {
        let made = ffi::PyUnicode_New(ascii.len() as ffi::Py_ssize_t, 127);
        let made = Object::from_owned(converter.py, made)?;
        let place = ffi::PyUnicode_1BYTE_DATA(made.as_ptr());
        ptr::copy_nonoverlapping(ascii.as_ptr(), place, ascii.len());
        Ok(made)
    }
}

pub fn python_bytes<'py>(
    converter: &Converter<'py>,
    data: &[u8],
) -> Result<Object<'py>, Raised<'py>> {
    // SAFETY: Python copies the slice.
    unsafe {
        let made =
            ffi::PyBytes_FromStringAndSize(data.as_ptr().cast(), data.len() as ffi::Py_ssize_t);
        Object::from_owned(converter.py, made)
    }
}

/// `bytes`, whatever is in the binary.
pub fn bytes_from<'py>(converter: &Converter<'py>, term: Term<'_>) -> In<'py> {
    let binary = Binary::from_term(term).map_err(|_| refuse_in("bitstring", "not a binary"))?;
    python_bytes(converter, binary.as_slice()).map_err(failed_in("memory"))
}

/// A binary with what any bytes-like object holds.
pub fn binary_from<'a, 'py>(
    env: Env<'a>,
    converter: &Converter<'py>,
    object: &Object<'py>,
) -> Outcome<'py, Term<'a>> {
    // SAFETY: a live object.
    if unsafe { ffi::PyBytes_CheckExact(object.as_ptr()) } != 0 {
        // A large one is lent.
        return super::to_elixir(env, converter, object);
    }
    let mut view = std::mem::MaybeUninit::<ffi::Py_buffer>::uninit();
    // SAFETY: a live object and room for a view; what is copied lies in one piece, and the view is
    // given back before anything else happens.
    unsafe {
        if ffi::PyObject_GetBuffer(object.as_ptr(), view.as_mut_ptr(), ffi::PyBUF_SIMPLE) < 0 {
            return Err(Raised::take(object.py()).into());
        }
        let mut view = view.assume_init();
        let mut binary = NewBinary::new(env, view.len as usize);
        if view.len > 0 {
            let target = binary.as_mut_slice().as_mut_ptr();
            ptr::copy_nonoverlapping(view.buf.cast::<u8>(), target, view.len as usize);
        }
        ffi::PyBuffer_Release(&mut view);
        Ok(binary.into())
    }
}

pub fn atom_in<'py>(converter: &Converter<'py>, term: Term<'_>) -> In<'py> {
    match constant_in(converter, term) {
        Some(constant) => Ok(constant),
        None => converter
            .local
            .atom(converter.py, term.as_c_arg(), || atom_text(term))
            .map_err(failed_in("memory")),
    }
}

/// A key of a map or a keyword: an atom's name is a plain `str` there, interned, so that
/// dictionaries are fast and libraries which insist on exact `str` keys are content.
pub fn key_in<'py>(converter: &Converter<'py>, term: Term<'_>) -> In<'py> {
    match constant_in(converter, term) {
        Some(constant) => Ok(constant),
        None => converter
            .local
            .name(converter.py, term.as_c_arg(), || atom_text(term))
            .map_err(failed_in("memory")),
    }
}

fn constant_in<'py>(converter: &Converter<'py>, term: Term<'_>) -> Option<Object<'py>> {
    let atom = term.as_c_arg();
    let is = |other: Atom| other.as_c_arg() == atom;
    // SAFETY: Python's constants live for ever.
    let constant = unsafe {
        if is(atoms::nil()) || (converter.erlang && (is(atoms::none()) || is(atoms::undefined()))) {
            ffi::Py_None()
        } else if is(atoms::true_()) {
            ffi::Py_True()
        } else if is(atoms::false_()) {
            ffi::Py_False()
        } else {
            return None;
        }
    };
    // SAFETY: as above.
    Some(unsafe { Object::from_borrowed(converter.py, constant) })
}

/// An atom's text. NIFs read Latin-1 atoms directly; others (before OTP 26) only in the external
/// term format: a version, a tag, a length of one or two bytes, UTF-8.
pub fn atom_text(atom: Term<'_>) -> String {
    atom.atom_to_string().unwrap_or_else(|_| {
        let external = atom.to_binary();
        let text = match external.as_slice() {
            [_, 119, _, text @ ..] | [_, 118, _, _, text @ ..] => text,
            other => other,
        };
        String::from_utf8_lossy(text).into_owned()
    })
}

impl<'a, 'py> Walk<'a, '_, 'py> {
    /// `None`, `True` and `False`.
    pub fn constant_out(&self, object: *mut ffi::PyObject) -> Option<Term<'a>> {
        constant(self.converter, object).map(|atom| atom.encode(self.env))
    }

    /// For a `str`, if it has a form in UTF-8.
    pub fn text_out(&self, object: *mut ffi::PyObject) -> Option<Term<'a>> {
        let text = encoded(object);
        if text.is_none() {
            // SAFETY: attached; the exception is that of the line above.
            unsafe { ffi::PyErr_Clear() };
        }
        text.map(|text| self.binary(text.as_bytes()))
    }

    /// For a `str` or an instance of a subclass.
    pub fn str_out(&self, object: *mut ffi::PyObject) -> Outcome<'py, Term<'a>> {
        Ok(self.binary(utf8(self.converter.py, object)?.as_bytes()))
    }

    /// An `erlang.Atom`. Each interpreter limits how many it makes, but there may be any number
    /// of interpreters, so the names that the BEAM does not know yet are counted for all of them.
    pub fn atom_out(&self, object: *mut ffi::PyObject) -> Outcome<'py, Term<'a>> {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let text = utf8(self.converter.py, object)?;
        if let Ok(atom) = Atom::existing_from_str(self.env, text) {
            return Ok(atom.encode(self.env));
        }
        if text.chars().count() > 255 {
            return Err(refuse_out("atom", "an atom has at most 255 characters").into());
        }
        // Beyond Latin-1: see `atom_text`.
        let mut external = vec![131, 118];
        external.extend((text.len() as u16).to_be_bytes());
        external.extend(text.as_bytes());
        if let Some((atom, _)) = self.env.binary_to_term(&external) {
            return Ok(atom);
        }
        if MADE.fetch_add(1, Ordering::Relaxed) >= MOST_MADE {
            MADE.fetch_sub(1, Ordering::Relaxed);
            let message = format!("Python code has made {MOST_MADE} atoms, which is the limit");
            return Err(refuse_out("atom_limit", message).into());
        }
        // SAFETY: this is well-formed: a length of at most 4 * 255 and that many bytes of UTF-8.
        let made = unsafe { self.env.binary_to_term_trusted(&external) };
        let (atom, _) = made.ok_or_else(|| refuse_out("atom", "this is no name of an atom"))?;
        Ok(atom)
    }

    /// For a `bytes` or an instance of a subclass. A large one is lent, not copied.
    pub fn bytes_out(&self, object: *mut ffi::PyObject) -> Term<'a> {
        // SAFETY: a live bytes object or an instance of a subclass; it is not freed or changed
        // while we look.
        let data = unsafe {
            let data = ffi::PyBytes_AsString(object).cast();
            std::slice::from_raw_parts(data, ffi::PyBytes_Size(object) as usize)
        };
        if data.len() >= Lent::SMALLEST {
            // SAFETY: as above.
            let object = unsafe { Object::from_borrowed(self.converter.py, object) };
            if let Some(lent) = self.converter.worker.lend(&object) {
                let lent = ResourceArc::new(LentRef(lent));
                return lent.make_binary(self.env, |lent| lent.0.as_slice()).to_term(self.env);
            }
        }
        self.binary(data)
    }

    fn binary(&self, data: &[u8]) -> Term<'a> {
        if data.len() <= moulds::LONGEST {
            return self.converter.local.moulds.cast(self.env, data);
        }
        let mut binary = NewBinary::new(self.env, data.len());
        binary.as_mut_slice().copy_from_slice(data);
        binary.into()
    }
}

/// The text of a `str` or an instance of a subclass. Python keeps this buffer as long as the
/// string lives, and the caller keeps the string.
pub fn utf8<'py, 's>(py: Attached<'py>, object: *mut ffi::PyObject) -> Outcome<'py, &'s str> {
    encoded(object).ok_or_else(|| refuse_out("not_utf8", Raised::take(py).to_text()).into())
}

/// The same, or nothing and an exception for lone surrogates, which UTF-8 cannot hold.
fn encoded<'s>(object: *mut ffi::PyObject) -> Option<&'s str> {
    let mut length = 0;
    // SAFETY: a live str, of whoever has called us.
    let data = unsafe { ffi::PyUnicode_AsUTF8AndSize(object, &mut length) };
    if data.is_null() {
        return None;
    }
    // SAFETY: as above, and what Python gives out as UTF-8 is.
    Some(unsafe {
        std::str::from_utf8_unchecked(std::slice::from_raw_parts(data.cast(), length as usize))
    })
}

/// Gives the UTF-8 of a `str` to `work`, with lone surrogates escaped as by `backslashreplace`.
pub fn with_escaped<'py, R>(
    py: Attached<'py>,
    object: *mut ffi::PyObject,
    work: impl FnOnce(&[u8]) -> R,
) -> Result<R, Raised<'py>> {
    if let Some(text) = encoded(object) {
        return Ok(work(text.as_bytes()));
    }
    // SAFETY: attached, with a live str; what comes of it is a bytes object that we keep until
    // `work` is done, or nothing and an exception.
    unsafe {
        ffi::PyErr_Clear();
        let (encoding, errors) = (c"utf-8".as_ptr(), c"backslashreplace".as_ptr());
        let escaped = ffi::PyUnicode_AsEncodedString(object, encoding, errors);
        let escaped = Object::from_owned(py, escaped)?;
        let data = ffi::PyBytes_AsString(escaped.as_ptr()).cast();
        Ok(work(std::slice::from_raw_parts(data, ffi::PyBytes_Size(escaped.as_ptr()) as usize)))
    }
}

/// `None`, `True` or `False` as an atom.
pub fn constant(converter: &Converter<'_>, object: *mut ffi::PyObject) -> Option<Atom> {
    // SAFETY: only addresses are compared.
    unsafe {
        if object == ffi::Py_None() {
            Some(if converter.erlang { atoms::none() } else { atoms::nil() })
        } else if object == ffi::Py_True() {
            Some(atoms::true_())
        } else if object == ffi::Py_False() {
            Some(atoms::false_())
        } else {
            None
        }
    }
}
