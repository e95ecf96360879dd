//! Publishes what was built: commits, histories, the record, exports.

use std::collections::{BTreeMap, BTreeSet};

use arrow::datatypes::SchemaRef;
use chrono::{DateTime, NaiveDate, Utc};
use futures::{StreamExt, TryStreamExt};

use crate::config::{Job, Project, TableName};
use crate::plan::{Action, ModelStep, history_of};
use crate::publish::{
    Contents, HistoryRequest, PublishError, build_facts, commit_history, days_of, find_unsettled, record_release,
    set_files, write_history_day,
};
use crate::storage::{Announcement, Built, DataFile, Release, ReleasedTable, Snapshot, Table, Warehouse};
use crate::transform::described_schema;

use super::build::BuiltTable;
use super::histories::Histories;
use super::lease::HeldLease;
use super::released::is_of_project;
use super::{RunError, Surroundings};

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
    /// What the plan says of the days of all histories.
    pub histories: Histories,
    /// Only some tables were asked for: those that the project no longer has stay as they are.
    pub is_selection: bool,
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

/// How often publications that were left are looked at again because their owner is still committing.
const SETTLING_ATTEMPTS: u32 = 5;
/// Tables whose logs are read at once.
const READS_AT_ONCE: usize = 8;

/// Sets right what publications of the job left that never came to their record. Asked before anything else is read.
///
/// Returns whether there was none: the record of one that was found may still arrive.
pub(super) async fn settle(warehouse: &Warehouse, lease: &HeldLease, run_id: &str) -> Result<bool, RunError> {
    let mut attempt = 1;
    loop {
        let unsettled = find_unsettled(warehouse, &lease.lease.name).await?;
        if unsettled.is_nothing() {
            return Ok(true);
        }
        lease.require().await?;
        match unsettled.settle(warehouse, run_id).await {
            Err(PublishError::Overtaken { .. }) if attempt < SETTLING_ATTEMPTS => attempt += 1,
            outcome => return Ok(outcome.map(|()| false)?),
        }
    }
}

/// The versions on top of which a publication commits.
pub(super) struct Pinned {
    announcement: Announcement,
    tables: BTreeMap<String, PinnedTable>,
}

struct PinnedTable {
    table: Table,
    /// The newest version; `None` where there is no table yet. It may be newer than the release: a run that failed left it.
    base: Option<Snapshot>,
    /// The files of the version that the current release names, or else of the newest.
    before: Vec<DataFile>,
}

/// Pins every table that will be committed, announces that, and makes sure that the lease was held all the while.
///
/// From here on this process may sleep as long as it likes. If another one takes the lease, that one finds the
/// announcement and commits to each of the tables, or has committed to them already; and every commit of this one goes
/// on top of what is pinned, and its record has the number after the release that it read before this.
pub(super) async fn pin(publication: &Publication<'_>, lease: &HeldLease) -> Result<Pinned, RunError> {
    let staged = publication.staged.iter().map(|staged| history_of(&staged.step.model));
    let mut names: BTreeSet<TableName> = staged.collect();
    for built in publication.built {
        if is_committed(built) {
            names.insert(built.step.model.clone());
        }
        if built.step.writes_history {
            names.insert(history_of(&built.step.model));
        }
    }
    let tables = futures::stream::iter(names)
        .map(|name| async move { pin_table(publication, &name).await.map(|pinned| (name.to_string(), pinned)) })
        .buffered(READS_AT_ONCE)
        .try_collect::<BTreeMap<String, PinnedTable>>()
        .await?;
    let announcement = Announcement {
        job: publication.job.name.clone(),
        run_id: publication.run_id.to_owned(),
        release: publication.number(),
        tables: tables.keys().cloned().collect(),
        is_fenced: false,
    };
    announce(publication.warehouse, &announcement, lease).await?;
    Ok(Pinned { announcement, tables })
}

async fn pin_table(publication: &Publication<'_>, name: &TableName) -> Result<PinnedTable, RunError> {
    let table = publication.warehouse.table(&name.schema, &name.table)?;
    let base = table.snapshot().await?;
    let released = publication.current.and_then(|release| release.tables.get(&name.to_string()));
    let before = match (&base, released) {
        (Some(base), Some(released)) if base.version != released.version => {
            table.snapshot_at(released.version).await?.files
        }
        (Some(base), _) => base.files.clone(),
        (None, _) => Vec::new(),
    };
    Ok(PinnedTable { table, base, before })
}

