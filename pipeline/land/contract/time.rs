//! Text to dates and instants, and instants to business days.

use chrono::format::{Item, Parsed, parse};
use chrono::{DateTime, Datelike, LocalResult, NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeZone};
use chrono_tz::Tz;

const MICROSECONDS_PER_SECOND: i64 = 1_000_000;
const MICROSECONDS_PER_DAY: i64 = 86_400 * MICROSECONDS_PER_SECOND;
/// Days from 0001-01-01 to 1970-01-01.
const UNIX_EPOCH_FROM_YEAR_ONE: i32 = 719_163;

/// Parses a date: ISO 8601, or the first pattern that fits. Days since 1970.
pub(crate) fn date(formats: &[Vec<Item<'static>>], text: &[u8]) -> Option<i32> {
    if formats.is_empty() {
        let (days, used) = iso_date(text)?;
        return (used == text.len()).then_some(days);
    }
    let text = std::str::from_utf8(text).ok()?;
    formats.iter().find_map(|items| {
        let mut parsed = Parsed::new();
        parse(&mut parsed, text, items.iter()).ok()?;
        days_since_epoch(parsed.to_naive_date().ok()?)
    })
}

/// Parses an instant: ISO 8601, or the first pattern that fits. Microseconds since 1970, UTC; finer digits are cut off.
///
/// A text without a zone is a wall clock in `zone`: refused where the clocks skipped it, the first of two where they
/// were set back.
pub(crate) fn timestamp(formats: &[Vec<Item<'static>>], text: &[u8], zone: &mut ZoneCache) -> Option<i64> {
    if formats.is_empty() {
        return match iso_timestamp(text)? {
            (local, None) => zone.utc_of(local),
            (local, Some(offset)) => in_range(local - i64::from(offset) * MICROSECONDS_PER_SECOND),
        };
    }
    let text = std::str::from_utf8(text).ok()?;
    formats.iter().find_map(|items| {
        let mut parsed = Parsed::new();
        parse(&mut parsed, text, items.iter()).ok()?;
        if parsed.offset().is_some() {
            return in_range(parsed.to_datetime().ok()?.timestamp_micros());
        }
        let local = match parsed.to_naive_datetime_with_offset(0) {
            Ok(local) => local,
            Err(_) if parsed.hour_mod_12().is_none() && parsed.timestamp().is_none() => {
                parsed.to_naive_date().ok()?.and_time(NaiveTime::MIN)
            }
            Err(_) => return None,
        };
        let micros = local.and_utc().timestamp_micros();
        if parsed.timestamp().is_some() { in_range(micros) } else { zone.utc_of(micros) }
    })
}

pub(super) fn in_range(micros: i64) -> Option<i64> {
    let day = micros.div_euclid(MICROSECONDS_PER_DAY);
    day_in_range(i32::try_from(day).ok()?).then_some(micros)
}

fn day_in_range(days: i32) -> bool {
    // 0001-01-01 to 9999-12-31.
    (-719_162..=2_932_896).contains(&days)
}

fn days_since_epoch(date: NaiveDate) -> Option<i32> {
    let days = date.num_days_from_ce() - UNIX_EPOCH_FROM_YEAR_ONE;
    day_in_range(days).then_some(days)
}

fn two(text: &[u8]) -> Option<u32> {
    match text {
        [tens @ b'0'..=b'9', ones @ b'0'..=b'9', ..] => Some(u32::from(tens - b'0') * 10 + u32::from(ones - b'0')),
        _ => None,
    }
}

/// `yyyy-mm-dd` at the start of the text: days since 1970, and how many bytes were read.
fn iso_date(text: &[u8]) -> Option<(i32, usize)> {
    let (head, rest) = text.split_at_checked(10)?;
    let _ = rest;
    if head[4] != b'-' || head[7] != b'-' {
        return None;
    }
    let year = two(&head[..2])? * 100 + two(&head[2..4])?;
    let date = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, two(&head[5..7])?, two(&head[8..10])?)?;
    Some((days_since_epoch(date)?, 10))
}

/// The wall clock in microseconds since 1970, and the offset from UTC in seconds where the text has one.
fn iso_timestamp(text: &[u8]) -> Option<(i64, Option<i32>)> {
    let (days, used) = iso_date(text)?;
    let midnight = i64::from(days) * MICROSECONDS_PER_DAY;
    let rest = &text[used..];
    let Some((separator, mut rest)) = rest.split_first() else {
        return Some((midnight, None));
    };
    if !matches!(separator, b'T' | b't' | b' ') {
        return None;
    }
    let (hour, minute) = (two(rest)?, two(rest.get(3..)?)?);
    if rest[2] != b':' || hour > 23 || minute > 59 {
        return None;
    }
    rest = &rest[5..];
    let (mut second, mut micros) = (0, 0_i64);
    if let [b':', after @ ..] = rest {
        second = two(after)?;
        if second > 59 {
            return None;
        }
        rest = &after[2..];
        if let [b'.' | b',', after @ ..] = rest {
            let digits = after.iter().take_while(|byte| byte.is_ascii_digit()).count();
            if digits == 0 {
                return None;
            }
            let padded = after[..digits].iter().copied().chain(std::iter::repeat(b'0'));
            for digit in padded.take(6) {
                micros = micros * 10 + i64::from(digit - b'0');
            }
            rest = &after[digits..];
        }
    }
    let seconds = i64::from(hour * 3600 + minute * 60 + second);
    let local = midnight + seconds * MICROSECONDS_PER_SECOND + micros;
    // A blank may stand before the offset: `2024-01-01 12:00:00 +0100`.
    let rest = match rest {
        [b' ', after @ ..] if !after.is_empty() => after,
        rest => rest,
    };
    Some((local, iso_offset(rest)?))
}

/// Nothing, `Z`, `+hh`, `+hhmm` or `+hh:mm`.
fn iso_offset(text: &[u8]) -> Option<Option<i32>> {
    let (sign, digits) = match text {
        [] => return Some(None),
        [b'Z' | b'z'] | b"UTC" => return Some(Some(0)),
        [b'+', rest @ ..] => (1, rest),
        [b'-', rest @ ..] => (-1, rest),
        _ => return None,
    };
    let hours = two(digits)?;
    let minutes = match &digits[2..] {
        [] => 0,
        [b':', rest @ ..] if rest.len() == 2 => two(rest)?,
        rest if rest.len() == 2 => two(rest)?,
        _ => return None,
    };
    if hours > 23 || minutes > 59 {
        return None;
    }
    Some(Some(sign * i32::try_from(hours * 3600 + minutes * 60).ok()?))
}

/// The instant of a wall clock, in microseconds since 1970; `None` in a gap or out of the years 1 to 9999.
fn local_to_utc(zone: Tz, local: i64) -> Option<i64> {
    let naive: NaiveDateTime = DateTime::from_timestamp_micros(local)?.naive_utc();
    let instant = match zone.offset_from_local_datetime(&naive) {
        LocalResult::Single(offset) => local - seconds(&offset),
        LocalResult::Ambiguous(one, other) => (local - seconds(&one)).min(local - seconds(&other)),
        LocalResult::None => return None,
    };
    in_range(instant)
}

fn seconds(offset: &impl Offset) -> i64 {
    i64::from(offset.fix().local_minus_utc()) * MICROSECONDS_PER_SECOND
}

/// Quarters of an hour: zones change their offset at the edge of one, or the edges tell that they differ.
const CACHE_STEP: i64 = 900 * MICROSECONDS_PER_SECOND;

/// Wall clock to instant in one zone; remembers the offset of the last quarter of an hour.
#[derive(Debug)]
pub(crate) struct ZoneCache {
    zone: Tz,
    step: i64,
    offset: Option<i64>,
}

impl ZoneCache {
    pub fn new(zone: Tz) -> Self {
        Self { zone, step: i64::MIN, offset: None }
    }

    pub fn utc_of(&mut self, local: i64) -> Option<i64> {
        if self.zone == Tz::UTC {
            return in_range(local);
        }
        let step = local.div_euclid(CACHE_STEP);
        if step != self.step {
            self.step = step;
            self.offset = self.constant_offset(step);
        }
        match self.offset {
            Some(offset) => in_range(local - offset),
            None => local_to_utc(self.zone, local),
        }
    }

    /// The offset that holds all through a quarter of an hour, if one does.
    fn constant_offset(&self, step: i64) -> Option<i64> {
        let single = |local: i64| {
            let naive = DateTime::from_timestamp_micros(local)?.naive_utc();
            self.zone.offset_from_local_datetime(&naive).single().map(|offset| seconds(&offset))
        };
        let first = single(step * CACHE_STEP)?;
        let last = single((step + 1) * CACHE_STEP - 1)?;
        (first == last).then_some(first)
    }
}

/// Instant to business day in one zone; remembers the offset of the last quarter of an hour.
#[derive(Debug)]
pub(crate) struct DayCache {
    zone: Tz,
    step: i64,
    offset: Option<i64>,
}

impl DayCache {
    pub fn new(zone: Tz) -> Self {
        Self { zone, step: i64::MIN, offset: None }
    }

    /// The local date of an instant (microseconds since 1970), in days since 1970.
    pub fn day(&mut self, instant: i64) -> i32 {
        let step = instant.div_euclid(CACHE_STEP);
        if step != self.step {
            self.step = step;
            let first = self.offset_at(step * CACHE_STEP);
            let last = self.offset_at((step + 1) * CACHE_STEP - 1);
            self.offset = (first == last).then_some(first);
        }
        let offset = self.offset.unwrap_or_else(|| self.offset_at(instant));
        // Instants are within the years 1 to 9999, so days fit.
        (instant + offset).div_euclid(MICROSECONDS_PER_DAY) as i32
    }

    fn offset_at(&self, instant: i64) -> i64 {
        match DateTime::from_timestamp_micros(instant) {
            Some(instant) => seconds(&self.zone.offset_from_utc_datetime(&instant.naive_utc())),
            None => 0,
        }
    }
}
