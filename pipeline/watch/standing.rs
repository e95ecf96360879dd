//! How jobs stand: fresh or late, clean or not. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use chrono_tz::Tz;

use crate::config::{Job, MaxRejected, Severity, first_instant};
use crate::state::{FailingCheck, JobFacts, ProgressRecord, RunOutcome, RunStatus, RunSummary};

/// What only the schedule knows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outlook {
    /// When each job is due next.
    pub next: BTreeMap<String, DateTime<Utc>>,
    pub paused: BTreeSet<String>,
    /// How many runs of each job were missed.
    pub missed: BTreeMap<String, u64>,
}

/// How old a job's published data are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Freshness {
    pub newest_day: Option<NaiveDate>,
    /// Since the end of the newest day; `None` where nothing is published.
    pub age: Option<TimeDelta>,
    pub target: Option<Duration>,
}

impl Freshness {
    /// How long the data have been older than they may be; `None` where they are not, or nothing is asked of them.
    pub fn late_by(&self) -> Option<TimeDelta> {
        let target = TimeDelta::from_std(self.target?).ok()?;
        Some(self.age? - target).filter(|late| *late > TimeDelta::zero())
    }
}

/// What one source brought when it last brought anything.
#[derive(Debug, Clone, PartialEq)]
pub struct Intake {
    pub source: String,
    pub rows_in: u64,
    pub rejected: u64,
    /// `None` where the job no longer has the source.
    pub limit: Option<MaxRejected>,
}

impl Intake {
    /// The rejected share of the rows, from 0 to 1.
    pub fn share(&self) -> f64 {
        if self.rows_in == 0 { 0.0 } else { self.rejected as f64 / self.rows_in as f64 }
    }

    /// How much of what the limit allows is used up: 1 is all of it.
    pub fn strain(&self) -> f64 {
        match self.limit {
            _ if self.rejected == 0 => 0.0,
            None => 0.0,
            Some(MaxRejected::Share(limit)) => self.share() / limit,
            Some(MaxRejected::Rows(limit)) => self.rejected as f64 / limit as f64,
        }
    }
}

/// How a job stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Standing {
    pub job: String,
    pub last_run: Option<RunSummary>,
    /// Of the last run, while it is at work.
    pub progress: Option<ProgressRecord>,
    pub freshness: Freshness,
    pub failing: Vec<FailingCheck>,
    pub intake: Vec<Intake>,
}

impl Standing {
    pub fn is_running(&self) -> bool {
        self.last_run.as_ref().is_some_and(|run| run.status == RunStatus::Running)
    }

    /// How many checks of a severity failed when they last ran.
    pub fn failing(&self, severity: Severity) -> usize {
        self.failing.iter().filter(|check| check.severity == severity).count()
    }

    /// The source that comes nearest to its limit.
    pub fn worst_intake(&self) -> Option<&Intake> {
        self.intake.iter().filter(|intake| intake.rejected > 0).max_by(|one, other| {
            let by_strain = one.strain().total_cmp(&other.strain());
            by_strain.then(one.share().total_cmp(&other.share())).then(other.source.cmp(&one.source))
        })
    }

    /// What is wrong with the job, each in a few words; empty where nothing is.
    pub fn troubles(&self) -> Vec<String> {
        let mut troubles = Vec::new();
        if let Some(run) = &self.last_run
            && let RunStatus::Ended(outcome) = run.status
            && !outcome.is_clean()
        {
            troubles.push(format!("the last run {}", outcome_words(outcome)));
        }
        if let Some(late) = self.freshness.late_by() {
            troubles.push(format!("its data are late by {}", span(late)));
        }
        match self.failing(Severity::Error) {
            0 => {}
            1 => troubles.push("1 check with severity error fails".to_owned()),
            count => troubles.push(format!("{count} checks with severity error fail")),
        }
        for intake in self.intake.iter().filter(|intake| intake.strain() > 1.0) {
            troubles.push(format!("source {} rejects more than it may", intake.source));
        }
        troubles
    }
}

/// `failed`, `was stopped by its checks`: after the name of a job or run.
pub(super) fn outcome_words(outcome: RunOutcome) -> &'static str {
    match outcome {
        RunOutcome::Succeeded => "succeeded",
        RunOutcome::NothingToDo => "had nothing to do",
        RunOutcome::Failed => "failed",
        RunOutcome::ChecksFailed => "was stopped by its checks",
        RunOutcome::PartlyFailed => "failed in part",
        RunOutcome::Interrupted => "was interrupted",
    }
}

/// `45 min`, `8 h`, `8 h 10 min`, `3 d 02 h`.
pub fn span(span: TimeDelta) -> String {
    let minutes = span.num_minutes();
    match minutes {
        ..60 => format!("{minutes} min"),
        60..2_880 if minutes % 60 == 0 => format!("{} h", minutes / 60),
        60..2_880 => format!("{} h {:02} min", minutes / 60, minutes % 60),
        _ if minutes % 1_440 < 60 => format!("{} d", minutes / 1_440),
        _ => format!("{} d {:02} h", minutes / 1_440, minutes % 1_440 / 60),
    }
}

/// How the jobs of a project stand, by name; jobs whose file is gone keep what the state knows of them.
pub fn standings(
    jobs: &BTreeMap<String, Job>,
    zone: Tz,
    facts: &BTreeMap<String, JobFacts>,
    now: DateTime<Utc>,
) -> Vec<Standing> {
    let names: BTreeSet<&String> = jobs.keys().chain(facts.keys()).collect();
    names.into_iter().map(|name| standing(name, jobs.get(name), zone, facts.get(name), now)).collect()
}

fn standing(name: &str, job: Option<&Job>, zone: Tz, facts: Option<&JobFacts>, now: DateTime<Utc>) -> Standing {
    let newest_day = facts.and_then(|facts| facts.newest_day);
    let limit = |source: &str| {
        let source = job?.sources.iter().find(|known| known.name == source)?;
        Some(source.max_rejected)
    };
    let intake = facts.map(|facts| facts.intake.as_slice()).unwrap_or_default().iter().map(|intake| Intake {
        source: intake.source.clone(),
        rows_in: intake.rows_in,
        rejected: intake.rejected,
        limit: limit(&intake.source),
    });
    Standing {
        job: name.to_owned(),
        last_run: facts.map(|facts| facts.last_run.clone()),
        progress: facts.and_then(|facts| facts.progress.clone()),
        freshness: Freshness {
            newest_day,
            age: newest_day.map(|day| now - end_of_day(day, zone)),
            target: job.and_then(|job| job.freshness),
        },
        failing: facts.map(|facts| facts.failing.clone()).unwrap_or_default(),
        intake: intake.collect(),
    }
}

/// The instant at which the next business day begins.
pub(super) fn end_of_day(day: NaiveDate, zone: Tz) -> DateTime<Utc> {
    start_of_day(day.succ_opt().unwrap_or(day), zone)
}

/// The instant at which a business day begins.
pub(super) fn start_of_day(day: NaiveDate, zone: Tz) -> DateTime<Utc> {
    let midnight = day.and_time(NaiveTime::MIN);
    first_instant(zone, midnight).unwrap_or_else(|| midnight.and_utc())
}
