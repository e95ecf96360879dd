//! Days before the current release's: each writes its histories, and all of them share what does not depend on the day.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::NaiveDate;
use tokio::sync::Mutex;

use crate::check::{Finding, check_row_count, check_table};
use crate::config::{Job, Model, Project, TableName};
use crate::plan::{Action, ModelStep, RunPlan};
use crate::progress::StageProgress;
use crate::state::Trigger;
use crate::storage::{Release, Warehouse};
use crate::transform::{Bindings, Candidate, KeptRows, LandedTable, Workspace};

use super::super::build::{Builder, BuiltTable, sweep};
use super::super::execute::{Progressed, TableReport, interruptible, rows_before, table_report};
use super::super::histories::Histories;
use super::super::landed::Landed;
use super::super::prepare::find_job;
use super::super::release::{StagedHistory, discard_history, stage_history};
use super::super::{RunError, RunRequest, Surroundings, session_settings, warehouse};

/// What days have in common, and the tables among it that were built so far.
pub(in crate::run) struct OldDays {
    project: Arc<Project>,
    surroundings: Surroundings,
    pub warehouse: Warehouse,
    pub job: Job,
    landed: Landed,
    landed_tables: BTreeMap<String, LandedTable>,
    /// Holds landed tables, seeds, and the shared tables as they are built.
    workspace: Workspace,
    shared: Mutex<Shared>,
    /// Query partitions of one day.
    parallelism: usize,
    /// The models whose histories are written, for days on which not all of them are.
    only: BTreeMap<NaiveDate, Vec<TableName>>,
}

struct Shared {
    tables: BTreeMap<TableName, SharedTable>,
    /// Of those that each day reads anew.
    kept: KeptRows,
}

/// A table whose rows are the same on all days.
struct SharedTable {
    built: BuiltTable,
    /// The day that was first to need it, whose run it is recorded with.
    day: NaiveDate,
    /// `None` until the first day has checked it.
    findings: Option<Vec<Finding>>,
    /// A commit may name its files.
    is_tried: bool,
    is_published: bool,
}

/// A day that was built and checked.
#[derive(Debug, Default)]
pub(in crate::run) struct DayWork {
    pub histories: Vec<StagedHistory>,
    /// The shared tables that it needed and that are to be published.
    pub shared: BTreeSet<TableName>,
}

impl DayWork {
    pub fn is_empty(&self) -> bool {
        self.histories.is_empty() && self.shared.is_empty()
    }
}

impl OldDays {
    pub async fn new(
        project: &Arc<Project>,
        surroundings: &Surroundings,
        job: &str,
        landed: Landed,
        at_once: usize,
    ) -> Result<Self, RunError> {
        let settings = session_settings(project);
        let parallelism = settings.parallelism.div_ceil(at_once.max(1)).max(1);
        let workspace = Workspace::new(&settings, any_day(&landed), &surroundings.stores)?;
        Self::in_workspace(project, surroundings, job, landed, workspace, parallelism).await
    }

    /// Days that are built beside those of a run, from the tables that it has built and checked.
    pub async fn beside(
        project: &Arc<Project>,
        surroundings: &Surroundings,
        job: &str,
        landed: Landed,
        run: (&Workspace, &[BuiltTable], &[Finding]),
    ) -> Result<Self, RunError> {
        let (workspace, built, findings) = run;
        let parallelism = session_settings(project).parallelism;
        let own = workspace.sibling_for(any_day(&landed), parallelism)?;
        let days = Self::in_workspace(project, surroundings, job, landed, own, parallelism).await?;
        let mut shared = days.shared.lock().await;
        for built in built.iter().filter(|built| !built.step.fingerprint.depends_on_as_of) {
            let (Some(_), name) = (&built.candidate, &built.step.model) else { continue };
            days.workspace.copy_table(workspace, name).await?;
            let of_table = findings.iter().filter(|finding| finding.table == name.to_string());
            let table = SharedTable {
                built: built.clone(),
                day: NaiveDate::MAX,
                findings: Some(of_table.cloned().collect()),
                // The run publishes it, or sweeps it.
                is_tried: true,
                is_published: true,
            };
            shared.tables.insert(name.clone(), table);
        }
        drop(shared);
        Ok(days)
    }

