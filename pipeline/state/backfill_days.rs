//! Which days a backfill may have: those that wait, one after the other, and none of another backfill of its job.

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::AnyConnection;

use super::backfills::day_of;
use super::text::{list, micros, signed};
use super::{BackfillDay, DaysLeft, Lease, State, StateError};

/// Which of the waiting days is claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextDay {
    Earliest,
    /// The latest, if it is not before this day (`None`: whichever it is).
    LatestFrom(Option<NaiveDate>),
}

/// Which day may be claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClaimRule {
    pub next: NextDay,
    pub only: DaysLeft,
}

/// What came of asking for a day.
#[derive(Debug, Clone, PartialEq)]
pub enum DayClaim {
    Day(BackfillDay),
    NoneLeft,
    /// The backfill is paused: no day begins.
    Paused,
}

/// Days that wait or are at work in another backfill of the same job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackfillOverlap {
    pub backfill_id: String,
    pub job: String,
    /// Ascending.
    pub days: Vec<NaiveDate>,
}

/// Whether day `d` waits: as it was left, or as its process died. `$1` is now.
macro_rules! is_waiting {
    () => {
        "(d.status = 'pending' or d.status = 'running' and not exists (
            select 1 from leases as l
            where l.name = d.lease_name and l.token = d.lease_token
                and l.released_at is null and l.expires_at > $1
        ))"
    };
}

/// Whether day `d` is one that is run: `$3` and `$4` are the least and the greatest `is_retry`.
macro_rules! is_chosen {
    () => {
        "d.is_retry between $3 and $4"
    };
}

impl DaysLeft {
    /// The least and the greatest `is_retry` of its days.
    pub(super) fn retries(self) -> (i64, i64) {
        match self {
            DaysLeft::All => (0, 1),
            DaysLeft::Failed => (1, 1),
            DaysLeft::Waiting => (0, 0),
        }
    }
}

impl State {
    /// Claims a day that waits. Days whose process died wait too.
    ///
    /// `lease` is the one under which the caller works on the backfill: the claim lasts as long as it is current.
    pub async fn claim_backfill_day(
        &self,
        backfill_id: &str,
        rule: &ClaimRule,
        lease: &Lease,
        now: DateTime<Utc>,
    ) -> Result<DayClaim, StateError> {
        self.persist(|| self.try_to_claim_backfill_day(backfill_id, rule, lease, now)).await
    }

    async fn try_to_claim_backfill_day(
        &self,
        backfill_id: &str,
        rule: &ClaimRule,
        lease: &Lease,
        now: DateTime<Utc>,
    ) -> Result<DayClaim, StateError> {
        const DOING: &str = "claiming a day of a backfill";
        let failed = |error| self.failed(DOING, error);
        let mut transaction = self.write(DOING).await?;
        self.require_lease_on(&mut transaction, lease, now).await?;
        if self.pause_on(&mut transaction, backfill_id).await?.is_some() {
            return Ok(DayClaim::Paused);
        }
        let (query, from) = match rule.next {
            NextDay::Earliest => (
                concat!(
                    "select d.as_of from backfill_days as d where d.backfill_id = $2 and ",
                    is_waiting!(),
                    " and ",
                    is_chosen!(),
                    " and d.as_of >= $5 order by d.as_of limit 1"
                ),
                None,
            ),
            NextDay::LatestFrom(from) => (
                concat!(
                    "select d.as_of from backfill_days as d where d.backfill_id = $2 and ",
                    is_waiting!(),
                    " and ",
                    is_chosen!(),
                    " and d.as_of >= $5 order by d.as_of desc limit 1"
                ),
                from,
            ),
        };
        let (least, greatest) = rule.only.retries();
        let day: Option<String> = sqlx::query_scalar(query)
            .bind(micros(now))
            .bind(backfill_id)
            .bind(least)
            .bind(greatest)
            .bind(from.map_or_else(String::new, |day| day.to_string()))
            .fetch_optional(&mut *transaction)
            .await
            .map_err(failed)?;
        let Some(day) = day else { return Ok(DayClaim::NoneLeft) };
        let row = sqlx::query(
            "update backfill_days
             set status = 'running', attempts = attempts + 1, started_at = $1, finished_at = null, message = null,
                 lease_name = $2, lease_token = $3
             where backfill_id = $4 and as_of = $5
             returning *, status as seen_status",
        )
        .bind(micros(now))
        .bind(&lease.name)
        .bind(signed(lease.token))
        .bind(backfill_id)
        .bind(&day)
        .fetch_one(&mut *transaction)
        .await
        .map_err(failed)?;
        let claimed = day_of(&self.record(&row))?;
        transaction.commit().await.map_err(failed)?;
        Ok(DayClaim::Day(claimed))
    }

