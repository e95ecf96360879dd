//! What the tests of models share: the project as it is shipped, and builds over given tables.

use std::collections::BTreeMap;
use std::path::Path;

use arrow::array::RecordBatch;
use chrono::NaiveDate;
use lifecycle::config::{Case, Parameters, Project, TableName, load_cases, load_project};
use lifecycle::plan::Graph;
use lifecycle::run::BuildSetting;

/// Tables by qualified name.
pub type Tables = BTreeMap<TableName, Vec<RecordBatch>>;

/// Loads this project: its models, seeds, jobs and cases.
pub fn project() -> Project {
    load_project(Path::new(env!("CARGO_MANIFEST_DIR")), "local", &|_| None)
        .unwrap_or_else(|problems| panic!("the project has mistakes:\n{problems}"))
}

pub fn cases(project: &Project) -> Vec<Case> {
    load_cases(project).unwrap_or_else(|problems| panic!("the cases have mistakes:\n{problems}"))
}

pub fn graph(project: &Project) -> Graph {
    Graph::new(&project.models).expect("the models' SQL is sound")
}

/// The defaults, in London.
pub fn setting(as_of: NaiveDate) -> BuildSetting {
    let parameters = Parameters::standard();
    BuildSetting { as_of, timezone: chrono_tz::Europe::London, parameters, parallelism: 2 }
}
