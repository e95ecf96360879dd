//! Executes a run: the one place where a scheduled run meets the conductor.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use super::event::{Event, Listener};
use crate::config::Project;
use crate::interrupt::Interrupt;
use crate::run::{
    FailedAttempt, RetryListener, RunError, RunReport, RunRequest, Surroundings, WhenBusy, run_with_retries,
};
use crate::state::{RunOutcome, State};
use crate::watch::{RunFacts, Watch};

/// How a run ended.
#[derive(Debug)]
pub struct RunEnd {
    /// `None` where it never began.
    pub run_id: Option<String>,
    pub outcome: RunOutcome,
    /// One line for people: why it failed, or what came of facts that were late.
    pub message: Option<String>,
    /// What it did, where it ended well.
    pub report: Option<Box<RunReport>>,
    pub error: Option<RunError>,
}

impl RunEnd {
    /// Who else runs the job or its backfill, where that kept the run, or its last attempt, from beginning.
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
    /// `began` is called once the run has the job and is recorded, for each of its attempts.
    async fn run(&self, project: &Project, request: &RunRequest, began: Began, interrupt: Interrupt) -> RunEnd;
}

/// Hears that a run has begun.
pub type Began = Arc<dyn Fn() + Send + Sync>;

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

    fn when_overtaken(&self) -> WhenBusy {
        WhenBusy::TryAgain
    }
}

#[async_trait]
impl Runner for JobRunner {
    async fn run(&self, project: &Project, request: &RunRequest, began: Began, interrupt: Interrupt) -> RunEnd {
        let surroundings = (self.surroundings)(project, interrupt);
        let newest: Arc<Mutex<Option<String>>> = Arc::default();
        let noted = newest.clone();
        // Several runs are at work at once: no message of the daemon is about one of them alone.
        let on_start = Arc::new(move |run: &RunFacts| {
            *noted.lock().unwrap_or_else(PoisonError::into_inner) = Some(run.run_id.clone());
            began();
        });
        let watch = Watch { on_start: Some(on_start), ..surroundings.watch };
        let surroundings = Surroundings { watch, ..surroundings };
        let attempts = Attempts { request, listener: self.listener.as_ref() };
        match run_with_retries(project, &self.state, &surroundings, request, &attempts).await {
            Ok(report) => RunEnd {
                run_id: Some(report.run_id.clone()),
                outcome: report.outcome(),
                message: report.repairs_in_words(),
                report: Some(Box::new(report)),
                error: None,
            },
            Err(error) => RunEnd {
                run_id: newest.lock().unwrap_or_else(PoisonError::into_inner).take(),
                outcome: error.outcome(),
                message: Some(crate::run::error_in_one_line(&error)),
                report: None,
                error: Some(error),
            },
        }
    }
}
