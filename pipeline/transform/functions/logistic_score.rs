//! `logistic_score(model, features)`: the probability that a logistic regression gives to features.
//!
//! `model` is what `logistic_fit` returned, or a struct with its intercept, coefficients and base_rate. A score is strictly
//! between 0 and 1; where the intercept is null, because all labels were alike, it is the base rate. It is null where a
//! feature is, and where there is no model.

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Float64Array};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, exec_datafusion_err, exec_err};
use datafusion::logical_expr::ScalarUDF;

use super::aggregate::list_of;
use super::arguments::{Accepts, doubles, field_doubles, form, lists, number, shared, wrong_type};
use super::models::logistic::score;
use super::scalar::RowFunction;

const NAME: &str = "logistic_score";
const FIT_FIELDS: &[&str] = &["intercept", "coefficients", "base_rate"];

pub(super) fn function() -> ScalarUDF {
    let parameters = form(&[("model", Accepts::Fit(FIT_FIELDS)), ("features", Accepts::Numbers)]);
    RowFunction::new(NAME, vec![parameters], |_| DataType::Float64, compute).build()
}

fn compute(columns: &[ArrayRef]) -> Result<ArrayRef> {
    let [models, features] = columns else {
        return exec_err!("{NAME}: {} columns, expected 2", columns.len());
    };
    let (intercepts, base_rates) = (field_doubles(models, "intercept")?, field_doubles(models, "base_rate")?);
    let fits = models.as_struct_opt().ok_or_else(|| wrong_type("a struct", models))?;
    let coefficients = fits.column_by_name("coefficients");
    let coefficients = coefficients.ok_or_else(|| exec_datafusion_err!("the fit has no field coefficients"))?;
    let coefficients = cast(coefficients, &list_of(DataType::Float64))?;
    let (coefficients, features) = (lists(&coefficients)?, lists(features)?);
    let mut scores = Vec::with_capacity(features.len());
    for row in 0..features.len() {
        if fits.is_null(row) || coefficients.is_null(row) || features.is_null(row) {
            scores.push(None);
            continue;
        }
        let (factors, numbers) = (coefficients.value(row), features.value(row));
        let (factors, numbers) = (doubles(&factors)?, doubles(&numbers)?);
        if factors.len() != numbers.len() {
            return exec_err!("{NAME}: {} features, but the model has {}", numbers.len(), factors.len());
        }
        let has_gap = factors.null_count() > 0 || numbers.null_count() > 0;
        let products = factors.values().iter().zip(numbers.values()).map(|(factor, number)| factor * number);
        let scored = || score(number(&intercepts, row), number(&base_rates, row), products);
        scores.push(if has_gap { None } else { scored() });
    }
    Ok(shared(Float64Array::from(scores)))
}
