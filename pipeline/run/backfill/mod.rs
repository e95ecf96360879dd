//! A backfill: a durable list of days. What they share is done once, and several days are built at once.
//!
//! ```text
//! listed -> day claimed -> built -> published -> done | failed … -> over
//!              ^             |          |
//!              +-- pending <-+----------+ killed, interrupted: claimed again by `resume`
//! ```
//!
//! Days that are not before the current release's come first, the latest at once: it makes the current tables, as a run
//! of that day does, and all others write histories only, the oldest or the newest of them first. A backfill has the
//! job's lease while days are at work, and steps aside between two of them when a run waits for it. Paused, it begins no
//! further day and ends.

mod crew;
pub(super) mod old_days;
mod outlook;
mod pace;

pub use outlook::{BackfillOutlook, DayOutlook, backfill_outlook};
pub use pace::{BackfillProgress, Pace, backfill_progress};

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use chrono::NaiveDate;
use tracing::Instrument;
use uuid::Uuid;

use crate::config::Project;
use crate::state::{
    Backfill, BackfillShare, BackfillStart, DayOrder, DaysLeft, NextDay, RunOutcome, RunStatus, State, Trigger,
};

use super::carried::Carried;
use super::execute::{RunAtWork, build_and_publish, land_and_look, stand_still};
use super::exports::catch_up_exports;
use super::landed::Landed;
use super::lease::HeldLease;
use super::prepare::{check_request, find_job, prepare};
use super::release::settle;
use super::{Clock, RunError, RunRequest, Surroundings, turns};
use crew::{DayAtWork, Site, work_on};
use old_days::OldDays;

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

/// Hears how a backfill goes, as it happens.
pub trait BackfillListener: Send + Sync {
    /// Another process works on the job, or waits to; the backfill goes on after it.
    fn waits(&self, owner: &str);
    /// Objects were landed, for all days.
    fn landed(&self, objects: u64, rows: u64, rejected: u64);
    /// Other backfills leave fewer days at once than this one wants; it waits where that is none.
    fn is_limited(&self, share: BackfillShare, at_most: u64);
    /// A day ended; `progress` counts it already.
    fn day_ended(&self, day: &EndedDay<'_>, outcome: Result<&DayReport, &RunError>, progress: &BackfillProgress);
}

/// Nobody listens.
impl BackfillListener for () {
    fn waits(&self, _owner: &str) {}
    fn landed(&self, _objects: u64, _rows: u64, _rejected: u64) {}
    fn is_limited(&self, _share: BackfillShare, _at_most: u64) {}
    fn day_ended(&self, _day: &EndedDay<'_>, _outcome: Result<&DayReport, &RunError>, _progress: &BackfillProgress) {}
}

/// A day that ended, well or not.
#[derive(Debug, Clone, Copy)]
pub struct EndedDay<'a> {
    pub as_of: NaiveDate,
    pub run_id: &'a str,
}

/// What became of a day.
#[derive(Debug, Clone)]
pub struct DayReport {
    /// `None` where there was nothing to do.
    pub release: Option<u64>,
    /// Whether it made the current tables.
    pub is_current: bool,
    /// How many histories got its rows.
    pub histories: usize,
    pub seconds: f64,
}

/// A backfill to be worked on.
#[derive(Debug, Clone)]
pub struct BackfillWork {
    pub backfill: Backfill,
    /// How many days are built at once; at least 1. Other backfills may leave fewer.
    pub at_once: usize,
    /// Which days are made to wait again first; `None` for a backfill that begins.
    pub resume: Option<DaysLeft>,
}

impl BackfillWork {
    /// Which of the waiting days are run.
    pub(super) fn only(&self) -> DaysLeft {
        self.resume.unwrap_or(DaysLeft::All)
    }

