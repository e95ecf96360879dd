//! Publishes what was built: commits, histories, the record, exports; and rollback.

use std::collections::{BTreeMap, BTreeSet};

use arrow::datatypes::SchemaRef;
use chrono::{DateTime, NaiveDate, Utc};
use uuid::Uuid;

use crate::config::{Job, Project, TableName};
use crate::publish::{
    ExportRecord, ExportRequest, HistoryRequest, PublishError, commit_history, rollback, set_files, write_exports,
    write_history_day,
};
use crate::state::State;
use crate::plan::ModelStep;
use crate::storage::{DataFile, Release, ReleasedTable, Snapshot, Table, Warehouse};
use crate::transform::described_schema;

use super::build::BuiltTable;
use super::lease::HeldLease;
use super::{RunError, Surroundings, warehouse};

/// What is to be published.
pub(super) struct Publication<'a> {
    pub project: &'a Project,
    pub warehouse: &'a Warehouse,
    pub job: &'a Job,
    pub run_id: &'a str,
    pub as_of: NaiveDate,
    pub current: Option<&'a Release>,
    pub built: &'a [BuiltTable],
    /// Days of histories that were written before.
    pub staged: Vec<StagedHistory>,
    pub landed: BTreeMap<String, u64>,
    pub now: DateTime<Utc>,
}

/// A day's rows for a history: written, and invisible until the commit of a release.
#[derive(Debug, Clone)]
pub(super) struct StagedHistory {
    pub step: ModelStep,
    pub as_of: NaiveDate,
    pub files: Vec<DataFile>,
}

/// Commits every table, then the record that makes them one release, then the exports.
pub(super) async fn publish(
    publication: Publication<'_>,
    lease: &HeldLease,
    surroundings: &Surroundings,
) -> Result<Release, RunError> {
    let mut tables: BTreeMap<String, ReleasedTable> =
        publication.current.map(|release| release.tables.clone()).unwrap_or_default();
    let mut staged: BTreeMap<TableName, Vec<StagedHistory>> = BTreeMap::new();
    for history in &publication.staged {
        staged.entry(history.step.model.clone()).or_default().push(history.clone());
    }
    let stage = surroundings.progress.start("publishing", Some(publication.built.len() as u64));
    for built in publication.built {
        stage.message(&built.step.model.to_string());
        if built.step.publishes && (built.step.action.is_build()) {
            let released = commit(&publication, built).await?;
            tables.insert(built.step.model.to_string(), released);
        }
        if built.step.writes_history {
            let history = stage_history(publication.project, publication.warehouse, publication.as_of, built).await?;
            staged.entry(built.step.model.clone()).or_default().push(history);
        }
        stage.advance(1);
    }
    for days in staged.into_values() {
        if let Some((name, released)) = history(&publication, days).await? {
            tables.insert(name, released);
        }
    }
    let number = publication.current.map_or(1, |release| release.number + 1);
    let as_of = publication.current.map_or(publication.as_of, |release| release.as_of.max(publication.as_of));
    let release = Release {
        number,
        job: publication.job.name.clone(),
        run_id: publication.run_id.to_owned(),
        as_of,
        created_at: publication.now,
        rollback_of: None,
        tables,
        landed: publication.landed.clone(),
    };
    // A process that slept through its lease must not name a release.
    lease.require().await?;
    publication.warehouse.create_release(&release).await.map_err(|source| PublishError::Record {
        job: release.job.clone(),
        number,
        source,
    })?;
    let built = publication.built.iter().filter(|built| built.step.publishes && built.step.action.is_build());
    let changed = Changed { since: number - 1, tables: built.map(|built| built.step.model.clone()).collect() };
    export(publication.project, publication.warehouse, publication.job, &release, Some(&changed)).await?;
    stage.finish();
    Ok(release)
}

async fn commit(publication: &Publication<'_>, built: &BuiltTable) -> Result<ReleasedTable, RunError> {
    let name = &built.step.model;
    let failed = |source| PublishError::Commit { table: name.to_string(), source };
    let Some(candidate) = &built.candidate else {
        return Err(RunError::NothingPublished { job: publication.job.name.clone() });
    };
    let description = description(publication.project, name);
    let described = described(publication.project, name, &candidate.schema);
    let snapshot =
        set_files(&candidate.table, &described, &[], &candidate.files, Some(&description), publication.run_id)
            .await
            .map_err(failed)?;
    Ok(released(publication, &built.step, &snapshot))
}

/// `marts.churn_history` and its table.
fn history_table(warehouse: &Warehouse, model: &TableName) -> Result<(TableName, Table), RunError> {
    let name = TableName::new(&model.schema, format!("{}_history", model.table));
    let table = warehouse.table(&name.schema, &name.table)?;
    Ok((name, table))
}

/// Writes a candidate's rows as those of a day of its history.
pub(super) async fn stage_history(
    project: &Project,
    warehouse: &Warehouse,
    as_of: NaiveDate,
    built: &BuiltTable,
) -> Result<StagedHistory, RunError> {
    let (name, table) = history_table(warehouse, &built.step.model)?;
    let files = match &built.candidate {
        Some(candidate) if project.models.contains_key(&built.step.model) => {
            write_history_day(&table, as_of, &candidate.table, &candidate.schema, &candidate.files)
                .await
                .map_err(|source| PublishError::Commit { table: name.to_string(), source })?
        }
        _ => Vec::new(),
    };
    Ok(StagedHistory { step: built.step.clone(), as_of, files })
}

