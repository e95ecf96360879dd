//! What is recorded of a job, as the planner and the daemon want to know it.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::planner::{OpenRun, Recorded, Upstream, plan};
use super::timetable::Timetable;
use crate::config::CatchUp;
use crate::state::{NotRunReason, ScheduleRecord, ScheduledRun, ScheduledStatus, State, StateError};

/// How often a decision is tried while others decide.
pub(super) const TRIES: usize = 5;
/// How long good runs of other jobs wait to be answered, at least.
const ANSWERED_WITHIN: Duration = Duration::from_secs(7 * 86_400);

/// Why a run that waited should not begin any more. One that had begun, and whose process died, is finished; one that only
/// found its job taken had not.
pub(super) fn too_late(timetable: &Timetable, run: &ScheduledRun, now: DateTime<Utc>) -> Option<NotRunReason> {
    if run.attempts > 0 {
        return None;
    }
    if timetable.is_too_late(run.scheduled_at, now) {
        return Some(NotRunReason::Deadline);
    }
    // Nobody was there to begin it: it has waited longer than a missed run may be old.
    let window = TimeDelta::from_std(timetable.schedule.catch_up_window).unwrap_or(TimeDelta::MAX);
    let is_forgotten = now - run.decided_at > window.max(TimeDelta::hours(1));
    (is_forgotten && timetable.schedule.catch_up != CatchUp::All).then_some(NotRunReason::CatchUp)
}

/// Decides what is due of one job now, without starting anything.
pub async fn decide_now(
    state: &State,
    timetable: &Timetable,
    owner: &str,
    now: DateTime<Utc>,
) -> Result<(), StateError> {
    for _ in 0..TRIES {
        let open = state.open_scheduled_runs().await?;
        let basis = state.begin_schedule(&timetable.job, &timetable.fingerprint(), now).await?;
        let plan = plan(timetable, &recorded(state, timetable, &basis, (&open, false), now).await?, now);
        let is_nothing = plan.decisions.is_empty() && plan.withdrawn.is_empty();
        if is_nothing || state.decide(&basis, &plan.decisions, &plan.withdrawn, plan.decided_until, owner, now).await? {
            break;
        }
    }
    Ok(())
}

/// Reads what the planner needs to know about a job: of the open runs, and whether this process is at work on one of the
/// job's, which it knows better than a lease that ended while the machine slept.
pub(super) async fn recorded(
    state: &State,
    timetable: &Timetable,
    basis: &ScheduleRecord,
    (open, is_ours): (&[ScheduledRun], bool),
    now: DateTime<Utc>,
) -> Result<Recorded, StateError> {
    let schedule = &timetable.schedule;
    let mut upstream = Upstream::default();
    if !schedule.after.is_empty() {
        let patience = schedule.catch_up_window.max(ANSWERED_WITHIN);
        let since = now - TimeDelta::from_std(patience).unwrap_or(TimeDelta::days(3_660));
        upstream.good = state.good_runs_since(since).await?;
        upstream.good.retain(|(job, _), _| schedule.after.contains(job));
        upstream.answered = state.answered_days(&timetable.job).await?;
    }
    // A run whose process died is neither at work nor does it wait: it is finished before what is decided now.
    let is_at_work = |run: &ScheduledRun| run.is_at_work(now) || (is_ours && run.status == ScheduledStatus::Running);
    let is_open = |run: &&ScheduledRun| run.status == ScheduledStatus::Waiting || is_at_work(run);
    let of_job = open.iter().filter(|run| run.job == timetable.job).filter(is_open);
    Ok(Recorded {
        decided_until: basis.decided_until,
        is_paused: basis.pause.is_some(),
        open: of_job
            .map(|run| OpenRun { instant: run.scheduled_at, is_at_work: is_at_work(run), is_made_up: run.is_made_up })
            .collect(),
        decided: state.decided_instants(&timetable.job, basis.decided_until).await?,
        upstream,
    })
}
