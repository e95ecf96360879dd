//! Opens object stores and Delta tables. Nothing else in the crate does.
//!
//! A table's files are written first ([`FileWriter`]) and are invisible until a commit names them ([`Table::commit`]).
//! A commit is one conditional put of the next log file: of two writers that start from the same version, one wins and
//! the other gets [`StorageError::Conflict`].

mod announcement;
mod data_file;
mod folder;
mod reader;
mod stores;
mod table;
mod warehouse;
mod writer;

pub use announcement::Announcement;
pub use data_file::DataFile;
pub use folder::{Folder, StoredFile};
pub use reader::BatchStream;
pub use stores::Stores;
pub use table::{AddedFiles, COLUMN_COMMENT, Change, CommitMetadata, Snapshot, Table};
pub use warehouse::{Release, ReleasedTable, Warehouse};
pub use writer::FileWriter;

use url::Url;

/// What can go wrong with a store or a table. Each message names the place.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    #[error("location `{0}` does not exist")]
    NotFound(String),
    #[error("location `{location}` may not be read or written")]
    NotPermitted {
        location: String,
        #[source]
        source: object_store::Error,
    },
    #[error("`{0}` is not a location: expected a path, or a URL that begins with file, s3, gs, az or abfss")]
    NotALocation(String),
    #[error("store of `{location}` failed")]
    Store {
        location: String,
        #[source]
        source: object_store::Error,
    },
    #[error("table `{table}` changed while it was being written")]
    Conflict { table: String },
    #[error("table `{table}` could not be read or written")]
    Delta {
        table: String,
        #[source]
        source: Box<deltalake_core::DeltaTableError>,
    },
    #[error("file `{path}` is not the Parquet file that the table's log promises")]
    Parquet {
        path: String,
        #[source]
        source: parquet::errors::ParquetError,
    },
    #[error("`{path}` is not a release record that this version can read")]
    Record {
        path: String,
        #[source]
        source: serde_json::Error,
    },
    #[error("columns of table `{table}` cannot be stored")]
    Schema {
        table: String,
        #[source]
        source: arrow::error::ArrowError,
    },
}

impl StorageError {
    /// Sorts a store's error into those a user can mend and the rest.
    pub fn from_store(location: impl Into<String>, source: object_store::Error) -> Self {
        let location = location.into();
        match source {
            object_store::Error::NotFound { .. } => Self::NotFound(location),
            object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. } => {
                Self::NotPermitted { location, source }
            }
            source => match (io_error_kind(&source), http_status(&source)) {
                (Some(std::io::ErrorKind::PermissionDenied), _) | (_, Some(401 | 403)) => {
                    Self::NotPermitted { location, source }
                }
                (Some(std::io::ErrorKind::NotFound), _) | (_, Some(404)) => Self::NotFound(location),
                _ => Self::Store { location, source },
            },
        }
    }

    /// Whether the same call may succeed when it is made again.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Conflict { .. } => true,
            Self::Store { source, .. } => matches!(source, object_store::Error::Generic { .. }),
            Self::Delta { source, .. } => matches!(
                source.as_ref(),
                deltalake_core::DeltaTableError::ObjectStore { source: object_store::Error::Generic { .. } }
            ),
            _ => false,
        }
    }
}

fn io_error_kind(error: &object_store::Error) -> Option<std::io::ErrorKind> {
    let mut current: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = current {
        if let Some(io) = error.downcast_ref::<std::io::Error>() {
            return Some(io.kind());
        }
        current = error.source();
    }
    None
}

/// The HTTP status that an error speaks of: a store's listing does not sort its errors, and their types are private.
fn http_status(error: &object_store::Error) -> Option<u16> {
    let mut current: Option<&(dyn std::error::Error + 'static)> = Some(error);
    let mut deepest = String::new();
    while let Some(error) = current {
        deepest = error.to_string();
        current = error.source();
    }
    let (_, status) = deepest.split_once("status code: ")?;
    status.get(..3)?.parse().ok()
}

/// Appends path segments to a location: `join(s3://bucket/a, "marts/churn")` is `s3://bucket/a/marts/churn`.
pub fn join(location: &Url, path: &str) -> Url {
    let mut url = location.clone();
    let base = url.path().trim_end_matches('/').to_owned();
    url.set_path(&format!("{base}/{}", path.trim_matches('/')));
    url
}
