//! What a table holds, and the commits that make it so.

use std::collections::BTreeSet;

use arrow::datatypes::SchemaRef;
use serde_json::json;

use crate::storage::{Change, CommitMetadata, DataFile, Snapshot, StorageError, Table};

/// What a table is to hold, and what it says of itself.
#[derive(Debug, Clone)]
pub struct Contents {
    /// With what each column is.
    pub schema: SchemaRef,
    pub partition_columns: Vec<String>,
    pub files: Vec<DataFile>,
    pub description: Option<String>,
    /// What the commit says of itself besides the run's id.
    pub facts: CommitMetadata,
}

impl Contents {
    /// What a version of a table holds.
    pub fn of(snapshot: &Snapshot) -> Self {
        Self {
            schema: snapshot.described_schema(),
            partition_columns: snapshot.partition_columns.clone(),
            files: snapshot.files.clone(),
            description: snapshot.description().map(str::to_owned),
            facts: CommitMetadata::new(),
        }
    }

    fn is_held_by(&self, snapshot: &Snapshot) -> bool {
        let paths = |files: &[DataFile]| files.iter().map(|file| file.path().to_owned()).collect::<BTreeSet<_>>();
        paths(&self.files) == paths(&snapshot.files) && same_columns(&snapshot.schema, &self.schema)
    }
}

/// Sets the files of a table to exactly these, as one version on top of `base` (`None`: makes the table).
///
/// `base` was read while the lease was held, and the lease asked for after that: whoever commits in between has the
/// lease no more, and one of the two gets [`StorageError::Conflict`]. Reading the newest version here instead would let
/// a process that slept through its lease put its rows on top of its successor's. Where `base` holds the files already,
/// nothing is committed and `base` is returned.
pub async fn set_files(
    table: &Table,
    base: Option<&Snapshot>,
    wanted: &Contents,
    run_id: &str,
) -> Result<Snapshot, StorageError> {
    match base {
        Some(base) if wanted.is_held_by(base) => Ok(base.clone()),
        _ => commit_files(table, base, wanted, run_id).await,
    }
}

/// The same, but it commits a version also where nothing changes: nobody can commit on top of `base` any more.
pub async fn commit_files(
    table: &Table,
    base: Option<&Snapshot>,
    wanted: &Contents,
    run_id: &str,
) -> Result<Snapshot, StorageError> {
    let had = base.map(|snapshot| snapshot.files.as_slice()).unwrap_or_default();
    let paths = |files: &[DataFile]| files.iter().map(|file| file.path().to_owned()).collect::<BTreeSet<_>>();
    let (had_paths, wanted_paths) = (paths(had), paths(&wanted.files));
    let missing = |files: &[DataFile], from: &BTreeSet<String>| -> Vec<DataFile> {
        files.iter().filter(|file| !from.contains(file.path())).cloned().collect()
    };
    let mut metadata = wanted.facts.clone();
    metadata.insert("lifecycleRun".to_owned(), json!(run_id));
    let next = base.map_or(0, |snapshot| i64::try_from(snapshot.version + 1).unwrap_or(i64::MAX));
    let change = Change {
        add: missing(&wanted.files, &had_paths),
        remove: missing(had, &wanted_paths),
        schema: wanted.schema.clone(),
        partition_columns: wanted.partition_columns.clone(),
        description: wanted.description.clone(),
        metadata,
        transaction: Some(("lifecycle".to_owned(), next)),
    };
    table.commit(base, change).await
}

fn same_columns(left: &SchemaRef, right: &SchemaRef) -> bool {
    let columns = |schema: &SchemaRef| {
        schema.fields().iter().map(|field| (field.name().clone(), field.data_type().clone())).collect::<Vec<_>>()
    };
    columns(left) == columns(right)
}
