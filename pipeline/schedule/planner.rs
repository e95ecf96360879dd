//! What is due: a pure function of a timetable, of what is recorded, and of now.
//!
//! Every instant up to now gets one decision, in order. The rules:
//!
//! | what | then |
//! |---|---|
//! | the job is paused | skipped |
//! | its day is a blackout day | skipped |
//! | `deadline` is over | missed |
//! | older than `catch_up_window` | missed |
//! | `after` names a job without a good run of the day | it waits; once a newer instant of the job is due, it is missed (`catch_up: all`: it waits on) |
//! | on time (at most a minute late) | it starts |
//! | late, `catch_up: none` | missed |
//! | late, `catch_up: last` | the newest starts, the others are missed |
//! | late, `catch_up: all` | all start, one after the other; at most the newest hundred |
//!
//! Of more than a hundred the older ones are recorded together: those that follow each other for one reason.
//!
//! What starts while another run of the job is at work follows `overlap`: `skip` skips it; with `queue_one` it waits,
//! and a run that waits already gives way to it; with `allow` all wait for their turn, because two runs of one job never
//! work at once. A run that is late, so that it makes up for a missed one, takes nobody's place: what becomes due
//! meanwhile waits for it. One whose process died is not at work: it is finished first.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};

use super::timetable::Timetable;
use crate::config::{CatchUp, Overlap, Schedule};
use crate::state::{Decision, NotRunReason, Verdict};

/// At most so many runs are made up for at once, and recorded one by one.
pub const MOST_AT_ONCE: usize = 100;

/// A run that starts so late is still on time: nobody looks at the clock all the time.
const ON_TIME: TimeDelta = TimeDelta::minutes(1);

/// What is older than this is not looked at.
const LOOK_BACK: TimeDelta = TimeDelta::days(366);

/// What is known about a job when it is planned.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Recorded {
    /// Every instant up to this one has been decided.
    pub decided_until: DateTime<Utc>,
    pub is_paused: bool,
    /// The job's runs that wait or are at work.
    pub open: Vec<OpenRun>,
    /// Instants after `decided_until` that are decided all the same: the clock was set back.
    pub decided: BTreeSet<DateTime<Utc>>,
    /// What the jobs of `after` have done.
    pub upstream: Upstream,
}

/// A run that waits or is at work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenRun {
    pub instant: DateTime<Utc>,
    pub is_at_work: bool,
    pub is_made_up: bool,
}

/// What the jobs that a job runs after have done.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Upstream {
    /// When the newest good run of a job and day ended.
    pub good: BTreeMap<(String, NaiveDate), DateTime<Utc>>,
    /// By day, up to which end of such a run the job has answered.
    pub answered: BTreeMap<NaiveDate, DateTime<Utc>>,
}

impl Upstream {
    /// The end of the last of the good runs of a day that all jobs have and nobody has answered; else who is waited for.
    fn call(&self, after: &[String], day: NaiveDate) -> Result<DateTime<Utc>, Vec<String>> {
        let answered = self.answered.get(&day);
        let mut last = None;
        let mut missing = Vec::new();
        for job in after {
            match self.good.get(&(job.clone(), day)).filter(|end| answered.is_none_or(|answered| *end > answered)) {
                Some(end) => last = last.max(Some(*end)),
                None => missing.push(job.clone()),
            }
        }
        last.filter(|_| missing.is_empty()).ok_or(missing)
    }
}

/// What is to be done about a job now.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// In the order of their instants.
    pub decisions: Vec<Decision>,
    /// Runs that wait and give way to one of the decisions.
    pub withdrawn: Vec<DateTime<Utc>>,
    pub decided_until: DateTime<Utc>,
    /// When the clock alone makes something else of it; `None`: never.
    pub next: Option<DateTime<Utc>>,
}

/// An instant that is to be decided.
struct Candidate {
    instant: DateTime<Utc>,
    as_of: NaiveDate,
    /// When nothing but the rules kept it from starting.
    ready_at: DateTime<Utc>,
    standing: Standing,
    answers: Option<DateTime<Utc>>,
}

#[derive(Clone, Copy, PartialEq)]
enum Standing {
    Ready,
    /// For a job of `after`.
    Waits,
    Never(NotRunReason),
}

