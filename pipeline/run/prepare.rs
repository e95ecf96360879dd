//! Reads everything that a plan needs: listings, logs, the current release. Changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, TryStreamExt, stream};

use crate::config::{Case, Job, ModelGraph, Parameters, Problem, Problems, Project, Source, TableName, select_models};
use crate::land::{LandingPlan, TouchedDays, landed_schema};
use crate::plan::{
    Graph, GraphMistake, PlanInputs, RunPlan, SourceState, SourceVersion, Touched, model_of_history, nearest, plan_run,
};
use crate::publish::days_of;
use crate::storage::{CommitMetadata, HistoryDay, Release, Snapshot, StorageError, Table, Warehouse};

use super::released::is_written;
use super::validate::missing_leaves;
use super::{RunError, RunRequest, Surroundings, landing, parameters, warehouse};

/// Sources whose drop zones are listed at once.
const SOURCES_AT_ONCE: usize = 8;
/// Commits of one table that are read at once.
const COMMITS_AT_ONCE: usize = 8;

/// A job that is ready to be planned, and its plan.
#[derive(Clone)]
pub struct Prepared {
    pub plan: RunPlan,
    pub graph: Graph,
    pub parameters: Parameters,
    pub current: Option<Release>,
    /// The sources that the run lands, in the order of the job.
    pub sources: Vec<PreparedSource>,
    /// The models that were asked for.
    pub selected: Vec<TableName>,
}

/// One source with its landed table.
#[derive(Clone)]
pub struct PreparedSource {
    pub source: Source,
    pub table: Table,
    pub landing: LandingPlan,
}

/// The graph as selectors walk it.
pub(super) struct GraphView<'a>(pub &'a Graph);

impl ModelGraph for GraphView<'_> {
    fn inputs(&self, model: &TableName) -> Vec<TableName> {
        self.0.upstream(model)
    }

    fn readers(&self, model: &TableName) -> Vec<TableName> {
        self.0.downstream(model)
    }
}

/// Finds a job, or says which there are.
pub(super) fn find_job<'a>(project: &'a Project, name: &str) -> Result<&'a Job, RunError> {
    project
        .jobs
        .get(name)
        .ok_or_else(|| RunError::UnknownJob { job: name.to_owned(), known: project.jobs.keys().cloned().collect() })
}

/// The graph of a project's models, its mistakes in the form of a user's files.
pub(super) fn graph(project: &Project) -> Result<Graph, Problems> {
    let graph = Graph::new(&project.models)
        .map_err(|mistakes| Problems(mistakes.iter().map(|mistake| graph_problem(project, mistake)).collect()))?;
    // Of a source that is not there, every row would be missing without a word.
    let missing = missing_leaves(project, &graph).into_iter().map(|(_, problem)| problem);
    Problems(missing.collect()).into_result(graph)
}

pub(super) fn graph_problem(project: &Project, mistake: &GraphMistake) -> Problem {
    let file = project.models.get(&mistake.model).map(|model| model.sql_file.clone()).unwrap_or_default();
    let text = project.models.get(&mistake.model).map(|model| model.sql.as_str()).unwrap_or_default();
    let mut problem = Problem::new(file, mistake.mistake.message.clone());
    if let Some((line, column)) = mistake.mistake.place {
        problem = problem.at(line, column, text);
    }
    match &mistake.hint {
        Some(hint) => problem.hint(hint.clone()),
        None => problem,
    }
}

/// The models that a request means.
fn select(project: &Project, graph: &Graph, job: &Job, request: &RunRequest) -> Result<Vec<TableName>, RunError> {
    let of_job = select_models(project, &job.models, &GraphView(graph)).map_err(RunError::Selector)?;
    if request.select.is_empty() {
        return Ok(of_job);
    }
    let built: BTreeSet<TableName> = graph.with_upstream_and_checks(&of_job).into_iter().collect();
    let asked = select_models(project, &request.select, &GraphView(graph)).map_err(RunError::Selector)?;
    match asked.iter().find(|model| !built.contains(*model)) {
        Some(model) => Err(RunError::NotOfJob { job: job.name.clone(), model: model.to_string() }),
        None => Ok(asked),
    }
}

/// The cases of the chosen models (of all, where nothing is chosen), and the graph to build them with.
pub fn select_cases(project: &Project, cases: Vec<Case>, selectors: &[String]) -> Result<(Graph, Vec<Case>), RunError> {
    let graph = graph(project).map_err(RunError::Problems)?;
    if selectors.is_empty() {
        return Ok((graph, cases));
    }
    let chosen = select_models(project, selectors, &GraphView(&graph)).map_err(RunError::Selector)?;
    let cases = cases.into_iter().filter(|case| chosen.contains(&case.model)).collect();
    Ok((graph, cases))
}

