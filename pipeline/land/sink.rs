//! Gathers landed rows in a bounded buffer and writes them in runs sorted by day.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray, TimestampMicrosecondArray, new_null_array};
use arrow::compute::interleave;
use arrow::datatypes::{Date32Type, SchemaRef};
use arrow::error::ArrowError;
use tokio::task::JoinSet;
use tracing::Instrument;

use super::contract::Contract;
use super::layout::{self, Kind};
use super::tables::{KindWriter, kind_column};
use crate::storage::{DataFile, StorageError, Table};

/// Rows that are put in order and written at once.
const SLICE_ROWS: usize = 16 * 1024;

/// Rows of one stretch of an object, as the reader gave them.
#[derive(Debug, Clone)]
struct Part {
    object: Arc<str>,
    /// Microseconds since 1970.
    modified: i64,
    batch: RecordBatch,
}

/// What went wrong while rows were written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SinkError {
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error(transparent)]
    Columns(#[from] ArrowError),
    /// Landed values that do not fit their column's new type; says no value.
    #[error("values of column `{0}` do not fit its new type")]
    Unfit(String),
    #[error("writing stopped before its end")]
    Stopped,
}

/// Writes landed rows. Dropping it stops the writing; files that are there stay invisible.
pub(crate) struct RowSink {
    table: Table,
    contract: Arc<Contract>,
    buffer: Vec<Part>,
    buffered_bytes: usize,
    buffer_limit: usize,
    /// The open file, unless it is being written to.
    writer: Option<KindWriter>,
    /// The buffer before, while it is written: one at a time.
    writing: JoinSet<Result<KindWriter, SinkError>>,
    files: Vec<DataFile>,
    /// Days since 1970 of all rows.
    days: BTreeSet<i32>,
    added: BTreeSet<String>,
}

/// What a sink has written.
pub(crate) struct Written {
    pub files: Vec<DataFile>,
    pub days: BTreeSet<i32>,
    /// Columns that objects added to the contract's.
    pub added: BTreeSet<String>,
}

impl RowSink {
    pub fn new(table: Table, contract: Arc<Contract>, buffer_limit: usize) -> Self {
        Self {
            table,
            contract,
            buffer: Vec::new(),
            buffered_bytes: 0,
            buffer_limit,
            writer: None,
            writing: JoinSet::new(),
            files: Vec::new(),
            days: BTreeSet::new(),
            added: BTreeSet::new(),
        }
    }

    /// Takes rows; waits when the buffer is full and the one before is still being written.
    pub async fn push(&mut self, object: Arc<str>, modified: i64, batch: RecordBatch) -> Result<(), SinkError> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        if let Some(days) = batch.column_by_name(layout::DAY) {
            let days = days.as_primitive::<Date32Type>();
            let mut last = None;
            for day in days.iter().flatten() {
                if last.replace(day) != Some(day) {
                    self.days.insert(day);
                }
            }
        }
        self.buffered_bytes += batch.get_array_memory_size();
        self.buffer.push(Part { object, modified, batch });
        if self.buffered_bytes >= self.buffer_limit { self.flush().await } else { Ok(()) }
    }

    async fn flush(&mut self) -> Result<(), SinkError> {
        self.finish_writing().await?;
        let parts = std::mem::take(&mut self.buffer);
        self.buffered_bytes = 0;
        if parts.is_empty() {
            return Ok(());
        }
        let added = added_names(&self.contract, &parts);
        self.added.extend(added.iter().cloned());
        let schema = layout::row_schema(&self.contract, &added);
        let writer = match self.writer.take() {
            Some(writer) if *writer.schema() == schema => writer,
            other => {
                self.finish_file(other).await?;
                KindWriter::new(&self.table, schema)
            }
        };
        self.writing.spawn(async move { write(writer, parts).await }.in_current_span());
        Ok(())
    }

    async fn finish_writing(&mut self) -> Result<(), SinkError> {
        while let Some(outcome) = self.writing.join_next().await {
            self.writer = Some(outcome.map_err(|_| SinkError::Stopped)??);
        }
        Ok(())
    }

    async fn finish_file(&mut self, writer: Option<KindWriter>) -> Result<(), SinkError> {
        if let Some(writer) = writer {
            self.files.extend(writer.close().await?);
        }
        Ok(())
    }

    pub async fn close(mut self) -> Result<Written, SinkError> {
        self.flush().await?;
        self.finish_writing().await?;
        let writer = self.writer.take();
        self.finish_file(writer).await?;
        Ok(Written { files: self.files, days: self.days, added: self.added })
    }
}

