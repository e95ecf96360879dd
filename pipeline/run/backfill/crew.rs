//! Old days at work: several are built at once, and those that are ready become one release.
//!
//! ```text
//! claimed -> built, checked, histories written -> ready -+
//! claimed -> built, checked, histories written -> ready -+-> one commit for each history, one release -> done
//! ```
//!
//! A release waits for more days, but not for long: what a kill loses is at most what was built since.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::Instrument;

use crate::progress::StageProgress;
use crate::state::{BackfillDay, ClaimRule, DayClaim, DayOrder, DayOutcome, DayStatus, NextDay, State};
use crate::storage::Release;

use super::super::execute::{RunAtWork, note_versions};
use super::super::exports::export_changed;
use super::super::lease::HeldLease;
use super::super::release::{Publication, pin, publish};
use super::super::retry::Attempt;
use super::super::{RunError, RunRequest, Surroundings, turns};
use super::old_days::{DayWork, OldDays};
use super::pace::{BackfillProgress, backfill_progress};
use super::{BackfillListener, BackfillWork, DayReport, EndedDay};

/// How long a day that is ready waits for others, and how many wait at most.
const LINGER: Duration = Duration::from_secs(5);
const MOST_READY: usize = 32;

/// What everybody who works on a backfill needs.
pub(super) struct Site {
    pub state: State,
    pub surroundings: Surroundings,
    pub work: BackfillWork,
    /// The right to run the job's backfills, under which days are claimed.
    pub backfill: Arc<HeldLease>,
    /// The right to run the job.
    pub job: HeldLease,
    pub bar: Arc<dyn StageProgress>,
    /// The backfill's days as they stand, for its progress.
    pub days: Mutex<Vec<BackfillDay>>,
}

/// A day that was claimed, with its run.
pub(super) struct DayAtWork {
    pub claimed: BackfillDay,
    pub request: RunRequest,
    pub run: RunAtWork,
    /// How long it took to build.
    pub seconds: f64,
}

impl Site {
    /// The next of the days before the current release's.
    pub fn next(&self) -> NextDay {
        match self.work.backfill.order {
            DayOrder::OldestFirst => NextDay::Earliest,
            DayOrder::NewestFirst => NextDay::LatestFrom(None),
        }
    }

    /// Claims a day and records the beginning of its run. `None` where none is left to begin.
    pub async fn claim(&self, project: &crate::config::Project, next: NextDay) -> Result<Option<DayAtWork>, RunError> {
        let (id, now) = (&self.work.backfill.backfill_id, (self.surroundings.clock)());
        let rule = ClaimRule { next, only: self.work.only() };
        let claimed = match self.state.claim_backfill_day(id, &rule, &self.backfill.lease, now).await? {
            DayClaim::Day(day) => day,
            DayClaim::NoneLeft | DayClaim::Paused => return Ok(None),
        };
        self.note(&claimed);
        let request = self.work.request(claimed.as_of);
        let (lease, attempt) = (&self.job.lease, &mut Attempt::default());
        match RunAtWork::start(project, &self.state, &self.surroundings, &request, lease, attempt).await {
            Ok(run) => Ok(Some(DayAtWork { claimed, request, run, seconds: 0.0 })),
            Err(error) => {
                self.end_claim(&claimed, None, DayOutcome::Interrupted, None).await?;
                Err(error)
            }
        }
    }

    /// Notes how a day stands now.
    fn note(&self, day: &BackfillDay) {
        let mut days = self.days.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = days.iter_mut().find(|known| known.as_of == day.as_of) {
            *known = day.clone();
        }
    }

    fn progress(&self) -> BackfillProgress {
        let days = self.days.lock().unwrap_or_else(PoisonError::into_inner);
        backfill_progress(&days, (self.surroundings.clock)())
    }

