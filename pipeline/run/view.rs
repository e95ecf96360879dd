//! A release as a set of tables that can be queried.

use chrono::NaiveDate;

use crate::config::{Materialization, Project, Source, TableName};
use crate::plan::Graph;
use crate::storage::{Release, Warehouse};
use crate::transform::{Bindings, Workspace};

use super::build::landed_tables;
use super::prepare::{find_job, graph};
use super::{RunError, Surroundings, session_settings, warehouse};

/// A release that is open for queries.
pub struct ReleaseView {
    pub workspace: Workspace,
    pub release: Option<Release>,
    pub warehouse: Warehouse,
}

/// Opens a release of a job: its tables at their versions, its views, the landed tables and the seeds.
///
/// Without a release nothing but landed tables, seeds and views is there.
pub async fn open_release(
    project: &Project,
    surroundings: &Surroundings,
    job: &str,
    number: Option<u64>,
) -> Result<ReleaseView, RunError> {
    let job = find_job(project, job)?;
    let graph = graph(project).map_err(RunError::Problems)?;
    let warehouse = warehouse(project, &surroundings.stores);
    let release = match number {
        Some(number) => Some(crate::publish::read_release(&warehouse, &job.name, number).await?),
        None => warehouse.current_release(&job.name).await?,
    };
    let as_of = release.as_ref().map_or(NaiveDate::default(), |release| release.as_of);
    let bindings = Bindings::new(as_of, &job.parameters);
    let workspace = Workspace::new(&session_settings(project), bindings, &surroundings.stores)?;
    // Views read landed tables as they were when the release was built.
    let mut versions = release.as_ref().map(|release| release.landed.clone()).unwrap_or_default();
    let sources: Vec<&Source> = project.sources().collect();
    for source in &sources {
        if !versions.contains_key(&source.name)
            && let Some(snapshot) = warehouse.table("landed", &source.name)?.snapshot().await?
        {
            versions.insert(source.name.clone(), snapshot.version);
        }
    }
    let landed = landed_tables(&warehouse, &sources, |source| versions.get(source).copied()).await?;
    for (name, landed) in &landed {
        workspace.add_landed(name, landed, None)?;
    }
    for seed in project.seeds.values() {
        workspace.add_seed(seed)?;
    }
    let view = ReleaseView { workspace, release, warehouse };
    view.add_models(project, &graph, &landed.keys().cloned().collect::<Vec<_>>()).await?;
    view.add_histories(project).await?;
    Ok(view)
}

impl ReleaseView {
    async fn add_models(&self, project: &Project, graph: &Graph, sources: &[String]) -> Result<(), RunError> {
        let released = |name: &TableName| self.release.as_ref()?.tables.get(&name.to_string());
        for name in graph.order() {
            let Some(model) = project.models.get(name) else { continue };
            if let Some(released) = released(name) {
                let table = self.warehouse.table(&name.schema, &name.table)?;
                let snapshot = table.snapshot_at(released.version).await?;
                self.workspace.add_files(name, &table, &snapshot.schema, &[], &snapshot.files)?;
                continue;
            }
            let reads_landed: Vec<String> = graph
                .upstream(name)
                .into_iter()
                .filter(|table| table.schema == "landed")
                .map(|table| table.table)
                .collect();
            let is_unfed = !reads_landed.is_empty() && !reads_landed.iter().any(|source| sources.contains(source));
            if model.materialized == Materialization::View && !is_unfed {
                self.workspace.add_view(model).await?;
            } else {
                self.workspace.add_empty(name, &model.columns)?;
            }
        }
        Ok(())
    }

    async fn add_histories(&self, project: &Project) -> Result<(), RunError> {
        for (key, released) in self.release.iter().flat_map(|release| &release.tables) {
            let Some((schema, table_name)) = key.split_once('.') else { continue };
            let name = TableName::new(schema, table_name);
            if project.models.contains_key(&name) {
                continue;
            }
            let table = self.warehouse.table(schema, table_name)?;
            let snapshot = table.snapshot_at(released.version).await?;
            self.workspace.add_files(&name, &table, &snapshot.schema, &snapshot.partition_columns, &snapshot.files)?;
        }
        Ok(())
    }
}
