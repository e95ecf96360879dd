//! Run records: writing them as a run goes on, and reading them back.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::AnyConnection;

use super::engine::Write;
use super::error::RecordKind;
use super::rows::Record;
use super::text::{micros, signed};
use super::{
    CheckRecord, CheckStatus, RunDetails, RunFilter, RunFinish, RunStart, RunStatus, RunSummary, SourceRecord, State,
    StateError, TableAction, TableRecord, Trigger,
};
use crate::config::Severity;

/// Runs with the status that is true now (`$1`) and the totals of what they recorded.
macro_rules! runs_as_seen {
    ($rest:literal) => {
        concat!(
            "with seen as (
                select r.*,
                    case
                        when r.status = 'running' and not exists (
                            select 1 from leases as l
                            where l.name = r.lease_name and l.token = r.lease_token
                                and l.released_at is null and l.expires_at > $1
                        ) then 'interrupted'
                        else r.status
                    end as seen_status,
                    (select cast(coalesce(sum(landed), 0) as bigint) from run_sources as s where s.run_id = r.run_id) as rows_landed,
                    (select cast(coalesce(sum(rejected), 0) as bigint) from run_sources as s where s.run_id = r.run_id) as rows_rejected,
                    (select count(*) from run_tables as t where t.run_id = r.run_id and t.action = 'built') as tables_built,
                    (select count(*) from run_tables as t where t.run_id = r.run_id and t.action = 'failed') as tables_failed,
                    (select count(*) from run_checks as c where c.run_id = r.run_id) as checks,
                    (select count(*) from run_checks as c where c.run_id = r.run_id and c.status <> 'passed') as checks_failed
                from runs as r
            )
            select * from seen ",
            $rest
        )
    };
}

