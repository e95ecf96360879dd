//! Builds the tables of a plan into candidates, in the order of what they read.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use chrono::NaiveDate;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tracing::Instrument;

use crate::config::{Materialization, Model, Project, Source, TableName};
use crate::land::{contract_schema, landed_files, landed_schema};
use crate::plan::{Action, Graph, ModelStep, RunPlan};
use crate::storage::{DataFile, Release, Snapshot, Table, Warehouse};
use crate::transform::{
    Candidate, LandedTable, TransformError, Workspace, arrow_schema, build_incremental, build_table,
};

use super::carried::Carried;
use super::execute::interruptible;
use super::{RunError, Surroundings};

/// A model's table after the build stage.
#[derive(Debug, Clone)]
pub(super) struct BuiltTable {
    pub step: ModelStep,
    /// `None` for views and empty models.
    pub candidate: Option<Candidate>,
    pub seconds: f64,
}

/// Everything that building needs to know.
pub(super) struct Builder<'a> {
    pub project: &'a Project,
    pub graph: &'a Graph,
    pub warehouse: &'a Warehouse,
    pub current: Option<&'a Release>,
    pub workspace: &'a Workspace,
    /// By source.
    pub landed: &'a BTreeMap<String, LandedTable>,
    /// What an attempt that failed has built.
    pub carried: Option<&'a Carried>,
}

/// The landed tables of a job's sources at the versions wanted; a source that has none yet is empty.
pub(super) async fn landed_tables(
    warehouse: &Warehouse,
    sources: &[&Source],
    version: impl Fn(&str) -> Option<u64>,
) -> Result<BTreeMap<String, LandedTable>, RunError> {
    let mut tables = BTreeMap::new();
    for source in sources {
        let landed = match version(&source.name) {
            None => {
                LandedTable { table: None, schema: contract_schema(source), rows: Vec::new(), superseded: Vec::new() }
            }
            Some(version) => {
                let table = warehouse.table("landed", &source.name)?;
                let snapshot = table.snapshot_at(version).await?;
                let files = landed_files(&snapshot);
                LandedTable {
                    table: Some(table),
                    schema: landed_schema(source, &snapshot.schema),
                    rows: files.rows,
                    superseded: files.superseded,
                }
            }
        };
        tables.insert(source.name.clone(), landed);
    }
    Ok(tables)
}

/// The landed rows' business day.
const DAY: &str = "_day";
/// Landed rows from which a table that is built by days is built at once.
const ROWS_AT_ONCE: u64 = 1_000_000;
/// Days, about a century, beyond which a table is not built stretch by stretch.
const MOST_DAYS: u64 = 36_525;

/// Models that are built at once: while one is being written, the next keeps the other cores at work. More would only
/// share the same memory.
const MODELS_AT_ONCE: usize = 2;

/// Tables whose checks run at once: most checks are small queries that take longer to plan than to run.
pub(super) fn checks_at_once(project: &Project) -> usize {
    project.environment.parallelism.max(1)
}

/// Builds the tables of a plan, those that do not wait for each other at the same time; `built` is in the plan's order.
///
/// # Errors
/// `built` holds what was built before.
pub(super) async fn build_tables(
    builder: &Builder<'_>,
    surroundings: &Surroundings,
    plan: &RunPlan,
    built: &mut Vec<BuiltTable>,
) -> Result<(), RunError> {
    let builds = plan.models.iter().filter(|step| step.action.is_build()).count();
    let stage = surroundings.progress.start("building", Some(builds as u64));
    let at_once = builder.project.environment.parallelism.clamp(1, MODELS_AT_ONCE);
    let mut waiting: Vec<&ModelStep> = plan.models.iter().collect();
    let mut open: BTreeSet<&TableName> = plan.models.iter().map(|step| &step.model).collect();
    let mut working = FuturesUnordered::new();
    let outcome = loop {
        while working.len() < at_once
            && let Some(next) = waiting.iter().position(|step| builder.is_ready(step, &open))
        {
            let step = waiting.remove(next);
            stage.message(&step.model.to_string());
            let work = interruptible(surroundings, builder.build(step, plan));
            let is_build = step.action.is_build();
            let span = if is_build { tracing::info_span!("build", table = %step.model) } else { tracing::Span::none() };
            working.push(async move { (&step.model, work.await) }.instrument(span.or_current()));
        }
        match working.next().await {
            None => break Ok(()),
            Some((_, Err(error))) => break Err(error),
            Some((model, Ok(table))) => {
                open.remove(model);
                if table.step.action.is_build() {
                    stage.advance(1);
                    tracing::info!(%model, seconds = table.seconds, "built");
                }
                built.push(table);
            }
        }
    };
    drop(working);
    let place = |table: &BuiltTable| plan.models.iter().position(|step| step.model == table.step.model);
    built.sort_by_key(place);
    outcome?;
    stage.finish();
    Ok(())
}

