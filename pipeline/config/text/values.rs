//! Values of the types that contracts, models and seeds use.

use chrono::format::{Item, StrftimeItems};
use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};

use super::{Unfit, closest};
use crate::config::DataType;

/// A value of a [`DataType`].
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Text(String),
    Integer(i64),
    Double(f64),
    /// In units of 10^-scale of the type.
    Decimal(i128),
    Boolean(bool),
    Date(NaiveDate),
    Timestamp(DateTime<Utc>),
}

impl Value {
    /// Parses a text in its type's own form: ISO 8601 for dates and timestamps (without a zone: UTC), `true` and `false`.
    /// `None` where it has another form, or does not fit without rounding.
    pub fn parse(text: &str, data_type: DataType) -> Option<Self> {
        match data_type {
            DataType::String => Some(Self::Text(text.to_owned())),
            DataType::Integer => text.parse().ok().map(Self::Integer),
            DataType::Double => text.parse().ok().filter(|value: &f64| value.is_finite()).map(Self::Double),
            DataType::Decimal { precision, scale } => parse_decimal(text, precision, scale).map(Self::Decimal),
            DataType::Boolean if text.eq_ignore_ascii_case("true") => Some(Self::Boolean(true)),
            DataType::Boolean if text.eq_ignore_ascii_case("false") => Some(Self::Boolean(false)),
            DataType::Boolean => None,
            DataType::Date => parse_iso_date(text).map(Self::Date),
            DataType::Timestamp => parse_timestamp(text).map(Self::Timestamp),
        }
    }

    /// The order of two values of one type; `false` for values of two types.
    pub(crate) fn is_less_than(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Text(one), Self::Text(other)) => one < other,
            (Self::Integer(one), Self::Integer(other)) => one < other,
            (Self::Double(one), Self::Double(other)) => one < other,
            (Self::Decimal(one), Self::Decimal(other)) => one < other,
            (Self::Date(one), Self::Date(other)) => one < other,
            (Self::Timestamp(one), Self::Timestamp(other)) => one < other,
            _ => false,
        }
    }
}

/// `yyyy-mm-dd` and nothing else.
fn parse_iso_date(text: &str) -> Option<NaiveDate> {
    (text.len() == 10).then(|| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()).flatten()
}

fn parse_timestamp(text: &str) -> Option<DateTime<Utc>> {
    let with_zone = ["%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%d %H:%M:%S%.f%#z"]
        .iter()
        .find_map(|format| DateTime::parse_from_str(text, format).ok())
        .map(|instant| instant.with_timezone(&Utc));
    let without_zone = || {
        ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f"]
            .iter()
            .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())
            .or_else(|| parse_iso_date(text).and_then(|date| date.and_hms_opt(0, 0, 0)))
            .map(|local| local.and_utc())
    };
    with_zone.or_else(without_zone)
}

