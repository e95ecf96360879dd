//! Makes candidates visible: Delta commits, then the release record, then exports; and sweeps what no release needs.
//!
//! Until the record is written, readers of a release see the old one. A run that dies between the commits and the record
//! leaves newer Delta versions that no release names; the next run sets those tables right ([`find_unsettled`]).
//!
//! Every commit goes on top of a version that was read while the job's lease was held, and the record has the number
//! after the release that was read then. So a process that slept through its lease publishes nothing, wherever it slept:
//! what its successor has published since makes its commits and its record conflicts.

mod contents;
mod exports;
mod facts;
mod history;
mod rollback;
mod settle;
mod vacuum;

pub use contents::{Contents, set_files};
pub use exports::{ExportRecord, ExportRequest, write_exports};
pub use facts::{build_facts, days_of_build, landed_of_commit, release_of_commit};
pub use history::{HistoryRequest, commit_history, days_of, files_of_day, kept_days, write_history_day};
pub use rollback::{Rollback, plan_rollback};
pub use settle::{Unsettled, find_unsettled};
pub use vacuum::{LEAST_RELEASES, OldReleases, SweptFolder, VacuumScope, YOUNG, find_old_releases, find_unneeded};

use crate::storage::{Release, StorageError, Table, Warehouse};

/// What can go wrong while a release is made.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    #[error("table `{table}` could not be committed")]
    Commit {
        table: String,
        #[source]
        source: StorageError,
    },
    #[error("another process committed to table `{table}` meanwhile; nothing was published")]
    Overtaken { table: String },
    #[error("release {number} of job `{job}` could not be recorded")]
    Record {
        job: String,
        number: u64,
        #[source]
        source: StorageError,
    },
    #[error("another process published release {number} of job `{job}` meanwhile; nothing was published")]
    ReleaseTaken { job: String, number: u64 },
    #[error("publications of job `{job}` that are under way could not be read or written")]
    Announcement {
        job: String,
        #[source]
        source: StorageError,
    },
    #[error("export `{file}` could not be written")]
    Export {
        file: String,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The oldest and the newest that there are, or none.
    #[error("job `{job}` has no release {number}: {}", there_are(*.known))]
    NoRelease { job: String, number: u64, known: Option<(u64, u64)> },
    #[error("release {number} of job `{job}` was vacuumed; the oldest that is left is {oldest}")]
    Vacuumed { job: String, number: u64, oldest: u64 },
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
    /// A commit that failed: a conflict means that somebody else works on the job.
    pub fn of_commit(table: &str, source: StorageError) -> Self {
        match source {
            StorageError::Conflict { .. } => Self::Overtaken { table: table.to_owned() },
            source => Self::Commit { table: table.to_owned(), source },
        }
    }
}

/// Writes a release's record, which makes it the current one.
pub async fn record_release(warehouse: &Warehouse, release: &Release) -> Result<(), PublishError> {
    let (job, number) = (release.job.clone(), release.number);
    warehouse.create_release(release).await.map_err(|source| match source {
        StorageError::Conflict { .. } => PublishError::ReleaseTaken { job, number },
        source => PublishError::Record { job, number, source },
    })
}

fn there_are(known: Option<(u64, u64)>) -> String {
    match known {
        None => "nothing has been published yet".to_owned(),
        Some((oldest, newest)) if oldest == newest => format!("there is only {newest}"),
        Some((oldest, newest)) => format!("there are {oldest} to {newest}"),
    }
}

/// Reads a release; one that is not there is the caller's mistake, all else the store's.
pub async fn read_release(warehouse: &Warehouse, job: &str, number: u64) -> Result<Release, PublishError> {
    let job = job.to_owned();
    match warehouse.release(&job, number).await {
        Ok(release) => Ok(release),
        Err(StorageError::NotFound(_)) => match warehouse.release_numbers(&job).await {
            Ok(numbers) => match numbers.first() {
                Some(oldest) if (1..*oldest).contains(&number) => {
                    Err(PublishError::Vacuumed { job, number, oldest: *oldest })
                }
                oldest => {
                    let known = oldest.copied().zip(numbers.last().copied());
                    Err(PublishError::NoRelease { job, number, known })
                }
            },
            Err(source) => Err(PublishError::ReleaseUnreadable { job, number, source }),
        },
        Err(source) => Err(PublishError::ReleaseUnreadable { job, number, source }),
    }
}

/// The table of a qualified name; `None` where it is none.
fn open_table(warehouse: &Warehouse, name: &str) -> Result<Option<Table>, PublishError> {
    let Some((schema, table)) = name.split_once('.') else { return Ok(None) };
    let opened = warehouse.table(schema, table);
    opened.map(Some).map_err(|source| PublishError::Commit { table: name.to_owned(), source })
}
