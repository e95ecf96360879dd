//! `<table>_history`: the snapshots of a table by the day they are as of.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{Date32Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use chrono::NaiveDate;
use futures::StreamExt;

use crate::config::History;
use crate::storage::{COLUMN_COMMENT, DataFile, Snapshot, StorageError, Table};

use super::{Contents, build_facts, set_files};

/// The column that says which day a row of a history is as of; the table is partitioned by it.
pub const AS_OF: &str = "as_of";

/// Days' rows that become part of a history as one version.
#[derive(Debug, Clone)]
pub struct HistoryRequest<'a> {
    /// `marts/churn_history`.
    pub history_table: &'a Table,
    /// The version that the commit goes on top of; `None` where there is no history yet.
    pub base: Option<&'a Snapshot>,
    /// What the history had before: the files of the version that the current release names.
    pub before: &'a [DataFile],
    /// The days that are left, of those before and of these.
    pub kept: &'a BTreeSet<NaiveDate>,
    /// By day: what [`write_history_day`] wrote.
    pub days: BTreeMap<NaiveDate, Vec<DataFile>>,
    pub description: &'a str,
    /// The table's columns, with what each is.
    pub described: &'a SchemaRef,
    pub run_id: &'a str,
    /// The landed versions that the days' rows come from.
    pub landed: &'a BTreeMap<String, u64>,
    /// The release that will name the commit.
    pub release: u64,
}

/// Writes the rows of a table's files as those of a day of its history; they stay invisible until a commit.
pub async fn write_history_day(
    history_table: &Table,
    as_of: NaiveDate,
    table: &Table,
    schema: &SchemaRef,
    files: &[DataFile],
) -> Result<Vec<DataFile>, StorageError> {
    let history_schema = history_schema(schema);
    let mut writer = history_table.writer(history_schema.clone(), vec![AS_OF.to_owned()]);
    let mut has_rows = false;
    for file in files {
        let mut batches = table.read(file, schema.clone()).await?;
        while let Some(batch) = batches.next().await {
            let batch = with_as_of(&batch?, &history_schema, as_of)
                .map_err(|source| StorageError::Schema { table: history_table.url().to_string(), source })?;
            has_rows |= batch.num_rows() > 0;
            writer.write(&batch).await?;
        }
    }
    if has_rows { writer.close().await } else { Ok(Vec::new()) }
}

/// Puts days' rows in the place of what the history had of those days, and drops days that it does not keep.
pub async fn commit_history(request: HistoryRequest<'_>) -> Result<Snapshot, StorageError> {
    let days: BTreeSet<NaiveDate> = request.days.keys().copied().collect();
    let facts = build_facts(Some(&days), request.landed, request.release);
    let is_written = |file: &&DataFile| day_of(file).is_some_and(|day| request.days.contains_key(&day));
    let mut files: Vec<DataFile> = request.before.iter().filter(|file| !is_written(file)).cloned().collect();
    files.extend(request.days.into_values().flatten());
    files.retain(|file| day_of(file).is_some_and(|day| request.kept.contains(&day)));
    let contents = Contents {
        schema: history_schema(request.described),
        partition_columns: vec![AS_OF.to_owned()],
        files,
        description: Some(format!("Snapshots of: {}", request.description)),
        facts,
    };
    set_files(request.history_table, request.base, &contents, request.run_id).await
}

/// The rows of a day of a history.
pub fn files_of_day(files: &[DataFile], day: NaiveDate) -> Vec<DataFile> {
    files.iter().filter(|file| day_of(file) == Some(day)).cloned().collect()
}

/// The days of which a history has rows.
pub fn days_of(files: &[DataFile]) -> BTreeSet<NaiveDate> {
    files.iter().filter_map(day_of).collect()
}

fn day_of(file: &DataFile) -> Option<NaiveDate> {
    file.partition_value(AS_OF)?.parse().ok()
}

/// The days that a history keeps of those that it has.
pub fn kept_days(days: BTreeSet<NaiveDate>, keeps: History) -> BTreeSet<NaiveDate> {
    let newest = days.last().copied();
    days.into_iter().filter(|day| keeps != History::None && (Some(*day) == newest || keeps.keeps_past(*day))).collect()
}

fn history_schema(schema: &SchemaRef) -> SchemaRef {
    let mut fields: Vec<Field> = vec![as_of_field()];
    fields.extend(schema.fields().iter().map(|field| field.as_ref().clone()));
    Arc::new(Schema::new(fields))
}

fn as_of_field() -> Field {
    let comment = (COLUMN_COMMENT.to_owned(), "The day up to which facts count in this snapshot.".to_owned());
    Field::new(AS_OF, DataType::Date32, true).with_metadata([comment].into())
}

fn with_as_of(
    batch: &RecordBatch,
    schema: &SchemaRef,
    as_of: NaiveDate,
) -> Result<RecordBatch, arrow::error::ArrowError> {
    let days = i32::try_from((as_of - NaiveDate::default()).num_days()).unwrap_or(i32::MAX);
    let mut columns: Vec<arrow::array::ArrayRef> = vec![Arc::new(Date32Array::from(vec![days; batch.num_rows()]))];
    columns.extend(batch.columns().iter().cloned());
    RecordBatch::try_new(schema.clone(), columns)
}
