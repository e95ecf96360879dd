//! A DataFusion table over named Parquet files: a version of a Delta table, a candidate, or some files of either.

use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::common::{ColumnStatistics, Result, ScalarValue, Statistics, project_schema};
use datafusion::datasource::TableType;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use object_store::ObjectMeta;

use crate::storage::{DataFile, Table};

/// Reads named files of one table; which they are never changes.
#[derive(Debug)]
pub struct FilesTable {
    /// The files' columns, then the partition columns.
    schema: SchemaRef,
    parquet: TableSchema,
    store: ObjectStoreUrl,
    files: Vec<PartitionedFile>,
    rows: u64,
}

impl FilesTable {
    /// `schema` holds the wanted columns, partition columns anywhere among them; a column that a file lacks is null.
    pub fn new(table: &Table, schema: &SchemaRef, partition_columns: &[String], files: &[DataFile]) -> Result<Self> {
        let (partition, stored): (Vec<FieldRef>, Vec<FieldRef>) =
            schema.fields().iter().cloned().partition(|field| partition_columns.contains(field.name()));
        let parquet =
            TableSchema::builder(Arc::new(Schema::new(stored))).with_table_partition_cols(partition.clone()).build();
        let full = parquet.table_schema().clone();
        let url = table.url();
        let store = ObjectStoreUrl::parse(format!("{}://{}", url.scheme(), url.authority()))?;
        let rows = files.iter().map(DataFile::rows).sum();
        let files =
            files.iter().map(|file| partitioned_file(table, file, &full, &partition)).collect::<Result<Vec<_>>>()?;
        Ok(Self { schema: full, parquet, store, files, rows })
    }
}

fn partitioned_file(
    table: &Table,
    file: &DataFile,
    schema: &SchemaRef,
    partition: &[FieldRef],
) -> Result<PartitionedFile> {
    let meta = ObjectMeta {
        location: table.file_path(file),
        last_modified: chrono::DateTime::UNIX_EPOCH,
        size: file.size(),
        e_tag: None,
        version: None,
    };
    let mut partitioned = PartitionedFile::new_from_meta(meta);
    partitioned.partition_values = partition
        .iter()
        .map(|field| match file.partition_value(field.name()) {
            Some(text) => ScalarValue::try_from_string(text.to_owned(), field.data_type()),
            None => ScalarValue::try_from(field.data_type()),
        })
        .collect::<Result<_>>()?;
    let mut statistics = Statistics::new_unknown(schema);
    statistics.num_rows = exact(file.rows());
    for (column, field) in statistics.column_statistics.iter_mut().zip(schema.fields()) {
        *column = column_statistics(file, field);
    }
    Ok(partitioned.with_statistics(Arc::new(statistics)))
}

/// Bounds for the types whose bounds the log holds exactly; for others (strings are cut, instants rounded) none.
fn column_statistics(file: &DataFile, field: &FieldRef) -> ColumnStatistics {
    let mut statistics = ColumnStatistics::new_unknown();
    if let Some(nulls) = file.null_count(field.name()) {
        statistics.null_count = exact(nulls);
    }
    if matches!(field.data_type(), DataType::Date32 | DataType::Int64 | DataType::Int32) {
        let bound = |value: Option<&serde_json::Value>| {
            let text = match value? {
                serde_json::Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            ScalarValue::try_from_string(text, field.data_type()).ok()
        };
        if let (Some(min), Some(max)) = (bound(file.min_value(field.name())), bound(file.max_value(field.name()))) {
            statistics.min_value = Precision::Exact(min);
            statistics.max_value = Precision::Exact(max);
        }
    }
    statistics
}

fn exact(count: u64) -> Precision<usize> {
    usize::try_from(count).map_or(Precision::Absent, Precision::Exact)
}

#[async_trait]
impl TableProvider for FilesTable {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if self.files.is_empty() {
            return Ok(Arc::new(EmptyExec::new(project_schema(&self.schema, projection)?)));
        }
        let mut statistics = Statistics::new_unknown(&self.schema);
        statistics.num_rows = exact(self.rows);
        let groups = spread(&self.files, state.config().target_partitions());
        let options = state.default_table_options().parquet;
        let source = ParquetSource::new(self.parquet.clone()).with_table_parquet_options(options);
        let config = FileScanConfigBuilder::new(self.store.clone(), Arc::new(source))
            .with_file_groups(groups)
            .with_statistics(statistics)
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }
}

/// Spreads files over at most `partitions` groups of about equal bytes, in an order that depends on the files alone.
fn spread(files: &[PartitionedFile], partitions: usize) -> Vec<FileGroup> {
    let mut groups = vec![(0_u64, Vec::new()); partitions.max(1).min(files.len().max(1))];
    for file in files {
        if let Some((bytes, group)) = groups.iter_mut().min_by_key(|(bytes, _)| *bytes) {
            *bytes += file.object_meta.size.max(1);
            group.push(file.clone());
        }
    }
    groups.into_iter().map(|(_, files)| FileGroup::new(files)).collect()
}
