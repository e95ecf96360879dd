//! Reads run records back.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};

use super::error::RecordKind;
use super::rows::Record;
use super::text::micros;
use super::{
    CheckRecord, CheckStatus, RunDetails, RunFilter, RunStatus, RunSummary, SourceRecord, State, StateError,
    TableAction, TableRecord, Trigger,
};
use crate::config::Severity;

/// The status of a run `r` that is true now (`$1`).
macro_rules! seen_status {
    () => {
        "case
            when r.status = 'running' and not exists (
                select 1 from leases as l
                where l.name = r.lease_name and l.token = r.lease_token
                    and l.released_at is null and l.expires_at > $1
            ) then 'interrupted'
            else r.status
        end"
    };
}

/// The runs `r` that the condition chooses, with the status that is true now (`$1`) and the totals of what they
/// recorded. The totals are made of the chosen ones alone.
macro_rules! runs_as_seen {
    ($choice:expr, $order:literal) => {
        concat!(
            "select r.*, ",
            seen_status!(),
            " as seen_status,
                (select cast(coalesce(sum(s.landed), 0) as bigint) from run_sources as s where s.run_id = r.run_id) as rows_landed,
                (select cast(coalesce(sum(s.rejected), 0) as bigint) from run_sources as s where s.run_id = r.run_id) as rows_rejected,
                (select count(*) from run_tables as t where t.run_id = r.run_id and t.action = 'built') as tables_built,
                (select count(*) from run_tables as t where t.run_id = r.run_id and t.action = 'failed') as tables_failed,
                (select count(*) from run_checks as c where c.run_id = r.run_id) as checks,
                (select count(*) from run_checks as c where c.run_id = r.run_id and c.status <> 'passed') as checks_failed
            from (select r.* from runs as r ",
            $choice,
            ") as r ",
            $order
        )
    };
}

/// One run's rows of a table of records, or those of all; a condition that allows for both would read all.
macro_rules! records_of {
    ($table:literal) => {
        (
            concat!("select * from ", $table, " where run_id = $1 order by position"),
            concat!("select * from ", $table, " order by run_id, position"),
        )
    };
}

impl State {
    /// Lists runs, the newest first.
    pub async fn list_runs(&self, filter: &RunFilter, now: DateTime<Utc>) -> Result<Vec<RunSummary>, StateError> {
        const LIST: &str = runs_as_seen!(
            concat!(
                "where ($2 is null or r.job = $2) and ($3 is null or ",
                seen_status!(),
                " = $3) and ($4 is null or r.as_of = $4) and ($5 is null or r.backfill_id = $5)
                     and ($6 = 0 or r.started_by <> 'backfill')
                 order by r.started_at desc, r.run_id desc
                 limit $7"
            ),
            "order by r.started_at desc, r.run_id desc"
        );
        let query = || {
            sqlx::query(LIST)
                .bind(micros(now))
                .bind(filter.job.clone())
                .bind(filter.status.map(RunStatus::as_str))
                .bind(filter.as_of.map(|day| day.to_string()))
                .bind(filter.backfill_id.clone())
                .bind(i64::from(filter.is_without_backfills))
                .bind(filter.limit.map_or(i64::MAX, i64::from))
        };
        let rows = self.rows("listing runs", query).await?;
        rows.iter().map(|row| summary(&self.record(row))).collect()
    }

    /// The newest run of each job, by job.
    pub async fn last_runs(&self, now: DateTime<Utc>) -> Result<Vec<RunSummary>, StateError> {
        const LAST: &str = runs_as_seen!(
            "where r.run_id in (
                 select (
                     select newest.run_id from runs as newest where newest.job = jobs.job
                     order by newest.started_at desc, newest.run_id desc limit 1
                 )
                 from (select distinct job from runs) as jobs
             )",
            "order by r.job"
        );
        let rows = self.rows("listing runs", || sqlx::query(LAST).bind(micros(now))).await?;
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
        const STATUSES: &str = concat!(
            "select r.as_of, ",
            seen_status!(),
            " as seen_status from runs as r
             where r.job = $2 and r.as_of >= $3 and r.as_of <= $4 order by r.started_at, r.run_id"
        );
        let query = || sqlx::query(STATUSES).bind(micros(now)).bind(job).bind(from.to_string()).bind(to.to_string());
        let rows = self.rows("listing runs", query).await?;
        rows.iter()
            .map(|row| {
                let record = self.record(row);
                Ok((record.day("as_of")?, record.named("seen_status", RunStatus::from_text)?))
            })
            .collect()
    }

    /// Finds the one run whose id begins with `prefix`, with everything recorded about it.
    pub async fn show_run(&self, prefix: &str, now: DateTime<Utc>) -> Result<RunDetails, StateError> {
        const SHOW: &str = runs_as_seen!("where r.run_id = $2", "");
        let run_id = self.find_run(prefix).await?;
        let rows = self.rows("reading a run", || sqlx::query(SHOW).bind(micros(now)).bind(&run_id)).await?;
        let Some(row) = rows.first() else {
            return Err(StateError::UnknownRecord { kind: RecordKind::Run, prefix: run_id, newest: Vec::new() });
        };
        Ok(RunDetails {
            run: summary(&self.record(row))?,
            sources: self.sources_of(Some(&run_id)).await?.into_iter().map(|(_, source)| source).collect(),
            tables: self.tables_of(Some(&run_id)).await?.into_iter().map(|(_, table)| table).collect(),
            checks: self.checks_of(Some(&run_id)).await?.into_iter().map(|(_, check)| check).collect(),
        })
    }

    /// Finds the one id that begins with `prefix`, by the primary key.
    async fn find_run(&self, prefix: &str) -> Result<String, StateError> {
        const DOING: &str = "reading a run";
        let prefix = prefix.trim();
        // Texts are in the order of their bytes, so those with the prefix lie between these two.
        let end = format!("{prefix}{}", char::MAX);
        let query = || {
            sqlx::query(
                "select run_id from runs where run_id >= $1 and run_id < $2 order by started_at desc, run_id desc",
            )
            .bind(prefix)
            .bind(&end)
        };
        let ids = self.ids(self.rows(DOING, query).await?)?;
        match find_by_prefix(RecordKind::Run, prefix, &ids) {
            Err(StateError::UnknownRecord { kind, prefix, .. }) => {
                let query = || sqlx::query("select run_id from runs order by started_at desc, run_id desc limit 3");
                Err(StateError::UnknownRecord { kind, prefix, newest: self.ids(self.rows(DOING, query).await?)? })
            }
            result => result,
        }
    }

    fn ids(&self, rows: Vec<sqlx::any::AnyRow>) -> Result<Vec<String>, StateError> {
        rows.iter().map(|row| self.record(row).text("run_id")).collect()
    }

    async fn records_of(
        &self,
        doing: &'static str,
        (of_one, of_all): (&'static str, &'static str),
        run_id: Option<&str>,
    ) -> Result<Vec<sqlx::any::AnyRow>, StateError> {
        match run_id {
            Some(run_id) => self.rows(doing, || sqlx::query(of_one).bind(run_id)).await,
            None => self.rows(doing, || sqlx::query(of_all)).await,
        }
    }

    /// Source records with their run's id: of one run, or of all.
    pub(super) async fn sources_of(&self, run_id: Option<&str>) -> Result<Vec<(String, SourceRecord)>, StateError> {
        let rows = self.records_of("reading a run's sources", records_of!("run_sources"), run_id).await?;
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
        let rows = self.records_of("reading a run's tables", records_of!("run_tables"), run_id).await?;
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
        let rows = self.records_of("reading a run's checks", records_of!("run_checks"), run_id).await?;
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

pub(super) fn severity_from_text(text: &str) -> Option<Severity> {
    match text {
        "error" => Some(Severity::Error),
        "warn" => Some(Severity::Warn),
        _ => None,
    }
}
