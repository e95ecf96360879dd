//! The sources of a job.

use std::path::Path;

use super::schedule::parse_zone;
use super::{check_column, check_identifier};
use crate::config::document::Findings;
use crate::config::location::parse_pattern;
use crate::config::raw::{AnyText, RawColumn, RawCsvOptions, RawFormat, RawSource, Text};
use crate::config::text::{
    Unfit, Value, check_format, parse_bytes, parse_data_type, parse_max_rejected, parse_with_formats,
};
use crate::config::yaml::Placed;
use crate::config::{
    ColumnContract, Compression, CsvOptions, DataType, Delimiter, Format, Location, MaxRejected, Source, UnknownColumns,
};

/// Few single objects are as large; a bomb of a few megabytes that unpacks to this is read in half a minute.
const DEFAULT_MAX_OBJECT_BYTES: u64 = 20 << 30;
const LEAST_MAX_OBJECT_BYTES: u64 = 1 << 10;

pub(super) fn validate_source(
    findings: &mut Findings,
    name: &Text,
    raw: &Placed<RawSource>,
    raw_location: Option<&Location>,
    root: &Path,
) -> Source {
    check_identifier(findings, "the source", &name.value, name.place);
    let place = raw.place;
    let raw = &raw.value;
    let location = raw
        .location
        .as_ref()
        .and_then(|text| findings.parse("location", text, |text| parse_pattern(text, raw_location, root)));
    let format = format(findings, raw);
    if let (Some(compression), Format::Parquet) = (&raw.compression, &format)
        && compression.value != Compression::None
    {
        let message = "`compression` is for `csv` and `ndjson`; Parquet compresses its own pages";
        findings.report(compression.place, message, Some("remove it".to_owned()));
    }
    let columns: Vec<ColumnContract> =
        raw.columns.0.iter().map(|(name, column)| validate_column(findings, name, column)).collect();
    let unknown_columns = raw.unknown_columns.as_ref().map_or(UnknownColumns::Ignore, |policy| policy.value);
    if raw.columns.0.is_empty() && unknown_columns != UnknownColumns::Add {
        let message = format!("the source `{}` has no columns", name.value);
        let hint = "name its columns, or land all of them as text with `unknown_columns: add`";
        findings.report(place, message, Some(hint.to_owned()));
    }
    if let (Format::Csv(CsvOptions { header: false, .. }), Some(policy)) = (&format, &raw.unknown_columns)
        && policy.value == UnknownColumns::Add
    {
        let message = "`unknown_columns` is `add`, but without a header unknown columns have no name";
        findings.report(policy.place, message, None);
    }
    validate_keys(findings, raw, &columns);
    let max_rejected = raw.max_rejected.as_ref().and_then(|text| parse_any(findings, "max_rejected", text));
    let max_object_bytes =
        raw.max_object_bytes.as_ref().and_then(|text| findings.parse("max_object_bytes", text, parse_max_object_bytes));
    Source {
        name: name.value.clone(),
        location: location.unwrap_or_default(),
        format,
        compression: raw.compression.as_ref().map(|compression| compression.value),
        key: raw.key.iter().map(|column| column.value.clone()).collect(),
        event_time: raw.event_time.as_ref().map(|column| column.value.clone()),
        columns,
        unknown_columns,
        max_rejected: max_rejected.unwrap_or(MaxRejected::Share(0.01)),
        max_object_bytes: max_object_bytes.unwrap_or(DEFAULT_MAX_OBJECT_BYTES),
    }
}

fn parse_max_object_bytes(text: &str) -> Result<u64, Unfit> {
    let bytes = parse_bytes(text)?;
    if bytes < LEAST_MAX_OBJECT_BYTES { Err(Unfit::new("at least `1KiB`")) } else { Ok(bytes) }
}

fn parse_any(findings: &mut Findings, key: &str, text: &Placed<AnyText>) -> Option<MaxRejected> {
    match parse_max_rejected(&text.value.0) {
        Ok(limit) => Some(limit),
        Err(unfit) => {
            let message = format!("`{key}` is `{}`, expected {}", text.shown_text(), unfit.expected);
            findings.report(text.place, message, if text.is_secret() { None } else { unfit.hint });
            None
        }
    }
}

