//! Texts to values, by long division and calendars on paper.

use chrono::{DateTime, NaiveDate, TimeZone};
use lifecycle::config::{ColumnContract, DataType};

/// A value as it stands in a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Raw {
    Missing,
    Text(Vec<u8>),
    Nested,
}

/// A value under the contract: its landed form as text (`-` for null), or nothing where it is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value {
    pub landed: Option<String>,
}

pub fn cast(column: &ColumnContract, raw: &Raw) -> Value {
    Value { landed: landed(column, raw) }
}

fn landed(column: &ColumnContract, raw: &Raw) -> Option<String> {
    let null = || if column.required { None } else { Some("-".to_owned()) };
    let text = match raw {
        Raw::Missing => return null(),
        Raw::Nested => return None,
        // What is not UTF-8 makes the record no record.
        Raw::Text(bytes) => String::from_utf8(bytes.clone()).ok()?,
    };
    let is_string = column.data_type == DataType::String;
    let value = if is_string { text.as_str() } else { text.trim_matches([' ', '\t', '\n', '\r', '\x0c']) };
    if (value.is_empty() && !text.is_empty()) || column.null_values.iter().any(|null| null == value) {
        return null();
    }
    if !column.accepted_values.is_empty() && !column.accepted_values.iter().any(|accepted| accepted == value) {
        return None;
    }
    match column.data_type {
        DataType::String => Some(value.to_owned()),
        DataType::Integer => integer(value),
        DataType::Decimal { precision, scale } => decimal(value, precision as usize, scale as usize),
        DataType::Double => double(value),
        DataType::Boolean => boolean(value),
        DataType::Date => Some(date(value)?.to_string()),
        DataType::Timestamp => timestamp(value, column.timezone.unwrap_or(chrono_tz::Tz::UTC)),
    }
}

/// A number as sign, digits, and how many of them stand behind the point (which may be fewer than none).
fn number(text: &str) -> Option<(bool, Vec<u8>, i64)> {
    let (is_negative, text) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        None => (text, 0),
        Some(at) => {
            let exponent = &text[at + 1..];
            let digits = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
            if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            let size = digits.trim_start_matches('0').parse::<i64>().unwrap_or(if digits.bytes().all(|b| b == b'0') {
                0
            } else {
                1_000_000
            });
            let size = size.min(1_000_000);
            (&text[..at], if exponent.starts_with('-') { -size } else { size })
        }
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    if !whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).map(|byte| byte - b'0').collect();
    Some((is_negative, digits, fraction.len() as i64 - exponent))
}

/// The number times ten to the scale, as digits without leading zeros; nothing where that is not whole or too long.
fn scaled(text: &str, scale: i64, longest: usize) -> Option<(bool, Vec<u8>)> {
    let (is_negative, mut digits, behind) = number(text)?;
    if digits.iter().all(|digit| *digit == 0) {
        return Some((false, vec![0]));
    }
    let mut zeros = scale - behind;
    while zeros < 0 {
        if digits.pop()? != 0 {
            return None;
        }
        zeros += 1;
    }
    let first = digits.iter().position(|digit| *digit != 0)?;
    digits.drain(..first);
    if digits.len() as i64 + zeros > longest as i64 {
        return None;
    }
    digits.extend(std::iter::repeat_n(0, zeros as usize));
    Some((is_negative, digits))
}

fn integer(text: &str) -> Option<String> {
    let (is_negative, digits) = scaled(text, 0, 38)?;
    let digits: String = digits.iter().map(|digit| char::from(b'0' + digit)).collect();
    let limit = if is_negative { "9223372036854775808" } else { "9223372036854775807" };
    let fits = digits.len() < limit.len() || (digits.len() == limit.len() && digits.as_str() <= limit);
    fits.then(|| if is_negative { format!("-{digits}") } else { digits })
}

fn decimal(text: &str, precision: usize, scale: usize) -> Option<String> {
    let (is_negative, digits) = scaled(text, scale as i64, precision)?;
    let digits: String = digits.iter().map(|digit| char::from(b'0' + digit)).collect();
    let padded = format!("{digits:0>width$}", width = scale + 1);
    let (whole, fraction) = padded.split_at(padded.len() - scale);
    Some(format!("{}{whole}.{fraction}", if is_negative { "-" } else { "" }))
}

