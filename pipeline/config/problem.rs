//! A mistake in a user's file, with its place.

use std::path::PathBuf;

/// One mistake: where it is, what was expected there, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Relative to the project's root where it lies inside it.
    pub file: PathBuf,
    /// From 1; `None` where the mistake is about the file as a whole.
    pub line: Option<usize>,
    /// From 1, in characters.
    pub column: Option<usize>,
    /// Lower case, no full stop: what is wrong, and what was expected.
    pub message: String,
    /// The text of the line, without its line break.
    pub source_line: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
}

/// Every mistake that was found, in the order of files and lines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);
