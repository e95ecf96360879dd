//! The state, in a file and in a database: leases, run records, backfills; files and servers that cannot be used.

/// Runs tests, which take a [`Place`], once on SQLite and once on PostgreSQL.
macro_rules! on_both_databases {
    ($($test:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test(crate::state::Place::new()).await;
            })+
        }

        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                if let Some(place) = crate::state::Place::on_server() {
                    super::$test(place).await;
                }
            })+
        }
    };
}

pub(crate) use on_both_databases;

mod backfills;
mod files;
mod leases;
mod ops;
mod outages;
mod portable;
mod processes;
mod proxy;
mod runs;
pub mod server;
mod servers;
mod speed;
mod watching;

use std::time::Duration;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use lifecycle::config::{PostgresLocation, StateLocation};
use lifecycle::state::{Lease, LeaseOutcome, RunStart, State, Trigger};
use tempfile::TempDir;

/// A folder for a state file, or a schema on a server; dropping it deletes the folder.
pub struct Place {
    pub folder: TempDir,
    pub server: Option<PostgresLocation>,
}

impl Place {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), server: None }
    }

    /// A schema of its own on the shared server; `None` where the machine has none.
    pub fn on_server() -> Option<Self> {
        Some(Self { server: Some(server::location(server::shared()?)), ..Self::new() })
    }

    pub fn file(&self) -> std::path::PathBuf {
        self.folder.path().join("deep/er/state.db")
    }

    pub fn location(&self) -> StateLocation {
        self.server.as_ref().map_or_else(|| self.file().into(), server::on)
    }

    pub async fn open(&self) -> State {
        State::open(&self.location()).await.unwrap()
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