/// Checks that the key and the event time name columns of a fitting type.
fn validate_keys(findings: &mut Findings, raw: &RawSource, columns: &[ColumnContract]) {
    let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
    // The type of a column whose own type is wrong is not known.
    let type_of = |name: &str| {
        let (_, column) = raw.columns.0.iter().find(|(column, _)| column.value == name)?;
        parse_data_type(&column.value.data_type.as_ref()?.value).ok()
    };
    for (position, column) in raw.key.iter().enumerate() {
        if !check_column(findings, "key", column, &names) {
            continue;
        }
        if raw.key[..position].iter().any(|other| other.value == column.value) {
            findings.report(column.place, format!("`key` names `{}` twice", column.value), None);
        }
        if type_of(&column.value) == Some(DataType::Double) {
            let message =
                format!("`key` names `{}`, which is a double, expected a type without rounding", column.value);
            findings.report(column.place, message, Some("use `string`, `integer` or `decimal(p,s)`".to_owned()));
        }
    }
    if let Some(column) = &raw.event_time
        && check_column(findings, "event_time", column, &names)
        && let Some(data_type) = type_of(&column.value)
        && !matches!(data_type, DataType::Timestamp | DataType::Date)
    {
        let message = format!("`event_time` names `{}`, expected a timestamp or a date", column.value);
        findings.report(column.place, message, Some(format!("its type is `{data_type}`")));
    }
}

fn format(findings: &mut Findings, raw: &RawSource) -> Format {
    let format = raw.format.as_ref().map(|format| format.value);
    if let (Some(options), Some(RawFormat::Ndjson | RawFormat::Parquet)) = (&raw.csv, format) {
        let hint = "remove it, or set `format: csv`".to_owned();
        findings.report(options.place, "`csv` is for `format: csv` only", Some(hint));
    }
    match format {
        Some(RawFormat::Ndjson) => Format::NdJson,
        Some(RawFormat::Parquet) => Format::Parquet,
        Some(RawFormat::Csv) | None => {
            let options = raw.csv.as_ref().map(|options| csv_options(findings, &options.value));
            Format::Csv(options.unwrap_or(CsvOptions {
                delimiter: Delimiter::Byte(b','),
                header: true,
                quote: Some(b'"'),
            }))
        }
    }
}

fn csv_options(findings: &mut Findings, raw: &RawCsvOptions) -> CsvOptions {
    let delimiter = raw.delimiter.as_ref().and_then(|text| findings.parse("delimiter", text, parse_delimiter));
    let quote = raw.quote.as_ref().and_then(|text| findings.parse("quote", text, parse_quote));
    let delimiter = delimiter.unwrap_or(Delimiter::Byte(b','));
    let quote = quote.unwrap_or(match delimiter {
        Delimiter::Byte(_) => Some(b'"'),
        Delimiter::Whitespace => None,
    });
    if let (Delimiter::Byte(byte), Some(text)) = (delimiter, &raw.quote)
        && quote == Some(byte)
    {
        findings.report(text.place, "`quote` is the same character as `delimiter`", None);
    }
    CsvOptions { delimiter, header: raw.header.as_ref().is_none_or(|header| header.value), quote }
}

fn parse_delimiter(text: &str) -> Result<Delimiter, Unfit> {
    match text.as_bytes() {
        b"whitespace" => Ok(Delimiter::Whitespace),
        [byte] if byte.is_ascii() && !matches!(byte, b'\n' | b'\r' | b'"' | 0) => Ok(Delimiter::Byte(*byte)),
        _ => {
            let unfit = Unfit::new("one character such as `;`, or `whitespace`");
            Err(match text {
                "tab" | "\\t" => unfit.hint("write a tab as `\"\\t\"`"),
                "comma" => unfit.hint("write `\",\"`"),
                "semicolon" => unfit.hint("write `\";\"`"),
                _ => unfit,
            })
        }
    }
}

