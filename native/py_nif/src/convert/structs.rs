//! Elixir's structs, and the Python values that come back as structs.
//!
//! Making the rarer Python objects (dates, decimals) is left to functions of `erlang._convert`,
//! and so is taking them apart: the table of Python types is written in Python.

use std::ffi::CStr;

use py_host::Object;
use pyo3_ffi as ffi;
use rustler::{Atom, Encoder, Env, Term};

use super::{
    collection, failed_in, handle, into, json, refuse_in, refuse_out, Converter, In, Parents, Walk,
};
use crate::atoms;
use crate::failure::Outcome;
use crate::nifs::runtime::{has_encoder, template};
use crate::terms::MapPairs;

/// `None` for a struct without a form of its own, which crosses as the dict of its fields.
pub fn struct_in<'py>(
    converter: &Converter<'py>,
    term: Term<'_>,
    name: Term<'_>,
    depth: usize,
) -> Option<In<'py>> {
    let is = |atom: Atom| atom.as_c_arg() == name.as_c_arg();
    let made = if is(atoms::py_object()) {
        handle::object_in(converter, term)
    } else if is(atoms::py_buffer()) {
        handle::buffer_in(converter, term)
    } else if is(atoms::py_json()) {
        json::json_in(converter, term)
    } else if is(atoms::py_channel_struct()) {
        handle::channel_in(converter, term)
    } else if is(atoms::mapset()) {
        set_in(converter, term, depth)
    } else if is(atoms::range()) {
        made_by(converter, c"range_", term, &["first", "last", "step"])
    } else if is(atoms::date()) {
        made_by(converter, c"date", term, &["year", "month", "day"])
    } else if is(atoms::time()) {
        made_by(converter, c"time", term, &["hour", "minute", "second", "microsecond"])
    } else if is(atoms::naive_datetime()) {
        made_by(converter, c"naive", term, &NAIVE_FIELDS)
    } else if is(atoms::datetime()) {
        made_by(converter, c"datetime", term, &DATETIME_FIELDS)
    } else if is(atoms::decimal()) {
        made_by(converter, c"decimal", term, &["sign", "coef", "exp"])
    } else if has_encoder(name) {
        // `Py.Request` encodes the structs and submits again; nothing has run yet.
        Err(refuse_in("encoder", "a struct that has to be encoded on the BEAM first"))
    } else {
        return None;
    };
    Some(made)
}

const NAIVE_FIELDS: [&str; 7] = ["year", "month", "day", "hour", "minute", "second", "microsecond"];

const DATETIME_FIELDS: [&str; 11] = [
    "year",
    "month",
    "day",
    "hour",
    "minute",
    "second",
    "microsecond",
    "time_zone",
    "zone_abbr",
    "utc_offset",
    "std_offset",
];

/// Calls `erlang._convert.<function>` with the values of the named fields.
fn made_by<'py>(
    converter: &Converter<'py>,
    function: &CStr,
    term: Term<'_>,
    fields: &[&str],
) -> In<'py> {
    let env = term.get_env();
    let calendar = term.map_get(atoms::calendar());
    if calendar.is_ok_and(|calendar| calendar.as_c_arg() != atoms::iso_calendar().as_c_arg()) {
        return Err(refuse_in("calendar", "Python knows the ISO calendar only"));
    }
    let values: Result<Vec<Term<'_>>, _> = fields
        .iter()
        .map(|field| {
            let value = term.map_get(Atom::from_str(env, field).expect("a short name"))?;
            // `{value, precision}`; Python's microseconds have no precision to keep.
            if *field == "microsecond" {
                value.decode().map(|(value, _): (Term<'_>, Term<'_>)| value)
            } else {
                Ok(value)
            }
        })
        .collect();
    let values =
        values.map_err(|_| refuse_in("bad_struct", "the struct lacks one of its fields"))?;
    let arguments = collection::sequence_in(converter, values.len(), values.into_iter(), 0)?;
    let convert = converter.local.convert.get(converter.py);
    convert
        .attr(function)
        .and_then(|function| function.call(&arguments, None))
        .map_err(failed_in("out_of_range"))
}

