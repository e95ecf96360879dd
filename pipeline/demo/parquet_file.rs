//! Rows as a Parquet object.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Builder, RecordBatch, StringBuilder, TimestampMicrosecondBuilder};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};

use super::breakage::Breakage;
use super::encode::push_value;
use super::feeds::{Column, Feed, Kind};
use super::record::{Record, Value};
use super::settings::DemoError;

const ROWS_PER_BATCH: usize = 8_192;

fn data_type(feed: Feed, column: &Column) -> DataType {
    match column.kind {
        _ if feed.is_all_text() => DataType::Utf8,
        Kind::Instant => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        Kind::Number => DataType::Float64,
        _ => DataType::Utf8,
    }
}

fn schema(feed: Feed) -> SchemaRef {
    let fields = feed.columns().iter().map(|column| Field::new(column.name, data_type(feed, column), true));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// Writes all rows to `file`; `broken` says which are broken, and how.
pub(super) fn write(
    path: &Path,
    file: File,
    feed: Feed,
    rows: &[Record],
    broken: &dyn Fn(usize) -> Option<Breakage>,
) -> Result<File, DemoError> {
    let fail = |source| DemoError::Parquet { path: path.to_owned(), source };
    // Small objects: the fewer footers and statistics, the better. The name of the writer is fixed, so that bytes are.
    let properties = WriterProperties::builder()
        .set_created_by("shop export 4.2".to_owned())
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_statistics_enabled(EnabledStatistics::None)
        .set_offset_index_disabled(true)
        .set_dictionary_enabled(rows.len() > 1_000)
        .build();
    let options = ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
    let schema = schema(feed);
    let mut writer = ArrowWriter::try_new_with_options(file, Arc::clone(&schema), options).map_err(fail)?;
    for (number, chunk) in rows.chunks(ROWS_PER_BATCH).enumerate() {
        let first = number * ROWS_PER_BATCH;
        let batch = batch(&schema, feed, chunk, &|index| broken(first + index)).map_err(fail)?;
        writer.write(&batch).map_err(fail)?;
    }
    writer.into_inner().map_err(fail)
}

fn batch(
    schema: &SchemaRef,
    feed: Feed,
    rows: &[Record],
    broken: &dyn Fn(usize) -> Option<Breakage>,
) -> Result<RecordBatch, ParquetError> {
    let mut arrays: Vec<ArrayRef> = Vec::with_capacity(feed.columns().len());
    for (index, column) in feed.columns().iter().enumerate() {
        let cells = rows.iter().enumerate().map(|(row, record)| {
            let value = record.values.get(index).unwrap_or(&Value::Null);
            match broken(row) {
                Some(Breakage::MissingRequired { column }) if column == index => (&Value::Null, None),
                breakage => (value, breakage),
            }
        });
        arrays.push(match data_type(feed, column) {
            DataType::Timestamp(..) => {
                let mut builder = TimestampMicrosecondBuilder::with_capacity(rows.len()).with_timezone("UTC");
                for (value, _) in cells {
                    match value {
                        Value::Instant(seconds) => builder.append_value(seconds * 1_000_000),
                        _ => builder.append_null(),
                    }
                }
                Arc::new(builder.finish())
            }
            DataType::Float64 => {
                let mut builder = Float64Builder::with_capacity(rows.len());
                for (value, _) in cells {
                    match value {
                        Value::Double(number) => builder.append_value(*number),
                        Value::Integer(number) => builder.append_value(*number as f64),
                        _ => builder.append_null(),
                    }
                }
                Arc::new(builder.finish())
            }
            _ => {
                let mut builder = StringBuilder::with_capacity(rows.len(), rows.len() * 8);
                let mut text = String::new();
                for (value, breakage) in cells {
                    text.clear();
                    push_value(&mut text, value, column.kind);
                    if let Some(breakage) = breakage {
                        breakage.spoil_field(&mut text, index);
                    }
                    match value {
                        Value::Null => builder.append_null(),
                        _ => builder.append_value(&text),
                    }
                }
                Arc::new(builder.finish())
            }
        });
    }
    Ok(RecordBatch::try_new(Arc::clone(schema), arrays)?)
}
