//! Days by number, London's clock, and the seasons of a shop.

use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveTime, Offset, TimeZone, Weekday};
use chrono_tz::Europe::London;

pub(super) const DAY_SECONDS: i64 = 86_400;

/// How many days after the window can still be delivered.
pub(super) const DAYS_AFTER: u32 = 31;

/// Days by number: 0 is the first of the window.
#[derive(Debug, Clone)]
pub(super) struct Calendar {
    first_day: NaiveDate,
    first_midnight: i64,
    /// London's distance from UTC at noon, in seconds, by day.
    offsets: Vec<i32>,
}

/// The highest value of [`Calendar::season`].
pub(super) const HIGHEST_SEASON: f64 = 1.7 * 1.25;

impl Calendar {
    /// `None` where a day lies beyond what a date can hold.
    pub(super) fn new(first_day: NaiveDate, days: u32) -> Option<Self> {
        let first_midnight = first_day.and_time(NaiveTime::MIN).and_utc().timestamp();
        let mut offsets = Vec::new();
        for day in 0..=days + DAYS_AFTER {
            let noon = first_day.checked_add_days(Days::new(u64::from(day)))?.and_hms_opt(12, 0, 0)?;
            offsets.push(London.offset_from_utc_datetime(&noon).fix().local_minus_utc());
        }
        Some(Self { first_day, first_midnight, offsets })
    }

    pub(super) fn date(&self, day: u32) -> NaiveDate {
        self.first_day.checked_add_days(Days::new(u64::from(day))).unwrap_or(self.first_day)
    }

    pub(super) fn is_monday(&self, day: u32) -> bool {
        self.date(day).weekday() == Weekday::Mon
    }

    /// Seconds since 1970 in UTC, of a second of a UTC day.
    pub(super) fn instant(&self, day: u32, second: u32) -> i64 {
        self.first_midnight + i64::from(day) * DAY_SECONDS + i64::from(second)
    }

    /// The instant of a London wall-clock second of a day; seconds before 03:00 are not asked for, so that it exists once.
    pub(super) fn instant_of_local(&self, day: u32, second: u32) -> i64 {
        self.instant(day, second) - i64::from(self.offset(day))
    }

    /// The London wall clock of an instant, as seconds since 1970 of a clock without a zone.
    pub(super) fn local(&self, instant: i64) -> i64 {
        instant + i64::from(self.offset_at(instant))
    }

    /// The number of the business day of an instant.
    pub(super) fn business_day(&self, instant: i64) -> i64 {
        (self.local(instant) - self.first_midnight).div_euclid(DAY_SECONDS)
    }

    fn offset(&self, day: u32) -> i32 {
        self.offsets.get(day as usize).copied().unwrap_or(0)
    }

    fn offset_at(&self, instant: i64) -> i32 {
        let day = (instant - self.first_midnight).div_euclid(DAY_SECONDS);
        u32::try_from(day).map_or(0, |day| self.offset(day))
    }

    /// How much a day sells, beside an ordinary one: Christmas, the January lull, weekends.
    pub(super) fn season(&self, day: u32) -> f64 {
        let date = self.date(day);
        let month = match date.month() {
            1 => 0.75,
            2 => 0.85,
            6..=8 => 0.95,
            11 => 1.35,
            12 => 1.7,
            _ => 1.0,
        };
        let weekday = match date.weekday() {
            Weekday::Sat => 1.25,
            Weekday::Sun => 1.1,
            Weekday::Mon | Weekday::Tue => 0.85,
            _ => 1.0,
        };
        month * weekday
    }
}

/// Writes seconds since 1970 as a date and a time with `separator` between them.
pub(super) fn push_clock(text: &mut String, seconds: i64, pattern: &str) {
    let clock = DateTime::from_timestamp(seconds, 0).unwrap_or_default();
    // Writing to a String cannot fail.
    let _ = std::fmt::Write::write_fmt(text, format_args!("{}", clock.format(pattern)));
}
