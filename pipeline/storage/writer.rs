//! Writes a table's Parquet files, without committing them.

use std::collections::HashSet;
use std::num::NonZeroU64;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::{DataType, SchemaRef};
use arrow::error::ArrowError;
use arrow::row::{RowConverter, SortField};
use deltalake_core::DeltaTableError;
use deltalake_core::logstore::ObjectStoreRef;
use deltalake_core::operations::write::writer::{DeltaWriter, WriterConfig};
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use super::postponed::{Failure, PostponingStore};
use super::{DataFile, StorageError};

/// A file is closed when it has about this many bytes, so that a first load of years writes well-sized files.
const TARGET_FILE_BYTES: u64 = 128 * 1024 * 1024;
/// Small enough that a row group's statistics prune days, large enough to compress.
const ROW_GROUP_ROWS: usize = 128 * 1024;
/// Of long texts a row group holds less: it is kept in memory until it is complete.
pub const ROW_GROUP_BYTES: usize = 32 * 1024 * 1024;

/// Writes batches into Parquet files in a table's folder; no reader sees them before a commit names them.
///
/// Batches hold the table's partition columns too; each file holds one combination of their values. Rows keep their
/// order within a file. Dropping the writer leaves files that nothing names, for `vacuum` to sweep.
pub struct FileWriter {
    table: String,
    store: ObjectStoreRef,
    /// What the store failed with, which the writer is not told.
    failure: Failure,
    schema: SchemaRef,
    partition_columns: Vec<String>,
    /// Made with the first batch, whose values say how columns are best encoded.
    writer: Option<DeltaWriter>,
}

impl FileWriter {
    pub(super) fn new(table: String, store: ObjectStoreRef, schema: SchemaRef, partition_columns: Vec<String>) -> Self {
        let (store, failure) = PostponingStore::new(store);
        Self { table, store: Arc::new(store), failure, schema, partition_columns, writer: None }
    }

    fn start(&self, first: &RecordBatch) -> DeltaWriter {
        let mut properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
            .set_max_row_group_bytes(Some(ROW_GROUP_BYTES))
            .set_statistics_enabled(EnabledStatistics::Chunk)
            .set_created_by("lifecycle".to_owned());
        for (field, column) in first.schema_ref().fields().iter().zip(first.columns()) {
            if has_no_repeats(column) {
                properties =
                    properties.set_column_dictionary_enabled(ColumnPath::new(vec![field.name().clone()]), false);
            }
        }
        let measured = self
            .schema
            .fields()
            .iter()
            .filter(|field| !self.partition_columns.contains(field.name()) && has_statistics(field.data_type()))
            .map(|field| field.name().clone())
            .collect();
        let config = WriterConfig::new(
            self.schema.clone(),
            self.partition_columns.clone(),
            Some(properties.build()),
            NonZeroU64::new(TARGET_FILE_BYTES),
            None,
            Default::default(),
            Some(measured),
        );
        DeltaWriter::new(self.store.clone(), config)
    }

    pub async fn write(&mut self, batch: &RecordBatch) -> Result<(), StorageError> {
        let mut writer = match self.writer.take() {
            Some(writer) => writer,
            None => self.start(batch),
        };
        let written = writer.write(batch).await;
        self.check(written)?;
        self.writer = Some(writer);
        Ok(())
    }

    /// Finishes the files and describes them, ready for a commit.
    pub async fn close(mut self) -> Result<Vec<DataFile>, StorageError> {
        let Some(writer) = self.writer.take() else { return Ok(Vec::new()) };
        let closed = writer.close().await;
        Ok(self.check(closed)?.into_iter().map(DataFile::new).collect())
    }

    /// The store's own error comes first: it is the cause of the writer's, if there is one.
    fn check<T>(&self, outcome: Result<T, DeltaTableError>) -> Result<T, StorageError> {
        match (self.failure.take(), outcome) {
            (Some(failure), _) => Err(StorageError::from_store(&self.table, failure)),
            (None, Ok(value)) => Ok(value),
            (None, Err(source)) => Err(StorageError::Delta { table: self.table.clone(), source: Box::new(source) }),
        }
    }
}

/// Rows that are looked at to learn whether a column's values repeat.
const SAMPLE_ROWS: usize = 2048;
/// A column is without repeats when this share of the sample is distinct.
const DISTINCT_SHARE: f64 = 0.97;

/// Whether a dictionary of the column's values would save nothing: building one took half the time of writing a file.
fn has_no_repeats(column: &ArrayRef) -> bool {
    if column.len() < SAMPLE_ROWS || column.data_type().is_nested() || column.null_count() > column.len() / 2 {
        return false;
    }
    let stride = column.len() / SAMPLE_ROWS;
    let places: UInt32Array = (0..SAMPLE_ROWS).map(|row| u32::try_from(row * stride).ok()).collect();
    let distinct = || -> Result<usize, ArrowError> {
        let sample = take(column, &places, None)?;
        let rows = RowConverter::new(vec![SortField::new(column.data_type().clone())])?.convert_columns(&[sample])?;
        Ok(rows.iter().collect::<HashSet<_>>().len())
    };
    // A type that cannot be compared keeps the default.
    distinct().is_ok_and(|distinct| distinct as f64 >= DISTINCT_SHARE * SAMPLE_ROWS as f64)
}

fn has_statistics(data_type: &DataType) -> bool {
    !data_type.is_nested() && !matches!(data_type, DataType::Binary | DataType::Boolean)
}