fn added_names(contract: &Contract, parts: &[Part]) -> Vec<String> {
    let mut names = BTreeSet::new();
    for part in parts {
        names.extend(layout::added_columns(
            contract.columns.iter().map(|column| column.name.as_str()),
            part.batch.schema_ref(),
        ));
    }
    names.into_iter().collect()
}

/// Writes parts as one run, sorted by day; rows of a day keep the order in which they came.
async fn write(mut writer: KindWriter, parts: Vec<Part>) -> Result<KindWriter, SinkError> {
    let schema = writer.schema().clone();
    let parts = parts.into_iter().map(|part| align(&schema, part)).collect::<Result<Vec<_>, _>>()?;
    let mut order: Vec<(i32, u32, u32)> = Vec::with_capacity(parts.iter().map(|part| part.batch.num_rows()).sum());
    for (index, part) in parts.iter().enumerate() {
        let days = part.batch.column_by_name(layout::DAY).map(|days| days.as_primitive::<Date32Type>().clone());
        for row in 0..part.batch.num_rows() {
            let day = days.as_ref().filter(|days| days.is_valid(row)).map_or(i32::MIN, |days| days.value(row));
            order.push((day, index as u32, row as u32));
        }
    }
    order.sort_by_key(|(day, _, _)| *day);
    for slice in order.chunks(SLICE_ROWS) {
        let batch = gather(&schema, &parts, slice)?;
        writer.write(&batch).await?;
    }
    Ok(writer)
}

/// Brings a part's columns into the order of the file; the three that are the same for all its rows come later.
fn align(schema: &SchemaRef, part: Part) -> Result<Part, ArrowError> {
    let rows = part.batch.num_rows();
    let fields: Vec<_> = schema.fields().iter().filter(|field| !is_constant(field.name())).cloned().collect();
    let columns = fields
        .iter()
        .map(|field| match part.batch.column_by_name(field.name()) {
            Some(column) => column.clone(),
            None => new_null_array(field.data_type(), rows),
        })
        .collect();
    let batch = RecordBatch::try_new(Arc::new(arrow::datatypes::Schema::new(fields)), columns)?;
    Ok(Part { batch, ..part })
}

fn is_constant(name: &str) -> bool {
    [layout::OBJECT, layout::MODIFIED, layout::KIND].contains(&name)
}

fn gather(schema: &SchemaRef, parts: &[Part], slice: &[(i32, u32, u32)]) -> Result<RecordBatch, ArrowError> {
    // Only the parts that the slice needs: there may be thousands.
    let mut needed: Vec<u32> = slice.iter().map(|(_, part, _)| *part).collect();
    needed.sort_unstable();
    needed.dedup();
    let place = |part: u32| needed.binary_search(&part).unwrap_or_default();
    let is_run = needed.len() == 1 && slice.windows(2).all(|pair| pair[0].2 + 1 == pair[1].2);
    let indices: Vec<(usize, usize)> =
        if is_run { Vec::new() } else { slice.iter().map(|(_, part, row)| (place(*part), *row as usize)).collect() };
    let part_of = |row: &(i32, u32, u32)| &parts[row.1 as usize];
    let columns = schema
        .fields()
        .iter()
        .map(|field| -> Result<ArrayRef, ArrowError> {
            Ok(match field.name().as_str() {
                layout::OBJECT => {
                    Arc::new(StringArray::from_iter_values(slice.iter().map(|row| part_of(row).object.as_ref())))
                }
                layout::MODIFIED => {
                    let values = slice.iter().map(|row| part_of(row).modified);
                    Arc::new(TimestampMicrosecondArray::from_iter_values(values).with_timezone("UTC"))
                }
                layout::KIND => kind_column(Kind::Row, slice.len()),
                name => {
                    let arrays: Vec<&dyn Array> = needed
                        .iter()
                        .filter_map(|part| parts[*part as usize].batch.column_by_name(name).map(AsRef::as_ref))
                        .collect();
                    match (is_run, arrays.first(), slice.first()) {
                        (true, Some(array), Some(first)) => array.slice(first.2 as usize, slice.len()),
                        _ => interleave(&arrays, &indices)?,
                    }
                }
            })
        })
        .collect::<Result<Vec<_>, _>>()?;
    RecordBatch::try_new(schema.clone(), columns)
}
