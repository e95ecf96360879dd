//! Builds the tables: sessions, models in order, and the functions that SQL calls.
//!
//! Nothing here commits: a built table is a [`Candidate`], whose files no reader sees until `publish` commits them.

mod binding;
mod build;
mod columns;
mod counted;
mod files_table;
pub mod functions;
mod kept_rows;
mod lineage;
mod memory_pool;
mod mistake;
mod moved;
mod proof;
mod session;
mod spans;
mod workspace;

pub use binding::Bindings;
pub use build::{Candidate, build_incremental, build_table};
pub use columns::{arrow_schema, arrow_type, described_schema};
pub use counted::Counted;
pub use kept_rows::KeptRows;
pub use lineage::{ColumnOrigin, Lineage};
pub use mistake::PlanMistake;
pub use moved::{Moved, compare};
pub use session::{SessionSettings, is_out_of_memory};
pub use spans::keep_spans;
pub use workspace::{LandedTable, Workspace};

use datafusion::error::DataFusionError;

use crate::storage::StorageError;

/// What can go wrong while tables are built; each message names the model.
#[derive(Debug, thiserror::Error)]
pub enum TransformError {
    #[error("{what}: {}", engine_words(source))]
    Engine { what: String, source: Box<DataFusionError> },
    #[error("memory ran out while building `{model}`")]
    OutOfMemory { model: String, source: Box<DataFusionError> },
    #[error("model `{model}` gave column `{column}` of type {found}, expected {expected}")]
    ColumnType { model: String, column: String, found: String, expected: String },
    #[error("model `{model}` gives no column `{column}`")]
    ColumnMissing { model: String, column: String },
    #[error("model `{model}` gives column `{column}`, which its YAML does not describe")]
    ColumnUnpromised { model: String, column: String },
    #[error("model `{model}` gave a row of {day}, which is none of the days it was built for")]
    ForeignDay { model: String, day: String },
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl TransformError {
    pub(crate) fn engine(what: impl Into<String>, source: DataFusionError) -> Self {
        Self::Engine { what: what.into(), source: Box::new(source) }
    }
}

/// The engine's own words without its prefixes and backtrace.
pub fn engine_words(error: &DataFusionError) -> String {
    let text = error.strip_backtrace();
    ["Error during planning: ", "Execution error: ", "Schema error: ", "Arrow error: ", "SQL error: "]
        .iter()
        .fold(text, |text, prefix| text.replace(prefix, ""))
}
