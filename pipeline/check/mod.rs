//! Looks for bad rows in candidates, before anybody can see them.
//!
//! What was counted while a table was written (nulls, rows of one grain) needs no query. Other simple checks of one table
//! share one pass over it; each other check is a query of its own.

mod queries;

use std::time::Instant;

use arrow::array::{Array, Int64Array, RecordBatch};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::common::runtime::SpawnedTask;
use datafusion::error::DataFusionError;
use datafusion::prelude::DataFrame;
use futures::{StreamExt, stream};

use crate::config::{Check, CheckKind, Model, Severity, TableName};
use crate::storage::may_pass;
use crate::transform::{Counted, Workspace, engine_words, is_out_of_memory};

/// How many bad rows a finding shows.
const SAMPLE_ROWS: usize = 3;

/// What one check found.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// `marts.churn`.
    pub table: String,
    pub check: String,
    pub severity: Severity,
    pub outcome: Outcome,
    pub seconds: f64,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    Passed,
    /// Bad rows, and the keys of a few of them as text.
    BadRows {
        count: u64,
        sample: String,
    },
    /// The check's query could not run, in the engine's words.
    Broken {
        message: String,
        /// Its store failed in a way that may pass.
        may_pass: bool,
    },
}

impl Finding {
    pub fn is_passed(&self) -> bool {
        self.outcome == Outcome::Passed
    }

    /// Whether the check could not run, and may when it is tried again.
    pub fn may_pass(&self) -> bool {
        matches!(self.outcome, Outcome::Broken { may_pass: true, .. })
    }

    /// Whether this finding stops a release.
    pub fn stops_release(&self) -> bool {
        !self.is_passed() && self.severity == Severity::Error
    }
}

/// Runs the checks of several tables, some tables at the same time; the findings are in the order of the tables.
///
/// `done` is told of each table whose checks are over.
pub async fn check_tables(
    workspace: &Workspace,
    tables: Vec<(Model, Option<Counted>)>,
    at_once: usize,
    mut done: impl FnMut(&TableName),
) -> Vec<Finding> {
    // Each in a task of its own: planning takes a core.
    let mut checking = stream::iter(tables)
        .map(|(model, counted)| {
            let (workspace, name) = (workspace.clone(), model.name.clone());
            let task = SpawnedTask::spawn(async move { check_table(&workspace, &model, counted.as_ref()).await });
            async move { (name, task.join_unwind().await) }
        })
        .buffered(at_once.max(1));
    let mut all = Vec::new();
    while let Some((table, findings)) = checking.next().await {
        done(&table);
        match findings {
            Ok(findings) => all.extend(findings),
            // The process is about to end: no check that did not run may count as passed.
            Err(_) => all.push(Finding {
                table: table.to_string(),
                check: "checks".to_owned(),
                severity: Severity::Error,
                outcome: Outcome::Broken { message: "stopped before its end".to_owned(), may_pass: false },
                seconds: 0.0,
            }),
        }
    }
    all
}

/// Runs all checks of a model over the table that the workspace holds under its name.
///
/// `counted`: what is known of all its rows already.
pub async fn check_table(workspace: &Workspace, model: &Model, counted: Option<&Counted>) -> Vec<Finding> {
    let is_passed = |check: &&Check| counted.is_some_and(|counted| is_counted_good(model, check, counted));
    let (passed, open): (Vec<&Check>, Vec<&Check>) = model.checks.iter().partition(is_passed);
    let (simple, others): (Vec<&Check>, Vec<&Check>) =
        open.into_iter().partition(|check| queries::bad_row_condition(&check.kind).is_some());
    let mut findings: Vec<Finding> =
        passed.into_iter().map(|check| finding(model, check, Outcome::Passed, 0.0)).collect();
    findings.extend(check_in_one_pass(workspace, model, &simple).await);
    for check in others {
        let started = Instant::now();
        let outcome = match queries::bad_rows(model, &check.kind) {
            Some(sql) => count_bad_rows(workspace, &sql, key_columns(model, &check.kind)).await,
            None => Outcome::Passed,
        };
        findings.push(finding(model, check, outcome, started.elapsed().as_secs_f64()));
    }
    findings
}

/// Whether what was counted says that no row is bad; one that may fail is looked at, for its count and a sample.
fn is_counted_good(model: &Model, check: &Check, counted: &Counted) -> bool {
    match &check.kind {
        CheckKind::NotNull(column) => counted.nulls(column) == Some(0),
        CheckKind::Unique(columns) => *columns == model.grain && counted.has_unique_grain() == Some(true),
        CheckKind::AcceptedValues { .. } | CheckKind::Relationship { .. } | CheckKind::Query(_) => false,
    }
}

/// Warns when a table has lost more than half of its rows since the last release.
pub fn check_row_count(model: &Model, before: u64, now: u64) -> Finding {
    let outcome = if before > 0 && now < before.div_ceil(2) {
        Outcome::BadRows { count: before - now, sample: format!("{before} rows before, {now} now") }
    } else {
        Outcome::Passed
    };
    Finding {
        table: model.name.to_string(),
        check: format!("{}.row_count", model.name.table),
        severity: Severity::Warn,
        outcome,
        seconds: 0.0,
    }
}

