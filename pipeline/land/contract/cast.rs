//! Casts one column of a chunk as a whole; rows that fail are noted, and hold null in the result.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, ArrowPrimitiveType, BooleanBuilder, Decimal128Array, NullBufferBuilder, PrimitiveArray, StringArray,
};
use arrow::buffer::{Buffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{Date32Type, Decimal128Type, Float64Type, Int64Type, TimestampMicrosecondType};
use arrow::error::ArrowError;

use super::compile::{Bound, type_phrase};
use super::time::ZoneCache;
use super::{CellKind, CellSource, Column, Refusals, number, time};
use crate::config::DataType;

/// Casts a column; refused rows get a null and an entry in `refusals`.
///
/// An error means that Arrow could not hold the column at all (more than 2 GiB of text in one chunk).
pub(crate) fn cast_column(
    column: &Column,
    cells: &impl CellSource,
    refusals: &mut Refusals,
) -> Result<ArrayRef, ArrowError> {
    match column.data_type {
        DataType::String => strings(column, cells, refusals),
        DataType::Integer => {
            let (min, max) = (integer_bound(&column.min), integer_bound(&column.max));
            let array = primitives::<Int64Type>(column, cells, refusals, number::integer, min, max);
            Ok(Arc::new(array))
        }
        DataType::Double => {
            let (min, max) = (double_bound(&column.min), double_bound(&column.max));
            let array = primitives::<Float64Type>(column, cells, refusals, number::double, min, max);
            Ok(Arc::new(array))
        }
        DataType::Decimal { precision, scale } => {
            let (min, max) = (decimal_bound(&column.min), decimal_bound(&column.max));
            let parse = |text: &[u8]| number::decimal(text, precision, scale.unsigned_abs());
            let array: Decimal128Array = primitives::<Decimal128Type>(column, cells, refusals, parse, min, max);
            Ok(Arc::new(array.with_precision_and_scale(precision, scale)?))
        }
        DataType::Boolean => Ok(booleans(column, cells, refusals)),
        DataType::Date => {
            let (min, max) = (date_bound(&column.min), date_bound(&column.max));
            let parse = remembered(|text: &[u8]| time::date(&column.formats, text));
            Ok(Arc::new(primitives::<Date32Type>(column, cells, refusals, parse, min, max)))
        }
        DataType::Timestamp => {
            let (min, max) = (timestamp_bound(&column.min), timestamp_bound(&column.max));
            let mut zone = ZoneCache::new(column.zone);
            let parse = |text: &[u8]| time::timestamp(&column.formats, text, &mut zone);
            let array = if column.formats.is_empty() {
                primitives::<TimestampMicrosecondType>(column, cells, refusals, parse, min, max)
            } else {
                primitives::<TimestampMicrosecondType>(column, cells, refusals, remembered(parse), min, max)
            };
            Ok(Arc::new(array.with_timezone("UTC")))
        }
    }
}

/// The text to cast, or `None` for a null and for a row that is refused already here.
fn text<'a>(column: &Column, cells: &'a impl CellSource, row: usize, refusals: &mut Refusals) -> Option<&'a [u8]> {
    let (kind, bytes) = cells.value(row);
    let value = match kind {
        CellKind::Missing => None,
        CellKind::Nested => {
            refusals.value(row, column, || {
                format!("`{}` is not {}: it is nested", column.name, type_phrase(column.data_type))
            });
            return None;
        }
        CellKind::Text | CellKind::Unescaped | CellKind::Bare if column.data_type == DataType::String => Some(bytes),
        CellKind::Text | CellKind::Unescaped | CellKind::Bare => {
            let trimmed = bytes.trim_ascii();
            (bytes.is_empty() || !trimmed.is_empty()).then_some(trimmed)
        }
    };
    let value = value.filter(|value| !column.null_values.iter().any(|null| null == value));
    match value {
        None => {
            if let Some(why) = column.required {
                refusals.value(row, column, || format!("`{}` {why} and is missing", column.name));
            }
            None
        }
        Some(value) if !column.accepted.is_empty() && !column.accepted.contains(value) => {
            refusals.value(row, column, || {
                format!("`{}` is not one of the accepted values: {}", column.name, column.shown(value))
            });
            None
        }
        Some(value) => Some(value),
    }
}

fn refuse_type(column: &Column, row: usize, value: &[u8], refusals: &mut Refusals) {
    refusals.value(row, column, || {
        format!("`{}` is not {}: {}", column.name, type_phrase(column.data_type), column.shown(value))
    });
}

