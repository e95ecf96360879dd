//! Publishes what was built: commits, histories, the record, exports; and rollback.

use std::collections::{BTreeMap, BTreeSet};

use arrow::datatypes::SchemaRef;
use chrono::{DateTime, NaiveDate, Utc};
use uuid::Uuid;

use crate::config::{Job, Project, TableName};
use crate::publish::{
    ExportRecord, ExportRequest, HistoryRequest, PublishError, rollback, set_files, write_exports, write_history,
};
use crate::state::State;
use crate::storage::{Release, ReleasedTable, Snapshot, Warehouse, require_conditional_put};
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
    pub landed: BTreeMap<String, u64>,
    pub now: DateTime<Utc>,
}

/// Commits every table, then the record that makes them one release, then the exports.
pub(super) async fn publish(
    publication: &Publication<'_>,
    lease: &HeldLease,
    surroundings: &Surroundings,
) -> Result<Release, RunError> {
    let mut tables: BTreeMap<String, ReleasedTable> =
        publication.current.map(|release| release.tables.clone()).unwrap_or_default();
    let stage = surroundings.progress.start("publishing", Some(publication.built.len() as u64));
    for built in publication.built {
        stage.message(&built.step.model.to_string());
        if built.step.publishes && (built.step.action.is_build()) {
            let released = commit(publication, built).await?;
            tables.insert(built.step.model.to_string(), released);
        }
        if built.step.writes_history {
            let (name, released) = history(publication, built).await?;
            tables.insert(name, released);
        }
        stage.advance(1);
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
    Ok(released(publication, built, &snapshot))
}

async fn history(publication: &Publication<'_>, built: &BuiltTable) -> Result<(String, ReleasedTable), RunError> {
    let name = TableName::new(&built.step.model.schema, format!("{}_history", built.step.model.table));
    let failed = |source| PublishError::Commit { table: name.to_string(), source };
    let (Some(candidate), Some(model)) = (&built.candidate, publication.project.models.get(&built.step.model)) else {
        return Err(RunError::NothingPublished { job: publication.job.name.clone() });
    };
    let history_table = publication.warehouse.table(&name.schema, &name.table)?;
    let request = HistoryRequest {
        history_table: &history_table,
        keeps: model.history,
        as_of: publication.as_of,
        table: &candidate.table,
        schema: &candidate.schema,
        files: &candidate.files,
        description: &model.description,
        described: &described_schema(&model.columns),
        run_id: publication.run_id,
    };
    let snapshot = write_history(&request).await.map_err(failed)?;
    Ok((name.to_string(), released(publication, built, &snapshot)))
}

fn released(publication: &Publication<'_>, built: &BuiltTable, snapshot: &Snapshot) -> ReleasedTable {
    let fingerprint = &built.step.fingerprint;
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
    require_conditional_put(&surroundings.stores, &project.environment.warehouse.0).await?;
    lease.require().await?;
    let run_id = Uuid::now_v7().to_string();
    let release = rollback(&warehouse, &current, number, &run_id, (surroundings.clock)()).await?;
    export(project, &warehouse, job, &release, None).await?;
    Ok(release)
}
