//! Backfills: a durable list of days, each of which becomes one run.

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDate, Utc};

use super::backfill_control::{pause_of, status_of};
use super::error::RecordKind;
use super::rows::Record;
use super::runs::find_by_prefix;
use super::text::{micros, signed, storable, text_enum};
use super::{BackfillPause, BackfillStatus, DayOrder, Lease, State, StateError};

text_enum! {
    /// Where a day of a backfill stands.
    DayStatus {
        Pending = "pending",
        Running = "running",
        Done = "done",
        Failed = "failed",
        Cancelled = "cancelled",
    }
}

/// How a day of a backfill ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DayOutcome {
    Done,
    Failed,
    /// The work was stopped before its end: the day waits for the next claim.
    Interrupted,
}

/// A new backfill.
#[derive(Debug, Clone)]
pub struct BackfillStart {
    pub backfill_id: String,
    pub job: String,
    pub environment: String,
    /// The days to run, each once, in any order.
    pub days: Vec<NaiveDate>,
    /// How the days were chosen: `missing`, `failed`, `all`.
    pub selection: String,
    pub order: DayOrder,
    pub created_at: DateTime<Utc>,
}

/// One backfill with the count of its days.
#[derive(Debug, Clone, PartialEq)]
pub struct Backfill {
    pub backfill_id: String,
    pub job: String,
    pub environment: String,
    pub first_day: NaiveDate,
    pub last_day: NaiveDate,
    pub selection: String,
    pub order: DayOrder,
    pub created_at: DateTime<Utc>,
    pub status: BackfillStatus,
    /// While it is paused or pausing.
    pub pause: Option<BackfillPause>,
    pub pending: u64,
    pub running: u64,
    pub done: u64,
    pub failed: u64,
    pub cancelled: u64,
}

impl Backfill {
    /// All its days.
    pub fn days(&self) -> u64 {
        self.pending + self.running + self.done + self.failed + self.cancelled
    }
}

/// One day of a backfill.
#[derive(Debug, Clone, PartialEq)]
pub struct BackfillDay {
    pub backfill_id: String,
    pub as_of: NaiveDate,
    /// `pending` again for a day whose process died.
    pub status: DayStatus,
    /// Its newest run.
    pub run_id: Option<String>,
    /// How often it was begun.
    pub attempts: u64,
    pub started_at: Option<DateTime<Utc>>,
    pub finished_at: Option<DateTime<Utc>>,
    pub message: Option<String>,
}

/// Days with the status that is true now (`$1`).
macro_rules! days_as_seen {
    ($rest:literal) => {
        concat!(
            "with seen as (
                select d.*,
                    case
                        when d.status = 'running' and not exists (
                            select 1 from leases as l
                            where l.name = d.lease_name and l.token = d.lease_token
                                and l.released_at is null and l.expires_at > $1
                        ) then 'pending'
                        else d.status
                    end as seen_status
                from backfill_days as d
            ) ",
            $rest
        )
    };
}

impl State {
    /// Writes a backfill and all its days down, before the first of them runs.
    ///
    /// # Errors
    /// [`StateError::BackfillOverlap`] where some of the days wait or are at work in another backfill of the job. Of two
    /// that ask at once, one gets it.
    pub async fn create_backfill(&self, start: &BackfillStart) -> Result<(), StateError> {
        self.persist(|| self.try_to_create_backfill(start)).await
    }

