//! Durations, sizes and shares.

use std::time::Duration;

use super::Unfit;
use crate::config::MaxRejected;

/// Parses `30s`, `10m`, `24h`, `7d`, `500ms`, or several together: `1h30m`.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, Unfit> {
    let unfit = || Unfit::new("a duration such as `30s`, `10m`, `24h` or `7d`");
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(unfit());
    }
    if rest.chars().all(|character| character.is_ascii_digit()) {
        return Err(unfit().hint(format!("add a unit: `{rest}s` is {rest} seconds")));
    }
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let (count, after) = split_number(rest).ok_or_else(unfit)?;
        let unit_length = after.chars().take_while(char::is_ascii_alphabetic).count();
        let (unit, after) = after.split_at(unit_length);
        let milliseconds: u64 = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(unfit()),
        };
        let part = count.checked_mul(milliseconds).map(Duration::from_millis);
        total = part.and_then(|part| total.checked_add(part)).ok_or_else(unfit)?;
        rest = after;
    }
    const LONGEST: Duration = Duration::from_secs(10 * 366 * 86_400);
    if total > LONGEST {
        return Err(Unfit::new("a duration of at most ten years"));
    }
    Ok(total)
}

/// Parses a number of bytes: `2GiB`, `512MiB`, `800MB`.
pub(crate) fn parse_bytes(text: &str) -> Result<u64, Unfit> {
    let unfit = || Unfit::new("a size such as `512MiB` or `2GiB`");
    let (whole, after) = split_number(text.trim()).ok_or_else(unfit)?;
    let (thousandths, unit) = match after.strip_prefix('.') {
        Some(after) => {
            let digits: String = after.chars().take_while(char::is_ascii_digit).collect();
            if digits.is_empty() || digits.len() > 3 {
                return Err(unfit());
            }
            (format!("{digits:0<3}").parse::<u64>().map_err(|_| unfit())?, &after[digits.len()..])
        }
        None => (0, after),
    };
    let factor: u64 = match unit.trim_start() {
        "B" => 1,
        "kB" | "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "TB" => 1_000_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        "" => return Err(unfit().hint(format!("add a unit: `{text}MiB`"))),
        _ => return Err(unfit()),
    };
    let bytes = u128::from(whole) * u128::from(factor) + u128::from(thousandths) * u128::from(factor) / 1_000;
    u64::try_from(bytes).map_err(|_| unfit())
}

/// Parses a share of rows (`1%`) or a number of them (`100`).
pub(crate) fn parse_max_rejected(text: &str) -> Result<MaxRejected, Unfit> {
    let unfit = || Unfit::new("a share from `0%` to `100%`, or a number of rows such as `100`");
    let text = text.trim();
    let Some(percent) = text.strip_suffix('%') else {
        return text.parse().map(MaxRejected::Rows).map_err(|_| match text.parse::<f64>() {
            Ok(share) if (0.0..=1.0).contains(&share) => {
                unfit().hint(format!("a share is written in per cent: `{}%`", share * 100.0))
            }
            _ => unfit(),
        });
    };
    let is_number = percent.chars().all(|character| character.is_ascii_digit() || character == '.');
    match percent.parse::<f64>() {
        Ok(percent) if is_number && percent <= 100.0 => Ok(MaxRejected::Share(percent / 100.0)),
        _ => Err(unfit()),
    }
}

fn split_number(text: &str) -> Option<(u64, &str)> {
    let digits = text.len() - text.trim_start_matches(|character: char| character.is_ascii_digit()).len();
    let (number, rest) = text.split_at(digits);
    Some((number.parse().ok()?, rest))
}