impl State {
    /// Records the start of a run, and marks the job's runs whose process died as `interrupted`.
    ///
    /// Needs the job's lease to be current at `started_at`; the error otherwise is [`StateError::LeaseLost`].
    pub async fn start_run(&self, start: &RunStart) -> Result<(), StateError> {
        const DOING: &str = "recording the start of a run";
        let failed = |error| self.failed(DOING, error);
        let mut transaction = self.write(DOING).await?;
        self.require_lease_on(&mut transaction, &start.lease, start.started_at).await?;
        sqlx::query(
            "update runs
             set status = 'interrupted', message = coalesce(message, 'its process ended without finishing it'),
                 finished_at = coalesce(
                     (select case when l.expires_at < $2 then l.expires_at else $2 end from leases as l
                      where l.name = runs.lease_name and l.token = runs.lease_token),
                     $2
                 )
             where job = $1 and status = 'running' and not exists (
                 select 1 from leases as l
                 where l.name = runs.lease_name and l.token = runs.lease_token
                     and l.released_at is null and l.expires_at > $2
             )",
        )
        .bind(&start.job)
        .bind(micros(start.started_at))
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
        sqlx::query(
            "insert into runs (run_id, job, as_of, started_by, environment, status, started_at, lease_name, lease_token,
                 backfill_id)
             values ($1, $2, $3, $4, $5, 'running', $6, $7, $8, $9)",
        )
        .bind(&start.run_id)
        .bind(&start.job)
        .bind(start.as_of.to_string())
        .bind(start.trigger.as_str())
        .bind(&start.environment)
        .bind(micros(start.started_at))
        .bind(&start.lease.name)
        .bind(signed(start.lease.token))
        .bind(&start.backfill_id)
        .execute(&mut *transaction)
        .await
        .map_err(|error| match &error {
            sqlx::Error::Database(database) if database.is_unique_violation() => {
                StateError::RecordExists { kind: RecordKind::Run, id: start.run_id.clone() }
            }
            _ => failed(error),
        })?;
        transaction.commit().await.map_err(failed)
    }

    /// Records the end of a run; a run that ended already keeps its first end and the error says which.
    pub async fn finish_run(&self, run_id: &str, finish: &RunFinish) -> Result<(), StateError> {
        const DOING: &str = "recording the end of a run";
        let mut transaction = self.write(DOING).await?;
        self.require_running(&mut transaction, run_id).await?;
        sqlx::query(
            "update runs set status = $1, finished_at = $2, message = $3, release_number = $4 where run_id = $5",
        )
        .bind(finish.outcome.as_str())
        .bind(micros(finish.finished_at))
        .bind(&finish.message)
        .bind(finish.release.map(signed))
        .bind(run_id)
        .execute(&mut *transaction)
        .await
        .map_err(|error| self.failed(DOING, error))?;
        transaction.commit().await.map_err(|error| self.failed(DOING, error))
    }

    /// Records what a running run did with tables; a table recorded before is replaced.
    pub async fn record_tables(&self, run_id: &str, tables: &[TableRecord]) -> Result<(), StateError> {
        const DOING: &str = "recording a run's tables";
        let mut transaction = self.start_recording(DOING, run_id).await?;
        for table in tables {
            sqlx::query(
                "insert into run_tables
                     (run_id, position, table_name, action, reason, row_count, bytes, seconds, version)
                 values ($1, (select count(*) from run_tables where run_id = $1), $2, $3, $4, $5, $6, $7, $8)
                 on conflict (run_id, table_name) do update set
                     action = excluded.action, reason = excluded.reason,
                     row_count = excluded.row_count, bytes = excluded.bytes,
                     seconds = excluded.seconds, version = excluded.version",
            )
            .bind(run_id)
            .bind(&table.table)
            .bind(table.action.as_str())
            .bind(&table.reason)
            .bind(table.rows.map(signed))
            .bind(table.bytes.map(signed))
            .bind(table.seconds)
            .bind(table.version.map(signed))
            .execute(&mut *transaction)
            .await
            .map_err(|error| self.failed(DOING, error))?;
        }
        transaction.commit().await.map_err(|error| self.failed(DOING, error))
    }

    /// Records what a running run landed; a source recorded before is replaced.
    pub async fn record_sources(&self, run_id: &str, sources: &[SourceRecord]) -> Result<(), StateError> {
        const DOING: &str = "recording a run's sources";
        let mut transaction = self.start_recording(DOING, run_id).await?;
        for source in sources {
            sqlx::query(
                "insert into run_sources
                     (run_id, position, source, objects_new, objects_changed, objects_unchanged, rows_in, landed,
                      rejected, bytes, seconds, version)
                 values ($1, (select count(*) from run_sources where run_id = $1), $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
                 on conflict (run_id, source) do update set
                     objects_new = excluded.objects_new, objects_changed = excluded.objects_changed,
                     objects_unchanged = excluded.objects_unchanged, rows_in = excluded.rows_in,
                     landed = excluded.landed, rejected = excluded.rejected,
                     bytes = excluded.bytes, seconds = excluded.seconds,
                     version = excluded.version",
            )
            .bind(run_id)
            .bind(&source.source)
            .bind(signed(source.objects_new))
            .bind(signed(source.objects_changed))
            .bind(signed(source.objects_unchanged))
            .bind(signed(source.rows_in))
            .bind(signed(source.landed))
            .bind(signed(source.rejected))
            .bind(signed(source.bytes))
            .bind(source.seconds)
            .bind(source.version.map(signed))
            .execute(&mut *transaction)
            .await
            .map_err(|error| self.failed(DOING, error))?;
        }
        transaction.commit().await.map_err(|error| self.failed(DOING, error))
    }

    /// Records what a running run's checks found; a check recorded before is replaced.
    pub async fn record_checks(&self, run_id: &str, checks: &[CheckRecord]) -> Result<(), StateError> {
        const DOING: &str = "recording a run's checks";
        let mut transaction = self.start_recording(DOING, run_id).await?;
        for check in checks {
            sqlx::query(
                "insert into run_checks
                     (run_id, position, table_name, check_name, severity, status, bad_rows, sample, seconds)
                 values ($1, (select count(*) from run_checks where run_id = $1), $2, $3, $4, $5, $6, $7, $8)
                 on conflict (run_id, table_name, check_name) do update set
                     severity = excluded.severity, status = excluded.status,
                     bad_rows = excluded.bad_rows, sample = excluded.sample,
                     seconds = excluded.seconds",
            )
            .bind(run_id)
            .bind(&check.table)
            .bind(&check.check)
            .bind(severity_text(check.severity))
            .bind(check.status.as_str())
            .bind(signed(check.bad_rows))
            .bind(&check.sample)
            .bind(check.seconds)
            .execute(&mut *transaction)
            .await
            .map_err(|error| self.failed(DOING, error))?;
        }
        transaction.commit().await.map_err(|error| self.failed(DOING, error))
    }

    /// Lists runs, the newest first.
    pub async fn list_runs(&self, filter: &RunFilter, now: DateTime<Utc>) -> Result<Vec<RunSummary>, StateError> {
        let rows = sqlx::query(runs_as_seen!(
            "where ($2 is null or job = $2) and ($3 is null or seen_status = $3) and ($4 is null or as_of = $4)
                 and ($5 is null or backfill_id = $5)
             order by started_at desc, run_id desc
             limit $6"
        ))
        .bind(micros(now))
        .bind(&filter.job)
        .bind(filter.status.map(RunStatus::as_str))
        .bind(filter.as_of.map(|day| day.to_string()))
        .bind(&filter.backfill_id)
        .bind(filter.limit.map_or(i64::MAX, i64::from))
        .fetch_all(&self.pool)
        .await
        .map_err(|error| self.failed("listing runs", error))?;
        rows.iter().map(|row| summary(&self.record(row))).collect()
    }

    /// The newest run of each job, by job.
    pub async fn last_runs(&self, now: DateTime<Utc>) -> Result<Vec<RunSummary>, StateError> {
        let rows = sqlx::query(runs_as_seen!(
            "where run_id = (
                 select run_id from runs as newest where newest.job = seen.job
                 order by started_at desc, run_id desc limit 1
             )
             order by job"
        ))
        .bind(micros(now))
        .fetch_all(&self.pool)
        .await
        .map_err(|error| self.failed("listing runs", error))?;
        rows.iter().map(|row| summary(&self.record(row))).collect()
    }

    /// The newest status of every day in `[from, to]` for which the job ran.
    pub async fn statuses_by_day(
        &self,
        job: &str,
        from: NaiveDate,
        to: NaiveDate,
        now: DateTime<Utc>,
    ) -> Result<BTreeMap<NaiveDate, RunStatus>, StateError> {
        let rows = sqlx::query(runs_as_seen!("where job = $2 and as_of between $3 and $4 order by started_at, run_id"))
            .bind(micros(now))
            .bind(job)
            .bind(from.to_string())
            .bind(to.to_string())
            .fetch_all(&self.pool)
            .await
            .map_err(|error| self.failed("listing runs", error))?;
        rows.iter()
            .map(|row| {
                let run = summary(&self.record(row))?;
                Ok((run.as_of, run.status))
            })
            .collect()
    }

    /// The latest as-of for which the job published, or found that nothing had changed.
    pub async fn newest_good_day(&self, job: &str) -> Result<Option<NaiveDate>, StateError> {
        let row = sqlx::query(
            "select max(as_of) as newest from runs
             where job = $1 and status in ('succeeded', 'nothing_to_do', 'partly_failed')",
        )
        .bind(job)
        .fetch_one(&self.pool)
        .await
        .map_err(|error| self.failed("reading a job's runs", error))?;
        self.record(&row).optional_day("newest")
    }

    /// Finds the one run whose id begins with `prefix`, with everything recorded about it.
    pub async fn show_run(&self, prefix: &str, now: DateTime<Utc>) -> Result<RunDetails, StateError> {
        const DOING: &str = "reading a run";
        let ids: Vec<String> = sqlx::query_scalar("select run_id from runs order by started_at desc, run_id desc")
            .fetch_all(&self.pool)
            .await
            .map_err(|error| self.failed(DOING, error))?;
        let run_id = find_by_prefix(RecordKind::Run, prefix, &ids)?;
        let row = sqlx::query(runs_as_seen!("where run_id = $2"))
            .bind(micros(now))
            .bind(&run_id)
            .fetch_one(&self.pool)
            .await
            .map_err(|error| self.failed(DOING, error))?;
        Ok(RunDetails {
            run: summary(&self.record(&row))?,
            sources: self.sources_of(Some(&run_id)).await?.into_iter().map(|(_, source)| source).collect(),
            tables: self.tables_of(Some(&run_id)).await?.into_iter().map(|(_, table)| table).collect(),
            checks: self.checks_of(Some(&run_id)).await?.into_iter().map(|(_, check)| check).collect(),
        })
    }

    /// Source records with their run's id: of one run, or of all.
    pub(super) async fn sources_of(&self, run_id: Option<&str>) -> Result<Vec<(String, SourceRecord)>, StateError> {
        let rows = sqlx::query("select * from run_sources where $1 is null or run_id = $1 order by run_id, position")
            .bind(run_id)
            .fetch_all(&self.pool)
            .await
            .map_err(|error| self.failed("reading a run's sources", error))?;
        rows.iter()
            .map(|row| {
                let record = self.record(row);
                let source = SourceRecord {
                    source: record.text("source")?,
                    objects_new: record.count("objects_new")?,
                    objects_changed: record.count("objects_changed")?,
                    objects_unchanged: record.count("objects_unchanged")?,
                    rows_in: record.count("rows_in")?,
                    landed: record.count("landed")?,
                    rejected: record.count("rejected")?,
                    bytes: record.count("bytes")?,
                    seconds: record.value("seconds")?,
                    version: record.optional_count("version")?,
                };
                Ok((record.text("run_id")?, source))
            })
            .collect()
    }

    /// Table records with their run's id: of one run, or of all.
    pub(super) async fn tables_of(&self, run_id: Option<&str>) -> Result<Vec<(String, TableRecord)>, StateError> {
        let rows = sqlx::query("select * from run_tables where $1 is null or run_id = $1 order by run_id, position")
            .bind(run_id)
            .fetch_all(&self.pool)
            .await
            .map_err(|error| self.failed("reading a run's tables", error))?;
        rows.iter()
            .map(|row| {
                let record = self.record(row);
                let table = TableRecord {
                    table: record.text("table_name")?,
                    action: record.named("action", TableAction::from_text)?,
                    reason: record.text("reason")?,
                    rows: record.optional_count("row_count")?,
                    bytes: record.optional_count("bytes")?,
                    seconds: record.value("seconds")?,
                    version: record.optional_count("version")?,
                };
                Ok((record.text("run_id")?, table))
            })
            .collect()
    }

    /// Check records with their run's id: of one run, or of all.
    pub(super) async fn checks_of(&self, run_id: Option<&str>) -> Result<Vec<(String, CheckRecord)>, StateError> {
        let rows = sqlx::query("select * from run_checks where $1 is null or run_id = $1 order by run_id, position")
            .bind(run_id)
            .fetch_all(&self.pool)
            .await
            .map_err(|error| self.failed("reading a run's checks", error))?;
        rows.iter()
            .map(|row| {
                let record = self.record(row);
                let check = CheckRecord {
                    table: record.text("table_name")?,
                    check: record.text("check_name")?,
                    severity: record.named("severity", severity_from_text)?,
                    status: record.named("status", CheckStatus::from_text)?,
                    bad_rows: record.count("bad_rows")?,
                    sample: record.value("sample")?,
                    seconds: record.value("seconds")?,
                };
                Ok((record.text("run_id")?, check))
            })
            .collect()
    }

    pub(super) async fn start_recording(&self, doing: &'static str, run_id: &str) -> Result<Write, StateError> {
        let mut transaction = self.write(doing).await?;
        self.require_running(&mut transaction, run_id).await?;
        Ok(transaction)
    }

    /// Refuses to write to a run that was taken for dead: its successor may be at work.
    async fn require_running(&self, connection: &mut AnyConnection, run_id: &str) -> Result<(), StateError> {
        let status: Option<String> = sqlx::query_scalar("select status from runs where run_id = $1")
            .bind(run_id)
            .fetch_optional(connection)
            .await
            .map_err(|error| self.failed("reading a run", error))?;
        match status.as_deref() {
            Some("running") => Ok(()),
            Some(status) => Err(StateError::RunNotRunning { run_id: run_id.to_owned(), status: status.to_owned() }),
            None => {
                Err(StateError::UnknownRecord { kind: RecordKind::Run, prefix: run_id.to_owned(), newest: Vec::new() })
            }
        }
    }
}

