//! 95 % confidence intervals for "one minus other", as struct(low, high).
//!
//! | function | of |
//! |---|---|
//! | `newcombe_interval(successes, n, other_successes, other_n)` | a difference of proportions, by hybrid scores |
//! | `wald_interval(successes, n, other_successes, other_n)` | the same, by the normal approximation |
//! | `welch_interval(mean, variance, n, other_mean, other_variance, other_n)` | a difference of means; variances as of a sample |
//!
//! The struct is null where a number is null, where a group is empty (of means: smaller than 2), and for what cannot be.
//! Sources: [`models::intervals`](super::models::intervals).

use datafusion::arrow::array::{Array, ArrayRef, Float64Array, StructArray};
use datafusion::arrow::buffer::NullBuffer;
use datafusion::arrow::datatypes::{DataType, Field, Fields};
use datafusion::common::Result;
use datafusion::logical_expr::ScalarUDF;

use super::arguments::{Accepts, doubles, form, number, shared};
use super::models::intervals::{Interval, Proportion, Sample, newcombe, wald, welch};
use super::scalar::RowFunction;

const PROPORTIONS: [&str; 4] = ["successes", "n", "other_successes", "other_n"];
const MEANS: [&str; 6] = ["mean", "variance", "n", "other_mean", "other_variance", "other_n"];

pub(super) fn functions() -> Vec<ScalarUDF> {
    vec![
        interval("newcombe_interval", PROPORTIONS, |[successes, trials, others, other_trials]| {
            newcombe(Proportion { successes, trials }, Proportion { successes: others, trials: other_trials })
        }),
        interval("wald_interval", PROPORTIONS, |[successes, trials, others, other_trials]| {
            wald(Proportion { successes, trials }, Proportion { successes: others, trials: other_trials })
        }),
        interval("welch_interval", MEANS, |[mean, variance, size, other_mean, other_variance, other_size]| {
            let other = Sample { mean: other_mean, variance: other_variance, size: other_size };
            welch(Sample { mean, variance, size }, other)
        }),
    ]
}

/// Makes a function of `N` numbers.
fn interval<const N: usize>(
    name: &'static str,
    parameters: [&'static str; N],
    compute: fn([f64; N]) -> Option<Interval>,
) -> ScalarUDF {
    let forms = vec![form(&parameters.map(|parameter| (parameter, Accepts::Number)))];
    let compute = move |columns: &[ArrayRef]| {
        let numbers: Vec<&Float64Array> = columns.iter().map(doubles).collect::<Result<_>>()?;
        let rows = columns.first().map_or(0, |column| column.len());
        let intervals: Vec<Option<Interval>> = (0..rows)
            .map(|row| {
                let mut arguments = [0.0; N];
                for (argument, column) in arguments.iter_mut().zip(&numbers) {
                    *argument = number(column, row)?;
                }
                compute(arguments)
            })
            .collect();
        let ends = |end: fn(Interval) -> f64| -> ArrayRef {
            shared(intervals.iter().map(|interval| interval.map(end)).collect::<Float64Array>())
        };
        let known: NullBuffer = intervals.iter().map(Option::is_some).collect();
        let columns = vec![ends(|interval| interval.low), ends(|interval| interval.high)];
        Ok(shared(StructArray::try_new(end_fields(), columns, Some(known))?))
    };
    RowFunction::new(name, forms, |_| DataType::Struct(end_fields()), compute).build()
}

fn end_fields() -> Fields {
    Fields::from(vec![Field::new("low", DataType::Float64, true), Field::new("high", DataType::Float64, true)])
}
