//! Opens libpython with its symbols visible to the whole process.
//!
//! The main NIF and every C extension module (`math`, `_ctypes`, numpy) leave their `Py*` symbols
//! undefined; they resolve against the library opened here, wherever it is installed. This has to
//! be a NIF of its own, because `erlang:load_nif` binds the main one eagerly.

use std::ffi::{CStr, CString};

use rustler::{Encoder, Env, Term};

rustler::atoms! { ok, error }

/// `library_open(Path) -> ok | {error, Message}`. Opening the same library again is harmless.
#[rustler::nif]
fn library_open<'a>(env: Env<'a>, path: &str) -> Term<'a> {
    match open(path) {
        Ok(()) => ok().encode(env),
        Err(message) => (error(), message).encode(env),
    }
}

/// A little file work on first use (a few milliseconds at worst), at application start only.
fn open(path: &str) -> Result<(), String> {
    let path = CString::new(path).map_err(|_| "the path contains a NUL byte".to_string())?;
    // SAFETY: `path` is a NUL-terminated string that outlives the call. The handle is never
    // closed, so the symbols stay valid for the life of the process.
    let handle = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW | libc::RTLD_GLOBAL) };
    if handle.is_null() {
        // SAFETY: after a failed dlopen, dlerror returns a NUL-terminated message that stays
        // valid until this thread's next dl call.
        let message = unsafe { CStr::from_ptr(libc::dlerror()) };
        return Err(message.to_string_lossy().into_owned());
    }
    Ok(())
}

rustler::init!("Elixir.Py.Runtime.Loader");
