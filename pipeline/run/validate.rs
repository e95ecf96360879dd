//! Validates a project to the last column: every model and check is planned against the contracts, without data.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use tokio::task::JoinSet;

use crate::config::{CheckKind, Job, Model, Problem, Problems, Project, TableName};
use crate::land::contract_schema;
use crate::plan::{Graph, find_table, find_word};
use crate::storage::Stores;
use crate::transform::{Bindings, LandedTable, PlanMistake, Workspace};

use super::prepare::graph_problem;
use super::shared_tables::shared_tables;
use super::{RunError, session_settings};

/// Parts of a project's models that are planned at the same time.
const PLANNED_AT_ONCE: usize = 8;

/// Every mistake that the SQL of a project has; none where it is sound.
///
/// The files themselves have been validated when the project was loaded.
pub async fn validate_project(project: &Project) -> Result<Problems, RunError> {
    let mut mistakes = Mistakes::default();
    let graph = graph_of_sound(project, &mut mistakes);
    unknown_parameters(project, &graph, &mut mistakes);
    for (model, problem) in missing_leaves(project, &graph) {
        mistakes.add(&model, problem);
    }
    let Mistakes { mut problems, broken } = mistakes;
    for job in project.jobs.values() {
        problems.extend(validate_job(project, &graph, &broken, job).await?);
    }
    problems.extend(shared_tables(project, &graph));
    problems.sort();
    // A model of several jobs is planned for each of them.
    problems.dedup_by(|next, kept| {
        (&next.file, next.line, next.column, &next.message) == (&kept.file, kept.line, kept.column, &kept.message)
    });
    Ok(Problems(problems))
}

/// What was found before planning.
#[derive(Default)]
struct Mistakes {
    problems: Vec<Problem>,
    /// Models that cannot be planned: their readers see the columns that their YAML promises.
    broken: BTreeSet<TableName>,
}

impl Mistakes {
    fn add(&mut self, model: &TableName, problem: Problem) {
        self.problems.push(problem);
        self.broken.insert(model.clone());
    }
}

/// The graph without the models whose own SQL keeps them out of it, so that the others' mistakes show too.
fn graph_of_sound(project: &Project, mistakes: &mut Mistakes) -> Graph {
    let mut models = project.models.clone();
    loop {
        let found = match Graph::new(&models) {
            Ok(graph) => return graph,
            Err(found) => found,
        };
        let before = mistakes.broken.len();
        for mistake in &found {
            mistakes.add(&mistake.model, graph_problem(project, mistake));
            if let Some(model) = models.get_mut(&mistake.model) {
                model.sql = "select 1".to_owned();
            }
        }
        if mistakes.broken.len() == before {
            return Graph::default();
        }
    }
}

async fn validate_job(
    project: &Project,
    graph: &Graph,
    broken: &BTreeSet<TableName>,
    job: &Job,
) -> Result<Vec<Problem>, RunError> {
    let bindings = Bindings::new(chrono::NaiveDate::default(), &job.parameters);
    let workspace = Workspace::new(&session_settings(project), bindings, &Stores::new(&Default::default()))?;
    for source in project.sources() {
        let schema = contract_schema(source);
        let empty = LandedTable { table: None, schema, rows: Vec::new(), superseded: Vec::new() };
        workspace.add_landed(&source.name, &empty, None)?;
    }
    for seed in project.seeds.values() {
        workspace.add_seed(seed)?;
    }
    // Each model reads the columns that the others' YAML promises, so that mistakes do not multiply downstream, and
    // models can be planned in any order.
    for model in project.models.values() {
        workspace.add_empty(&model.name, &model.columns)?;
    }
    let declared: BTreeSet<&str> = project.sources().map(|source| source.name.as_str()).collect();
    // Missing sources are reported once for the whole project, by `missing_leaves`.
    let is_fed = |name: &TableName| {
        let mut landed = graph.upstream(name).into_iter().filter(|table| table.schema == "landed");
        landed.all(|table| declared.contains(table.table.as_str()))
    };
    let models: Vec<(Model, bool)> = project
        .models
        .values()
        .map(|model| (model.clone(), !broken.contains(&model.name) && is_fed(&model.name)))
        .collect();
    let mut planning = JoinSet::new();
    for part in models.chunks(models.len().div_ceil(PLANNED_AT_ONCE).max(1)) {
        planning.spawn(validate_models(project.root.clone(), workspace.clone(), part.to_vec()));
    }
    let mut problems = Vec::new();
    while let Some(found) = planning.join_next().await {
        problems.extend(found.map_err(|_| RunError::Interrupted)?);
    }
    Ok(problems)
}