    async fn in_workspace(
        project: &Arc<Project>,
        surroundings: &Surroundings,
        job: &str,
        landed: Landed,
        workspace: Workspace,
        parallelism: usize,
    ) -> Result<Self, RunError> {
        let shared = Shared { tables: BTreeMap::new(), kept: KeptRows::new(&workspace) };
        let days = Self {
            project: project.clone(),
            surroundings: surroundings.clone(),
            warehouse: warehouse(project, &surroundings.stores),
            job: find_job(project, job)?.clone(),
            landed_tables: landed.tables(project, surroundings).await?,
            landed,
            workspace,
            shared: Mutex::new(shared),
            parallelism,
            only: BTreeMap::new(),
        };
        days.builder(&days.workspace).register_inputs()?;
        Ok(days)
    }

    /// Writes on these days only the histories of these models.
    pub fn only(self, only: BTreeMap<NaiveDate, Vec<TableName>>) -> Self {
        Self { only, ..self }
    }

    fn builder<'a>(&'a self, workspace: &'a Workspace) -> Builder<'a> {
        Builder {
            project: &self.project,
            graph: &self.landed.prepared.graph,
            warehouse: &self.warehouse,
            current: self.landed.prepared.current.as_ref(),
            workspace,
            landed: &self.landed_tables,
            carried: None,
        }
    }

    pub fn plan(&self, request: &RunRequest) -> RunPlan {
        match self.only.get(&request.as_of) {
            Some(models) => self.landed.plan_of(&self.project, request, models),
            None => self.landed.plan(&self.project, request),
        }
    }

    /// The run of a day.
    pub fn request(&self, as_of: NaiveDate) -> RunRequest {
        RunRequest {
            job: self.job.name.clone(),
            as_of,
            select: Vec::new(),
            full_refresh: false,
            variables: Vec::new(),
            trigger: Trigger::Manual,
            backfill_id: None,
        }
    }

    /// What was known of the days of all histories when the first day was planned.
    pub fn histories(&self) -> Histories {
        Histories::of(&self.landed.plan(&self.project, &self.request(NaiveDate::default())))
    }

    /// The landed versions that all days read.
    pub fn versions(&self) -> BTreeMap<String, u64> {
        self.landed.versions()
    }

    /// Builds what a day shares with the others, if none of them did so before.
    pub async fn build_shared(&self, request: &RunRequest, done: &mut Progressed) -> Result<(), RunError> {
        let plan = self.plan(request);
        for step in plan.models.iter().filter(|step| !step.fingerprint.depends_on_as_of) {
            self.share(step, &plan, done).await?;
        }
        Ok(())
    }

    /// Builds and checks a day, and writes the rows of its histories where no reader sees them yet.
    pub async fn build(&self, request: &RunRequest, done: &mut Progressed) -> Result<DayWork, RunError> {
        let plan = self.plan(request);
        let (mut own, mut work) = (Vec::new(), DayWork::default());
        let outcome = self.build_parts(&plan, done, &mut own, &mut work).await;
        sweep(&own, |_| false).await;
        match outcome {
            Ok(()) => Ok(work),
            Err(error) => {
                self.discard(&work.histories).await;
                Err(error)
            }
        }
    }

    /// Deletes histories' rows that will not be committed.
    pub async fn discard(&self, histories: &[StagedHistory]) {
        for staged in histories {
            discard_history(&self.warehouse, staged).await;
        }
    }

