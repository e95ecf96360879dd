//! Backfills under way: begun within limits, paused, resumed.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use sqlx::AnyConnection;

use super::rows::Record;
use super::text::{micros, signed, text_enum};
use super::{Backfill, BackfillDay, DayStatus, Lease, State, StateError};

text_enum! {
    /// Where a backfill stands.
    BackfillStatus {
        /// Days wait, and nobody works on it.
        Pending = "pending",
        /// A living process works on it.
        Running = "running",
        /// It was paused, and days at work go on to their end.
        Pausing = "pausing",
        Paused = "paused",
        Done = "done",
        /// All is over, and a day failed.
        Failed = "failed",
        Cancelled = "cancelled",
    }
}

text_enum! {
    /// In which order days before the current release's are begun.
    DayOrder {
        OldestFirst = "oldest_first",
        NewestFirst = "newest_first",
    }
}

text_enum! {
    /// Which of a backfill's days are run when it is resumed.
    DaysLeft {
        /// Waiting, failed and cancelled days.
        All = "all",
        /// Days that failed.
        Failed = "failed",
        /// Days that wait and never failed.
        Waiting = "waiting",
    }
}

/// By whom and when a backfill was paused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackfillPause {
    pub at: DateTime<Utc>,
    pub by: String,
}

/// How many days at once a backfill may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackfillShare {
    /// By other backfills that are worked on.
    pub taken: u64,
    /// 0 where they leave nothing.
    pub granted: u64,
}

/// What became of the wish to pause a backfill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PauseOutcome {
    Paused,
    /// It was paused before.
    PausedBefore(BackfillPause),
    /// No day waits and none is at work.
    Over,
}

impl State {
    /// Notes under which lease a backfill is worked on from now on, and how many days at once. While the lease is current
    /// it is seen as running, and its share of what all backfills together may have is taken.
    ///
    /// Where others leave less than it wants, it gets what is left; where they leave nothing, nothing is noted.
    pub async fn begin_backfill(
        &self,
        backfill_id: &str,
        wanted: u64,
        at_most: u64,
        lease: &Lease,
        now: DateTime<Utc>,
    ) -> Result<BackfillShare, StateError> {
        self.persist(|| self.try_to_begin_backfill(backfill_id, wanted, at_most, lease, now)).await
    }

    async fn try_to_begin_backfill(
        &self,
        backfill_id: &str,
        wanted: u64,
        at_most: u64,
        lease: &Lease,
        now: DateTime<Utc>,
    ) -> Result<BackfillShare, StateError> {
        const DOING: &str = "beginning a backfill";
        let failed = |error| self.failed(DOING, error);
        let mut transaction = self.write(DOING).await?;
        self.require_lease_on(&mut transaction, lease, now).await?;
        let taken: Vec<i64> = sqlx::query_scalar(
            "select b.parallel from backfills as b
             join leases as l on l.name = b.lease_name and l.token = b.lease_token
             where b.backfill_id <> $1 and l.released_at is null and l.expires_at > $2",
        )
        .bind(backfill_id)
        .bind(micros(now))
        .fetch_all(&mut *transaction)
        .await
        .map_err(failed)?;
        let taken: u64 = taken.into_iter().map(i64::unsigned_abs).sum();
        let share = BackfillShare { taken, granted: at_most.saturating_sub(taken).min(wanted) };
        if share.granted == 0 {
            return Ok(share);
        }
        sqlx::query("update backfills set lease_name = $1, lease_token = $2, parallel = $3 where backfill_id = $4")
            .bind(&lease.name)
            .bind(signed(lease.token))
            .bind(signed(share.granted))
            .bind(backfill_id)
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
        transaction.commit().await.map_err(failed)?;
        Ok(share)
    }

    /// The backfills on which a living process works, whether or not a day is at work.
    pub(super) async fn backfills_worked_on(&self, now: DateTime<Utc>) -> Result<BTreeSet<String>, StateError> {
        let query = || {
            sqlx::query(
                "select b.backfill_id from backfills as b
                 join leases as l on l.name = b.lease_name and l.token = b.lease_token
                 where l.released_at is null and l.expires_at > $1",
            )
            .bind(micros(now))
        };
        let rows = self.rows("listing backfills", query).await?;
        rows.iter().map(|row| self.record(row).text("backfill_id")).collect()
    }

    /// Begins no further day of a backfill. Days at work go on to their end.
    pub async fn pause_backfill(
        &self,
        backfill_id: &str,
        by: &str,
        now: DateTime<Utc>,
    ) -> Result<PauseOutcome, StateError> {
        self.persist(|| self.try_to_pause_backfill(backfill_id, by, now)).await
    }

    async fn try_to_pause_backfill(
        &self,
        backfill_id: &str,
        by: &str,
        now: DateTime<Utc>,
    ) -> Result<PauseOutcome, StateError> {
        const DOING: &str = "pausing a backfill";
        let failed = |error| self.failed(DOING, error);
        let mut transaction = self.write(DOING).await?;
        let left: i64 = sqlx::query_scalar(
            "select count(*) from backfill_days where backfill_id = $1 and status in ('pending', 'running')",
        )
        .bind(backfill_id)
        .fetch_one(&mut *transaction)
        .await
        .map_err(failed)?;
        if left == 0 {
            return Ok(PauseOutcome::Over);
        }
        if let Some(before) = self.pause_on(&mut transaction, backfill_id).await? {
            return Ok(PauseOutcome::PausedBefore(before));
        }
        sqlx::query("update backfills set paused_at = $1, paused_by = $2 where backfill_id = $3")
            .bind(micros(now))
            .bind(by)
            .bind(backfill_id)
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
        transaction.commit().await.map_err(failed)?;
        Ok(PauseOutcome::Paused)
    }

