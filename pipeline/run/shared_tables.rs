//! Tables that two jobs would build: what each selects, with everything that it needs.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::{Job, Materialization, Problem, Project, TableName, select_models};
use crate::plan::Graph;

use super::prepare::GraphView;

/// Every table that more than one job builds, at the later job's `models`; of several between two jobs, the first.
///
/// Tables that both jobs select by themselves have been reported when the project was loaded.
pub(super) fn shared_tables(project: &Project, graph: &Graph) -> Vec<Problem> {
    let mut owners: BTreeMap<TableName, (&str, bool)> = BTreeMap::new();
    let mut problems = Vec::new();
    for job in project.jobs.values() {
        let (selected, built) = built_by(project, graph, job);
        let mut told = BTreeSet::new();
        for table in built {
            let is_selected = selected.contains(&table);
            match owners.get(&table) {
                Some((owner, was_selected)) => {
                    if !(is_selected && *was_selected) && told.insert(*owner) {
                        problems.push(problem(project, job, owner, &table));
                    }
                }
                None => {
                    owners.insert(table, (&job.name, is_selected));
                }
            }
        }
    }
    problems
}

fn built_by(project: &Project, graph: &Graph, job: &Job) -> (BTreeSet<TableName>, Vec<TableName>) {
    // A selector that matches nothing has been reported.
    let selected = select_models(project, &job.models, &GraphView(graph)).unwrap_or_default();
    let is_table =
        |name: &TableName| project.models.get(name).is_some_and(|model| model.materialized != Materialization::View);
    let built = graph.with_upstream_and_checks(&selected).into_iter().filter(is_table).collect();
    (selected.into_iter().collect(), built)
}

fn problem(project: &Project, job: &Job, owner: &str, table: &TableName) -> Problem {
    let message = format!("`{table}` is written by two jobs: `{owner}` and this one, which needs it");
    let problem =
        Problem::new(&job.file, message).hint(format!("give both jobs' models to one job, or make `{table}` a view"));
    let text = std::fs::read_to_string(project.root.join(&job.file)).unwrap_or_default();
    match text.lines().position(|line| line.starts_with("models:")) {
        Some(line) => problem.at(line + 1, 1, &text),
        None => problem,
    }
}