/// Finds the one id that is `prefix` or begins with it. `ids` are sorted from the newest.
pub(super) fn find_by_prefix(kind: RecordKind, prefix: &str, ids: &[String]) -> Result<String, StateError> {
    let prefix = prefix.trim();
    if let Some(exact) = ids.iter().find(|id| *id == prefix) {
        return Ok(exact.clone());
    }
    let matches: Vec<String> = ids.iter().filter(|id| !prefix.is_empty() && id.starts_with(prefix)).cloned().collect();
    match matches.as_slice() {
        [only] => Ok(only.clone()),
        [] => Err(StateError::UnknownRecord {
            kind,
            prefix: prefix.to_owned(),
            newest: ids.iter().take(3).cloned().collect(),
        }),
        _ => Err(StateError::AmbiguousRecord { kind, prefix: prefix.to_owned(), matches }),
    }
}

fn summary(record: &Record<'_>) -> Result<RunSummary, StateError> {
    Ok(RunSummary {
        run_id: record.text("run_id")?,
        job: record.text("job")?,
        as_of: record.day("as_of")?,
        trigger: record.named("started_by", Trigger::from_text)?,
        environment: record.text("environment")?,
        status: record.named("seen_status", RunStatus::from_text)?,
        started_at: record.instant("started_at")?,
        finished_at: record.optional_instant("finished_at")?,
        message: record.value("message")?,
        release: record.optional_count("release_number")?,
        backfill_id: record.value("backfill_id")?,
        rows_landed: record.count("rows_landed")?,
        rows_rejected: record.count("rows_rejected")?,
        tables_built: record.count("tables_built")?,
        tables_failed: record.count("tables_failed")?,
        checks: record.count("checks")?,
        checks_failed: record.count("checks_failed")?,
    })
}

pub(super) fn severity_text(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warn => "warn",
    }
}

fn severity_from_text(text: &str) -> Option<Severity> {
    match text {
        "error" => Some(Severity::Error),
        "warn" => Some(Severity::Warn),
        _ => None,
    }
}
