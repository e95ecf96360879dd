//! What runs build on: a job whose waiting objects have landed.

use std::collections::BTreeMap;

use crate::config::{Project, Source, TableName};
use crate::land::LandingPlan;
use crate::plan::{PlanInputs, RunPlan, SourceState, plan_run};
use crate::transform::LandedTable;

use super::build::landed_tables;
use super::prepare::{Prepared, repair_window, states_after_landing};
use super::{RunError, RunRequest, Surroundings, warehouse};

/// A prepared job after its landing: from here on, plans cost nothing, for whatever day.
#[derive(Clone)]
pub(super) struct Landed {
    /// Its sources have nothing waiting any more.
    pub prepared: Prepared,
    states: BTreeMap<String, SourceState>,
}

impl Landed {
    /// Looks at the landed tables once more.
    pub async fn look(
        project: &Project,
        surroundings: &Surroundings,
        mut prepared: Prepared,
    ) -> Result<Self, RunError> {
        for source in &mut prepared.sources {
            source.landing = LandingPlan::default();
        }
        let states = states_after_landing(project, surroundings, &prepared).await?;
        Ok(Self { prepared, states })
    }

    /// Plans a run with the days that the landed objects really touched.
    pub fn plan(&self, project: &Project, request: &RunRequest) -> RunPlan {
        self.plan_of(project, request, &self.prepared.selected)
    }

    /// The same, for some models only.
    pub fn plan_of(&self, project: &Project, request: &RunRequest, selected: &[TableName]) -> RunPlan {
        let window = project.jobs.get(&request.job).map_or(0, |job| repair_window(job, request));
        plan_run(&PlanInputs {
            project,
            graph: &self.prepared.graph,
            job: &request.job,
            parameters: &self.prepared.parameters,
            as_of: request.as_of,
            selected,
            sources: &self.states,
            current: self.prepared.current.as_ref(),
            full_refresh: request.full_refresh,
            repair_window: window,
        })
    }

    /// The versions of the landed tables that are built on.
    pub fn versions(&self) -> BTreeMap<String, u64> {
        self.states.iter().filter_map(|(name, state)| Some((name.clone(), state.version.version?))).collect()
    }

    /// The landed tables at these versions: another job may land the same source meanwhile.
    pub async fn tables(
        &self,
        project: &Project,
        surroundings: &Surroundings,
    ) -> Result<BTreeMap<String, LandedTable>, RunError> {
        let warehouse = warehouse(project, &surroundings.stores);
        let versions = self.versions();
        let known: Vec<&Source> = project.sources().filter(|source| self.states.contains_key(&source.name)).collect();
        landed_tables(&warehouse, &known, |source| versions.get(source).copied()).await
    }
}
