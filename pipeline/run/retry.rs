//! Runs that are tried again: what failed for a reason that may pass, after pauses that grow.
//!
//! | failure | tried again |
//! |---|---|
//! | a store that is slow, refuses or answers with errors; an object that changed while it was read | yes |
//! | the state's database is locked or away | yes |
//! | another process works on the job, took it over, or committed in between | as the listener says |
//! | `max_rejected`, a check, a mistake in the project, SQL, memory, a full disk, missing permissions | no |
//!
//! What fails after an attempt's release is out (exports, a long repair) fails the run in part, and the next attempt does it.
//!
//! What an attempt finished stays finished: landed rows are committed, and tables that it built and checked are taken
//! over by the next one where neither their definition nor what they are built from has changed ([`Carried`]).

use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use uuid::Uuid;

use crate::config::{Project, Retry};
use crate::state::State;

use super::carried::Carried;
use super::execute::{RunReport, run_attempt};
use super::prepare::{check_request, find_job};
use super::{RunError, RunRequest, Surroundings};

/// How often a run that waits for another process looks whether that has ended.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// What is done when another process works on the job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenBusy {
    /// It is a failure like others: tried again, after its lease could have ended.
    TryAgain,
    /// It is waited for, however long it takes.
    Wait,
    /// It is told at once.
    Tell,
}

/// An attempt that failed and is followed by another.
#[derive(Debug)]
pub struct FailedAttempt<'a> {
    /// From 1.
    pub attempt: u32,
    pub attempts: u32,
    pub error: &'a RunError,
    pub pause: Duration,
}

/// Hears of attempts that fail, and says how long pauses take.
pub trait RetryListener: Send + Sync {
    /// An attempt failed; after the pause there is another.
    fn tries_again(&self, _failed: &FailedAttempt<'_>) {}

    /// Another process works on the job, and is waited for; told once.
    fn waits(&self, _busy: &RunError) {}

    fn when_busy(&self) -> WhenBusy {
        WhenBusy::TryAgain
    }

    /// The same for a run that was at work, when another process took the job over or published in between.
    fn when_overtaken(&self) -> WhenBusy {
        self.when_busy()
    }

    /// Tries in all, where it is not the job that says so.
    fn attempts(&self) -> Option<u32> {
        None
    }

    /// Lets time pass; an interrupt ends it from outside.
    fn pause(&self, pause: Duration) -> BoxFuture<'static, ()> {
        tokio::time::sleep(pause).boxed()
    }

    /// A random share of the longest pause: from 0, below 1.
    fn jitter(&self) -> f64 {
        // The last 48 bits of a random UUID are random.
        (Uuid::new_v4().as_u128() & 0xffff_ffff_ffff) as f64 / (1_u64 << 48) as f64
    }
}

/// Nobody listens.
impl RetryListener for () {}

/// Which attempt of how many a run is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Attempt {
    /// From 1.
    pub number: u32,
    pub of: u32,
    /// The run of the first attempt that was recorded.
    pub first_run: Option<String>,
}

impl Default for Attempt {
    fn default() -> Self {
        Self { number: 1, of: 1, first_run: None }
    }
}

impl Attempt {
    /// `attempt 2 of 3`; `None` where nobody needs to know.
    pub fn words(&self, error: Option<&RunError>) -> Option<String> {
        let is_one_of_several = self.number > 1 || (self.of > 1 && error.is_some_and(RunError::may_pass));
        is_one_of_several.then(|| format!("attempt {} of {}", self.number, self.of))
    }
}

/// Runs a job for one day; what fails for a reason that may pass is tried again, as often as the job's `retry` says.
///
/// Each attempt is a run of its own in the state, and says which one it is.
///
/// # Errors
/// That of the last attempt; [`RunError::Interrupted`] also when the interrupt comes during a pause. Once an attempt's
/// release is out, the run ends with a report.
pub async fn run_with_retries(
    project: &Project,
    state: &State,
    surroundings: &Surroundings,
    request: &RunRequest,
    listener: &dyn RetryListener,
) -> Result<RunReport, RunError> {
    check_request(project, request)?;
    let retry = &find_job(project, &request.job)?.retry;
    let mut carried = Carried::default();
    let outcome = attempts(project, state, surroundings, request, (retry, listener), &mut carried).await;
    carried.sweep().await;
    outcome
}

async fn attempts(
    project: &Project,
    state: &State,
    surroundings: &Surroundings,
    request: &RunRequest,
    (retry, listener): (&Retry, &dyn RetryListener),
    carried: &mut Carried,
) -> Result<RunReport, RunError> {
    let of = listener.attempts().unwrap_or(retry.attempts).max(1);
    let mut attempt = Attempt { of, ..Attempt::default() };
    let mut is_waiting = false;
    let mut published: Option<RunReport> = None;
    loop {
        let outcome = run_attempt(project, state, surroundings, request, &mut attempt, carried).await;
        let ended = match (published.take(), outcome) {
            (Some(before), Ok(after)) => Ok(before.followed_by(after)),
            // Its release is out, whatever became of what it had left.
            (Some(before), Err(_)) => Ok(before),
            (None, outcome) => outcome,
        };
        let trouble = match &ended {
            Ok(report) => report.unfinished.as_ref(),
            Err(error) => Some(error),
        };
        let Some(error) = trouble.filter(|error| error.may_pass()) else { return ended };
        let is_about_others = error.is_about_others();
        let answer = if error.is_overtaken() { listener.when_overtaken() } else { listener.when_busy() };
        let pause = match answer {
            WhenBusy::Tell if is_about_others => return ended,
            WhenBusy::Wait if is_about_others => {
                if !std::mem::replace(&mut is_waiting, true) {
                    listener.waits(error);
                }
                LOOK_AGAIN
            }
            _ if attempt.number >= of => return ended,
            _ => {
                let mut pause = backoff(retry, attempt.number, listener.jitter());
                if is_about_others {
                    // Where the other one is dead, its lease lasts so long at most.
                    pause = pause.max(state.lease_time());
                }
                let failed = FailedAttempt { attempt: attempt.number, attempts: of, error, pause };
                tracing::warn!(job = %request.job, attempt = attempt.number, of, error = %super::error::chain(error), "the run failed; it is tried again");
                listener.tries_again(&failed);
                attempt.number += 1;
                pause
            }
        };
        published = ended.ok();
        let mut interrupt = surroundings.interrupt.clone();
        tokio::select! {
            () = listener.pause(pause) => {}
            () = interrupt.interrupted() => {}
        }
        if surroundings.interrupt.is_interrupted() {
            return published.ok_or(RunError::Interrupted);
        }
    }
}

/// The pause after so many failed attempts: a share (full jitter) of a time that doubles.
pub fn backoff(retry: &Retry, failed: u32, share: f64) -> Duration {
    let doubled = 2_u32.saturating_pow(failed.saturating_sub(1).min(31));
    let longest = retry.backoff.saturating_mul(doubled).min(retry.max_backoff);
    longest.mul_f64(share.clamp(0.0, 1.0))
}
