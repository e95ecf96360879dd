//! Plans a run: pure functions from a project, a day and the state of its tables to what would be done, and why.

mod graph;
mod references;

pub use graph::{Graph, GraphMistake, nearest};
pub use references::{References, SqlMistake, find_word, references};
