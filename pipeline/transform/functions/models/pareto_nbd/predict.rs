//! What a Pareto/NBD model, or one of its limits, says about a customer.

use super::likelihood::ParetoLikelihood;
use super::tail::{Ends, Tail};
use super::{Lifetimes, Parameters};
use crate::transform::functions::models::purchases::{
    Columns, Customer, Fit, FitError, PurchaseModel, PurchaseRates, fit, log_density,
};

impl PurchaseModel for Parameters {
    fn fit(customers: impl IntoIterator<Item = (Customer, u64)>) -> Result<Option<Fit<Self>>, FitError> {
        fit(&ParetoLikelihood::new(customers)?)
    }

    fn from_columns([r, alpha, purchase_rate, s, beta, dropout_probability, dropout_rate]: Columns) -> Option<Self> {
        let rates = PurchaseRates::from_columns(r, alpha, purchase_rate)?;
        Some(Self { rates, lifetimes: Lifetimes::from_columns(s, beta, dropout_probability, dropout_rate)? })
    }

    fn to_columns(&self) -> Columns {
        let [r, alpha, purchase_rate] = self.rates.to_columns();
        let [s, beta, dropout_probability, dropout_rate] = self.lifetimes.to_columns();
        [r, alpha, purchase_rate, s, beta, dropout_probability, dropout_rate]
    }

    /// Schmittlein, Morrison, Colombo 1987; see [`tail`](super::tail) for the way to compute it.
    fn log_likelihood(&self, customer: &Customer) -> Option<f64> {
        let odds = self.log_odds_of_drop_out(customer)?;
        let Customer { purchases: x, observed, .. } = *customer;
        let alive = log_density(&self.rates, x, observed) + self.log_survival(observed);
        // If nobody can be alive, everybody is gone: a share of 1 dropped out at once.
        let either = if alive == f64::NEG_INFINITY && x == 0.0 { 0.0 } else { alive + log_1p_exp(odds) };
        (either > f64::NEG_INFINITY).then_some(either)
    }

    /// Schmittlein, Morrison, Colombo 1987, equations 11 to 13.
    fn probability_alive(&self, customer: &Customer) -> Option<f64> {
        self.log_likelihood_is_possible(customer)?;
        self.log_odds_of_drop_out(customer).map(|odds| 1.0 / (1.0 + odds.exp()))
    }

    /// Equation 22 without the probability of being alive: the mean rate times the time that is expected to be left of the
    /// horizon, `(beta + t) / (s - 1) (1 - ((beta + t) / (beta + t + horizon)) ^ (s - 1))`, which is written so that `s` = 1
    /// is nothing special.
    fn of_living(&self, customer: &Customer) -> impl FnMut(f64) -> Option<f64> {
        let observed = customer.observed;
        let rate = match self.rates.given(customer.purchases, observed) {
            PurchaseRates::Gamma { r, alpha } => r / alpha,
            PurchaseRates::Equal { rate } => rate,
        };
        let lifetimes = self.lifetimes;
        move |horizon| {
            if !(horizon >= 0.0 && horizon.is_finite()) {
                return None;
            }
            let left = match lifetimes {
                Lifetimes::Gamma { s, beta } => {
                    let growth = (horizon / (beta + observed)).ln_1p();
                    (beta + observed) * growth * mean_exponential((s - 1.0) * growth)
                }
                Lifetimes::Equal { rate } => horizon * mean_exponential(rate * horizon),
                // Who is still alive stays.
                Lifetimes::AllOrNothing { .. } => horizon,
            };
            Some(rate * left)
        }
    }

    /// Equation 17.
    fn expected_purchases_new(&self, time: f64) -> Option<f64> {
        let unknown = Customer { purchases: 0.0, last: 0.0, observed: 0.0 };
        let staying = match self.lifetimes {
            Lifetimes::AllOrNothing { share } => 1.0 - share,
            _ => 1.0,
        };
        Some(staying * self.of_living(&unknown)(time)?)
    }
}

impl Parameters {
    /// The logarithm of the odds of having dropped out, given the history.
    fn log_odds_of_drop_out(&self, customer: &Customer) -> Option<f64> {
        if !customer.is_possible() {
            return None;
        }
        let Customer { purchases: x, last, observed } = *customer;
        let last = if x == 0.0 { 0.0 } else { last };
        let ends = match self.lifetimes {
            Lifetimes::Gamma { s, beta } => Ends::Gamma { s, beta },
            Lifetimes::Equal { rate } => Ends::Equal { rate },
            Lifetimes::AllOrNothing { share } if x == 0.0 => {
                return Some(share.ln() - (-share).ln_1p() - log_density(&self.rates, 0.0, observed));
            }
            Lifetimes::AllOrNothing { .. } => return Some(f64::NEG_INFINITY),
        };
        Some(Tail { rates: self.rates, ends }.log_integral(x, last, observed))
    }

    /// The logarithm of the probability of not dropping out within a time.
    fn log_survival(&self, time: f64) -> f64 {
        match self.lifetimes {
            Lifetimes::Gamma { s, beta } => -s * (time / beta).ln_1p(),
            Lifetimes::Equal { rate } => -rate * time,
            Lifetimes::AllOrNothing { share } => (-share).ln_1p(),
        }
    }

    fn log_likelihood_is_possible(&self, customer: &Customer) -> Option<()> {
        let is_rate_zero = self.rates == PurchaseRates::Equal { rate: 0.0 };
        let is_possible =
            customer.purchases == 0.0 || (!is_rate_zero && self.lifetimes != Lifetimes::AllOrNothing { share: 1.0 });
        is_possible.then_some(())
    }
}

/// `(1 - exp(-z)) / z`, the mean of `exp(-z y)` for `y` from 0 to 1.
fn mean_exponential(z: f64) -> f64 {
    if z == 0.0 { 1.0 } else { -(-z).exp_m1() / z }
}

/// `ln(1 + exp(z))`.
pub(super) fn log_1p_exp(z: f64) -> f64 {
    z.max(0.0) + (-z.abs()).exp().ln_1p()
}
