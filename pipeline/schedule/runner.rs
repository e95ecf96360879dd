//! Executes a run: the one place where a scheduled run meets the conductor.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::event::{Event, Listener};
use crate::config::Project;
use crate::interrupt::Interrupt;
use crate::run::{
    FailedAttempt, RetryListener, RunError, RunReport, RunRequest, Surroundings, WhenBusy, run_with_retries,
};
use crate::state::{RunFilter, RunOutcome, State, Trigger};

/// How a run ended.
#[derive(Debug)]
pub struct RunEnd {
    /// `None` where it never began.
    pub run_id: Option<String>,
    pub outcome: RunOutcome,
    /// One line for people: why it failed, or why there was nothing to do.
    pub message: Option<String>,
    /// What it did, where it ended well.
    pub report: Option<Box<RunReport>>,
    pub error: Option<RunError>,
}

impl RunEnd {
    /// Whether it left good tables behind.
    pub fn is_good(&self) -> bool {
        matches!(self.outcome, RunOutcome::Succeeded | RunOutcome::NothingToDo | RunOutcome::PartlyFailed)
    }

    /// Who else runs the job or its backfill, where that kept the run from beginning.
    pub fn busy(&self) -> Option<&str> {
        match &self.error {
            Some(RunError::Busy { owner, .. } | RunError::BackfillBusy { owner, .. }) => Some(owner),
            _ => None,
        }
    }
}

/// Executes runs. Tests count instead.
#[async_trait]
pub trait Runner: Send + Sync {
    async fn run(&self, project: &Project, request: &RunRequest, interrupt: Interrupt) -> RunEnd;
}

/// Makes what a run works with, for a project and a wish to stop.
pub type MakeSurroundings = Box<dyn Fn(&Project, Interrupt) -> Surroundings + Send + Sync>;

/// Executes runs as `lifecycle run` does.
pub struct JobRunner {
    pub state: State,
    pub surroundings: MakeSurroundings,
    /// Hears of attempts that fail and are followed by others.
    pub listener: Arc<dyn Listener>,
}

/// The attempts of one run. A job that is taken is for the schedule to decide about.
struct Attempts<'a> {
    request: &'a RunRequest,
    listener: &'a dyn Listener,
}

impl RetryListener for Attempts<'_> {
    fn tries_again(&self, failed: &FailedAttempt<'_>) {
        self.listener.hear(&Event::TriesAgain { request: self.request, failed });
    }

    fn when_busy(&self) -> WhenBusy {
        WhenBusy::Tell
    }
}

#[async_trait]
impl Runner for JobRunner {
    async fn run(&self, project: &Project, request: &RunRequest, interrupt: Interrupt) -> RunEnd {
        let surroundings = (self.surroundings)(project, interrupt);
        let began = (surroundings.clock)();
        let attempts = Attempts { request, listener: self.listener.as_ref() };
        match run_with_retries(project, &self.state, &surroundings, request, &attempts).await {
            Ok(report) => RunEnd {
                run_id: Some(report.run_id.clone()),
                outcome: if report.release.is_some() { RunOutcome::Succeeded } else { RunOutcome::NothingToDo },
                message: None,
                report: Some(Box::new(report)),
                error: None,
            },
            Err(error) => RunEnd {
                run_id: self.failed_run(&request.job, began, (surroundings.clock)()).await,
                outcome: match &error {
                    RunError::Checks(_) => RunOutcome::ChecksFailed,
                    RunError::Interrupted => RunOutcome::Interrupted,
                    _ => RunOutcome::Failed,
                },
                message: Some(crate::run::error_in_one_line(&error)),
                report: None,
                error: Some(error),
            },
        }
    }
}

impl JobRunner {
    /// The id of the run that failed just now, where it came so far as to be recorded.
    async fn failed_run(&self, job: &str, began: DateTime<Utc>, now: DateTime<Utc>) -> Option<String> {
        let filter = RunFilter { job: Some(job.to_owned()), limit: Some(1), ..RunFilter::default() };
        let runs = self.state.list_runs(&filter, now).await.ok()?;
        let newest = runs.into_iter().next()?;
        (newest.trigger == Trigger::Schedule && newest.started_at >= began).then_some(newest.run_id)
    }
}