    /// Whether a day is left to begin, now or when those at work have failed to end: some wait, and it is not paused.
    pub async fn backfill_goes_on(
        &self,
        backfill_id: &str,
        only: DaysLeft,
        now: DateTime<Utc>,
    ) -> Result<bool, StateError> {
        self.persist(|| async {
            let mut connection = self.pool.acquire().await.map_err(|error| self.failed("reading a backfill", error))?;
            if self.pause_on(&mut connection, backfill_id).await?.is_some() {
                return Ok(false);
            }
            Ok(!self.days_left_on(&mut connection, backfill_id, only, now).await?.is_empty())
        })
        .await
    }

    /// Fails where another backfill of the job has some of these days before it: they wait there, or are at work.
    pub async fn refuse_backfill_overlap(&self, job: &str, days: &[NaiveDate]) -> Result<(), StateError> {
        self.persist(|| async {
            let mut connection = self.pool.acquire().await.map_err(|error| self.failed("reading backfills", error))?;
            self.refuse_overlap_on(&mut connection, job, None, days).await
        })
        .await
    }

    /// The same within a transaction. `own` is the backfill whose days these are, if it is written down already.
    pub(super) async fn refuse_overlap_on(
        &self,
        connection: &mut AnyConnection,
        job: &str,
        own: Option<&str>,
        days: &[NaiveDate],
    ) -> Result<(), StateError> {
        let (Some(first), Some(last)) = (days.iter().min(), days.iter().max()) else { return Ok(()) };
        let rows = sqlx::query(
            "select d.backfill_id, d.as_of
             from backfill_days as d join backfills as b on b.backfill_id = d.backfill_id
             where b.job = $1 and d.backfill_id <> $2 and d.as_of between $3 and $4
                 and d.status in ('pending', 'running')
             order by b.created_at, d.backfill_id, d.as_of",
        )
        .bind(job)
        .bind(own.unwrap_or_default())
        .bind(first.to_string())
        .bind(last.to_string())
        .fetch_all(connection)
        .await
        .map_err(|error| self.failed("reading backfills", error))?;
        let wanted: BTreeSet<&NaiveDate> = days.iter().collect();
        let mut overlap: Option<BackfillOverlap> = None;
        for row in &rows {
            let record = self.record(row);
            let (backfill_id, day) = (record.text("backfill_id")?, record.day("as_of")?);
            if !wanted.contains(&day) {
                continue;
            }
            let overlap = overlap.get_or_insert_with(|| BackfillOverlap {
                backfill_id: backfill_id.clone(),
                job: job.to_owned(),
                days: Vec::new(),
            });
            if overlap.backfill_id == backfill_id {
                overlap.days.push(day);
            }
        }
        overlap.map_or(Ok(()), |overlap| Err(StateError::BackfillOverlap(overlap)))
    }

    /// The chosen days that wait.
    pub(super) async fn days_left_on(
        &self,
        connection: &mut AnyConnection,
        backfill_id: &str,
        only: DaysLeft,
        now: DateTime<Utc>,
    ) -> Result<Vec<NaiveDate>, StateError> {
        let (least, greatest) = only.retries();
        let rows = sqlx::query(concat!(
            "select d.as_of from backfill_days as d where d.backfill_id = $2 and ",
            is_waiting!(),
            " and ",
            is_chosen!(),
            " order by d.as_of"
        ))
        .bind(micros(now))
        .bind(backfill_id)
        .bind(least)
        .bind(greatest)
        .fetch_all(connection)
        .await
        .map_err(|error| self.failed("reading a backfill", error))?;
        rows.iter().map(|row| self.record(row).day("as_of")).collect()
    }
}

/// Days as people write them: `2026-01-01 to 2026-01-03, 2026-01-05`.
pub(super) fn spans(days: &[NaiveDate]) -> String {
    let mut spans: Vec<(NaiveDate, NaiveDate)> = Vec::new();
    for day in days {
        match spans.last_mut() {
            Some((_, last)) if last.succ_opt() == Some(*day) => *last = *day,
            _ => spans.push((*day, *day)),
        }
    }
    let texts: Vec<String> = spans
        .into_iter()
        .map(|(first, last)| if first == last { first.to_string() } else { format!("{first} to {last}") })
        .collect();
    list(&texts)
}
