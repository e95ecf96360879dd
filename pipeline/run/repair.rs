//! Puts facts that came late into the histories of past days: those days are built again, and what moved is told.
//!
//! ```text
//! release of the run's day -> late days built, newest first -> rows compared -> moved: committed | unmoved: noted -> release
//! ```
//!
//! The run's own release comes first: what is published late must not wait for what is repaired. A kill in between
//! leaves the days marked as late, and the next run repairs them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::NaiveDate;

use crate::config::{Project, TableName};
use crate::plan::{LateFacts, RunPlan, history_of};
use crate::publish::files_of_day;
use crate::storage::{Release, Table};
use crate::transform::{Bindings, Moved, Workspace, compare};

use super::backfill::old_days::OldDays;
use super::execute::{Progressed, RunAtWork};
use super::histories::Histories;
use super::landed::Landed;
use super::lease::HeldLease;
use super::release::{Publication, StagedHistory, pin, publish};
use super::{RunError, Surroundings, session_settings};

/// Days that become one release.
const DAYS_AT_ONCE: usize = 32;

/// What became of a day of a history that lacked facts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepairReport {
    /// `marts.churn_history`.
    pub table: TableName,
    pub as_of: NaiveDate,
    /// What had come late.
    pub late: LateFacts,
    pub outcome: RepairOutcome,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RepairOutcome {
    /// Its rows are others now.
    Moved(Moved),
    /// It was built again, and its rows are as they were.
    Unmoved,
    /// It could not be built, or its checks found bad rows: it is as it was, and still lacks the facts.
    Failed(String),
    /// It lies before the job's `repair_window`.
    Left,
}

/// Built, compared, and waiting for its release.
#[derive(Default)]
struct Ready {
    staged: Vec<StagedHistory>,
    verified: BTreeMap<String, BTreeSet<NaiveDate>>,
    shared: BTreeSet<TableName>,
    reports: Vec<RepairReport>,
    days: usize,
}

/// Builds the days again that a plan names, on top of the run's own release; returns the release that has them.
///
/// A day that cannot be built or fails its checks stays as it was, and does not stop the others.
pub(super) async fn repair(
    project: &Project,
    surroundings: &Surroundings,
    lease: &HeldLease,
    mut landed: Landed,
    plan: &RunPlan,
    release: Option<Release>,
    run: &mut RunAtWork,
) -> Result<Option<Release>, RunError> {
    for repair in &plan.repairs {
        let left = |(day, late): (&NaiveDate, &LateFacts)| RepairReport {
            table: history_of(&repair.model),
            as_of: *day,
            late: late.clone(),
            outcome: RepairOutcome::Left,
        };
        run.done.repairs.extend(repair.left.iter().map(left));
    }
    if !plan.repairs() {
        return Ok(None);
    }
    landed.prepared.current = release.or(landed.prepared.current);
    let mut only: BTreeMap<NaiveDate, Vec<TableName>> = BTreeMap::new();
    for repair in &plan.repairs {
        for day in repair.days.keys() {
            only.entry(*day).or_default().push(repair.model.clone());
        }
    }
    let (histories, current) = (Histories::of(plan), landed.prepared.current.clone());
    let days = OldDays::new(&Arc::new(project.clone()), surroundings, &plan.job, landed, 1).await?.only(only.clone());
    let mut work = Repair { project, surroundings, lease, plan, histories, days, current, released: None };
    let outcome = work.repair(only.into_keys().rev().collect(), run).await;
    work.days.sweep().await;
    outcome?;
    Ok(work.released)
}

struct Repair<'a> {
    project: &'a Project,
    surroundings: &'a Surroundings,
    lease: &'a HeldLease,
    plan: &'a RunPlan,
    /// What lacks what, as it was planned.
    histories: Histories,
    days: OldDays,
    current: Option<Release>,
    /// The newest release that this made.
    released: Option<Release>,
}

