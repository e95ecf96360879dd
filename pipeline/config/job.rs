//! What runs: `jobs/<name>.yaml`, validated.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use chrono::NaiveDate;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Parameters, Source};

/// One job: sources to land, models to build, when, and where the results go.
#[derive(Debug, Clone)]
pub struct Job {
    /// The file's stem.
    pub name: String,
    /// Relative to the project's root.
    pub file: PathBuf,
    pub description: String,
    pub schedule: Option<Schedule>,
    pub retry: Retry,
    /// So many days before a run's day its histories get facts that came late; 0: none do.
    pub repair_window: u64,
    /// In the order of the file.
    pub sources: Vec<Source>,
    /// Model selectors, as written; what they need upstream is built with them.
    pub models: Vec<String>,
    pub exports: Vec<ExportFormat>,
    pub notify: Notify,
    /// How old the end of the newest published business day may become; `None`: nothing is stale.
    pub freshness: Option<Duration>,
    /// The environment's parameters with the job's values over them.
    pub parameters: Parameters,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    /// As written: five fields, or six with seconds first; `None`: the job runs after others alone.
    pub cron: Option<String>,
    /// Jobs whose good run of the same day this one waits for, and answers.
    pub after: Vec<String>,
    pub timezone: chrono_tz::Tz,
    /// Days in `timezone` on which nothing starts.
    pub blackout: Vec<Blackout>,
    pub catch_up: CatchUp,
    pub catch_up_window: Duration,
    pub overlap: Overlap,
    pub jitter: Duration,
    /// A run that would start later than this after its time is recorded as missed; `None`: never.
    pub deadline: Option<Duration>,
}

/// Days on which nothing starts, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blackout {
    pub from: NaiveDate,
    pub to: NaiveDate,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CatchUp {
    None,
    Last,
    All,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Overlap {
    Skip,
    QueueOne,
    Allow,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Retry {
    /// At least 1: the first try counts.
    pub attempts: u32,
    pub backoff: Duration,
    pub max_backoff: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExportFormat {
    Parquet,
    Csv,
}

/// Who is told of what, in the order of the file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Notify {
    pub on_failure: Vec<NotifyTarget>,
    pub on_recovery: Vec<NotifyTarget>,
    pub on_missed: Vec<NotifyTarget>,
    pub on_stale: Vec<NotifyTarget>,
}

impl Notify {
    /// Whether nobody is told of anything.
    pub fn is_empty(&self) -> bool {
        [&self.on_failure, &self.on_recovery, &self.on_missed, &self.on_stale].into_iter().all(Vec::is_empty)
    }
}

/// Where something is told. The URL may be secret, so it is not printed.
#[derive(Clone, PartialEq)]
pub enum NotifyTarget {
    Webhook(String),
    /// Addresses: `Ann <ann@example.com>` or without a name. At least one.
    Email(Vec<String>),
}

impl fmt::Debug for NotifyTarget {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Webhook(_) => formatter.write_str("Webhook(…)"),
            Self::Email(addresses) => formatter.debug_tuple("Email").field(addresses).finish(),
        }
    }
}
