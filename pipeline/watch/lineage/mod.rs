//! OpenLineage events of runs: what a run read and what it wrote, for catalogues of data.

mod event;
mod sink;

use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;

use crate::config::OpenLineage;
use crate::storage::Stores;

pub use sink::LineageError;

/// A table or a drop zone in an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineageTable {
    /// The location: `s3://bucket/prefix/orders`, `file:///data/warehouse/marts/churn`.
    pub location: String,
    /// Name and type of each column, in order.
    pub columns: Vec<(String, String)>,
    pub description: Option<String>,
    pub rows: Option<u64>,
    pub bytes: Option<u64>,
}

/// A run, as events tell of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineageRun {
    pub run_id: String,
    pub job: String,
    pub description: String,
    pub as_of: NaiveDate,
    pub started_at: DateTime<Utc>,
    pub inputs: Vec<LineageTable>,
    pub outputs: Vec<LineageTable>,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LineageEnd {
    Complete,
    /// Why.
    Fail(String),
    /// Somebody stopped it.
    Abort,
}

/// Tells of runs; clones tell the same place. What cannot be told is warned of, and fails nothing.
#[derive(Clone)]
pub struct Lineage {
    sink: Arc<sink::Sink>,
    place: Arc<Place>,
}

/// Where the runs are at home.
struct Place {
    /// Of the jobs' names.
    namespace: String,
    /// Of the business days.
    zone: Tz,
}

impl Lineage {
    /// `zone` is that of the business days.
    pub fn new(configured: &OpenLineage, stores: &Stores, zone: Tz) -> Self {
        let place = Place { namespace: configured.namespace.clone(), zone };
        Self { sink: Arc::new(sink::Sink::new(configured, stores)), place: Arc::new(place) }
    }

    /// A run has begun.
    pub async fn started(&self, run: &LineageRun) {
        let event = event::start(run, &self.place);
        self.tell(run, &event).await;
    }

    /// A run has ended.
    pub async fn ended(&self, run: &LineageRun, ended_at: DateTime<Utc>, end: &LineageEnd) {
        let event = event::end(run, &self.place, ended_at, end);
        self.tell(run, &event).await;
    }

    async fn tell(&self, run: &LineageRun, event: &serde_json::Value) {
        if let Err(error) = self.sink.put(run, event).await {
            tracing::warn!(%error, "an OpenLineage event could not be written");
        }
    }
}