/// Plans models (where they can be) and the queries of their checks.
async fn validate_models(root: PathBuf, workspace: Workspace, models: Vec<(Model, bool)>) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (model, is_planned) in &models {
        if *is_planned {
            let mistakes = workspace.validate_model(model).await;
            problems.extend(mistakes.iter().map(|mistake| plan_problem(model, mistake)));
        }
        problems.extend(validate_checks(&root, &workspace, model).await);
    }
    problems
}

fn plan_problem(model: &Model, mistake: &PlanMistake) -> Problem {
    if let Some(place) = mistake.column.as_ref().and_then(|column| promised_at(model, column)) {
        // What is promised has a place; where the query should have kept the promise is the author's choice.
        let hint = format!("it is promised here, and missing or different in {}", model.sql_file.display());
        return Problem {
            line: Some(place.0),
            column: Some(place.1),
            ..Problem::new(&model.yaml_file, mistake.message.clone()).hint(hint)
        };
    }
    let mut problem = Problem::new(&model.sql_file, mistake.message.clone());
    if let Some((line, column)) = place_in_sql(&model.sql, mistake) {
        problem = problem.at(line, column, &model.sql);
    }
    match &mistake.hint {
        Some(hint) => problem.hint(hint.clone()),
        None => problem,
    }
}

/// Where the YAML promises a column.
fn promised_at(model: &Model, column: &str) -> Option<(usize, usize)> {
    let index = model.columns.iter().position(|promised| promised.name == column)?;
    ["type", "name"].iter().find_map(|key| model.places.get(&format!("columns.{index}.{key}"))).copied()
}

/// Where the engine says that the mistake is, else where the name stands that it is about.
fn place_in_sql(sql: &str, mistake: &PlanMistake) -> Option<(usize, usize)> {
    mistake.place.or_else(|| {
        let name = quoted_name(&mistake.message)?;
        match name.strip_prefix('$') {
            Some(parameter) => find_word(sql, parameter).map(|(line, column)| (line, column.saturating_sub(1).max(1))),
            None => find_word(sql, &name),
        }
    })
}

/// The name that a message is about, where it stands in quotes.
fn quoted_name(message: &str) -> Option<String> {
    let between = |open: char| {
        let (_, rest) = message.split_once(open)?;
        let (word, _) = rest.split_once(open)?;
        Some(word.rsplit('.').next().unwrap_or(word).to_owned())
    };
    ['\'', '`', '"'].into_iter().find_map(between)
}

async fn validate_checks(root: &Path, workspace: &Workspace, model: &Model) -> Vec<Problem> {
    let queries = model.checks.iter().filter_map(|check| match &check.kind {
        CheckKind::Query(sql) => Some((&check.name, sql)),
        _ => None,
    });
    let mut problems = Vec::new();
    for ((name, sql), place) in queries.zip(places_of_queries(model)) {
        let Some(mistake) = workspace.validate_query(sql).await else { continue };
        let mut problem = Problem::new(&model.yaml_file, format!("check `{name}`: {}", mistake.message));
        // The file was read when the project was loaded; should it be gone by now, the message has no line to show.
        let yaml = std::fs::read_to_string(root.join(&model.yaml_file)).unwrap_or_default();
        let (line, column) = place_in_yaml(&yaml, place, sql, place_in_sql(sql, &mistake));
        problem = problem.at(line, column, &yaml);
        problem.hint = mistake.hint;
        problems.push(problem);
    }
    problems
}

/// Where the queries of a model's checks stand in its YAML, in their order.
fn places_of_queries(model: &Model) -> impl Iterator<Item = (usize, usize)> {
    (0..model.checks.len()).filter_map(|index| model.places.get(&format!("checks.{index}.sql")).copied())
}

