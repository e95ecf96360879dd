//! What was decided about scheduled runs: which instants are decided, which runs wait, which jobs are paused.
//!
//! A run key is (job, scheduled instant): one row, so that nobody executes it twice. `waiting` -> `running` -> `done`; a
//! run whose owner let its lease run out is claimed again. `missed` and `skipped` are decisions not to run.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};

use super::rows::Record;
use super::text::{micros, signed};
use super::{
    Decision, NotRunReason, Pause, RunOutcome, ScheduleRecord, ScheduledRun, ScheduledStatus, State, StateError,
    Verdict,
};

/// A clock that is further behind than this has been set back; less is the difference of two machines' clocks.
const CLOCK_STEP: TimeDelta = TimeDelta::minutes(5);

/// How many decisions of a job are kept, besides those that are open.
const KEPT: i64 = 10_000;
/// Old decisions are deleted once in so many versions.
const PRUNED_EVERY: u64 = 64;

impl State {
    /// Reads a job's schedule, beginning anew where it or its timetable is new, or the clock was set back.
    ///
    /// A clock that was set back undoes what was only skipped or missed after `now`; what was executed stays executed.
    pub async fn begin_schedule(
        &self,
        job: &str,
        fingerprint: &str,
        now: DateTime<Utc>,
    ) -> Result<ScheduleRecord, StateError> {
        const DOING: &str = "reading a schedule";
        let failed = |error| self.failed(DOING, error);
        let read = "select * from schedules where job = $1";
        let row = sqlx::query(read).bind(job).fetch_optional(&self.pool).await.map_err(failed)?;
        if let Some(row) = &row {
            let record = self.record(row);
            let found = schedule(&record)?;
            if record.text("fingerprint")? == fingerprint && found.decided_until <= now + CLOCK_STEP {
                return Ok(found);
            }
        }
        let mut transaction = self.write(DOING).await?;
        sqlx::query(
            "delete from scheduled_runs
             where job = $1 and scheduled_at > $2 and status in ('missed', 'skipped')
                 and exists (select 1 from schedules where job = $1 and decided_until > $3)",
        )
        .bind(job)
        .bind(micros(now))
        .bind(micros(now + CLOCK_STEP))
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
        sqlx::query(
            "insert into schedules (job, fingerprint, since, decided_until, version) values ($1, $2, $3, $3, 1)
             on conflict (job) do update
             set fingerprint = excluded.fingerprint, since = excluded.since, decided_until = excluded.decided_until,
                 version = schedules.version + 1
             where schedules.fingerprint <> excluded.fingerprint or schedules.decided_until > $4",
        )
        .bind(job)
        .bind(fingerprint)
        .bind(micros(now))
        .bind(micros(now + CLOCK_STEP))
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
        let row = sqlx::query(read).bind(job).fetch_one(&mut *transaction).await.map_err(failed)?;
        transaction.commit().await.map_err(failed)?;
        schedule(&self.record(&row))
    }

    /// All schedules that were seen, by job.
    pub async fn schedules(&self) -> Result<Vec<ScheduleRecord>, StateError> {
        let rows = sqlx::query("select * from schedules order by job")
            .fetch_all(&self.pool)
            .await
            .map_err(|error| self.failed("reading schedules", error))?;
        rows.iter().map(|row| schedule(&self.record(row))).collect()
    }