    fn request(&self, as_of: NaiveDate) -> RunRequest {
        RunRequest {
            job: self.backfill.job.clone(),
            as_of,
            select: Vec::new(),
            full_refresh: false,
            variables: Vec::new(),
            trigger: Trigger::Backfill,
            backfill_id: Some(self.backfill.backfill_id.clone()),
        }
    }
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
///
/// # Errors
/// [`crate::state::StateError::BackfillOverlap`] where another backfill of the job is not done with some of the days.
pub async fn create_backfill(
    project: &Project,
    state: &State,
    surroundings: &Surroundings,
    job: &str,
    days: Vec<NaiveDate>,
    choice: DayChoice,
    order: DayOrder,
) -> Result<String, RunError> {
    find_job(project, job)?;
    let backfill_id = Uuid::now_v7().to_string();
    let start = BackfillStart {
        backfill_id: backfill_id.clone(),
        job: job.to_owned(),
        environment: project.environment.name.clone(),
        days,
        selection: choice.as_str().to_owned(),
        order,
        created_at: (surroundings.clock)(),
    };
    state.create_backfill(&start).await?;
    Ok(backfill_id)
}

/// Takes the days that wait off a backfill's list; returns how many there were. Days at work go on to their end, but those of a
/// process that is known to have died wait.
pub async fn cancel_backfill(state: &State, backfill: &Backfill, clock: &Clock) -> Result<u64, RunError> {
    // Whoever can take the lease knows that nobody works under it, and ends the claims that were made under it.
    let lease = match turns::take_backfill(state, &backfill.job, clock).await {
        Err(RunError::BackfillBusy { .. }) => None,
        outcome => Some(outcome?),
    };
    let cancelled = state.cancel_backfill(&backfill.backfill_id, clock()).await;
    if let Some(lease) = lease {
        lease.give_back().await?;
    }
    Ok(cancelled?)
}

/// Runs the days of a backfill that wait, until none does or it is paused. A day that fails does not stop the others.
///
/// # Errors
/// [`RunError::BackfillBusy`] where the job has another backfill at work. [`RunError::Interrupted`], a failed landing and
/// a lost lease leave the days that are not done waiting; what else a day fails with is recorded with it.
pub async fn run_backfill(
    project: &Project,
    state: &State,
    surroundings: &Surroundings,
    work: &BackfillWork,
    listener: &dyn BackfillListener,
) -> Result<Backfill, RunError> {
    let (id, clock) = (&work.backfill.backfill_id, &surroundings.clock);
    check_request(project, &work.request(work.backfill.last_day))?;
    let lease = Arc::new(turns::take_backfill(state, &work.backfill.job, clock).await?);
    let outcome = run_days(project, state, surroundings, work, &lease, listener).await;
    give_back(lease).await?;
    outcome?;
    Ok(state.show_backfill(id, clock()).await?.0)
}

async fn run_days(
    project: &Project,
    state: &State,
    surroundings: &Surroundings,
    work: &BackfillWork,
    lease: &Arc<HeldLease>,
    listener: &dyn BackfillListener,
) -> Result<(), RunError> {
    let (id, clock) = (&work.backfill.backfill_id, &surroundings.clock);
    if let Some(only) = work.resume {
        state.resume_backfill(id, only, clock()).await?;
    }
    let at_most = project.environment.backfill_parallel;
    let Some(at_once) = turns::take_share(state, work, at_most, &lease.lease, surroundings, listener).await? else {
        return Ok(());
    };
    let work = &BackfillWork { at_once, ..work.clone() };
    let project = Arc::new(project.clone());
    let mut bar = None;
    while let Some(job) = turns::take_for_backfill(state, work, surroundings, listener).await? {
        let (backfill, days) = state.show_backfill(id, clock()).await?;
        let progress = &surroundings.progress;
        let site = Arc::new(Site {
            state: state.clone(),
            surroundings: surroundings.clone(),
            work: work.clone(),
            backfill: lease.clone(),
            job,
            bar: bar.get_or_insert_with(|| progress.start("days", Some(backfill.pending))).clone(),
            days: Mutex::new(days),
        });
        let outcome = take_turn(&project, &site, listener).await;
        if let Some(site) = Arc::into_inner(site) {
            site.job.give_back().await?;
        }
        outcome?;
    }
    // Those of the last release may have failed, and nothing of this backfill comes after it.
    catch_up_exports(&project, surroundings, &work.backfill.job).await
}

async fn give_back(lease: Arc<HeldLease>) -> Result<(), RunError> {
    match Arc::into_inner(lease) {
        Some(lease) => Ok(lease.give_back().await?),
        None => Ok(()),
    }
}

/// Works on the days that wait, until there is none, a run waits for the job, or the backfill is paused.
async fn take_turn(project: &Arc<Project>, site: &Arc<Site>, listener: &dyn BackfillListener) -> Result<(), RunError> {
    let warehouse = super::warehouse(project, &site.surroundings.stores);
    let mut current = warehouse.current_release(&site.work.backfill.job).await?;
    let mut landed: Option<Landed> = None;
    loop {
        if site.surroundings.interrupt.is_interrupted() {
            return Err(RunError::Interrupted);
        }
        let newest = NextDay::LatestFrom(current.as_ref().map(|release| release.as_of));
        let (day, is_current) = match site.claim(project, newest).await? {
            Some(day) => (Some(day), true),
            None => (site.claim(project, site.next()).await?, false),
        };
        let Some(mut day) = day else { return Ok(()) };
        let base = match landed.take() {
            Some(base) => base,
            None => match land(project, site, &mut day, listener).await {
                Ok(base) => base,
                Err(error) => {
                    site.end(&day, Err(&error), listener).await?;
                    return Err(error);
                }
            },
        };
        if !is_current {
            let days = OldDays::new(project, &site.surroundings, &day.request.job, base, site.work.at_once).await;
            return match days {
                Ok(days) => work_on(site, days, day, listener).await,
                Err(error) => {
                    site.end(&day, Err(&error), listener).await?;
                    Err(error)
                }
            };
        }
        let mut base = base;
        let span = day.run.span.clone();
        let outcome = run_current(project, site, &base, &mut day).instrument(span).await;
        day.seconds = day.run.started.elapsed().as_secs_f64();
        site.end(&day, outcome.as_ref().map(Option::as_ref), listener).await?;
        match outcome {
            Ok(release) => {
                base.prepared.current = release.or(base.prepared.current);
                current = base.prepared.current.clone();
            }
            Err(error) if error.is_overtaken() || matches!(error, RunError::Interrupted) => return Err(error),
            // A release may have been named before something else failed.
            Err(_) => {
                current = warehouse.current_release(&day.request.job).await?;
                base.prepared.current = current.clone();
            }
        }
        if site.is_awaited().await? {
            return Ok(());
        }
        landed = Some(base);
    }
}

/// Lists the drop zones, reads the logs and lands what waits: once, for all days.
async fn land(
    project: &Project,
    site: &Site,
    day: &mut DayAtWork,
    listener: &dyn BackfillListener,
) -> Result<Landed, RunError> {
    let warehouse = super::warehouse(project, &site.surroundings.stores);
    settle(&warehouse, &site.job, &day.run.run_id).await?;
    let prepared = prepare(project, &site.surroundings, &day.request).await?;
    let landed = land_and_look(project, &site.surroundings, prepared, &site.job, &mut day.run).await?;
    let RunAtWork { done, .. } = &day.run;
    if !done.landings.is_empty() {
        let sum = |count: fn(&crate::land::LandingReport) -> u64| done.landings.iter().map(count).sum();
        listener.landed(
            sum(|landing| landing.objects.len() as u64),
            sum(crate::land::LandingReport::landed),
            sum(crate::land::LandingReport::rejected),
        );
    }
    Ok(landed)
}

/// Runs a day that makes the current tables.
async fn run_current(
    project: &Project,
    site: &Site,
    landed: &Landed,
    day: &mut DayAtWork,
) -> Result<Option<crate::storage::Release>, RunError> {
    let mut plan = landed.plan(project, &day.request);
    // The other days of the backfill come next, and what they leave is repaired by the next run.
    plan.repairs = Vec::new();
    let surroundings = &site.surroundings;
    // A job that only lands makes a release of what it landed.
    if plan.has_nothing_to_do() && day.run.done.landings.is_empty() {
        stand_still(project, surroundings, &plan, landed.prepared.current.as_ref(), &mut day.run).await?;
        return Ok(None);
    }
    let (plan, mut carried) = ((landed, &plan), Carried::default());
    let built = build_and_publish(project, surroundings, &day.request, &site.job, plan, &mut day.run, &mut carried);
    let outcome = built.await.map(Some);
    carried.sweep().await;
    outcome
}
