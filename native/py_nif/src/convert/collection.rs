//! Lists, tuples, maps and sets.

use std::mem::MaybeUninit;

use py_host::{Attached, Object, Raised};
use pyo3_ffi as ffi;
use rustler::sys::{
    enif_make_list_from_array, enif_make_map_from_arrays, enif_make_tuple_from_array, ErlNifTerm,
};
use rustler::{Atom, Binary, Encoder, Term, TermType};

use super::{failed_in, into, refuse_in, refuse_out, structs, text, Converter, In, Parents, Walk};
use crate::atoms;
use crate::failure::{Failure, Outcome, Step, Unconvertible};
use crate::kinds::Builtin;
use crate::terms::{MapPairs, Tuple};

pub fn list_in<'py>(converter: &Converter<'py>, term: Term<'_>, depth: usize) -> In<'py> {
    let length = term.list_length().map_err(|_| {
        refuse_in("improper_list", "a list whose tail is not a list has no Python form")
    })?;
    // SAFETY: the new list has `length` empty slots; each is filled once, with a reference it
    // takes over. If an item fails, the list is released with the rest still empty.
    let list =
        unsafe { Object::from_owned(converter.py, ffi::PyList_New(length as ffi::Py_ssize_t)) }
            .map_err(failed_in("memory"))?;
    for (index, item) in term.into_list_iterator().expect("a proper list").enumerate() {
        let item = into(converter, item, depth + 1)
            .map_err(|error| error.inside(|| Step::Index(index)))?;
        // SAFETY: as above.
        unsafe { ffi::PyList_SET_ITEM(list.as_ptr(), index as ffi::Py_ssize_t, item.into_ptr()) };
    }
    Ok(list)
}

pub fn tuple_in<'py>(converter: &Converter<'py>, term: Term<'_>, depth: usize) -> In<'py> {
    let items = Tuple::of(term).expect("its type says tuple");
    if items.len() == 2 {
        let (tag, data) = (items.at(0), items.at(1));
        if tag.as_c_arg() == atoms::bytes().as_c_arg() && data.is_binary() {
            let data = Binary::from_term(data).expect("just asked");
            return text::python_bytes(converter, data.as_slice()).map_err(failed_in("memory"));
        }
    }
    sequence_in(converter, items.len(), items.iter(), depth)
}

/// `length` terms as a Python tuple.
pub fn sequence_in<'py, 't>(
    converter: &Converter<'py>,
    length: usize,
    items: impl Iterator<Item = Term<'t>>,
    depth: usize,
) -> In<'py> {
    tuple_of(converter, length, items.map(|item| into(converter, item, depth + 1)))
}

/// `length` objects as a tuple.
pub fn tuple_of<'py>(
    converter: &Converter<'py>,
    length: usize,
    items: impl Iterator<Item = In<'py>>,
) -> In<'py> {
    // SAFETY: as for lists.
    let tuple =
        unsafe { Object::from_owned(converter.py, ffi::PyTuple_New(length as ffi::Py_ssize_t)) }
            .map_err(failed_in("memory"))?;
    for (index, item) in items.enumerate() {
        let item = item.map_err(|error| error.inside(|| Step::Index(index)))?;
        // SAFETY: as for lists.
        unsafe { ffi::PyTuple_SET_ITEM(tuple.as_ptr(), index as ffi::Py_ssize_t, item.into_ptr()) };
    }
    Ok(tuple)
}

pub fn map_in<'py>(converter: &Converter<'py>, term: Term<'_>, depth: usize) -> In<'py> {
    if let Ok(name) = term.map_get(atoms::struct_()) {
        if let Some(made) = structs::struct_in(converter, term, name, depth) {
            return made;
        }
    }
    let dict = Object::dict(converter.py).map_err(failed_in("memory"))?;
    for (key, value) in MapPairs::of(term).expect("its type says map") {
        if key.as_c_arg() == atoms::struct_().as_c_arg() {
            continue;
        }
        pair_in(converter, &dict, key, value, depth)?;
    }
    Ok(dict)
}

