//! Tells people what happened, once: what there is to tell is recorded first, then sent, then recorded as sent.
//!
//! Whatever is recorded and not sent, because the process died or a server did not answer, is sent by whoever looks
//! next. So a notice may come twice, with the same id, and is not lost.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures::StreamExt;

use super::Clock;
use super::message::Message;
use super::notices::Sender;
use super::send::{Patience, Post, SendError};
use super::standing::standings;
use crate::config::{Job, Notify, NotifyTarget, Project};
use crate::state::{
    DueSend, NotRunReason, Notice, NoticeKind, RunFilter, RunOutcome, RunStatus, RunSummary, ScheduledRun,
    ScheduledStatus, SendStatus, State, StateError, Trigger,
};

/// Sendings that are under way at once.
const AT_ONCE: usize = 8;
/// Runs that ended longer ago than this are no news.
const NEWS: TimeDelta = TimeDelta::days(3);
/// How long a run that ended badly is left to whoever tries it again, before others tell of it.
const LEAST_GRACE: TimeDelta = TimeDelta::minutes(5);
/// Decisions of the schedule that are looked at for runs that were missed or never began.
const DECISIONS: u32 = 500;

/// Finds what there is to tell, and tells it.
#[derive(Debug, Clone)]
pub struct Notifier {
    sender: Sender,
    post: Post,
}

/// What came of one sending.
#[derive(Debug)]
pub struct Delivery {
    pub job: String,
    pub kind: NoticeKind,
    /// `webhook 1 of on_failure`: a target by its place in the job's file.
    pub target: String,
    pub outcome: Result<(), SendError>,
    /// Whether it is tried again later.
    pub is_tried_again: bool,
}

/// What came of sending what was due.
#[derive(Debug, Default)]
pub struct SendReport {
    pub deliveries: Vec<Delivery>,
}

impl SendReport {
    pub fn sent(&self) -> usize {
        self.deliveries.iter().filter(|delivery| delivery.outcome.is_ok()).count()
    }

    pub fn failed(&self) -> impl Iterator<Item = (&Delivery, &SendError)> {
        self.deliveries.iter().filter_map(|delivery| Some((delivery, delivery.outcome.as_ref().err()?)))
    }
}

impl Notifier {
    pub fn new(project: &Project, patience: Patience) -> Self {
        let name = project.root.file_name().map(|name| name.to_string_lossy().into_owned());
        let sender = Sender {
            project: name.unwrap_or_else(|| "project".to_owned()),
            environment: project.environment.name.clone(),
            zone: project.environment.timezone,
        };
        Self { sender, post: Post::new(project.environment.smtp.clone(), patience) }
    }

    /// Records what there is to tell of a run that has ended for good; tells whether that is anything new.
    pub async fn run_ended(
        &self,
        state: &State,
        job: &Job,
        run_id: &str,
        now: DateTime<Utc>,
    ) -> Result<bool, StateError> {
        if job.notify.is_empty() {
            return Ok(false);
        }
        let run = state.show_run(run_id, now).await?.run;
        match run.status {
            // Somebody wanted it to stop.
            RunStatus::Running | RunStatus::Ended(RunOutcome::Interrupted) => Ok(false),
            RunStatus::Ended(outcome) if outcome.is_clean() => self.note_recovery(state, job, &run, now).await,
            RunStatus::Ended(_) => self.note_failure(state, job, &run, now).await,
        }
    }

