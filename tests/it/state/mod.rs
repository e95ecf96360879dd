//! The state file: leases, run records, backfills, and files that cannot be used.

mod backfills;
mod files;
mod leases;
mod ops;
mod runs;

use std::time::Duration;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use lifecycle::state::{Lease, LeaseOutcome, RunStart, State, Trigger};
use tempfile::TempDir;

/// A folder with a state file in it; dropping it deletes both.
pub struct Place {
    pub folder: TempDir,
}

impl Place {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub fn file(&self) -> std::path::PathBuf {
        self.folder.path().join("deep/er/state.db")
    }

    pub async fn open(&self) -> State {
        State::open(&self.file()).await.unwrap()
    }
}

/// 2026-01-02 02:00 UTC plus so many seconds.
pub fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_767_319_200, 0).unwrap() + TimeDelta::seconds(seconds)
}

pub fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

pub const MINUTE: Duration = Duration::from_secs(60);

pub async fn acquire(state: &State, name: &str, now: DateTime<Utc>) -> Lease {
    match state.acquire_lease(name, "tester", MINUTE, now).await.unwrap() {
        LeaseOutcome::Acquired(lease) => lease,
        held => panic!("the lease is {held:?}"),
    }
}

pub fn run_start(run_id: &str, job: &str, as_of: &str, lease: &Lease, started_at: DateTime<Utc>) -> RunStart {
    RunStart {
        run_id: run_id.to_owned(),
        job: job.to_owned(),
        as_of: day(as_of),
        trigger: Trigger::Manual,
        environment: "local".to_owned(),
        started_at,
        lease: lease.clone(),
        backfill_id: None,
    }
}
