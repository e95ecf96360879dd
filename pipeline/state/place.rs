//! Where the state is, as messages name it.

use std::fmt;
use std::path::PathBuf;

/// The file or the database that holds the state. Never holds a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    File(PathBuf),
    /// `postgres://user@host:5432/database`, and the schema where it is not the usual one.
    Server(String),
}

impl Place {
    /// The path or the address alone.
    pub fn name(&self) -> String {
        match self {
            Place::File(path) => path.display().to_string(),
            Place::Server(address) => address.clone(),
        }
    }
}

impl fmt::Display for Place {
    /// `the state file …` or `the state database …`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::File(path) => write!(formatter, "the state file {}", path.display()),
            Place::Server(address) => write!(formatter, "the state database {address}"),
        }
    }
}
