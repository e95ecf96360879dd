//! The conductor: one run from plan to record, one backfill. The only module that knows every stage.
//!
//! ```text
//! lease -> record start -> plan -> land -> plan again -> build -> check -> commit -> release -> export -> record end
//!                                   |        |            |        |
//!                                   +--------+------------+--------+--> failed: candidates swept, tables as they were
//!                                                                           what fails after the release: partly failed
//! ```
//!
//! The plan is made twice by the same pure function: with objects waiting, and, when they have landed, with the days
//! that they really touched.

mod backfill;
mod build;
mod carried;
mod cases;
mod dictionary;
mod error;
mod execute;
mod explain;
mod exports;
mod histories;
mod landed;
mod landing;
mod lease;
mod prepare;
mod record;
mod release;
mod released;
mod repair;
mod replay;
mod retry;
mod rollback;
mod shared_tables;
mod turns;
mod vacuum;
mod validate;
mod view;
mod watched;
mod why;

pub use backfill::{
    BackfillListener, BackfillOutlook, BackfillProgress, BackfillWork, DayChoice, DayOutlook, DayReport, EndedDay,
    Pace, backfill_outlook, backfill_progress, cancel_backfill, choose_days, create_backfill, run_backfill,
};
pub use cases::{BuildSetting, CaseError, CaseOutcome, Cell, ModelBuilder, batch, cells, run_case, run_cases};
pub use dictionary::data_dictionary;
pub use error::RunError;
pub(crate) use error::chain as error_in_one_line;
pub use execute::{RunReport, TableReport, run_job};
pub use explain::finding_text;
pub use exports::catch_up_exports;
pub use lease::{host_name, owner as this_process};
pub use prepare::{Prepared, prepare, select_cases};
pub use repair::{RepairOutcome, RepairReport};
pub use replay::{ReplayPlan, ReplayReport, Replayed, plan_replay, replay_rejected};
pub use retry::{FailedAttempt, RetryListener, WhenBusy, backoff, run_with_retries};
pub use rollback::rollback_job;
pub use vacuum::{VacuumReport, VacuumRequest, VacuumedFolder, vacuum};
pub use validate::validate_project;
pub use view::{ReleaseView, open_release};
pub use why::{Explanation, LandingInput, SourceInput, UpstreamTable, Verdict, WaitingObject, explain, find_table};

use std::sync::Arc;

use chrono::NaiveDate;

use crate::config::{Parameters, Project};
use crate::interrupt::Interrupt;
use crate::progress::Progress;
use crate::state::Trigger;
use crate::storage::{Stores, Warehouse};
use crate::transform::SessionSettings;
use crate::watch::Watch;

pub use crate::watch::Clock;

/// What a run works with besides its project.
#[derive(Clone)]
pub struct Surroundings {
    pub stores: Stores,
    pub clock: Clock,
    pub progress: Arc<dyn Progress>,
    pub interrupt: Interrupt,
    /// Who hears of the runs.
    pub watch: Watch,
}

/// One run that is asked for.
#[derive(Debug, Clone)]
pub struct RunRequest {
    pub job: String,
    pub as_of: NaiveDate,
    /// Only these models and what they need; empty: the job's.
    pub select: Vec<String>,
    pub full_refresh: bool,
    /// Values for parameters, as text, over the job's.
    pub variables: Vec<(String, String)>,
    pub trigger: Trigger,
    pub backfill_id: Option<String>,
}

/// The warehouse of a project's environment.
pub fn warehouse(project: &Project, stores: &Stores) -> Warehouse {
    Warehouse::new(stores, &project.environment.warehouse.0)
}

fn session_settings(project: &Project) -> SessionSettings {
    SessionSettings {
        memory_limit: project.environment.memory_limit,
        parallelism: project.environment.parallelism,
        timezone: project.environment.timezone,
    }
}

/// The job's parameters with the request's values over them.
fn parameters(job: &crate::config::Job, variables: &[(String, String)]) -> Result<Parameters, RunError> {
    variables.iter().try_fold(job.parameters.clone(), |parameters, (name, text)| {
        parameters.with_override(name, text).map_err(RunError::Parameter)
    })
}
