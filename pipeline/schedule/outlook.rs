//! When jobs are due next, for those who look at them.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use super::Timetable;
use crate::config::Job;
use crate::state::{State, StateError};
use crate::watch::Outlook;

/// When each job is due next, which jobs are paused, and how many runs were missed; a job whose schedule cannot be used
/// is never due.
pub async fn outlook(
    state: Option<&State>,
    jobs: &BTreeMap<String, Job>,
    business_zone: Tz,
    now: DateTime<Utc>,
) -> Result<Outlook, StateError> {
    let mut outlook = Outlook { next: next_starts(jobs, business_zone, now), ..Outlook::default() };
    if let Some(state) = state {
        let paused = state.schedules().await?.into_iter().filter(|found| found.pause.is_some()).map(|found| found.job);
        outlook.paused = paused.filter(|job| jobs.contains_key(job)).collect();
        outlook.missed = state.missed_runs().await?;
    }
    Ok(outlook)
}

fn next_starts(jobs: &BTreeMap<String, Job>, business_zone: Tz, now: DateTime<Utc>) -> BTreeMap<String, DateTime<Utc>> {
    let next = |job: &Job| {
        let timetable = Timetable::new(&job.name, job.schedule.as_ref()?, business_zone).ok()?;
        timetable.starts_after(now).next().map(|(_, start)| start)
    };
    jobs.values().filter_map(|job| Some((job.name.clone(), next(job)?))).collect()
}
