//! When a cron expression fires, as instants: the one place with the rules of clocks that change.
//!
//! An expression is one of two kinds.
//!
//! - It **names hours** (`0 2 * * *`, `30 1,2 * * *`, `0 */2 * * *`): each of its times of day fires once on each of its
//!   days. A time that the clock skips fires at the first instant after the gap; a time that comes twice fires at its
//!   first occurrence. Two times of one expression that fall on one instant fire once.
//! - It runs in **every hour** (`0 * * * *`, `*/15 * * * *`): it follows real time. It fires whenever the clock shows one
//!   of its times, so in both passes of a repeated hour, and not for readings that the clock skips.
//!
//! So nothing is lost and nothing doubled of what has a place in the day, and what merely repeats goes on in step. What
//! is told from the fields' values, not from how they are written: `0-23` is every hour too.
//!
//! The expression's parser and its days (`L`, `W`, `#`, day of month or day of week) are croner's. The time of day is
//! ours: croner takes `0 2,3 * * *` for an interval and loses the 2 o'clock of a spring day, gives up on gaps of more
//! than two hours, and drops a fixed time whose gap ends on another date.

use chrono::{DateTime, Datelike, Days, NaiveDate, TimeDelta, Timelike, Utc};
use chrono_tz::Tz;
use croner::errors::CronError;
use croner::{Cron, Weekday};

use crate::config::{FURTHEST_OFFSET, cron_parser, first_instant, local};

const HOUR: i64 = 3_600;
/// How far ahead a day is searched for: 29 February on a given weekday comes every 28 years, but for 1900 and 2100.
const SEARCHED_DAYS: usize = 45 * 366;

/// A cron expression, ready to be asked for its instants.
#[derive(Debug, Clone)]
pub struct Pattern {
    cron: Cron,
    /// Seconds after midnight, ascending; of one that runs in every hour, seconds after the hour.
    times: Vec<i64>,
    is_every_hour: bool,
}

impl Pattern {
    /// Parses an expression of five fields, or six with seconds first.
    pub fn parse(text: &str) -> Result<Self, CronError> {
        let cron = cron_parser().parse(text)?;
        let values =
            |component: &croner::CronComponent| -> Vec<i64> { component.values().into_iter().map(i64::from).collect() };
        let hours = values(&cron.pattern.hours);
        let is_every_hour = hours.len() == 24;
        let (minutes, seconds) = (values(&cron.pattern.minutes), values(&cron.pattern.seconds));
        let hours = if is_every_hour { vec![0] } else { hours };
        let mut times = Vec::with_capacity(hours.len() * minutes.len() * seconds.len());
        for hour in &hours {
            for minute in &minutes {
                times.extend(seconds.iter().map(|second| hour * HOUR + minute * 60 + second));
            }
        }
        Ok(Self { cron, times, is_every_hour })
    }

    /// The instants after `after`, ascending, each once.
    pub fn instants(&self, zone: Tz, after: DateTime<Utc>) -> Instants<'_> {
        // A fixed time may fire on the day after its own, so the day before is looked at too.
        let day = local(zone, after).date();
        let day = day.checked_sub_days(Days::new(1)).unwrap_or(day);
        let hour = after.timestamp().div_euclid(HOUR);
        Instants { pattern: self, zone, last: after, ready: Vec::new(), day: Some(day), hour: Some(hour) }
    }

    fn is_on(&self, day: NaiveDate) -> bool {
        let weekday = Weekday::from_days_from_sunday(day.weekday().num_days_from_sunday());
        let pattern = &self.cron.pattern;
        pattern.month_match(day.month()).unwrap_or(false)
            && pattern.day_match(day.year(), day.month(), day.day(), weekday).unwrap_or(false)
    }

    /// The first day of the expression that is not before `day`.
    fn day_from(&self, day: NaiveDate) -> Option<NaiveDate> {
        day.iter_days().take(SEARCHED_DAYS).find(|day| self.is_on(*day))
    }
}

/// The instants of a [`Pattern`].
pub struct Instants<'p> {
    pattern: &'p Pattern,
    zone: Tz,
    last: DateTime<Utc>,
    /// Instants that were found and not handed out yet, the earliest last.
    ready: Vec<DateTime<Utc>>,
    /// The next day to look at, of an expression that names hours.
    day: Option<NaiveDate>,
    /// The next hour of UTC to look at, counted from 1970, of one that runs in every hour.
    hour: Option<i64>,
}

impl Iterator for Instants<'_> {
    type Item = DateTime<Utc>;

    fn next(&mut self) -> Option<DateTime<Utc>> {
        loop {
            while let Some(instant) = self.ready.pop() {
                if instant > self.last {
                    self.last = instant;
                    return Some(instant);
                }
            }
            if self.pattern.is_every_hour { self.look_at_hour()? } else { self.look_at_day()? }
        }
    }
}

impl Instants<'_> {
    fn look_at_day(&mut self) -> Option<()> {
        let day = self.pattern.day_from(self.day?)?;
        self.day = day.succ_opt();
        let midnight = day.and_hms_opt(0, 0, 0)?;
        let times = self.pattern.times.iter().rev();
        self.ready.extend(times.filter_map(|time| first_instant(self.zone, midnight + TimeDelta::seconds(*time))));
        Some(())
    }

    fn look_at_hour(&mut self) -> Option<()> {
        let hour = self.hour?;
        self.hour = Some(hour + 1);
        let start = DateTime::from_timestamp(hour * HOUR, 0)?;
        let end = start + TimeDelta::seconds(HOUR - 1);
        let (first, last) = (local(self.zone, start), local(self.zone, end));
        if !self.pattern.is_on(first.date()) && !self.pattern.is_on(last.date()) {
            self.skip_days(hour, first.date());
            return Some(());
        }
        let mut found: Vec<DateTime<Utc>> = Vec::with_capacity(self.pattern.times.len());
        let is_steady = last - first == end - start;
        if is_steady {
            let past_the_hour = i64::from(first.minute() * 60 + first.second());
            let ahead = self.pattern.times.iter().map(|time| (time - past_the_hour).rem_euclid(HOUR));
            found.extend(ahead.map(|ahead| start + TimeDelta::seconds(ahead)));
        } else {
            // The clock changes within this hour: ask it for every second of it.
            let seconds = (0..HOUR).map(|second| start + TimeDelta::seconds(second));
            found.extend(seconds.filter(|instant| {
                let shown = local(self.zone, *instant);
                self.pattern.times.contains(&i64::from(shown.minute() * 60 + shown.second()))
            }));
        }
        found.retain(|instant| self.pattern.is_on(local(self.zone, *instant).date()));
        found.sort_unstable_by(|one, other| other.cmp(one));
        self.ready = found;
        Some(())
    }

    /// Goes on near the expression's next day, where that is far.
    fn skip_days(&mut self, hour: i64, day: NaiveDate) {
        let next = self.pattern.day_from(day).and_then(|next| next.and_hms_opt(0, 0, 0));
        self.hour = next.map(|midnight| {
            let earliest = midnight.and_utc().timestamp() - FURTHEST_OFFSET - 24 * HOUR;
            earliest.div_euclid(HOUR).max(hour + 1)
        });
    }
}
