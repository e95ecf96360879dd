//! What is recorded about a run.

use chrono::{DateTime, NaiveDate, Utc};

use super::Lease;
use super::text::text_enum;
use crate::config::Severity;

text_enum! {
    /// Who asked for a run.
    Trigger {
        Manual = "manual",
        Backfill = "backfill",
        Schedule = "schedule",
    }
}

text_enum! {
    /// How a run ended.
    RunOutcome {
        /// A release was published.
        Succeeded = "succeeded",
        /// Nothing had changed since the last release.
        NothingToDo = "nothing_to_do",
        Failed = "failed",
        /// A check stopped the release.
        ChecksFailed = "checks_failed",
        /// A release was published without some of its tables.
        PartlyFailed = "partly_failed",
        /// Stopped by a person, or its process died.
        Interrupted = "interrupted",
    }
}

impl RunOutcome {
    /// Whether the end needs nobody's attention.
    ///
    /// Whether the job's tables are good is another question: a run that failed in part has a release out, so jobs
    /// that come after it start.
    pub fn is_clean(self) -> bool {
        matches!(self, RunOutcome::Succeeded | RunOutcome::NothingToDo)
    }
}

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RunStatus {
    Running,
    Ended(RunOutcome),
}

impl RunStatus {
    /// All values.
    pub fn all() -> impl Iterator<Item = RunStatus> {
        std::iter::once(RunStatus::Running).chain(RunOutcome::ALL.iter().copied().map(RunStatus::Ended))
    }

    /// The stored text: `running` or the outcome's.
    pub fn as_str(self) -> &'static str {
        match self {
            RunStatus::Running => "running",
            RunStatus::Ended(outcome) => outcome.as_str(),
        }
    }

    /// Reads the stored text.
    pub fn from_text(text: &str) -> Option<Self> {
        if text == "running" {
            return Some(RunStatus::Running);
        }
        RunOutcome::from_text(text).map(RunStatus::Ended)
    }
}

impl std::fmt::Display for RunStatus {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.pad(self.as_str())
    }
}

text_enum! {
    /// What a run did with a table.
    TableAction {
        Built = "built",
        /// Nothing that it depends on had changed, or something upstream failed: the reason says which.
        Skipped = "skipped",
        Failed = "failed",
    }
}

text_enum! {
    /// What a check found.
    CheckStatus {
        Passed = "passed",
        /// It found bad rows.
        Failed = "failed",
        /// Its query could not run.
        Error = "error",
    }
}

/// The beginning of a run.
#[derive(Debug, Clone)]
pub struct RunStart {
    /// Unique; a UUID of version 7 sorts by time.
    pub run_id: String,
    pub job: String,
    pub as_of: NaiveDate,
    pub trigger: Trigger,
    /// The environment's name.
    pub environment: String,
    pub started_at: DateTime<Utc>,
    /// The job's lease, held by this process.
    pub lease: Lease,
    /// The backfill that the run belongs to.
    pub backfill_id: Option<String>,
}

/// The end of a run.
#[derive(Debug, Clone)]
pub struct RunFinish {
    pub outcome: RunOutcome,
    pub finished_at: DateTime<Utc>,
    /// One line for people: why it failed, or why there was nothing to do.
    pub message: Option<String>,
    /// The number of the release that it published.
    pub release: Option<u64>,
}

/// One run, as lists show it.
#[derive(Debug, Clone, PartialEq)]
pub struct RunSummary {
    pub run_id: String,
    pub job: String,
    pub as_of: NaiveDate,
    pub trigger: Trigger,
    pub environment: String,
    /// `interrupted` for a run whose process died.
    pub status: RunStatus,
    pub started_at: DateTime<Utc>,
    /// `None` while it runs, and for a run whose death nobody has noted yet.
    pub finished_at: Option<DateTime<Utc>>,
    pub message: Option<String>,
    pub release: Option<u64>,
    pub backfill_id: Option<String>,
    /// Over all sources.
    pub rows_landed: u64,
    pub rows_rejected: u64,
    pub tables_built: u64,
    pub tables_failed: u64,
    /// Checks with bad rows or an error, of either severity.
    pub checks_failed: u64,
    pub checks: u64,
}

impl RunSummary {
    /// Wall-clock seconds; `None` while it runs.
    pub fn seconds(&self) -> Option<f64> {
        let finished_at = self.finished_at?;
        Some((finished_at - self.started_at).num_microseconds()? as f64 / 1e6)
    }
}

/// One run with everything that was recorded about it.
#[derive(Debug, Clone, PartialEq)]
pub struct RunDetails {
    pub run: RunSummary,
    pub sources: Vec<SourceRecord>,
    pub tables: Vec<TableRecord>,
    pub checks: Vec<CheckRecord>,
}

/// What a run did with one table.
#[derive(Debug, Clone, PartialEq)]
pub struct TableRecord {
    /// `marts.churn`.
    pub table: String,
    pub action: TableAction,
    pub reason: String,
    pub rows: Option<u64>,
    pub bytes: Option<u64>,
    pub seconds: f64,
    /// The Delta version that the run published.
    pub version: Option<u64>,
}

/// What a run landed from one source.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceRecord {
    pub source: String,
    pub objects_new: u64,
    pub objects_changed: u64,
    pub objects_unchanged: u64,
    /// Rows read = `landed` + `rejected`.
    pub rows_in: u64,
    pub landed: u64,
    pub rejected: u64,
    /// Bytes read from the store.
    pub bytes: u64,
    pub seconds: f64,
    /// The Delta version of the landed table after the run.
    pub version: Option<u64>,
}

/// What one check found.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckRecord {
    /// `marts.churn`.
    pub table: String,
    pub check: String,
    pub severity: Severity,
    pub status: CheckStatus,
    pub bad_rows: u64,
    /// A few bad rows or the error, as text. Never holds values of columns that are marked `pii`.
    pub sample: Option<String>,
    pub seconds: f64,
}

/// Which runs a list holds; an empty filter holds all.
#[derive(Debug, Clone, Default)]
pub struct RunFilter {
    pub job: Option<String>,
    pub status: Option<RunStatus>,
    pub as_of: Option<NaiveDate>,
    pub backfill_id: Option<String>,
    /// Leaves out the runs of backfills.
    pub is_without_backfills: bool,
    /// The newest so many.
    pub limit: Option<u32>,
}