    /// Records decisions that were made from `basis`, each run key once; `false` where somebody else has decided since.
    ///
    /// `withdrawn` are runs that wait and give way to a newer one.
    pub async fn decide(
        &self,
        basis: &ScheduleRecord,
        decisions: &[Decision],
        withdrawn: &[DateTime<Utc>],
        decided_until: DateTime<Utc>,
        by: &str,
        now: DateTime<Utc>,
    ) -> Result<bool, StateError> {
        const DOING: &str = "recording decisions of a schedule";
        let failed = |error| self.failed(DOING, error);
        let mut transaction = self.write(DOING).await?;
        let changed = sqlx::query(
            "update schedules set version = version + 1, decided_until = $3 where job = $1 and version = $2",
        )
        .bind(&basis.job)
        .bind(signed(basis.version))
        .bind(micros(decided_until))
        .execute(&mut *transaction)
        .await
        .map_err(failed)?
        .rows_affected();
        if changed == 0 {
            return Ok(false);
        }
        for instant in withdrawn {
            sqlx::query(
                "update scheduled_runs set status = 'skipped', reason = 'overlap', message = 'a newer run was due'
                 where job = $1 and scheduled_at = $2 and status = 'waiting'",
            )
            .bind(&basis.job)
            .bind(micros(*instant))
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
        }
        for decision in decisions {
            let (reason, is_made_up) = match decision.verdict {
                Verdict::Start { is_made_up } => (None, is_made_up),
                Verdict::Missed(reason) | Verdict::Skipped(reason) => (Some(reason), false),
            };
            sqlx::query(
                "insert into scheduled_runs (job, scheduled_at, first_at, instants, as_of, status, reason, is_made_up,
                     answers, decided_at, decided_by, attempts, deaths)
                 values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 0, 0)
                 on conflict (job, scheduled_at) do nothing",
            )
            .bind(&basis.job)
            .bind(micros(decision.instant))
            .bind(micros(decision.first))
            .bind(signed(decision.instants))
            .bind(decision.as_of.to_string())
            .bind(decision.verdict.status().as_str())
            .bind(reason.map(NotRunReason::as_str))
            .bind(i64::from(is_made_up))
            .bind(decision.answers.map(micros))
            .bind(micros(now))
            .bind(by)
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
        }
        if basis.version.is_multiple_of(PRUNED_EVERY) {
            sqlx::query(
                "delete from scheduled_runs
                 where job = $1 and status in ('done', 'missed', 'skipped') and scheduled_at < (
                     select scheduled_at from scheduled_runs where job = $1
                     order by scheduled_at desc limit 1 offset $2
                 )",
            )
            .bind(&basis.job)
            .bind(KEPT)
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
        }
        transaction.commit().await.map_err(failed)?;
        Ok(true)
    }

    /// The runs that wait or are at work, of all jobs, the oldest first.
    pub async fn open_scheduled_runs(&self) -> Result<Vec<ScheduledRun>, StateError> {
        let rows = sqlx::query(
            "select * from scheduled_runs where status in ('waiting', 'running') order by scheduled_at, job",
        )
        .fetch_all(&self.pool)
        .await
        .map_err(|error| self.failed("reading scheduled runs", error))?;
        rows.iter().map(|row| scheduled_run(&self.record(row))).collect()
    }

    /// The instants of a job after `after` that were decided already.
    pub async fn decided_instants(
        &self,
        job: &str,
        after: DateTime<Utc>,
    ) -> Result<BTreeSet<DateTime<Utc>>, StateError> {
        let rows = sqlx::query("select scheduled_at from scheduled_runs where job = $1 and scheduled_at > $2")
            .bind(job)
            .bind(micros(after))
            .fetch_all(&self.pool)
            .await
            .map_err(|error| self.failed("reading scheduled runs", error))?;
        rows.iter().map(|row| self.record(row).instant("scheduled_at")).collect()
    }

    /// By day, the end of the newest run of other jobs that a decision of this job answered.
    pub async fn answered_days(&self, job: &str) -> Result<BTreeMap<NaiveDate, DateTime<Utc>>, StateError> {
        let rows = sqlx::query(
            "select as_of, max(answers) as answers from scheduled_runs
             where job = $1 and answers is not null group by as_of",
        )
        .bind(job)
        .fetch_all(&self.pool)
        .await
        .map_err(|error| self.failed("reading scheduled runs", error))?;
        rows.iter()
            .map(|row| {
                let record = self.record(row);
                Ok((record.day("as_of")?, record.instant("answers")?))
            })
            .collect()
    }

    /// When the newest run of each job and day that left its tables good ended, of those after `after`; backfills do not
    /// count.
    pub async fn good_runs_since(
        &self,
        after: DateTime<Utc>,
    ) -> Result<BTreeMap<(String, NaiveDate), DateTime<Utc>>, StateError> {
        let rows = sqlx::query(
            "select job, as_of, max(finished_at) as finished_at from runs
             where finished_at > $1 and status in ('succeeded', 'nothing_to_do', 'partly_failed')
                 and started_by <> 'backfill'
             group by job, as_of",
        )
        .bind(micros(after))
        .fetch_all(&self.pool)
        .await
        .map_err(|error| self.failed("reading runs", error))?;
        rows.iter()
            .map(|row| {
                let record = self.record(row);
                Ok(((record.text("job")?, record.day("as_of")?), record.instant("finished_at")?))
            })
            .collect()
    }

    /// When the last run ended: a cheap question whether there is anything new.
    pub async fn last_run_end(&self) -> Result<Option<DateTime<Utc>>, StateError> {
        let row = sqlx::query("select max(finished_at) as finished_at from runs")
            .fetch_one(&self.pool)
            .await
            .map_err(|error| self.failed("reading runs", error))?;
        self.record(&row).optional_instant("finished_at")
    }

    /// Pauses a job; one that is paused already keeps its first pause. Returns the pause that holds.
    pub async fn pause_schedule(&self, job: &str, pause: &Pause) -> Result<Pause, StateError> {
        const DOING: &str = "pausing a job";
        let failed = |error| self.failed(DOING, error);
        let mut transaction = self.write(DOING).await?;
        sqlx::query(
            "insert into schedules (job, fingerprint, since, decided_until, version, paused_at, paused_by, pause_reason)
             values ($1, '', $2, $2, 1, $2, $3, $4)
             on conflict (job) do update
             set paused_at = excluded.paused_at, paused_by = excluded.paused_by, pause_reason = excluded.pause_reason,
                 version = schedules.version + 1
             where schedules.paused_at is null",
        )
        .bind(job)
        .bind(micros(pause.at))
        .bind(&pause.by)
        .bind(&pause.reason)
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
        let row = sqlx::query("select * from schedules where job = $1")
            .bind(job)
            .fetch_one(&mut *transaction)
            .await
            .map_err(failed)?;
        transaction.commit().await.map_err(failed)?;
        let found = schedule(&self.record(&row))?;
        Ok(found.pause.unwrap_or_else(|| pause.clone()))
    }

    /// Lets a paused job start runs again, from `now` on; `false` where it was not paused.
    pub async fn resume_schedule(&self, job: &str, now: DateTime<Utc>) -> Result<bool, StateError> {
        let query = || {
            sqlx::query(
                "update schedules
                 set paused_at = null, paused_by = null, pause_reason = null, version = version + 1, since = $2,
                     decided_until = case when decided_until > $2 then decided_until else $2 end
                 where job = $1 and paused_at is not null",
            )
            .bind(job)
            .bind(micros(now))
        };
        let changed = self.change("resuming a job", query).await?;
        Ok(changed > 0)
    }

    /// The newest decisions, of one job or of all, the newest first.
    pub async fn schedule_log(&self, job: Option<&str>, limit: u32) -> Result<Vec<ScheduledRun>, StateError> {
        let failed = |error| self.failed("reading scheduled runs", error);
        let limit = i64::from(limit);
        let rows = match job {
            Some(job) => {
                sqlx::query("select * from scheduled_runs where job = $1 order by scheduled_at desc limit $2")
                    .bind(job)
                    .bind(limit)
                    .fetch_all(&self.pool)
                    .await
            }
            None => {
                sqlx::query("select * from scheduled_runs order by decided_at desc, scheduled_at desc, job limit $1")
                    .bind(limit)
                    .fetch_all(&self.pool)
                    .await
            }
        };
        rows.map_err(failed)?.iter().map(|row| scheduled_run(&self.record(row))).collect()
    }
}