    /// Records how a day ended, and tells it.
    pub async fn end(
        &self,
        day: &DayAtWork,
        outcome: Result<Option<&Release>, &RunError>,
        listener: &dyn BackfillListener,
    ) -> Result<(), RunError> {
        let recorded = day.run.record(&self.state, &self.surroundings, outcome).await;
        let (ended, message) = match outcome {
            Ok(_) => (DayOutcome::Done, None),
            Err(error) if error.is_overtaken() => (DayOutcome::Interrupted, None),
            Err(RunError::Interrupted) => (DayOutcome::Interrupted, None),
            Err(error) => (DayOutcome::Failed, Some(super::super::error::chain(error))),
        };
        let run_id = Some(day.run.run_id.as_str());
        let ended = self.end_claim(&day.claimed, run_id, ended, message.as_deref()).await;
        let report = outcome.map(|release| DayReport {
            release: release.map(|release| release.number),
            is_current: release.is_some_and(|release| release.as_of == day.claimed.as_of),
            histories: day.run.done.tables.iter().filter(|table| table.step.writes_history).count(),
            seconds: day.seconds,
        });
        let progress = self.progress();
        let ended_day = EndedDay { as_of: day.claimed.as_of, run_id: &day.run.run_id };
        listener.day_ended(&ended_day, report.as_ref().map_err(|error| *error), &progress);
        self.bar.advance(1);
        self.bar.message(&progress.left_in_words().unwrap_or_default());
        match outcome {
            // Somebody else has the job and its days: they are no longer ours to write about.
            Err(error) if error.is_overtaken() => Ok(()),
            _ => recorded.and(ended),
        }
    }

    async fn end_claim(
        &self,
        claimed: &BackfillDay,
        run_id: Option<&str>,
        outcome: DayOutcome,
        message: Option<&str>,
    ) -> Result<(), RunError> {
        let (lease, now) = (&self.backfill.lease, (self.surroundings.clock)());
        let status = match outcome {
            DayOutcome::Done => DayStatus::Done,
            DayOutcome::Failed => DayStatus::Failed,
            DayOutcome::Interrupted => DayStatus::Pending,
        };
        self.note(&BackfillDay { status, finished_at: Some(now), ..claimed.clone() });
        Ok(self.state.finish_backfill_day(claimed, lease, outcome, run_id, message, now).await?)
    }

    /// Whether a run waits for this backfill to step aside.
    pub async fn is_awaited(&self) -> Result<bool, RunError> {
        turns::is_awaited(&self.state, &self.work.backfill.job, &self.surroundings.clock).await
    }
}

/// Those who build days.
struct Crew {
    site: Arc<Site>,
    days: Arc<OldDays>,
    /// No further day is begun.
    is_over: AtomicBool,
}

struct Built {
    day: DayAtWork,
    outcome: Result<DayWork, RunError>,
}

/// Works on the days that wait, `first` before all others, until there is none or a run waits for its turn.
pub(super) async fn work_on(
    site: &Arc<Site>,
    days: OldDays,
    mut first: DayAtWork,
    listener: &dyn BackfillListener,
) -> Result<(), RunError> {
    // What all days share is built once, before them. A mistake in it is that of each day that needs it.
    if let Err(error) = days.build_shared(&first.request, &mut first.run.done).await {
        tracing::debug!(%error, "what the days share could not be built");
    }
    let crew = Arc::new(Crew { site: site.clone(), days: Arc::new(days), is_over: AtomicBool::new(false) });
    let (sender, receiver) = mpsc::channel(site.work.at_once.max(1));
    let mut workers = JoinSet::new();
    let mut first = Some(first);
    for _ in 0..site.work.at_once.max(1) {
        workers.spawn(worker(crew.clone(), first.take(), sender.clone()));
    }
    drop(sender);
    let mut publisher =
        Publisher { crew: &crew, listener, current: crew.days.current().cloned(), ready: Vec::new(), since: None };
    let published = publisher.receive(receiver).await;
    crew.is_over.store(true, Ordering::Relaxed);
    let mut outcome = published;
    while let Some(ended) = workers.join_next().await {
        let ended = ended.unwrap_or_else(|error| match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Ok(()),
        });
        outcome = outcome.and(ended);
    }
    crew.days.sweep().await;
    outcome
}

async fn worker(crew: Arc<Crew>, first: Option<DayAtWork>, sender: mpsc::Sender<Built>) -> Result<(), RunError> {
    let mut next = first;
    loop {
        let mut day = match next.take() {
            Some(day) => day,
            None => match crew.claim().await? {
                Some(day) => day,
                None => return Ok(()),
            },
        };
        let span = day.run.span.clone();
        let outcome = crew.days.build(&day.request, &mut day.run.done).instrument(span).await;
        day.seconds = day.run.started.elapsed().as_secs_f64();
        if let Err(unheard) = sender.send(Built { day, outcome }).await {
            // Publishing has failed for good: the day waits for the next who works on the backfill.
            if let Ok(work) = &unheard.0.outcome {
                crew.days.discard(&work.histories).await;
            }
            return crew.site.end(&unheard.0.day, Err(&RunError::Interrupted), &()).await;
        }
    }
}

