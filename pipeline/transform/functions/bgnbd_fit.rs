//! `bgnbd_fit(x, t_x, t)`: fits the BG/NBD model to all rows, by maximum likelihood.
//!
//! Rows with a null are ignored. Without rows every field but the counts is null. On a boundary the standard errors are
//! null and the parameters are those of the limit (see [`models::bgnbd`](super::models::bgnbd)); `purchase_rate` and
//! `dropout_probability`, r/alpha and a/(a + b), are there in every case.

use datafusion::arrow::array::ArrayRef;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{Accumulator, AggregateUDF};

use super::aggregate::SetFunction;
use super::arguments::{Accepts, failure, form};
use super::fitted::{Value, one_struct, struct_type};
use super::models::bgnbd::{Customer, Fit, fit};
use super::tally::Tally;

const NAME: &str = "bgnbd_fit";

pub(super) fn function() -> AggregateUDF {
    let parameters = form(&[("x", Accepts::Number), ("t_x", Accepts::Number), ("t", Accepts::Number)]);
    let state = Tally::<3>::state_fields(["x", "t_x", "t"]);
    SetFunction::new(NAME, parameters, struct_type(&values(None, 0)), state, || Box::<Customers>::default()).build()
}

#[derive(Debug, Default)]
struct Customers(Tally<3>);

impl Accumulator for Customers {
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
        let customers =
            self.0.rows().map(|([purchases, last, observed], count)| (Customer { purchases, last, observed }, count));
        let fitted = fit(customers).map_err(|error| failure(NAME, &error))?;
        one_struct(&values(fitted.as_ref(), self.0.ignored()))
    }

    fn size(&self) -> usize {
        self.0.size()
    }
}

fn values(fit: Option<&Fit>, ignored: u64) -> [(&'static str, Value); 15] {
    let flat = fit.map(|fit| fit.parameters.to_flat()).unwrap_or_default();
    let errors = fit.and_then(|fit| fit.standard_errors);
    [
        ("r", Value::Number(flat.r)),
        ("r_standard_error", Value::Number(errors.map(|errors| errors.r))),
        ("alpha", Value::Number(flat.alpha)),
        ("alpha_standard_error", Value::Number(errors.map(|errors| errors.alpha))),
        ("a", Value::Number(flat.a)),
        ("a_standard_error", Value::Number(errors.map(|errors| errors.a))),
        ("b", Value::Number(flat.b)),
        ("b_standard_error", Value::Number(errors.map(|errors| errors.b))),
        ("purchase_rate", Value::Number(flat.purchase_rate)),
        ("dropout_probability", Value::Number(flat.dropout_probability)),
        ("log_likelihood", Value::Number(fit.map(|fit| fit.log_likelihood))),
        ("customers", Value::Count(Some(fit.map_or(0, |fit| fit.customers)))),
        ("ignored", Value::Count(Some(ignored))),
        ("is_converged", Value::Flag(fit.map(|fit| fit.is_converged))),
        ("is_boundary", Value::Flag(fit.map(|fit| fit.is_boundary))),
    ]
}
