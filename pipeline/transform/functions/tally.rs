//! Counts equal rows of numbers: the state of the fits, whose result then cannot depend on how rows were spread.

use std::mem::size_of;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int64Array};
use datafusion::arrow::datatypes::{DataType, Int64Type};
use datafusion::common::{HashMap, Result, ScalarValue};

use super::aggregate::{list_of, one_list};
use super::arguments::{doubles, number, shared, wrong_type};

/// How often each row of `N` numbers came.
#[derive(Debug)]
pub(super) struct Tally<const N: usize> {
    /// By the bits of the numbers, with one zero only.
    counts: HashMap<[u64; N], u64>,
    /// Rows that take no part.
    ignored: u64,
}

impl<const N: usize> Default for Tally<N> {
    fn default() -> Self {
        Self { counts: HashMap::default(), ignored: 0 }
    }
}

impl<const N: usize> Tally<N> {
    /// Names and types of the state, the numbers' columns first.
    pub fn state_fields(names: [&'static str; N]) -> Vec<(&'static str, DataType)> {
        let mut fields: Vec<_> = names.into_iter().map(|name| (name, list_of(DataType::Float64))).collect();
        fields.push(("counts", list_of(DataType::Int64)));
        fields.push(("ignored", DataType::Int64));
        fields
    }

    /// Counts rows; those with a null, or refused by `takes`, are ignored.
    pub fn update(&mut self, columns: &[ArrayRef], takes: impl Fn(&[f64; N]) -> bool) -> Result<()> {
        let columns: Vec<&Float64Array> = columns.iter().map(doubles).collect::<Result<_>>()?;
        let rows = columns.first().map_or(0, |column| column.len());
        for row in 0..rows {
            let mut numbers = [0.0; N];
            let mut is_known = true;
            for (slot, column) in numbers.iter_mut().zip(&columns) {
                match number(column, row) {
                    // Adding 0 turns -0 into 0.
                    Some(known) => *slot = known + 0.0,
                    None => is_known = false,
                }
            }
            if is_known && takes(&numbers) {
                *self.counts.entry(numbers.map(f64::to_bits)).or_default() += 1;
            } else {
                self.ignored += 1;
            }
        }
        Ok(())
    }

    /// Adds what others counted.
    pub fn merge(&mut self, states: &[ArrayRef]) -> Result<()> {
        let (Some(counts), Some(ignored)) = (states.get(N), states.get(N + 1)) else {
            return datafusion::common::internal_err!("a state of {} columns, expected {}", states.len(), N + 2);
        };
        let ignored_rows = ignored.as_primitive_opt::<Int64Type>().ok_or_else(|| wrong_type("a count", ignored))?;
        let list = |column: &ArrayRef, row: usize| {
            let lists = column.as_list_opt::<i32>().ok_or_else(|| wrong_type("a list", column))?;
            Ok::<ArrayRef, datafusion::common::DataFusionError>(lists.value(row))
        };
        for row in 0..ignored_rows.len() {
            self.ignored += ignored_rows.value(row) as u64;
            let columns: Vec<ArrayRef> = states[..N].iter().map(|column| list(column, row)).collect::<Result<_>>()?;
            let columns: Vec<&Float64Array> = columns.iter().map(doubles).collect::<Result<_>>()?;
            let counts = list(counts, row)?;
            let counts = counts.as_primitive_opt::<Int64Type>().ok_or_else(|| wrong_type("counts", &counts))?;
            for (entry, count) in counts.values().iter().enumerate() {
                let key: [u64; N] = std::array::from_fn(|slot| columns[slot].value(entry).to_bits());
                *self.counts.entry(key).or_default() += *count as u64;
            }
        }
        Ok(())
    }

    /// Returns what `merge` takes.
    pub fn state(&self) -> Vec<ScalarValue> {
        let mut values: Vec<ScalarValue> = (0..N)
            .map(|slot| {
                let column = self.counts.keys().map(|key| f64::from_bits(key[slot]));
                one_list(shared(Float64Array::from_iter_values(column)))
            })
            .collect();
        values.push(one_list(shared(Int64Array::from_iter_values(self.counts.values().map(|count| *count as i64)))));
        values.push(ScalarValue::Int64(Some(self.ignored as i64)));
        values
    }

    /// Returns the distinct rows with their counts, in no particular order.
    pub fn rows(&self) -> impl Iterator<Item = ([f64; N], u64)> + '_ {
        self.counts.iter().map(|(key, count)| (key.map(f64::from_bits), *count))
    }

    /// The rows that took no part.
    pub fn ignored(&self) -> u64 {
        self.ignored
    }

    /// The memory in use, in bytes.
    pub fn size(&self) -> usize {
        size_of::<Self>() + self.counts.capacity() * (size_of::<([u64; N], u64)>() + 1)
    }
}
