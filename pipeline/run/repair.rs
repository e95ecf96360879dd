//! Puts facts that came late into the histories of past days: those days are built again, and what moved is told.
//!
//! ```text
//! tables of the run's day built, checked -> late days built, newest first -> rows compared -> one release of all
//!                                                             moved: committed | unmoved: noted
//! ```
//!
//! The newest [`DAYS_AT_ONCE`] days are part of the run's own release, which waits for them; what is more follows in
//! releases of its own, so that a long repair keeps the tables of the run's day no longer from being published. A kill in
//! between leaves the days marked as late, and the next run repairs them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::NaiveDate;
use tokio::sync::OnceCell;

use crate::check::Finding;
use crate::config::{Project, TableName};
use crate::plan::{LateFacts, RunPlan, history_of};
use crate::publish::files_of_day;
use crate::storage::{Release, Snapshot, Table};
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
/// Days that fail for a reason that may pass, after which the others are not tried: the store is away, not one object.
const MOST_AWAY: usize = 3;

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
    /// It could not be built or compared, or its checks found bad rows: it is as it was, and still lacks the facts.
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
    /// Its histories, by name, once they have been looked at.
    before: BTreeMap<String, OnceCell<Snapshot>>,
    /// Whether the run is not tried again: what may pass fails a day, too, and not the run.
    is_last: bool,
    workspace: &'a Workspace,
    /// `None` where there is nothing to repair.
    days: Option<OldDays>,
    /// Ascending.
    waiting: Vec<NaiveDate>,
}

