//! What those who watch runs need: how far a run is, why it failed, how each job stands.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};

use super::records::RunSummary;
use super::runs::severity_from_text;
use super::text::{micros, signed, storable};
use super::{CheckStatus, RunStatus, State, StateError};
use crate::config::Severity;

/// How far a run at work is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProgressRecord {
    /// As people read it: `landing orders`.
    pub stage: String,
    /// What is at work now: an object, a table.
    pub detail: Option<String>,
    /// In the stage's own unit.
    pub done: u64,
    pub total: Option<u64>,
    pub updated_at: DateTime<Utc>,
}

/// Why a run failed, beyond its message, and what to do about it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunTrouble {
    pub causes: Vec<String>,
    pub hint: Option<String>,
}

/// What one source brought when it last brought anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceIntake {
    pub source: String,
    pub rows_in: u64,
    pub rejected: u64,
}

/// A check that did not pass when it last ran.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailingCheck {
    pub table: String,
    pub check: String,
    pub severity: Severity,
    pub status: CheckStatus,
    pub bad_rows: u64,
}

/// What the state knows about one job.
#[derive(Debug, Clone, PartialEq)]
pub struct JobFacts {
    pub last_run: RunSummary,
    /// The latest as-of for which the job published, or found that nothing had changed.
    pub newest_day: Option<NaiveDate>,
    /// Of the newest run that read rows.
    pub intake: Vec<SourceIntake>,
    /// Of the newest run that checked anything.
    pub failing: Vec<FailingCheck>,
    /// Of the newest run, where it is at work.
    pub progress: Option<ProgressRecord>,
}

impl State {
    /// Notes how far a run is, over what was noted before.
    pub async fn note_progress(&self, run_id: &str, progress: &ProgressRecord) -> Result<(), StateError> {
        const DOING: &str = "noting a run's progress";
        let failed = |error| self.failed(DOING, error);
        let mut transaction = self.write(DOING).await?;
        // Of runs that died nobody else takes the note away.
        sqlx::query(
            "delete from run_progress
             where not exists (select 1 from runs as r where r.run_id = run_progress.run_id and r.status = 'running')",
        )
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
        sqlx::query(
            "insert into run_progress (run_id, stage, detail, done, total, updated_at)
             values ($1, $2, $3, $4, $5, $6)
             on conflict (run_id) do update set stage = excluded.stage, detail = excluded.detail,
                 done = excluded.done, total = excluded.total, updated_at = excluded.updated_at",
        )
        .bind(run_id)
        .bind(&progress.stage)
        .bind(&progress.detail)
        .bind(signed(progress.done))
        .bind(progress.total.map(signed))
        .bind(micros(progress.updated_at))
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
        transaction.commit().await.map_err(failed)
    }

    /// Takes the note of a run's progress away.
    pub async fn clear_progress(&self, run_id: &str) -> Result<(), StateError> {
        let query = || sqlx::query("delete from run_progress where run_id = $1").bind(run_id);
        self.change("clearing a run's progress", query).await.map(drop)
    }

    /// How far runs are that noted it, by run.
    pub async fn progress_notes(&self) -> Result<BTreeMap<String, ProgressRecord>, StateError> {
        let rows = sqlx::query("select * from run_progress")
            .fetch_all(&self.pool)
            .await
            .map_err(|error| self.failed("reading the progress of runs", error))?;
        rows.iter()
            .map(|row| {
                let record = self.record(row);
                let progress = ProgressRecord {
                    stage: record.text("stage")?,
                    detail: record.value("detail")?,
                    done: record.count("done")?,
                    total: record.optional_count("total")?,
                    updated_at: record.instant("updated_at")?,
                };
                Ok((record.text("run_id")?, progress))
            })
            .collect()
    }

    /// Records why a run failed, over what was recorded before.
    pub async fn record_trouble(&self, run_id: &str, trouble: &RunTrouble) -> Result<(), StateError> {
        let query = || {
            sqlx::query(
                "insert into run_troubles (run_id, causes, hint) values ($1, $2, $3)
             on conflict (run_id) do update set causes = excluded.causes, hint = excluded.hint",
            )
            .bind(run_id)
            .bind(serde_json::json!(trouble.causes).to_string())
            .bind(trouble.hint.as_deref().map(storable))
        };
        self.change("recording why a run failed", query).await.map(drop)
    }

