//! Numbers and times as people read them.

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;

/// `1,234,567`.
pub fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 row`, `2 rows`.
pub fn plural(value: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(value), if value == 1 { one } else { many })
}

/// `812 B`, `1.2 MB`: powers of 1000, as disks are sold.
pub fn bytes(value: u64) -> String {
    if value < 1_000 {
        return format!("{value} B");
    }
    let mut scaled = value as f64;
    let mut unit = "B";
    for larger in ["kB", "MB", "GB", "TB", "PB", "EB"] {
        scaled /= 1_000.0;
        unit = larger;
        // 999.95 would print as 1000.0.
        if scaled < 999.95 {
            break;
        }
    }
    format!("{scaled:.1} {unit}")
}

/// `0.4 s`, `12.0 s`, `3 min 05 s`, `2 h 04 min`, `3 d 02 h`.
pub fn duration(seconds: f64) -> String {
    if !seconds.is_finite() || seconds < 0.0 {
        return "-".to_owned();
    }
    if seconds < 59.95 {
        return format!("{seconds:.1} s");
    }
    let whole = seconds.round() as u64;
    match whole {
        0..3_600 => format!("{} min {:02} s", whole / 60, whole % 60),
        3_600..86_400 => format!("{} h {:02} min", whole / 3_600, whole % 3_600 / 60),
        _ => format!("{} d {:02} h", whole / 86_400, whole % 86_400 / 3_600),
    }
}

/// `2026-01-31 02:00:05 GMT`: the wall clock of the environment's zone.
pub fn instant(instant: DateTime<Utc>, zone: Tz) -> String {
    instant.with_timezone(&zone).format("%Y-%m-%d %H:%M:%S %Z").to_string()
}

/// How long ago a day was: `today`, `1 day ago`; `in 2 days` for one to come.
pub fn day_distance(day: NaiveDate, today: NaiveDate) -> String {
    match (today - day).num_days() {
        0 => "today".to_owned(),
        1 => "1 day ago".to_owned(),
        days @ 2.. => format!("{days} days ago"),
        -1 => "in 1 day".to_owned(),
        days => format!("in {} days", days.unsigned_abs()),
    }
}

/// The first characters of an id: enough to find it again.
pub fn short_id(id: &str) -> &str {
    const SHOWN: usize = 13;
    id.get(..SHOWN).unwrap_or(id)
}
