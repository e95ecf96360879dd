//! What the program remembers between runs: leases, run records and backfills, in one SQLite file, or, for several
//! machines, in a schema of a PostgreSQL database.
//!
//! The truth about data lives in the tables' own commits. The state holds claims and history, so losing it loses
//! no row: an empty one starts a new history.
//!
//! Time is injected: whatever depends on the clock takes `now`. Every write is one transaction, durable when the
//! call returns; writes of all processes come one after the other. A file belongs on a local disk: SQLite's locks do
//! not hold on network file systems.
//!
//! A run: `running` -> one of [`RunOutcome`]. A run whose process died is `running` in the file but its lease is
//! no longer current; it is shown as `interrupted`, and the next start of the job writes that down.
//!
//! A backfill's day: `pending` -> `running` -> `done` | `failed`; `pending` -> `cancelled`. A day that was running when
//! its process died is claimed again; resuming makes failed and cancelled days pending again. While a backfill is
//! paused, no day of it is claimed; no day waits in two backfills of one job.

mod attempts;
mod backfill_control;
mod backfill_days;
mod backfills;
mod claims;
mod engine;
mod error;
mod leases;
mod notices;
mod open;
mod ops;
mod place;
mod recording;
mod records;
mod repairs;
mod rows;
mod runs;
mod schedule_records;
mod schedules;
mod text;
mod totals;
mod transient;
mod watching;

pub use attempts::AttemptRecord;
pub use backfill_control::{BackfillPause, BackfillShare, BackfillStatus, DayOrder, DaysLeft, PauseOutcome};
pub use backfill_days::{BackfillOverlap, ClaimRule, DayClaim, NextDay};
pub use backfills::{Backfill, BackfillDay, BackfillStart, DayOutcome, DayStatus};
pub use engine::Server;
pub use error::{RecordKind, StateError};
pub use leases::{Lease, LeaseOutcome};
pub use notices::{DueSend, Notice, NoticeKind, SendStatus};
pub use ops::OpsTable;
pub use place::Place;
pub use records::{
    CheckRecord, CheckStatus, RunDetails, RunFilter, RunFinish, RunOutcome, RunStart, RunStatus, RunSummary,
    SourceRecord, TableAction, TableRecord, Trigger,
};
pub use repairs::{RepairRecord, RepairStatus};
pub use schedule_records::{
    Claim, Decision, NotRunReason, Pause, ScheduleRecord, ScheduledEnd, ScheduledRun, ScheduledStatus, Verdict,
};
pub use totals::{DayCount, RunCount, RunSeconds, SECONDS_BOUNDS, SourceTotal, Totals};
pub use watching::{FailingCheck, JobFacts, ProgressRecord, RunTrouble, SourceIntake};

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How long a lease lasts that nobody renews, where nothing else is configured.
pub const DEFAULT_LEASE_TIME: Duration = Duration::from_secs(60);

/// The open state. Clones share it.
#[derive(Debug, Clone)]
pub struct State {
    pool: sqlx::AnyPool,
    engine: Arc<dyn engine::Engine>,
    lease_time: Duration,
    /// Locked files that show that the owner of a lease (name, token) lives.
    guards: Arc<Mutex<BTreeMap<(String, u64), File>>>,
}

impl State {
    /// How long a lease lasts that nobody renews.
    pub fn lease_time(&self) -> Duration {
        self.lease_time
    }

    /// Sets how long leases last that are taken from now on.
    #[must_use]
    pub fn with_lease_time(mut self, lease_time: Duration) -> Self {
        self.lease_time = lease_time;
        self
    }
}