    /// Why a run failed; nothing for a run that did not, or whose process died.
    pub async fn trouble_of(&self, run_id: &str) -> Result<RunTrouble, StateError> {
        let row = sqlx::query("select causes, hint from run_troubles where run_id = $1")
            .bind(run_id)
            .fetch_optional(&self.pool)
            .await
            .map_err(|error| self.failed("reading why a run failed", error))?;
        let Some(row) = row else { return Ok(RunTrouble::default()) };
        let record = self.record(&row);
        let causes = record.named("causes", |text| serde_json::from_str(text).ok())?;
        Ok(RunTrouble { causes, hint: record.value("hint")? })
    }

    /// What the state knows about each job that ever ran, by job: a few queries, however many jobs there are.
    pub async fn job_facts(&self, now: DateTime<Utc>) -> Result<BTreeMap<String, JobFacts>, StateError> {
        let mut days = self.newest_days().await?;
        let mut intake = self.newest_intake().await?;
        let mut failing = self.newest_failing().await?;
        let mut progress = self.progress_notes().await?;
        let facts = self.last_runs(now).await?.into_iter().map(|run| {
            let job = run.job.clone();
            let note = progress.remove(&run.run_id).filter(|_| run.status == RunStatus::Running);
            let facts = JobFacts {
                newest_day: days.remove(&job),
                intake: intake.remove(&job).unwrap_or_default(),
                failing: failing.remove(&job).unwrap_or_default(),
                progress: note,
                last_run: run,
            };
            (job, facts)
        });
        Ok(facts.collect())
    }

    /// The latest good as-of of each job.
    pub async fn newest_days(&self) -> Result<BTreeMap<String, NaiveDate>, StateError> {
        let rows = sqlx::query(
            "select job, max(as_of) as newest from runs
             where status in ('succeeded', 'nothing_to_do', 'partly_failed') group by job",
        )
        .fetch_all(&self.pool)
        .await
        .map_err(|error| self.failed("reading the newest days", error))?;
        rows.iter()
            .map(|row| {
                let record = self.record(row);
                Ok((record.text("job")?, record.day("newest")?))
            })
            .collect()
    }

    async fn newest_intake(&self) -> Result<BTreeMap<String, Vec<SourceIntake>>, StateError> {
        let rows = sqlx::query(
            "with reading as (
                 select jobs.job, (
                     select r.run_id from runs as r
                     where r.job = jobs.job
                         and exists (select 1 from run_sources as s where s.run_id = r.run_id and s.rows_in > 0)
                     order by r.started_at desc, r.run_id desc limit 1
                 ) as run_id
                 from (select distinct job from runs) as jobs
             )
             select n.job, s.source, s.rows_in, s.rejected
             from reading as n
             join run_sources as s on s.run_id = n.run_id
             where s.rows_in > 0
             order by n.job, s.position",
        )
        .fetch_all(&self.pool)
        .await
        .map_err(|error| self.failed("reading what sources brought", error))?;
        let mut found: BTreeMap<String, Vec<SourceIntake>> = BTreeMap::new();
        for row in &rows {
            let record = self.record(row);
            found.entry(record.text("job")?).or_default().push(SourceIntake {
                source: record.text("source")?,
                rows_in: record.count("rows_in")?,
                rejected: record.count("rejected")?,
            });
        }
        Ok(found)
    }

    async fn newest_failing(&self) -> Result<BTreeMap<String, Vec<FailingCheck>>, StateError> {
        let rows = sqlx::query(
            "with checking as (
                 select jobs.job, (
                     select r.run_id from runs as r
                     where r.job = jobs.job and exists (select 1 from run_checks as c where c.run_id = r.run_id)
                     order by r.started_at desc, r.run_id desc limit 1
                 ) as run_id
                 from (select distinct job from runs) as jobs
             )
             select n.job, c.table_name, c.check_name, c.severity, c.status, c.bad_rows
             from checking as n
             join run_checks as c on c.run_id = n.run_id
             where c.status <> 'passed'
             order by n.job, c.position",
        )
        .fetch_all(&self.pool)
        .await
        .map_err(|error| self.failed("reading failing checks", error))?;
        let mut found: BTreeMap<String, Vec<FailingCheck>> = BTreeMap::new();
        for row in &rows {
            let record = self.record(row);
            found.entry(record.text("job")?).or_default().push(FailingCheck {
                table: record.text("table_name")?,
                check: record.text("check_name")?,
                severity: record.named("severity", severity_from_text)?,
                status: record.named("status", CheckStatus::from_text)?,
                bad_rows: record.count("bad_rows")?,
            });
        }
        Ok(found)
    }
}
