//! The hash of a row's key: `_key`.

use std::sync::Arc;

use arrow::array::cast::AsArray;
use arrow::array::{Array, ArrayRef, Int64Array};
use arrow::datatypes::{DataType, Date32Type, Decimal128Type, Float64Type, Int64Type, TimestampMicrosecondType};
use arrow::error::ArrowError;
use twox_hash::XxHash64;

/// Stands for a null, so that `(null, a)` and `(a, null)` differ.
const NULL_SEED: u64 = 0x9e37_79b9_7f4a_7c15;

/// Hashes the key columns of a batch, row by row. Equal keys have equal hashes; unequal ones nearly always differ.
///
/// The hash is stored: changing it means landing everything again.
pub(crate) fn hash_keys(columns: &[ArrayRef]) -> Result<Int64Array, ArrowError> {
    let rows = columns.first().map_or(0, |column| column.len());
    let mut hashes = vec![0_u64; rows];
    for column in columns {
        match column.data_type() {
            DataType::Utf8 => {
                let strings = column.as_string::<i32>();
                fold(&mut hashes, column, |seed, row| XxHash64::oneshot(seed, strings.value(row).as_bytes()));
            }
            DataType::Int64 => {
                let values = column.as_primitive::<Int64Type>().values();
                fold(&mut hashes, column, |seed, row| mix(seed, values[row] as u64));
            }
            DataType::Date32 => {
                let values = column.as_primitive::<Date32Type>().values();
                fold(&mut hashes, column, |seed, row| mix(seed, values[row] as u64));
            }
            DataType::Timestamp(..) => {
                let values = column.as_primitive::<TimestampMicrosecondType>().values();
                fold(&mut hashes, column, |seed, row| mix(seed, values[row] as u64));
            }
            DataType::Float64 => {
                let values = column.as_primitive::<Float64Type>().values();
                // Both zeros are one key.
                fold(&mut hashes, column, |seed, row| mix(seed, (values[row] + 0.0).to_bits()));
            }
            DataType::Decimal128(..) => {
                let values = column.as_primitive::<Decimal128Type>().values();
                fold(&mut hashes, column, |seed, row| XxHash64::oneshot(seed, &values[row].to_le_bytes()));
            }
            DataType::Boolean => {
                let values = column.as_boolean();
                fold(&mut hashes, column, |seed, row| mix(seed, u64::from(values.value(row))));
            }
            other => return Err(ArrowError::NotYetImplemented(format!("a key of type {other}"))),
        }
    }
    Ok(hashes.into_iter().map(|hash| hash as i64).collect::<Vec<_>>().into())
}

fn fold(hashes: &mut [u64], column: &Arc<dyn Array>, hash: impl Fn(u64, usize) -> u64) {
    for (row, value) in hashes.iter_mut().enumerate() {
        *value = if column.is_null(row) { mix(*value, NULL_SEED) } else { hash(*value, row) };
    }
}

fn mix(seed: u64, value: u64) -> u64 {
    XxHash64::oneshot(seed, &value.to_le_bytes())
}