/// A place in a query as a place in the YAML file that holds it; the query's own where the text differs, as in folded
/// or quoted text.
fn place_in_yaml(yaml: &str, query_at: (usize, usize), sql: &str, place: Option<(usize, usize)>) -> (usize, usize) {
    let (line, column) = place.unwrap_or((1, 1));
    let Some(wanted) = sql.lines().nth(line.saturating_sub(1)) else { return query_at };
    // A query begins beside its key, or in the line below `|`.
    for first in [query_at.0, query_at.0 + 1] {
        let number = first + line - 1;
        let found = yaml.lines().nth(number - 1).and_then(|text| {
            let (before, _) = text.split_once(wanted.trim_end())?;
            Some(before.chars().count())
        });
        if let Some(indent) = found
            && !wanted.trim().is_empty()
        {
            return (number, indent + column);
        }
    }
    query_at
}

/// Parameters that no configuration defines.
fn unknown_parameters(project: &Project, graph: &Graph, mistakes: &mut Mistakes) {
    let known: Vec<String> = project.environment.parameters.0.keys().cloned().collect();
    for (name, model) in &project.models {
        let Some(references) = graph.references(name) else { continue };
        for parameter in &references.parameters {
            if parameter == "as_of" || known.contains(parameter) {
                continue;
            }
            let mut problem = Problem::new(&model.sql_file, format!("no parameter `${parameter}`"));
            if let Some((line, column)) = find_word(&model.sql, parameter) {
                problem = problem.at(line, column.saturating_sub(1).max(1), &model.sql);
            }
            let choices: Vec<String> = known.iter().cloned().chain(["as_of".to_owned()]).collect();
            let hint = super::prepare::suggestion(parameter, &choices)
                .unwrap_or_else(|| "define it under `parameters` in the environment".to_owned());
            mistakes.add(name, problem.hint(hint));
        }
    }
}

/// The schema of models that stay empty where the project has none of their sources.
const STAGING: &str = "staging";

/// Letters that a mistyped name of a source may differ in; further away it is a source that the project does not have.
const TYPING_ERRORS: usize = 2;

/// Seeds that do not exist, and sources that are mistyped or that are missing beside others.
///
/// A staging model none of whose sources the project has is none of its own: the standard models come whole.
pub(super) fn missing_leaves(project: &Project, graph: &Graph) -> Vec<(TableName, Problem)> {
    let mut missing = Vec::new();
    let sources: BTreeSet<&str> = project.sources().map(|source| source.name.as_str()).collect();
    let is_mistyped =
        |name: &str| sources.iter().any(|source| strsim::damerau_levenshtein(name, source) <= TYPING_ERRORS);
    for (name, model) in &project.models {
        let Some(found) = graph.references(name) else { continue };
        let declared_in_part =
            found.tables.iter().any(|table| table.schema == "landed" && sources.contains(table.table.as_str()));
        for table in &found.tables {
            let is_missing_source = table.schema == "landed" && !sources.contains(table.table.as_str());
            let message = if table.schema == "seeds" && !project.seeds.contains_key(&table.table) {
                format!("no seed `{table}`")
            } else if is_missing_source && declared_in_part {
                format!("no source `{}`, though the model reads others that are there", table.table)
            } else if is_missing_source && (name.schema != STAGING || is_mistyped(&table.table)) {
                format!("no source `{}`", table.table)
            } else {
                continue;
            };
            let known: Vec<String> = if table.schema == "seeds" {
                project.seeds.keys().map(|seed| format!("seeds.{seed}")).collect()
            } else {
                sources.iter().map(|source| format!("landed.{source}")).collect()
            };
            let mut problem = Problem::new(&model.sql_file, message);
            if let Some((line, column)) = find_table(&model.sql, table) {
                problem = problem.at(line, column, &model.sql);
            }
            if let Some(hint) = super::prepare::suggestion(&table.to_string(), &known) {
                problem = problem.hint(hint);
            }
            missing.push((name.clone(), problem));
        }
    }
    missing
}
