//! Leases with fencing tokens: who may work on what, until when.
//!
//! A lease ends when it is released, when its time is over, or when its owner dies. Death on the same machine is
//! known at once: an owner keeps a lock on a file beside the state file, which the system gives up with the process.
//! Where locking fails, and in a database that several
//! machines share, the time alone decides.

use std::fs::File;
use std::sync::PoisonError;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::Any;
use sqlx::any::AnyArguments;
use sqlx::query::Query;

use super::text::{later, micros, signed};
use super::{State, StateError};

/// The right to work on `name` until `expires_at`, as long as no greater token exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    pub name: String,
    pub owner: String,
    /// Greater than every token given for this name before.
    pub token: u64,
    pub acquired_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
}

/// What came of asking for a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeaseOutcome {
    Acquired(Lease),
    Held { owner: String, since: DateTime<Utc>, expires_at: DateTime<Utc> },
}

impl State {
    /// Takes the lease if nobody holds it, its holder released it or died, or its time is over.
    ///
    /// `owner` says who holds it to a person who waits: a host and a process id.
    pub async fn acquire_lease(
        &self,
        name: &str,
        owner: &str,
        time_to_live: Duration,
        now: DateTime<Utc>,
    ) -> Result<LeaseOutcome, StateError> {
        self.persist(|| self.try_to_acquire(name, owner, time_to_live, now)).await
    }

    async fn try_to_acquire(
        &self,
        name: &str,
        owner: &str,
        time_to_live: Duration,
        now: DateTime<Utc>,
    ) -> Result<LeaseOutcome, StateError> {
        const DOING: &str = "acquiring a lease";
        let failed = |error| self.failed(DOING, error);
        let mut transaction = self.write(DOING).await?;
        // Not before: whoever only looks would keep the lock from one who takes the lease meanwhile, unguarded.
        let guard = self.engine.lock_guard(name);
        let row = sqlx::query("select * from leases where name = $1")
            .bind(name)
            .fetch_optional(&mut *transaction)
            .await
            .map_err(failed)?;
        let mut last_token = 0;
        if let Some(row) = row {
            let record = self.record(&row);
            let expires_at = record.instant("expires_at")?;
            let is_abandoned = guard.is_some() && record.flag("is_guarded")?;
            if record.optional_instant("released_at")?.is_none() && expires_at > now && !is_abandoned {
                let since = record.instant("acquired_at")?;
                return Ok(LeaseOutcome::Held { owner: record.text("owner")?, since, expires_at });
            }
            last_token = record.count("token")?;
        }
        let lease = Lease {
            name: name.to_owned(),
            owner: owner.to_owned(),
            token: last_token + 1,
            acquired_at: now,
            expires_at: later(now, time_to_live),
        };
        sqlx::query(
            "insert into leases (name, owner, token, acquired_at, expires_at, is_guarded)
             values ($1, $2, $3, $4, $5, $6)
             on conflict (name) do update set owner = excluded.owner, token = excluded.token,
                 acquired_at = excluded.acquired_at, expires_at = excluded.expires_at, released_at = null,
                 is_guarded = excluded.is_guarded",
        )
        .bind(&lease.name)
        .bind(&lease.owner)
        .bind(signed(lease.token))
        .bind(micros(lease.acquired_at))
        .bind(micros(lease.expires_at))
        .bind(i64::from(guard.is_some()))
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
        transaction.commit().await.map_err(failed)?;
        self.keep_guard(&lease, guard);
        Ok(LeaseOutcome::Acquired(lease))
    }

    /// Moves the lease's end to `now` plus the time to live.
    ///
    /// A lease whose time ran out (a machine that slept) is renewed too as long as nobody else took it; else the
    /// error is [`StateError::LeaseLost`], and the holder must stop.
    pub async fn renew_lease(
        &self,
        lease: &Lease,
        time_to_live: Duration,
        now: DateTime<Utc>,
    ) -> Result<Lease, StateError> {
        let expires_at = later(now, time_to_live);
        let changed = self
            .change("renewing a lease", || {
                sqlx::query("update leases set expires_at = $1 where name = $2 and token = $3 and released_at is null")
                    .bind(micros(expires_at))
                    .bind(&lease.name)
                    .bind(signed(lease.token))
            })
            .await?;
        if changed == 0 {
            return Err(lost(lease));
        }
        Ok(Lease { expires_at, ..lease.clone() })
    }

    /// Gives the lease back; one that was lost already is left to its new owner.
    pub async fn release_lease(&self, lease: &Lease, now: DateTime<Utc>) -> Result<(), StateError> {
        // First, or whoever takes it in between could not guard it.
        self.drop_guard(lease);
        self.change("releasing a lease", || {
            sqlx::query("update leases set released_at = $1 where name = $2 and token = $3 and released_at is null")
                .bind(micros(now))
                .bind(&lease.name)
                .bind(signed(lease.token))
        })
        .await?;
        Ok(())
    }

    /// Says whether the lease still gives the right to work: asked right before anything becomes visible.
    pub async fn lease_is_current(&self, lease: &Lease, now: DateTime<Utc>) -> Result<bool, StateError> {
        Ok(!self.rows("reading a lease", || current(lease, now)).await?.is_empty())
    }

    /// Says who holds a lease, as its record tells: an owner that died counts until its time is over.
    pub async fn lease_owner(&self, name: &str, now: DateTime<Utc>) -> Result<Option<String>, StateError> {
        let query = || {
            sqlx::query("select owner from leases where name = $1 and released_at is null and expires_at > $2")
                .bind(name)
                .bind(micros(now))
        };
        let rows = self.rows("reading a lease", query).await?;
        rows.first().map(|row| self.record(row).text("owner")).transpose()
    }

    /// Refuses to go on without the lease.
    pub(super) async fn require_lease_on(
        &self,
        connection: &mut sqlx::AnyConnection,
        lease: &Lease,
        now: DateTime<Utc>,
    ) -> Result<(), StateError> {
        let found = current(lease, now)
            .fetch_optional(connection)
            .await
            .map_err(|error| self.failed("reading a lease", error))?;
        found.map(drop).ok_or_else(|| lost(lease))
    }

    fn keep_guard(&self, lease: &Lease, guard: Option<File>) {
        let mut guards = self.guards.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(guard) = guard {
            guards.insert((lease.name.clone(), lease.token), guard);
        }
    }

    fn drop_guard(&self, lease: &Lease) {
        let mut guards = self.guards.lock().unwrap_or_else(PoisonError::into_inner);
        guards.remove(&(lease.name.clone(), lease.token));
    }
}

/// Finds the lease's row while it gives the right to work.
fn current(lease: &Lease, now: DateTime<Utc>) -> Query<'_, Any, AnyArguments> {
    sqlx::query("select name from leases where name = $1 and token = $2 and released_at is null and expires_at > $3")
        .bind(&lease.name)
        .bind(signed(lease.token))
        .bind(micros(now))
}

fn lost(lease: &Lease) -> StateError {
    StateError::LeaseLost { name: lease.name.clone(), token: lease.token }
}
