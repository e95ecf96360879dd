//! What a fitted BG/NBD model says about customers, row by row.
//!
//! | function | result |
//! |---|---|
//! | `bgnbd_log_likelihood(model, x, t_x, t)` | the log-likelihood of one customer's history |
//! | `bgnbd_p_alive(model, x, t_x, t)` | the probability that the customer has not dropped out |
//! | `bgnbd_expected_purchases(model, x, t_x, t, horizon)` | purchases expected in the next `horizon`, in the unit of `t` |
//! | `bgnbd_expected_purchases_new(model, t)` | purchases expected in a time `t` of a customer not yet known |
//! | `bgnbd_discounted_purchases(model, x, t_x, t, horizon_days, discount_rate)` | discounted, `t` in weeks |
//!
//! `model` is either the four numbers `r, alpha, a, b` or what `bgnbd_fit` returned. On a boundary parameters are null and
//! only the struct says everything; of four numbers, `a` = 0 is enough to say that nobody drops out. The result is null where
//! a number of the customer is, and where no model or no possible history is given.

use datafusion::arrow::array::{Array, ArrayRef, Float64Array};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::ScalarUDF;

use super::arguments::{Accepts, Parameter, doubles, field_doubles, form, number, shared};
use super::models::bgnbd::{
    Customer, FlatParameters, Parameters, discounted_purchases, expected_purchases, expected_purchases_new,
    log_likelihood, probability_alive,
};
use super::scalar::RowFunction;

/// The fields of a fit that define the model.
const FIT_FIELDS: &[&str] = &["r", "alpha", "purchase_rate", "a", "b", "dropout_probability"];
const HISTORY: [(&str, Accepts); 3] = [("x", Accepts::Number), ("t_x", Accepts::Number), ("t", Accepts::Number)];

pub(super) fn functions() -> Vec<ScalarUDF> {
    vec![
        prediction("bgnbd_log_likelihood", form(&HISTORY), |model, [x, last, observed]| {
            log_likelihood(model, &customer(x, last, observed))
        }),
        prediction("bgnbd_p_alive", form(&HISTORY), |model, [x, last, observed]| {
            probability_alive(model, &customer(x, last, observed))
        }),
        prediction(
            "bgnbd_expected_purchases",
            [form(&HISTORY), form(&[("horizon", Accepts::Number)])].concat(),
            |model, [x, last, observed, horizon]| expected_purchases(model, &customer(x, last, observed), horizon),
        ),
        prediction("bgnbd_expected_purchases_new", form(&[("t", Accepts::Number)]), |model, [time]| {
            expected_purchases_new(model, time)
        }),
        prediction(
            "bgnbd_discounted_purchases",
            [form(&HISTORY), form(&[("horizon_days", Accepts::Number), ("discount_rate", Accepts::Number)])].concat(),
            |model, [x, last, observed, days, rate]| {
                discounted_purchases(model, &customer(x, last, observed), days, rate)
            },
        ),
    ]
}

fn customer(purchases: f64, last: f64, observed: f64) -> Customer {
    Customer { purchases, last, observed }
}

/// Makes a function of a model and `N` numbers.
fn prediction<const N: usize>(
    name: &'static str,
    numbers: Vec<Parameter>,
    predict: fn(&Parameters, [f64; N]) -> Option<f64>,
) -> ScalarUDF {
    let parameters = ["r", "alpha", "a", "b"].map(|name| (name, Accepts::Number));
    let forms = vec![
        [form(&parameters), numbers.clone()].concat(),
        [form(&[("fit", Accepts::Fit(FIT_FIELDS))]), numbers].concat(),
    ];
    let compute = move |columns: &[ArrayRef]| {
        let (model_columns, number_columns) = columns.split_at(columns.len() - N);
        let models = Models::new(model_columns)?;
        let numbers: Vec<&Float64Array> = number_columns.iter().map(doubles).collect::<Result<_>>()?;
        let rows = columns.first().map_or(0, |column| column.len());
        let mut last = (FlatParameters::default(), None);
        let predictions = (0..rows).map(|row| {
            let flat = models.at(row);
            // The model is the same for all customers, as a rule.
            if row == 0 || flat != last.0 {
                last = (flat, Parameters::from_flat(flat));
            }
            let model = last.1.as_ref()?;
            let mut arguments = [0.0; N];
            for (argument, column) in arguments.iter_mut().zip(&numbers) {
                *argument = number(column, row)?;
            }
            predict(model, arguments)
        });
        Ok(shared(predictions.collect::<Float64Array>()))
    };
    RowFunction::new(name, forms, |_| DataType::Float64, compute).build()
}

/// The columns that hold a model, in the order of `FIT_FIELDS`; four numbers have no ratios.
struct Models {
    columns: [Option<Float64Array>; 6],
}

impl Models {
    fn new(columns: &[ArrayRef]) -> Result<Self> {
        if let [fit] = columns {
            let field = |name: &str| field_doubles(fit, name).map(Some);
            return Ok(Self {
                columns: [
                    field("r")?,
                    field("alpha")?,
                    field("purchase_rate")?,
                    field("a")?,
                    field("b")?,
                    field("dropout_probability")?,
                ],
            });
        }
        let column = |place: usize| columns.get(place).map(|column| doubles(column).cloned()).transpose();
        Ok(Self { columns: [column(0)?, column(1)?, None, column(2)?, column(3)?, None] })
    }

    fn at(&self, row: usize) -> FlatParameters {
        let [r, alpha, purchase_rate, a, b, dropout_probability] =
            self.columns.each_ref().map(|column| column.as_ref().and_then(|column| number(column, row)));
        FlatParameters { r, alpha, purchase_rate, a, b, dropout_probability }
    }
}
