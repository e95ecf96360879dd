//! Builds the tables of a plan into candidates, in order.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use chrono::NaiveDate;

use crate::config::{Job, Materialization, Model, Project, TableName};
use crate::land::{contract_schema, landed_files, landed_schema};
use crate::plan::{Action, Graph, ModelStep, RunPlan};
use crate::storage::{Release, Snapshot, Table, Warehouse};
use crate::transform::{
    Candidate, LandedTable, TransformError, Workspace, arrow_schema, build_incremental, build_table,
};

use super::RunError;

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
}

/// The landed tables of a job's sources at the versions wanted; a source that has none yet is empty.
pub(super) async fn landed_tables(
    warehouse: &Warehouse,
    job: &Job,
    version: impl Fn(&str) -> Option<u64>,
) -> Result<BTreeMap<String, LandedTable>, RunError> {
    let mut tables = BTreeMap::new();
    for source in &job.sources {
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

impl Builder<'_> {
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
            Action::BuildWhole => {
                let table = self.warehouse.table(&model.name.schema, &model.name.table)?;
                Some(build_table(self.workspace, model, &table).await?)
            }
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
        let workspace = self.workspace.sibling()?;
        self.register_inputs_in(&workspace, Some(days))?;
        let needed: BTreeSet<TableName> =
            self.graph.with_upstream(std::slice::from_ref(&model.name)).into_iter().collect();
        for step in plan.models.iter().filter(|step| needed.contains(&step.model) && step.model != model.name) {
            self.add_upstream(&workspace, step).await?;
        }
        let candidate = build_incremental(&workspace, model, day, &kept.table, &kept.files, days).await?;
        Ok(candidate)
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
