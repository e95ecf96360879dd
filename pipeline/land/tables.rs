//! The rows of a landed table that are not the source's own: objects, rejected rows, superseded rows.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Date32Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow::datatypes::{Int64Type, SchemaRef, TimestampMicrosecondType};
use arrow::error::ArrowError;
use chrono::{DateTime, Utc};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use tokio::task::JoinSet;
use tracing::Instrument;

use super::diff::LandedObject;
use super::layout::{self, Kind};
use super::read::Rejected;
use crate::storage::{DataFile, FileWriter, StorageError, Table};

/// Writes files of one kind; nothing is created before the first batch.
pub(crate) struct KindWriter {
    table: Table,
    schema: SchemaRef,
    writer: Option<FileWriter>,
}

impl KindWriter {
    pub fn new(table: &Table, schema: SchemaRef) -> Self {
        Self { table: table.clone(), schema, writer: None }
    }

    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Writes a batch that has the writer's columns, `_kind` included.
    pub async fn write(&mut self, batch: &RecordBatch) -> Result<(), StorageError> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let writer =
            self.writer.get_or_insert_with(|| self.table.writer(self.schema.clone(), vec![layout::KIND.to_owned()]));
        writer.write(batch).await
    }

    pub async fn close(self) -> Result<Vec<DataFile>, StorageError> {
        match self.writer {
            Some(writer) => writer.close().await,
            None => Ok(Vec::new()),
        }
    }
}

/// A column that says of every row what it is.
pub(crate) fn kind_column(kind: Kind, rows: usize) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(std::iter::repeat_n(kind.as_str(), rows)))
}

pub(crate) fn instants(values: impl Iterator<Item = DateTime<Utc>>) -> ArrayRef {
    let values = values.map(|instant| instant.timestamp_micros());
    Arc::new(TimestampMicrosecondArray::from_iter_values(values).with_timezone("UTC"))
}

fn texts<'a>(values: impl Iterator<Item = &'a str>) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(values))
}

fn counts(values: impl Iterator<Item = u64>) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(values.map(|count| i64::try_from(count).unwrap_or(i64::MAX))))
}

/// The object rows of a landing.
pub(crate) fn object_batch(objects: &[LandedObject]) -> Result<RecordBatch, ArrowError> {
    let headers: StringArray = objects
        .iter()
        .map(|object| object.header.as_ref().map(|names| serde_json::Value::from(names.clone()).to_string()))
        .collect();
    let columns = vec![
        texts(objects.iter().map(|object| object.name.as_str())),
        texts(objects.iter().map(|object| object.etag.as_str())),
        counts(objects.iter().map(|object| object.size)),
        instants(objects.iter().map(|object| object.modified)),
        counts(objects.iter().map(|object| object.rows)),
        counts(objects.iter().map(|object| object.rejected)),
        instants(objects.iter().map(|object| object.landed_at)),
        texts(objects.iter().map(|object| object.contract.as_str())),
        Arc::new(headers),
        kind_column(Kind::Object, objects.len()),
    ];
    RecordBatch::try_new(layout::object_schema(), columns)
}

/// Files that are read at once: each is a few requests to the store, and work for a processor.
const FILES_AT_ONCE: usize = 6;

/// Reads some columns of files, several at once, and keeps of each batch what `keep` makes of it. In the order of files.
pub(crate) fn read_files<T: Send + 'static>(
    table: &Table,
    files: Vec<DataFile>,
    columns: &SchemaRef,
    keep: impl Fn(RecordBatch) -> Result<Option<T>, ArrowError> + Send + Sync + 'static,
) -> BoxStream<'static, Result<(usize, Vec<T>), StorageError>> {
    let (table, columns, keep) = (table.clone(), columns.clone(), Arc::new(keep));
    futures::stream::iter(files.into_iter().enumerate())
        .map(move |(position, file)| {
            let (table, columns, keep) = (table.clone(), columns.clone(), keep.clone());
            // A task of its own, which ends when nobody waits for it any more.
            let mut task = JoinSet::new();
            let reading = async move {
                let mut batches = table.read(&file, columns).await?;
                let mut kept = Vec::new();
                while let Some(batch) = batches.try_next().await? {
                    let part = keep(batch)
                        .map_err(|source| StorageError::Schema { table: table.url().to_string(), source })?;
                    kept.extend(part);
                }
                Ok((position, kept))
            };
            task.spawn(reading.in_current_span());
            async move { task.join_next().await.and_then(Result::ok).unwrap_or(Err(StorageError::Stopped)) }
        })
        .buffered(FILES_AT_ONCE)
        .boxed()
}

