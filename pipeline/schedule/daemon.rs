//! The daemon: looks, decides, claims and runs, until it is asked to leave.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::crew::{Crew, Ended, Fate};
use super::event::{Event, Listener, Look, NotRun};
use super::planner::plan;
use super::project::{Found, ProjectFiles};
use super::recorded::{TRIES, recorded, too_late};
use super::runner::{RunEnd, Runner};
use super::ticker::Ticker;
use super::timetable::Timetable;
use crate::interrupt::Interrupt;
use crate::run::Clock;
use crate::state::{
    Claim, NotRunReason, RunOutcome, ScheduledEnd, ScheduledRun, ScheduledStatus, State, StateError, Verdict,
};

/// How often files and state are looked at while the clock gives no reason to.
const LOOK_AGAIN: TimeDelta = TimeDelta::seconds(5);
/// How long a run rests that found its job taken.
const REST: TimeDelta = TimeDelta::seconds(10);
/// A run whose process died so often is not tried again: it may be what kills them.
const MOST_DEATHS: u64 = 3;

/// How a daemon works.
#[derive(Debug, Clone)]
pub struct DaemonSettings {
    /// Who decides and claims, for people: a process and a host. Unique among those on one state.
    pub owner: String,
    /// Runs at work at once in this process; at least 1.
    pub at_once: usize,
    /// How long runs at work may go on when the daemon is asked to leave.
    pub grace: Duration,
    /// How long a claim lasts that nobody renews.
    pub lease: Duration,
}

/// How a daemon left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Departure {
    /// Every run at work had come to its end.
    Clean,
    /// Runs were interrupted; they wait for whoever comes next.
    Interrupted,
}

/// What one call for an outside clock came to.
#[derive(Debug, Default)]
pub struct Round {
    /// Runs that were at work, and those that were given up.
    pub ended: Vec<Ended>,
    /// Decisions not to run.
    pub not_run: usize,
}

/// What the daemon does and knows. Every look depends on the clock and on what is recorded alone.
pub struct Daemon {
    settings: DaemonSettings,
    files: ProjectFiles,
    state: State,
    clock: Clock,
    listener: Arc<dyn Listener>,
    crew: Crew,
    jobs: BTreeMap<String, Watched>,
    last_look: Option<DateTime<Utc>>,
    /// When the newest run of all jobs had ended at the last look.
    last_end: Option<DateTime<Utc>>,
    /// Jobs that were taken, and until when they are left alone.
    resting: BTreeMap<String, DateTime<Utc>>,
    /// Runs that found their job taken: that they wait has been told.
    told: BTreeSet<(String, DateTime<Utc>)>,
    /// Runs that waited at the last look.
    waiting: usize,
    round: Round,
    /// Something happened that makes the next tick a look.
    is_awake: bool,
    is_state_lost: bool,
}

/// A job with a schedule.
struct Watched {
    timetable: Timetable,
    /// When the clock makes its plan another; `None`: never.
    next: Option<DateTime<Utc>>,
    is_planned: bool,
}

impl Daemon {
    pub fn new(
        settings: DaemonSettings,
        files: ProjectFiles,
        state: State,
        clock: Clock,
        runner: Arc<dyn Runner>,
        listener: Arc<dyn Listener>,
    ) -> Self {
        let crew = Crew::new(state.clone(), runner, listener.clone(), clock.clone(), settings.lease);
        let mut daemon = Self {
            settings,
            files,
            state,
            clock,
            listener,
            crew,
            jobs: BTreeMap::new(),
            last_look: None,
            last_end: None,
            resting: BTreeMap::new(),
            told: BTreeSet::new(),
            waiting: 0,
            round: Round::default(),
            is_awake: true,
            is_state_lost: false,
        };
        daemon.take_timetables();
        daemon
    }

