//! The functions that SQL models call and DataFusion does not have.
//!
//! A file per function or small family holds what SQL sees: names, types, nulls. The mathematics is in [`models`], free of
//! DataFusion. To add one: write its file, and name it in [`scalar_functions`] or [`aggregate_functions`].

pub mod models;

mod aggregate;
mod arguments;
mod auc;
mod business_time;
mod calendar;
mod components;
mod fitted;
mod gamma_gamma_expected_value;
mod gamma_gamma_fit;
mod intervals;
mod kaplan_meier;
mod kmeans;
mod logistic_fit;
mod logistic_score;
mod purchase_fits;
mod purchase_models;
mod purchase_predictions;
mod quantiles;
mod round_cents;
mod scalar;
mod tally;
mod zone_offsets;

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::execution::FunctionRegistry;
use datafusion::logical_expr::{AggregateUDF, ScalarUDF};

/// Registers every function with a session; business days are days in `zone`.
pub fn register(registry: &mut dyn FunctionRegistry, zone: chrono_tz::Tz) -> Result<()> {
    for function in scalar_functions(zone) {
        registry.register_udf(Arc::new(function))?;
    }
    for function in aggregate_functions() {
        registry.register_udaf(Arc::new(function))?;
    }
    Ok(())
}

/// Returns the functions of one row.
pub fn scalar_functions(zone: chrono_tz::Tz) -> Vec<ScalarUDF> {
    let mut functions = business_time::functions(zone);
    functions.extend(calendar::functions());
    functions.push(round_cents::function());
    functions.extend(purchase_predictions::functions());
    functions.push(gamma_gamma_expected_value::function());
    functions.push(kmeans::assignment());
    functions.push(logistic_score::function());
    functions.extend(intervals::functions());
    functions.push(quantiles::quantile_class());
    functions
}

/// Returns the functions of many rows.
pub fn aggregate_functions() -> Vec<AggregateUDF> {
    let mut functions = purchase_fits::functions();
    functions.push(gamma_gamma_fit::function());
    functions.push(logistic_fit::function());
    functions.push(auc::function());
    functions.push(components::connected_components());
    functions.push(components::strong_components());
    functions.push(kmeans::fit());
    functions.push(kaplan_meier::function());
    functions.push(quantiles::quantile_cuts());
    functions
}
