//! Runs models and writes what they give as candidates: Parquet files in the table's folder that no commit names yet.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{Array, Date32Array, RecordBatch};
use arrow::datatypes::SchemaRef;
use chrono::NaiveDate;
use datafusion::common::ScalarValue;
use datafusion::datasource::provider_as_source;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder, ident, lit};
use datafusion::prelude::DataFrame;
use futures::StreamExt;

use crate::config::{Materialization, Model};
use crate::storage::{DataFile, Table};

use super::TransformError;
use super::columns::{arrow_schema, grain_order};
use super::counted::{Counted, Counter};
use super::files_table::FilesTable;
use super::proof::groups_by;
use super::session::{self, is_out_of_memory};
use super::workspace::{Workspace, days_since_epoch};

/// A quiet year leaves a small file for each day; when there are more than this, they are rewritten as one.
const SMALL_FILES: usize = 48;
const SMALL_FILE_BYTES: u64 = 4 * 1024 * 1024;

/// A table that was built and is not published yet.
#[derive(Debug, Clone)]
pub struct Candidate {
    pub table: Table,
    pub schema: SchemaRef,
    /// All files of the table as it would be published.
    pub files: Vec<DataFile>,
    /// Those of them that this build wrote.
    pub written: Vec<DataFile>,
    /// Memory ran out at first, and a plan that spills was taken.
    pub is_replanned: bool,
    /// Facts about all rows, where this build wrote all of them.
    pub counted: Option<Counted>,
}

impl Candidate {
    /// Adds a part of the same table that holds other days.
    pub fn append(&mut self, part: Candidate, is_day_in_grain: bool) {
        self.files.extend(part.files);
        self.written.extend(part.written);
        self.is_replanned |= part.is_replanned;
        self.counted = match (self.counted.take(), part.counted) {
            (Some(one), Some(other)) => Some(one.with(&other, is_day_in_grain)),
            _ => None,
        };
    }

    pub fn rows(&self) -> u64 {
        self.files.iter().map(DataFile::rows).sum()
    }

    pub fn bytes(&self) -> u64 {
        self.files.iter().map(DataFile::size).sum()
    }
}

/// Builds a whole table.
pub async fn build_table(workspace: &Workspace, model: &Model, table: &Table) -> Result<Candidate, TransformError> {
    let plan = workspace.plan_model(model).await?;
    let is_unique = groups_by(&plan, &model.grain);
    let is_by_grain = !matches!(model.materialized, Materialization::Incremental { .. });
    let order = match &model.materialized {
        Materialization::Incremental { day } => vec![ident(day).sort(true, false)],
        _ => grain_order(model),
    };
    // One row has no order, and the optimizer fails on a sort of it.
    let plan = if order.is_empty() || plan.max_rows() == Some(1) {
        plan
    } else {
        let sorted = LogicalPlanBuilder::from(plan).sort(order).and_then(LogicalPlanBuilder::build);
        sorted.map_err(|error| failed(model, error))?
    };
    let written = write(workspace, model, table, &plan, Rules { guard: None, is_by_grain, is_unique }).await?;
    Ok(Candidate {
        table: table.clone(),
        schema: arrow_schema(&model.columns),
        files: written.files.clone(),
        written: written.files,
        is_replanned: written.is_replanned,
        counted: Some(written.counted),
    })
}

/// Builds some days of a table and keeps the others from `current`.
///
/// `workspace` must hold the inputs' rows of those days only.
///
/// # Errors
/// [`TransformError::ForeignDay`] when the model gives a row of another day: its day is not the day of its inputs.
pub async fn build_incremental(
    workspace: &Workspace,
    model: &Model,
    day_column: &str,
    table: &Table,
    current: &[DataFile],
    days: &BTreeSet<NaiveDate>,
) -> Result<Candidate, TransformError> {
    let schema = arrow_schema(&model.columns);
    let small = |file: &&DataFile| file.size() < SMALL_FILE_BYTES;
    let compact = current.iter().filter(small).count() > SMALL_FILES;
    let (rewritten, kept): (Vec<DataFile>, Vec<DataFile>) =
        current.iter().cloned().partition(|file| touches(file, day_column, days) || (compact && small(&file)));
    let fresh = workspace.plan_model(model).await?;
    let plan = combine(&fresh, table, &schema, &rewritten, day_column, days).map_err(|error| failed(model, error))?;
    let guard = DayGuard { column: day_column.to_owned(), allowed: days.clone(), had: rewritten.clone() };
    // Rows of other days that are written anew were checked when they were built.
    let is_apart = model.grain.iter().any(|column| column == day_column);
    let is_unique = is_apart && groups_by(&fresh, &model.grain);
    let rules = Rules { guard: Some(&guard), is_by_grain: false, is_unique };
    let Written { files: written, is_replanned, counted } = write(workspace, model, table, &plan, rules).await?;
    let counted = Some(counted.with(&Counted::of_kept(&kept, model), is_apart));
    let files = kept.into_iter().chain(written.iter().cloned()).collect();
    Ok(Candidate { table: table.clone(), schema, files, written, is_replanned, counted })
}

