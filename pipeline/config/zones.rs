//! From what a zone's clock shows to instants and back: the one place that knows of skipped and repeated hours.

use chrono::{DateTime, NaiveDateTime, Offset, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

/// No clock is further ahead of UTC, nor further behind.
pub(crate) const FURTHEST_OFFSET: i64 = 16 * 3_600;

/// What the clock of a zone shows.
pub(crate) fn local(zone: Tz, instant: DateTime<Utc>) -> NaiveDateTime {
    let offset = zone.offset_from_utc_datetime(&instant.naive_utc()).fix();
    instant.naive_utc() + TimeDelta::seconds(offset.local_minus_utc().into())
}

/// The first instant at which a zone's clock shows a time; of a time that it skips, the first after the gap.
pub(crate) fn first_instant(zone: Tz, time: NaiveDateTime) -> Option<DateTime<Utc>> {
    match zone.from_local_datetime(&time) {
        chrono::LocalResult::Single(instant) => Some(instant.to_utc()),
        chrono::LocalResult::Ambiguous(one, other) => Some(one.to_utc().min(other.to_utc())),
        chrono::LocalResult::None => {
            // Before the gap the clock shows less than the time, after it more.
            let mut before = time.and_utc().timestamp() - FURTHEST_OFFSET;
            let mut after = time.and_utc().timestamp() + FURTHEST_OFFSET;
            while after - before > 1 {
                let middle = before + (after - before) / 2;
                if local(zone, DateTime::from_timestamp(middle, 0)?) >= time {
                    after = middle;
                } else {
                    before = middle;
                }
            }
            DateTime::from_timestamp(after, 0)
        }
    }
}
