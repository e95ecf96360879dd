//! Exports: one object for each mart, for tools that do not read Delta.

use std::collections::BTreeSet;

use crate::config::{Job, Project, TableName};
use crate::publish::{ExportRecord, ExportRequest, write_exports};
use crate::storage::{Release, Warehouse};

use super::prepare::find_job;
use super::release::{Publication, is_committed};
use super::{RunError, Surroundings, warehouse};

/// What a release changed of the one before it.
pub(super) struct Changed {
    since: u64,
    tables: BTreeSet<TableName>,
}

/// Writes the exports of what a publication changed.
pub(super) async fn export_changed(publication: &Publication<'_>, release: &Release) -> Result<(), RunError> {
    let built = publication.built.iter().filter(|built| is_committed(built));
    let changed = Changed { since: release.number - 1, tables: built.map(|built| built.step.model.clone()).collect() };
    export(publication.project, publication.warehouse, publication.job, release, Some(&changed)).await
}

/// Notes that the exports of an earlier release are those of a later one that changed histories alone.
pub(super) async fn export_unchanged(
    publication: &Publication<'_>,
    since: u64,
    release: &Release,
) -> Result<(), RunError> {
    let changed = Changed { since, tables: BTreeSet::new() };
    export(publication.project, publication.warehouse, publication.job, release, Some(&changed)).await
}

/// Exports follow the release: the marts that it changed, or all of them where the exports are not of the one before.
///
/// An export has one name whatever the release, and not every store can put an object only where it is unchanged. So
/// whoever has written exports, and the record of what they are of, looks whether there is a newer release by then, and if
/// so writes that one's: a process that slept while it wrote ends with the newest release's, whatever it overwrote.
///
/// # Errors
/// [`RunError::ExportsLeft`]: the release is out all the same.
pub(super) async fn export(
    project: &Project,
    warehouse: &Warehouse,
    job: &Job,
    release: &Release,
    changed: Option<&Changed>,
) -> Result<(), RunError> {
    let left = |error| RunError::ExportsLeft { release: release.number, source: Box::new(error) };
    try_to_export(project, warehouse, job, release, changed).await.map_err(left)
}

/// Writes the exports of a job's current release, where they are of another: a process may have died, or failed, between
/// a release and its exports.
///
/// # Errors
/// [`RunError::ExportsLeft`].
pub async fn catch_up_exports(project: &Project, surroundings: &Surroundings, job: &str) -> Result<(), RunError> {
    let (job, warehouse) = (find_job(project, job)?, warehouse(project, &surroundings.stores));
    match warehouse.current_release(&job.name).await? {
        Some(release) => export(project, &warehouse, job, &release, None).await,
        None => Ok(()),
    }
}

async fn try_to_export(
    project: &Project,
    warehouse: &Warehouse,
    job: &Job,
    release: &Release,
    changed: Option<&Changed>,
) -> Result<(), RunError> {
    if job.exports.is_empty() {
        return Ok(());
    }
    let found = ExportRecord::read(warehouse, &job.name).await?;
    if found.as_ref() == Some(&ExportRecord::new(release.number, &job.exports)) {
        return Ok(());
    }
    let known = changed.filter(|changed| found == Some(ExportRecord::new(changed.since, &job.exports)));
    if newer_release(warehouse, release).await?.is_some() {
        return Ok(());
    }
    let (mut written, mut known) = (release.clone(), known);
    loop {
        write_marts(project, warehouse, job, &written, known.take()).await?;
        ExportRecord::new(written.number, &job.exports).write(warehouse, &job.name).await?;
        match newer_release(warehouse, &written).await? {
            Some(newer) => written = newer,
            None => return Ok(()),
        }
    }
}

async fn newer_release(warehouse: &Warehouse, release: &Release) -> Result<Option<Release>, RunError> {
    match warehouse.release_numbers(&release.job).await?.last() {
        Some(number) if *number > release.number => Ok(Some(warehouse.release(&release.job, *number).await?)),
        _ => Ok(None),
    }
}

async fn write_marts(
    project: &Project,
    warehouse: &Warehouse,
    job: &Job,
    release: &Release,
    changed: Option<&Changed>,
) -> Result<(), RunError> {
    for (key, released) in &release.tables {
        let Some((schema @ "marts", name)) = key.split_once('.') else { continue };
        let model = TableName::new(schema, name);
        if !project.models.contains_key(&model) || changed.is_some_and(|changed| !changed.tables.contains(&model)) {
            continue;
        }
        let table = warehouse.table(schema, name)?;
        let snapshot = table.snapshot_at(released.version).await?;
        let (schema, files) = (&snapshot.schema, snapshot.files.as_slice());
        let request = ExportRequest { job: &job.name, name, table: &table, schema, files };
        write_exports(warehouse, &request, &job.exports).await?;
    }
    Ok(())
}
