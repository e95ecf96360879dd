//! Sweeps what no reader needs, while no job runs.
//!
//! ```text
//! leases of all jobs -> settle -> old releases -> leases still held? -> records go
//!                    -> unneeded files, by the records that are left -> leases still held? -> files go
//! ```
//!
//! Records go before the files are chosen. So nobody finds a record whose files are gone, and what a process does that
//! takes a lease while this one sleeps is either seen when the files are chosen, or comes after and finds the old
//! records gone: it has no way to name an old file again.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use futures::{StreamExt, TryStreamExt};
use uuid::Uuid;

use crate::config::{Materialization, Project};
use crate::publish::{OldReleases, SweptFolder, VacuumScope, find_old_releases, find_unneeded};
use crate::state::State;
use crate::storage::{Release, Warehouse};

use super::lease::HeldLease;
use super::{RunError, Surroundings, release, warehouse};

/// Folders that are looked at, and files that are deleted, at once.
const AT_ONCE: usize = 8;

/// What is to be swept.
#[derive(Debug, Clone, Copy)]
pub struct VacuumRequest {
    /// Releases that were current at some time since so long ago stay.
    pub keep: TimeDelta,
    /// Look, and delete nothing.
    pub is_dry: bool,
}

/// What was swept, or would be.
#[derive(Debug, Default)]
pub struct VacuumReport {
    /// By job: the numbers of the releases that went.
    pub releases: BTreeMap<String, Vec<u64>>,
    /// Folders with unneeded files, by name.
    pub folders: Vec<VacuumedFolder>,
}

/// What was swept of one folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VacuumedFolder {
    /// `marts.churn`; `exports.nightly`.
    pub name: String,
    pub files: u64,
    /// Bytes.
    pub bytes: u64,
    /// Why nothing of it, or not all, was deleted.
    pub problem: Option<String>,
}

/// Deletes releases that are older than asked, and files that no reader needs.
///
/// # Errors
/// [`RunError::Busy`] where a job is being run: nothing is deleted then. What cannot be deleted is in the report.
pub async fn vacuum(
    project: &Project,
    state: &State,
    surroundings: &Surroundings,
    request: &VacuumRequest,
) -> Result<VacuumReport, RunError> {
    let warehouse = warehouse(project, &surroundings.stores);
    let mut jobs: BTreeSet<String> = project.jobs.keys().cloned().collect();
    // Releases of a job that the project has no more are kept and dropped like any.
    jobs.extend(warehouse.jobs_with_releases().await?);
    let mut leases = Vec::new();
    let mut outcome = Ok(VacuumReport::default());
    for job in &jobs {
        match HeldLease::take(state, job, &surroundings.clock).await {
            Ok(lease) => leases.push(lease),
            Err(error) => {
                outcome = Err(error);
                break;
            }
        }
    }
    if outcome.is_ok() {
        outcome = sweep(project, surroundings, &warehouse, &leases, request).await;
    }
    let mut given_back = Ok(());
    for lease in leases {
        given_back = given_back.and(lease.give_back().await);
    }
    let report = outcome?;
    given_back?;
    Ok(report)
}

async fn sweep(
    project: &Project,
    surroundings: &Surroundings,
    warehouse: &Warehouse,
    leases: &[HeldLease],
    request: &VacuumRequest,
) -> Result<VacuumReport, RunError> {
    let now = (surroundings.clock)();
    if !request.is_dry {
        let run_id = Uuid::now_v7().to_string();
        for lease in leases {
            release::settle(warehouse, lease, &run_id).await?;
        }
    }
    let mut releases = old_releases(warehouse, leases, now - request.keep).await?;
    let mut report = VacuumReport::default();
    for of_job in releases.iter().filter(|of_job| !of_job.old.is_empty()) {
        report.releases.insert(of_job.job.clone(), of_job.old.clone());
    }
    let folders = folders(project, &releases);
    if !request.is_dry {
        require(leases).await?;
        for of_job in &releases {
            for number in &of_job.old {
                warehouse.drop_release(&of_job.job, *number).await?;
            }
        }
        releases = old_releases(warehouse, leases, now - request.keep).await?;
    }
    let kept: Vec<Release> = releases.into_iter().flat_map(|of_job| of_job.kept).collect();
    let scope = VacuumScope { warehouse, kept: &kept, now };
    let stage = surroundings.progress.start("looking", Some(folders.len() as u64));
    let swept: Vec<SweptFolder> = futures::stream::iter(&folders)
        .map(|(schema, name)| {
            stage.advance(1);
            find_unneeded(&scope, schema, name)
        })
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    stage.finish();
    if !request.is_dry {
        require(leases).await?;
    }
    let stage =
        surroundings.progress.start("deleting", Some(swept.iter().map(|folder| folder.files.len() as u64).sum()));
    for folder in swept.iter().filter(|folder| !folder.files.is_empty() || folder.problem.is_some()) {
        let mut vacuumed =
            VacuumedFolder { name: folder.name.clone(), files: 0, bytes: 0, problem: folder.problem.clone() };
        let outcomes: Vec<_> = futures::stream::iter(&folder.files)
            .map(|file| async {
                stage.advance(1);
                if request.is_dry { Ok(file.size) } else { folder.folder.delete(file).await.map(|()| file.size) }
            })
            .buffered(AT_ONCE)
            .collect()
            .await;
        for outcome in outcomes {
            match outcome {
                Ok(bytes) => {
                    vacuumed.files += 1;
                    vacuumed.bytes += bytes;
                }
                Err(error) => vacuumed.problem = Some(super::error::chain(&error)),
            }
        }
        report.folders.push(vacuumed);
    }
    stage.finish();
    Ok(report)
}

async fn require(leases: &[HeldLease]) -> Result<(), RunError> {
    for lease in leases {
        lease.require().await?;
    }
    Ok(())
}

async fn old_releases(
    warehouse: &Warehouse,
    leases: &[HeldLease],
    since: DateTime<Utc>,
) -> Result<Vec<OldReleases>, RunError> {
    let mut found = Vec::new();
    for lease in leases {
        found.push(find_old_releases(warehouse, &lease.lease.name, since).await?);
    }
    Ok(found)
}

/// The folders that are the program's own: of tables that the project or a release names, of exports and of records.
fn folders(project: &Project, releases: &[OldReleases]) -> BTreeSet<(String, String)> {
    let mut folders = BTreeSet::new();
    for model in project.models.values().filter(|model| model.materialized != Materialization::View) {
        folders.insert((model.name.schema.clone(), model.name.table.clone()));
        folders.insert((model.name.schema.clone(), format!("{}_history", model.name.table)));
    }
    for source in project.sources() {
        folders.insert(("landed".to_owned(), source.name.clone()));
    }
    for of_job in releases {
        folders.extend(of_job.tables.iter().filter_map(|name| {
            let (schema, table) = name.split_once('.')?;
            Some((schema.to_owned(), table.to_owned()))
        }));
        folders.extend(
            of_job
                .kept
                .iter()
                .flat_map(|release| release.landed.keys().map(|source| ("landed".to_owned(), source.clone()))),
        );
        for records in ["exports", "releases", "publishing"] {
            folders.insert((records.to_owned(), of_job.job.clone()));
        }
    }
    folders
}
