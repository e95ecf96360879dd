//! The functions that SQL models call, through SQL and through their mathematics.

mod bgnbd_datasets;
mod bgnbd_limits;
mod bgnbd_mathematics;
mod bgnbd_sql;
mod business_time;
mod calendar;
mod components;
pub mod datasets;
mod gamma_gamma;
mod intervals;
mod kaplan_meier;
mod kmeans;
mod logistic;
mod pareto_nbd;
mod purchase_models;
mod purchase_models_sql;
mod quantiles;
mod round_cents;

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Float64Array, RecordBatch};
use datafusion::arrow::compute::{cast, concat_batches};
use datafusion::arrow::datatypes::{DataType, Float64Type};
use datafusion::arrow::util::display::array_value_to_string;
use datafusion::datasource::MemTable;
use datafusion::prelude::{SessionConfig, SessionContext};
use lifecycle::transform::functions::register;

/// A session with the functions, in London.
fn session(partitions: usize) -> SessionContext {
    session_in(partitions, chrono_tz::Europe::London)
}

fn session_in(partitions: usize, zone: chrono_tz::Tz) -> SessionContext {
    let mut context = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(partitions));
    register(&mut context, zone).unwrap();
    context
}

/// Registers columns of doubles as a table, spread over partitions and batches.
fn add_table(context: &SessionContext, name: &str, columns: &[(&str, Vec<Option<f64>>)], partitions: usize) {
    let arrays = columns.iter().map(|(name, values)| (*name, Arc::new(Float64Array::from(values.clone())) as ArrayRef));
    let all = RecordBatch::try_from_iter_with_nullable(arrays.map(|(name, array)| (name, array, true))).unwrap();
    let share = all.num_rows().div_ceil(partitions).max(1);
    let slices: Vec<Vec<RecordBatch>> = (0..partitions)
        .map(|partition| {
            let start = (partition * share).min(all.num_rows());
            let length = share.min(all.num_rows() - start);
            let step = 1000;
            (0..length.div_ceil(step)).map(|b| all.slice(start + b * step, step.min(length - b * step))).collect()
        })
        .collect();
    let table = MemTable::try_new(all.schema(), slices).unwrap();
    context.deregister_table(name).unwrap();
    context.register_table(name, Arc::new(table)).unwrap();
}

async fn rows(context: &SessionContext, sql: &str) -> RecordBatch {
    let frame = context.sql(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    let schema = Arc::new(frame.schema().as_arrow().clone());
    let batches = frame.collect().await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    let schema = batches.first().map_or(schema, |batch| batch.schema());
    concat_batches(&schema, &batches).unwrap()
}

/// Runs a query of one row and one column and writes its value as text; `NULL` for null.
async fn text(context: &SessionContext, sql: &str) -> String {
    let batch = rows(context, sql).await;
    assert_eq!((batch.num_rows(), batch.num_columns()), (1, 1), "{sql}");
    let column = batch.column(0);
    if column.is_null(0) { "NULL".into() } else { array_value_to_string(column, 0).unwrap() }
}

/// Runs a query of one row and returns its numbers.
async fn numbers(context: &SessionContext, sql: &str) -> Vec<Option<f64>> {
    let batch = rows(context, sql).await;
    assert_eq!(batch.num_rows(), 1, "{sql}");
    let number = |column: &ArrayRef| {
        let column = cast(column, &DataType::Float64).unwrap();
        let column = column.as_primitive::<Float64Type>();
        column.is_valid(0).then(|| column.value(0))
    };
    batch.columns().iter().map(number).collect()
}

async fn number(context: &SessionContext, sql: &str) -> Option<f64> {
    numbers(context, sql).await[0]
}

async fn error(context: &SessionContext, sql: &str) -> String {
    let failed = match context.sql(sql).await {
        Ok(frame) => frame.collect().await.map(|_| ()),
        Err(error) => Err(error),
    };
    failed.expect_err(sql).to_string()
}

#[track_caller]
fn assert_near(actual: f64, expected: f64, tolerance: f64) {
    assert!((actual - expected).abs() <= tolerance, "{actual} is not within {tolerance} of {expected}");
}