/// A `MapSet`: its members are the keys of its `map` field.
fn set_in<'py>(converter: &Converter<'py>, term: Term<'_>, depth: usize) -> In<'py> {
    let members = term.map_get(atoms::map()).ok().and_then(MapPairs::of);
    let members =
        members.ok_or_else(|| refuse_in("bad_struct", "the MapSet has no members field"))?;
    // SAFETY: attached; a new, empty set or null with an exception set.
    let set = unsafe { Object::from_owned(converter.py, ffi::PySet_New(std::ptr::null_mut())) }
        .map_err(failed_in("memory"))?;
    let mut count = 0;
    for (member, _) in members {
        let member = into(converter, member, depth + 1)?;
        // SAFETY: a live set and a live member.
        if unsafe { ffi::PySet_Add(set.as_ptr(), member.as_ptr()) } < 0 {
            let raised = py_host::Raised::take(converter.py);
            return Err(refuse_in("unhashable_member", raised.to_text()));
        }
        count += 1;
    }
    // SAFETY: a live set.
    if unsafe { ffi::PySet_Size(set.as_ptr()) } != count {
        return Err(refuse_in("duplicate_member", "two members of this set are equal in Python"));
    }
    Ok(set)
}

/// A `MapSet` of the keys of `members`. How a MapSet looks inside is Elixir's secret; the template
/// knows it for the Elixir that runs.
pub fn mapset<'a, 'py>(env: Env<'a>, members: Term<'a>) -> Outcome<'py, Term<'a>> {
    Ok(with_fields(template(env, "mapset"), &[("map", members)]))
}

impl<'a, 'py> Walk<'a, '_, 'py> {
    /// What a function of `erlang._convert` made of an object: `("date", 2024, 2, 29)`.
    pub fn tagged_out(
        &self,
        object: &Object<'py>,
        tagged: &Object<'py>,
        parents: &Parents<'_>,
    ) -> Outcome<'py, Term<'a>> {
        let malformed =
            || refuse_out("encoder", "an encoder of erlang._convert returned no tagged tuple");
        let item = |index: usize| {
            // SAFETY: bounds and type are checked by the call; the tuple keeps its items alive.
            let item = unsafe { ffi::PyTuple_GetItem(tagged.as_ptr(), index as ffi::Py_ssize_t) };
            if item.is_null() {
                None
            } else {
                Some(item)
            }
        };
        // SAFETY: the item is alive as long as the tuple.
        let tag = item(0).map(|tag| unsafe { Object::from_borrowed(self.converter.py, tag) });
        let tag = tag.as_ref().and_then(Object::as_str).ok_or_else(malformed)?;
        let value = |index: usize| self.out(item(index).ok_or_else(malformed)?, parents);
        let fields = |template_name, names: &[&str]| {
            let mut values = Vec::with_capacity(names.len());
            for (index, name) in names.iter().enumerate() {
                values.push((*name, self.field(name, value(index + 1)?)));
            }
            Ok(with_fields(template(self.env, template_name), &values))
        };
        match tag {
            "term" => value(1),
            "date" => fields("date", &["year", "month", "day"]),
            "time" => fields("time", &["hour", "minute", "second", "microsecond"]),
            "naive" => fields("naive_datetime", &NAIVE_FIELDS),
            "datetime" => fields("datetime", &DATETIME_FIELDS),
            "range" => fields("range", &["first", "last", "step"]),
            "decimal" if template(self.env, "decimal").is_map() => {
                fields("decimal", &["sign", "coef", "exp"])
            }
            "decimal" => self.str_of(object),
            _ => Err(malformed().into()),
        }
    }

    /// A decimal where the BEAM has no `Decimal`: exact, as text.
    fn str_of(&self, object: &Object<'py>) -> Outcome<'py, Term<'a>> {
        // SAFETY: a live object; a new reference or null with an exception set.
        let text =
            unsafe { Object::from_owned(self.converter.py, ffi::PyObject_Str(object.as_ptr()))? };
        self.str_out(text.as_ptr())
    }

    /// Microseconds get a precision; the special coefficients of a decimal are atoms.
    fn field(&self, name: &str, value: Term<'a>) -> Term<'a> {
        match (name, value.decode::<i64>()) {
            ("microsecond", Ok(0)) => (0, 0).encode(self.env),
            ("microsecond", Ok(count)) => (count, 6).encode(self.env),
            ("coef", Err(_)) => match value.decode::<&str>() {
                Ok("NaN") => atoms::nan_coefficient().encode(self.env),
                Ok("inf") => atoms::inf().encode(self.env),
                _ => value,
            },
            _ => value,
        }
    }
}

fn with_fields<'a>(template: Term<'a>, fields: &[(&str, Term<'a>)]) -> Term<'a> {
    let env = template.get_env();
    fields.iter().fold(template, |made, (name, value)| {
        let name = Atom::from_str(env, name).expect("a short name");
        made.map_put(name, value).expect("the template is a map")
    })
}
