//! Makes candidates visible: Delta commits, then the release record, then exports.
//!
//! Until the record is written, readers of a release see the old one. A run that dies between the commits and the record
//! leaves newer Delta versions that no release names; the next run sets every table's files again and names them.

mod exports;
mod history;
mod rollback;

pub use exports::{ExportRecord, ExportRequest, write_exports};
pub use history::{HistoryRequest, commit_history, write_history_day};
pub use rollback::rollback;

use std::collections::BTreeSet;

use arrow::datatypes::SchemaRef;
use serde_json::json;

use crate::storage::{Change, CommitMetadata, DataFile, Snapshot, StorageError, Table};

/// What can go wrong while a release is made.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    #[error("table `{table}` could not be committed")]
    Commit {
        table: String,
        #[source]
        source: StorageError,
    },
    #[error("release {number} of job `{job}` could not be recorded")]
    Record {
        job: String,
        number: u64,
        #[source]
        source: StorageError,
    },
    #[error("export `{file}` could not be written")]
    Export {
        file: String,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("job `{job}` has no release {number}")]
    NoRelease { job: String, number: u64 },
    #[error("release {number} of job `{job}` cannot be read")]
    ReleaseUnreadable {
        job: String,
        number: u64,
        #[source]
        source: StorageError,
    },
    #[error("table `{table}` of release {number} cannot be read any more")]
    TableGone {
        table: String,
        number: u64,
        #[source]
        source: StorageError,
    },
}

impl PublishError {
    /// A release that could not be read: one that is not there is the caller's mistake, all else the store's.
    pub fn of_release(job: &str, number: u64, source: StorageError) -> Self {
        match source {
            StorageError::NotFound(_) => Self::NoRelease { job: job.to_owned(), number },
            source => Self::ReleaseUnreadable { job: job.to_owned(), number, source },
        }
    }
}

/// Sets the files of a table to exactly these, as one version.
///
/// Where the newest version holds them already, nothing is committed and that version is returned.
pub async fn set_files(
    table: &Table,
    schema: &SchemaRef,
    partition_columns: &[String],
    files: &[DataFile],
    description: Option<&str>,
    run_id: &str,
) -> Result<Snapshot, StorageError> {
    let newest = table.snapshot().await?;
    let wanted: BTreeSet<&str> = files.iter().map(DataFile::path).collect();
    let had: BTreeSet<&str> = newest.iter().flat_map(|snapshot| snapshot.files.iter().map(DataFile::path)).collect();
    let add: Vec<DataFile> = files.iter().filter(|file| !had.contains(file.path())).cloned().collect();
    let remove: Vec<DataFile> = newest
        .iter()
        .flat_map(|snapshot| &snapshot.files)
        .filter(|file| !wanted.contains(file.path()))
        .cloned()
        .collect();
    if let Some(snapshot) = &newest
        && add.is_empty()
        && remove.is_empty()
        && same_columns(&snapshot.schema, schema)
    {
        return Ok(snapshot.clone());
    }
    let mut metadata = CommitMetadata::new();
    metadata.insert("lifecycleRun".to_owned(), json!(run_id));
    let change = Change {
        add,
        remove,
        schema: schema.clone(),
        partition_columns: partition_columns.to_vec(),
        description: description.map(str::to_owned),
        metadata,
        transaction: Some((
            "lifecycle".to_owned(),
            newest.as_ref().map_or(0, |snapshot| i64::try_from(snapshot.version + 1).unwrap_or(i64::MAX)),
        )),
    };
    table.commit(newest.as_ref(), change).await
}

fn same_columns(left: &SchemaRef, right: &SchemaRef) -> bool {
    let columns = |schema: &SchemaRef| {
        schema.fields().iter().map(|field| (field.name().clone(), field.data_type().clone())).collect::<Vec<_>>()
    };
    columns(left) == columns(right)
}
