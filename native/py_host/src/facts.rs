//! What is known of this Python without starting it.

use std::ffi::CStr;

use pyo3_ffi as ffi;

/// `(3, 13, 0)`: of the libpython that is loaded, which may be newer than the one compiled for.
pub fn version() -> (u8, u8, u8) {
    let text = version_text();
    let mut parts = text.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse().unwrap_or(0));
    let mut next = || parts.next().unwrap_or(0);
    (next(), next(), next())
}

/// `"3.13.0 (main, Oct  7 2024, …) [GCC 12.2.0]"`
pub fn version_text() -> String {
    // SAFETY: returns a static string, before and after initialisation.
    unsafe { CStr::from_ptr(ffi::Py_GetVersion()) }.to_string_lossy().into_owned()
}

/// Was this build made for a Python without a GIL?
pub const FREE_THREADED: bool = cfg!(Py_GIL_DISABLED);
