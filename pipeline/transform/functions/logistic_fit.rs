//! `logistic_fit(features, label)` and `logistic_fit(features, label, ridge)`: fits a logistic regression to all rows.
//!
//! `features` is a list of numbers, as long in every row; `label` is true or false. The ridge, which keeps every fit finite,
//! acts on features of standard deviation 1 (see [`models::logistic`](super::models::logistic)); it is 1 where it is not
//! given, and the same number in every row. Rows with a null, or with a number that is not finite, are ignored. Without rows
//! every field but the counts is null. If all labels are alike, the intercept is null (it runs to infinity), the
//! coefficients are 0, and the scores are the base rate.

use std::mem::size_of;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Float64Array, StructArray};
use datafusion::arrow::datatypes::{DataType, Field, Fields, Int64Type};
use datafusion::common::{Result, ScalarValue, exec_err, internal_err};
use datafusion::logical_expr::{Accumulator, AggregateUDF};

use super::aggregate::{SetFunction, list_of, one_list};
use super::arguments::{Accepts, doubles, flags, form, lists, number, shared, wrong_type};
use super::models::logistic::{DEFAULT_RIDGE, fit};

const NAME: &str = "logistic_fit";
/// Beyond it a number's square is no number any more.
const LARGEST_FEATURE: f64 = 1e100;

pub(super) fn function() -> AggregateUDF {
    let parameters = form(&[("features", Accepts::Numbers), ("label", Accepts::Flag)]);
    let with_ridge = [parameters.clone(), form(&[("ridge", Accepts::Number)])].concat();
    let state = vec![
        ("features", list_of(DataType::Float64)),
        ("labels", list_of(DataType::Boolean)),
        ("width", DataType::Int64),
        ("ridge", DataType::Float64),
        ("ignored", DataType::Int64),
    ];
    SetFunction::new(NAME, parameters, DataType::Struct(fit_fields()), state, || Box::<Rows>::default())
        .or(with_ridge)
        .build()
}

/// The rows of a fit, one after the other.
#[derive(Debug, Default)]
struct Rows {
    features: Vec<f64>,
    labels: Vec<bool>,
    /// Features per row, as of the first one.
    width: Option<usize>,
    ridge: Option<f64>,
    ignored: u64,
}

impl Rows {
    fn set_width(&mut self, width: usize) -> Result<()> {
        match self.width {
            Some(known) if known != width => {
                exec_err!("{NAME}: one row has {} features, another has {}", known.min(width), known.max(width))
            }
            _ => {
                self.width = Some(width);
                Ok(())
            }
        }
    }

    fn set_ridge(&mut self, ridge: f64) -> Result<()> {
        if !(ridge > 0.0 && ridge.is_finite()) {
            return exec_err!("{NAME}: the ridge is {ridge}, expected a number above 0");
        }
        match self.ridge {
            Some(known) if known != ridge => {
                exec_err!("{NAME}: the ridge is {} in one row and {} in another", known.min(ridge), known.max(ridge))
            }
            _ => {
                self.ridge = Some(ridge);
                Ok(())
            }
        }
    }
}

