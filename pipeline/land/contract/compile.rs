//! Turns a [`Source`] into the form that casts a million values a second.

use std::collections::{HashMap, HashSet};
use std::fmt::Write;

use arrow::datatypes as arrow_types;
use chrono::format::{Item, StrftimeItems};
use chrono_tz::Tz;

use super::{number, time};
use crate::config::{ColumnContract, CsvOptions, DataType, Delimiter, Format, Source, UnknownColumns};

/// Bumped when landing itself gives other rows for the same object and contract: everything is landed again.
const LANDING_VERSION: u32 = 1;

/// A contract that cannot be used, although each of its parts reads well.
#[derive(Debug, thiserror::Error, Clone, PartialEq, Eq)]
pub enum ContractError {
    #[error("source `{source_name}`: column `{column}` stands twice in the contract")]
    DuplicateColumn { source_name: String, column: String },
    #[error("source `{source_name}`: a column may not begin with an underscore: `{column}`")]
    ReservedName { source_name: String, column: String },
    #[error("source `{source_name}`: `{what}` names `{column}`, which is not a column of the contract")]
    UnknownColumn { source_name: String, what: &'static str, column: String },
    #[error("source `{source_name}`: event_time `{column}` is neither a date nor a timestamp")]
    EventTimeType { source_name: String, column: String },
    #[error("source `{source_name}`: {what} of `{column}` is not {type_phrase}: `{value}`")]
    Bound { source_name: String, column: String, what: &'static str, type_phrase: String, value: String },
    #[error("source `{source_name}`: `{pattern}` of column `{column}` is not a strftime pattern")]
    Pattern { source_name: String, column: String, pattern: String },
    #[error("source `{source_name}`: the delimiter and the quote must be different ASCII characters")]
    Delimiter { source_name: String },
    #[error("source `{source_name}`: decimal({precision},{scale}) of `{column}` is not possible")]
    Decimal { source_name: String, column: String, precision: u8, scale: i8 },
}

/// A lower or upper bound, typed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Bound {
    Integer(i64),
    Double(f64),
    Decimal(i128),
    /// Days since 1970.
    Date(i32),
    /// Microseconds since 1970, UTC.
    Timestamp(i64),
    Text(Vec<u8>),
}

/// One column of the contract, ready to cast.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    /// The landed column.
    pub name: String,
    /// The name in the raw objects.
    pub raw_name: String,
    pub data_type: DataType,
    /// A null rejects the row, for this reason.
    pub required: Option<&'static str>,
    pub pii: bool,
    pub accepted: HashSet<Vec<u8>>,
    pub min: Option<(Bound, String)>,
    pub max: Option<(Bound, String)>,
    pub formats: Vec<Vec<Item<'static>>>,
    /// Of values that carry no zone.
    pub zone: Tz,
    pub null_values: Vec<Vec<u8>>,
}

/// A source's contract, ready to cast.
#[derive(Debug, Clone)]
pub(crate) struct Contract {
    pub format: Format,
    pub columns: Vec<Column>,
    pub unknown: UnknownColumns,
    /// Positions in `columns`.
    pub key: Vec<usize>,
    /// Position in `columns`.
    pub event_time: Option<usize>,
    /// Of business days.
    pub timezone: Tz,
    /// Changes when the same objects would give other rows.
    pub fingerprint: String,
    /// Decompressed; what follows in an object is not read.
    pub max_object_bytes: u64,
    by_raw_name: HashMap<Vec<u8>, usize>,
}

