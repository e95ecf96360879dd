//! What the daemon does, for whoever wants to hear it: messages, notifications, metrics.

use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};

use super::runner::RunEnd;
use crate::config::{Problems, Project};
use crate::run::{FailedAttempt, RunRequest};
use crate::state::{Claim, StateError, Verdict};

/// Something that happened.
#[derive(Debug)]
pub enum Event<'a> {
    /// A run has begun: it has the job, and is recorded.
    Started { claim: &'a Claim },
    /// An attempt of a run has failed for a reason that may pass; after a pause there is another.
    TriesAgain { request: &'a RunRequest, failed: &'a FailedAttempt<'a> },
    /// A run has ended, well or not, and is recorded.
    Ended { claim: &'a Claim, end: &'a RunEnd },
    /// A run did not come to work or was interrupted, and waits again. That its job is taken is told once.
    Returned { claim: &'a Claim, why: &'a str },
    /// An instant, or several together, does not run: the verdict is missed or skipped, with its reason.
    NotRun(NotRun<'a>),
    /// The daemon has looked at clock, files and state.
    Looked(&'a Look),
    /// The project's files have changed, and are in use from now on.
    Reloaded { project: &'a Arc<Project>, jobs: &'a [String] },
    /// The project's files have mistakes; what was read before stays in use. Told once until they change again.
    Broken(&'a Problems),
    /// The state cannot be used; told once until it can.
    StateLost(&'a StateError),
    /// The state can be used again.
    StateBack,
    /// No new run starts; these are waited for.
    Leaving { jobs: &'a [String] },
}

/// An instant of a job that does not run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NotRun<'a> {
    pub job: &'a str,
    /// The newest, where several were missed together.
    pub instant: DateTime<Utc>,
    pub instants: u64,
    pub as_of: NaiveDate,
    pub verdict: Verdict,
}

/// How things stood when the daemon looked.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Look {
    pub at: DateTime<Utc>,
    /// Jobs with a schedule.
    pub jobs: usize,
    /// The next run: when, and of which job.
    pub next: Option<(DateTime<Utc>, String)>,
    /// Runs at work in this process.
    pub at_work: Vec<String>,
    /// Runs that wait, of whatever process.
    pub waiting: usize,
    pub is_state_usable: bool,
    /// Whether the files hold mistakes, so that an older reading of them is in use.
    pub is_project_broken: bool,
}

/// Hears what happens. Called on the tasks of the daemon and of its runs: whatever takes time belongs on another.
pub trait Listener: Send + Sync {
    fn hear(&self, event: &Event<'_>);
}

/// Nobody listens.
#[derive(Debug, Clone, Copy, Default)]
pub struct Nobody;

impl Listener for Nobody {
    fn hear(&self, _event: &Event<'_>) {}
}
