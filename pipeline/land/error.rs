//! What can go wrong with a landing.

use super::contract::ContractError;
use super::report::LandingReport;
use super::template::TemplateError;
use crate::storage::{StorageError, may_pass};

/// Why a landing did nothing: the landed table is as it was.
#[derive(Debug, thiserror::Error)]
pub enum LandError {
    #[error("the contract cannot be used")]
    Contract(#[from] ContractError),
    #[error("the location of source `{source_name}` cannot be used")]
    Template {
        source_name: String,
        #[source]
        source: TemplateError,
    },
    /// The folder, bucket or object is not there: other than a drop zone without objects, this is a mistake.
    #[error("source `{source_name}`: location `{location}` does not exist")]
    LocationMissing { source_name: String, location: String },
    #[error("source `{source_name}`: location `{location}` may not be read")]
    LocationForbidden {
        source_name: String,
        location: String,
        #[source]
        source: Option<object_store::Error>,
    },
    #[error("source `{source_name}`: objects at `{location}` cannot be listed")]
    List {
        source_name: String,
        location: String,
        #[source]
        source: Box<StorageError>,
    },
    #[error("object `{object}` cannot be read")]
    Read {
        object: String,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Delivered anew between listing and reading; the next try sees the new one.
    #[error("object `{object}` changed while it was being read")]
    ObjectChanged { object: String },
    #[error("rows of object `{object}` cannot be held in memory as columns")]
    Columns {
        object: String,
        #[source]
        source: arrow::error::ArrowError,
    },
    /// Nothing was committed; the report says which objects and why.
    #[error("source `{}`: {} of {} rows were rejected, more than the limit of {limit}", .report.source, .report.rejected(), .report.rows_in())]
    TooManyRejected { limit: String, report: Box<LandingReport> },
    /// A defect of this program, caught before it could lose a row.
    #[error(
        "object `{object}`: {read} rows were read, but {landed} landed and {rejected} rejected; nothing was committed"
    )]
    Unbalanced { object: String, read: u64, landed: u64, rejected: u64 },
    #[error("source `{source_name}`: its objects add more than {limit} columns to the contract's")]
    TooManyColumns { source_name: String, limit: usize },
    /// Rows of objects that are gone from the drop zone cannot be read again under the new contract.
    #[error(
        "source `{source_name}`: the contract changed, {objects} landed objects are gone from the drop zone, and their values of `{column}` do not fit its new type"
    )]
    KeptRows { source_name: String, objects: usize, column: String },
    #[error("source `{source_name}`: other landings were faster {attempts} times in a row")]
    Contended { source_name: String, attempts: u32 },
    #[error("the landed table of source `{source_name}` cannot be used")]
    Table {
        source_name: String,
        #[source]
        source: StorageError,
    },
    #[error("the landed table of source `{source_name}` does not hold what landing wrote")]
    Layout {
        source_name: String,
        #[source]
        source: arrow::error::ArrowError,
    },
    #[error("a part of landing stopped before its end")]
    Stopped,
}

impl LandError {
    /// Whether the same landing may succeed when it is tried again.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::ObjectChanged { .. } | Self::Contended { .. } | Self::Stopped => true,
            Self::List { source, .. } => source.is_transient(),
            error => may_pass(error),
        }
    }
}
