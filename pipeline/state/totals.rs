//! Sums over all that is recorded, for metrics.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::{DayStatus, RunOutcome, SendStatus, State, StateError, Trigger};

/// The upper bounds, in seconds, of [`RunSeconds::buckets`]; longer runs are in none.
pub const SECONDS_BOUNDS: [u64; 10] = [1, 5, 15, 60, 180, 600, 1_800, 3_600, 7_200, 14_400];

/// How often runs of a job ended in one way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunCount {
    pub job: String,
    pub trigger: Trigger,
    pub outcome: RunOutcome,
    pub runs: u64,
}

/// How long the runs of a job took.
#[derive(Debug, Clone, PartialEq)]
pub struct RunSeconds {
    pub job: String,
    pub runs: u64,
    pub seconds: f64,
    /// How many took up to each of [`SECONDS_BOUNDS`], and longer than the one before.
    pub buckets: Vec<u64>,
    pub last_success: Option<DateTime<Utc>>,
}

/// What a source of a job brought in all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceTotal {
    pub job: String,
    pub source: String,
    pub landed: u64,
    pub rejected: u64,
}

/// How many days of a job's backfills are in one status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DayCount {
    pub job: String,
    pub status: DayStatus,
    pub days: u64,
}

/// Sums over all that is recorded.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Totals {
    pub runs: Vec<RunCount>,
    pub seconds: Vec<RunSeconds>,
    pub sources: Vec<SourceTotal>,
    pub backfill_days: Vec<DayCount>,
    pub sends: Vec<(SendStatus, u64)>,
}

impl State {
    /// A number that changes when a run has ended: as long as it stays, so do the sums over runs.
    pub async fn ended_runs(&self) -> Result<u64, StateError> {
        let row = sqlx::query("select count(*) as runs from runs where status <> 'running'")
            .fetch_one(&self.pool)
            .await
            .map_err(|error| self.failed("counting runs", error))?;
        self.record(&row).count("runs")
    }

    /// Asks the least that there is to ask: fails where the state cannot be reached.
    pub async fn answers(&self) -> Result<(), StateError> {
        let asked = sqlx::query("select max(version) as version from lifecycle_schema").fetch_one(&self.pool).await;
        asked.map(drop).map_err(|error| self.failed("asking for the schema's version", error))
    }

    /// Adds up all that is recorded.
    pub async fn totals(&self) -> Result<Totals, StateError> {
        Ok(Totals {
            runs: self.run_counts().await?,
            seconds: self.run_seconds().await?,
            sources: self.source_totals().await?,
            ..self.moving_totals().await?
        })
    }

    /// The sums that also change while no run ends.
    pub async fn moving_totals(&self) -> Result<Totals, StateError> {
        Ok(Totals { backfill_days: self.day_counts().await?, sends: self.send_counts().await?, ..Totals::default() })
    }

    /// How many runs of each job were missed.
    pub async fn missed_runs(&self) -> Result<BTreeMap<String, u64>, StateError> {
        let rows = sqlx::query(
            "select job, cast(sum(instants) as bigint) as missed from scheduled_runs where status = 'missed' group by job",
        )
        .fetch_all(&self.pool)
        .await
        .map_err(|error| self.failed("counting missed runs", error))?;
        rows.iter()
            .map(|row| {
                let record = self.record(row);
                Ok((record.text("job")?, record.count("missed")?))
            })
            .collect()
    }

    async fn run_counts(&self) -> Result<Vec<RunCount>, StateError> {
        let rows = sqlx::query(
            "select job, started_by, status, count(*) as runs from runs where status <> 'running'
             group by job, started_by, status order by job, started_by, status",
        )
        .fetch_all(&self.pool)
        .await
        .map_err(|error| self.failed("counting runs", error))?;
        rows.iter()
            .map(|row| {
                let record = self.record(row);
                Ok(RunCount {
                    job: record.text("job")?,
                    trigger: record.named("started_by", Trigger::from_text)?,
                    outcome: record.named("status", RunOutcome::from_text)?,
                    runs: record.count("runs")?,
                })
            })
            .collect()
    }

