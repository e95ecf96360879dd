//! Gathers what the data dictionary says: the project's files, the plans of its models, releases and check results.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::{Check, DataType, Job, Model, ModelColumn, Parameters, Project, TableName, standard_parameter};
use crate::dictionary::{
    CheckEntry, CheckResult, ColumnEntry, Dictionary, ParameterEntry, ReleaseEntry, TableEntry, demand_words,
    history_words, materialization_words,
};
use crate::land::contract_schema;
use crate::plan::Graph;
use crate::state::{CheckStatus, RunFilter, State};
use crate::storage::{Release, Stores};
use crate::transform::{Bindings, LandedTable, Lineage, Workspace};

use super::prepare::graph;
use super::{RunError, Surroundings, session_settings, warehouse};

/// How many runs back a check's last result is looked for: a table that was kept has none in the newest.
const RUNS_LOOKED_AT: u32 = 50;

/// Gathers the dictionary. `state` is `None` where nothing has been recorded yet.
pub async fn data_dictionary(
    project: &Project,
    state: Option<&State>,
    surroundings: &Surroundings,
) -> Result<Dictionary, RunError> {
    let graph = graph(project).map_err(RunError::Problems)?;
    let warehouse = warehouse(project, &surroundings.stores);
    let mut releases = BTreeMap::new();
    for job in project.jobs.keys() {
        if let Some(release) = warehouse.current_release(job).await? {
            releases.insert(job.clone(), release);
        }
    }
    let results = match state {
        Some(state) => last_results(state, surroundings).await?,
        None => BTreeMap::new(),
    };
    let gathered = Gathered { project, graph: &graph, releases, results, lineage: lineage(project, &graph).await? };
    Ok(Dictionary {
        timezone: project.environment.timezone.name().to_owned(),
        currency: project.environment.currency.clone(),
        releases: gathered.releases.values().map(release_entry).collect(),
        tables: gathered.tables(),
        parameters: gathered.parameters(),
    })
}

fn release_entry(release: &Release) -> ReleaseEntry {
    ReleaseEntry { job: release.job.clone(), number: release.number, as_of: release.as_of }
}

type Results = BTreeMap<(String, String), CheckResult>;

async fn last_results(state: &State, surroundings: &Surroundings) -> Result<Results, RunError> {
    let now = (surroundings.clock)();
    let mut results = Results::new();
    let filter = RunFilter { limit: Some(RUNS_LOOKED_AT), ..RunFilter::default() };
    for run in state.list_runs(&filter, now).await? {
        for check in state.show_run(&run.run_id, now).await?.checks {
            let words = match check.status {
                CheckStatus::Passed => "passed".to_owned(),
                CheckStatus::Failed if check.bad_rows == 1 => "1 bad row".to_owned(),
                CheckStatus::Failed => format!("{} bad rows", check.bad_rows),
                CheckStatus::Error => "could not run".to_owned(),
            };
            let result = CheckResult { words, is_passed: check.status == CheckStatus::Passed, as_of: run.as_of };
            results.entry((check.table, check.check)).or_insert(result);
        }
    }
    Ok(results)
}

/// The lineage of every model, from plans over empty tables: of the first job whose sources it can be planned over.
async fn lineage(project: &Project, graph: &Graph) -> Result<BTreeMap<TableName, Lineage>, RunError> {
    let mut found = BTreeMap::new();
    for job in project.jobs.values() {
        let workspace = empty_workspace(project, job)?;
        let declared: BTreeSet<&str> = project.sources().map(|source| source.name.as_str()).collect();
        for name in graph.order() {
            let Some(model) = project.models.get(name) else { continue };
            let is_readable = graph
                .upstream(name)
                .iter()
                .all(|table| table.schema != "landed" || declared.contains(table.table.as_str()));
            if is_readable && !found.contains_key(name) {
                found.insert(name.clone(), workspace.lineage(model).await?);
            }
            workspace.add_empty(name, &model.columns)?;
        }
    }
    Ok(found)
}

fn empty_workspace(project: &Project, job: &Job) -> Result<Workspace, RunError> {
    let bindings = Bindings::new(chrono::NaiveDate::default(), &job.parameters);
    let workspace = Workspace::new(&session_settings(project), bindings, &Stores::new(&BTreeMap::new()))?;
    for source in project.sources() {
        let schema = contract_schema(source);
        let empty = LandedTable { table: None, schema, rows: Vec::new(), superseded: Vec::new() };
        workspace.add_landed(&source.name, &empty, None)?;
    }
    for seed in project.seeds.values() {
        workspace.add_seed(seed)?;
    }
    Ok(workspace)
}

/// Everything that the entries are made of.
struct Gathered<'a> {
    project: &'a Project,
    graph: &'a Graph,
    releases: BTreeMap<String, Release>,
    results: Results,
    lineage: BTreeMap<TableName, Lineage>,
}

