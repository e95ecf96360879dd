//! The `ops.*` tables: what is recorded here, as Arrow data for queries.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, Date32Array, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{Field, Schema, SchemaRef};
use chrono::{DateTime, Datelike, NaiveDate, Utc};

use super::leases::Lease;
use super::runs::severity_text;
use super::text::{micros, signed, text_enum};
use super::{
    AttemptRecord, Backfill, BackfillDay, CheckRecord, NotRunReason, RepairRecord, RunFilter, RunOutcome, RunSummary,
    ScheduledRun, SourceRecord, State, StateError, TableRecord,
};

text_enum! {
    /// A table of the schema `ops`.
    OpsTable {
        Runs = "runs",
        RunTables = "run_tables",
        RunSources = "run_sources",
        Checks = "checks",
        Backfills = "backfills",
        BackfillDays = "backfill_days",
        Leases = "leases",
        RunAttempts = "run_attempts",
        RunRepairs = "run_repairs",
        Schedules = "schedules",
    }
}

impl OpsTable {
    /// The table's columns; known without a state file.
    pub fn schema(self) -> Result<SchemaRef, StateError> {
        self.empty().map(|batch| batch.schema())
    }

    /// The table without rows.
    pub fn empty(self) -> Result<RecordBatch, StateError> {
        match self {
            OpsTable::Runs => runs_batch(&[]),
            OpsTable::RunTables => tables_batch(&[]),
            OpsTable::RunSources => sources_batch(&[]),
            OpsTable::Checks => checks_batch(&[]),
            OpsTable::Backfills => backfills_batch(&[]),
            OpsTable::BackfillDays => days_batch(&[]),
            OpsTable::Leases => leases_batch(&[]),
            OpsTable::RunAttempts => attempts_batch(&[]),
            OpsTable::RunRepairs => repairs_batch(&[]),
            OpsTable::Schedules => schedules_batch(&[]),
        }
    }

    /// Rows of `ops.schedules`.
    pub fn schedules_batch(runs: &[ScheduledRun]) -> Result<RecordBatch, StateError> {
        schedules_batch(runs)
    }
}

impl State {
    /// All rows of an `ops` table, with statuses as they are now.
    pub async fn ops_table(&self, table: OpsTable, now: DateTime<Utc>) -> Result<RecordBatch, StateError> {
        match table {
            OpsTable::Runs => self.runs_batch(&RunFilter::default(), now).await,
            OpsTable::RunTables => tables_batch(&self.tables_of(None).await?),
            OpsTable::RunSources => sources_batch(&self.sources_of(None).await?),
            OpsTable::Checks => checks_batch(&self.checks_of(None).await?),
            OpsTable::Backfills => backfills_batch(&self.list_backfills(now).await?),
            OpsTable::BackfillDays => days_batch(&self.backfill_days(None, now).await?),
            OpsTable::Leases => leases_batch(&self.leases().await?),
            OpsTable::RunAttempts => attempts_batch(&self.attempts_of(None).await?),
            OpsTable::RunRepairs => repairs_batch(&self.repairs_of(None).await?),
            OpsTable::Schedules => schedules_batch(&self.schedule_log(None, u32::MAX).await?),
        }
    }

    /// The rows of `ops.runs` that a filter chooses, the newest first.
    pub async fn runs_batch(&self, filter: &RunFilter, now: DateTime<Utc>) -> Result<RecordBatch, StateError> {
        runs_batch(&self.list_runs(filter, now).await?)
    }

    async fn leases(&self) -> Result<Vec<(Lease, Option<DateTime<Utc>>)>, StateError> {
        let rows = self.rows("listing leases", || sqlx::query("select * from leases order by name")).await?;
        rows.iter()
            .map(|row| {
                let record = self.record(row);
                let lease = Lease {
                    name: record.text("name")?,
                    owner: record.text("owner")?,
                    token: record.count("token")?,
                    acquired_at: record.instant("acquired_at")?,
                    expires_at: record.instant("expires_at")?,
                };
                Ok((lease, record.optional_instant("released_at")?))
            })
            .collect()
    }
}

/// Builds a batch column by column from records of one type.
struct Columns<'a, T> {
    records: &'a [T],
    fields: Vec<Field>,
    arrays: Vec<ArrayRef>,
}

impl<'a, T> Columns<'a, T> {
    fn of(records: &'a [T]) -> Self {
        Self { records, fields: Vec::new(), arrays: Vec::new() }
    }

    fn add(mut self, name: &str, nullable: bool, array: ArrayRef) -> Self {
        self.fields.push(Field::new(name, array.data_type().clone(), nullable));
        self.arrays.push(array);
        self
    }