/// Refuses a request that cannot be meant, before anything is locked, recorded or read.
pub(super) fn check_request(project: &Project, request: &RunRequest) -> Result<(), RunError> {
    let job = find_job(project, &request.job)?;
    parameters(job, &request.variables)?;
    let graph = graph(project).map_err(RunError::Problems)?;
    select(project, &graph, job, request).map(|_| ())
}

/// Prepares a run: what `plan` prints and `run` executes.
pub async fn prepare(
    project: &Project,
    surroundings: &Surroundings,
    request: &RunRequest,
) -> Result<Prepared, RunError> {
    let job = find_job(project, &request.job)?;
    let parameters = parameters(job, &request.variables)?;
    let graph = graph(project).map_err(RunError::Problems)?;
    let selected = select(project, &graph, job, request)?;
    let warehouse = warehouse(project, &surroundings.stores);
    let mut current = warehouse.current_release(&job.name).await?;
    if let Some(release) = &mut current {
        fill_history_days(&warehouse, release).await?;
    }
    let repair_window = repair_window(job, request);
    let needed = needed_sources(&graph, job, &selected, !request.select.is_empty());
    let preparing = needed.into_iter().map(|source| prepare_source(project, surroundings, &warehouse, source));
    let sources: Vec<PreparedSource> = stream::iter(preparing).buffered(SOURCES_AT_ONCE).try_collect().await?;
    let mut states = BTreeMap::new();
    for source in &sources {
        let snapshot = source.landing.snapshot.as_ref();
        let state = source_state(project, source, snapshot, current.as_ref(), true).await?;
        states.insert(source.source.name.clone(), state);
    }
    add_sources_at_rest(project, &warehouse, &graph, job, &selected, current.as_ref(), &mut states).await?;
    let plan = plan_run(&PlanInputs {
        project,
        graph: &graph,
        job: &job.name,
        parameters: &parameters,
        as_of: request.as_of,
        selected: &selected,
        sources: &states,
        current: current.as_ref(),
        full_refresh: request.full_refresh,
        repair_window,
    });
    let mut plan = plan;
    plan.sources.retain(|step| sources.iter().any(|source| source.source.name == step.source));
    Ok(Prepared { plan, graph, parameters, current, sources, selected })
}

/// So many days back a run puts late facts into histories; one that builds only some tables, or with other parameters,
/// leaves that to the next.
pub(super) fn repair_window(job: &Job, request: &RunRequest) -> u64 {
    if request.select.is_empty() && request.variables.is_empty() { job.repair_window } else { 0 }
}

/// What is known of the sources when the waiting objects have landed.
pub(super) async fn states_after_landing(
    project: &Project,
    surroundings: &Surroundings,
    prepared: &Prepared,
) -> Result<BTreeMap<String, SourceState>, RunError> {
    let job = find_job(project, &prepared.plan.job)?;
    let warehouse = warehouse(project, &surroundings.stores);
    let mut states = BTreeMap::new();
    for source in &prepared.sources {
        let snapshot = source.table.snapshot().await?;
        let state = source_state(project, source, snapshot.as_ref(), prepared.current.as_ref(), false).await?;
        states.insert(source.source.name.clone(), state);
    }
    let Prepared { graph, selected, current, .. } = prepared;
    add_sources_at_rest(project, &warehouse, graph, job, selected, current.as_ref(), &mut states).await?;
    Ok(states)
}

/// A selection needs only the sources that its models read.
fn needed_sources(graph: &Graph, job: &Job, selected: &[TableName], is_selection: bool) -> Vec<Source> {
    if !is_selection {
        return job.sources.clone();
    }
    let read = read_sources(graph, selected);
    job.sources.iter().filter(|source| read.contains(&source.name)).cloned().collect()
}

/// The names of the sources that models, and what they need, read.
fn read_sources(graph: &Graph, selected: &[TableName]) -> BTreeSet<String> {
    let models = graph.with_upstream_and_checks(selected);
    let inputs = models.iter().flat_map(|model| graph.upstream(model));
    inputs.filter(|table| table.schema == "landed").map(|table| table.table).collect()
}

async fn prepare_source(
    project: &Project,
    surroundings: &Surroundings,
    warehouse: &Warehouse,
    source: Source,
) -> Result<PreparedSource, RunError> {
    let table = warehouse.table("landed", &source.name)?;
    let landing = landing::plan(project, surroundings, &source, &table).await?;
    Ok(PreparedSource { source, table, landing })
}