async fn check_in_one_pass(workspace: &Workspace, model: &Model, checks: &[&Check]) -> Vec<Finding> {
    if checks.is_empty() {
        return Vec::new();
    }
    let started = Instant::now();
    let conditions: Vec<String> = checks.iter().filter_map(|check| queries::bad_row_condition(&check.kind)).collect();
    let counts = match counts(workspace, &queries::counts(model, &conditions), conditions.len()).await {
        Ok(counts) => counts,
        Err(outcome) => {
            return checks.iter().map(|check| finding(model, check, outcome.clone(), 0.0)).collect();
        }
    };
    let seconds = started.elapsed().as_secs_f64();
    let mut findings = Vec::new();
    for ((check, condition), count) in checks.iter().zip(&conditions).zip(counts) {
        let outcome = if count == 0 {
            Outcome::Passed
        } else {
            let sql = format!("select * from {} where {condition}", queries::quoted(&model.name));
            count_bad_rows(workspace, &sql, key_columns(model, &check.kind)).await
        };
        findings.push(finding(model, check, outcome, seconds));
    }
    findings
}

fn finding(model: &Model, check: &Check, outcome: Outcome, seconds: f64) -> Finding {
    Finding { table: model.name.to_string(), check: check.name.clone(), severity: check.severity, outcome, seconds }
}

/// The columns that a sample may show: keys, and the column that the check is about.
fn key_columns<'a>(model: &'a Model, kind: &'a CheckKind) -> Option<Vec<&'a str>> {
    let mut columns: Vec<&str> = model.grain.iter().map(String::as_str).collect();
    match kind {
        CheckKind::Query(_) => return None,
        CheckKind::Unique(unique) => columns = unique.iter().map(String::as_str).collect(),
        CheckKind::NotNull(_) => {}
        CheckKind::AcceptedValues { column, .. } | CheckKind::Relationship { column, .. } => {
            if !columns.contains(&column.as_str()) {
                columns.push(column);
            }
        }
    }
    Some(columns)
}

async fn count_bad_rows(workspace: &Workspace, sql: &str, columns: Option<Vec<&str>>) -> Outcome {
    let columns = columns.as_deref();
    let mut outcome = async { try_count(workspace.query(sql).await?, columns).await }.await;
    if outcome.as_ref().is_err_and(is_out_of_memory) {
        tracing::warn!("memory ran out during a check; planning it again with joins that spill");
        outcome = async { try_count(workspace.query_frugally(sql).await?, columns).await }.await;
    }
    outcome.unwrap_or_else(|error| broken(&error))
}

/// What is told of a check whose query failed.
fn broken(error: &DataFusionError) -> Outcome {
    Outcome::Broken { message: engine_words(error), may_pass: may_pass(error) }
}

async fn try_count(rows: DataFrame, columns: Option<&[&str]>) -> Result<Outcome, DataFusionError> {
    let count = rows.clone().count().await?;
    if count == 0 {
        return Ok(Outcome::Passed);
    }
    let shown = match columns {
        Some(columns) => rows.select_columns(columns)?,
        None => rows,
    };
    let sample = shown.limit(0, Some(SAMPLE_ROWS))?.collect().await?;
    let count = u64::try_from(count).unwrap_or(u64::MAX);
    Ok(Outcome::BadRows { count, sample: sample_text(&sample) })
}

async fn counts(workspace: &Workspace, sql: &str, columns: usize) -> Result<Vec<i64>, Outcome> {
    let unlike = |message: &str| Outcome::Broken { message: message.to_owned(), may_pass: false };
    let rows = async { workspace.query(sql).await?.collect().await };
    let batches = rows.await.map_err(|error| broken(&error))?;
    let batch = batches.iter().find(|batch| batch.num_rows() == 1).ok_or_else(|| unlike("the counts have no row"))?;
    (0..columns)
        .map(|index| {
            let column = batch.columns().get(index).and_then(|column| column.as_any().downcast_ref::<Int64Array>());
            column
                .map(|column| if column.is_null(0) { 0 } else { column.value(0) })
                .ok_or_else(|| unlike("a count is no integer"))
        })
        .collect()
}

/// `customer_id c1, day 2025-01-01; …`
fn sample_text(batches: &[RecordBatch]) -> String {
    let options = FormatOptions::default().with_null("null");
    let mut rows = Vec::new();
    for batch in batches {
        for row in 0..batch.num_rows() {
            let cells = batch.schema_ref().fields().iter().zip(batch.columns()).take(8).map(|(field, column)| {
                let text = ArrayFormatter::try_new(column.as_ref(), &options)
                    .and_then(|formatter| formatter.value(row).try_to_string())
                    .unwrap_or_default();
                format!("{} {text}", field.name())
            });
            rows.push(cells.collect::<Vec<_>>().join(", "));
        }
    }
    rows.truncate(SAMPLE_ROWS);
    rows.join("; ")
}
