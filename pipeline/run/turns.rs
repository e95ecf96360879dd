//! Whose turn it is to run a job: a backfill steps aside, between two days, for a run that waits.
//!
//! | lease | held by |
//! |---|---|
//! | `<job>` | who works on the job: a run, or a backfill's days |
//! | `backfill of <job>` | a backfill, from its first day to its last |
//! | `next of <job>` | a run that waits for a backfill to step aside |

use std::time::Duration;

use crate::state::{Lease, State};

use super::lease::HeldLease;
use super::{BackfillListener, BackfillWork, Clock, RunError, Surroundings};

/// How often a waiting process looks whether it is its turn.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

fn backfill_of(job: &str) -> String {
    format!("backfill of {job}")
}

fn next_of(job: &str) -> String {
    format!("next of {job}")
}

/// Takes the right to run a job. Where a backfill has it, waits until the days at work are done.
///
/// # Errors
/// [`RunError::Busy`] where another run has it, or already waits for it.
pub(super) async fn take(state: &State, job: &str, surroundings: &Surroundings) -> Result<HeldLease, RunError> {
    let clock = &surroundings.clock;
    let busy = match HeldLease::take(state, job, clock).await {
        Err(busy @ RunError::Busy { .. }) => busy,
        outcome => return outcome,
    };
    if !is_backfill_at_work(state, job, clock).await? {
        return Err(busy);
    }
    let next = match HeldLease::take(state, &next_of(job), clock).await {
        Err(RunError::Busy { .. }) => return Err(busy),
        outcome => outcome?,
    };
    tracing::info!(job, "waiting for the backfill's days at work");
    let stage = surroundings.progress.start("waiting for the backfill's days at work", None);
    let outcome = wait(state, job, surroundings).await;
    stage.finish();
    if let Err(error) = next.give_back().await {
        // What was just won would be held by nobody until it expires.
        if let Ok(lease) = outcome
            && let Err(error) = lease.give_back().await
        {
            tracing::warn!(%error, job, "the lease could not be given back");
        }
        return Err(error.into());
    }
    outcome
}

async fn wait(state: &State, job: &str, surroundings: &Surroundings) -> Result<HeldLease, RunError> {
    loop {
        match HeldLease::take(state, job, &surroundings.clock).await {
            Err(RunError::Busy { .. }) if is_backfill_at_work(state, job, &surroundings.clock).await? => {}
            outcome => return outcome,
        }
        pause(surroundings).await?;
    }
}

/// Whether the process that has the job's lease is the one that runs its backfill.
async fn is_backfill_at_work(state: &State, job: &str, clock: &Clock) -> Result<bool, RunError> {
    let at_work = state.lease_owner(job, clock()).await?;
    let backfill = state.lease_owner(&backfill_of(job), clock()).await?;
    Ok(at_work.is_some() && at_work == backfill)
}

/// Takes the right to run a job's backfills: one at a time.
pub(super) async fn take_backfill(state: &State, job: &str, clock: &Clock) -> Result<HeldLease, RunError> {
    match HeldLease::take(state, &backfill_of(job), clock).await {
        Err(RunError::Busy { owner, since, .. }) => Err(RunError::BackfillBusy { job: job.to_owned(), owner, since }),
        outcome => outcome,
    }
}

/// Takes a backfill's share of the days that all backfills together may build at once; waits where others have them all.
///
/// `None` once no day of the backfill is left to begin, or it is paused.
pub(super) async fn take_share(
    state: &State,
    work: &BackfillWork,
    at_most: u64,
    lease: &Lease,
    surroundings: &Surroundings,
    listener: &dyn BackfillListener,
) -> Result<Option<usize>, RunError> {
    let (id, clock, wanted) = (&work.backfill.backfill_id, &surroundings.clock, work.at_once.max(1) as u64);
    let mut is_told = false;
    while state.backfill_goes_on(id, work.only(), clock()).await? {
        let share = state.begin_backfill(id, wanted, at_most, lease, clock()).await?;
        if share.granted < wanted && !std::mem::replace(&mut is_told, true) {
            listener.is_limited(share, at_most);
        }
        if share.granted > 0 {
            return Ok(Some(usize::try_from(share.granted).unwrap_or(work.at_once)));
        }
        pause(surroundings).await?;
    }
    Ok(None)
}

/// Takes the right to run a job for a backfill's days, however long another run has it or waits for it.
///
/// `None` once no day of the backfill is left to begin, or it is paused. The listener is told once who has the job.
pub(super) async fn take_for_backfill(
    state: &State,
    work: &BackfillWork,
    surroundings: &Surroundings,
    listener: &dyn BackfillListener,
) -> Result<Option<HeldLease>, RunError> {
    let (job, clock) = (&work.backfill.job, &surroundings.clock);
    let mut is_told = false;
    loop {
        if !state.backfill_goes_on(&work.backfill.backfill_id, work.only(), clock()).await? {
            return Ok(None);
        }
        if !is_awaited(state, job, clock).await? {
            match HeldLease::take(state, job, clock).await {
                Err(RunError::Busy { owner, .. }) => {
                    if !std::mem::replace(&mut is_told, true) {
                        listener.waits(&owner);
                    }
                }
                outcome => return outcome.map(Some),
            }
        } else {
            tracing::trace!(job, "somebody else is next");
        }
        pause(surroundings).await?;
    }
}

/// Whether a run waits for a backfill to step aside.
pub(super) async fn is_awaited(state: &State, job: &str, clock: &Clock) -> Result<bool, RunError> {
    let name = next_of(job);
    if state.lease_owner(&name, clock()).await?.is_none() {
        return Ok(false);
    }
    // Whoever waited may have died: then its lease can be had.
    match HeldLease::take(state, &name, clock).await {
        Ok(lease) => {
            lease.give_back().await?;
            Ok(false)
        }
        Err(RunError::Busy { .. }) => Ok(true),
        Err(error) => Err(error),
    }
}

/// Waits a moment.
pub(super) async fn pause(surroundings: &Surroundings) -> Result<(), RunError> {
    let mut interrupt = surroundings.interrupt.clone();
    tokio::select! {
        () = tokio::time::sleep(LOOK_AGAIN) => Ok(()),
        () = interrupt.interrupted() => Err(RunError::Interrupted),
    }
}
