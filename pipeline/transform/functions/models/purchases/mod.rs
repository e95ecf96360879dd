//! What the models of repeat purchases share: BG/NBD, MBG/NBD and Pareto/NBD.
//!
//! A customer buys as a Poisson process with a rate of their own, until they drop out for good, unseen. The models agree on
//! the rates, gamma(`r`, `alpha`) distributed, and differ in how customers drop out.
//!
//! A customer is (`x`, `t_x`, `t`): repeat purchases, time of the last one and time observed, both since the first
//! purchase and in one unit, whichever it is.

mod fit;
mod histories;
mod rates;

pub use fit::{DropOutKind, Fit, FitError, INTERIOR, Kind, Likelihood, fit, fit_interior_from};
pub use histories::{Customer, CustomerError, Group, Histories};
pub use rates::{PurchaseRates, RateKind, RateTerms, Term, TimeTerm, log_density, time_term};

/// Days in a month of the discounted sum: a twelfth of 365.
const STEP_DAYS: f64 = 365.0 / 12.0;
const YEAR_DAYS: f64 = 365.0;
const DAYS_PER_WEEK: f64 = 7.0;

/// A model's four parameters, with the ratios that say what is left of them at a limit: `r`, `alpha`, `purchase_rate`, the
/// two of dropping out, `dropout_probability` (after a purchase), `dropout_rate` (in time; of Pareto/NBD only).
pub type Columns = [Option<f64>; 7];

/// A fitted model, or one of its limits, and what it says about customers.
///
/// The result is `None` where a history is impossible: negative numbers, a last purchase after the end of observation,
/// purchases under a rate of zero.
pub trait PurchaseModel: Sized + PartialEq {
    /// Fits the model to customers with their multiplicities; `None` without customers.
    ///
    /// The order of the customers does not change a bit of the result.
    fn fit(customers: impl IntoIterator<Item = (Customer, u64)>) -> Result<Option<Fit<Self>>, FitError>;

    /// Reads a model, or a limit; `None` if the numbers define neither.
    fn from_columns(columns: Columns) -> Option<Self>;

    /// Writes it as a table holds it.
    fn to_columns(&self) -> Columns;

    /// Returns the log-likelihood of one customer's history.
    fn log_likelihood(&self, customer: &Customer) -> Option<f64>;

    /// Returns the probability that a customer has not dropped out.
    fn probability_alive(&self, customer: &Customer) -> Option<f64>;

    /// Returns the purchases expected in a horizon from now of a customer with this history who has not dropped out.
    fn of_living(&self, customer: &Customer) -> impl FnMut(f64) -> Option<f64>;

    /// Returns the purchases expected in a time after the first one, of a customer about whom nothing is known.
    fn expected_purchases_new(&self, time: f64) -> Option<f64>;

    /// Returns the purchases expected of a customer in the next `horizon`, which is in the unit of its times.
    fn expected_purchases(&self, customer: &Customer, horizon: f64) -> Option<f64> {
        let alive = self.probability_alive(customer)?;
        let mut of_living = self.of_living(customer);
        Some(alive * of_living(horizon)?)
    }

    /// Returns the purchases expected of a customer in the next `horizon_days`, discounted to today.
    ///
    /// The horizon is cut into steps of 365/12 days, the last one shorter if need be; what is expected in a step is divided
    /// by `(1 + rate) ^ (days / 365)` at the step's end. The model's times are weeks.
    fn discounted_purchases(&self, customer: &Customer, horizon_days: f64, discount_rate: f64) -> Option<f64> {
        if !(horizon_days >= 0.0 && horizon_days.is_finite() && discount_rate > -1.0 && discount_rate.is_finite()) {
            return None;
        }
        let alive = self.probability_alive(customer)?;
        let mut of_living = self.of_living(customer);
        // A horizon of whole steps must not leave a sliver of one to rounding.
        let steps = (horizon_days / STEP_DAYS - 1e-9).ceil().max(0.0);
        let (mut total, mut before, mut step) = (0.0, 0.0, 1.0);
        while step <= steps {
            let end = (step * STEP_DAYS).min(horizon_days);
            let until = of_living(end / DAYS_PER_WEEK)?;
            total += (until - before) / (1.0 + discount_rate).powf(end / YEAR_DAYS);
            before = until;
            step += 1.0;
        }
        Some(alive * total)
    }
}
