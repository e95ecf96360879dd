//! Puts facts that came late into the histories of past days: those days are built again, and what moved is told.
//!
//! ```text
//! tables of the run's day built, checked -> late days built, newest first -> rows compared -> one release of all
//!                                                             moved: committed | unmoved: noted
//! ```
//!
//! A long repair must not keep the tables of the run's day from being published: what is more than [`DAYS_AT_ONCE`] days
//! follows in releases of its own. A kill in between leaves the days marked as late, and the next run repairs them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::NaiveDate;

use crate::check::Finding;
use crate::config::{Project, TableName};
use crate::plan::{LateFacts, RunPlan, history_of};
use crate::publish::files_of_day;
use crate::storage::{Release, Table};
use crate::transform::{Bindings, Moved, Workspace, compare};

use super::backfill::old_days::OldDays;
use super::build::BuiltTable;
use super::execute::Progressed;
use super::histories::Histories;
use super::landed::Landed;
use super::lease::HeldLease;
use super::release::{Publication, StagedHistory, pin, publish};
use super::{RunError, Surroundings};

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

/// Built, compared, and waiting for a release.
#[derive(Default)]
pub(super) struct Ready {
    pub staged: Vec<StagedHistory>,
    /// Days that did not move, by the history's name.
    pub verified: BTreeMap<String, BTreeSet<NaiveDate>>,
    pub reports: Vec<RepairReport>,
}

/// A repair at work.
pub(super) struct Repair<'a> {
    project: &'a Project,
    surroundings: &'a Surroundings,
    plan: &'a RunPlan,
    /// The release that was current when the plan was made.
    current: Option<Release>,
    workspace: &'a Workspace,
    /// `None` where there is nothing to repair.
    days: Option<OldDays>,
    /// Ascending.
    waiting: Vec<NaiveDate>,
}

impl<'a> Repair<'a> {
    /// Builds the newest days that a plan names, from the tables that its run has built and checked.
    ///
    /// A day that cannot be built or fails its checks stays as it was, and does not stop the others.
    pub async fn begin(
        project: &'a Project,
        surroundings: &'a Surroundings,
        landed: &Landed,
        plan: &'a RunPlan,
        run: (&'a Workspace, &[BuiltTable], &[Finding]),
    ) -> Result<(Self, Ready), RunError> {
        let mut only: BTreeMap<NaiveDate, Vec<TableName>> = BTreeMap::new();
        for repair in &plan.repairs {
            for day in repair.days.keys() {
                only.entry(*day).or_default().push(repair.model.clone());
            }
        }
        let waiting = only.keys().copied().collect();
        let days = if only.is_empty() {
            None
        } else {
            let project = Arc::new(project.clone());
            let days = OldDays::beside(&project, surroundings, &plan.job, landed.clone(), run).await?;
            Some(days.only(only))
        };
        let current = landed.prepared.current.clone();
        let mut repair = Self { project, surroundings, plan, current, workspace: run.0, days, waiting };
        let mut ready = repair.next().await?;
        ready.reports.extend(left(plan));
        Ok((repair, ready))
    }

    /// Builds the next days, the newest of those that wait.
    async fn next(&mut self) -> Result<Ready, RunError> {
        let mut ready = Ready::default();
        let Some(days) = &self.days else { return Ok(ready) };
        let next = self.waiting.split_off(self.waiting.len().saturating_sub(DAYS_AT_ONCE));
        let progress = &self.surroundings.progress;
        let stage = progress.start("putting late facts into histories", Some(next.len() as u64));
        for day in next.into_iter().rev() {
            stage.message(&day.to_string());
            if let Err(error) = self.build(days, day, &mut ready).await {
                days.discard(&ready.staged).await;
                return Err(error);
            }
            stage.advance(1);
        }
        stage.finish();
        Ok(ready)
    }

    /// Deletes what will not be published.
    pub async fn discard(&self, ready: &Ready) {
        if let Some(days) = &self.days {
            days.discard(&ready.staged).await;
        }
    }

    /// Builds and publishes the days that are left when the run's own release is out; returns the last release.
    ///
    /// # Errors
    /// The releases that were made stand; the other days are still marked.
    pub async fn go_on(
        &mut self,
        mut release: Release,
        own: &Publication<'_>,
        lease: &HeldLease,
        reports: &mut Vec<RepairReport>,
    ) -> Result<Release, RunError> {
        while !self.waiting.is_empty() {
            let ready = self.next().await?;
            let publication = Publication {
                project: own.project,
                warehouse: own.warehouse,
                job: own.job,
                run_id: own.run_id,
                as_of: own.as_of,
                current: Some(&release),
                built: &[],
                staged: ready.staged.clone(),
                histories: Histories { planned: own.histories.planned.clone(), verified: ready.verified.clone() },
                landed: own.landed.clone(),
                now: (self.surroundings.clock)(),
            };
            let pinned = match pin(&publication, lease).await {
                Ok(pinned) => pinned,
                Err(error) => {
                    self.discard(&ready).await;
                    return Err(error);
                }
            };
            release = publish(&publication, pinned, lease, self.surroundings).await?;
            reports.extend(ready.reports);
        }
        Ok(release)
    }

    /// Builds a day and compares it with what its histories have.
    async fn build(&self, days: &OldDays, day: NaiveDate, ready: &mut Ready) -> Result<(), RunError> {
        let late = |model: &TableName| {
            let of_model = self.plan.repairs.iter().find(|repair| repair.model == *model);
            of_model.and_then(|repair| repair.days.get(&day)).cloned()
        };
        // What is built and checked here is told as what moved, not among the tables of the run's own day.
        let request = days.request(day);
        let work = match Box::pin(days.build(&request, &mut Progressed::default())).await {
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
        let mut histories = work.histories.into_iter();
        while let Some(staged) = histories.next() {
            let table = history_of(&staged.step.model);
            let Some(late) = late(&staged.step.model) else {
                days.discard(&[staged]).await;
                continue;
            };
            let moved = match Box::pin(self.compare(days, &table, &staged)).await {
                Ok(moved) => moved,
                Err(error) => {
                    ready.staged.push(staged);
                    ready.staged.extend(histories);
                    return Err(error);
                }
            };
            let outcome = if moved.is_nothing() {
                days.discard(&[staged]).await;
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

    async fn compare(&self, days: &OldDays, history: &TableName, staged: &StagedHistory) -> Result<Moved, RunError> {
        let table: Table = days.warehouse.table(&history.schema, &history.table)?;
        let released = self.current.as_ref().and_then(|release| release.tables.get(&history.to_string()));
        let before = match released {
            Some(released) => files_of_day(&table.snapshot_at(released.version).await?.files, staged.as_of),
            None => Vec::new(),
        };
        let Some(model) = self.project.models.get(&staged.step.model) else { return Ok(Moved::default()) };
        let bindings = Bindings::new(staged.as_of, &self.project.environment.parameters);
        let workspace = self.workspace.sibling_for(bindings, self.project.environment.parallelism)?;
        Ok(compare(&workspace, model, &table, &before, &staged.files).await?)
    }
}

/// Days that lack facts, and lie too far back.
fn left(plan: &RunPlan) -> Vec<RepairReport> {
    let mut reports = Vec::new();
    for repair in &plan.repairs {
        reports.extend(repair.left.iter().map(|(day, late)| RepairReport {
            table: history_of(&repair.model),
            as_of: *day,
            late: late.clone(),
            outcome: RepairOutcome::Left,
        }));
    }
    reports
}