fn parse_quote(text: &str) -> Result<Option<u8>, Unfit> {
    match text.as_bytes() {
        b"none" => Ok(None),
        [byte] if byte.is_ascii_punctuation() => Ok(Some(*byte)),
        _ => Err(Unfit::new("one character such as `'\"'`, or `none`")),
    }
}

fn validate_column(findings: &mut Findings, name: &Text, raw: &Placed<RawColumn>) -> ColumnContract {
    check_identifier(findings, "the column", &name.value, name.place);
    let raw = &raw.value;
    let data_type = raw.data_type.as_ref().and_then(|text| findings.parse("type", text, parse_data_type));
    let formats: Vec<String> = raw.formats.iter().map(|format| format.value.clone()).collect();
    let timezone = raw.timezone.as_ref().and_then(|text| findings.parse("timezone", text, parse_zone));
    if let Some(data_type) = data_type {
        validate_time_options(findings, raw, data_type);
        for value in &raw.accepted_values {
            let text = &value.value.0;
            let is_null = raw.null_values.iter().any(|null| null.value.0 == *text);
            if !is_null && !parse_with_formats(text, data_type, &formats) {
                unfit_value(findings, "accepted_values", value, data_type);
            }
        }
        validate_range(findings, raw, data_type);
    }
    let any_text = |text: &Placed<AnyText>| text.value.0.clone();
    ColumnContract {
        name: name.value.clone(),
        from: raw.from.as_ref().map(any_text),
        data_type: data_type.unwrap_or(DataType::String),
        required: raw.required,
        pii: raw.pii,
        accepted_values: raw.accepted_values.iter().map(any_text).collect(),
        min: raw.min.as_ref().map(any_text),
        max: raw.max.as_ref().map(any_text),
        formats,
        timezone,
        null_values: raw.null_values.iter().map(any_text).collect(),
    }
}

fn validate_time_options(findings: &mut Findings, raw: &RawColumn, data_type: DataType) {
    let is_time = matches!(data_type, DataType::Timestamp | DataType::Date);
    for format in &raw.formats {
        if is_time {
            findings.parse("formats", format, |text| check_format(text, data_type));
        } else {
            let message = format!("`formats` are for dates and timestamps, but the type is `{data_type}`");
            findings.report(format.place, message, None);
        }
    }
    if let Some(timezone) = &raw.timezone
        && data_type != DataType::Timestamp
    {
        let message = format!("`timezone` is for timestamps, but the type is `{data_type}`");
        findings.report(timezone.place, message, None);
    }
}

/// Checks that `min` and `max` are values of the type, and in order.
fn validate_range(findings: &mut Findings, raw: &RawColumn, data_type: DataType) {
    let mut bound = |key: &str, text: &Option<Placed<AnyText>>| {
        let text = text.as_ref()?;
        if data_type == DataType::Boolean {
            findings.report(text.place, format!("`{key}` is for values in an order, but the type is `boolean`"), None);
            return None;
        }
        let value = Value::parse(&text.value.0, data_type);
        if value.is_none() {
            unfit_value(findings, key, text, data_type);
        }
        value
    };
    let (min, max) = (bound("min", &raw.min), bound("max", &raw.max));
    if let (Some(min), Some(max), Some(text)) = (min, max, &raw.max)
        && max.is_less_than(&min)
    {
        findings.report(text.place, "`max` is less than `min`: no value is accepted", None);
    }
}

fn unfit_value(findings: &mut Findings, key: &str, text: &Placed<AnyText>, data_type: DataType) {
    let message = format!("`{key}` holds `{}`, which is not a value of type `{data_type}`", text.shown_text());
    let hint = match data_type {
        DataType::Date => Some("write dates as `2026-01-31`".to_owned()),
        DataType::Timestamp => Some("write timestamps as `2026-01-31T09:30:00Z`".to_owned()),
        DataType::Decimal { scale, .. } => Some(format!("write digits with at most {scale} after the point")),
        _ => None,
    };
    findings.report(text.place, message, hint);
}