    async fn build_parts(
        &self,
        plan: &RunPlan,
        done: &mut Progressed,
        own: &mut Vec<BuiltTable>,
        work: &mut DayWork,
    ) -> Result<(), RunError> {
        let bindings = Bindings::new(plan.as_of, &self.landed.prepared.parameters);
        let workspace = self.workspace.sibling_for(bindings, self.parallelism)?;
        let builds = plan.models.iter().filter(|step| step.action.is_build()).count() as u64;
        let stage = self.surroundings.progress.start(&plan.as_of.to_string(), Some(builds * 2));
        self.copy_inputs(&workspace).await?;
        for step in &plan.models {
            stage.message(&step.model.to_string());
            if step.fingerprint.depends_on_as_of {
                let built = interruptible(&self.surroundings, self.builder(&workspace).build(step, plan)).await?;
                if !matches!(step.action, Action::View | Action::Empty) {
                    done.tables.push(table_report(&built));
                }
                own.push(built);
            } else {
                self.share(step, plan, done).await?;
                workspace.copy_table(&self.workspace, &step.model).await?;
            }
            stage.advance(u64::from(step.action.is_build()));
        }
        self.check(plan, &workspace, own, done, stage.as_ref()).await?;
        for built in own.iter().filter(|built| built.step.writes_history) {
            work.histories.push(self.stage(plan.as_of, built).await?);
        }
        for (model, table) in &self.shared.lock().await.tables {
            let step = &table.built.step;
            if !step.action.is_build() || plan.step(model).is_none() {
                continue;
            }
            // As in a single run, the day that builds a table writes its history.
            if step.writes_history && table.day == plan.as_of {
                work.histories.push(self.stage(plan.as_of, &table.built).await?);
            }
            if step.publishes {
                work.shared.insert(model.clone());
            }
        }
        stage.finish();
        Ok(())
    }

    async fn stage(&self, as_of: NaiveDate, built: &BuiltTable) -> Result<StagedHistory, RunError> {
        stage_history(&self.project, &self.warehouse, as_of, built).await
    }

    async fn copy_inputs(&self, workspace: &Workspace) -> Result<(), RunError> {
        let landed = self.landed_tables.keys().map(|source| TableName::new("landed", source));
        let seeds = self.project.seeds.values().map(|seed| TableName::new("seeds", &seed.name));
        for name in landed.chain(seeds) {
            workspace.copy_table(&self.workspace, &name).await?;
        }
        Ok(())
    }

    /// Sees that a shared table is there. While one day builds it, the others wait.
    async fn share(&self, step: &ModelStep, plan: &RunPlan, done: &mut Progressed) -> Result<(), RunError> {
        let mut shared = self.shared.lock().await;
        if let Some(table) = shared.tables.get(&step.model) {
            let is_told = done.tables.iter().any(|report| report.step.model == step.model);
            if !is_told && !matches!(step.action, Action::View | Action::Empty) {
                done.tables.push(shared_report(step, table));
            }
            return Ok(());
        }
        let built = interruptible(&self.surroundings, self.builder(&self.workspace).build(step, plan)).await?;
        if !matches!(step.action, Action::View | Action::Empty) {
            done.tables.push(table_report(&built));
        }
        let table = SharedTable { built, day: plan.as_of, findings: None, is_tried: false, is_published: false };
        shared.tables.insert(step.model.clone(), table);
        if self.is_read_by_days(plan, &step.model) {
            interruptible(&self.surroundings, async {
                shared.kept.keep(&self.workspace, &step.model).await;
                Ok(())
            })
            .await?;
        }
        Ok(())
    }

    /// Whether a table that depends on the day reads this one.
    fn is_read_by_days(&self, plan: &RunPlan, model: &TableName) -> bool {
        let graph = &self.landed.prepared.graph;
        let mut of_days = plan.models.iter().filter(|step| step.fingerprint.depends_on_as_of);
        of_days.any(|step| graph.upstream(&step.model).contains(model))
    }