fn double(text: &str) -> Option<String> {
    if text.chars().any(|letter| letter.is_ascii_alphabetic() && letter != 'e' && letter != 'E') {
        return None;
    }
    let value: f64 = text.parse().ok()?;
    if !value.is_finite() {
        return None;
    }
    let array = arrow::array::Float64Array::from(vec![value]);
    arrow::util::display::array_value_to_string(&array, 0).ok()
}

fn boolean(text: &str) -> Option<String> {
    let value = match text.to_ascii_lowercase().as_str() {
        "true" | "t" | "yes" | "y" | "1" => true,
        "false" | "f" | "no" | "n" | "0" => false,
        _ => return None,
    };
    Some(value.to_string())
}

fn two(text: &str, at: usize) -> Option<u32> {
    let digits = text.get(at..at + 2)?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().unwrap())
}

fn date(text: &str) -> Option<NaiveDate> {
    if text.len() != 10 || text.as_bytes()[4] != b'-' || text.as_bytes()[7] != b'-' {
        return None;
    }
    let (year, month, day) = (two(text, 0)? * 100 + two(text, 2)?, two(text, 5)?, two(text, 8)?);
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if year == 0 || day == 0 || day > days {
        return None;
    }
    NaiveDate::from_ymd_opt(year as i32, month, day)
}

fn timestamp(text: &str, zone: chrono_tz::Tz) -> Option<String> {
    let day = date(text.get(..10)?)?;
    let rest = &text[10..];
    let (mut hour, mut minute, mut second, mut micros) = (0, 0, 0, 0);
    let mut offset = None;
    if !rest.is_empty() {
        if !rest.starts_with(['T', 't', ' ']) {
            return None;
        }
        (hour, minute) = (two(rest, 1)?, two(rest, 4)?);
        if rest.as_bytes()[3] != b':' {
            return None;
        }
        let mut rest = &rest[6..];
        if rest.starts_with(':') {
            second = two(rest, 1)?;
            rest = &rest[3..];
            if rest.starts_with(['.', ',']) {
                let digits: String = rest[1..].chars().take_while(char::is_ascii_digit).collect();
                if digits.is_empty() {
                    return None;
                }
                rest = &rest[1 + digits.len()..];
                micros = format!("{:0<6}", &digits[..digits.len().min(6)]).parse().unwrap();
            }
        }
        if hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        let rest = if rest.len() > 1 { rest.strip_prefix(' ').unwrap_or(rest) } else { rest };
        offset = self::offset(rest)?;
    }
    let local = day.and_hms_micro_opt(hour, minute, second, micros)?;
    let instant: DateTime<chrono::Utc> = match offset {
        Some(seconds) => (local - chrono::TimeDelta::seconds(seconds)).and_utc(),
        None => zone.from_local_datetime(&local).earliest()?.to_utc(),
    };
    let (first, after) = (date("0001-01-01")?, date("9999-12-31")?.and_hms_micro_opt(23, 59, 59, 999_999)?);
    if instant.naive_utc() < first.and_hms_opt(0, 0, 0)? || instant.naive_utc() > after {
        return None;
    }
    let array = arrow::array::TimestampMicrosecondArray::from(vec![instant.timestamp_micros()]).with_timezone("UTC");
    arrow::util::display::array_value_to_string(&array, 0).ok()
}

/// Seconds east of UTC; nothing within where the text has none.
fn offset(text: &str) -> Option<Option<i64>> {
    match text {
        "" => return Some(None),
        "Z" | "z" | "UTC" => return Some(Some(0)),
        _ => {}
    }
    let sign = match text.as_bytes()[0] {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, minutes) = match text.len() {
        3 => (two(text, 1)?, 0),
        5 => (two(text, 1)?, two(text, 3)?),
        6 if text.as_bytes()[3] == b':' => (two(text, 1)?, two(text, 4)?),
        _ => return None,
    };
    (hours <= 23 && minutes <= 59).then(|| Some(sign * i64::from(hours * 3600 + minutes * 60)))
}