/// Sources that this run does not land, as they are: the job's own, and those that other jobs land for its models.
async fn add_sources_at_rest(
    project: &Project,
    warehouse: &Warehouse,
    graph: &Graph,
    job: &Job,
    selected: &[TableName],
    current: Option<&Release>,
    states: &mut BTreeMap<String, SourceState>,
) -> Result<(), RunError> {
    let read = read_sources(graph, selected);
    let is_used =
        |source: &&Source| job.sources.iter().any(|own| own.name == source.name) || read.contains(&source.name);
    let used: Vec<&Source> = project.sources().filter(is_used).collect();
    for source in used {
        if !states.contains_key(&source.name) {
            let table = warehouse.table("landed", &source.name)?;
            let snapshot = table.snapshot().await?;
            let resting = PreparedSource { source: source.clone(), table, landing: LandingPlan::default() };
            let state = source_state(project, &resting, snapshot.as_ref(), current, false).await?;
            states.insert(source.name.clone(), state);
        }
    }
    Ok(())
}

async fn source_state(
    project: &Project,
    source: &PreparedSource,
    snapshot: Option<&Snapshot>,
    current: Option<&Release>,
    is_before_landing: bool,
) -> Result<SourceState, StorageError> {
    let diff = &source.landing.diff;
    let is_pending = is_before_landing && diff.objects() > 0;
    let version = snapshot.map(|snapshot| snapshot.version);
    let columns = match snapshot {
        Some(snapshot) => landed_schema(&source.source, &snapshot.schema),
        None => crate::land::contract_schema(&source.source),
    };
    let by_name = source.source.event_time.is_some() && source.source.location.contains("{day}");
    let mut built_from: BTreeSet<u64> = BTreeSet::new();
    // A table that no run writes any more would make each read more of the log than the one before.
    let tables = current.iter().flat_map(|release| &release.tables);
    for (_, table) in tables.filter(|(name, table)| is_written(project, name, table)) {
        built_from.extend(table.landed.get(&source.source.name));
    }
    let is_new = current.is_some_and(|release| !release.landed.contains_key(&source.source.name));
    let first = built_from.first().map(|built| built + 1).into_iter().chain(is_new.then_some(0)).min();
    let commits = commits(&source.table, first, version).await?;
    let has_event_time = source.source.event_time.is_some();
    let days = |metadata: &CommitMetadata| TouchedDays::from_commit(metadata);
    let facts = |metadata: &CommitMetadata| TouchedDays::facts_of_commit(metadata, has_event_time);
    let touched_since = built_from.iter().map(|built| (*built, since(&commits, built + 1, &days))).collect();
    let mut facts_since: BTreeMap<Option<u64>, Touched> =
        built_from.iter().map(|built| (Some(*built), since(&commits, built + 1, &facts))).collect();
    if is_new {
        facts_since.insert(None, since(&commits, 0, &facts));
    }
    let pending_facts = if is_pending { diff.delivered() } else { BTreeSet::new() };
    Ok(SourceState {
        version: SourceVersion { version, is_pending, columns: columns.to_string() },
        new_objects: diff.new.len(),
        changed_objects: diff.changed.len(),
        unchanged_objects: diff.unchanged,
        bytes: diff.bytes(),
        pending_days: by_name.then_some(diff.days()),
        touched_since,
        facts_since,
        pending_facts,
    })
}

/// What the commits of a table say of themselves, from one version to another; `None` for each whose log entry is gone.
pub(super) type Commits = BTreeMap<u64, Option<CommitMetadata>>;

pub(super) async fn commits(table: &Table, first: Option<u64>, last: Option<u64>) -> Result<Commits, StorageError> {
    let (Some(first), Some(last)) = (first, last) else { return Ok(Commits::new()) };
    let reading = (first..=last).map(|version| async move { Ok((version, table.commit_metadata(version).await?)) });
    stream::iter(reading).buffered(COMMITS_AT_ONCE).try_collect().await
}

/// The days that commits touched from a version on.
fn since(commits: &Commits, first: u64, days: &impl Fn(&CommitMetadata) -> TouchedDays) -> Touched {
    let mut all = TouchedDays::default();
    for metadata in commits.range(first..).map(|(_, metadata)| metadata) {
        // The log may have been cleaned up that far back.
        all.extend(metadata.as_ref().map_or(TouchedDays::All, days));
    }
    match all {
        TouchedDays::All => Touched::All,
        TouchedDays::Days(days) => Touched::Days(days),
    }
}

/// Says which days the histories of a release have where its record does not: an older program wrote it.
async fn fill_history_days(warehouse: &Warehouse, release: &mut Release) -> Result<(), StorageError> {
    for (name, released) in release.tables.iter_mut().filter(|(_, released)| released.days.is_empty()) {
        let Some((schema, table)) = model_of_history(name).and_then(|_| name.split_once('.')) else { continue };
        let snapshot = warehouse.table(schema, table)?.snapshot_at(released.version).await?;
        released.days = days_of(&snapshot.files).into_iter().map(|day| (day, HistoryDay::default())).collect();
    }
    Ok(())
}

/// What to say about a name that nothing has.
pub fn suggestion(name: &str, known: &[String]) -> Option<String> {
    nearest(name, known.iter().cloned()).map(|candidate| format!("did you mean `{candidate}`?"))
}
