//! `bgnbd_fit(x, t_x, t)`, `mbgnbd_fit(x, t_x, t)`, `pareto_nbd_fit(x, t_x, t)`: fit a model of repeat purchases to all
//! rows, by maximum likelihood.
//!
//! Rows with a null are ignored. Without rows every field but the counts is null. On a boundary the standard errors are
//! null and the parameters are those of the limit (see [`bgnbd`](super::models::bgnbd) and
//! [`pareto_nbd`](super::models::pareto_nbd)), which the ratios define: `purchase_rate`, r/alpha, is there in every case;
//! `dropout_probability`, a/(a + b), too; Pareto/NBD has `dropout_rate`, s/beta, instead, except where a share drops out at
//! once, which is then the `dropout_probability`.

use std::marker::PhantomData;

use datafusion::arrow::array::ArrayRef;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{Accumulator, AggregateUDF};

use super::aggregate::SetFunction;
use super::arguments::{Accepts, failure, form};
use super::fitted::{Value, one_struct, struct_type};
use super::models::purchases::{Customer, Fit};
use super::models::{bgnbd, mbgnbd, pareto_nbd};
use super::purchase_models::NamedModel;
use super::tally::Tally;

pub(super) fn functions() -> Vec<AggregateUDF> {
    vec![function::<bgnbd::Parameters>(), function::<mbgnbd::Parameters>(), function::<pareto_nbd::Parameters>()]
}

fn function<M: NamedModel>() -> AggregateUDF {
    let parameters = form(&[("x", Accepts::Number), ("t_x", Accepts::Number), ("t", Accepts::Number)]);
    let state = Tally::<3>::state_fields(["x", "t_x", "t"]);
    let returns = struct_type(&values::<M>(None, 0));
    SetFunction::new(M::FIT, parameters, returns, state, || Box::new(Customers::<M>::new())).build()
}

#[derive(Debug)]
struct Customers<M> {
    tally: Tally<3>,
    model: PhantomData<M>,
}

impl<M> Customers<M> {
    fn new() -> Self {
        Self { tally: Tally::default(), model: PhantomData }
    }
}

impl<M: NamedModel> Accumulator for Customers<M> {
    fn update_batch(&mut self, columns: &[ArrayRef]) -> Result<()> {
        self.tally.update(columns, |_| true)
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.tally.merge(states)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(self.tally.state())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let rows = self.tally.rows();
        let customers =
            rows.map(|([purchases, last, observed], count)| (Customer { purchases, last, observed }, count));
        let fitted = M::fit(customers).map_err(|error| failure(M::FIT, &error))?;
        one_struct(&values(fitted.as_ref(), self.tally.ignored()))
    }

    fn size(&self) -> usize {
        self.tally.size()
    }
}

fn values<M: NamedModel>(fit: Option<&Fit<M>>, ignored: u64) -> Vec<(&'static str, Value)> {
    let columns = fit.map(|fit| fit.parameters.to_columns()).unwrap_or_default();
    let errors = fit.and_then(|fit| fit.standard_errors);
    let defining = M::FIELDS.iter().zip(columns).map(|(field, number)| (*field, Value::Number(number)));
    let mut values: Vec<_> = defining.collect();
    for (place, (_, error)) in M::PARAMETERS.into_iter().enumerate() {
        values.push((error, Value::Number(errors.map(|errors| errors[place]))));
    }
    values.extend([
        ("log_likelihood", Value::Number(fit.map(|fit| fit.log_likelihood))),
        ("customers", Value::Count(Some(fit.map_or(0, |fit| fit.customers)))),
        ("ignored", Value::Count(Some(ignored))),
        ("is_converged", Value::Flag(fit.map(|fit| fit.is_converged))),
        ("is_boundary", Value::Flag(fit.map(|fit| fit.is_boundary))),
    ]);
    values
}