impl Crew {
    async fn claim(&self) -> Result<Option<DayAtWork>, RunError> {
        let is_over = self.is_over.load(Ordering::Relaxed) || self.site.surroundings.interrupt.is_interrupted();
        if is_over || self.site.is_awaited().await? {
            return Ok(None);
        }
        self.site.claim(self.days.project(), self.site.next()).await
    }
}

/// Makes releases of the days that are ready.
struct Publisher<'a> {
    crew: &'a Crew,
    listener: &'a dyn BackfillListener,
    current: Option<Release>,
    ready: Vec<(DayAtWork, DayWork)>,
    /// When the first of them became ready.
    since: Option<Instant>,
}

impl Publisher<'_> {
    async fn receive(&mut self, mut receiver: mpsc::Receiver<Built>) -> Result<(), RunError> {
        let mut is_interrupted = false;
        loop {
            let received = match self.since {
                None => receiver.recv().await,
                Some(since) => match tokio::time::timeout_at(since + LINGER, receiver.recv()).await {
                    Ok(received) => received,
                    Err(_) => {
                        self.publish().await?;
                        continue;
                    }
                },
            };
            let Some(Built { day, outcome }) = received else { break };
            match outcome {
                Ok(work) if work.is_empty() && day.run.done.landings.is_empty() => {
                    self.crew.site.end(&day, Ok(None), self.listener).await?;
                }
                Ok(work) => {
                    self.since.get_or_insert_with(Instant::now);
                    self.ready.push((day, work));
                }
                Err(error) => {
                    is_interrupted |= matches!(error, RunError::Interrupted);
                    self.crew.site.end(&day, Err(&error), self.listener).await?;
                }
            }
            if self.ready.len() >= MOST_READY {
                self.publish().await?;
            }
        }
        self.publish().await?;
        if is_interrupted { Err(RunError::Interrupted) } else { Ok(()) }
    }

    /// Makes one release of all days that are ready. Those of a release that could not be made have failed.
    async fn publish(&mut self) -> Result<(), RunError> {
        self.since = None;
        let mut ready = std::mem::take(&mut self.ready);
        if ready.is_empty() {
            return Ok(());
        }
        match self.release(&mut ready).await {
            Ok(release) => {
                self.current = Some(release.clone());
                let mut ended = Ok(());
                // Where one cannot be written down, the others are: what is published is not to be built again.
                for (day, _) in &mut ready {
                    note_versions(&mut day.run.done.tables, &release);
                    ended = ended.and(self.crew.site.end(day, Ok(Some(&release)), self.listener).await);
                }
                ended
            }
            Err(error) => {
                let mut ended = Ok(());
                for (day, _) in &ready {
                    ended = ended.and(self.crew.site.end(day, Err(&error), self.listener).await);
                }
                if error.is_overtaken() {
                    return Err(error);
                }
                ended?;
                // It may have failed after the record was written. Files that it committed stay.
                let days = &self.crew.days;
                self.current = days.warehouse.current_release(&days.job.name).await?;
                Ok(())
            }
        }
    }

    async fn release(&self, ready: &mut [(DayAtWork, DayWork)]) -> Result<Release, RunError> {
        let days = &self.crew.days;
        let site = &self.crew.site;
        let wanted = ready.iter().flat_map(|(_, work)| work.shared.iter().cloned()).collect();
        let staged = ready.iter().flat_map(|(_, work)| work.histories.iter().cloned()).collect();
        let Some((newest, _)) = ready.iter_mut().max_by_key(|(day, _)| day.claimed.as_of) else {
            return Err(RunError::NothingPublished { job: days.job.name.clone() });
        };
        let shared = days.unpublished(&wanted).await;
        let publication = Publication {
            project: days.project(),
            warehouse: &days.warehouse,
            job: &days.job,
            run_id: &newest.run.run_id,
            as_of: newest.claimed.as_of,
            current: self.current.as_ref(),
            built: &shared,
            histories: days.histories(),
            staged,
            is_selection: false,
            landed: days.versions(),
            now: (site.surroundings.clock)(),
        };
        let pinned = pin(&publication, &site.job).await?;
        days.note_tried(&shared).await;
        let release = publish(&publication, pinned, &site.job, &site.surroundings).await?;
        days.note_published(&shared).await;
        newest.run.done.unfinished = export_changed(&publication, &release).await.err();
        Ok(release)
    }
}