impl Gathered<'_> {
    fn tables(&self) -> Vec<TableEntry> {
        let models = self.project.models.values().map(|model| self.model(model));
        let seeds = self.project.seeds.values().map(|seed| {
            let name = TableName::new("seeds", &seed.name);
            let file = seed.csv_file.display().to_string();
            let rows = Some(seed.rows().len() as u64);
            TableEntry { rows, columns: columns(&seed.columns), ..self.leaf(name, "seed", &seed.description, file) }
        });
        let mut sources = BTreeMap::new();
        for job in self.project.jobs.values() {
            for source in &job.sources {
                sources.entry(&source.name).or_insert_with(|| {
                    let name = TableName::new("landed", &source.name);
                    let described = |column: &crate::config::ColumnContract| ColumnEntry {
                        name: column.name.clone(),
                        data_type: column.data_type.to_string(),
                        description: contract_words(column),
                        from: Vec::new(),
                    };
                    TableEntry {
                        grain: source.key.clone(),
                        columns: source.columns.iter().map(described).collect(),
                        ..self.leaf(
                            name,
                            "source",
                            "Rows that keep the source's contract.",
                            job.file.display().to_string(),
                        )
                    }
                });
            }
        }
        models.chain(seeds).chain(sources.into_values()).collect()
    }

    fn leaf(&self, name: TableName, made_as: &str, description: &str, file: String) -> TableEntry {
        TableEntry {
            description: description.to_owned(),
            made_as: made_as.to_owned(),
            grain: Vec::new(),
            history: None,
            owner: None,
            tags: Vec::new(),
            file,
            rows: None,
            columns: Vec::new(),
            parameters: Vec::new(),
            reads: Vec::new(),
            read_by: self.graph.downstream(&name),
            checks: Vec::new(),
            name,
        }
    }

    fn model(&self, model: &Model) -> TableEntry {
        let none = Lineage::new();
        let lineage = self.lineage.get(&model.name).unwrap_or(&none);
        let column = |column: &ModelColumn| ColumnEntry {
            from: lineage.get(&column.name).into_iter().flatten().cloned().collect(),
            ..column_entry(column)
        };
        let published = model.name.to_string();
        TableEntry {
            grain: model.grain.clone(),
            history: history_words(model.history),
            owner: model.owner.clone(),
            tags: model.tags.clone(),
            rows: self.releases.values().find_map(|release| release.tables.get(&published)).map(|table| table.rows),
            columns: model.columns.iter().map(column).collect(),
            parameters: self.parameters_of(&model.name),
            reads: self.graph.upstream(&model.name),
            checks: model.checks.iter().map(|check| self.check(model, check)).collect(),
            ..self.leaf(
                model.name.clone(),
                &materialization_words(&model.materialized),
                &model.description,
                model.sql_file.display().to_string(),
            )
        }
    }

    fn parameters_of(&self, model: &TableName) -> Vec<String> {
        let used = self.graph.references(model).map(|found| &found.parameters);
        used.into_iter().flatten().filter(|name| *name != "as_of").cloned().collect()
    }

    fn check(&self, model: &Model, check: &Check) -> CheckEntry {
        CheckEntry {
            name: check.name.clone(),
            demand: demand_words(check),
            severity: check.severity,
            last: self.results.get(&(model.name.to_string(), check.name.clone())).cloned(),
        }
    }

    fn parameters(&self) -> Vec<ParameterEntry> {
        let entry = |name: &String| {
            let standard = standard_parameter(name);
            let value = |parameters: &Parameters| parameters.get(name).map(ToString::to_string).unwrap_or_default();
            let jobs = self.project.jobs.iter().map(|(job, of_job)| (job.clone(), value(&of_job.parameters)));
            let mut values: BTreeMap<String, String> = jobs.collect();
            let distinct: BTreeSet<&String> = values.values().collect();
            if let [only] = distinct.into_iter().collect::<Vec<_>>().as_slice() {
                values = BTreeMap::from([(String::new(), (*only).clone())]);
            }
            let models = self.project.models.keys().filter(|model| self.parameters_of(model).contains(name));
            ParameterEntry {
                name: name.clone(),
                description: standard.map(|standard| standard.description.to_owned()).unwrap_or_default(),
                default: standard.map(|standard| standard.default_value().to_string()),
                values,
                used_by: models.cloned().collect(),
            }
        };
        self.project.environment.parameters.0.keys().map(entry).collect()
    }
}

fn columns(columns: &[ModelColumn]) -> Vec<ColumnEntry> {
    columns.iter().map(column_entry).collect()
}

fn column_entry(column: &ModelColumn) -> ColumnEntry {
    ColumnEntry {
        name: column.name.clone(),
        data_type: type_words(column.data_type),
        description: column.description.clone(),
        from: Vec::new(),
    }
}

fn type_words(data_type: DataType) -> String {
    match data_type {
        DataType::Decimal { precision: 18, scale: 2 } => "money".to_owned(),
        other => other.to_string(),
    }
}

/// What a contract demands of a column, in words.
fn contract_words(column: &crate::config::ColumnContract) -> String {
    let mut words = Vec::new();
    if let Some(from) = &column.from {
        words.push(format!("from \"{from}\""));
    }
    if column.required {
        words.push("required".to_owned());
    }
    if column.pii {
        words.push("personal: masked in listings".to_owned());
    }
    if !column.accepted_values.is_empty() {
        words.push(format!("one of {}", column.accepted_values.join(", ")));
    }
    match (&column.min, &column.max) {
        (Some(min), Some(max)) => words.push(format!("from {min} to {max}")),
        (Some(min), None) => words.push(format!("at least {min}")),
        (None, Some(max)) => words.push(format!("at most {max}")),
        (None, None) => {}
    }
    words.join("; ")
}
