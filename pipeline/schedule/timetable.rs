//! A job's schedule as a timetable: its instants, when each may start, and the day that each is about. Pure.

use chrono::{DateTime, Datelike, Days, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;
use croner::errors::CronError;
use twox_hash::XxHash64;

use super::pattern::{Instants, Pattern};
use crate::config::{Project, Schedule, first_instant, local};

/// No run is looked for after this year: days are written with four digits, and a blackout up to its end is for ever.
const LAST_YEAR: i32 = 9999;

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

    /// The runs that start after `now`, in the order of their instants: the instant and its start. Steps over blackouts.
    pub fn starts_after(&self, now: DateTime<Utc>) -> impl Iterator<Item = (DateTime<Utc>, DateTime<Utc>)> + '_ {
        // An instant whose start is jittered may lie before now.
        let mut instants = self.instants(now - TimeDelta::from_std(self.schedule.jitter).unwrap_or_default());
        std::iter::from_fn(move || {
            loop {
                let instant = instants.next().filter(|instant| instant.year() <= LAST_YEAR)?;
                if let Some(last) = self.last_of_blackout(instant) {
                    instants = self.instants(last);
                    continue;
                }
                let start = self.start_of(instant);
                if start > now {
                    return Some((instant, start));
                }
            }
        })
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
        self.last_blackout_day(instant).is_some()
    }

    /// The last day of the longest blackout that holds the day of an instant.
    fn last_blackout_day(&self, instant: DateTime<Utc>) -> Option<NaiveDate> {
        let day = local(self.schedule.timezone, instant).date();
        let holds = self.schedule.blackout.iter().filter(|blackout| blackout.from <= day && day <= blackout.to);
        holds.map(|blackout| blackout.to).max()
    }

    /// The end of the blackout that an instant lies in, not before the instant: what comes after it may start.
    fn last_of_blackout(&self, instant: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let day = self.last_blackout_day(instant)?;
        let next = day.succ_opt().and_then(|next| next.and_hms_opt(0, 0, 0));
        let end = next.and_then(|midnight| first_instant(self.schedule.timezone, midnight));
        // A clock that goes back over midnight comes to the day again.
        Some(end.map_or(DateTime::<Utc>::MAX_UTC, |end| (end - TimeDelta::microseconds(1)).max(instant)))
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
