//! Who executes a scheduled run: claims with a lease, so that nobody executes a run key twice.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::schedules::scheduled_run;
use super::text::{later, micros, signed, storable};
use super::{Claim, NotRunReason, ScheduledEnd, ScheduledRun, State, StateError};

impl State {
    /// Claims a run key that waits, or whose owner let its lease run out; `None` where somebody else was first.
    ///
    /// Of one job one run is at work at a time.
    pub async fn claim_scheduled_run(
        &self,
        run: &ScheduledRun,
        owner: &str,
        lease: Duration,
        now: DateTime<Utc>,
    ) -> Result<Option<Claim>, StateError> {
        const DOING: &str = "claiming a scheduled run";
        let failed = |error| self.failed(DOING, error);
        let mut transaction = self.write(DOING).await?;
        let changed = sqlx::query(
            "update scheduled_runs
             set status = 'running', owner = $3, lease_until = $4, started_at = $5, attempts = attempts + 1,
                 deaths = deaths + case when status = 'running' then 1 else 0 end
             where job = $1 and scheduled_at = $2
                 and (status = 'waiting' or (status = 'running' and lease_until <= $5))
                 and not exists (
                     select 1 from scheduled_runs as other
                     where other.job = $1 and other.scheduled_at <> $2 and other.status = 'running'
                         and other.lease_until > $5
                 )
                 and not exists (select 1 from schedules as s where s.job = $1 and s.paused_at is not null)",
        )
        .bind(&run.job)
        .bind(micros(run.scheduled_at))
        .bind(owner)
        .bind(micros(later(now, lease)))
        .bind(micros(now))
        .execute(&mut *transaction)
        .await
        .map_err(failed)?
        .rows_affected();
        if changed == 0 {
            return Ok(None);
        }
        let row = sqlx::query("select * from scheduled_runs where job = $1 and scheduled_at = $2")
            .bind(&run.job)
            .bind(micros(run.scheduled_at))
            .fetch_one(&mut *transaction)
            .await
            .map_err(failed)?;
        transaction.commit().await.map_err(failed)?;
        let claimed = scheduled_run(&self.record(&row))?;
        Ok(Some(Claim {
            job: claimed.job,
            scheduled_at: claimed.scheduled_at,
            as_of: claimed.as_of,
            is_made_up: claimed.is_made_up,
            attempt: claimed.attempts,
            claimed_at: now,
        }))
    }

    /// Moves the end of a claim's lease; `false` where somebody else has claimed the run since.
    pub async fn renew_claim(&self, claim: &Claim, lease: Duration, now: DateTime<Utc>) -> Result<bool, StateError> {
        let query = || {
            sqlx::query(
                "update scheduled_runs set lease_until = $4
                 where job = $1 and scheduled_at = $2 and attempts = $3 and status = 'running'",
            )
            .bind(&claim.job)
            .bind(micros(claim.scheduled_at))
            .bind(signed(claim.attempt))
            .bind(micros(later(now, lease)))
        };
        let changed = self.change("renewing a scheduled run's lease", query).await?;
        Ok(changed > 0)
    }

    /// Records how a claimed run ended; `false` where somebody else has claimed it since, whose end counts.
    pub async fn finish_claim(
        &self,
        claim: &Claim,
        end: &ScheduledEnd,
        now: DateTime<Utc>,
    ) -> Result<bool, StateError> {
        let query = || {
            sqlx::query(
                "update scheduled_runs
                 set status = 'done', lease_until = null, finished_at = $4, run_id = $5, outcome = $6, message = $7
                 where job = $1 and scheduled_at = $2 and attempts = $3 and status = 'running'",
            )
            .bind(&claim.job)
            .bind(micros(claim.scheduled_at))
            .bind(signed(claim.attempt))
            .bind(micros(now))
            .bind(&end.run_id)
            .bind(end.outcome.as_str())
            .bind(end.message.as_deref().map(storable))
        };
        let changed = self.change("recording the end of a scheduled run", query).await?;
        Ok(changed > 0)
    }

    /// Gives a claimed run back: it waits again, for whoever comes next. One that had not begun waits as before the claim.
    pub async fn release_claim(&self, claim: &Claim, has_begun: bool) -> Result<(), StateError> {
        let query = || {
            sqlx::query(
                "update scheduled_runs
                 set status = 'waiting', owner = null, lease_until = null, attempts = attempts - $4,
                     started_at = case when attempts = $4 then null else started_at end
                 where job = $1 and scheduled_at = $2 and attempts = $3 and status = 'running' and started_at = $5",
            )
            .bind(&claim.job)
            .bind(micros(claim.scheduled_at))
            .bind(signed(claim.attempt))
            .bind(i64::from(!has_begun))
            .bind(micros(claim.claimed_at))
        };
        self.change("giving a scheduled run back", query).await.map(drop)
    }

    /// Takes a claimed run off the list: it does not run after all.
    pub async fn abandon_claim(
        &self,
        claim: &Claim,
        reason: NotRunReason,
        message: &str,
        now: DateTime<Utc>,
    ) -> Result<(), StateError> {
        let query = || {
            sqlx::query(
                "update scheduled_runs
                 set status = $4, reason = $5, message = $6, lease_until = null, started_at = null, finished_at = $7
                 where job = $1 and scheduled_at = $2 and attempts = $3 and status = 'running'",
            )
            .bind(&claim.job)
            .bind(micros(claim.scheduled_at))
            .bind(signed(claim.attempt))
            .bind(reason.verdict().status().as_str())
            .bind(reason.as_str())
            .bind(storable(message))
            .bind(micros(now))
        };
        self.change("taking a scheduled run off the list", query).await.map(drop)
    }
}