    /// Records a run that was due, and failed at `failed_at` without a run of its own to show: before anything of it was
    /// recorded, or because its process died too often.
    pub async fn run_never_began(
        &self,
        state: &State,
        job: &Job,
        due: DateTime<Utc>,
        message: Option<&str>,
        failed_at: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<bool, StateError> {
        if job.notify.is_empty() {
            return Ok(false);
        }
        let message = self.sender.never_began(&job.name, due, message.unwrap_or("it could not begin"));
        record(state, job, &notice_of_due(job, NoticeKind::Failure, due, failed_at, &message), now).await
    }

    /// Records a run that was due and did not start in time.
    pub async fn run_missed(
        &self,
        state: &State,
        job: &Job,
        due: DateTime<Utc>,
        reason: &str,
        now: DateTime<Utc>,
    ) -> Result<bool, StateError> {
        if job.notify.is_empty() {
            return Ok(false);
        }
        let notice = notice_of_due(job, NoticeKind::Missed, due, due, &self.sender.missed(&job.name, due, reason));
        record(state, job, &notice, now).await
    }

    /// Records what nobody has told of: runs whose process died before it could, and data that have become stale.
    /// Returns how many notices are new.
    pub async fn look_around(
        &self,
        state: &State,
        jobs: &BTreeMap<String, Job>,
        now: DateTime<Utc>,
    ) -> Result<usize, StateError> {
        if jobs.values().all(|job| job.notify.is_empty()) {
            return Ok(0);
        }
        let mut new = self.note_decisions(state, jobs, now).await?;
        let facts = state.job_facts(now).await?;
        for standing in standings(jobs, self.sender.zone, &facts, now) {
            let Some(job) = jobs.get(&standing.job).filter(|job| !job.notify.is_empty()) else { continue };
            if let (Some(message), Some(day)) = (self.sender.stale(&standing), standing.freshness.newest_day) {
                let notice = Notice {
                    notice_id: format!("stale:{}:{day}", job.name),
                    job: job.name.clone(),
                    kind: NoticeKind::Stale,
                    run_id: None,
                    happened_at: now,
                    message: text_of(&message),
                };
                new += usize::from(record(state, job, &notice, now).await?);
            }
            if !standing.is_running() {
                new += usize::from(self.catch_up(state, job, now).await?);
            }
        }
        Ok(new)
    }

    /// Records what only the schedule knows: runs that were missed, and those that failed without a run of their own.
    async fn note_decisions(
        &self,
        state: &State,
        jobs: &BTreeMap<String, Job>,
        now: DateTime<Utc>,
    ) -> Result<usize, StateError> {
        if jobs.values().all(|job| job.notify.on_missed.is_empty() && job.notify.on_failure.is_empty()) {
            return Ok(0);
        }
        let mut new = 0;
        for run in state.schedule_log(None, DECISIONS).await? {
            let ended_at = run.finished_at.unwrap_or(run.decided_at);
            let Some(job) = jobs.get(&run.job).filter(|_| now - ended_at <= NEWS) else { continue };
            let has_failed_alone = run.outcome == Some(RunOutcome::Failed) && run.run_id.is_none();
            let is_new = match run.status {
                ScheduledStatus::Missed => self.run_missed(state, job, run.scheduled_at, &reason_of(&run), now).await?,
                ScheduledStatus::Done if has_failed_alone => {
                    let message = run.message.as_deref();
                    self.run_never_began(state, job, run.scheduled_at, message, ended_at, now).await?
                }
                _ => false,
            };
            new += usize::from(is_new);
        }
        Ok(new)
    }

    /// Records what the newest run that ended came to, where whoever ran it has not.
    async fn catch_up(&self, state: &State, job: &Job, now: DateTime<Utc>) -> Result<bool, StateError> {
        let filter = RunFilter {
            job: Some(job.name.clone()),
            is_without_backfills: true,
            limit: Some(1),
            ..RunFilter::default()
        };
        let runs = state.list_runs(&filter, now).await?;
        let Some(run) = runs.first() else { return Ok(false) };
        let ended_at = run.finished_at.unwrap_or(run.started_at);
        match run.status {
            RunStatus::Running => Ok(false),
            _ if now - ended_at > NEWS => Ok(false),
            RunStatus::Ended(outcome) if outcome.is_clean() => self.note_recovery(state, job, run, now).await,
            // Whoever runs a job by hand sees what becomes of it.
            RunStatus::Ended(_) if run.trigger != Trigger::Schedule => Ok(false),
            RunStatus::Ended(_) if now - ended_at < grace(job) => Ok(false),
            RunStatus::Ended(_) => self.note_failure(state, job, run, now).await,
        }
    }

    async fn note_failure(
        &self,
        state: &State,
        job: &Job,
        run: &RunSummary,
        now: DateTime<Utc>,
    ) -> Result<bool, StateError> {
        let details = state.show_run(&run.run_id, now).await?;
        let trouble = state.trouble_of(&run.run_id).await?;
        let notice = Notice {
            notice_id: format!("failure:{}", run.run_id),
            job: job.name.clone(),
            kind: NoticeKind::Failure,
            run_id: Some(run.run_id.clone()),
            happened_at: run.finished_at.unwrap_or(now),
            message: text_of(&self.sender.failure(&details, &trouble)),
        };
        record(state, job, &notice, now).await
    }

    /// The first good run after a failure that was told of.
    async fn note_recovery(
        &self,
        state: &State,
        job: &Job,
        run: &RunSummary,
        now: DateTime<Utc>,
    ) -> Result<bool, StateError> {
        let Some(failure) = state.newest_notice(&job.name, NoticeKind::Failure).await? else { return Ok(false) };
        let finished_at = run.finished_at.unwrap_or(now);
        if run.trigger == Trigger::Backfill || failure.happened_at > finished_at {
            return Ok(false);
        }
        let notice = Notice {
            // Named after the failure: however many good runs follow, one of them is the recovery.
            notice_id: failure.notice_id.replacen("failure:", "recovery:", 1),
            job: job.name.clone(),
            kind: NoticeKind::Recovery,
            run_id: Some(run.run_id.clone()),
            happened_at: finished_at,
            message: text_of(&self.sender.recovery(run, failure.happened_at)),
        };
        record(state, job, &notice, now).await
    }

    /// Sends what is due about some jobs, several at once, and records what came of each. What could not be sent is
    /// warned of; notices of other jobs are left to whoever has these.
    pub async fn send_due(
        &self,
        state: &State,
        jobs: &BTreeMap<String, Job>,
        clock: &Clock,
    ) -> Result<SendReport, StateError> {
        // A process that dies leaves its claims to others when these are over.
        let claim = self.post.patience.longest() + Duration::from_secs(30);
        let names: BTreeSet<&str> = jobs.keys().map(String::as_str).collect();
        let mut report = SendReport::default();
        loop {
            // No more than are sent at once: a claim covers no time in which a sending waits for its turn.
            let due = state.claim_sends(&names, AT_ONCE, claim, clock()).await?;
            let is_last = due.len() < AT_ONCE;
            let deliveries = futures::stream::iter(due)
                .map(|send| self.deliver(state, jobs, send, clock))
                .buffer_unordered(AT_ONCE)
                .collect::<Vec<_>>()
                .await;
            for delivery in deliveries {
                report.deliveries.push(delivery?);
            }
            if is_last {
                return Ok(report);
            }
        }
    }

    async fn deliver(
        &self,
        state: &State,
        jobs: &BTreeMap<String, Job>,
        send: DueSend,
        clock: &Clock,
    ) -> Result<Delivery, StateError> {
        let notice = &send.notice;
        let target = jobs.get(&notice.job).and_then(|job| targets(&job.notify, notice.kind).get(send.target));
        let name = target_name(target, notice.kind, send.target);
        let message = serde_json::from_str::<Message>(&notice.message);
        let outcome = match (target, message) {
            (Some(target), Ok(message)) => self.post.send(target, &message, &notice.notice_id).await,
            (None, _) => Err(SendError::Gone),
            (Some(_), Err(_)) => Err(SendError::Unreadable),
        };
        let now = clock();
        let patience = &self.post.patience;
        // What was found late is sent as long as what was found at once.
        let is_over = now - send.recorded_at > TimeDelta::from_std(patience.give_up).unwrap_or(TimeDelta::MAX);
        let is_tried_again = outcome.as_ref().is_err_and(|error| !error.is_permanent()) && !is_over;
        let (status, next_at) = match &outcome {
            Ok(()) => (SendStatus::Sent, now),
            Err(_) if is_tried_again => (SendStatus::Waiting, now + pause_before(patience, send.attempts)),
            Err(_) => (SendStatus::GivenUp, now),
        };
        if let Err(error) = &outcome {
            let (job, kind) = (&notice.job, notice.kind);
            tracing::warn!(%error, job, %kind, to = name, is_tried_again, "a notice could not be sent");
        }
        state.finish_send(&send, status, next_at).await?;
        Ok(Delivery { job: notice.job.clone(), kind: notice.kind, target: name, outcome, is_tried_again })
    }

    /// Sends a test to every target of a job, each once.
    pub async fn try_targets(&self, job: &Job) -> Vec<Delivery> {
        let message = self.sender.test(&job.name);
        let mut tried: Vec<&NotifyTarget> = Vec::new();
        let mut deliveries = Vec::new();
        for kind in NoticeKind::ALL.iter().copied() {
            for (place, target) in targets(&job.notify, kind).iter().enumerate() {
                if tried.contains(&target) {
                    continue;
                }
                tried.push(target);
                deliveries.push(Delivery {
                    job: job.name.clone(),
                    kind,
                    target: target_name(Some(target), kind, place),
                    outcome: self.post.send(target, &message, &format!("test:{}", job.name)).await,
                    is_tried_again: false,
                });
            }
        }
        deliveries
    }
}

/// Records a notice for all targets of its kind; tells whether it is new.
async fn record(state: &State, job: &Job, notice: &Notice, now: DateTime<Utc>) -> Result<bool, StateError> {
    state.record_notice(notice, targets(&job.notify, notice.kind).len(), now).await
}

/// A notice of a run that was due and was none: named after the instant at which it was due.
fn notice_of_due(
    job: &Job,
    kind: NoticeKind,
    due: DateTime<Utc>,
    happened_at: DateTime<Utc>,
    message: &Message,
) -> Notice {
    Notice {
        notice_id: format!("{kind}:{}:{}", job.name, due.format("%Y%m%dT%H%M%SZ")),
        job: job.name.clone(),
        kind,
        run_id: None,
        happened_at,
        message: text_of(message),
    }
}

/// Why a run was missed, in words.
fn reason_of(run: &ScheduledRun) -> String {
    let reason = run.reason.map_or("", NotRunReason::words);
    match run.instants {
        0..=1 => reason.to_owned(),
        several => format!("{reason} ({several} runs, the first due {})", run.first_at.format("%Y-%m-%d %H:%M UTC")),
    }
}

fn targets(notify: &Notify, kind: NoticeKind) -> &[NotifyTarget] {
    match kind {
        NoticeKind::Failure => &notify.on_failure,
        NoticeKind::Recovery => &notify.on_recovery,
        NoticeKind::Missed => &notify.on_missed,
        NoticeKind::Stale => &notify.on_stale,
    }
}

/// A target by its place in the job's file; never by its address.
fn target_name(target: Option<&NotifyTarget>, kind: NoticeKind, place: usize) -> String {
    let what = match target {
        Some(NotifyTarget::Webhook(_)) => "webhook",
        Some(NotifyTarget::Email(_)) => "email",
        None => "target",
    };
    format!("{what} {} of on_{kind}", place + 1)
}

fn pause_before(patience: &Patience, attempts: u64) -> TimeDelta {
    const LONGEST: Duration = Duration::from_secs(3_600);
    let doubled = patience.later.saturating_mul(2_u32.saturating_pow(u32::try_from(attempts).unwrap_or(u32::MAX)));
    TimeDelta::from_std(doubled.min(LONGEST)).unwrap_or(TimeDelta::MAX)
}

/// How long a run that ended badly may still be tried again by whoever ran it.
fn grace(job: &Job) -> TimeDelta {
    let longest = if job.retry.attempts > 1 { job.retry.max_backoff * 2 } else { Duration::ZERO };
    TimeDelta::from_std(longest).unwrap_or(TimeDelta::MAX).max(LEAST_GRACE)
}

fn text_of(message: &Message) -> String {
    serde_json::json!(message).to_string()
}