impl Builder<'_> {
    /// Whether everything that a model reads is there.
    fn is_ready(&self, step: &ModelStep, open: &BTreeSet<&TableName>) -> bool {
        !self.graph.upstream(&step.model).iter().any(|table| open.contains(table))
    }

    /// Registers landed tables and seeds in the workspace.
    pub fn register_inputs(&self) -> Result<(), TransformError> {
        self.register_inputs_in(self.workspace, None)
    }

    fn register_inputs_in(
        &self,
        workspace: &Workspace,
        days: Option<&BTreeSet<NaiveDate>>,
    ) -> Result<(), TransformError> {
        for (name, landed) in self.landed {
            workspace.add_landed(name, landed, days)?;
        }
        self.project.seeds.values().try_for_each(|seed| workspace.add_seed(seed))
    }

    /// Does what the plan says with one model, and registers the result under the model's name.
    pub async fn build(&self, step: &ModelStep, plan: &RunPlan) -> Result<BuiltTable, RunError> {
        let started = Instant::now();
        if let Some(built) = self.carried.and_then(|carried| carried.table(step)) {
            if let Some(candidate) = &built.candidate {
                self.register(self.workspace, &step.model, candidate)?;
            }
            return Ok(built);
        }
        let Some(model) = self.project.models.get(&step.model) else {
            return Ok(BuiltTable { step: step.clone(), candidate: None, seconds: 0.0 });
        };
        let candidate = match &step.action {
            Action::View => {
                self.workspace.add_view(model).await?;
                None
            }
            Action::Empty => {
                self.workspace.add_empty(&model.name, &model.columns)?;
                None
            }
            Action::Keep => Some(self.keep(model).await?),
            Action::BuildWhole => Some(self.build_whole(model, plan).await?),
            Action::BuildDays(days) => Some(self.build_days(model, days, plan).await?),
        };
        if let Some(candidate) = &candidate {
            self.register(self.workspace, &model.name, candidate)?;
        }
        Ok(BuiltTable { step: step.clone(), candidate, seconds: started.elapsed().as_secs_f64() })
    }

    fn register(&self, workspace: &Workspace, name: &TableName, candidate: &Candidate) -> Result<(), TransformError> {
        workspace.add_files(name, &candidate.table, &candidate.schema, &[], &candidate.files)
    }

    /// The version that the current release names, as a candidate without new files.
    async fn keep(&self, model: &Model) -> Result<Candidate, RunError> {
        let (table, snapshot) = self.released(&model.name).await?;
        Ok(Candidate {
            table,
            schema: arrow_schema(&model.columns),
            files: snapshot.map(|snapshot| snapshot.files).unwrap_or_default(),
            written: Vec::new(),
            is_replanned: false,
            counted: None,
        })
    }

    async fn released(&self, name: &TableName) -> Result<(Table, Option<Snapshot>), RunError> {
        let table = self.warehouse.table(&name.schema, &name.table)?;
        let version =
            self.current.and_then(|release| release.tables.get(&name.to_string())).map(|released| released.version);
        let snapshot = match version {
            Some(version) => Some(table.snapshot_at(version).await?),
            None => None,
        };
        Ok((table, snapshot))
    }

    /// Builds all of a table; one that is built by days, some stretches of days after another, so that what it holds in
    /// memory does not grow with the years.
    async fn build_whole(&self, model: &Model, plan: &RunPlan) -> Result<Candidate, RunError> {
        let table = self.warehouse.table(&model.name.schema, &model.name.table)?;
        let (Materialization::Incremental { day }, stretches) = (&model.materialized, self.stretches(model)) else {
            return Ok(build_table(self.workspace, model, &table).await?);
        };
        let mut whole: Option<Candidate> = None;
        for days in &stretches {
            let workspace = self.workspace_of_days(model, days, plan).await?;
            let part = build_incremental(&workspace, model, day, &table, &[], days).await?;
            match &mut whole {
                Some(whole) => whole.append(part, model.grain.contains(day)),
                None => whole = Some(part),
            }
        }
        match whole {
            Some(whole) => Ok(whole),
            None => Ok(build_table(self.workspace, model, &table).await?),
        }
    }

    /// The days of a model's landed rows in stretches of about equal length; none where they are not known, where they
    /// are few enough to be built at once, or where the model reads other tables than landed ones.
    fn stretches(&self, model: &Model) -> Vec<BTreeSet<NaiveDate>> {
        let mut files: Vec<&DataFile> = Vec::new();
        for name in self.graph.with_upstream(std::slice::from_ref(&model.name)) {
            let is_table = self.project.models.get(&name).is_some_and(|of| of.materialized != Materialization::View);
            if name != model.name && is_table {
                return Vec::new();
            }
            let landed = self.graph.upstream(&name).into_iter().filter(|table| table.schema == "landed");
            files.extend(landed.filter_map(|table| self.landed.get(&table.table)).flat_map(|landed| &landed.rows));
        }
        let rows: u64 = files.iter().map(|file| file.rows()).sum();
        let bound = |value: Option<&serde_json::Value>| value?.as_str()?.parse::<NaiveDate>().ok();
        let known = files.iter().filter(|file| file.rows() > 0).map(|file| {
            let has_all = file.null_count(DAY) == Some(0);
            has_all.then_some((bound(file.min_value(DAY))?, bound(file.max_value(DAY))?))
        });
        let Some(bounds) = known.collect::<Option<Vec<_>>>() else { return Vec::new() };
        let first = bounds.iter().map(|(first, _)| *first).min();
        let last = bounds.iter().map(|(_, last)| *last).max();
        let (Some(first), Some(last)) = (first, last) else { return Vec::new() };
        let count = rows.div_ceil(ROWS_AT_ONCE);
        let days = (last - first).num_days().unsigned_abs() + 1;
        // A stray row of the year 1 must not make a list of all days since.
        if count < 2 || days > MOST_DAYS {
            return Vec::new();
        }
        let length = usize::try_from(days.div_ceil(count)).unwrap_or(usize::MAX);
        let all: Vec<NaiveDate> = first.iter_days().take_while(|day| *day <= last).collect();
        all.chunks(length).map(|days| days.iter().copied().collect()).collect()
    }

    async fn build_days(
        &self,
        model: &Model,
        days: &BTreeSet<NaiveDate>,
        plan: &RunPlan,
    ) -> Result<Candidate, RunError> {
        let Materialization::Incremental { day } = &model.materialized else { return self.keep(model).await };
        let kept = self.keep(model).await?;
        if days.is_empty() {
            return Ok(kept);
        }
        let workspace = self.workspace_of_days(model, days, plan).await?;
        let candidate = build_incremental(&workspace, model, day, &kept.table, &kept.files, days).await?;
        Ok(candidate)
    }

    /// A workspace with what a model reads, of landed rows only those of some days.
    async fn workspace_of_days(
        &self,
        model: &Model,
        days: &BTreeSet<NaiveDate>,
        plan: &RunPlan,
    ) -> Result<Workspace, RunError> {
        let workspace = self.workspace.sibling()?;
        self.register_inputs_in(&workspace, Some(days))?;
        let needed: BTreeSet<TableName> =
            self.graph.with_upstream(std::slice::from_ref(&model.name)).into_iter().collect();
        for step in plan.models.iter().filter(|step| needed.contains(&step.model) && step.model != model.name) {
            self.add_upstream(&workspace, step).await?;
        }
        Ok(workspace)
    }

    /// Views over the restricted inputs; tables as they are.
    async fn add_upstream(&self, workspace: &Workspace, step: &ModelStep) -> Result<(), RunError> {
        let Some(model) = self.project.models.get(&step.model) else { return Ok(()) };
        match step.action {
            Action::View => workspace.add_view(model).await?,
            Action::Empty => workspace.add_empty(&model.name, &model.columns)?,
            _ => workspace.copy_table(self.workspace, &model.name).await?,
        }
        Ok(())
    }
}

/// Deletes the files of candidates that will not be published. What cannot be deleted stays for `vacuum`.
pub(super) async fn sweep(tables: &[BuiltTable], is_published: impl Fn(&BuiltTable) -> bool) {
    for built in tables.iter().filter(|built| !is_published(built)) {
        if let Some(candidate) = &built.candidate {
            candidate.table.discard(&candidate.written).await;
        }
    }
}
