//! A zone's offsets from UTC as a table, so that a million instants cost a comparison each and not a search of the zone's
//! rules.

use chrono::{DateTime, Offset, TimeZone};
use chrono_tz::Tz;

pub(super) const DAY_SECONDS: i64 = 86_400;
/// 1900-01-01 and 2100-01-01, in seconds since 1970; the zone itself is asked outside.
const TABLE_START: i64 = -2_208_988_800;
const TABLE_END: i64 = 4_102_444_800;

/// The offsets of one zone.
#[derive(Debug)]
pub(super) struct ZoneOffsets {
    zone: Tz,
    /// UTC seconds at which an offset begins to hold, ascending, with the offset in seconds.
    spans: Vec<(i64, i64)>,
}

/// The span of constant offset that was looked up last.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    from: i64,
    until: i64,
    offset: i64,
}

impl Span {
    /// A span that holds for nothing.
    pub const NONE: Self = Self { from: 0, until: 0, offset: 0 };
}

impl ZoneOffsets {
    /// Finds all changes of offset, by comparing days and then searching within a day that has one.
    pub fn new(zone: Tz) -> Self {
        let mut spans = vec![(TABLE_START, ask(zone, TABLE_START))];
        let mut day = TABLE_START;
        let mut offset = spans[0].1;
        while day < TABLE_END {
            let next = day + DAY_SECONDS;
            let offset_next = ask(zone, next);
            let mut from = day;
            while offset != offset_next {
                // The first second in (from, next] at which the offset is another one.
                let (mut same, mut other) = (from, next);
                while other - same > 1 {
                    let middle = same + (other - same) / 2;
                    if ask(zone, middle) == offset { same = middle } else { other = middle }
                }
                offset = ask(zone, other);
                spans.push((other, offset));
                from = other;
            }
            day = next;
        }
        Self { zone, spans }
    }

    /// Returns the offset in seconds at an instant; `last` remembers the span for the next call.
    pub fn at(&self, seconds: i64, last: &mut Span) -> i64 {
        if seconds < last.from || seconds >= last.until {
            *last = self.span(seconds);
        }
        last.offset
    }

    /// Returns the first instant whose local date is a day (days since 1970): its midnight, or what follows if the clocks
    /// skip it. Of a midnight that happens twice it is the first.
    pub fn day_start(&self, day: i64) -> i64 {
        let midnight = day * DAY_SECONDS;
        let first = self.spans.partition_point(|(from, _)| *from <= midnight - 2 * DAY_SECONDS).saturating_sub(1);
        for (place, (from, offset)) in self.spans.iter().enumerate().skip(first) {
            let until = self.spans.get(place + 1).map_or(TABLE_END, |(from, _)| *from);
            let instant = (midnight - offset).max(*from);
            if instant < until && instant > TABLE_START {
                return instant;
            }
        }
        let guess = midnight - ask(self.zone, midnight);
        midnight - ask(self.zone, guess)
    }

    fn span(&self, seconds: i64) -> Span {
        if !(TABLE_START..TABLE_END).contains(&seconds) {
            return Span { from: seconds, until: seconds.saturating_add(1), offset: ask(self.zone, seconds) };
        }
        let place = self.spans.partition_point(|(from, _)| *from <= seconds).saturating_sub(1);
        let (from, offset) = self.spans[place];
        Span { from, until: self.spans.get(place + 1).map_or(TABLE_END, |(from, _)| *from), offset }
    }
}

/// Asks the zone's rules; beyond the years that a calendar knows, their last word holds.
fn ask(zone: Tz, seconds: i64) -> i64 {
    let bounded = seconds.clamp(
        DateTime::<chrono::Utc>::MIN_UTC.timestamp() + DAY_SECONDS,
        DateTime::<chrono::Utc>::MAX_UTC.timestamp() - DAY_SECONDS,
    );
    let instant = DateTime::from_timestamp(bounded, 0).unwrap_or_default();
    i64::from(zone.offset_from_utc_datetime(&instant.naive_utc()).fix().local_minus_utc())
}