/// Puts one pair into `dict`. Python holds some keys equal that the BEAM tells apart (`1` and
/// `1.0`, an atom and the binary of its name), and one value would silently be lost.
fn pair_in<'py>(
    converter: &Converter<'py>,
    dict: &Object<'py>,
    key: Term<'_>,
    value: Term<'_>,
    depth: usize,
) -> Result<(), Box<Unconvertible>> {
    let python_key = match key.get_type() {
        TermType::Atom => text::key_in(converter, key),
        TermType::Binary => text::binary_key_in(converter, key),
        _ => into(converter, key, depth + 1),
    };
    let python_key = python_key.map_err(|error| error.inside(|| step(key)))?;
    let value = into(converter, value, depth + 1).map_err(|error| error.inside(|| step(key)))?;
    // SAFETY: all are live. The length tells whether the key is new.
    let (status, is_new) = unsafe {
        let before = ffi::PyDict_Size(dict.as_ptr());
        let status = ffi::PyDict_SetItem(dict.as_ptr(), python_key.as_ptr(), value.as_ptr());
        (status, ffi::PyDict_Size(dict.as_ptr()) > before)
    };
    if status < 0 {
        let raised = Raised::take(converter.py);
        return Err(refuse_in("unhashable_key", raised.to_text()).inside(|| step(key)));
    }
    if !is_new {
        return Err(refuse_in("duplicate_key", "another key of this map is equal to it in Python")
            .inside(|| step(key)));
    }
    Ok(())
}

/// Keyword arguments or variables, from a keyword list or a map; `None` if there are none.
pub fn kwargs_in<'py>(
    converter: &Converter<'py>,
    term: Term<'_>,
) -> Result<Option<Object<'py>>, Box<Unconvertible>> {
    if term.is_empty_list() || term.map_size().is_ok_and(|size| size == 0) {
        return Ok(None);
    }
    let wrong =
        || refuse_in("bad_kwargs", "names are given as a keyword list or a map with string keys");
    let pairs: Vec<(Term<'_>, Term<'_>)> = match MapPairs::of(term) {
        Some(pairs) => pairs.collect(),
        None => term.decode().map_err(|_| wrong())?,
    };
    let dict = Object::dict(converter.py).map_err(failed_in("memory"))?;
    for (key, value) in pairs {
        if !key.is_atom() && !key.is_binary() {
            return Err(wrong());
        }
        pair_in(converter, &dict, key, value, 0)?;
    }
    Ok(Some(dict))
}

fn step(key: Term<'_>) -> Step {
    match key.get_type() {
        TermType::Atom => Step::Atom(Atom::from_term(key).expect("its type says atom")),
        TermType::Binary => Step::Text(key.decode().unwrap_or_else(|_| format!("{key:?}"))),
        TermType::Integer => {
            key.decode().map_or_else(|_| Step::Text(format!("{key:?}")), Step::Index)
        }
        _ => Step::Text(format!("{key:?}")),
    }
}

