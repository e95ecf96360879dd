//! `gamma_gamma_expected_value(model, x, monetary)`: the expected value of a customer's purchases.
//!
//! `model` is either the three numbers `p, q, v` or what `gamma_gamma_fit` returned; on a boundary only the struct says
//! everything. Without a purchase (`x` = 0) or a positive `monetary` the result is the mean of the population, null if that
//! is infinite. A null `x` gives null.

use datafusion::arrow::array::{Array, ArrayRef, Float64Array};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::ScalarUDF;

use super::arguments::{Accepts, doubles, field_doubles, form, number, shared};
use super::models::gamma_gamma::{FlatParameters, expected_value};
use super::scalar::RowFunction;

const FIT_FIELDS: &[&str] = &["p", "q", "v", "mean_value"];

pub(super) fn function() -> ScalarUDF {
    let spent = form(&[("x", Accepts::Number), ("monetary", Accepts::Number)]);
    let numbers = form(&[("p", Accepts::Number), ("q", Accepts::Number), ("v", Accepts::Number)]);
    let forms = vec![[numbers, spent.clone()].concat(), [form(&[("fit", Accepts::Fit(FIT_FIELDS))]), spent].concat()];
    RowFunction::new("gamma_gamma_expected_value", forms, |_| DataType::Float64, compute).build()
}

fn compute(columns: &[ArrayRef]) -> Result<ArrayRef> {
    let (model, spent) = columns.split_at(columns.len() - 2);
    let model: Vec<Float64Array> = match model {
        [fit] => FIT_FIELDS.iter().map(|name| field_doubles(fit, name)).collect::<Result<_>>()?,
        numbers => numbers.iter().map(|column| doubles(column).cloned()).collect::<Result<_>>()?,
    };
    let spent: Vec<&Float64Array> = spent.iter().map(doubles).collect::<Result<_>>()?;
    let rows = columns.first().map_or(0, |column| column.len());
    let values = (0..rows).map(|row| {
        let at = |place: usize| model.get(place).and_then(|column| number(column, row));
        let flat = FlatParameters { p: at(0), q: at(1), v: at(2), mean_value: at(3) };
        expected_value(flat, number(spent[0], row)?, number(spent[1], row))
    });
    Ok(shared(values.collect::<Float64Array>()))
}