impl Repair<'_> {
    async fn repair(&mut self, days: Vec<NaiveDate>, run: &mut RunAtWork) -> Result<(), RunError> {
        let stage = self.surroundings.progress.start("putting late facts into histories", Some(days.len() as u64));
        let mut ready = Ready::default();
        for day in days {
            stage.message(&day.to_string());
            let built = self.build(day, &mut ready).await;
            if let Err(error) = built {
                self.days.discard(&ready.staged).await;
                return Err(error);
            }
            stage.advance(1);
            if ready.days >= DAYS_AT_ONCE {
                self.publish(std::mem::take(&mut ready), run).await?;
            }
        }
        self.publish(ready, run).await?;
        stage.finish();
        Ok(())
    }

    /// Builds a day and compares it with what its histories have.
    async fn build(&self, day: NaiveDate, ready: &mut Ready) -> Result<(), RunError> {
        let late = |model: &TableName| {
            let of_model = self.plan.repairs.iter().find(|repair| repair.model == *model);
            of_model.and_then(|repair| repair.days.get(&day)).cloned()
        };
        // What is built and checked here is told as what moved, not among the tables of the run's own day.
        let work = match self.days.build(&self.days.request(day), &mut Progressed::default()).await {
            Ok(work) => work,
            Err(error) if error.may_pass() || matches!(error, RunError::Interrupted) => return Err(error),
            Err(error) => {
                let text = super::error::chain(&error);
                tracing::warn!(%day, error = text, "late facts could not be put into the day's histories");
                let failed = self.plan.repairs.iter().filter_map(|repair| {
                    let late = repair.days.get(&day)?.clone();
                    let (table, outcome) = (history_of(&repair.model), RepairOutcome::Failed(text.clone()));
                    Some(RepairReport { table, as_of: day, late, outcome })
                });
                ready.reports.extend(failed);
                return Ok(());
            }
        };
        ready.shared.extend(work.shared);
        ready.days += 1;
        let mut histories = work.histories.into_iter();
        while let Some(staged) = histories.next() {
            let table = history_of(&staged.step.model);
            let Some(late) = late(&staged.step.model) else {
                ready.staged.push(staged);
                continue;
            };
            let moved = match self.compare(&table, &staged).await {
                Ok(moved) => moved,
                Err(error) => {
                    ready.staged.push(staged);
                    ready.staged.extend(histories);
                    return Err(error);
                }
            };
            let outcome = if moved.is_nothing() {
                self.days.discard(&[staged]).await;
                ready.verified.entry(table.to_string()).or_default().insert(day);
                RepairOutcome::Unmoved
            } else {
                ready.staged.push(staged);
                RepairOutcome::Moved(moved)
            };
            ready.reports.push(RepairReport { table, as_of: day, late, outcome });
        }
        Ok(())
    }

    async fn compare(&self, history: &TableName, staged: &StagedHistory) -> Result<Moved, RunError> {
        let table: Table = self.days.warehouse.table(&history.schema, &history.table)?;
        let released = self.current.as_ref().and_then(|release| release.tables.get(&history.to_string()));
        let before = match released {
            Some(released) => files_of_day(&table.snapshot_at(released.version).await?.files, staged.as_of),
            None => Vec::new(),
        };
        let Some(model) = self.project.models.get(&staged.step.model) else { return Ok(Moved::default()) };
        let bindings = Bindings::new(staged.as_of, &self.project.environment.parameters);
        let workspace = Workspace::new(&session_settings(self.project), bindings, &self.surroundings.stores)?;
        Ok(compare(&workspace, model, &table, &before, &staged.files).await?)
    }

    /// Makes a release of the days that are ready.
    async fn publish(&mut self, ready: Ready, run: &mut RunAtWork) -> Result<(), RunError> {
        if ready.days == 0 {
            run.done.repairs.extend(ready.reports);
            return Ok(());
        }
        let shared = self.days.unpublished(&ready.shared).await;
        let publication = Publication {
            project: self.project,
            warehouse: &self.days.warehouse,
            job: &self.days.job,
            run_id: &run.run_id,
            as_of: self.plan.as_of,
            current: self.current.as_ref(),
            built: &shared,
            histories: Histories { verified: ready.verified, ..self.histories.clone() },
            staged: ready.staged.clone(),
            landed: self.days.versions(),
            now: (self.surroundings.clock)(),
        };
        let pinned = match pin(&publication, self.lease).await {
            Ok(pinned) => pinned,
            Err(error) => {
                self.days.discard(&ready.staged).await;
                return Err(error);
            }
        };
        self.days.note_tried(&shared).await;
        let release = publish(&publication, pinned, self.lease, self.surroundings).await?;
        self.days.note_published(&shared).await;
        run.done.repairs.extend(ready.reports);
        self.current = Some(release.clone());
        self.released = Some(release);
        Ok(())
    }
}
