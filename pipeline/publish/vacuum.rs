//! Finds what no reader needs: old releases, and files that no kept version of a table names.
//!
//! A table's kept versions are all from the oldest on that a reader may still open: the oldest that a kept release
//! names, or the one that was the newest [`YOUNG`] ago, whichever is older. A file is needed when one of them names it.
//! Files are compared by name alone (each holds a UUID of its own), so that no difference in how paths are written can
//! make a needed file look unneeded. Logs are left alone: Delta writes checkpoints, and deletes what a year has made
//! useless, by itself.
//!
//! A landed table is not fenced off like a published one: a landing that was paused for longer than [`YOUNG`] between
//! its files and its commit, on a table to which nobody else has landed since, would find its files gone.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};

use crate::storage::{Folder, Release, StorageError, StoredFile, Table, Warehouse};

use super::PublishError;

/// Whatever is younger is left alone: a reader or a run may be using it.
pub const YOUNG: TimeDelta = TimeDelta::days(7);
/// So many of a job's newest releases are kept, however old.
pub const LEAST_RELEASES: usize = 5;

/// What of a job's releases is kept.
#[derive(Debug, Clone, Default)]
pub struct OldReleases {
    pub job: String,
    /// The numbers that go, ascending: older than all that are kept.
    pub old: Vec<u64>,
    pub kept: Vec<Release>,
    /// By qualified name: the tables of all releases, those that go included.
    pub tables: BTreeSet<String>,
}

/// Sorts a job's releases: those that were current at some time since `since`, and the newest few, are kept.
pub async fn find_old_releases(
    warehouse: &Warehouse,
    job: &str,
    since: DateTime<Utc>,
) -> Result<OldReleases, PublishError> {
    let mut found = OldReleases { job: job.to_owned(), ..OldReleases::default() };
    let unreadable = |number, source| PublishError::ReleaseUnreadable { job: job.to_owned(), number, source };
    let mut numbers = warehouse.release_numbers(job).await.map_err(|source| unreadable(0, source))?;
    // The newest first: each was current until the one after it was made.
    let mut was_current_until: Option<DateTime<Utc>> = None;
    while let Some(number) = numbers.pop() {
        let release = warehouse.release(job, number).await.map_err(|source| unreadable(number, source))?;
        found.tables.extend(release.tables.keys().cloned());
        let is_recent = was_current_until.is_none_or(|until| until >= since);
        was_current_until = Some(release.created_at);
        if found.old.is_empty() && (is_recent || found.kept.len() < LEAST_RELEASES) {
            found.kept.push(release);
        } else {
            found.old.push(number);
        }
    }
    found.old.reverse();
    Ok(found)
}

/// What a look for unneeded files goes by.
#[derive(Debug)]
pub struct VacuumScope<'a> {
    pub warehouse: &'a Warehouse,
    /// Every release that stays.
    pub kept: &'a [Release],
    pub now: DateTime<Utc>,
}

/// The unneeded files of a folder.
#[derive(Debug)]
pub struct SweptFolder {
    /// `marts.churn`, `exports.nightly`.
    pub name: String,
    pub folder: Folder,
    pub files: Vec<StoredFile>,
    /// Why nothing of it may be deleted.
    pub problem: Option<String>,
}

impl SweptFolder {
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.size).sum()
    }
}

/// Finds the unneeded files of a table (`marts.churn`), or the half-written ones of another folder (`exports.nightly`).
pub async fn find_unneeded(scope: &VacuumScope<'_>, schema: &str, name: &str) -> Result<SweptFolder, StorageError> {
    let folder = scope.warehouse.folder(&format!("{schema}/{name}"))?;
    let mut swept =
        SweptFolder { name: format!("{schema}.{name}"), folder: folder.clone(), files: Vec::new(), problem: None };
    let is_table = !matches!(schema, "exports" | "releases" | "publishing");
    // The log is read before the folder is listed: what the log names by then must be in the list.
    let needed = if is_table { needed_files(scope, schema, name).await? } else { Needed::default() };
    if let Some(problem) = needed.problem {
        swept.problem = Some(problem);
        return Ok(swept);
    }
    let files = folder.files().await?;
    let names: BTreeSet<&str> = files.iter().map(StoredFile::name).collect();
    let missing = needed.names.iter().filter(|needed| !names.contains(needed.as_str())).count();
    if missing > 0 {
        swept.problem = Some(format!("{missing} of the files that it needs are missing"));
        return Ok(swept);
    }
    let is_old = |file: &StoredFile| file.modified < scope.now - YOUNG;
    let is_data = |file: &StoredFile| file.name().ends_with(".parquet") && !file.path.starts_with("_delta_log/");
    let is_unneeded = |file: &StoredFile| {
        file.is_half_written() || (is_table && is_data(file) && !needed.names.contains(file.name()))
    };
    swept.files = files.iter().filter(|file| is_old(file) && is_unneeded(file)).cloned().collect();
    Ok(swept)
}

/// The files that kept versions of a table name.
#[derive(Debug, Default)]
struct Needed {
    names: BTreeSet<String>,
    /// Why that cannot be told.
    problem: Option<String>,
}

async fn needed_files(scope: &VacuumScope<'_>, schema: &str, name: &str) -> Result<Needed, StorageError> {
    let table = scope.warehouse.table(schema, name)?;
    let mut needed = Needed::default();
    // A run that died before its first commit leaves a folder without a log.
    let Some(newest) = table.snapshot().await? else { return Ok(needed) };
    let log_is_short = |version: u64| Some(format!("its log does not reach back to version {version}"));
    let oldest = named_versions(scope.kept, schema, name).min().unwrap_or(newest.version).min(newest.version);
    let Some(oldest) = oldest_open(&table, oldest, scope.now - YOUNG).await? else {
        needed.problem = log_is_short(oldest);
        return Ok(needed);
    };
    let first = match table.snapshot_at(oldest).await {
        Ok(snapshot) => snapshot,
        Err(StorageError::Delta { .. }) => {
            needed.problem = log_is_short(oldest);
            return Ok(needed);
        }
        Err(error) => return Err(error),
    };
    needed.names.extend(first.files.iter().chain(&newest.files).map(|file| file_name(file.path())));
    for version in oldest + 1..=newest.version {
        match table.added_files(version).await? {
            Some(added) => needed.names.extend(added.paths.iter().map(|path| file_name(path))),
            None => {
                needed.problem = log_is_short(version);
                return Ok(needed);
            }
        }
    }
    Ok(needed)
}

/// The versions of a table that releases name; landed tables are named as what the run read.
fn named_versions<'a>(kept: &'a [Release], schema: &'a str, name: &'a str) -> impl Iterator<Item = u64> + 'a {
    let qualified = format!("{schema}.{name}");
    kept.iter().filter_map(move |release| match schema {
        "landed" => release.landed.get(name).copied(),
        _ => release.tables.get(&qualified).map(|released| released.version),
    })
}

/// The newest version up to `version` that was committed before `since`, so that all that was current since then comes
/// after; `None` where the log does not reach so far back.
async fn oldest_open(table: &Table, version: u64, since: DateTime<Utc>) -> Result<Option<u64>, StorageError> {
    for version in (0..=version).rev() {
        let Some(added) = table.added_files(version).await? else { return Ok(None) };
        if version == 0 || added.committed_at.is_some_and(|committed_at| committed_at < since) {
            return Ok(Some(version));
        }
    }
    Ok(Some(0))
}

/// Names hold nothing that a URL would encode.
fn file_name(path: &str) -> String {
    path.rsplit('/').next().unwrap_or_default().to_owned()
}