    /// Works until `stop` asks it to leave: then nothing new starts, and the runs at work get their time of grace.
    pub async fn run(mut self, mut stop: Interrupt) -> Departure {
        let ticker = Ticker::start().await;
        while !stop.is_interrupted() {
            self.tick().await;
            tokio::select! {
                () = stop.interrupted() => {}
                () = ticker.tick() => {}
                ended = self.crew.next(), if !self.crew.is_empty() => self.note_end(ended.as_ref()),
            }
        }
        let departure = self.leave(stop, &ticker).await;
        ticker.stop().await;
        departure
    }

    /// Looks, if it is time; otherwise does nothing. Returns what it saw.
    pub async fn tick(&mut self) -> Option<Look> {
        let now = (self.clock)();
        let is_time = match self.last_look {
            None => true,
            Some(last) => {
                let is_due = |watched: &Watched| watched.next.is_some_and(|next| next <= now);
                self.is_awake || now < last || now - last >= LOOK_AGAIN || self.jobs.values().any(is_due)
            }
        };
        if !is_time {
            return None;
        }
        if self.last_look.is_some_and(|last| now < last) {
            // The clock was set back: what is due next is asked anew.
            self.jobs.values_mut().for_each(|watched| watched.is_planned = false);
        }
        self.read_files(now).await;
        // Only a call for an outside clock asks for it.
        self.round = Round::default();
        self.waiting = match self.decide_and_start(now).await {
            Ok(waiting) => {
                if std::mem::take(&mut self.is_state_lost) {
                    self.listener.hear(&Event::StateBack);
                }
                waiting
            }
            Err(error) => {
                if !std::mem::replace(&mut self.is_state_lost, true) {
                    self.listener.hear(&Event::StateLost(&error));
                }
                0
            }
        };
        self.is_awake = false;
        Some(self.note_look(now))
    }

    /// Tells that it has looked.
    fn note_look(&mut self, now: DateTime<Utc>) -> Look {
        self.last_look = Some(now);
        let look = self.seen(now);
        self.listener.hear(&Event::Looked(&look));
        look
    }

    /// Runs what is due now, and what becomes due after it, to the end; then returns. For an outside clock.
    pub async fn once(&mut self, mut stop: Interrupt) -> Result<Round, StateError> {
        self.round = Round::default();
        loop {
            let now = (self.clock)();
            if !stop.is_interrupted() {
                self.decide_and_start(now).await?;
            }
            tokio::select! {
                ended = self.crew.next() => {
                    let Some(ended) = ended else { return Ok(std::mem::take(&mut self.round)) };
                    self.note_end(Some(&ended));
                    // Whoever found the job taken is left to the next call.
                    self.resting.insert(ended.claim.job.clone(), now + TimeDelta::days(1));
                    if ended.fate == Fate::Done {
                        self.resting.remove(&ended.claim.job);
                    }
                    self.round.ended.push(ended);
                }
                () = stop.interrupted(), if !self.crew.is_empty() => {
                    self.crew.interrupt();
                    while let Some(ended) = self.crew.next().await {
                        self.note_end(Some(&ended));
                        self.round.ended.push(ended);
                    }
                    return Ok(std::mem::take(&mut self.round));
                }
            }
        }
    }

    /// Waits for the next run at work to end; `None` where none is.
    pub async fn next_end(&mut self) -> Option<Ended> {
        let ended = self.crew.next().await;
        self.note_end(ended.as_ref());
        ended
    }

    /// The project in use.
    pub fn files(&self) -> &ProjectFiles {
        &self.files
    }

    async fn leave(mut self, mut stop: Interrupt, ticker: &Ticker) -> Departure {
        if self.crew.is_empty() {
            return Departure::Clean;
        }
        self.listener.hear(&Event::Leaving { jobs: &self.crew.jobs() });
        let grace = tokio::time::sleep(self.settings.grace);
        tokio::pin!(grace);
        let mut departure = Departure::Clean;
        loop {
            tokio::select! {
                ended = self.crew.next() => match ended {
                    Some(ended) => self.note_end(Some(&ended)),
                    None => return departure,
                },
                () = &mut grace, if departure == Departure::Clean => departure = Departure::Interrupted,
                () = stop.interrupted_again(), if departure == Departure::Clean => departure = Departure::Interrupted,
                // Whoever watches it sees that it lives.
                () = ticker.tick() => {
                    let now = (self.clock)();
                    if self.last_look.is_none_or(|last| now < last || now - last >= LOOK_AGAIN) {
                        self.note_look(now);
                    }
                    continue;
                }
            }
            if departure == Departure::Interrupted {
                self.crew.interrupt();
            }
        }
    }

