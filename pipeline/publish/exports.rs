//! One Parquet or CSV object for each mart, for tools that do not read Delta.

use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use futures::StreamExt;
use object_store::buffered::BufWriter;
use parquet::arrow::AsyncArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use tokio::io::AsyncWriteExt;

use crate::config::ExportFormat;
use crate::storage::{DataFile, Table, Warehouse};

use super::PublishError;

/// A table to export.
#[derive(Debug, Clone)]
pub struct ExportRequest<'a> {
    pub job: &'a str,
    /// Without its schema: `churn`.
    pub name: &'a str,
    pub table: &'a Table,
    pub schema: &'a SchemaRef,
    pub files: &'a [DataFile],
}

/// Writes a table's export in each format; an object appears whole or not at all.
pub async fn write_exports(
    warehouse: &Warehouse,
    request: &ExportRequest<'_>,
    formats: &[ExportFormat],
) -> Result<(), PublishError> {
    for format in formats {
        let ending = match format {
            ExportFormat::Parquet => "parquet",
            ExportFormat::Csv => "csv",
        };
        let file = format!("{}.{ending}", request.name);
        let outcome = match format {
            ExportFormat::Parquet => write_parquet(warehouse, request, &file).await,
            ExportFormat::Csv => write_csv(warehouse, request, &file).await,
        };
        outcome.map_err(|source| PublishError::Export { file, source })?;
    }
    Ok(())
}

type Anything = Box<dyn std::error::Error + Send + Sync>;

async fn write_parquet(warehouse: &Warehouse, request: &ExportRequest<'_>, file: &str) -> Result<(), Anything> {
    let (store, path) = warehouse.export(request.job, file)?;
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_created_by("lifecycle".to_owned())
        .build();
    let buffer = BufWriter::new(store, path);
    let mut writer = AsyncArrowWriter::try_new(buffer, request.schema.clone(), Some(properties))?;
    for data_file in request.files {
        let mut batches = request.table.read(data_file, request.schema.clone()).await?;
        while let Some(batch) = batches.next().await {
            writer.write(&batch?).await?;
        }
    }
    writer.close().await?;
    Ok(())
}

/// CSV by RFC 4180 with a header, UTF-8, instants in UTC, nulls empty.
async fn write_csv(warehouse: &Warehouse, request: &ExportRequest<'_>, file: &str) -> Result<(), Anything> {
    let (store, path) = warehouse.export(request.job, file)?;
    let mut buffer = BufWriter::new(store, path);
    let header = arrow::array::RecordBatch::new_empty(request.schema.clone());
    buffer.put(csv_text(&header, true)?).await?;
    for data_file in request.files {
        let mut batches = request.table.read(data_file, request.schema.clone()).await?;
        while let Some(batch) = batches.next().await {
            buffer.put(csv_text(&batch?, false)?).await?;
        }
    }
    buffer.shutdown().await?;
    Ok(())
}

fn csv_text(batch: &arrow::array::RecordBatch, header: bool) -> Result<Bytes, arrow::error::ArrowError> {
    let mut text = Vec::new();
    arrow::csv::WriterBuilder::new().with_header(header).build(&mut text).write(batch)?;
    Ok(Bytes::from(text))
}