impl Accumulator for Rows {
    fn update_batch(&mut self, columns: &[ArrayRef]) -> Result<()> {
        let [features, labels, ridges @ ..] = columns else {
            return internal_err!("{} columns, expected 2 or 3", columns.len());
        };
        let (features, labels) = (lists(features)?, flags(labels)?);
        let ridges = ridges.first().map(doubles).transpose()?;
        for row in 0..labels.len() {
            let ridge = ridges.map(|ridges| number(ridges, row));
            if features.is_null(row) || labels.is_null(row) || ridge == Some(None) {
                self.ignored += 1;
                continue;
            }
            if let Some(ridge) = ridge.flatten() {
                self.set_ridge(ridge)?;
            }
            let list = features.value(row);
            let numbers = doubles(&list)?;
            self.set_width(numbers.len())?;
            let is_usable = |number: &f64| number.abs() <= LARGEST_FEATURE;
            if numbers.null_count() > 0 || !numbers.values().iter().all(is_usable) {
                self.ignored += 1;
                continue;
            }
            // Adding 0 turns -0 into 0.
            self.features.extend(numbers.values().iter().map(|number| number + 0.0));
            self.labels.push(labels.value(row));
        }
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let [features, labels, width, ridge, ignored] = states else {
            return internal_err!("a state of {} columns, expected 5", states.len());
        };
        let (features, labels, ridge) = (lists(features)?, lists(labels)?, doubles(ridge)?);
        let width = width.as_primitive_opt::<Int64Type>().ok_or_else(|| wrong_type("a width", width))?;
        let ignored = ignored.as_primitive_opt::<Int64Type>().ok_or_else(|| wrong_type("a count", ignored))?;
        for row in 0..ignored.len() {
            self.ignored += ignored.value(row) as u64;
            if let Some(ridge) = number(ridge, row) {
                self.set_ridge(ridge)?;
            }
            if width.is_valid(row) {
                self.set_width(width.value(row) as usize)?;
                self.features.extend_from_slice(doubles(&features.value(row))?.values());
                self.labels.extend(flags(&labels.value(row))?.values().iter());
            }
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        if i32::try_from(self.features.len().max(self.labels.len())).is_err() {
            return exec_err!("{NAME}: {} rows, more than a list holds", self.labels.len());
        }
        Ok(vec![
            one_list(shared(Float64Array::from(std::mem::take(&mut self.features)))),
            one_list(shared(BooleanArray::from(std::mem::take(&mut self.labels)))),
            ScalarValue::Int64(self.width.map(|width| width as i64)),
            ScalarValue::Float64(self.ridge),
            ScalarValue::Int64(Some(self.ignored as i64)),
        ])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let width = self.width.unwrap_or_default();
        let fit = fit(width, &self.features, &self.labels, self.ridge.unwrap_or(DEFAULT_RIDGE));
        let fit = fit.as_ref();
        let list = |numbers: Option<Vec<Option<f64>>>| match numbers {
            Some(numbers) => one_list(shared(Float64Array::from(numbers))),
            None => ScalarValue::new_null_list(DataType::Float64, true, 1),
        };
        let count = |number: u64| ScalarValue::Int64(Some(number as i64));
        let coefficients = fit.map(|fit| fit.coefficients.iter().copied().map(Some).collect());
        let values = [
            ScalarValue::Float64(fit.and_then(|fit| fit.intercept)),
            ScalarValue::Float64(fit.and_then(|fit| fit.intercept_standard_error)),
            list(coefficients),
            list(fit.map(|fit| fit.standard_errors.clone())),
            ScalarValue::Float64(fit.map(|fit| fit.base_rate())),
            ScalarValue::Float64(fit.map(|fit| fit.log_likelihood)),
            count(fit.map_or(0, |fit| fit.customers)),
            count(fit.map_or(0, |fit| fit.positives)),
            count(self.ignored),
            ScalarValue::Boolean(fit.map(|fit| fit.is_converged)),
            ScalarValue::Boolean(fit.map(|fit| fit.is_boundary)),
        ];
        let columns = values.iter().map(ScalarValue::to_array).collect::<Result<Vec<ArrayRef>>>()?;
        Ok(ScalarValue::Struct(Arc::new(StructArray::try_new(fit_fields(), columns, None)?)))
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.features.capacity() * size_of::<f64>() + self.labels.capacity()
    }
}

fn fit_fields() -> Fields {
    let field = |name: &str, data_type: DataType| Field::new(name, data_type, true);
    Fields::from(vec![
        field("intercept", DataType::Float64),
        field("intercept_standard_error", DataType::Float64),
        field("coefficients", list_of(DataType::Float64)),
        field("standard_errors", list_of(DataType::Float64)),
        field("base_rate", DataType::Float64),
        field("log_likelihood", DataType::Float64),
        field("customers", DataType::Int64),
        field("positives", DataType::Int64),
        field("ignored", DataType::Int64),
        field("is_converged", DataType::Boolean),
        field("is_boundary", DataType::Boolean),
    ])
}