    /// Ends a pause and makes the chosen days wait again; returns how many of them there are.
    ///
    /// # Errors
    /// [`StateError::BackfillOverlap`] where another backfill of the job has got some of them meanwhile.
    pub async fn resume_backfill(
        &self,
        backfill_id: &str,
        only: DaysLeft,
        now: DateTime<Utc>,
    ) -> Result<u64, StateError> {
        self.persist(|| self.try_to_resume_backfill(backfill_id, only, now)).await
    }

    async fn try_to_resume_backfill(
        &self,
        backfill_id: &str,
        only: DaysLeft,
        now: DateTime<Utc>,
    ) -> Result<u64, StateError> {
        const DOING: &str = "resuming a backfill";
        let failed = |error| self.failed(DOING, error);
        let mut transaction = self.write(DOING).await?;
        if only != DaysLeft::Waiting {
            sqlx::query(
                "update backfill_days set status = 'pending', is_retry = 1
                 where backfill_id = $1 and status = 'failed'",
            )
            .bind(backfill_id)
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
        }
        if only == DaysLeft::All {
            sqlx::query("update backfill_days set status = 'pending' where backfill_id = $1 and status = 'cancelled'")
                .bind(backfill_id)
                .execute(&mut *transaction)
                .await
                .map_err(failed)?;
        }
        sqlx::query(
            "update backfills set paused_at = null, paused_by = null, cancelled_at = null where backfill_id = $1",
        )
        .bind(backfill_id)
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
        let days = self.days_left_on(&mut transaction, backfill_id, only, now).await?;
        let job: Option<String> = sqlx::query_scalar("select job from backfills where backfill_id = $1")
            .bind(backfill_id)
            .fetch_optional(&mut *transaction)
            .await
            .map_err(failed)?;
        // Where there is nothing to do, a pause stays one.
        let (Some(job), false) = (job, days.is_empty()) else { return Ok(0) };
        self.refuse_overlap_on(&mut transaction, &job, Some(backfill_id), &days).await?;
        transaction.commit().await.map_err(failed)?;
        Ok(days.len() as u64)
    }

    /// How many days resuming would run. Those at work count: whether their process lives is known once it is asked.
    pub async fn resumable_days(&self, backfill_id: &str, only: DaysLeft) -> Result<u64, StateError> {
        let (least, greatest) = only.retries();
        let (failed, cancelled) = match only {
            DaysLeft::All => (DayStatus::Failed.as_str(), DayStatus::Cancelled.as_str()),
            DaysLeft::Failed => (DayStatus::Failed.as_str(), ""),
            DaysLeft::Waiting => ("", ""),
        };
        let query = || {
            sqlx::query(
                "select count(*) as days from backfill_days where backfill_id = $1 and (
                     status in ('pending', 'running') and is_retry between $2 and $3 or status = $4 or status = $5
                 )",
            )
            .bind(backfill_id)
            .bind(least)
            .bind(greatest)
            .bind(failed)
            .bind(cancelled)
        };
        let rows = self.rows("reading a backfill", query).await?;
        rows.first().map_or(Ok(0), |row| self.record(row).count("days"))
    }

    /// Backfills with days that wait or are at work, the newest first, with their days in order.
    pub async fn unfinished_backfills(
        &self,
        now: DateTime<Utc>,
    ) -> Result<Vec<(Backfill, Vec<BackfillDay>)>, StateError> {
        let mut unfinished = Vec::new();
        for backfill in self.list_backfills(now).await? {
            if backfill.pending + backfill.running > 0 {
                let days = self.backfill_days(Some(&backfill.backfill_id), now).await?;
                unfinished.push((backfill, days));
            }
        }
        Ok(unfinished)
    }

    pub(super) async fn pause_on(
        &self,
        connection: &mut AnyConnection,
        backfill_id: &str,
    ) -> Result<Option<BackfillPause>, StateError> {
        let row = sqlx::query("select paused_at, paused_by from backfills where backfill_id = $1")
            .bind(backfill_id)
            .fetch_optional(connection)
            .await
            .map_err(|error| self.failed("reading a backfill", error))?;
        row.map_or(Ok(None), |row| pause_of(&self.record(&row)))
    }
}

/// Where a backfill stands, by its days and whether somebody works on it.
pub(super) fn status_of(backfill: &Backfill, is_worked_on: bool) -> BackfillStatus {
    let is_worked_on = is_worked_on || backfill.running > 0;
    match backfill {
        Backfill { pending: 1.., pause: Some(_), .. } if is_worked_on => BackfillStatus::Pausing,
        Backfill { pending: 1.., pause: Some(_), .. } => BackfillStatus::Paused,
        Backfill { pending: 1.., .. } if is_worked_on => BackfillStatus::Running,
        Backfill { pending: 1.., .. } => BackfillStatus::Pending,
        Backfill { running: 1.., .. } => BackfillStatus::Running,
        Backfill { cancelled: 1.., .. } => BackfillStatus::Cancelled,
        Backfill { failed: 1.., .. } => BackfillStatus::Failed,
        _ => BackfillStatus::Done,
    }
}

/// The pause in a row of `backfills`.
pub(super) fn pause_of(record: &Record<'_>) -> Result<Option<BackfillPause>, StateError> {
    let at = record.optional_instant("paused_at")?;
    let by: Option<String> = record.value("paused_by")?;
    Ok(at.map(|at| BackfillPause { at, by: by.unwrap_or_default() }))
}