pub(super) async fn announce(
    warehouse: &Warehouse,
    announcement: &Announcement,
    lease: &HeldLease,
) -> Result<(), RunError> {
    let failed = |source| PublishError::Announcement { job: announcement.job.clone(), source };
    warehouse.announce(announcement).await.map_err(failed)?;
    if let Err(error) = lease.require().await {
        // Nothing has been committed, so nobody needs to know.
        withdraw(warehouse, announcement).await;
        return Err(error);
    }
    Ok(())
}

/// What cannot be withdrawn is found, and understood, by the next run.
async fn withdraw(warehouse: &Warehouse, announcement: &Announcement) {
    if let Err(error) = warehouse.withdraw(announcement).await {
        tracing::debug!(%error, job = %announcement.job, "an announcement could not be removed");
    }
}

pub(super) fn is_committed(built: &BuiltTable) -> bool {
    built.step.publishes && built.step.action.is_build()
}

impl Publication<'_> {
    /// The number that its release will have.
    pub fn number(&self) -> u64 {
        self.current.map_or(1, |release| release.number + 1)
    }
}

/// Commits every table, then the record that makes them one release. Its exports are the caller's to write.
///
/// # Errors
/// The release is the old one. Tables that were committed are set back, here or by the next run.
pub(super) async fn publish(
    publication: &Publication<'_>,
    pinned: Pinned,
    lease: &HeldLease,
    surroundings: &Surroundings,
) -> Result<Release, RunError> {
    let stage = surroundings.progress.start("publishing", Some(publication.built.len() as u64));
    let committed = async {
        let mut tables: BTreeMap<String, ReleasedTable> =
            publication.current.map(|release| release.tables.clone()).unwrap_or_default();
        if !publication.is_selection {
            tables.retain(|name, released| is_of_project(publication.project, name, released));
        }
        let mut staged: BTreeMap<TableName, Vec<StagedHistory>> = BTreeMap::new();
        let (mut written, mut kept) = (publication.histories.verified.clone(), BTreeMap::new());
        for history in &publication.staged {
            staged.entry(history.step.model.clone()).or_default().push(history.clone());
        }
        for built in publication.built {
            stage.message(&built.step.model.to_string());
            if is_committed(built) {
                let released = commit(publication, &pinned, built).await?;
                tables.insert(built.step.model.to_string(), released);
            }
            if built.step.writes_history {
                let (project, warehouse) = (publication.project, publication.warehouse);
                let history = stage_history(project, warehouse, publication.as_of, built).await?;
                staged.entry(built.step.model.clone()).or_default().push(history);
            }
            stage.advance(1);
        }
        for (model, days) in staged {
            let of_model = written.entry(history_of(&model).to_string()).or_default();
            of_model.extend(days.iter().map(|day| day.as_of));
            let (name, released, of_history) = history(publication, &pinned, days).await?;
            kept.insert(name.clone(), of_history);
            tables.insert(name, released);
        }
        publication.histories.note(publication, &written, &kept, &mut tables);
        Ok(tables)
    };
    let as_of = publication.current.map_or(publication.as_of, |release| release.as_of.max(publication.as_of));
    let recorded = match committed.await {
        Ok(tables) => {
            let release = Release {
                number: publication.number(),
                job: publication.job.name.clone(),
                run_id: publication.run_id.to_owned(),
                as_of,
                created_at: publication.now,
                rollback_of: None,
                tables,
                landed: publication.landed.clone(),
            };
            record(publication.warehouse, &pinned.announcement, release, lease).await
        }
        Err(error) => Err(error),
    };
    let release = match recorded {
        Ok(release) => release,
        Err(error) => {
            set_back(publication.warehouse, &pinned.announcement, lease, &error).await;
            return Err(error);
        }
    };
    stage.finish();
    Ok(release)
}

/// Makes a release the current one.
pub(super) async fn record(
    warehouse: &Warehouse,
    announcement: &Announcement,
    release: Release,
    lease: &HeldLease,
) -> Result<Release, RunError> {
    lease.require().await?;
    record_release(warehouse, &release).await?;
    // Who has taken over meanwhile may have committed to the tables: the next run, finding the announcement, sees to it
    // that their newest versions are those of this release.
    if lease.require().await.is_ok() {
        withdraw(warehouse, announcement).await;
    }
    Ok(release)
}

/// After a publication that failed half-way: whoever reads a table's newest version finds the release again at once.
pub(super) async fn set_back(warehouse: &Warehouse, announcement: &Announcement, lease: &HeldLease, error: &RunError) {
    if lease.require().await.is_err() {
        // Its successor does it.
        return;
    }
    match settle(warehouse, lease, &announcement.run_id).await {
        // The record's put failed, and may arrive all the same: the announcement tells the next run to look for it.
        Ok(_) if matches!(error, RunError::Publish(PublishError::Record { .. })) => {}
        Ok(_) => withdraw(warehouse, announcement).await,
        Err(error) => {
            tracing::warn!(%error, job = %announcement.job, "the next run sets back what was committed");
        }
    }
}