/// Digits with at most one point, in units of 10^-scale; `None` for anything that would have to be rounded.
fn parse_decimal(text: &str, precision: u8, scale: i8) -> Option<i128> {
    let scale = usize::try_from(scale).ok()?;
    let (is_negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_digits = |part: &str| part.chars().all(|character| character.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !is_digits(whole) || !is_digits(fraction) {
        return None;
    }
    let fraction = fraction.trim_end_matches('0');
    if fraction.len() > scale {
        return None;
    }
    let unscaled: i128 = format!("0{whole}{fraction:0<scale$}").parse().ok()?;
    let limit = 10_i128.checked_pow(u32::from(precision))?;
    (unscaled < limit).then_some(if is_negative { -unscaled } else { unscaled })
}

/// Tells whether a text fits one of a column's strftime patterns; without patterns, whether it has the type's own form.
pub(crate) fn parse_with_formats(text: &str, data_type: DataType, formats: &[String]) -> bool {
    if formats.is_empty() {
        return Value::parse(text, data_type).is_some();
    }
    formats.iter().any(|format| match data_type {
        DataType::Date => NaiveDate::parse_from_str(text, format).is_ok(),
        _ => {
            DateTime::parse_from_str(text, format).is_ok()
                || NaiveDateTime::parse_from_str(text, format).is_ok()
                || NaiveDate::parse_from_str(text, format).is_ok()
        }
    })
}

/// Checks a strftime pattern: it must be known, and name everything that the type needs.
pub(crate) fn check_format(format: &str, data_type: DataType) -> Result<(), Unfit> {
    let is_date = data_type == DataType::Date;
    let example = if is_date { "%d/%m/%Y" } else { "%d/%m/%Y %H:%M:%S" };
    if StrftimeItems::new(format).any(|item| matches!(item, Item::Error)) {
        return Err(Unfit::new(format!("a strftime pattern such as `{example}`")));
    }
    // A moment that no two fields of a pattern could mix up, written and read back.
    let Some(local) = NaiveDate::from_ymd_opt(2021, 11, 23).and_then(|date| date.and_hms_opt(17, 45, 36)) else {
        return Ok(());
    };
    let text = local.and_utc().fixed_offset().format(format).to_string();
    let reads_date = NaiveDate::parse_from_str(&text, format) == Ok(local.date());
    let reads_time =
        NaiveDateTime::parse_from_str(&text, format).is_ok() || DateTime::parse_from_str(&text, format).is_ok();
    match (is_date, reads_date, reads_time) {
        (true, true, _) | (false, _, true) | (false, true, _) => Ok(()),
        (true, false, _) => Err(Unfit::new(format!("a pattern with year, month and day, such as `{example}`"))),
        (false, false, false) => {
            Err(Unfit::new(format!("a pattern with year, month, day and time, such as `{example}`")))
        }
    }
}

/// Parses the name of a type: `string`, `integer`, `double`, `boolean`, `date`, `timestamp`, `decimal(p,s)`, `money`.
pub(crate) fn parse_data_type(text: &str) -> Result<DataType, Unfit> {
    const NAMES: [&str; 7] = ["string", "integer", "double", "boolean", "date", "timestamp", "money"];
    let text = text.trim();
    match text {
        "string" => return Ok(DataType::String),
        "integer" => return Ok(DataType::Integer),
        "double" => return Ok(DataType::Double),
        "boolean" => return Ok(DataType::Boolean),
        "date" => return Ok(DataType::Date),
        "timestamp" => return Ok(DataType::Timestamp),
        "money" => return Ok(DataType::Decimal { precision: 18, scale: 2 }),
        _ => {}
    }
    if let Some(arguments) = text.strip_prefix("decimal") {
        return parse_decimal_type(arguments);
    }
    let unfit =
        Unfit::new("one of `string`, `integer`, `double`, `boolean`, `date`, `timestamp`, `decimal(p,s)`, `money`");
    let meant = match text.to_ascii_lowercase().as_str() {
        "text" | "varchar" | "char" | "str" | "utf8" => Some("string"),
        "int" | "bigint" | "long" | "smallint" | "int64" => Some("integer"),
        "float" | "real" | "float64" | "number" => Some("double"),
        "bool" => Some("boolean"),
        "datetime" | "timestamptz" | "ts" => Some("timestamp"),
        "numeric" => Some("decimal(18,2)"),
        lower => closest(lower, NAMES),
    };
    Err(match meant {
        Some(meant) => unfit.hint(format!("did you mean `{meant}`?")),
        None => unfit,
    })
}

fn parse_decimal_type(arguments: &str) -> Result<DataType, Unfit> {
    let numbers = arguments.trim().strip_prefix('(').and_then(|inner| inner.strip_suffix(')'));
    let unfit = || Unfit::new("`decimal(p,s)` with a precision from 1 to 38 and a scale from 0 to it");
    let Some((precision, scale)) = numbers.and_then(|numbers| numbers.split_once(',')) else {
        return Err(unfit().hint("write it as `\"decimal(18,2)\"`"));
    };
    match (precision.trim().parse::<u8>(), scale.trim().parse::<i8>()) {
        (Ok(precision @ 1..=38), Ok(scale)) if scale >= 0 && scale.unsigned_abs() <= precision => {
            Ok(DataType::Decimal { precision, scale })
        }
        _ => Err(unfit()),
    }
}