fn schedule(record: &Record<'_>) -> Result<ScheduleRecord, StateError> {
    let pause = match record.optional_instant("paused_at")? {
        Some(at) => {
            let by: Option<String> = record.value("paused_by")?;
            Some(Pause { at, by: by.unwrap_or_default(), reason: record.value("pause_reason")? })
        }
        None => None,
    };
    Ok(ScheduleRecord {
        job: record.text("job")?,
        since: record.instant("since")?,
        decided_until: record.instant("decided_until")?,
        version: record.count("version")?,
        pause,
    })
}

pub(super) fn scheduled_run(record: &Record<'_>) -> Result<ScheduledRun, StateError> {
    let optional = |column: &str| record.value::<Option<String>>(column);
    let reason = match optional("reason")? {
        Some(_) => Some(record.named("reason", NotRunReason::from_text)?),
        None => None,
    };
    let outcome = match optional("outcome")? {
        Some(_) => Some(record.named("outcome", RunOutcome::from_text)?),
        None => None,
    };
    Ok(ScheduledRun {
        job: record.text("job")?,
        scheduled_at: record.instant("scheduled_at")?,
        first_at: record.instant("first_at")?,
        instants: record.count("instants")?,
        as_of: record.day("as_of")?,
        status: record.named("status", ScheduledStatus::from_text)?,
        reason,
        is_made_up: record.flag("is_made_up")?,
        decided_at: record.instant("decided_at")?,
        decided_by: record.text("decided_by")?,
        attempts: record.count("attempts")?,
        deaths: record.count("deaths")?,
        owner: optional("owner")?,
        lease_until: record.optional_instant("lease_until")?,
        started_at: record.optional_instant("started_at")?,
        finished_at: record.optional_instant("finished_at")?,
        run_id: optional("run_id")?,
        outcome,
        message: optional("message")?,
    })
}