async fn commit(publication: &Publication<'_>, pinned: &Pinned, built: &BuiltTable) -> Result<ReleasedTable, RunError> {
    let name = &built.step.model;
    let (Some(candidate), Some(pinned)) = (&built.candidate, pinned.tables.get(&name.to_string())) else {
        return Err(RunError::NothingPublished { job: publication.job.name.clone() });
    };
    let days = match &built.step.action {
        Action::BuildDays(days) => Some(days),
        _ => None,
    };
    let contents = Contents {
        schema: described(publication.project, name, &candidate.schema),
        partition_columns: Vec::new(),
        files: candidate.files.clone(),
        description: Some(description(publication.project, name)),
        facts: build_facts(days, &landed_of(publication, &built.step), publication.number()),
    };
    let snapshot = set_files(&pinned.table, pinned.base.as_ref(), &contents, publication.run_id)
        .await
        .map_err(|source| PublishError::of_commit(&name.to_string(), source))?;
    Ok(released(publication, &built.step, &snapshot))
}

/// Writes a candidate's rows as those of a day of its history.
pub(super) async fn stage_history(
    project: &Project,
    warehouse: &Warehouse,
    as_of: NaiveDate,
    built: &BuiltTable,
) -> Result<StagedHistory, RunError> {
    let name = history_of(&built.step.model);
    let table = warehouse.table(&name.schema, &name.table)?;
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
    let name = history_of(&staged.step.model);
    if let Ok(table) = warehouse.table(&name.schema, &name.table) {
        table.discard(&staged.files).await;
    }
}

/// Commits days of one history as one version; returns its name, the version, and the days that it has now.
async fn history(
    publication: &Publication<'_>,
    pinned: &Pinned,
    days: Vec<StagedHistory>,
) -> Result<(String, ReleasedTable, BTreeSet<NaiveDate>), RunError> {
    let nothing = || RunError::NothingPublished { job: publication.job.name.clone() };
    let step = days.iter().max_by_key(|day| day.as_of).map(|day| day.step.clone()).ok_or_else(nothing)?;
    let name = history_of(&step.model).to_string();
    let (Some(model), Some(pinned)) = (publication.project.models.get(&step.model), pinned.tables.get(&name)) else {
        return Err(nothing());
    };
    let days_before = days_of(&pinned.before).into_iter();
    let all_days = days_before.chain(days.iter().map(|day| day.as_of));
    let kept = publication.histories.kept(publication, &name, model.history, all_days);
    let request = HistoryRequest {
        history_table: &pinned.table,
        base: pinned.base.as_ref(),
        before: &pinned.before,
        kept: &kept,
        landed: &landed_of(publication, &step),
        release: publication.number(),
        days: days.into_iter().map(|day| (day.as_of, day.files)).collect(),
        description: &model.description,
        described: &described_schema(&model.columns),
        run_id: publication.run_id,
    };
    let written = commit_history(request).await;
    let snapshot = written.map_err(|source| PublishError::of_commit(&name, source))?;
    Ok((name, released(publication, &step, &snapshot), kept))
}

fn released(publication: &Publication<'_>, step: &ModelStep, snapshot: &Snapshot) -> ReleasedTable {
    let fingerprint = &step.fingerprint;
    ReleasedTable {
        version: snapshot.version,
        rows: snapshot.files.iter().map(crate::storage::DataFile::rows).sum(),
        bytes: snapshot.files.iter().map(crate::storage::DataFile::size).sum(),
        fingerprint: fingerprint.whole.clone(),
        definition: fingerprint.definition.clone(),
        landed: landed_of(publication, step),
        parts: fingerprint.parts.clone(),
        built: Some(Built {
            release: publication.number(),
            run_id: publication.run_id.to_owned(),
            at: publication.now,
        }),
        days: BTreeMap::new(),
    }
}

/// The landed versions that a table's rows come from.
fn landed_of(publication: &Publication<'_>, step: &ModelStep) -> BTreeMap<String, u64> {
    let sources = step.fingerprint.sources.iter();
    sources.filter_map(|source| Some((source.clone(), *publication.landed.get(source)?))).collect()
}

fn description(project: &Project, name: &TableName) -> String {
    project.models.get(name).map(|model| model.description.trim().to_owned()).unwrap_or_default()
}

/// The columns with what the model's YAML says of them.
fn described(project: &Project, name: &TableName, schema: &SchemaRef) -> SchemaRef {
    project.models.get(name).map_or_else(|| schema.clone(), |model| described_schema(&model.columns))
}
