//! `gamma_gamma_fit(x, monetary)`: fits the Gamma-Gamma model by maximum likelihood to the rows in which both are positive.
//!
//! All other rows are ignored and counted. Without a row to fit every field but the counts is null. On a boundary the
//! standard errors are null and the parameters are those of the limit
//! (see [`models::gamma_gamma`](super::models::gamma_gamma)). `mean_value`, p v/(q - 1), is null if it is infinite.

use datafusion::arrow::array::ArrayRef;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{Accumulator, AggregateUDF};

use super::aggregate::SetFunction;
use super::arguments::{Accepts, failure, form};
use super::fitted::{Value, one_struct, struct_type};
use super::models::gamma_gamma::{Fit, Spender, fit};
use super::tally::Tally;

const NAME: &str = "gamma_gamma_fit";

pub(super) fn function() -> AggregateUDF {
    let parameters = form(&[("x", Accepts::Number), ("monetary", Accepts::Number)]);
    let state = Tally::<2>::state_fields(["x", "monetary"]);
    SetFunction::new(NAME, parameters, struct_type(&values(None, 0)), state, || Box::<Spenders>::default()).build()
}

#[derive(Debug, Default)]
struct Spenders(Tally<2>);

impl Accumulator for Spenders {
    fn update_batch(&mut self, columns: &[ArrayRef]) -> Result<()> {
        // NaN takes part, so that the fit refuses it by name.
        self.0.update(columns, |numbers| numbers.iter().all(|number| *number > 0.0 || number.is_nan()))
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.0.merge(states)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(self.0.state())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let spenders = self.0.rows().map(|([purchases, monetary], count)| (Spender { purchases, monetary }, count));
        let fitted = fit(spenders).map_err(|error| failure(NAME, &error))?;
        one_struct(&values(fitted.as_ref(), self.0.ignored()))
    }

    fn size(&self) -> usize {
        self.0.size()
    }
}

fn values(fit: Option<&Fit>, ignored: u64) -> [(&'static str, Value); 12] {
    let flat = fit.map(|fit| fit.parameters.to_flat()).unwrap_or_default();
    let errors = fit.and_then(|fit| fit.standard_errors);
    [
        ("p", Value::Number(flat.p)),
        ("p_standard_error", Value::Number(errors.map(|errors| errors.p))),
        ("q", Value::Number(flat.q)),
        ("q_standard_error", Value::Number(errors.map(|errors| errors.q))),
        ("v", Value::Number(flat.v)),
        ("v_standard_error", Value::Number(errors.map(|errors| errors.v))),
        ("mean_value", Value::Number(flat.mean_value)),
        ("log_likelihood", Value::Number(fit.map(|fit| fit.log_likelihood))),
        ("customers", Value::Count(Some(fit.map_or(0, |fit| fit.customers)))),
        ("ignored", Value::Count(Some(ignored))),
        ("is_converged", Value::Flag(fit.map(|fit| fit.is_converged))),
        ("is_boundary", Value::Flag(fit.map(|fit| fit.is_boundary))),
    ]
}