/// Refuses a value out of its bounds; tells whether it is within them.
fn check_bounds<T: PartialOrd + ?Sized>(
    column: &Column,
    row: usize,
    (text, value): (&[u8], &T),
    (min, max): (Option<&T>, Option<&T>),
    refusals: &mut Refusals,
) -> bool {
    let (bound, words) = if min.is_some_and(|min| value < min) {
        (&column.min, "below the minimum")
    } else if max.is_some_and(|max| value > max) {
        (&column.max, "above the maximum")
    } else {
        return true;
    };
    let limit = bound.as_ref().map_or("", |(_, text)| text.as_str());
    refusals.value(row, column, || format!("`{}` is {words} {limit}: {}", column.name, column.shown(text)));
    false
}

fn primitives<T: ArrowPrimitiveType>(
    column: &Column,
    cells: &impl CellSource,
    refusals: &mut Refusals,
    mut parse: impl FnMut(&[u8]) -> Option<T::Native>,
    min: Option<T::Native>,
    max: Option<T::Native>,
) -> PrimitiveArray<T>
where
    T::Native: PartialOrd + Default,
{
    let rows = cells.rows();
    let mut values = Vec::with_capacity(rows);
    let mut nulls = NullBufferBuilder::new(rows);
    for row in 0..rows {
        let value = text(column, cells, row, refusals).and_then(|text| match parse(text) {
            Some(value) => {
                check_bounds(column, row, (text, &value), (min.as_ref(), max.as_ref()), refusals).then_some(value)
            }
            None => {
                refuse_type(column, row, text, refusals);
                None
            }
        });
        nulls.append(value.is_some());
        values.push(value.unwrap_or_default());
    }
    PrimitiveArray::new(ScalarBuffer::from(values), nulls.finish())
}

fn booleans(column: &Column, cells: &impl CellSource, refusals: &mut Refusals) -> ArrayRef {
    let mut builder = BooleanBuilder::with_capacity(cells.rows());
    for row in 0..cells.rows() {
        builder.append_option(text(column, cells, row, refusals).and_then(|text| {
            let value = number::boolean(text);
            if value.is_none() {
                refuse_type(column, row, text, refusals);
            }
            value
        }));
    }
    Arc::new(builder.finish())
}

fn strings(column: &Column, cells: &impl CellSource, refusals: &mut Refusals) -> Result<ArrayRef, ArrowError> {
    let rows = cells.rows();
    let (min, max) = (text_bound(&column.min), text_bound(&column.max));
    let mut bytes: Vec<u8> = Vec::with_capacity(rows * 8);
    let mut offsets: Vec<i32> = Vec::with_capacity(rows + 1);
    let mut nulls = NullBufferBuilder::new(rows);
    offsets.push(0);
    for row in 0..rows {
        let value = text(column, cells, row, refusals)
            .filter(|value| check_bounds(column, row, (value, *value), (min, max), refusals))
            // Text that is not UTF-8 belongs to a record that is refused as a whole.
            .filter(|_| !refusals.is_refused(row));
        nulls.append(value.is_some());
        bytes.extend_from_slice(value.unwrap_or_default());
        let end = i32::try_from(bytes.len()).map_err(|_| ArrowError::OffsetOverflowError(bytes.len()))?;
        offsets.push(end);
    }
    let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
    Ok(Arc::new(StringArray::try_new(offsets, Buffer::from_vec(bytes), nulls.finish())?))
}

/// Keeps the last text and its result: days and hours repeat from line to line, and patterns are slow to parse.
fn remembered<T: Copy>(mut parse: impl FnMut(&[u8]) -> Option<T>) -> impl FnMut(&[u8]) -> Option<T> {
    let mut last: Option<(Vec<u8>, Option<T>)> = None;
    move |text| match &mut last {
        Some((known, value)) if known == text => *value,
        Some((known, value)) => {
            known.clear();
            known.extend_from_slice(text);
            *value = parse(text);
            *value
        }
        None => {
            let value = parse(text);
            last = Some((text.to_vec(), value));
            value
        }
    }
}

type ColumnBound = Option<(Bound, String)>;

pub(super) fn integer_bound(bound: &ColumnBound) -> Option<i64> {
    match bound {
        Some((Bound::Integer(value), _)) => Some(*value),
        _ => None,
    }
}

pub(super) fn double_bound(bound: &ColumnBound) -> Option<f64> {
    match bound {
        Some((Bound::Double(value), _)) => Some(*value),
        _ => None,
    }
}

pub(super) fn decimal_bound(bound: &ColumnBound) -> Option<i128> {
    match bound {
        Some((Bound::Decimal(value), _)) => Some(*value),
        _ => None,
    }
}

pub(super) fn date_bound(bound: &ColumnBound) -> Option<i32> {
    match bound {
        Some((Bound::Date(value), _)) => Some(*value),
        _ => None,
    }
}

pub(super) fn timestamp_bound(bound: &ColumnBound) -> Option<i64> {
    match bound {
        Some((Bound::Timestamp(value), _)) => Some(*value),
        _ => None,
    }
}

fn text_bound(bound: &ColumnBound) -> Option<&[u8]> {
    match bound {
        Some((Bound::Text(value), _)) => Some(value),
        _ => None,
    }
}
