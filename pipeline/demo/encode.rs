//! Rows as text: CSV and NDJSON, whole or broken.

use std::fmt::Write as _;

use super::breakage::Breakage;
use super::calendar::{DAY_SECONDS, push_clock};
use super::feeds::{Column, Kind};
use super::record::{Value, push_id};

/// Writes a value as its column writes it, without quotes; nothing for null.
pub(super) fn push_value(text: &mut String, value: &Value, kind: Kind) {
    // Writing to a String cannot fail.
    let _ = match value {
        Value::Null => Ok(()),
        Value::Word(word) => text.write_str(word),
        Value::Text(words) => text.write_str(words),
        Value::Id(prefix, number) => {
            push_id(text, *prefix, *number);
            Ok(())
        }
        Value::Integer(number) => write!(text, "{number}"),
        Value::Cents(cents) => {
            let sign = if *cents < 0 { "-" } else { "" };
            write!(text, "{sign}{}.{:02}", cents.unsigned_abs() / 100, cents.unsigned_abs() % 100)
        }
        Value::Double(number) => write!(text, "{number}"),
        Value::Flag(flag) => write!(text, "{flag}"),
        Value::Instant(seconds) | Value::Local(seconds) => {
            push_clock(text, *seconds, clock_pattern(kind));
            Ok(())
        }
        Value::Date(days) => {
            push_clock(text, i64::from(*days) * DAY_SECONDS, clock_pattern(kind));
            Ok(())
        }
    };
}

fn clock_pattern(kind: Kind) -> &'static str {
    match kind {
        Kind::LocalTime => "%Y-%m-%d %H:%M:%S",
        Kind::BritishTime => "%d/%m/%Y %H:%M:%S",
        Kind::BritishDate => "%d/%m/%Y",
        Kind::Date => "%Y-%m-%d",
        _ => "%Y-%m-%dT%H:%M:%SZ",
    }
}

/// Whether a column is in the objects of a day.
pub(super) fn is_sent(column: &Column, is_second_half: bool) -> bool {
    !column.comes_midway || is_second_half
}

pub(super) fn push_csv_header(text: &mut String, columns: &[Column], is_second_half: bool) {
    let mut separator = "";
    for column in columns.iter().filter(|column| is_sent(column, is_second_half)) {
        text.push_str(separator);
        text.push_str(column.name);
        separator = ",";
    }
    text.push('\n');
}

/// Writes one CSV record and its line break.
///
/// A cut record ends inside its second column, or later, before anything that needs quotes: it never runs on into the next line.
pub(super) fn push_csv_row(
    text: &mut String,
    columns: &[Column],
    values: &[Value],
    is_second_half: bool,
    breakage: Option<Breakage>,
) {
    let mut field = String::new();
    let mut separator = "";
    for (index, (column, value)) in columns.iter().zip(values).enumerate() {
        if !is_sent(column, is_second_half) {
            continue;
        }
        field.clear();
        push_value(&mut field, value, column.kind);
        if let Some(breakage) = breakage {
            breakage.spoil_field(&mut field, index);
        }
        let needs_quotes = field.contains([',', '"', '\n', '\r']);
        if let Some(Breakage::Cut { column: last }) = breakage
            && (index >= last || needs_quotes)
        {
            text.push_str(separator);
            let half = field.char_indices().nth(field.chars().count() / 2).map_or(0, |(at, _)| at);
            if !needs_quotes {
                text.push_str(&field[..half]);
            }
            break;
        }
        text.push_str(separator);
        separator = ",";
        if needs_quotes && breakage != Some(Breakage::ThousandsComma { column: index }) {
            text.push('"');
            text.push_str(&field.replace('"', "\"\""));
            text.push('"');
        } else {
            text.push_str(&field);
        }
    }
    text.push('\n');
}

/// Writes one JSON object and its line break. Of the optional columns, null is left out.
pub(super) fn push_json_row(
    text: &mut String,
    columns: &[Column],
    values: &[Value],
    is_second_half: bool,
    breakage: Option<Breakage>,
) {
    let start = text.len();
    let mut field = String::new();
    text.push('{');
    let mut separator = "";
    for (index, (column, value)) in columns.iter().zip(values).enumerate() {
        field.clear();
        push_value(&mut field, value, column.kind);
        let is_null = *value == Value::Null || breakage == Some(Breakage::MissingRequired { column: index });
        // A missing customer is sent as null, everything else that is missing not at all: both occur in real feeds.
        if !is_sent(column, is_second_half) || (is_null && column.name != "customer_no") {
            continue;
        }
        let is_bare =
            is_null || matches!(value, Value::Integer(_) | Value::Double(_) | Value::Cents(_) | Value::Flag(_));
        let before = field.len();
        if let Some(breakage) = breakage {
            breakage.spoil_field(&mut field, index);
        }
        let is_spoiled = field.len() != before;
        let _ = write!(text, "{separator}\"{}\":", column.name);
        separator = ",";
        match (is_null, is_bare && !is_spoiled) {
            (true, _) => text.push_str("null"),
            (false, true) => text.push_str(&field),
            (false, false) => push_json_string(text, &field),
        }
    }
    text.push('}');
    if let Some(Breakage::Cut { .. }) = breakage {
        let keep = start + (text.len() - start) * 2 / 3;
        let keep = (start..=keep).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(start);
        text.truncate(keep);
    }
    text.push('\n');
}

fn push_json_string(text: &mut String, words: &str) {
    text.push('"');
    for character in words.chars() {
        match character {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            _ => text.push(character),
        }
    }
    text.push('"');
}