/// Deletes a day's rows that no commit will name.
pub(super) async fn discard_history(warehouse: &Warehouse, staged: &StagedHistory) {
    if let Ok((_, table)) = history_table(warehouse, &staged.step.model) {
        table.discard(&staged.files).await;
    }
}

/// Commits days of one history as one version.
async fn history(
    publication: &Publication<'_>,
    days: Vec<StagedHistory>,
) -> Result<Option<(String, ReleasedTable)>, RunError> {
    let Some(newest) = days.iter().max_by_key(|day| day.as_of).map(|day| day.step.clone()) else { return Ok(None) };
    let Some(model) = publication.project.models.get(&newest.model) else { return Ok(None) };
    let (name, table) = history_table(publication.warehouse, &newest.model)?;
    let request = HistoryRequest {
        history_table: &table,
        keeps: model.history,
        days: days.into_iter().map(|day| (day.as_of, day.files)).collect(),
        description: &model.description,
        described: &described_schema(&model.columns),
        run_id: publication.run_id,
    };
    let snapshot = commit_history(request)
        .await
        .map_err(|source| PublishError::Commit { table: name.to_string(), source })?;
    Ok(Some((name.to_string(), released(publication, &newest, &snapshot))))
}

fn released(publication: &Publication<'_>, step: &ModelStep, snapshot: &Snapshot) -> ReleasedTable {
    let fingerprint = &step.fingerprint;
    ReleasedTable {
        version: snapshot.version,
        rows: snapshot.files.iter().map(crate::storage::DataFile::rows).sum(),
        bytes: snapshot.files.iter().map(crate::storage::DataFile::size).sum(),
        fingerprint: fingerprint.whole.clone(),
        definition: fingerprint.definition.clone(),
        landed: fingerprint
            .sources
            .iter()
            .filter_map(|source| publication.landed.get(source).map(|version| (source.clone(), *version)))
            .collect(),
    }
}

fn description(project: &Project, name: &TableName) -> String {
    project.models.get(name).map(|model| model.description.trim().to_owned()).unwrap_or_default()
}

/// The columns with what the model's YAML says of them.
fn described(project: &Project, name: &TableName, schema: &SchemaRef) -> SchemaRef {
    project.models.get(name).map_or_else(|| schema.clone(), |model| described_schema(&model.columns))
}

/// What a release changed of the one before it.
pub(super) struct Changed {
    since: u64,
    tables: BTreeSet<TableName>,
}

/// Exports follow the release: the marts that it changed, or all of them where the exports are not of the one before.
pub(super) async fn export(
    project: &Project,
    warehouse: &Warehouse,
    job: &Job,
    release: &Release,
    changed: Option<&Changed>,
) -> Result<(), RunError> {
    if job.exports.is_empty() {
        return Ok(());
    }
    let wanted = ExportRecord::new(release.number, &job.exports);
    let found = ExportRecord::read(warehouse, &job.name).await?;
    if found.as_ref() == Some(&wanted) {
        return Ok(());
    }
    let known = changed.filter(|changed| found == Some(ExportRecord::new(changed.since, &job.exports)));
    for (key, released) in &release.tables {
        let Some((schema @ "marts", name)) = key.split_once('.') else { continue };
        let model = TableName::new(schema, name);
        if !project.models.contains_key(&model) || known.is_some_and(|changed| !changed.tables.contains(&model)) {
            continue;
        }
        let table = warehouse.table(schema, name)?;
        let snapshot = table.snapshot_at(released.version).await?;
        let (schema, files) = (&snapshot.schema, snapshot.files.as_slice());
        let request = ExportRequest { job: &job.name, name, table: &table, schema, files };
        write_exports(warehouse, &request, &job.exports).await?;
    }
    Ok(wanted.write(warehouse, &job.name).await?)
}

/// Publishes an earlier release of a job again; without a number, the one before the current.
pub async fn rollback_job(
    project: &Project,
    state: &State,
    surroundings: &Surroundings,
    job: &str,
    number: Option<u64>,
) -> Result<Release, RunError> {
    let job = super::prepare::find_job(project, job)?;
    let lease = HeldLease::take(state, &job.name, &surroundings.clock).await?;
    let outcome = roll_back(project, surroundings, &lease, job, number).await;
    let given_back = lease.give_back().await;
    let release = outcome?;
    given_back?;
    Ok(release)
}

async fn roll_back(
    project: &Project,
    surroundings: &Surroundings,
    lease: &HeldLease,
    job: &Job,
    number: Option<u64>,
) -> Result<Release, RunError> {
    let warehouse = warehouse(project, &surroundings.stores);
    let current = warehouse
        .current_release(&job.name)
        .await?
        .ok_or_else(|| RunError::NothingPublished { job: job.name.clone() })?;
    let number = number.unwrap_or(current.number.saturating_sub(1));
    lease.require().await?;
    let run_id = Uuid::now_v7().to_string();
    let release = rollback(&warehouse, &current, number, &run_id, (surroundings.clock)()).await?;
    export(project, &warehouse, job, &release, None).await?;
    Ok(release)
}