/// Decides what is due at `now`.
pub fn plan(timetable: &Timetable, recorded: &Recorded, now: DateTime<Utc>) -> Plan {
    let mut next = None;
    let due = if timetable.has_cron() {
        due_by_clock(timetable, recorded, now, &mut next)
    } else {
        due_by_others(timetable, recorded, now, &mut next)
    };
    let mut plan =
        Plan { decisions: Vec::new(), withdrawn: Vec::new(), decided_until: recorded.decided_until, next: None };
    plan.decisions.extend(due.beyond);
    let candidates = assess(timetable, recorded, due.instants.into(), now);
    let undecided = choose(timetable, recorded, candidates, now, &mut plan);
    overlap(&timetable.schedule, recorded, &mut plan);
    if let (true, Some(last)) = (timetable.has_cron(), plan.decisions.last()) {
        plan.decided_until = plan.decided_until.max(last.instant);
    }
    // A run that waits for others stops to wait at its deadline, or where it is too old.
    let given_up = undecided.map(|instant| {
        let window = timetable.schedule.catch_up_window.max(timetable.schedule.jitter);
        let patience = timetable.schedule.deadline.map_or(window, |deadline| deadline.min(window));
        instant + TimeDelta::from_std(patience).unwrap_or(LOOK_BACK) + TimeDelta::seconds(1)
    });
    plan.next = [next, given_up].into_iter().flatten().min();
    plan
}

/// Instants that are due: the newest one by one, and those beyond as decisions about all that follow each other for
/// one reason.
#[derive(Default)]
struct Due {
    instants: VecDeque<(DateTime<Utc>, NaiveDate)>,
    beyond: Vec<Decision>,
}

impl Due {
    fn push(&mut self, instant: DateTime<Utc>, as_of: NaiveDate, timetable: &Timetable, recorded: &Recorded) {
        self.instants.push_back((instant, as_of));
        if self.instants.len() > MOST_AT_ONCE
            && let Some((instant, as_of)) = self.instants.pop_front()
        {
            let verdict = ruled_out(timetable, recorded, instant).unwrap_or(NotRunReason::CatchUp).verdict();
            match self.beyond.last_mut() {
                Some(last) if last.verdict == verdict => {
                    (last.instant, last.as_of, last.instants) = (instant, as_of, last.instants + 1);
                }
                _ => {
                    self.beyond.push(Decision { instant, first: instant, instants: 1, as_of, verdict, answers: None });
                }
            }
        }
    }
}

/// Why nothing starts at an instant, whenever it is looked at.
fn ruled_out(timetable: &Timetable, recorded: &Recorded, instant: DateTime<Utc>) -> Option<NotRunReason> {
    if recorded.is_paused {
        Some(NotRunReason::Paused)
    } else {
        timetable.is_blackout(instant).then_some(NotRunReason::Blackout)
    }
}

fn due_by_clock(
    timetable: &Timetable,
    recorded: &Recorded,
    now: DateTime<Utc>,
    next: &mut Option<DateTime<Utc>>,
) -> Due {
    let mut due = Due::default();
    for instant in timetable.instants(recorded.decided_until.max(now - LOOK_BACK)) {
        let start = timetable.start_of(instant);
        // Instants are decided in order, so one that starts earlier than the one before it waits for that.
        if start > now {
            *next = Some(start);
            break;
        }
        if !recorded.decided.contains(&instant) {
            due.push(instant, timetable.as_of(instant), timetable, recorded);
        }
    }
    due
}

/// The days on which all jobs of `after` have a good run that is not answered; the key is the end of the last of them.
fn due_by_others(
    timetable: &Timetable,
    recorded: &Recorded,
    now: DateTime<Utc>,
    next: &mut Option<DateTime<Utc>>,
) -> Due {
    let days: BTreeSet<NaiveDate> = recorded.upstream.good.keys().map(|(_, day)| *day).collect();
    let mut called: Vec<(DateTime<Utc>, NaiveDate)> = days
        .into_iter()
        .filter_map(|day| Some((recorded.upstream.call(&timetable.schedule.after, day).ok()?, day)))
        .filter(|(instant, _)| *instant > recorded.decided_until)
        .collect();
    called.sort_unstable();
    let mut due = Due::default();
    for (instant, day) in called {
        let start = timetable.start_of(instant);
        if start > now {
            *next = Some(next.map_or(start, |next| next.min(start)));
        } else {
            due.push(instant, day, timetable, recorded);
        }
    }
    due
}