impl<'a> Repair<'a> {
    /// Builds the newest days that a plan names, from the tables that its run has built and checked.
    ///
    /// A day that cannot be built or compared, or fails its checks, stays as it was, and does not stop the others.
    ///
    /// # Errors
    /// What may pass where the run `is_tried_again`, what another process has to do with, and an interrupt.
    pub async fn begin(
        project: &'a Project,
        surroundings: &'a Surroundings,
        landed: &Landed,
        plan: &'a RunPlan,
        run: (&'a Workspace, &[BuiltTable], &[Finding]),
        is_tried_again: bool,
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
        let histories = plan.repairs.iter().map(|repair| (history_of(&repair.model).to_string(), OnceCell::new()));
        let (before, is_last) = (histories.collect(), !is_tried_again);
        let mut repair =
            Self { project, surroundings, plan, current, before, is_last, workspace: run.0, days, waiting };
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
        let (mut next, mut away) = (next.into_iter().rev(), 0);
        while away < MOST_AWAY
            && let Some(day) = next.next()
        {
            stage.message(&day.to_string());
            match self.build(days, day, &mut ready).await {
                Ok(is_away) => away += usize::from(is_away),
                Err(error) => {
                    days.discard(&ready.staged).await;
                    return Err(error);
                }
            }
            stage.advance(1);
        }
        stage.finish();
        if away >= MOST_AWAY {
            let untried: Vec<NaiveDate> = next.chain(std::mem::take(&mut self.waiting).into_iter().rev()).collect();
            let text = "not tried, as the days before it failed";
            untried.into_iter().for_each(|day| ready.reports.extend(self.failed(day, text)));
        }
        Ok(ready)
    }

    /// Deletes what will not be published.
    pub async fn discard(&self, ready: &Ready) {
        if let Some(days) = &self.days {
            days.discard(&ready.staged).await;
        }
    }

    /// Builds and publishes the days that are left when the run's own release is out, which becomes the last one.
    ///
    /// # Errors
    /// The releases that were made stand; the other days are still marked.
    pub async fn go_on(
        &mut self,
        release: &mut Release,
        own: &Publication<'_>,
        lease: &HeldLease,
        reports: &mut Vec<RepairReport>,
    ) -> Result<(), RunError> {
        while !self.waiting.is_empty() {
            let ready = self.next().await?;
            let publication = Publication {
                project: own.project,
                warehouse: own.warehouse,
                job: own.job,
                run_id: own.run_id,
                as_of: own.as_of,
                current: Some(release),
                built: &[],
                staged: ready.staged.clone(),
                // What the plan knew is in the release by now, but for days that have been repaired since.
                histories: Histories { planned: BTreeMap::new(), verified: ready.verified.clone() },
                is_selection: own.is_selection,
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
            let next = publish(&publication, pinned, lease, self.surroundings).await?;
            *release = next;
            reports.extend(ready.reports);
        }
        Ok(())
    }

    /// Builds a day and compares it with what its histories have; returns whether that failed for a reason that may pass.
    async fn build(&self, days: &OldDays, day: NaiveDate, ready: &mut Ready) -> Result<bool, RunError> {
        // What is built and checked here is told as what moved, not among the tables of the run's own day.
        let request = days.request(day);
        let work = match Box::pin(days.build(&request, &mut Progressed::default())).await {
            Ok(work) => work,
            Err(error) => {
                let error = self.of_day(day, error)?;
                ready.reports.extend(self.failed(day, &super::error::chain(&error)));
                return Ok(error.may_pass());
            }
        };
        let mut found = Ready::default();
        let mut histories = work.histories.into_iter();
        while let Some(staged) = histories.next() {
            let table = history_of(&staged.step.model);
            let Some(late) = self.late(&staged.step.model, day) else {
                days.discard(&[staged]).await;
                continue;
            };
            let outcome = match Box::pin(self.compare(days, &table, &staged)).await {
                Ok(moved) if moved.is_nothing() => {
                    days.discard(&[staged]).await;
                    found.verified.entry(table.to_string()).or_default().insert(day);
                    RepairOutcome::Unmoved
                }
                Ok(moved) => {
                    found.staged.push(staged);
                    RepairOutcome::Moved(moved)
                }
                Err(error) => {
                    // The histories of a day are published together, or none of them.
                    found.staged.push(staged);
                    found.staged.extend(histories);
                    days.discard(&found.staged).await;
                    let error = self.of_day(day, error)?;
                    ready.reports.extend(self.failed(day, &super::error::chain(&error)));
                    return Ok(error.may_pass());
                }
            };
            found.reports.push(RepairReport { table, as_of: day, late, outcome });
        }
        ready.staged.extend(found.staged);
        for (table, days) in found.verified {
            ready.verified.entry(table).or_default().extend(days);
        }
        ready.reports.extend(found.reports);
        Ok(false)
    }

    /// An error that concerns a day alone; the others concern the run.
    fn of_day(&self, day: NaiveDate, error: RunError) -> Result<RunError, RunError> {
        let may_pass = error.may_pass() && !self.is_last;
        if may_pass || error.is_about_others() || matches!(error, RunError::Interrupted) {
            return Err(error);
        }
        let text = super::error::chain(&error);
        tracing::warn!(%day, error = text, "late facts could not be put into the day's histories");
        Ok(error)
    }

    /// What is said of all histories that lack facts of a day.
    fn failed(&self, day: NaiveDate, text: &str) -> Vec<RepairReport> {
        let of_day = self.plan.repairs.iter().filter_map(|repair| {
            let late = repair.days.get(&day)?.clone();
            let (table, outcome) = (history_of(&repair.model), RepairOutcome::Failed(text.to_owned()));
            Some(RepairReport { table, as_of: day, late, outcome })
        });
        of_day.collect()
    }

    /// What a day of a model's history lacks.
    fn late(&self, model: &TableName, day: NaiveDate) -> Option<LateFacts> {
        self.plan.repairs.iter().find(|repair| repair.model == *model)?.days.get(&day).cloned()
    }

    async fn compare(&self, days: &OldDays, history: &TableName, staged: &StagedHistory) -> Result<Moved, RunError> {
        let table: Table = days.warehouse.table(&history.schema, &history.table)?;
        let name = history.to_string();
        let released = self.current.as_ref().and_then(|release| release.tables.get(&name));
        let before = match (released, self.before.get(&name)) {
            (Some(released), Some(before)) => {
                let read = || async { table.snapshot_at(released.version).await };
                files_of_day(&before.get_or_try_init(read).await?.files, staged.as_of)
            }
            _ => Vec::new(),
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
