//! What is wrong with a line, and what to do about it.

use std::fmt;

use serde::Serialize;

use crate::admin::{AdminError, Field};

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Problem {
    /// The line of the file, from 1; the header is one.
    pub(crate) line: u64,
    /// The column, as the file calls it or as the template does.
    pub(crate) column: String,
    /// What is wrong and what to do.
    pub(crate) why: String,
}

impl Problem {
    /// What a request of this line is refused for.
    pub(super) fn of(line: u64, error: &AdminError) -> Self {
        Self::new(line, error.field().map_or("", Field::word), error)
    }

    pub(super) fn new(line: u64, column: &str, why: impl fmt::Display) -> Self {
        Self { line, column: column.trim().to_owned(), why: why.to_string() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.column.as_str() {
            "" => write!(f, "line {}: {}", self.line, self.why),
            column => write!(f, "line {}, {column}: {}", self.line, self.why),
        }
    }
}