impl Contract {
    /// Compiles a source's contract; `timezone` is the zone of business days.
    pub fn compile(source: &Source, timezone: Tz) -> Result<Self, ContractError> {
        let source_name = || source.name.clone();
        let mut seen = HashSet::new();
        let mut columns = Vec::with_capacity(source.columns.len());
        for raw in &source.columns {
            if raw.name.starts_with('_') {
                return Err(ContractError::ReservedName { source_name: source_name(), column: raw.name.clone() });
            }
            if !seen.insert(raw.name.as_str()) {
                return Err(ContractError::DuplicateColumn { source_name: source_name(), column: raw.name.clone() });
            }
            columns.push(compile_column(source, raw)?);
        }
        let position = |what: &'static str, name: &String| {
            columns
                .iter()
                .position(|column: &Column| column.name == *name)
                .ok_or_else(|| ContractError::UnknownColumn { source_name: source_name(), what, column: name.clone() })
        };
        let key = source.key.iter().map(|name| position("key", name)).collect::<Result<Vec<_>, _>>()?;
        let event_time = source.event_time.as_ref().map(|name| position("event_time", name)).transpose()?;
        for &index in &key {
            columns[index].required.get_or_insert("is part of the key");
        }
        if let Some(index) = event_time {
            if !matches!(columns[index].data_type, DataType::Date | DataType::Timestamp) {
                let column = columns[index].name.clone();
                return Err(ContractError::EventTimeType { source_name: source_name(), column });
            }
            columns[index].required.get_or_insert("is the time of the event");
        }
        if let Format::Csv(options) = &source.format {
            check_csv(source, options)?;
        }
        let mut by_raw_name = HashMap::new();
        for (index, column) in columns.iter().enumerate() {
            if by_raw_name.insert(column.raw_name.clone().into_bytes(), index).is_some() {
                let column = column.raw_name.clone();
                return Err(ContractError::DuplicateColumn { source_name: source_name(), column });
            }
        }
        Ok(Self {
            format: source.format.clone(),
            fingerprint: fingerprint(source, timezone),
            max_object_bytes: source.max_object_bytes,
            columns,
            unknown: source.unknown_columns,
            key,
            event_time,
            timezone,
            by_raw_name,
        })
    }

    /// What a landed object keeps of the contract that read it; an object that was cut off is read again under another limit.
    pub fn mark(&self, is_cut: bool) -> String {
        if is_cut { format!("{} cut at {}", self.fingerprint, self.max_object_bytes) } else { self.fingerprint.clone() }
    }

    /// Whether an object with this mark would be read alike now.
    pub fn reads_alike(&self, mark: &str) -> bool {
        mark == self.fingerprint || mark == self.mark(true)
    }

    /// Whether rows with this mark are rows of this contract.
    pub fn is_of(&self, mark: &str) -> bool {
        mark.split(' ').next() == Some(&self.fingerprint)
    }

    pub fn has_pii(&self) -> bool {
        self.columns.iter().any(|column| column.pii)
    }

    /// The position of the column that raw objects call `name`.
    pub fn by_raw_name(&self, name: &[u8]) -> Option<usize> {
        self.by_raw_name.get(name).copied()
    }
}

fn check_csv(source: &Source, options: &CsvOptions) -> Result<(), ContractError> {
    let is_plain = |byte: u8| byte.is_ascii() && byte != b'\n' && byte != b'\r';
    let good = match (options.delimiter, options.quote) {
        (Delimiter::Byte(delimiter), quote) => {
            is_plain(delimiter) && quote.is_none_or(|quote| is_plain(quote) && quote != delimiter)
        }
        (Delimiter::Whitespace, quote) => quote.is_none_or(|quote| is_plain(quote) && quote != b' ' && quote != b'\t'),
    };
    if good { Ok(()) } else { Err(ContractError::Delimiter { source_name: source.name.clone() }) }
}

fn compile_column(source: &Source, raw: &ColumnContract) -> Result<Column, ContractError> {
    if let DataType::Decimal { precision, scale } = raw.data_type
        && (precision == 0 || precision > 38 || scale < 0 || scale as u8 > precision)
    {
        let (source_name, column) = (source.name.clone(), raw.name.clone());
        return Err(ContractError::Decimal { source_name, column, precision, scale });
    }
    let formats = raw
        .formats
        .iter()
        .map(|pattern| {
            StrftimeItems::new(pattern).parse_to_owned().map_err(|_| ContractError::Pattern {
                source_name: source.name.clone(),
                column: raw.name.clone(),
                pattern: pattern.clone(),
            })
        })
        .collect::<Result<Vec<_>, _>>()?;
    let mut column = Column {
        name: raw.name.clone(),
        raw_name: raw.from.clone().unwrap_or_else(|| raw.name.clone()),
        data_type: raw.data_type,
        required: raw.required.then_some("is required"),
        pii: raw.pii,
        accepted: raw.accepted_values.iter().map(|value| value.clone().into_bytes()).collect(),
        min: None,
        max: None,
        formats,
        zone: raw.timezone.unwrap_or(Tz::UTC),
        null_values: raw.null_values.iter().map(|value| value.clone().into_bytes()).collect(),
    };
    let bound = |what: &'static str, text: &Option<String>| match text {
        None => Ok(None),
        Some(text) => match parse_bound(&column, text) {
            Some(bound) => Ok(Some((bound, text.clone()))),
            None => Err(ContractError::Bound {
                source_name: source.name.clone(),
                column: raw.name.clone(),
                what,
                type_phrase: type_phrase(raw.data_type),
                value: text.clone(),
            }),
        },
    };
    let (min, max) = (bound("min", &raw.min)?, bound("max", &raw.max)?);
    (column.min, column.max) = (min, max);
    Ok(column)
}

