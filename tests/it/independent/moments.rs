//! Values out of JSON, business days, windows, and exact arithmetic.

use chrono::{DateTime, Datelike, NaiveDate, TimeDelta, Utc};
use chrono_tz::Europe::London;
use serde_json::{Map, Value as Json};

pub fn text(row: &Map<String, Json>, column: &str) -> Option<String> {
    let value = &row[column];
    assert!(value.is_null() || value.is_string(), "{column} is {value}");
    value.as_str().map(str::to_owned)
}

pub fn whole(row: &Map<String, Json>, column: &str) -> Option<i64> {
    row[column].as_i64()
}

/// A decimal as a whole number of its smallest unit.
pub fn scaled(row: &Map<String, Json>, column: &str, units: f64) -> Option<i64> {
    let value = &row[column];
    let number = value.as_f64().or_else(|| value.as_str().map(|text| text.parse().unwrap()));
    number.map(|number| (number * units).round() as i64)
}

pub fn cents(row: &Map<String, Json>, column: &str) -> Option<i64> {
    scaled(row, column, 100.0)
}

pub fn flag(row: &Map<String, Json>, column: &str) -> bool {
    row[column].as_bool().unwrap_or(false)
}

pub fn date(value: &Json) -> Option<NaiveDate> {
    value.as_str().map(|text| text[..10].parse().unwrap())
}

pub fn moment(row: &Map<String, Json>, column: &str) -> Option<DateTime<Utc>> {
    row[column].as_str().map(|text| DateTime::parse_from_rfc3339(text).unwrap().to_utc())
}

/// The business day of a moment.
pub fn day_of(moment: DateTime<Utc>) -> NaiveDate {
    moment.with_timezone(&London).date_naive()
}

pub fn plus(day: NaiveDate, days: i64) -> NaiveDate {
    day + TimeDelta::days(days)
}

pub fn days_between(from: NaiveDate, to: NaiveDate) -> i64 {
    (to - from).num_days()
}

/// Whether a day lies in the window of so many days that ends at `end`.
pub fn in_window(day: NaiveDate, end: NaiveDate, days: i64) -> bool {
    day <= end && days_between(day, end) < days
}

/// The first day of the month that is `months` after the day's own.
pub fn month_after(day: NaiveDate, months: i64) -> NaiveDate {
    let number = i64::from(day.year()) * 12 + i64::from(day.month0()) + months;
    NaiveDate::from_ymd_opt(number.div_euclid(12) as i32, number.rem_euclid(12) as u32 + 1, 1).unwrap()
}

/// Whole calendar months from one day to another.
pub fn months_between(from: NaiveDate, to: NaiveDate) -> i64 {
    let months = i64::from(to.year() - from.year()) * 12 + i64::from(to.month()) - i64::from(from.month());
    if to.day() < from.day() { months - 1 } else { months }
}

/// The quotient rounded half away from zero; the divisor is positive.
pub fn rounded(numerator: i64, divisor: i64) -> i64 {
    let size = (2 * numerator.abs() + divisor) / (2 * divisor);
    if numerator < 0 { -size } else { size }
}

/// The smallest whole number that is not below the quotient of two whole numbers that are not negative.
pub fn ceiling(numerator: i64, divisor: i64) -> i64 {
    (numerator + divisor - 1) / divisor
}
