//! A backfill: a durable list of days, run one after the other, oldest first.
//!
//! ```text
//! listed -> day claimed -> run -> done | failed -> next day … -> over
//!              ^            |
//!              +- pending <-+ killed, interrupted: claimed again by `resume`
//! ```

use std::collections::BTreeMap;

use chrono::NaiveDate;
use uuid::Uuid;

use crate::config::Project;
use crate::state::{Backfill, BackfillStart, DayOutcome, RunOutcome, RunStatus, State, Trigger};

use super::lease::HeldLease;
use super::prepare::find_job;
use super::{RunError, RunReport, RunRequest, Surroundings, run_job};

/// Which days of a range are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DayChoice {
    /// Those whose newest run did not succeed, and those that were never run.
    Missing,
    /// Those whose newest run failed.
    Failed,
    All,
}

impl DayChoice {
    fn as_str(self) -> &'static str {
        match self {
            DayChoice::Missing => "missing",
            DayChoice::Failed => "failed",
            DayChoice::All => "all",
        }
    }

    fn takes(self, status: Option<&RunStatus>) -> bool {
        let is_good = matches!(
            status,
            Some(RunStatus::Ended(RunOutcome::Succeeded | RunOutcome::NothingToDo | RunOutcome::PartlyFailed))
        );
        match self {
            DayChoice::All => true,
            DayChoice::Missing => !is_good,
            DayChoice::Failed => status.is_some() && !is_good && status != Some(&RunStatus::Running),
        }
    }
}

/// How a day of a backfill went, told as it happens.
pub trait DayListener: Send + Sync {
    fn day_ended(&self, day: NaiveDate, outcome: Result<&RunReport, &RunError>);
}

/// Chooses the days of a range, ascending.
pub async fn choose_days(
    state: &State,
    surroundings: &Surroundings,
    job: &str,
    from: NaiveDate,
    to: NaiveDate,
    choice: DayChoice,
) -> Result<Vec<NaiveDate>, RunError> {
    let statuses: BTreeMap<NaiveDate, RunStatus> = state.statuses_by_day(job, from, to, (surroundings.clock)()).await?;
    let in_range = from.iter_days().take_while(|day| *day <= to);
    Ok(in_range.filter(|day| choice.takes(statuses.get(day))).collect())
}

/// Writes a backfill down; nothing runs yet.
pub async fn create_backfill(
    project: &Project,
    state: &State,
    surroundings: &Surroundings,
    job: &str,
    days: Vec<NaiveDate>,
    choice: DayChoice,
) -> Result<String, RunError> {
    find_job(project, job)?;
    let backfill_id = Uuid::now_v7().to_string();
    let start = BackfillStart {
        backfill_id: backfill_id.clone(),
        job: job.to_owned(),
        environment: project.environment.name.clone(),
        days,
        selection: choice.as_str().to_owned(),
        created_at: (surroundings.clock)(),
    };
    state.create_backfill(&start).await?;
    Ok(backfill_id)
}

/// Runs the days of a backfill that wait, until none does. A day that fails does not stop the others.
///
/// # Errors
/// [`RunError::Interrupted`] leaves the day and those after it waiting; what else a day fails with is recorded with it.
pub async fn run_backfill(
    project: &Project,
    state: &State,
    surroundings: &Surroundings,
    backfill_id: &str,
    listener: &dyn DayListener,
) -> Result<Backfill, RunError> {
    let (backfill, _) = state.show_backfill(backfill_id, (surroundings.clock)()).await?;
    let lease = HeldLease::take(state, &format!("backfill {backfill_id}"), &surroundings.clock).await?;
    let outcome = run_days(project, state, surroundings, &backfill, &lease, listener).await;
    lease.give_back().await?;
    outcome?;
    Ok(state.show_backfill(backfill_id, (surroundings.clock)()).await?.0)
}

async fn run_days(
    project: &Project,
    state: &State,
    surroundings: &Surroundings,
    backfill: &Backfill,
    lease: &HeldLease,
    listener: &dyn DayListener,
) -> Result<(), RunError> {
    let id = &backfill.backfill_id;
    while let Some(day) = state.claim_backfill_day(id, &lease.lease, (surroundings.clock)()).await? {
        let request = RunRequest {
            job: backfill.job.clone(),
            as_of: day.as_of,
            select: Vec::new(),
            full_refresh: false,
            variables: Vec::new(),
            trigger: Trigger::Backfill,
            backfill_id: Some(id.clone()),
        };
        let outcome = run_job(project, state, surroundings, &request).await;
        let (day_outcome, run_id, message) = match &outcome {
            Ok(report) => (DayOutcome::Done, Some(report.run_id.as_str()), None),
            Err(RunError::Interrupted) => (DayOutcome::Interrupted, None, None),
            Err(error) => (DayOutcome::Failed, None, Some(super::error::chain(error))),
        };
        let now = (surroundings.clock)();
        state.finish_backfill_day(&day, &lease.lease, day_outcome, run_id, message.as_deref(), now).await?;
        listener.day_ended(day.as_of, outcome.as_ref());
        if let Err(error @ (RunError::Interrupted | RunError::Busy { .. })) = outcome {
            return Err(error);
        }
    }
    Ok(())
}
