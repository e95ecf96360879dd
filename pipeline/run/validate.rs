//! Validates a project to the last column: every model and check is planned against the contracts, without data.

use std::collections::BTreeSet;

use crate::config::{CheckKind, Job, Model, Problem, Problems, Project};
use crate::land::contract_schema;
use crate::plan::{Graph, find_word, references};
use crate::storage::Stores;
use crate::transform::{Bindings, LandedTable, PlanMistake, Workspace};

use super::prepare::graph;
use super::{RunError, session_settings};

/// Every mistake that the SQL of a project has; none where it is sound.
///
/// The files themselves have been validated when the project was loaded.
pub async fn validate_project(project: &Project) -> Result<Problems, RunError> {
    let graph = match graph(project) {
        Ok(graph) => graph,
        Err(problems) => return Ok(problems),
    };
    let mut problems = unknown_parameters(project, &graph);
    for job in project.jobs.values() {
        problems.extend(validate_job(project, &graph, job).await?);
    }
    problems.extend(missing_leaves(project));
    problems.sort();
    problems.dedup();
    Ok(Problems(problems))
}

async fn validate_job(project: &Project, graph: &Graph, job: &Job) -> Result<Vec<Problem>, RunError> {
    let bindings = Bindings::new(chrono::NaiveDate::default(), &job.parameters);
    let workspace = Workspace::new(&session_settings(project), bindings, &Stores::new(&Default::default()))?;
    for source in &job.sources {
        let schema = contract_schema(source);
        let empty = LandedTable { table: None, schema, rows: Vec::new(), superseded: Vec::new() };
        workspace.add_landed(&source.name, &empty, None)?;
    }
    for seed in project.seeds.values() {
        workspace.add_seed(seed)?;
    }
    let declared: BTreeSet<&str> = job.sources.iter().map(|source| source.name.as_str()).collect();
    let mut problems = Vec::new();
    for name in graph.order() {
        let Some(model) = project.models.get(name) else { continue };
        let landed: Vec<String> = graph
            .upstream(name)
            .into_iter()
            .filter(|table| table.schema == "landed")
            .map(|table| table.table)
            .collect();
        if !landed.is_empty() && !landed.iter().any(|source| declared.contains(source.as_str())) {
            workspace.add_empty(name, &model.columns)?;
            continue;
        }
        if landed.iter().any(|source| !declared.contains(source.as_str())) {
            // Reported once for the whole project, by `missing_leaves`.
            workspace.add_empty(name, &model.columns)?;
            continue;
        }
        let mistakes = workspace.validate_model(model).await?;
        problems.extend(mistakes.iter().map(|mistake| plan_problem(model, mistake)));
    }
    for model in project.models.values() {
        problems.extend(validate_checks(&workspace, model).await);
    }
    Ok(problems)
}

fn plan_problem(model: &Model, mistake: &PlanMistake) -> Problem {
    let mut problem = Problem::new(&model.sql_file, mistake.message.clone());
    let place = mistake.place.or_else(|| quoted_name(&mistake.message).and_then(|word| find_word(&model.sql, &word)));
    if let Some((line, column)) = place {
        problem = problem.at(line, column, &model.sql);
    }
    match &mistake.hint {
        Some(hint) => problem.hint(hint.clone()),
        None => problem,
    }
}

/// The name that a message is about, where it stands in back-ticks or quotes.
fn quoted_name(message: &str) -> Option<String> {
    let between = |open: char| {
        let (_, rest) = message.split_once(open)?;
        let (word, _) = rest.split_once(open)?;
        Some(word.rsplit('.').next().unwrap_or(word).to_owned())
    };
    between('\'').or_else(|| between('`'))
}

async fn validate_checks(workspace: &Workspace, model: &Model) -> Vec<Problem> {
    let mut problems = Vec::new();
    for check in &model.checks {
        if let CheckKind::Query(sql) = &check.kind
            && let Some((message, _)) = workspace.validate_query(sql).await
        {
            let place = model.places.get(&format!("checks.{}", check.name));
            let mut problem = Problem::new(&model.yaml_file, format!("check `{}`: {message}", check.name));
            if let Some((line, column)) = place {
                problem.line = Some(*line);
                problem.column = Some(*column);
            }
            problems.push(problem);
        }
    }
    problems
}

/// Parameters that no configuration defines.
fn unknown_parameters(project: &Project, graph: &Graph) -> Vec<Problem> {
    let known: BTreeSet<&String> = project.environment.parameters.0.keys().collect();
    let mut problems = Vec::new();
    for (name, model) in &project.models {
        let Some(references) = graph.references(name) else { continue };
        for parameter in &references.parameters {
            if parameter != "as_of" && !known.contains(parameter) {
                let mut problem = Problem::new(&model.sql_file, format!("no parameter `${parameter}`"));
                if let Some((line, column)) = find_word(&model.sql, parameter) {
                    problem = problem.at(line, column.saturating_sub(1).max(1), &model.sql);
                }
                let names: Vec<String> = known.iter().map(|name| (*name).clone()).collect();
                problems.push(match super::prepare::suggestion(parameter, &names) {
                    Some(hint) => problem.hint(hint),
                    None => problem.hint("define it under `parameters` in the environment"),
                });
            }
        }
    }
    problems
}

/// Seeds that do not exist, and sources that one job declares only in part.
fn missing_leaves(project: &Project) -> Vec<Problem> {
    let sources: BTreeSet<&str> =
        project.jobs.values().flat_map(|job| job.sources.iter().map(|source| source.name.as_str())).collect();
    let mut problems = Vec::new();
    for model in project.models.values() {
        let Ok(found) = references(&model.sql) else { continue };
        let declared_in_part =
            found.tables.iter().any(|table| table.schema == "landed" && sources.contains(table.table.as_str()));
        for table in &found.tables {
            let message = match table.schema.as_str() {
                "seeds" if !project.seeds.contains_key(&table.table) => format!("no seed `{table}`"),
                "landed" if declared_in_part && !sources.contains(table.table.as_str()) => {
                    format!("no source `{}`, though the model reads others that are there", table.table)
                }
                _ => continue,
            };
            let known: Vec<String> = if table.schema == "seeds" {
                project.seeds.keys().map(|seed| format!("seeds.{seed}")).collect()
            } else {
                sources.iter().map(|source| format!("landed.{source}")).collect()
            };
            let mut problem = Problem::new(&model.sql_file, message);
            if let Some((line, column)) = find_word(&model.sql, &table.table) {
                problem = problem.at(line, column, &model.sql);
            }
            problems.push(match super::prepare::suggestion(&table.to_string(), &known) {
                Some(hint) => problem.hint(hint),
                None => problem,
            });
        }
    }
    problems
}