/// The objects that have been landed, by name.
pub(crate) async fn read_objects(
    table: &Table,
    files: &[DataFile],
) -> Result<BTreeMap<String, LandedObject>, StorageError> {
    let mut objects = BTreeMap::new();
    let mut batches = read_files(table, files.to_vec(), &layout::object_schema(), |batch| Ok(Some(batch)));
    while let Some((_, batches)) = batches.try_next().await? {
        for batch in batches {
            let text = |column: usize| batch.column(column).as_string::<i32>();
            let number = |column: usize| batch.column(column).as_primitive::<Int64Type>();
            let instant = |column: usize, row: usize| {
                let micros = batch.column(column).as_primitive::<TimestampMicrosecondType>().value(row);
                DateTime::from_timestamp_micros(micros).unwrap_or_default()
            };
            for row in 0..batch.num_rows() {
                let header = text(8).is_valid(row).then(|| serde_json::from_str(text(8).value(row)).ok()).flatten();
                let object = LandedObject {
                    name: text(0).value(row).to_owned(),
                    etag: text(1).value(row).to_owned(),
                    size: number(2).value(row).unsigned_abs(),
                    modified: instant(3, row),
                    rows: number(4).value(row).unsigned_abs(),
                    rejected: number(5).value(row).unsigned_abs(),
                    landed_at: instant(6, row),
                    contract: text(7).value(row).to_owned(),
                    header,
                };
                objects.insert(object.name.clone(), object);
            }
        }
    }
    Ok(objects)
}

/// Rejected rows, each with its object.
pub(crate) fn rejected_batch(rejected: &[(Arc<str>, Rejected)]) -> Result<RecordBatch, ArrowError> {
    let rows = || rejected.iter().map(|(_, row)| row);
    let offsets: Int64Array =
        rows().map(|row| row.offset.map(|offset| i64::try_from(offset).unwrap_or(i64::MAX))).collect();
    let columns_named: StringArray = rows().map(|row| row.column.as_deref()).collect();
    let columns = vec![
        texts(rejected.iter().map(|(object, _)| object.as_ref())),
        counts(rows().map(|row| row.line)),
        Arc::new(offsets),
        texts(rows().map(|row| row.reason.as_str())),
        Arc::new(columns_named),
        texts(rows().map(|row| row.raw.as_str())),
        Arc::new(BooleanArray::from_iter(rows().map(|row| Some(row.is_whole)))),
        kind_column(Kind::Rejected, rejected.len()),
    ];
    RecordBatch::try_new(layout::rejected_schema(), columns)
}

/// A landed row that a newer version of its key replaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Superseded {
    pub object: String,
    pub line: i64,
    /// Days since 1970.
    pub day: Option<i32>,
    pub key: i64,
    pub by: String,
}

pub(crate) fn superseded_batch(rows: &[Superseded]) -> Result<RecordBatch, ArrowError> {
    let columns = vec![
        texts(rows.iter().map(|row| row.object.as_str())),
        Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.line))) as ArrayRef,
        Arc::new(Date32Array::from_iter(rows.iter().map(|row| row.day))),
        Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.key))),
        texts(rows.iter().map(|row| row.by.as_str())),
        kind_column(Kind::Superseded, rows.len()),
    ];
    RecordBatch::try_new(layout::superseded_schema(), columns)
}

/// Picks columns of a schema, in the order named; names that it lacks are left out.
pub(crate) fn project(schema: &SchemaRef, names: &[&str]) -> SchemaRef {
    let fields: Vec<_> = names.iter().filter_map(|name| schema.field_with_name(name).ok().cloned()).collect();
    Arc::new(arrow::datatypes::Schema::new(fields))
}
