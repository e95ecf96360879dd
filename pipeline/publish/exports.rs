//! One Parquet or CSV object for each mart, for tools that do not read Delta.

use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use futures::StreamExt;
use object_store::buffered::BufWriter;
use parquet::arrow::AsyncArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use tokio::io::AsyncWriteExt;

use object_store::{ObjectStoreExt, PutPayload};
use serde::{Deserialize, Serialize};

use crate::config::ExportFormat;
use crate::storage::{DataFile, ROW_GROUP_BYTES, StorageError, Table, Warehouse};

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
        let file = format!("{}.{}", request.name, ending(*format));
        let outcome = match format {
            ExportFormat::Parquet => write_parquet(warehouse, request, &file).await,
            ExportFormat::Csv => write_csv(warehouse, request, &file).await,
        };
        outcome.map_err(|source| PublishError::Export { file, source })?;
    }
    Ok(())
}

/// Which release a job's exports are of: `exports/<job>/release.json`, written when all of them are.
///
/// A process that dies between a release and its exports leaves an older record, by which the next run knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportRecord {
    pub release: u64,
    /// The endings of the formats: `csv`.
    pub formats: Vec<String>,
}

const RECORD: &str = "release.json";

impl ExportRecord {
    pub fn new(release: u64, formats: &[ExportFormat]) -> Self {
        Self { release, formats: formats.iter().map(|format| ending(*format).to_owned()).collect() }
    }

    /// Reads a job's record; `None` where there is none, or none that can be read.
    pub async fn read(warehouse: &Warehouse, job: &str) -> Result<Option<Self>, StorageError> {
        let (store, path) = warehouse.export(job, RECORD)?;
        let failed = |source| StorageError::from_store(path.to_string(), source);
        let bytes = match store.get(&path).await {
            Ok(found) => found.bytes().await.map_err(failed)?,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        Ok(serde_json::from_slice(&bytes).ok())
    }

    pub async fn write(&self, warehouse: &Warehouse, job: &str) -> Result<(), PublishError> {
        let outcome = async {
            let (store, path) = warehouse.export(job, RECORD)?;
            store.put(&path, PutPayload::from(serde_json::to_vec(self)?)).await?;
            Ok(())
        };
        outcome.await.map_err(|source| PublishError::Export { file: RECORD.to_owned(), source })
    }
}

fn ending(format: ExportFormat) -> &'static str {
    match format {
        ExportFormat::Parquet => "parquet",
        ExportFormat::Csv => "csv",
    }
}

type Anything = Box<dyn std::error::Error + Send + Sync>;

async fn write_parquet(warehouse: &Warehouse, request: &ExportRequest<'_>, file: &str) -> Result<(), Anything> {
    let (store, path) = warehouse.export(request.job, file)?;
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_max_row_group_bytes(Some(ROW_GROUP_BYTES))
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
