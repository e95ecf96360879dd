//! Reads one data file of a table as batches.

#![allow(deprecated, reason = "the reader's successor is an example to copy, not a type to use")]

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, StringArray, new_null_array};
use arrow::datatypes::SchemaRef;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use object_store::ObjectStore;
use object_store::path::Path;
use parquet::arrow::async_reader::ParquetObjectReader;
use parquet::arrow::{ParquetRecordBatchStreamBuilder, ProjectionMask};

use super::{DataFile, StorageError};

/// Rows of a batch.
const BATCH_ROWS: usize = 8192;

/// Batches of one file, in the order of its rows.
pub type BatchStream = BoxStream<'static, Result<RecordBatch, StorageError>>;

/// Opens a file and reads the wanted columns of the table's schema, in the order wanted.
///
/// A column that the file lacks is null; a partition column has the file's value (text columns only).
pub(super) async fn read(
    store: Arc<dyn ObjectStore>,
    file: &DataFile,
    wanted: SchemaRef,
) -> Result<BatchStream, StorageError> {
    let path = file.path().to_owned();
    let failed = {
        let path = path.clone();
        move |source| StorageError::Parquet { path: path.clone(), source }
    };
    let reader = ParquetObjectReader::new(store, Path::from(path.as_str())).with_file_size(file.size());
    let builder = ParquetRecordBatchStreamBuilder::new(reader).await.map_err(&failed)?;
    let names = wanted.fields().iter().map(|field| field.name().as_str());
    let mask = ProjectionMask::columns(builder.parquet_schema(), names);
    let stream = builder.with_projection(mask).with_batch_size(BATCH_ROWS).build().map_err(&failed)?;
    let partition_values = file.partition_values().clone();
    let table = path;
    Ok(stream
        .map_err(failed)
        .and_then(move |batch| {
            let arranged = arrange(&batch, &wanted, &partition_values)
                .map_err(|source| StorageError::Schema { table: table.clone(), source });
            futures::future::ready(arranged)
        })
        .boxed())
}

fn arrange(
    batch: &RecordBatch,
    wanted: &SchemaRef,
    partition_values: &std::collections::HashMap<String, Option<String>>,
) -> Result<RecordBatch, arrow::error::ArrowError> {
    let rows = batch.num_rows();
    let columns = wanted
        .fields()
        .iter()
        .map(|field| -> Result<ArrayRef, arrow::error::ArrowError> {
            if let Some(value) = partition_values.get(field.name()) {
                let values: ArrayRef = Arc::new(StringArray::from(vec![value.as_deref(); rows]));
                return arrow::compute::cast(&values, field.data_type());
            }
            match batch.column_by_name(field.name()) {
                Some(column) => arrow::compute::cast(column, field.data_type()),
                None => Ok(new_null_array(field.data_type(), rows)),
            }
        })
        .collect::<Result<Vec<_>, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(wanted.clone(), columns, &options)
}