/// Says of each instant what holds for it alone.
fn assess(
    timetable: &Timetable,
    recorded: &Recorded,
    due: Vec<(DateTime<Utc>, NaiveDate)>,
    now: DateTime<Utc>,
) -> Vec<Candidate> {
    let schedule = &timetable.schedule;
    let window = TimeDelta::from_std(schedule.catch_up_window).unwrap_or(LOOK_BACK);
    let mut upstream = recorded.upstream.clone();
    let mut candidates = Vec::with_capacity(due.len());
    for (instant, as_of) in due {
        let start = timetable.start_of(instant);
        let called = if schedule.after.is_empty() { Ok(None) } else { upstream.call(&schedule.after, as_of).map(Some) };
        let ready_at = called.as_ref().map_or(start, |called| called.map_or(start, |called| called.max(start)));
        let is_on_time = now - ready_at <= ON_TIME;
        let standing = if let Some(reason) = ruled_out(timetable, recorded, instant) {
            Standing::Never(reason)
        } else if timetable.is_too_late(instant, now) {
            Standing::Never(if called.is_err() { NotRunReason::After } else { NotRunReason::Deadline })
        } else if now - instant > window && !(is_on_time && called.is_ok()) {
            Standing::Never(if called.is_err() { NotRunReason::After } else { NotRunReason::CatchUp })
        } else if called.is_err() {
            Standing::Waits
        } else {
            Standing::Ready
        };
        let answers = called.ok().flatten();
        // What is made of an instant answers the day: the next one of that day needs another call.
        if let Some(answers) = answers {
            let is_superseded = schedule.catch_up != CatchUp::All;
            if !is_superseded || !timetable.has_cron() {
                upstream.answered.insert(as_of, answers);
            }
        }
        candidates.push(Candidate { instant, as_of, ready_at, standing, answers });
    }
    candidates
}

/// Chooses among what could start, by the catch-up rules; returns the instant that is left undecided, where one is.
fn choose(
    timetable: &Timetable,
    recorded: &Recorded,
    candidates: Vec<Candidate>,
    now: DateTime<Utc>,
    plan: &mut Plan,
) -> Option<DateTime<Utc>> {
    let catch_up = timetable.schedule.catch_up;
    let could_start = |candidate: &Candidate| matches!(candidate.standing, Standing::Ready | Standing::Waits);
    let newest = candidates.iter().rposition(could_start);
    let newest_ready = candidates.iter().rposition(|candidate| candidate.standing == Standing::Ready);
    let is_made_up = |candidate: &Candidate| now - candidate.ready_at > ON_TIME;
    for (position, candidate) in candidates.into_iter().enumerate() {
        let verdict = match (candidate.standing, catch_up) {
            (Standing::Never(reason), _) => reason.verdict(),
            (Standing::Waits, CatchUp::All) => return Some(candidate.instant),
            (Standing::Waits, _) if newest == Some(position) => return Some(candidate.instant),
            (Standing::Waits, _) => Verdict::Missed(NotRunReason::After),
            (Standing::Ready, CatchUp::All) => Verdict::Start { is_made_up: is_made_up(&candidate) },
            (Standing::Ready, CatchUp::Last) if newest_ready == Some(position) => {
                Verdict::Start { is_made_up: is_made_up(&candidate) }
            }
            (Standing::Ready, CatchUp::None) if !is_made_up(&candidate) => Verdict::Start { is_made_up: false },
            (Standing::Ready, _) => Verdict::Missed(NotRunReason::CatchUp),
        };
        let Candidate { instant, as_of, answers, .. } = candidate;
        if !recorded.decided.contains(&instant) {
            plan.decisions.push(Decision { instant, first: instant, instants: 1, as_of, verdict, answers });
        }
    }
    None
}

/// Applies `overlap` to what was chosen to start.
fn overlap(schedule: &Schedule, recorded: &Recorded, plan: &mut Plan) {
    let is_start = |decision: &Decision| matches!(decision.verdict, Verdict::Start { .. });
    let Some(last) = plan.decisions.iter().rposition(is_start) else { return };
    let is_busy = recorded.open.iter().any(|run| run.is_at_work && !run.is_made_up);
    for (position, decision) in plan.decisions.iter_mut().enumerate().filter(|(_, decision)| is_start(decision)) {
        let is_skipped = match schedule.overlap {
            Overlap::Skip => is_busy,
            Overlap::QueueOne => is_busy && position != last,
            Overlap::Allow => false,
        };
        if is_skipped {
            decision.verdict = Verdict::Skipped(NotRunReason::Overlap);
        }
    }
    let gives_way = match schedule.overlap {
        Overlap::Skip => schedule.catch_up != CatchUp::All,
        Overlap::QueueOne => true,
        Overlap::Allow => false,
    };
    if gives_way && plan.decisions.iter().any(is_start) {
        let waits = recorded.open.iter().filter(|run| !run.is_at_work && !run.is_made_up);
        plan.withdrawn.extend(waits.map(|run| run.instant));
    }
}
