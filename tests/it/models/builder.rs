//! What the tests of models share: the project as it is shipped, and builds over given tables.

use std::collections::BTreeMap;
use std::path::Path;

use arrow::array::RecordBatch;
use chrono::NaiveDate;
use lifecycle::config::{Case, Parameters, Project, TableName, load_cases, load_project};
use lifecycle::plan::Graph;
use lifecycle::run::{BuildSetting, ModelBuilder};

use super::values::table;

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

/// Builds every model that is not given, over given tables, and runs its checks; the builder holds all rows.
pub async fn build_every_model<'a>(
    project: &'a Project,
    graph: &'a Graph,
    given: &Tables,
    setting: &BuildSetting,
) -> ModelBuilder<'a> {
    let mut builder = ModelBuilder::new(project, graph, setting).expect("a session starts");
    for (name, batches) in given {
        builder.give(name, batches.clone()).expect("the table can be given");
    }
    let models: Vec<TableName> = built_models(project).into_iter().filter(|name| !given.contains_key(name)).collect();
    for name in &models {
        builder.build(name).await.unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    for name in &models {
        let failing = builder.failing_checks(name).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(failing.is_empty(), "{name}: {failing:#?}");
    }
    builder
}

/// Every model that is more than a mapping of the user's data.
pub fn built_models(project: &Project) -> Vec<TableName> {
    project.models.keys().filter(|name| name.schema != "staging").cloned().collect()
}

/// A staged table of rows that YAML writes.
pub fn staged(project: &Project, feed: &str, rows: &str) -> (TableName, Vec<RecordBatch>) {
    let name = TableName::new("staging", feed);
    let schema = lifecycle::transform::arrow_schema(&project.models[&name].columns);
    (name, vec![table(&schema, rows)])
}
