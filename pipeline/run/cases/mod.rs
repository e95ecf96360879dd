//! Runs the cases of models: given rows in memory, everything between them and the model, its rows and its checks.

mod builder;
mod values;

pub use builder::{BuildSetting, ModelBuilder};
pub use values::{Cell, batch, cells};

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use futures::{Stream, StreamExt};

use crate::check::{Finding, Outcome};
use crate::config::{Case, CaseRow, Project, TableName};
use crate::plan::Graph;
use crate::transform::TransformError;
use values::expected_cells;

/// Why a case could not be run.
#[derive(Debug, thiserror::Error)]
pub enum CaseError {
    #[error("there is no table `{name}`")]
    NoTable { name: TableName },
    #[error("{message}")]
    Engine { message: String },
    #[error("{model}: {message}")]
    Model { model: TableName, message: String },
    #[error("the rows of `{table}` do not fit its columns")]
    Rows { table: TableName, source: arrow::error::ArrowError },
    #[error(transparent)]
    Transform(#[from] TransformError),
}

impl CaseError {
    /// Says which model's query failed.
    fn of(self, model: &TableName) -> Self {
        match self {
            Self::Engine { message } => Self::Model { model: model.clone(), message },
            other => other,
        }
    }
}

/// What became of a case.
#[derive(Debug, Clone)]
pub struct CaseOutcome {
    pub case: Case,
    /// What differs, in words; a case without any passed.
    pub differences: Vec<String>,
}

impl CaseOutcome {
    pub fn is_passed(&self) -> bool {
        self.differences.is_empty()
    }
}

/// Runs cases, some at once, and yields their outcomes in the order of the cases.
pub fn run_cases(project: Project, graph: Graph, cases: Vec<Case>) -> impl Stream<Item = CaseOutcome> {
    let at_once = project.environment.parallelism.max(1);
    let (project, graph) = (Arc::new(project), Arc::new(graph));
    let run = move |case: Case| {
        let (project, graph) = (project.clone(), graph.clone());
        async move {
            let work = case.clone();
            let task = tokio::spawn(async move { run_case(&project, &graph, &work).await });
            let differences = match task.await {
                Ok(Ok(differences)) => differences,
                Ok(Err(error)) => vec![super::error::chain(&error)],
                Err(error) => vec![error.to_string()],
            };
            CaseOutcome { case, differences }
        }
    };
    futures::stream::iter(cases).map(run).buffered(at_once)
}

/// Runs a case and returns what differs from what it expects.
pub async fn run_case(project: &Project, graph: &Graph, case: &Case) -> Result<Vec<String>, CaseError> {
    let setting = BuildSetting {
        as_of: case.as_of,
        timezone: case.timezone,
        parameters: case.parameters.clone(),
        // Small tables gain nothing from more.
        parallelism: 1,
    };
    let mut builder = ModelBuilder::new(project, graph, &setting)?;
    for (name, rows) in given_tables(project, case) {
        let schema = builder.schema(&name).ok_or_else(|| CaseError::NoTable { name: name.clone() })?;
        let table = batch(&schema, &rows).map_err(|source| CaseError::Rows { table: name.clone(), source })?;
        builder.give(&name, vec![table])?;
    }
    let table = builder.build(&case.model).await?;
    let mut differences: Vec<String> = builder.failing_checks(&case.model).await?.iter().map(check_words).collect();
    differences.extend(compare(&builder, case, &table)?);
    Ok(differences)
}

/// The given tables; where one is landed, the other sources have landed nothing yet.
fn given_tables(project: &Project, case: &Case) -> BTreeMap<TableName, Vec<CaseRow>> {
    let mut given = case.given.clone();
    if given.keys().any(|name| name.schema == "landed") {
        for source in project.sources() {
            given.entry(TableName::new("landed", &source.name)).or_default();
        }
    }
    given
}

fn check_words(finding: &Finding) -> String {
    match &finding.outcome {
        Outcome::BadRows { count, sample } => format!("check {}: {count} bad rows: {sample}", finding.check),
        Outcome::Broken { message, .. } => format!("check {}: {message}", finding.check),
        Outcome::Passed => format!("check {}: passed", finding.check),
    }
}

fn compare(builder: &ModelBuilder<'_>, case: &Case, table: &[RecordBatch]) -> Result<Vec<String>, CaseError> {
    let schema = builder.schema(&case.model).ok_or_else(|| CaseError::NoTable { name: case.model.clone() })?;
    let unfit = |source| CaseError::Rows { table: case.model.clone(), source };
    let found = cells(table).map_err(unfit)?;
    let mut expected = expected_cells(&schema, case.expect.as_deref().unwrap_or_default()).map_err(unfit)?;
    expected.extend(expected_cells(&schema, &case.expect_some).map_err(unfit)?);
    let mut differences = Vec::new();
    let counts = [case.expect.as_ref().map(|rows| rows.len() as u64), case.expect_rows];
    for count in counts.into_iter().flatten().filter(|count| *count != found.len() as u64) {
        differences.push(format!("{} rows, expected {count}", found.len()));
    }
    let grain = builder.project().models.get(&case.model).map(|model| model.grain.as_slice()).unwrap_or_default();
    differences.extend(missing_rows(&found, expected, grain));
    Ok(differences)
}

type Cells = BTreeMap<String, Cell>;

/// Each expected row takes one of the rows that fit it; those with the most columns choose first.
fn missing_rows(found: &[Cells], mut expected: Vec<Cells>, grain: &[String]) -> Vec<String> {
    expected.sort_by_key(|row| std::cmp::Reverse(row.len()));
    let mut left: Vec<&Cells> = found.iter().collect();
    let mut missing = Vec::new();
    for row in expected {
        let fits = |candidate: &&Cells| {
            row.iter().all(|(name, cell)| candidate.get(name).is_some_and(|found| found.is_close(cell)))
        };
        match left.iter().position(fits) {
            Some(place) => {
                left.swap_remove(place);
            }
            None => missing.push(row),
        }
    }
    missing.iter().map(|row| differing(row, &left, grain).unwrap_or_else(|| described(row, &left))).collect()
}

/// In what the row with the same key differs; `None` where the expected row names no whole key, or nothing has it.
fn differing(missing: &Cells, left: &[&Cells], grain: &[String]) -> Option<String> {
    let key: Vec<(&String, &Cell)> = grain.iter().map(|name| missing.get_key_value(name)).collect::<Option<_>>()?;
    let row = left.iter().find(|row| key.iter().all(|(name, cell)| row.get(*name) == Some(*cell)))?;
    let words = key.iter().map(|(name, cell)| format!("{name}={}", cell.text())).collect::<Vec<_>>().join(" ");
    let differences = missing.iter().filter_map(|(name, cell)| {
        let found = row.get(name).filter(|found| !found.is_close(cell))?;
        Some(format!("{name} is {}, expected {}", found.text(), cell.text()))
    });
    Some(format!("row {words}: {}", differences.collect::<Vec<_>>().join(", ")))
}

/// A missing row, and the rows left that are nearest to it.
fn described(missing: &Cells, left: &[&Cells]) -> String {
    const SHOWN: usize = 5;
    let words = |row: &Cells| {
        let shown = row.iter().filter(|(name, _)| missing.contains_key(*name));
        shown.map(|(name, cell)| format!("{name}={}", cell.text())).collect::<Vec<_>>().join(" ")
    };
    let distance = |row: &Cells| {
        missing.iter().filter(|(name, cell)| !row.get(*name).is_some_and(|found| found.is_close(cell))).count()
    };
    let mut nearest: Vec<&&Cells> = left.iter().collect();
    nearest.sort_by_key(|row| distance(row));
    let mut lines = vec![format!("no row {}", words(missing))];
    lines.extend(nearest.iter().take(SHOWN).map(|row| format!("      is {}", words(row))));
    if nearest.len() > SHOWN {
        lines.push(format!("      and {} rows more", nearest.len() - SHOWN));
    }
    lines.join("\n")
}
