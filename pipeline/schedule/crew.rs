//! The runs at work in this process, each under a claim that is renewed while it works.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::{Id, JoinHandle, JoinSet};

use super::event::{Event, Listener};
use super::runner::{Began, RunEnd, Runner};
use crate::config::{Overlap, Project};
use crate::interrupt::{Interrupt, Interrupter};
use crate::run::{Clock, RunRequest};
use crate::state::{Claim, NotRunReason, ScheduledEnd, State, StateError, Trigger};

/// How long a record that cannot be written waits to be tried again.
const WRITE_AGAIN: Duration = Duration::from_secs(1);

/// A run that was at work.
#[derive(Debug)]
pub struct Ended {
    pub claim: Claim,
    pub end: RunEnd,
    pub fate: Fate,
}

/// What became of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// The run ended, well or not, and that is recorded.
    Done,
    /// It waits again.
    Returned,
    /// It does not run after all.
    Abandoned(NotRunReason),
    /// Somebody else has claimed it since, or its end could not be recorded.
    Overtaken,
}

/// Those who work.
pub(super) struct Crew {
    state: State,
    runner: Arc<dyn Runner>,
    listener: Arc<dyn Listener>,
    clock: Clock,
    lease: Duration,
    tasks: JoinSet<Ended>,
    jobs: BTreeMap<Id, String>,
    interrupter: Interrupter,
    interrupt: Interrupt,
}

impl Crew {
    pub fn new(
        state: State,
        runner: Arc<dyn Runner>,
        listener: Arc<dyn Listener>,
        clock: Clock,
        lease: Duration,
    ) -> Self {
        let (interrupter, interrupt) = crate::interrupt::channel();
        let (tasks, jobs) = (JoinSet::new(), BTreeMap::new());
        Self { state, runner, listener, clock, lease, tasks, jobs, interrupter, interrupt }
    }

    pub fn len(&self) -> usize {
        self.tasks.len()
    }

    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// The jobs at work.
    pub fn jobs(&self) -> Vec<String> {
        self.jobs.values().cloned().collect()
    }

    /// Whether a run of the job is at work.
    pub fn is_at_work_on(&self, job: &str) -> bool {
        self.jobs.values().any(|at_work| at_work == job)
    }

    /// Sets a claimed run to work.
    pub fn start(&mut self, claim: Claim, project: Arc<Project>, overlap: Overlap) {
        let job = claim.job.clone();
        let work = Work {
            state: self.state.clone(),
            runner: self.runner.clone(),
            listener: self.listener.clone(),
            clock: self.clock.clone(),
            lease: self.lease,
            interrupt: self.interrupt.clone(),
            overlap,
        };
        let task = self.tasks.spawn(work.execute(claim, project));
        self.jobs.insert(task.id(), job);
    }

    /// Waits for the next run to end; `None` where none is at work.
    pub async fn next(&mut self) -> Option<Ended> {
        loop {
            match self.tasks.join_next_with_id().await? {
                Ok((id, ended)) => {
                    self.jobs.remove(&id);
                    return Some(ended);
                }
                // A run that panicked has said so; its claim's lease ends, and whoever comes next takes it over.
                Err(error) => {
                    tracing::error!(%error, "a run ended without a word");
                    self.jobs.remove(&error.id());
                }
            }
        }
    }

    /// Asks the runs at work to stop.
    pub fn interrupt(&self) {
        self.interrupter.interrupt();
    }
}

/// What one run needs.
struct Work {
    state: State,
    runner: Arc<dyn Runner>,
    listener: Arc<dyn Listener>,
    clock: Clock,
    lease: Duration,
    interrupt: Interrupt,
    overlap: Overlap,
}

impl Work {
    async fn execute(self, claim: Claim, project: Arc<Project>) -> Ended {
        let request = RunRequest {
            job: claim.job.clone(),
            as_of: claim.as_of,
            select: Vec::new(),
            full_refresh: false,
            variables: Vec::new(),
            trigger: Trigger::Schedule,
            backfill_id: None,
        };
        // On a task of its own: in one with the run it would wait for the state while the run, which has it, stands still.
        let renewal = tokio::spawn(renew(self.state.clone(), claim.clone(), self.lease, self.clock.clone()));
        let _renewed_until_the_end = Renewal(renewal);
        let end = self.runner.run(&project, &request, self.told_once(&claim), self.interrupt.clone()).await;
        let fate = self.record(&claim, &end).await;
        Ended { claim, end, fate }
    }

    /// Tells that the run has begun, however many attempts do.
    fn told_once(&self, claim: &Claim) -> Began {
        let (listener, claim, is_told) = (self.listener.clone(), claim.clone(), AtomicBool::new(false));
        Arc::new(move || {
            if !is_told.swap(true, Ordering::Relaxed) {
                listener.hear(&Event::Started { claim: &claim });
            }
        })
    }

    /// Writes down what became of a claim, and tries again while the state cannot be used.
    async fn record(&self, claim: &Claim, end: &RunEnd) -> Fate {
        let mut is_told = false;
        loop {
            match self.try_to_record(claim, end).await {
                Ok(fate) => return fate,
                Err(error) => {
                    if !std::mem::replace(&mut is_told, true) {
                        tracing::warn!(%error, job = %claim.job, "the end of a run cannot be recorded yet");
                    }
                }
            }
            if self.interrupt.is_interrupted() {
                return Fate::Overtaken;
            }
            let mut interrupt = self.interrupt.clone();
            tokio::select! {
                () = tokio::time::sleep(WRITE_AGAIN) => {}
                () = interrupt.interrupted() => {}
            }
        }
    }

    async fn try_to_record(&self, claim: &Claim, end: &RunEnd) -> Result<Fate, StateError> {
        let now = (self.clock)();
        let has_begun = end.run_id.is_some();
        if let Some(owner) = end.busy() {
            // Who makes up for a missed run, takes over from a dead process, or was at work before, waits.
            if self.overlap == Overlap::Skip && claim.attempt == 1 && !claim.is_made_up && !has_begun {
                let message = format!("the job was being run by {owner}");
                self.state.abandon_claim(claim, NotRunReason::Overlap, &message, now).await?;
                return Ok(Fate::Abandoned(NotRunReason::Overlap));
            }
            self.state.release_claim(claim, has_begun).await?;
            return Ok(Fate::Returned);
        }
        if end.outcome == crate::state::RunOutcome::Interrupted && self.interrupt.is_interrupted() {
            self.state.release_claim(claim, has_begun).await?;
            return Ok(Fate::Returned);
        }
        let recorded = ScheduledEnd { run_id: end.run_id.clone(), outcome: end.outcome, message: end.message.clone() };
        let is_ours = self.state.finish_claim(claim, &recorded, now).await?;
        Ok(if is_ours { Fate::Done } else { Fate::Overtaken })
    }
}

/// A renewal that ends with its run, also where that is dropped.
struct Renewal(JoinHandle<()>);

impl Drop for Renewal {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Renews a claim until it is lost. That does not stop its run: what is published is guarded by the job's own lease.
async fn renew(state: State, claim: Claim, lease: Duration, clock: Clock) {
    let mut ticks = tokio::time::interval(lease / 3);
    ticks.tick().await;
    loop {
        ticks.tick().await;
        match state.renew_claim(&claim, lease, clock()).await {
            Ok(true) => {}
            Ok(false) => {
                tracing::warn!(job = %claim.job, "another process has claimed this run since");
                return;
            }
            Err(error) => tracing::warn!(%error, job = %claim.job, "the claim could not be renewed"),
        }
    }
}