impl<'a, 'py> Walk<'a, '_, 'py> {
    /// For a `list` or an instance of a subclass. The list may change while we walk (an item's
    /// conversion may run Python code), so its length is asked anew each time.
    pub fn list_out(
        &self,
        list: *mut ffi::PyObject,
        parents: &Parents<'_>,
    ) -> Outcome<'py, Term<'a>> {
        let parents = parents.with(list)?;
        let items = self.scratch.values.level();
        let mut index = 0;
        // SAFETY: a live list; its size is read again after each item.
        while index < unsafe { ffi::PyList_GET_SIZE(list) } as usize {
            // SAFETY: within bounds.
            if let Some(leaf) = unsafe { self.leaf_at(list, index) } {
                items.push(leaf);
                index += 1;
                continue;
            }
            // SAFETY: a new reference, or null and IndexError if another thread shortened it.
            let item = unsafe {
                Object::from_owned(
                    self.converter.py,
                    ffi::compat::PyList_GetItemRef(list, index as ffi::Py_ssize_t),
                )?
            };
            items.push(self.item_at(item.as_ptr(), &parents, index)?);
            index += 1;
        }
        // SAFETY: `items` are terms of this environment.
        Ok(items.with(|items| unsafe {
            let (env, count) = (self.env.as_c_arg(), items.len() as u32);
            Term::new(self.env, enif_make_list_from_array(env, items.as_ptr(), count))
        }))
    }

    /// An item of a list that needs no Python code to cross, which could take it out of the list.
    ///
    /// # Safety
    /// A live list with an item at that place.
    #[cfg(not(Py_GIL_DISABLED))]
    unsafe fn leaf_at(&self, list: *mut ffi::PyObject, index: usize) -> Option<ErlNifTerm> {
        // SAFETY: the caller's promise.
        self.leaf_out(unsafe { ffi::PyList_GET_ITEM(list, index as ffi::Py_ssize_t) })
    }

    /// Without a GIL another thread could do that at any time.
    ///
    /// # Safety
    /// None is needed.
    #[cfg(Py_GIL_DISABLED)]
    unsafe fn leaf_at(&self, _list: *mut ffi::PyObject, _index: usize) -> Option<ErlNifTerm> {
        None
    }

    /// For a `tuple` or an instance of a subclass; tuples do not change.
    pub fn tuple_out(
        &self,
        tuple: *mut ffi::PyObject,
        parents: &Parents<'_>,
    ) -> Outcome<'py, Term<'a>> {
        let parents = parents.with(tuple)?;
        // SAFETY: a live tuple.
        let size = unsafe { ffi::PyTuple_GET_SIZE(tuple) };
        if size > 0xFF_FFFF {
            return Err(
                refuse_out("too_large", "a tuple of this size does not fit on the BEAM").into()
            );
        }
        let items = self.scratch.values.level();
        for index in 0..size {
            // SAFETY: within bounds, and the tuple keeps its items alive.
            let item = unsafe { ffi::PyTuple_GET_ITEM(tuple, index) };
            items.push(self.item_at(item, &parents, index as usize)?);
        }
        // SAFETY: `items` are terms of this environment.
        Ok(items.with(|items| unsafe {
            let (env, count) = (self.env.as_c_arg(), items.len() as u32);
            Term::new(self.env, enif_make_tuple_from_array(env, items.as_ptr(), count))
        }))
    }

    fn item_at(
        &self,
        item: *mut ffi::PyObject,
        parents: &Parents<'_>,
        index: usize,
    ) -> Outcome<'py, ErlNifTerm> {
        self.item_out(item, parents).map_err(|failure| inside(failure, || Step::Index(index)))
    }

    /// For a `dict` or an instance of a subclass.
    pub fn dict_out(
        &self,
        dict: *mut ffi::PyObject,
        parents: &Parents<'_>,
    ) -> Outcome<'py, Term<'a>> {
        let parents = parents.with(dict)?;
        let (keys, values) = (self.scratch.keys.level(), self.scratch.values.level());
        for (key, value) in Pairs::of(self.converter.py, dict)? {
            let within = |failure| inside(failure, || key_step(&key));
            keys.push(self.key_out(&key, &parents).map_err(within)?);
            values.push(self.item_out(value.as_ptr(), &parents).map_err(within)?);
        }
        keys.with(|keys| values.with(|values| self.map(keys, values)))
    }

    /// A key, which in dicts inside another container has likely come by before.
    fn key_out(&self, key: &Object<'py>, parents: &Parents<'_>) -> Outcome<'py, ErlNifTerm> {
        let is_rememberable = parents.depth > 1 && Builtin::of(key.kind()) == Some(Builtin::Str);
        if !is_rememberable {
            return self.item_out(key.as_ptr(), parents);
        }
        if let Some(known) = self.names.find(key) {
            return Ok(known);
        }
        let binary = self.str_out(key.as_ptr())?.as_c_arg();
        self.names.remember(key, binary);
        Ok(binary)
    }

    /// For a `set`, a `frozenset` or an instance of a subclass.
    pub fn set_out(
        &self,
        set: *mut ffi::PyObject,
        parents: &Parents<'_>,
    ) -> Outcome<'py, Term<'a>> {
        let parents = parents.with(set)?;
        let py = self.converter.py;
        // SAFETY: a live iterable; a list of its own, which nobody else can change.
        let items = unsafe { Object::from_owned(py, ffi::PySequence_List(set))? };
        // SAFETY: a live list.
        let size = unsafe { ffi::PyList_GET_SIZE(items.as_ptr()) };
        let keys = self.scratch.keys.level();
        for index in 0..size {
            // SAFETY: within bounds; the list keeps the item alive.
            let item = unsafe { ffi::PyList_GET_ITEM(items.as_ptr(), index) };
            keys.push(self.item_at(item, &parents, index as usize)?);
        }
        let empty = Vec::<Term<'a>>::new().encode(self.env).as_c_arg();
        let members = keys.with(|keys| self.map(keys, &vec![empty; keys.len()]))?;
        structs::mapset(self.env, members)
    }

    fn map(&self, keys: &[ErlNifTerm], values: &[ErlNifTerm]) -> Outcome<'py, Term<'a>> {
        let mut map = MaybeUninit::uninit();
        // SAFETY: both slices hold that many terms of this environment.
        let made = unsafe {
            enif_make_map_from_arrays(
                self.env.as_c_arg(),
                keys.as_ptr(),
                values.as_ptr(),
                keys.len(),
                map.as_mut_ptr(),
            )
        };
        if made == 0 {
            let text =
                "two keys are the same on the BEAM, such as the str and the bytes of one text";
            return Err(refuse_out("duplicate_key", text).into());
        }
        // SAFETY: the call has set it to a term of this environment.
        Ok(unsafe { Term::new(self.env, map.assume_init()) })
    }
}

