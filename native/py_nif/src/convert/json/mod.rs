//! JSON in place of terms: text that becomes Python objects, and Python objects that become text.
//! serde_json reads and writes it, straight from and to Python's objects.

mod reader;
mod text;
mod writer;

pub use reader::json_in;
pub use writer::to_json;
