//! `quantile_cuts(value, parts)`: the `parts - 1` cut points that divide the values into classes of about equal size, linearly
//! interpolated, as a list of doubles; and `quantile_class(value, cuts)`: the class of a value, from 1.
//!
//! A value above a cut point belongs to the next class, so equal values stay together, and classes may be empty. Null values are
//! ignored; without a value the list is empty. `parts` is the same in all rows of a group. A null value has no class, nor has
//! any where there are no cut points at all. Source: [`models::quantiles`](super::models::quantiles).

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int64Array};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::logical_expr::{Accumulator, AggregateUDF, ScalarUDF};

use super::aggregate::{SetFunction, list_of, one_list};
use super::arguments::{Accepts, doubles, failure, form, number, shared, wrong_type};
use super::models::quantiles::{class, cuts};
use super::scalar::RowFunction;
use super::tally::Tally;

const CUTS: &str = "quantile_cuts";

pub(super) fn quantile_cuts() -> AggregateUDF {
    let parameters = form(&[("value", Accepts::Number), ("parts", Accepts::Number)]);
    let state = Tally::<2>::state_fields(["value", "parts"]);
    SetFunction::new(CUTS, parameters, list_of(DataType::Float64), state, || Box::<Values>::default()).build()
}

#[derive(Debug, Default)]
struct Values(Tally<2>);

impl Accumulator for Values {
    fn update_batch(&mut self, columns: &[ArrayRef]) -> Result<()> {
        self.0.update(columns, |_| true)
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.0.merge(states)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(self.0.state())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let Some(parts) = self.0.rows().map(|([_, parts], _)| parts).min_by(f64::total_cmp) else {
            return Ok(one_list(shared(Float64Array::from_iter_values([]))));
        };
        let most = self.0.rows().map(|([_, parts], _)| parts).fold(parts, f64::max);
        if most != parts {
            return exec_err!(
                "{CUTS}: the number of parts is {parts} and {most} in one group, expected the same in all rows"
            );
        }
        let values = self.0.rows().map(|([value, _], count)| (value, count));
        let cuts = cuts(values, parts).map_err(|error| failure(CUTS, &error))?;
        Ok(one_list(shared(Float64Array::from(cuts))))
    }

    fn size(&self) -> usize {
        // Sorting takes the distinct values once more.
        2 * self.0.size()
    }
}

pub(super) fn quantile_class() -> ScalarUDF {
    let forms = vec![form(&[("value", Accepts::Number), ("cuts", Accepts::Numbers)])];
    RowFunction::new("quantile_class", forms, |_| DataType::Int64, classes).build()
}

fn classes(columns: &[ArrayRef]) -> Result<ArrayRef> {
    let [values, cuts] = columns else {
        return datafusion::common::internal_err!("{} columns, expected 2", columns.len());
    };
    let values = doubles(values)?;
    let cuts = cuts.as_list_opt::<i32>().ok_or_else(|| wrong_type("a list", cuts))?;
    let mut classes = Vec::with_capacity(values.len());
    for row in 0..values.len() {
        let value = number(values, row).filter(|value| !value.is_nan() && cuts.is_valid(row));
        classes.push(match value {
            None => None,
            Some(value) => {
                let points = cuts.value(row);
                let points = doubles(&points)?;
                (!points.is_empty()).then(|| class(value, points.iter().flatten()) as i64)
            }
        });
    }
    Ok(shared(Int64Array::from(classes)))
}
