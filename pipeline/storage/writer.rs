//! Writes a table's Parquet files, without committing them.

use std::num::NonZeroU64;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, SchemaRef};
use deltalake_core::logstore::ObjectStoreRef;
use deltalake_core::operations::write::writer::{DeltaWriter, WriterConfig};
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties};

use super::{DataFile, StorageError};

/// A file is closed when it has about this many bytes, so that a first load of years writes well-sized files.
const TARGET_FILE_BYTES: u64 = 128 * 1024 * 1024;
/// Small enough that a row group's statistics prune days, large enough to compress.
const ROW_GROUP_ROWS: usize = 128 * 1024;

/// Writes batches into Parquet files in a table's folder; no reader sees them before a commit names them.
///
/// Batches hold the table's partition columns too; each file holds one combination of their values. Rows keep their
/// order within a file. Dropping the writer leaves files that nothing names, for `vacuum` to sweep.
pub struct FileWriter {
    table: String,
    writer: DeltaWriter,
}

impl FileWriter {
    pub(super) fn new(table: String, store: ObjectStoreRef, schema: SchemaRef, partition_columns: Vec<String>) -> Self {
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
            .set_statistics_enabled(EnabledStatistics::Chunk)
            .set_created_by("lifecycle".to_owned())
            .build();
        let measured = schema
            .fields()
            .iter()
            .filter(|field| !partition_columns.contains(field.name()) && has_statistics(field.data_type()))
            .map(|field| field.name().clone())
            .collect();
        let config = WriterConfig::new(
            schema,
            partition_columns,
            Some(properties),
            NonZeroU64::new(TARGET_FILE_BYTES),
            None,
            Default::default(),
            Some(measured),
        );
        Self { table, writer: DeltaWriter::new(store, config) }
    }

    pub async fn write(&mut self, batch: &RecordBatch) -> Result<(), StorageError> {
        self.writer.write(batch).await.map_err(|error| self.failed(error))
    }

    /// Finishes the files and describes them, ready for a commit.
    pub async fn close(self) -> Result<Vec<DataFile>, StorageError> {
        let table = self.table;
        let adds =
            self.writer.close().await.map_err(|source| StorageError::Delta { table, source: Box::new(source) })?;
        Ok(adds.into_iter().map(DataFile::new).collect())
    }

    fn failed(&self, source: deltalake_core::DeltaTableError) -> StorageError {
        StorageError::Delta { table: self.table.clone(), source: Box::new(source) }
    }
}

fn has_statistics(data_type: &DataType) -> bool {
    !data_type.is_nested() && !matches!(data_type, DataType::Binary | DataType::Boolean)
}
