//! One Parquet file of a table, as the table's log describes it.

use std::collections::HashMap;

use deltalake_core::kernel::{Add, Remove};
use serde_json::{Map, Value};

/// A Parquet file that belongs to a table, or will when a commit names it.
#[derive(Debug, Clone, PartialEq)]
pub struct DataFile {
    pub(super) add: Add,
    statistics: Statistics,
}

#[derive(Debug, Clone, Default, PartialEq, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Statistics {
    num_records: u64,
    min_values: Map<String, Value>,
    max_values: Map<String, Value>,
    null_count: Map<String, Value>,
}

impl DataFile {
    pub(super) fn new(add: Add) -> Self {
        let statistics = add.stats.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        Self { add, statistics }
    }

    /// Relative to the table's location.
    pub fn path(&self) -> &str {
        &self.add.path
    }

    /// Bytes.
    pub fn size(&self) -> u64 {
        self.add.size.max(0).unsigned_abs()
    }

    pub fn rows(&self) -> u64 {
        self.statistics.num_records
    }

    /// The value of a partition column, as text; `None` for null or for a column that is none.
    pub fn partition_value(&self, column: &str) -> Option<&str> {
        self.add.partition_values.get(column).and_then(Option::as_deref)
    }

    pub fn partition_values(&self) -> &HashMap<String, Option<String>> {
        &self.add.partition_values
    }

    /// The smallest value of a column in the form of Delta's statistics (dates as `2025-01-31`, timestamps as ISO 8601);
    /// a lower bound for long strings. `None` where none was recorded.
    pub fn min_value(&self, column: &str) -> Option<&Value> {
        self.statistics.min_values.get(column)
    }

    /// The greatest value of a column; an upper bound for long strings.
    pub fn max_value(&self, column: &str) -> Option<&Value> {
        self.statistics.max_values.get(column)
    }

    pub fn null_count(&self, column: &str) -> Option<u64> {
        self.statistics.null_count.get(column).and_then(Value::as_u64)
    }

    pub(super) fn to_remove(&self, now_milliseconds: i64) -> Remove {
        Remove {
            path: self.add.path.clone(),
            data_change: true,
            deletion_timestamp: Some(now_milliseconds),
            extended_file_metadata: Some(true),
            partition_values: Some(self.add.partition_values.clone()),
            size: Some(self.add.size),
            ..Remove::default()
        }
    }
}
