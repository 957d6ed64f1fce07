//! The ways to run Python, as one table. Others ask a mode's row, never which mode it is.

use crate::facts;

/// Which interpreter a context runs in, and whose GIL it holds there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    OwnGil,
    SharedGil,
    FreeThreaded,
    MultiExecutor,
    Worker,
}

/// Where a mode's Python code runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the main interpreter, on a thread of its own and in a private namespace.
    Main,
    /// In a sub-interpreter that shares the main interpreter's GIL.
    SharedGil,
    /// In a sub-interpreter with a GIL of its own.
    OwnGil,
}

pub struct Row {
    pub mode: Mode,
    pub name: &'static str,
    /// What `execution_mode()` answers.
    pub execution_mode: &'static str,
    pub place: Place,
    pub description: &'static str,
    pub requires: &'static str,
    supported: fn((u8, u8), bool) -> bool,
    /// For which Pythons this is what `auto` means.
    default: fn((u8, u8), bool) -> bool,
}

pub const TABLE: [Row; 5] = [
    Row {
        mode: Mode::OwnGil,
        name: "own_gil",
        execution_mode: "subinterp",
        place: Place::OwnGil,
        description: "sub-interpreter with its own GIL",
        requires: "Python 3.12 or newer, with a GIL",
        supported: |version, free| version >= (3, 12) && !free,
        default: |version, free| matches!(version, (3, 12 | 13)) && !free,
    },
    Row {
        mode: Mode::SharedGil,
        name: "shared_gil",
        execution_mode: "subinterp",
        place: Place::SharedGil,
        description: "sub-interpreter under the shared GIL",
        requires: "Python 3.12 or newer, with a GIL",
        supported: |version, free| version >= (3, 12) && !free,
        default: |version, free| version >= (3, 14) && !free,
    },
    Row {
        mode: Mode::FreeThreaded,
        name: "free_threaded",
        execution_mode: "free_threaded",
        place: Place::Main,
        description: "main interpreter, one thread each, no GIL",
        requires: "a free-threaded build of Python 3.13 or newer (3.13t, 3.14t)",
        supported: |_, free| free,
        default: |_, free| free,
    },
    Row {
        mode: Mode::MultiExecutor,
        name: "multi_executor",
        execution_mode: "multi_executor",
        place: Place::Main,
        description: "main interpreter, one thread and namespace each",
        requires: "Python 3.9 to 3.11 (newer versions have better)",
        supported: |version, _| version < (3, 12),
        default: |version, _| version < (3, 12),
    },
    Row {
        mode: Mode::Worker,
        name: "worker",
        execution_mode: "worker",
        place: Place::Main,
        description: "main interpreter, for extensions that refuse others",
        requires: "any Python",
        supported: |_, _| true,
        default: |_, _| false,
    },
];

impl Mode {
    /// The mode of that name; `"auto"` is this Python's default. The error says what would do.
    pub fn parse(name: &str) -> Result<Mode, String> {
        let row = match name {
            "auto" => TABLE.iter().find(|row| row.is_default()),
            _ => TABLE.iter().find(|row| row.name == name),
        };
        match row {
            Some(row) if row.is_supported() => Ok(row.mode),
            Some(row) => {
                let (major, minor, _) = facts::version();
                Err(format!("mode {name} needs {}; this is Python {major}.{minor}", row.requires))
            }
            None => Err(format!("no mode is called {name}; there are {}", names())),
        }
    }

    pub fn row(self) -> &'static Row {
        TABLE.iter().find(|row| row.mode == self).expect("every mode has a row")
    }
}

impl Row {
    pub fn is_supported(&self) -> bool {
        let (major, minor, _) = facts::version();
        (self.supported)((major, minor), facts::FREE_THREADED)
    }

    pub fn is_default(&self) -> bool {
        let (major, minor, _) = facts::version();
        (self.default)((major, minor), facts::FREE_THREADED)
    }
}

fn names() -> String {
    TABLE.iter().map(|row| row.name).chain(["auto"]).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PYTHONS: [((u8, u8), bool); 8] = [
        ((3, 9), false),
        ((3, 10), false),
        ((3, 11), false),
        ((3, 12), false),
        ((3, 13), false),
        ((3, 13), true),
        ((3, 14), false),
        ((3, 14), true),
    ];

    #[test]
    fn every_python_has_exactly_one_default_and_supports_it() {
        for (version, free) in PYTHONS {
            let defaults: Vec<_> =
                TABLE.iter().filter(|row| (row.default)(version, free)).collect();
            assert_eq!(defaults.len(), 1, "{version:?} free-threaded: {free}");
            assert!((defaults[0].supported)(version, free));
        }
    }

    #[test]
    fn every_mode_has_exactly_one_row() {
        for row in &TABLE {
            assert_eq!(row.mode.row().name, row.name);
        }
    }

    #[test]
    fn an_unknown_mode_is_told_the_known_ones() {
        let message = Mode::parse("fast").unwrap_err();
        assert!(message.contains("own_gil") && message.contains("auto"), "{message}");
    }
}
