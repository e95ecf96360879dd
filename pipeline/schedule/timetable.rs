//! A job's schedule as a timetable: its instants, when each may start, and the day that each is about. Pure.

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;
use croner::errors::CronError;
use twox_hash::XxHash64;

use super::pattern::{Instants, Pattern, local};
use crate::config::{Project, Schedule};

/// A job's schedule, ready to be asked.
#[derive(Debug, Clone)]
pub struct Timetable {
    pub job: String,
    pub schedule: Schedule,
    /// `None`: the job runs after others alone.
    pattern: Option<Pattern>,
    /// The zone of business days.
    business_zone: Tz,
}

impl Timetable {
    /// # Errors
    /// The cron expression cannot be parsed; one of a validated project can.
    pub fn new(job: &str, schedule: &Schedule, business_zone: Tz) -> Result<Self, CronError> {
        let pattern = schedule.cron.as_deref().map(Pattern::parse).transpose()?;
        Ok(Self { job: job.to_owned(), schedule: schedule.clone(), pattern, business_zone })
    }

    /// The timetables of a project's jobs that have a schedule, by name.
    pub fn all(project: &Project) -> Result<Vec<Self>, CronError> {
        let scheduled = project.jobs.values().filter_map(|job| Some((job, job.schedule.as_ref()?)));
        scheduled.map(|(job, schedule)| Self::new(&job.name, schedule, project.environment.timezone)).collect()
    }

    pub fn has_cron(&self) -> bool {
        self.pattern.is_some()
    }

    /// The instants of the cron expression after `after`, ascending; none without an expression.
    pub fn instants(&self, after: DateTime<Utc>) -> impl Iterator<Item = DateTime<Utc>> + '_ {
        self.pattern.iter().flat_map(move |pattern| -> Instants<'_> { pattern.instants(self.schedule.timezone, after) })
    }

    /// When the run of an instant may start: the instant, and a part of `jitter` that depends on job and instant alone.
    pub fn start_of(&self, instant: DateTime<Utc>) -> DateTime<Utc> {
        let jitter = i64::try_from(self.schedule.jitter.as_millis()).unwrap_or(i64::MAX - 1);
        if jitter <= 0 {
            return instant;
        }
        let text = format!("{}@{}", self.job, instant.timestamp_micros());
        let share = XxHash64::oneshot(0, text.as_bytes()) % (jitter.unsigned_abs() + 1);
        instant + TimeDelta::milliseconds(i64::try_from(share).unwrap_or(0))
    }

    /// The last complete business day at an instant.
    pub fn as_of(&self, instant: DateTime<Utc>) -> NaiveDate {
        let today = local(self.business_zone, instant).date();
        today.checked_sub_days(Days::new(1)).unwrap_or(today)
    }

    /// Whether nothing starts on the day of an instant.
    pub fn is_blackout(&self, instant: DateTime<Utc>) -> bool {
        let day = local(self.schedule.timezone, instant).date();
        self.schedule.blackout.iter().any(|blackout| blackout.from <= day && day <= blackout.to)
    }

    /// Whether a run of an instant that starts now would start too late.
    pub fn is_too_late(&self, instant: DateTime<Utc>, now: DateTime<Utc>) -> bool {
        self.schedule
            .deadline
            .and_then(|deadline| TimeDelta::from_std(deadline).ok())
            .is_some_and(|deadline| now.signed_duration_since(instant) > deadline)
    }

    /// What tells a timetable from another of the same job: where it differs, nothing is caught up from before.
    pub fn fingerprint(&self) -> String {
        let Schedule { cron, after, timezone, .. } = &self.schedule;
        format!("{} | {timezone} | {}", cron.as_deref().unwrap_or_default(), after.join(", "))
    }
}