    async fn check(
        &self,
        plan: &RunPlan,
        workspace: &Workspace,
        own: &[BuiltTable],
        done: &mut Progressed,
        stage: &dyn StageProgress,
    ) -> Result<(), RunError> {
        let mut stopping = Vec::new();
        for step in plan.models.iter().filter(|step| step.action.is_build()) {
            let Some(model) = self.project.models.get(&step.model) else { continue };
            stage.message(&format!("checks of {}", step.model));
            let findings = if step.fingerprint.depends_on_as_of {
                let findings =
                    self.check_one(workspace, model, own.iter().find(|built| built.step.model == step.model)).await?;
                done.findings.extend(findings.iter().cloned());
                findings
            } else {
                let mut shared = self.shared.lock().await;
                let Some(table) = shared.tables.get_mut(&step.model) else { continue };
                match &table.findings {
                    Some(known) => known.clone(),
                    None => {
                        let mut findings = self.check_one(workspace, model, Some(&table.built)).await?;
                        if let Some(before) = rows_before(self.landed.prepared.current.as_ref(), &table.built) {
                            let now = table.built.candidate.as_ref().map_or(0, Candidate::rows);
                            findings.push(check_row_count(model, before, now));
                        }
                        done.findings.extend(findings.iter().cloned());
                        table.findings = Some(findings.clone());
                        findings
                    }
                }
            };
            stopping.extend(findings.into_iter().filter(Finding::stops_release));
            stage.advance(1);
        }
        if stopping.is_empty() { Ok(()) } else { Err(RunError::Checks(stopping)) }
    }

    async fn check_one(
        &self,
        workspace: &Workspace,
        model: &Model,
        built: Option<&BuiltTable>,
    ) -> Result<Vec<Finding>, RunError> {
        let counted = built.and_then(|built| built.candidate.as_ref()?.counted.as_ref());
        interruptible(&self.surroundings, async { Ok(check_table(workspace, model, counted).await) }).await
    }

    /// The shared tables among these that no release names yet, ready to be published.
    pub async fn unpublished(&self, wanted: &BTreeSet<TableName>) -> Vec<BuiltTable> {
        let shared = self.shared.lock().await;
        let waiting =
            shared.tables.values().filter(|table| !table.is_published && wanted.contains(&table.built.step.model));
        let mut built: Vec<BuiltTable> = waiting.map(|table| table.built.clone()).collect();
        for table in &mut built {
            // Its rows of the day are among the day's histories.
            table.step.writes_history = false;
        }
        built
    }

    pub async fn note_tried(&self, tables: &[BuiltTable]) {
        let mut shared = self.shared.lock().await;
        for built in tables {
            if let Some(table) = shared.tables.get_mut(&built.step.model) {
                table.is_tried = true;
            }
        }
    }

    pub async fn note_published(&self, tables: &[BuiltTable]) {
        let mut shared = self.shared.lock().await;
        for built in tables {
            if let Some(table) = shared.tables.get_mut(&built.step.model) {
                table.is_published = true;
            }
        }
    }

    /// Deletes the files of shared tables that no commit names.
    pub async fn sweep(&self) {
        let shared = self.shared.lock().await;
        let left: Vec<BuiltTable> =
            shared.tables.values().filter(|table| !table.is_tried).map(|table| table.built.clone()).collect();
        sweep(&left, |_| false).await;
    }

    pub fn current(&self) -> Option<&Release> {
        self.landed.prepared.current.as_ref()
    }

    pub fn project(&self) -> &Project {
        &self.project
    }
}

/// Shared tables do not look at the day; any will do.
fn any_day(landed: &Landed) -> Bindings {
    Bindings::new(NaiveDate::default(), &landed.prepared.parameters)
}

/// How a run that did not build a shared table itself tells of it.
fn shared_report(step: &ModelStep, table: &SharedTable) -> TableReport {
    let mut report = table_report(&table.built);
    report.seconds = 0.0;
    if step.action.is_build() {
        report.step.action = Action::Keep;
        report.step.reason = format!("as it was built for {}", table.day);
    }
    report
}