    fn seen(&self, now: DateTime<Utc>) -> Look {
        let next = self.jobs.iter().filter_map(|(job, watched)| Some((watched.next?, job.clone()))).min();
        Look {
            at: now,
            jobs: self.jobs.len(),
            next,
            at_work: self.crew.jobs(),
            waiting: self.waiting,
            is_state_usable: !self.is_state_lost,
            is_project_broken: self.files.is_broken(),
        }
    }

    async fn read_files(&mut self, now: DateTime<Utc>) {
        match self.files.look(now).await {
            Found::Same => {}
            Found::Changed => {
                self.take_timetables();
                let jobs: Vec<String> = self.jobs.keys().cloned().collect();
                self.listener.hear(&Event::Reloaded { project: self.files.project(), jobs: &jobs });
            }
            Found::Broken(problems) => self.listener.hear(&Event::Broken(&problems)),
        }
    }

    /// Takes over the schedules of the project in use. A job that is gone starts nothing more; its run at work goes on.
    fn take_timetables(&mut self) {
        let timetables = Timetable::all(self.files.project()).unwrap_or_else(|error| {
            // Each expression was parsed when the project was validated.
            tracing::error!(%error, "a cron expression cannot be used");
            Vec::new()
        });
        self.jobs = timetables
            .into_iter()
            .map(|timetable| (timetable.job.clone(), Watched { timetable, next: None, is_planned: false }))
            .collect();
    }

    /// Decides what is due and starts what waits; returns how many runs wait.
    async fn decide_and_start(&mut self, now: DateTime<Utc>) -> Result<usize, StateError> {
        let mut open = self.state.open_scheduled_runs().await?;
        let follows = |watched: &Watched| !watched.timetable.schedule.after.is_empty();
        let mut is_news = false;
        if self.jobs.values().any(follows) {
            let last_end = self.state.last_run_end().await?;
            is_news = last_end != self.last_end;
            self.last_end = last_end;
        }
        let due: Vec<String> = self
            .jobs
            .iter()
            .filter(|(_, watched)| {
                !watched.is_planned || (is_news && follows(watched)) || watched.next.is_some_and(|next| next <= now)
            })
            .map(|(job, _)| job.clone())
            .collect();
        for job in &due {
            if self.decide(job, &open, now).await? {
                open = self.state.open_scheduled_runs().await?;
            }
        }
        self.start_waiting(&open, now).await
    }

    /// Decides what is due of a job; tells whether there was anything to decide.
    async fn decide(&mut self, job: &str, open: &[ScheduledRun], now: DateTime<Utc>) -> Result<bool, StateError> {
        let Some(watched) = self.jobs.get_mut(job) else { return Ok(false) };
        let timetable = &watched.timetable;
        let is_ours = self.crew.is_at_work_on(job);
        for _ in 0..TRIES {
            let basis = self.state.begin_schedule(job, &timetable.fingerprint(), now).await?;
            let recorded = recorded(&self.state, timetable, &basis, (open, is_ours), now).await?;
            let plan = plan(timetable, &recorded, now);
            if plan.decisions.is_empty() && plan.withdrawn.is_empty() {
                (watched.next, watched.is_planned) = (plan.next, true);
                return Ok(false);
            }
            let (until, owner) = (plan.decided_until, &self.settings.owner);
            if self.state.decide(&basis, &plan.decisions, &plan.withdrawn, until, owner, now).await? {
                for decision in plan.decisions.iter().filter(|decision| !is_start(decision.verdict)) {
                    self.listener.hear(&Event::NotRun(NotRun {
                        job,
                        instant: decision.instant,
                        instants: decision.instants,
                        as_of: decision.as_of,
                        verdict: decision.verdict,
                    }));
                    self.round.not_run += 1;
                }
                (watched.next, watched.is_planned) = (plan.next, true);
                return Ok(true);
            }
        }
        // Others decide all the time; the next look sees what is left.
        watched.is_planned = false;
        Ok(true)
    }