fn parse_bound(column: &Column, text: &str) -> Option<Bound> {
    let bytes = text.trim().as_bytes();
    match column.data_type {
        DataType::String => Some(Bound::Text(text.as_bytes().to_vec())),
        DataType::Integer => number::integer(bytes).map(Bound::Integer),
        DataType::Double => number::double(bytes).map(Bound::Double),
        DataType::Decimal { precision, scale } => number::decimal(bytes, precision, scale as u8).map(Bound::Decimal),
        DataType::Boolean => None,
        DataType::Date => time::date(&column.formats, bytes).or_else(|| time::date(&[], bytes)).map(Bound::Date),
        DataType::Timestamp => {
            let mut zone = time::ZoneCache::new(column.zone);
            time::timestamp(&column.formats, bytes, &mut zone)
                .or_else(|| time::timestamp(&[], bytes, &mut zone))
                .map(Bound::Timestamp)
        }
    }
}

/// A type with its article, for sentences such as "is not a decimal(12,3)".
pub(crate) fn type_phrase(data_type: DataType) -> String {
    match data_type {
        DataType::String => "a string".to_owned(),
        DataType::Integer => "an integer".to_owned(),
        DataType::Double => "a double".to_owned(),
        DataType::Decimal { precision, scale } => format!("a decimal({precision},{scale})"),
        DataType::Boolean => "a boolean".to_owned(),
        DataType::Date => "a date".to_owned(),
        DataType::Timestamp => "a timestamp".to_owned(),
    }
}

/// The Arrow type in which a contract's type is landed.
pub(crate) fn arrow_type(data_type: DataType) -> arrow_types::DataType {
    match data_type {
        DataType::String => arrow_types::DataType::Utf8,
        DataType::Integer => arrow_types::DataType::Int64,
        DataType::Double => arrow_types::DataType::Float64,
        DataType::Decimal { precision, scale } => arrow_types::DataType::Decimal128(precision, scale),
        DataType::Boolean => arrow_types::DataType::Boolean,
        DataType::Date => arrow_types::DataType::Date32,
        DataType::Timestamp => arrow_types::DataType::Timestamp(arrow_types::TimeUnit::Microsecond, Some("UTC".into())),
    }
}

/// A hash of everything that decides which rows an object gives; masking and `max_rejected` do not.
fn fingerprint(source: &Source, timezone: Tz) -> String {
    let mut text =
        format!("{LANDING_VERSION};{:?};{:?};{:?}", source.format, source.compression, source.unknown_columns);
    let _ = write!(text, ";{:?};{:?}", source.key, source.event_time);
    if source.event_time.is_some() {
        let _ = write!(text, ";{}", timezone.name());
    }
    for column in &source.columns {
        let ColumnContract { name, from, data_type, required, pii: _, accepted_values, min, max, .. } = column;
        let _ = write!(text, ";{name:?},{from:?},{data_type:?},{required},{accepted_values:?},{min:?},{max:?}");
        let zone = column.timezone.map(|zone| zone.name());
        let _ = write!(text, ",{:?},{zone:?},{:?}", column.formats, column.null_values);
    }
    format!("{:016x}", twox_hash::XxHash64::oneshot(0, text.as_bytes()))
}
