//! Casts columns that already have a type: Parquet's.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, PrimitiveArray};
use arrow::compute::cast;
use arrow::datatypes::{
    ArrowPrimitiveType, DataType as ArrowType, Date32Type, Decimal128Type, Float64Type, Int64Type, TimeUnit,
    TimestampMicrosecondType,
};
use arrow::error::ArrowError;

use super::cast::{date_bound, decimal_bound, double_bound, integer_bound, timestamp_bound};
use super::compile::{arrow_type, type_phrase};
use super::time::{ZoneCache, in_range};
use super::{Column, Refusals};
use crate::config::DataType;

/// Casts an array whose type holds the contract's without loss; `None`: its values go the way of text.
pub(crate) fn cast_array(
    column: &Column,
    array: &ArrayRef,
    refusals: &mut Refusals,
) -> Result<Option<ArrayRef>, ArrowError> {
    if !column.accepted.is_empty() || !column.null_values.is_empty() {
        return Ok(None);
    }
    let target = arrow_type(column.data_type);
    Ok(match (column.data_type, array.data_type()) {
        (DataType::Integer, from) if from.is_integer() => {
            let bounds = (integer_bound(&column.min), integer_bound(&column.max));
            Some(checked::<Int64Type>(column, array, cast(array, &target)?, bounds, refusals, Some))
        }
        (DataType::Double, ArrowType::Float64) => {
            let bounds = (double_bound(&column.min), double_bound(&column.max));
            let finite = |value: f64| value.is_finite().then_some(value);
            Some(checked::<Float64Type>(column, array, array.clone(), bounds, refusals, finite))
        }
        (DataType::Decimal { .. }, from) if *from == target => {
            let bounds = (decimal_bound(&column.min), decimal_bound(&column.max));
            Some(checked::<Decimal128Type>(column, array, array.clone(), bounds, refusals, Some))
        }
        (DataType::Date, ArrowType::Date32) => {
            let bounds = (date_bound(&column.min), date_bound(&column.max));
            let good = |days: i32| in_range(i64::from(days) * 86_400_000_000).map(|_| days);
            Some(checked::<Date32Type>(column, array, array.clone(), bounds, refusals, good))
        }
        (DataType::Timestamp, ArrowType::Timestamp(_, zone)) => {
            let bounds = (timestamp_bound(&column.min), timestamp_bound(&column.max));
            let micros = cast(array, &ArrowType::Timestamp(TimeUnit::Microsecond, zone.clone()))?;
            let plain = micros.as_primitive::<TimestampMicrosecondType>().clone().with_timezone_opt(None::<Arc<str>>);
            let plain: ArrayRef = Arc::new(plain);
            let result = match zone {
                Some(_) => checked::<TimestampMicrosecondType>(column, array, plain, bounds, refusals, in_range),
                None => {
                    let mut zone = ZoneCache::new(column.zone);
                    checked::<TimestampMicrosecondType>(column, array, plain, bounds, refusals, |local| {
                        zone.utc_of(local)
                    })
                }
            };
            Some(cast(&result, &target)?)
        }
        (DataType::Boolean, ArrowType::Boolean) => {
            for row in (0..array.len()).filter(|row| array.is_null(*row)) {
                refuse_missing(column, row, refusals);
            }
            Some(array.clone())
        }
        _ => None,
    })
}

fn refuse_missing(column: &Column, row: usize, refusals: &mut Refusals) {
    if let Some(why) = column.required {
        refusals.value(row, column, || format!("`{}` {why} and is missing", column.name));
    }
}

/// Checks each value of a cast array against the original: missing, not representable, or out of bounds.
fn checked<T: ArrowPrimitiveType>(
    column: &Column,
    original: &ArrayRef,
    cast: ArrayRef,
    (min, max): (Option<T::Native>, Option<T::Native>),
    refusals: &mut Refusals,
    mut convert: impl FnMut(T::Native) -> Option<T::Native>,
) -> ArrayRef
where
    T::Native: PartialOrd + std::fmt::Display,
{
    let values = cast.as_primitive::<T>();
    let mut result = Vec::with_capacity(values.len());
    for row in 0..values.len() {
        if original.is_null(row) {
            refuse_missing(column, row, refusals);
            result.push(None);
            continue;
        }
        let value = if values.is_valid(row) { convert(values.value(row)) } else { None };
        match value {
            None => refusals.value(row, column, || {
                let shown = column.shown(display(original, row).as_bytes());
                format!("`{}` is not {}: {shown}", column.name, type_phrase(column.data_type))
            }),
            Some(value) => {
                let broken = match (&column.min, &column.max) {
                    (Some((_, limit)), _) if min.is_some_and(|min| value < min) => Some(("below the minimum", limit)),
                    (_, Some((_, limit))) if max.is_some_and(|max| value > max) => Some(("above the maximum", limit)),
                    _ => None,
                };
                if let Some((words, limit)) = broken {
                    refusals.value(row, column, || {
                        let shown = column.shown(display(original, row).as_bytes());
                        format!("`{}` is {words} {limit}: {shown}", column.name)
                    });
                }
            }
        }
        result.push(value);
    }
    let array = PrimitiveArray::<T>::from_iter(result);
    Arc::new(array.with_data_type(cast.data_type().clone()))
}

fn display(array: &ArrayRef, row: usize) -> String {
    arrow::util::display::array_value_to_string(array, row).unwrap_or_default()
}