    async fn run_seconds(&self) -> Result<Vec<RunSeconds>, StateError> {
        let rows = sqlx::query(
            "with ended as (
                 select job, status, finished_at, finished_at - started_at as took from runs
                 where status <> 'running' and finished_at is not null
             )
             select job, count(*) as runs, cast(sum(took) as bigint) as took,
                 max(case when status in ('succeeded', 'nothing_to_do') then finished_at end) as last_success,
                 cast(sum(case when took <= 1000000 then 1 else 0 end) as bigint) as up_to_0,
                 cast(sum(case when took > 1000000 and took <= 5000000 then 1 else 0 end) as bigint) as up_to_1,
                 cast(sum(case when took > 5000000 and took <= 15000000 then 1 else 0 end) as bigint) as up_to_2,
                 cast(sum(case when took > 15000000 and took <= 60000000 then 1 else 0 end) as bigint) as up_to_3,
                 cast(sum(case when took > 60000000 and took <= 180000000 then 1 else 0 end) as bigint) as up_to_4,
                 cast(sum(case when took > 180000000 and took <= 600000000 then 1 else 0 end) as bigint) as up_to_5,
                 cast(sum(case when took > 600000000 and took <= 1800000000 then 1 else 0 end) as bigint) as up_to_6,
                 cast(sum(case when took > 1800000000 and took <= 3600000000 then 1 else 0 end) as bigint) as up_to_7,
                 cast(sum(case when took > 3600000000 and took <= 7200000000 then 1 else 0 end) as bigint) as up_to_8,
                 cast(sum(case when took > 7200000000 and took <= 14400000000 then 1 else 0 end) as bigint) as up_to_9
             from ended group by job order by job",
        )
        .fetch_all(&self.pool)
        .await
        .map_err(|error| self.failed("adding up the time of runs", error))?;
        rows.iter()
            .map(|row| {
                let record = self.record(row);
                let took: i64 = record.value("took")?;
                let buckets = (0..SECONDS_BOUNDS.len()).map(|number| record.count(&format!("up_to_{number}")));
                Ok(RunSeconds {
                    job: record.text("job")?,
                    runs: record.count("runs")?,
                    // A clock that was set back can make a run end before it began.
                    seconds: took.max(0) as f64 / 1e6,
                    buckets: buckets.collect::<Result<_, _>>()?,
                    last_success: record.optional_instant("last_success")?,
                })
            })
            .collect()
    }

    async fn source_totals(&self) -> Result<Vec<SourceTotal>, StateError> {
        let rows = sqlx::query(
            "select r.job, s.source, cast(sum(s.landed) as bigint) as landed, cast(sum(s.rejected) as bigint) as rejected
             from run_sources as s join runs as r on r.run_id = s.run_id
             group by r.job, s.source order by r.job, s.source",
        )
        .fetch_all(&self.pool)
        .await
        .map_err(|error| self.failed("adding up what sources brought", error))?;
        rows.iter()
            .map(|row| {
                let record = self.record(row);
                Ok(SourceTotal {
                    job: record.text("job")?,
                    source: record.text("source")?,
                    landed: record.count("landed")?,
                    rejected: record.count("rejected")?,
                })
            })
            .collect()
    }

    async fn day_counts(&self) -> Result<Vec<DayCount>, StateError> {
        let rows = sqlx::query(
            "select b.job, d.status, count(*) as days
             from backfill_days as d join backfills as b on b.backfill_id = d.backfill_id
             group by b.job, d.status order by b.job, d.status",
        )
        .fetch_all(&self.pool)
        .await
        .map_err(|error| self.failed("counting the days of backfills", error))?;
        rows.iter()
            .map(|row| {
                let record = self.record(row);
                let status = record.named("status", DayStatus::from_text)?;
                Ok(DayCount { job: record.text("job")?, status, days: record.count("days")? })
            })
            .collect()
    }

    async fn send_counts(&self) -> Result<Vec<(SendStatus, u64)>, StateError> {
        let rows = sqlx::query("select status, count(*) as sends from notice_sends group by status order by status")
            .fetch_all(&self.pool)
            .await
            .map_err(|error| self.failed("counting notices", error))?;
        rows.iter()
            .map(|row| {
                let record = self.record(row);
                Ok((record.named("status", SendStatus::from_text)?, record.count("sends")?))
            })
            .collect()
    }
}