    async fn try_to_create_backfill(&self, start: &BackfillStart) -> Result<(), StateError> {
        const DOING: &str = "recording a backfill";
        let failed = |error| self.failed(DOING, error);
        let (Some(first), Some(last)) = (start.days.iter().min(), start.days.iter().max()) else {
            return Err(StateError::EmptyBackfill);
        };
        let mut transaction = self.write(DOING).await?;
        self.refuse_overlap_on(&mut transaction, &start.job, Some(&start.backfill_id), &start.days).await?;
        sqlx::query(
            "insert into backfills (backfill_id, job, environment, first_day, last_day, selection, day_order, created_at)
             values ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(&start.backfill_id)
        .bind(&start.job)
        .bind(&start.environment)
        .bind(first.to_string())
        .bind(last.to_string())
        .bind(&start.selection)
        .bind(start.order.as_str())
        .bind(micros(start.created_at))
        .execute(&mut *transaction)
        .await
        .map_err(|error| match &error {
            sqlx::Error::Database(database) if database.is_unique_violation() => {
                StateError::RecordExists { kind: RecordKind::Backfill, id: start.backfill_id.clone() }
            }
            _ => failed(error),
        })?;
        for day in &start.days {
            sqlx::query(
                "insert into backfill_days (backfill_id, as_of, status) values ($1, $2, 'pending')
                 on conflict do nothing",
            )
            .bind(&start.backfill_id)
            .bind(day.to_string())
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
        }
        transaction.commit().await.map_err(failed)
    }

    /// Notes how a claimed day ended. The day must still be claimed under this lease.
    pub async fn finish_backfill_day(
        &self,
        day: &BackfillDay,
        lease: &Lease,
        outcome: DayOutcome,
        run_id: Option<&str>,
        message: Option<&str>,
        now: DateTime<Utc>,
    ) -> Result<(), StateError> {
        self.persist(|| self.try_to_finish_backfill_day(day, lease, outcome, run_id, message, now)).await
    }

    async fn try_to_finish_backfill_day(
        &self,
        day: &BackfillDay,
        lease: &Lease,
        outcome: DayOutcome,
        run_id: Option<&str>,
        message: Option<&str>,
        now: DateTime<Utc>,
    ) -> Result<(), StateError> {
        const DOING: &str = "recording a day of a backfill";
        let failed = |error| self.failed(DOING, error);
        let mut transaction = self.write(DOING).await?;
        let status = match outcome {
            DayOutcome::Done => DayStatus::Done,
            DayOutcome::Failed => DayStatus::Failed,
            DayOutcome::Interrupted => DayStatus::Pending,
        };
        // A backfill that was cancelled while the day ran does not wait for it again.
        let changed = sqlx::query(
            "update backfill_days
             set status = case
                     when $1 = 'pending' and exists (
                         select 1 from backfills as b
                         where b.backfill_id = backfill_days.backfill_id and b.cancelled_at is not null
                     ) then 'cancelled'
                     else $1
                 end,
                 run_id = $2, message = $3, finished_at = $4
             where backfill_id = $5 and as_of = $6 and status = 'running' and lease_name = $7 and lease_token = $8",
        )
        .bind(status.as_str())
        .bind(run_id)
        .bind(message.map(storable))
        .bind(micros(now))
        .bind(&day.backfill_id)
        .bind(day.as_of.to_string())
        .bind(&lease.name)
        .bind(signed(lease.token))
        .execute(&mut *transaction)
        .await
        .map_err(failed)?
        .rows_affected();
        if changed == 0 {
            return Err(StateError::DayNotHeld { backfill_id: day.backfill_id.clone(), as_of: day.as_of });
        }
        transaction.commit().await.map_err(failed)
    }

    /// Takes the waiting days off the list and returns how many there were. Days that run go on to their end.
    pub async fn cancel_backfill(&self, backfill_id: &str, now: DateTime<Utc>) -> Result<u64, StateError> {
        self.persist(|| self.try_to_cancel_backfill(backfill_id, now)).await
    }

    async fn try_to_cancel_backfill(&self, backfill_id: &str, now: DateTime<Utc>) -> Result<u64, StateError> {
        const DOING: &str = "cancelling a backfill";
        let failed = |error| self.failed(DOING, error);
        let mut transaction = self.write(DOING).await?;
        let cancelled = sqlx::query(
            "update backfill_days set status = 'cancelled', finished_at = $1
             where backfill_id = $2 and (
                 status = 'pending' or status = 'running' and not exists (
                     select 1 from leases as l
                     where l.name = backfill_days.lease_name and l.token = backfill_days.lease_token
                         and l.released_at is null and l.expires_at > $1
                 )
             )",
        )
        .bind(micros(now))
        .bind(backfill_id)
        .execute(&mut *transaction)
        .await
        .map_err(failed)?
        .rows_affected();
        sqlx::query("update backfills set cancelled_at = $1 where backfill_id = $2")
            .bind(micros(now))
            .bind(backfill_id)
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
        transaction.commit().await.map_err(failed)?;
        Ok(cancelled)
    }

    /// Lists backfills, the newest first.
    pub async fn list_backfills(&self, now: DateTime<Utc>) -> Result<Vec<Backfill>, StateError> {
        const LIST: &str = days_as_seen!(
            "select b.*, s.pending, s.running, s.done, s.failed, s.cancelled
             from backfills as b join (
                 select backfill_id,
                     count(case when seen_status = 'pending' then 1 end) as pending,
                     count(case when seen_status = 'running' then 1 end) as running,
                     count(case when seen_status = 'done' then 1 end) as done,
                     count(case when seen_status = 'failed' then 1 end) as failed,
                     count(case when seen_status = 'cancelled' then 1 end) as cancelled
                 from seen group by backfill_id
             ) as s on s.backfill_id = b.backfill_id
             order by b.created_at desc, b.backfill_id desc"
        );
        let rows = self.rows("listing backfills", || sqlx::query(LIST).bind(micros(now))).await?;
        let worked_on = self.backfills_worked_on(now).await?;
        rows.iter().map(|row| backfill_of(&self.record(row), &worked_on)).collect()
    }

    /// Finds the one backfill whose id begins with `prefix`, with its days in order.
    pub async fn show_backfill(
        &self,
        prefix: &str,
        now: DateTime<Utc>,
    ) -> Result<(Backfill, Vec<BackfillDay>), StateError> {
        let all = self.list_backfills(now).await?;
        let ids: Vec<String> = all.iter().map(|backfill| backfill.backfill_id.clone()).collect();
        let id = find_by_prefix(RecordKind::Backfill, prefix, &ids)?;
        let Some(backfill) = all.into_iter().find(|backfill| backfill.backfill_id == id) else {
            return Err(StateError::UnknownRecord { kind: RecordKind::Backfill, prefix: id, newest: ids });
        };
        let days = self.backfill_days(Some(&id), now).await?;
        Ok((backfill, days))
    }

    /// Days in order: of one backfill, or of all.
    pub(super) async fn backfill_days(
        &self,
        backfill_id: Option<&str>,
        now: DateTime<Utc>,
    ) -> Result<Vec<BackfillDay>, StateError> {
        const DAYS: &str =
            days_as_seen!("select * from seen where $2 is null or backfill_id = $2 order by backfill_id, as_of");
        let query = || sqlx::query(DAYS).bind(micros(now)).bind(backfill_id);
        let rows = self.rows("reading a backfill", query).await?;
        rows.iter().map(|row| day_of(&self.record(row))).collect()
    }
}

pub(super) fn day_of(record: &Record<'_>) -> Result<BackfillDay, StateError> {
    Ok(BackfillDay {
        backfill_id: record.text("backfill_id")?,
        as_of: record.day("as_of")?,
        status: record.named("seen_status", DayStatus::from_text)?,
        run_id: record.value("run_id")?,
        attempts: record.count("attempts")?,
        started_at: record.optional_instant("started_at")?,
        finished_at: record.optional_instant("finished_at")?,
        message: record.value("message")?,
    })
}

fn backfill_of(record: &Record<'_>, worked_on: &BTreeSet<String>) -> Result<Backfill, StateError> {
    let mut backfill = Backfill {
        backfill_id: record.text("backfill_id")?,
        job: record.text("job")?,
        environment: record.text("environment")?,
        first_day: record.day("first_day")?,
        last_day: record.day("last_day")?,
        selection: record.text("selection")?,
        order: record.named("day_order", DayOrder::from_text)?,
        created_at: record.instant("created_at")?,
        status: BackfillStatus::Pending,
        pause: pause_of(record)?,
        pending: record.count("pending")?,
        running: record.count("running")?,
        done: record.count("done")?,
        failed: record.count("failed")?,
        cancelled: record.count("cancelled")?,
    };
    backfill.status = status_of(&backfill, worked_on.contains(&backfill.backfill_id));
    if !matches!(backfill.status, BackfillStatus::Pausing | BackfillStatus::Paused) {
        backfill.pause = None;
    }
    Ok(backfill)
}