/// The new rows, and the rows of other days from files that must be rewritten, sorted by day.
fn combine(
    fresh: &LogicalPlan,
    table: &Table,
    schema: &SchemaRef,
    rewritten: &[DataFile],
    day_column: &str,
    days: &BTreeSet<NaiveDate>,
) -> Result<LogicalPlan, DataFusionError> {
    let mut plan = LogicalPlanBuilder::from(fresh.clone());
    if !rewritten.is_empty() {
        let files = FilesTable::new(table, schema, &[], rewritten)?;
        let listed = days.iter().map(|day| lit(ScalarValue::Date32(Some(days_since_epoch(*day))))).collect();
        let others = LogicalPlanBuilder::scan("kept", provider_as_source(Arc::new(files)), None)?
            .filter(ident(day_column).in_list(listed, true))?
            .build()?;
        plan = plan.union(others)?;
    }
    plan.sort(vec![ident(day_column).sort(true, false)])?.build()
}

/// Whether a file may hold rows of one of these days.
fn touches(file: &DataFile, day_column: &str, days: &BTreeSet<NaiveDate>) -> bool {
    let bound = |value: Option<&serde_json::Value>| value?.as_str()?.parse::<NaiveDate>().ok();
    match (bound(file.min_value(day_column)), bound(file.max_value(day_column))) {
        (Some(min), Some(max)) => days.range(min..=max).next().is_some(),
        _ => true,
    }
}

/// Lets pass only rows of the days that are built, and of the days of the files that are rewritten.
struct DayGuard {
    column: String,
    allowed: BTreeSet<NaiveDate>,
    had: Vec<DataFile>,
}

impl DayGuard {
    fn check(&self, model: &Model, batch: &RecordBatch) -> Result<(), TransformError> {
        let Some(column) = batch.column_by_name(&self.column) else { return Ok(()) };
        let Some(days) = column.as_any().downcast_ref::<Date32Array>() else { return Ok(()) };
        for day in days.iter().flatten() {
            let Some(day) = NaiveDate::default().checked_add_signed(chrono::Duration::days(i64::from(day))) else {
                continue;
            };
            let single = BTreeSet::from([day]);
            if !self.allowed.contains(&day) && !self.had.iter().any(|file| touches(file, &self.column, &single)) {
                return Err(TransformError::ForeignDay { model: model.name.to_string(), day: day.to_string() });
            }
        }
        Ok(())
    }
}

/// How rows are looked at while they are written.
#[derive(Clone, Copy)]
struct Rules<'a> {
    guard: Option<&'a DayGuard>,
    /// Rows come in the order of the model's grain.
    is_by_grain: bool,
    /// No two rows have the same grain.
    is_unique: bool,
}

/// What a build wrote.
struct Written {
    files: Vec<DataFile>,
    is_replanned: bool,
    counted: Counted,
}

/// Runs a plan into files; when memory runs out, once more alone, and then with joins that spill and few partitions.
async fn write(
    workspace: &Workspace,
    model: &Model,
    table: &Table,
    plan: &LogicalPlan,
    rules: Rules<'_>,
) -> Result<Written, TransformError> {
    let together = workspace.memory().read().await;
    let outcome = attempt(workspace, model, table, plan, rules, false).await;
    drop(together);
    if !matches!(outcome, Err(TransformError::OutOfMemory { .. })) {
        return outcome;
    }
    // With nothing beside it: what else was being built may be what took the memory.
    let _alone = workspace.memory().write().await;
    tracing::info!(model = %model.name, "memory ran out; building it again with nothing beside it");
    match attempt(workspace, model, table, plan, rules, false).await {
        Err(TransformError::OutOfMemory { .. }) => {
            tracing::warn!(model = %model.name, "memory ran out; planning again with joins that spill");
            attempt(workspace, model, table, plan, rules, true).await
        }
        outcome => outcome,
    }
}

async fn attempt(
    workspace: &Workspace,
    model: &Model,
    table: &Table,
    plan: &LogicalPlan,
    rules: Rules<'_>,
    is_frugal: bool,
) -> Result<Written, TransformError> {
    let mut state = workspace.context().state();
    if is_frugal {
        session::make_frugal(&mut state).map_err(|error| failed(model, error))?;
    }
    let mut stream =
        DataFrame::new(state, plan.clone()).execute_stream().await.map_err(|error| failed(model, error))?;
    let schema = arrow_schema(&model.columns);
    let mut writer = table.writer(schema.clone(), Vec::new());
    let mut counter = Counter::new(model, rules.is_by_grain, rules.is_unique);
    let mut has_rows = false;
    while let Some(batch) = stream.next().await {
        let batch = batch.map_err(|error| failed(model, error))?;
        if batch.num_rows() == 0 {
            continue;
        }
        let batch = batch.with_schema(schema.clone()).map_err(|error| failed(model, error.into()))?;
        if let Some(guard) = rules.guard {
            guard.check(model, &batch)?;
        }
        counter.add(&batch).map_err(|error| failed(model, error.into()))?;
        has_rows = true;
        writer.write(&batch).await?;
    }
    let files = if has_rows { writer.close().await? } else { Vec::new() };
    Ok(Written { files, is_replanned: is_frugal, counted: counter.finish() })
}

fn failed(model: &Model, error: DataFusionError) -> TransformError {
    if is_out_of_memory(&error) {
        return TransformError::OutOfMemory { model: model.name.to_string(), source: Box::new(error) };
    }
    TransformError::engine(format!("model `{}` failed", model.name), error)
}
