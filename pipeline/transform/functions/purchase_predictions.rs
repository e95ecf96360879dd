//! What a fitted model of repeat purchases says about customers, row by row.
//!
//! With `<model>` one of `bgnbd`, `mbgnbd`, `pareto_nbd`:
//!
//! | function | result |
//! |---|---|
//! | `<model>_log_likelihood(model, x, t_x, t)` | the log-likelihood of one customer's history |
//! | `<model>_p_alive(model, x, t_x, t)` | the probability that the customer has not dropped out |
//! | `<model>_expected_purchases(model, x, t_x, t, horizon)` | purchases expected in the next `horizon`, in the unit of `t` |
//! | `<model>_expected_purchases_new(model, t)` | purchases expected in a time `t` of a customer not yet known |
//! | `<model>_discounted_purchases(model, x, t_x, t, horizon_days, discount_rate)` | discounted, `t` in weeks |
//!
//! `model` is either the four numbers `r, alpha, a, b` (`r, alpha, s, beta`) or what `<model>_fit` returned. On a boundary
//! parameters are null and only the struct says everything; of four numbers, `a` = 0 (`s` = 0) is enough to say that nobody
//! drops out. The result is null where a number of the customer is, and where no model or no possible history is given.

use datafusion::arrow::array::{Array, ArrayRef, Float64Array};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{HashMap, Result};
use datafusion::logical_expr::ScalarUDF;

use super::arguments::{Accepts, Parameter, doubles, field_doubles, form, number, shared};
use super::models::purchases::{Columns, Customer};
use super::models::{bgnbd, mbgnbd, pareto_nbd};
use super::purchase_models::NamedModel;
use super::scalar::RowFunction;

const HISTORY: [(&str, Accepts); 3] = [("x", Accepts::Number), ("t_x", Accepts::Number), ("t", Accepts::Number)];

pub(super) fn functions() -> Vec<ScalarUDF> {
    [of_model::<bgnbd::Parameters>(), of_model::<mbgnbd::Parameters>(), of_model::<pareto_nbd::Parameters>()].concat()
}

fn of_model<M: NamedModel>() -> Vec<ScalarUDF> {
    vec![
        prediction(M::LOG_LIKELIHOOD, form(&HISTORY), |model: &M, [x, last, observed]| {
            model.log_likelihood(&customer(x, last, observed))
        }),
        prediction(M::P_ALIVE, form(&HISTORY), |model: &M, [x, last, observed]| {
            model.probability_alive(&customer(x, last, observed))
        }),
        prediction(
            M::EXPECTED_PURCHASES,
            [form(&HISTORY), form(&[("horizon", Accepts::Number)])].concat(),
            |model: &M, [x, last, observed, horizon]| model.expected_purchases(&customer(x, last, observed), horizon),
        ),
        prediction(M::EXPECTED_PURCHASES_NEW, form(&[("t", Accepts::Number)]), |model: &M, [time]| {
            model.expected_purchases_new(time)
        }),
        prediction(
            M::DISCOUNTED_PURCHASES,
            [form(&HISTORY), form(&[("horizon_days", Accepts::Number), ("discount_rate", Accepts::Number)])].concat(),
            |model: &M, [x, last, observed, days, rate]| {
                model.discounted_purchases(&customer(x, last, observed), days, rate)
            },
        ),
    ]
}

fn customer(purchases: f64, last: f64, observed: f64) -> Customer {
    Customer { purchases, last, observed }
}

/// Makes a function of a model and `N` numbers.
fn prediction<M: NamedModel, const N: usize>(
    name: &'static str,
    numbers: Vec<Parameter>,
    predict: fn(&M, [f64; N]) -> Option<f64>,
) -> ScalarUDF {
    let parameters = M::PARAMETERS.map(|(name, _)| (name, Accepts::Number));
    let forms = vec![
        [form(&parameters), numbers.clone()].concat(),
        [form(&[("fit", Accepts::Fit(M::FIELDS))]), numbers].concat(),
    ];
    let compute = move |columns: &[ArrayRef]| {
        let (model_columns, number_columns) = columns.split_at(columns.len() - N);
        let models = Models::new::<M>(model_columns)?;
        let numbers: Vec<&Float64Array> = number_columns.iter().map(doubles).collect::<Result<_>>()?;
        let rows = columns.first().map_or(0, |column| column.len());
        let mut model = (Columns::default(), None);
        // Customers with the same history are many, and get the same answer.
        let mut known: HashMap<[u64; N], Option<f64>> = HashMap::default();
        let predictions = (0..rows).map(|row| {
            let columns = models.at(row);
            // The model is the same for all customers, as a rule.
            if row == 0 || columns != model.0 {
                model = (columns, M::from_columns(columns));
                known.clear();
            }
            let model = model.1.as_ref()?;
            let mut arguments = [0.0; N];
            for (argument, column) in arguments.iter_mut().zip(&numbers) {
                *argument = number(column, row)?;
            }
            *known.entry(arguments.map(f64::to_bits)).or_insert_with(|| predict(model, arguments))
        });
        Ok(shared(predictions.collect::<Float64Array>()))
    };
    RowFunction::new(name, forms, |_| DataType::Float64, compute).build()
}

/// The columns that hold a model, in the order of [`Columns`]; four numbers have no ratios.
struct Models {
    columns: [Option<Float64Array>; 7],
}

impl Models {
    fn new<M: NamedModel>(columns: &[ArrayRef]) -> Result<Self> {
        let mut found = Self { columns: Default::default() };
        if let [fit] = columns {
            for (slot, name) in found.columns.iter_mut().zip(M::FIELDS) {
                *slot = Some(field_doubles(fit, name)?);
            }
        } else {
            for (place, column) in [0, 1, 3, 4].into_iter().zip(columns) {
                found.columns[place] = Some(doubles(column)?.clone());
            }
        }
        Ok(found)
    }

    fn at(&self, row: usize) -> Columns {
        self.columns.each_ref().map(|column| column.as_ref().and_then(|column| number(column, row)))
    }
}
