//! Rows that several sessions read, kept in memory instead of being read from files each time.

use std::sync::Arc;

use datafusion::common::TableReference;
use datafusion::datasource::MemTable;
use datafusion::error::DataFusionError;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use futures::StreamExt;

use crate::config::TableName;

use super::workspace::Workspace;

/// Rows of tables that are kept in memory, within the memory pool of their workspace.
#[derive(Debug)]
pub struct KeptRows {
    reservation: MemoryReservation,
    most_bytes: usize,
}

impl KeptRows {
    /// Nothing yet; at most a tenth of the memory limit.
    pub fn new(workspace: &Workspace) -> Self {
        let consumer = MemoryConsumer::new("rows that all days read");
        let reservation = consumer.register(&workspace.context().runtime_env().memory_pool);
        let most_bytes = usize::try_from(workspace.memory_limit() / 10).unwrap_or(usize::MAX);
        Self { reservation, most_bytes }
    }

    /// Reads a table once and puts its rows in its place. Where there is no room for them, or not all of it can be read,
    /// it stays what it is.
    pub async fn keep(&mut self, workspace: &Workspace, name: &TableName) {
        let before = self.reservation.size();
        if let Err(error) = self.try_keep(workspace, name).await {
            tracing::debug!(%error, table = %name, "not kept in memory");
            self.reservation.shrink(self.reservation.size().saturating_sub(before));
        }
    }

    async fn try_keep(&mut self, workspace: &Workspace, name: &TableName) -> Result<(), DataFusionError> {
        let reference = TableReference::partial(name.schema.as_str(), name.table.as_str());
        let mut rows = workspace.context().table(reference).await?.execute_stream().await?;
        let schema = rows.schema();
        let mut batches = Vec::new();
        while let Some(batch) = rows.next().await {
            let batch = batch?;
            let bytes = batch.get_array_memory_size();
            if self.reservation.size() + bytes > self.most_bytes {
                return Err(DataFusionError::ResourcesExhausted("its rows are too many".to_owned()));
            }
            self.reservation.try_grow(bytes)?;
            batches.push(batch);
        }
        let kept = Arc::new(MemTable::try_new(schema, vec![batches])?);
        workspace.register(name, kept).map_err(|error| DataFusionError::External(Box::new(error)))
    }
}