    /// Claims and starts runs that wait, or whose owner died, while there is room; returns how many wait.
    async fn start_waiting(&mut self, open: &[ScheduledRun], now: DateTime<Utc>) -> Result<usize, StateError> {
        self.resting.retain(|_, until| *until > now);
        let mut waiting = open.iter().filter(|run| run.status == ScheduledStatus::Waiting).count();
        for run in open.iter().filter(|run| !run.is_at_work(now)) {
            if self.crew.len() >= self.settings.at_once.max(1) {
                break;
            }
            let Some(watched) = self.jobs.get(&run.job) else { continue };
            if self.crew.is_at_work_on(&run.job) || self.resting.contains_key(&run.job) {
                continue;
            }
            let too_late = too_late(&watched.timetable, run, now);
            let overlap = watched.timetable.schedule.overlap;
            let Some(claim) =
                self.state.claim_scheduled_run(run, &self.settings.owner, self.settings.lease, now).await?
            else {
                continue;
            };
            waiting = waiting.saturating_sub(1);
            if let Some(reason) = too_late {
                let message = "its turn came too late";
                self.state.abandon_claim(&claim, reason, message, now).await?;
                self.tell_abandoned(&claim, reason);
                continue;
            }
            if run.status == ScheduledStatus::Running && run.deaths + 1 >= MOST_DEATHS {
                self.give_up(claim, now).await?;
                continue;
            }
            self.crew.start(claim, self.files.project().clone(), overlap);
        }
        Ok(waiting)
    }

    /// Records a run whose process died again and again as failed.
    async fn give_up(&mut self, claim: Claim, now: DateTime<Utc>) -> Result<(), StateError> {
        let message = format!("its process died {MOST_DEATHS} times while it was at work");
        let end = RunEnd {
            run_id: None,
            outcome: RunOutcome::Failed,
            message: Some(message.clone()),
            report: None,
            error: None,
        };
        let recorded = ScheduledEnd { run_id: None, outcome: end.outcome, message: Some(message) };
        self.state.finish_claim(&claim, &recorded, now).await?;
        self.listener.hear(&Event::Ended { claim: &claim, end: &end });
        self.round.ended.push(Ended { claim, end, fate: Fate::Done });
        Ok(())
    }

    fn note_end(&mut self, ended: Option<&Ended>) {
        let Some(Ended { claim, end, fate }) = ended else { return };
        self.is_awake = true;
        for watched in self.jobs.values_mut().filter(|watched| watched.timetable.schedule.after.contains(&claim.job)) {
            watched.is_planned = false;
        }
        let key = (claim.job.clone(), claim.scheduled_at);
        match fate {
            Fate::Done | Fate::Overtaken => {
                self.told.remove(&key);
                self.listener.hear(&Event::Ended { claim, end });
            }
            Fate::Abandoned(reason) => self.tell_abandoned(claim, *reason),
            Fate::Returned => {
                // What waits for another process tries again and again.
                let is_busy = end.busy().is_some();
                if !is_busy || self.told.insert(key) {
                    let why = if is_busy { "another process runs the job" } else { "it was interrupted" };
                    self.listener.hear(&Event::Returned { claim, why });
                }
                self.resting.insert(claim.job.clone(), (self.clock)() + REST);
            }
        }
    }

    fn tell_abandoned(&mut self, claim: &Claim, reason: NotRunReason) {
        let Claim { job, scheduled_at, as_of, .. } = claim;
        self.told.remove(&(job.clone(), *scheduled_at));
        self.round.not_run += 1;
        let verdict = reason.verdict();
        let not_run = NotRun { job, instant: *scheduled_at, instants: 1, as_of: *as_of, verdict };
        self.listener.hear(&Event::NotRun(not_run));
    }
}

fn is_start(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::Start { .. })
}
