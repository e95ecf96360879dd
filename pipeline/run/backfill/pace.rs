//! How far a backfill is, how fast it goes, and how long what is left takes. Pure.

use std::cmp::Reverse;

use chrono::{DateTime, TimeDelta, Utc};

use crate::state::{BackfillDay, DayStatus};

/// So many of the last days that were done tell the pace.
const RECENT: usize = 20;
/// Fewer tell nothing.
const LEAST: usize = 2;

/// How far a backfill is.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct BackfillProgress {
    pub done: u64,
    pub failed: u64,
    pub cancelled: u64,
    pub at_work: u64,
    pub waiting: u64,
    /// `None` until two days are done.
    pub pace: Option<Pace>,
}

/// How fast days were done lately.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace {
    /// Days done in a minute of work: pauses between days do not count, days beside each other do.
    pub days_per_minute: f64,
    /// How long the days that wait and those at work take at this pace; `None` where the days at work take longer than
    /// those before, and no other is left to reckon with.
    pub seconds_left: Option<f64>,
}

impl BackfillProgress {
    /// All days.
    pub fn days(&self) -> u64 {
        self.done + self.failed + self.cancelled + self.at_work + self.waiting
    }

    /// Days that are not over.
    pub fn left(&self) -> u64 {
        self.at_work + self.waiting
    }

    /// The share of days that are done, rounded down: 100 only where all are.
    pub fn percent(&self) -> u64 {
        (self.done * 100).checked_div(self.days()).unwrap_or(100)
    }

    /// How long what is left takes, where that can be told.
    pub fn seconds_left(&self) -> Option<f64> {
        self.pace.and_then(|pace| pace.seconds_left)
    }

    /// The same for people: `about 9 min left`.
    pub fn left_in_words(&self) -> Option<String> {
        self.seconds_left().map(|seconds| format!("about {} left", roughly(seconds)))
    }

    /// When what is left is over if work goes on without a pause.
    pub fn ends_at(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let left = TimeDelta::try_milliseconds((self.seconds_left()? * 1_000.0) as i64)?;
        now.checked_add_signed(left)
    }
}

/// A length of time without the figures that nobody can know.
fn roughly(seconds: f64) -> String {
    let rounded = |step: f64| ((seconds / step).round() * step).max(step) as u64;
    match seconds {
        ..57.5 => format!("{} s", rounded(5.0)),
        ..3_570.0 => format!("{} min", rounded(60.0) / 60),
        ..86_100.0 => format!("{} h {:02} min", rounded(600.0) / 3_600, rounded(600.0) % 3_600 / 60),
        _ => format!("{} d {:02} h", rounded(3_600.0) / 86_400, rounded(3_600.0) % 86_400 / 3_600),
    }
}

/// Looks at all days of a backfill as they stand now.
pub fn backfill_progress(days: &[BackfillDay], now: DateTime<Utc>) -> BackfillProgress {
    let count = |status| days.iter().filter(|day| day.status == status).count() as u64;
    let mut progress = BackfillProgress {
        done: count(DayStatus::Done),
        failed: count(DayStatus::Failed),
        cancelled: count(DayStatus::Cancelled),
        at_work: count(DayStatus::Running),
        waiting: count(DayStatus::Pending),
        pace: None,
    };
    progress.pace = pace(days, progress.waiting, now);
    progress
}

fn pace(days: &[BackfillDay], waiting: u64, now: DateTime<Utc>) -> Option<Pace> {
    let mut spans: Vec<Span> = days.iter().filter(|day| day.status == DayStatus::Done).filter_map(Span::of).collect();
    spans.sort_by_key(|span| Reverse((span.end, span.start)));
    spans.truncate(RECENT);
    let busy = busy_seconds(&mut spans);
    if spans.len() < LEAST || busy <= 0.0 {
        return None;
    }
    let recent = spans.len() as f64;
    let usual = spans.iter().map(Span::seconds).sum::<f64>() / recent;
    let at_work: Vec<f64> = days
        .iter()
        .filter(|day| day.status == DayStatus::Running)
        .map(|day| day.started_at.map_or(0.0, |started| seconds_between(started, now)))
        .collect();
    let days_left = waiting as f64 + at_work.iter().map(|passed| (1.0 - passed / usual).max(0.0)).sum::<f64>();
    // However many are at work, none takes less than what is usual.
    let longest = at_work.iter().map(|passed| (usual - passed).max(0.0)).fold(0.0, f64::max);
    let longest = if waiting > 0 { usual } else { longest };
    let seconds_left = (days_left > 0.0).then(|| (days_left * busy / recent).max(longest));
    Some(Pace { days_per_minute: recent / busy * 60.0, seconds_left })
}

/// From a day's beginning to its end.
struct Span {
    start: DateTime<Utc>,
    end: DateTime<Utc>,
}

impl Span {
    /// `None` where the clock was set back meanwhile.
    fn of(day: &BackfillDay) -> Option<Self> {
        let span = Self { start: day.started_at?, end: day.finished_at? };
        (span.start <= span.end).then_some(span)
    }

    fn seconds(&self) -> f64 {
        seconds_between(self.start, self.end)
    }
}

/// How long at least one day was at work.
fn busy_seconds(spans: &mut [Span]) -> f64 {
    spans.sort_by_key(|span| span.start);
    let (mut busy, mut covered) = (0.0, None);
    for span in spans.iter() {
        let start = covered.map_or(span.start, |covered: DateTime<Utc>| covered.max(span.start));
        busy += seconds_between(start, span.end);
        covered = covered.max(Some(span.end));
    }
    busy
}

fn seconds_between(from: DateTime<Utc>, to: DateTime<Utc>) -> f64 {
    to.signed_duration_since(from).num_microseconds().map_or(0.0, |micros| (micros as f64 / 1e6).max(0.0))
}
