//! `<table>_history`: the snapshots of a table by the day they are as of.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{Date32Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use chrono::NaiveDate;
use futures::StreamExt;

use crate::config::History;
use crate::storage::{COLUMN_COMMENT, DataFile, Snapshot, StorageError, Table};

use super::{Contents, set_files};

/// The column that says which day a row of a history is as of; the table is partitioned by it.
pub const AS_OF: &str = "as_of";

/// One day's rows, to be put into a history.
#[derive(Debug, Clone)]
pub struct HistoryRequest<'a> {
    /// `marts/churn_history`.
    pub history_table: &'a Table,
    /// The version that the commit goes on top of; `None` where there is no history yet.
    pub base: Option<&'a Snapshot>,
    /// What the history had before: the files of the version that the current release names.
    pub before: &'a [DataFile],
    pub keeps: History,
    pub as_of: NaiveDate,
    /// Where the day's rows are: files of the table itself.
    pub table: &'a Table,
    pub schema: &'a SchemaRef,
    pub files: &'a [DataFile],
    pub description: &'a str,
    /// `schema` with what each column is.
    pub described: &'a SchemaRef,
    pub run_id: &'a str,
}

/// Puts a day's rows in the place of what the history had of that day, and drops days that it does not keep.
pub async fn write_history(request: &HistoryRequest<'_>) -> Result<Snapshot, StorageError> {
    let schema = history_schema(request.schema);
    let partition = vec![AS_OF.to_owned()];
    let mut writer = request.history_table.writer(schema.clone(), partition.clone());
    let mut has_rows = false;
    for file in request.files {
        let mut batches = request.table.read(file, request.schema.clone()).await?;
        while let Some(batch) = batches.next().await {
            let batch = with_as_of(&batch?, &schema, request.as_of)
                .map_err(|source| StorageError::Schema { table: request.history_table.url().to_string(), source })?;
            has_rows |= batch.num_rows() > 0;
            writer.write(&batch).await?;
        }
    }
    let written = if has_rows { writer.close().await? } else { Vec::new() };
    let mut files: Vec<DataFile> =
        request.before.iter().filter(|file| day_of(file) != Some(request.as_of)).cloned().collect();
    files.extend(written);
    let kept = kept_days(files.iter().filter_map(day_of).collect(), request.keeps);
    files.retain(|file| day_of(file).is_some_and(|day| kept.contains(&day)));
    let contents = Contents {
        schema: history_schema(request.described),
        partition_columns: partition,
        files,
        description: Some(format!("Snapshots of: {}", request.description)),
    };
    set_files(request.history_table, request.base, &contents, request.run_id).await
}

fn day_of(file: &DataFile) -> Option<NaiveDate> {
    file.partition_value(AS_OF)?.parse().ok()
}

/// The days that a history keeps of those that it has.
fn kept_days(days: BTreeSet<NaiveDate>, keeps: History) -> BTreeSet<NaiveDate> {
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