    fn text(self, name: &str, value: impl Fn(&'a T) -> &'a str) -> Self {
        let array = StringArray::from_iter_values(self.records.iter().map(value));
        self.add(name, false, Arc::new(array))
    }

    fn optional_text(self, name: &str, value: impl Fn(&'a T) -> Option<&'a str>) -> Self {
        let array = StringArray::from_iter(self.records.iter().map(value));
        self.add(name, true, Arc::new(array))
    }

    fn count(self, name: &str, value: impl Fn(&T) -> u64) -> Self {
        let array = Int64Array::from_iter_values(self.records.iter().map(|record| signed(value(record))));
        self.add(name, false, Arc::new(array))
    }

    fn optional_count(self, name: &str, value: impl Fn(&T) -> Option<u64>) -> Self {
        let array = Int64Array::from_iter(self.records.iter().map(|record| value(record).map(signed)));
        self.add(name, true, Arc::new(array))
    }

    fn seconds(self, name: &str, value: impl Fn(&T) -> f64) -> Self {
        let array = Float64Array::from_iter_values(self.records.iter().map(value));
        self.add(name, false, Arc::new(array))
    }

    fn day(self, name: &str, value: impl Fn(&T) -> NaiveDate) -> Self {
        let array = Date32Array::from_iter_values(self.records.iter().map(|record| days_since_1970(value(record))));
        self.add(name, false, Arc::new(array))
    }

    fn instant(self, name: &str, value: impl Fn(&T) -> DateTime<Utc>) -> Self {
        let array =
            TimestampMicrosecondArray::from_iter_values(self.records.iter().map(|record| micros(value(record))));
        self.add(name, false, Arc::new(array.with_timezone("UTC")))
    }

    fn optional_instant(self, name: &str, value: impl Fn(&T) -> Option<DateTime<Utc>>) -> Self {
        let array = TimestampMicrosecondArray::from_iter(self.records.iter().map(|record| value(record).map(micros)));
        self.add(name, true, Arc::new(array.with_timezone("UTC")))
    }

    fn finish(self) -> Result<RecordBatch, StateError> {
        RecordBatch::try_new(Arc::new(Schema::new(self.fields)), self.arrays).map_err(StateError::Arrow)
    }
}

fn days_since_1970(day: NaiveDate) -> i32 {
    day.num_days_from_ce() - NaiveDate::default().num_days_from_ce()
}

fn runs_batch(runs: &[RunSummary]) -> Result<RecordBatch, StateError> {
    let seconds = Float64Array::from_iter(runs.iter().map(RunSummary::seconds));
    Columns::of(runs)
        .text("run_id", |run| &run.run_id)
        .text("job", |run| &run.job)
        .day("as_of", |run| run.as_of)
        .text("trigger", |run| run.trigger.as_str())
        .text("environment", |run| &run.environment)
        .text("status", |run| run.status.as_str())
        .instant("started_at", |run| run.started_at)
        .optional_instant("finished_at", |run| run.finished_at)
        .add("seconds", true, Arc::new(seconds))
        .optional_text("message", |run| run.message.as_deref())
        .optional_count("release", |run| run.release)
        .optional_text("backfill_id", |run| run.backfill_id.as_deref())
        .count("rows_landed", |run| run.rows_landed)
        .count("rows_rejected", |run| run.rows_rejected)
        .count("tables_built", |run| run.tables_built)
        .count("tables_failed", |run| run.tables_failed)
        .count("checks", |run| run.checks)
        .count("checks_failed", |run| run.checks_failed)
        .finish()
}

fn tables_batch(tables: &[(String, TableRecord)]) -> Result<RecordBatch, StateError> {
    Columns::of(tables)
        .text("run_id", |(run_id, _)| run_id)
        .text("table_name", |(_, table)| &table.table)
        .text("action", |(_, table)| table.action.as_str())
        .text("reason", |(_, table)| &table.reason)
        .optional_count("row_count", |(_, table)| table.rows)
        .optional_count("bytes", |(_, table)| table.bytes)
        .seconds("seconds", |(_, table)| table.seconds)
        .optional_count("version", |(_, table)| table.version)
        .finish()
}

fn sources_batch(sources: &[(String, SourceRecord)]) -> Result<RecordBatch, StateError> {
    Columns::of(sources)
        .text("run_id", |(run_id, _)| run_id)
        .text("source", |(_, source)| &source.source)
        .count("objects_new", |(_, source)| source.objects_new)
        .count("objects_changed", |(_, source)| source.objects_changed)
        .count("objects_unchanged", |(_, source)| source.objects_unchanged)
        .count("rows_in", |(_, source)| source.rows_in)
        .count("landed", |(_, source)| source.landed)
        .count("rejected", |(_, source)| source.rejected)
        .count("bytes", |(_, source)| source.bytes)
        .seconds("seconds", |(_, source)| source.seconds)
        .optional_count("version", |(_, source)| source.version)
        .finish()
}

fn checks_batch(checks: &[(String, CheckRecord)]) -> Result<RecordBatch, StateError> {
    Columns::of(checks)
        .text("run_id", |(run_id, _)| run_id)
        .text("table_name", |(_, check)| &check.table)
        .text("check_name", |(_, check)| &check.check)
        .text("severity", |(_, check)| severity_text(check.severity))
        .text("status", |(_, check)| check.status.as_str())
        .count("bad_rows", |(_, check)| check.bad_rows)
        .optional_text("sample", |(_, check)| check.sample.as_deref())
        .seconds("seconds", |(_, check)| check.seconds)
        .finish()
}

fn attempts_batch(attempts: &[AttemptRecord]) -> Result<RecordBatch, StateError> {
    Columns::of(attempts)
        .text("run_id", |attempt| &attempt.run_id)
        .count("attempt", |attempt| attempt.attempt)
        .optional_text("of_run", |attempt| attempt.of_run.as_deref())
        .finish()
}

fn repairs_batch(repairs: &[(String, RepairRecord)]) -> Result<RecordBatch, StateError> {
    Columns::of(repairs)
        .text("run_id", |(run_id, _)| run_id)
        .text("table_name", |(_, repair)| &repair.table)
        .day("as_of", |(_, repair)| repair.as_of)
        .text("status", |(_, repair)| repair.status.as_str())
        .text("reason", |(_, repair)| &repair.reason)
        .count("rows_added", |(_, repair)| repair.added)
        .count("rows_removed", |(_, repair)| repair.removed)
        .count("rows_changed", |(_, repair)| repair.changed)
        .finish()
}

fn backfills_batch(backfills: &[Backfill]) -> Result<RecordBatch, StateError> {
    Columns::of(backfills)
        .text("backfill_id", |backfill| &backfill.backfill_id)
        .text("job", |backfill| &backfill.job)
        .text("environment", |backfill| &backfill.environment)
        .day("first_day", |backfill| backfill.first_day)
        .day("last_day", |backfill| backfill.last_day)
        .text("selection", |backfill| &backfill.selection)
        .text("day_order", |backfill| backfill.order.as_str())
        .instant("created_at", |backfill| backfill.created_at)
        .text("status", |backfill| backfill.status.as_str())
        .count("days_pending", |backfill| backfill.pending)
        .count("days_running", |backfill| backfill.running)
        .count("days_done", |backfill| backfill.done)
        .count("days_failed", |backfill| backfill.failed)
        .count("days_cancelled", |backfill| backfill.cancelled)
        .optional_instant("paused_at", |backfill| backfill.pause.as_ref().map(|pause| pause.at))
        .optional_text("paused_by", |backfill| backfill.pause.as_ref().map(|pause| pause.by.as_str()))
        .finish()
}

fn days_batch(days: &[BackfillDay]) -> Result<RecordBatch, StateError> {
    Columns::of(days)
        .text("backfill_id", |day| &day.backfill_id)
        .day("as_of", |day| day.as_of)
        .text("status", |day| day.status.as_str())
        .optional_text("run_id", |day| day.run_id.as_deref())
        .count("attempts", |day| day.attempts)
        .optional_instant("started_at", |day| day.started_at)
        .optional_instant("finished_at", |day| day.finished_at)
        .optional_text("message", |day| day.message.as_deref())
        .finish()
}

fn schedules_batch(runs: &[ScheduledRun]) -> Result<RecordBatch, StateError> {
    Columns::of(runs)
        .text("job", |run| &run.job)
        .instant("scheduled_at", |run| run.scheduled_at)
        .instant("first_at", |run| run.first_at)
        .count("instants", |run| run.instants)
        .day("as_of", |run| run.as_of)
        .text("status", |run| run.status.as_str())
        .optional_text("reason", |run| run.reason.map(NotRunReason::as_str))
        .count("made_up", |run| u64::from(run.is_made_up))
        .instant("decided_at", |run| run.decided_at)
        .text("decided_by", |run| &run.decided_by)
        .count("attempts", |run| run.attempts)
        .optional_text("owner", |run| run.owner.as_deref())
        .optional_instant("started_at", |run| run.started_at)
        .optional_instant("finished_at", |run| run.finished_at)
        .optional_text("run_id", |run| run.run_id.as_deref())
        .optional_text("outcome", |run| run.outcome.map(RunOutcome::as_str))
        .optional_text("message", |run| run.message.as_deref())
        .finish()
}

fn leases_batch(leases: &[(Lease, Option<DateTime<Utc>>)]) -> Result<RecordBatch, StateError> {
    Columns::of(leases)
        .text("name", |(lease, _)| &lease.name)
        .text("owner", |(lease, _)| &lease.owner)
        .count("token", |(lease, _)| lease.token)
        .instant("acquired_at", |(lease, _)| lease.acquired_at)
        .instant("expires_at", |(lease, _)| lease.expires_at)
        .optional_instant("released_at", |(_, released_at)| *released_at)
        .finish()
}