/// The pairs of a `dict`, as strong references, so that what a conversion does to the dictionary
/// cannot pull a value from under us. `PyDict_Next` itself stays within bounds even then.
pub struct Pairs<'py> {
    py: Attached<'py>,
    dict: *mut ffi::PyObject,
    position: ffi::Py_ssize_t,
    #[cfg(Py_GIL_DISABLED)]
    _copy: Object<'py>,
}

impl<'py> Pairs<'py> {
    /// The dict outlives the walk.
    #[cfg(not(Py_GIL_DISABLED))]
    pub fn of(py: Attached<'py>, dict: *mut ffi::PyObject) -> Result<Self, Raised<'py>> {
        Ok(Pairs { py, dict, position: 0 })
    }

    /// Without a GIL another thread may change the dictionary at any time: this walks a copy.
    #[cfg(Py_GIL_DISABLED)]
    pub fn of(py: Attached<'py>, dict: *mut ffi::PyObject) -> Result<Self, Raised<'py>> {
        // SAFETY: a live dict; a new reference or null with an exception set.
        let copy = unsafe { Object::from_owned(py, ffi::PyDict_Copy(dict))? };
        Ok(Pairs { py, dict: copy.as_ptr(), position: 0, _copy: copy })
    }
}

impl<'py> Iterator for Pairs<'py> {
    type Item = (Object<'py>, Object<'py>);

    fn next(&mut self) -> Option<Self::Item> {
        let (mut key, mut value) = (std::ptr::null_mut(), std::ptr::null_mut());
        // SAFETY: a live dict; key and value are borrowed from it and made strong at once.
        unsafe {
            (ffi::PyDict_Next(self.dict, &mut self.position, &mut key, &mut value) != 0).then(
                || (Object::from_borrowed(self.py, key), Object::from_borrowed(self.py, value)),
            )
        }
    }
}

/// Adds a step to the path of a conversion that failed inside.
pub fn inside(failure: Failure<'_>, step: impl FnOnce() -> Step) -> Failure<'_> {
    match failure {
        Failure::Conversion(error) => Failure::Conversion(error.inside(step)),
        other => other,
    }
}

fn key_step(key: &Object<'_>) -> Step {
    Step::Text(key.to_text())
}
