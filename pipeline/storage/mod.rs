//! Opens object stores and Delta tables. Nothing else in the crate does.
//!
//! A table's files are written first ([`FileWriter`]) and are invisible until a commit names them ([`Table::commit`]).
//! A commit is one conditional put of the next log file: of two writers that start from the same version, one wins and
//! the other gets [`StorageError::Conflict`].
//!
//! Every store that is handed out repeats what fails and may pass ([`RetryingStore`]).

mod announcement;
mod data_file;
mod folder;
mod postponed;
mod probe;
mod reader;
mod retry;
mod stores;
mod table;
mod warehouse;
mod writer;

pub use announcement::Announcement;
pub use data_file::DataFile;
pub use folder::{Folder, StoredFile};
pub use probe::{ConditionalPut, StoreProbe, probe_store, require_conditional_put};
pub use reader::BatchStream;
pub use retry::{RetryPolicy, RetryingStore, StoreFailure, is_transient, may_pass};
pub use stores::Stores;
pub use table::{AddedFiles, COLUMN_COMMENT, Change, CommitMetadata, Snapshot, Table};
pub use warehouse::{Built, HistoryDay, Release, ReleasedTable, Warehouse};
pub use writer::{FileWriter, ROW_GROUP_BYTES};

use retry::{http_status, io_error_kind};
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
    #[error("reading stopped before its end")]
    Stopped,
    #[error("`{0}` is not a location: expected a path, or a URL that begins with file, s3, gs, az or abfss")]
    NotALocation(String),
    #[error("store of `{location}` failed")]
    Store {
        location: String,
        #[source]
        source: object_store::Error,
    },
    #[error("store of `{location}` creates an object that exists: two commits could overwrite each other")]
    CreatesAgain { location: String },
    #[error("store of `{location}` takes no conditional puts: two commits could overwrite each other")]
    NoConditionalPut {
        location: String,
        #[source]
        source: object_store::Error,
    },
    #[error("table `{table}` changed while it was being written")]
    Conflict { table: String },
    /// It may have landed: nothing that it names may be deleted.
    #[error("whether the commit to table `{table}` landed is unknown: the table's log could not be read back")]
    Unclear {
        table: String,
        #[source]
        source: Box<deltalake_core::DeltaTableError>,
    },
    /// It landed, and stays.
    #[error("version {version} of table `{table}` was committed, but could not be read back")]
    Unread {
        table: String,
        version: u64,
        #[source]
        source: Box<StorageError>,
    },
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

    /// What to do about it, where that is known.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NoConditionalPut { location, .. } if location.starts_with("file:") => {
                Some("keep the warehouse on a file system that has hard links")
            }
            Self::NoConditionalPut { source: object_store::Error::NotImplemented { .. }, .. } => {
                Some("take `aws_conditional_put` out of `storage` and the environment, and ask `lifecycle doctor`")
            }
            Self::NotPermitted { location, .. } | Self::Store { location, .. } if location.starts_with("file:") => {
                Some("name a folder that this user may read and write, on a disk with space")
            }
            Self::NotPermitted { .. } => Some(
                "check the credentials in the environment and the store's permissions for list, read, write and delete",
            ),
            Self::CreatesAgain { .. } | Self::NoConditionalPut { .. } => {
                Some("use a store that honours `If-None-Match: *`; `lifecycle doctor` tries it")
            }
            _ => None,
        }
    }

    /// Whether the same work may succeed when it is begun again.
    pub fn is_transient(&self) -> bool {
        may_pass(self)
    }
}

/// Appends path segments to a location: `join(s3://bucket/a, "marts/churn")` is `s3://bucket/a/marts/churn`.
pub fn join(location: &Url, path: &str) -> Url {
    let mut url = location.clone();
    let base = url.path().trim_end_matches('/').to_owned();
    url.set_path(&format!("{base}/{}", path.trim_matches('/')));
    url
}
