//! What a BG/NBD model, or one of its limits, says about a customer.
//!
//! Every function returns `None` where the history is impossible: negative numbers, a last purchase after the end of
//! observation, purchases under a rate of zero.

use super::{Customer, DropOut, Parameters, PurchaseRates};
use crate::transform::functions::models::special::Derivatives;

/// Days in a month of the discounted sum: a twelfth of 365.
const STEP_DAYS: f64 = 365.0 / 12.0;
const YEAR_DAYS: f64 = 365.0;
const DAYS_PER_WEEK: f64 = 7.0;
/// Terms of the expectation's series before it is given up: a horizon some 50,000 times `alpha + t`.
const MAX_TERMS: usize = 2_000_000;

/// Returns the log-likelihood of one customer's history (Fader, Hardie, Lee 2005, equation 6).
pub fn log_likelihood(parameters: &Parameters, customer: &Customer) -> Option<f64> {
    let customer = possible(customer)?;
    let alive = way_to_be_alive(parameters, &customer);
    let gone = way_to_be_gone(parameters, &customer);
    let larger = alive.max(gone);
    (larger > f64::NEG_INFINITY).then(|| larger + (alive.min(gone) - larger).exp().ln_1p())
}

/// Returns the probability that a customer has not dropped out (Fader, Hardie, Lee 2008, "Computing P(alive) using the
/// BG/NBD model"); 1 without a repeat purchase, since customers drop out after those only.
pub fn probability_alive(parameters: &Parameters, customer: &Customer) -> Option<f64> {
    let customer = possible(customer)?;
    let alive = way_to_be_alive(parameters, &customer);
    let gone = way_to_be_gone(parameters, &customer);
    (alive.max(gone) > f64::NEG_INFINITY).then(|| 1.0 / (1.0 + (gone - alive).exp()))
}

/// Returns the purchases expected of a customer in the next `horizon` (equation 10), which is in the unit of its times.
pub fn expected_purchases(parameters: &Parameters, customer: &Customer, horizon: f64) -> Option<f64> {
    let alive = probability_alive(parameters, customer)?;
    Some(alive * Prospect::of_living(parameters, customer).expected(horizon)?)
}

/// Returns the purchases expected in a time after the first one, of a customer about whom nothing is known (equation 9).
pub fn expected_purchases_new(parameters: &Parameters, time: f64) -> Option<f64> {
    let unknown = Customer { purchases: 0.0, last: 0.0, observed: 0.0 };
    Prospect::of_living(parameters, &unknown).expected(time)
}

/// Returns the purchases expected of a customer in the next `horizon_days`, discounted to today.
///
/// The horizon is cut into steps of 365/12 days, the last one shorter if need be; what is expected in a step is divided by
/// `(1 + rate) ^ (days / 365)` at the step's end. The model's times are weeks.
pub fn discounted_purchases(
    parameters: &Parameters,
    customer: &Customer,
    horizon_days: f64,
    discount_rate: f64,
) -> Option<f64> {
    if !(horizon_days >= 0.0 && horizon_days.is_finite() && discount_rate > -1.0 && discount_rate.is_finite()) {
        return None;
    }
    let alive = probability_alive(parameters, customer)?;
    let mut prospect = Prospect::of_living(parameters, customer);
    // A horizon of whole steps must not leave a sliver of one to rounding.
    let steps = (horizon_days / STEP_DAYS - 1e-9).ceil().max(0.0);
    let (mut total, mut before, mut step) = (0.0, 0.0, 1.0);
    while step <= steps {
        let end = (step * STEP_DAYS).min(horizon_days);
        let until = prospect.expected(end / DAYS_PER_WEEK)?;
        total += (until - before) / (1.0 + discount_rate).powf(end / YEAR_DAYS);
        before = until;
        step += 1.0;
    }
    Some(alive * total)
}

fn possible(customer: &Customer) -> Option<Customer> {
    let Customer { purchases, last, observed } = *customer;
    let is_possible =
        purchases >= 0.0 && purchases.is_finite() && last >= 0.0 && last <= observed && observed.is_finite();
    is_possible.then_some(*customer)
}

/// The logarithm of the likelihood of the history together with being alive at its end.
fn way_to_be_alive(parameters: &Parameters, customer: &Customer) -> f64 {
    let x = customer.purchases;
    log_density(&parameters.rates, x, customer.observed) + log_survive(&parameters.drop_out, x)
}

/// The same together with having dropped out at the last purchase.
fn way_to_be_gone(parameters: &Parameters, customer: &Customer) -> f64 {
    let x = customer.purchases;
    if x == 0.0 {
        return f64::NEG_INFINITY;
    }
    log_density(&parameters.rates, x, customer.last) + log_drop(&parameters.drop_out, x)
}

/// The logarithm of the density of `x` purchases at given times within `time`.
fn log_density(rates: &PurchaseRates, x: f64, time: f64) -> f64 {
    match *rates {
        PurchaseRates::Gamma { r, alpha } => {
            Derivatives::rising(r, x).value - r * (time / alpha).ln_1p() - x * (alpha + time).ln()
        }
        PurchaseRates::Equal { rate } if x == 0.0 => -rate * time,
        PurchaseRates::Equal { rate } => x * rate.ln() - rate * time,
    }
}

fn log_survive(drop_out: &DropOut, x: f64) -> f64 {
    match *drop_out {
        _ if x == 0.0 => 0.0,
        DropOut::Beta { a, b } => Derivatives::rising(b, x).value - Derivatives::rising(a + b, x).value,
        DropOut::Equal { probability } => x * (-probability).ln_1p(),
        DropOut::AllOrNothing { share } => (-share).ln_1p(),
    }
}

fn log_drop(drop_out: &DropOut, x: f64) -> f64 {
    match *drop_out {
        DropOut::Beta { a, b } => log_survive(drop_out, x) + a.ln() - (b + x - 1.0).ln(),
        DropOut::Equal { probability } if x == 1.0 => probability.ln(),
        DropOut::Equal { probability } => probability.ln() + (x - 1.0) * (-probability).ln_1p(),
        DropOut::AllOrNothing { share } if x == 1.0 => share.ln(),
        DropOut::AllOrNothing { .. } => f64::NEG_INFINITY,
    }
}

/// The rates and drop-out probabilities of a customer who is alive, given the history.
struct Prospect {
    rates: PurchaseRates,
    drop_out: DropOut,
    /// The probability of surviving one more purchase after as many as `terms` is long.
    survival: f64,
    terms: Vec<SeriesTerm>,
}

/// What the n-th term of the series has in common for all horizons.
#[derive(Clone, Copy)]
struct SeriesTerm {
    /// `(shape + n) / (n + 1)`, or `1 / (n + 1)`: times the horizon's growth, the ratio of the next weight to this one.
    ratio: f64,
    /// `E[q^0] + ... + E[q^n]`.
    bought: f64,
}

impl Prospect {
    /// Gamma and beta are conjugate: the history adds `x` and `t` to the rates' parameters, `x` survivals to `b`.
    fn of_living(parameters: &Parameters, customer: &Customer) -> Self {
        let Customer { purchases, observed, .. } = *customer;
        let rates = match parameters.rates {
            PurchaseRates::Gamma { r, alpha } => PurchaseRates::Gamma { r: r + purchases, alpha: alpha + observed },
            equal => equal,
        };
        let drop_out = match parameters.drop_out {
            DropOut::Beta { a, b } => DropOut::Beta { a, b: b + purchases },
            DropOut::AllOrNothing { .. } if purchases > 0.0 => DropOut::Equal { probability: 0.0 },
            other => other,
        };
        Self { rates, drop_out, survival: 1.0, terms: Vec::new() }
    }

    /// Returns the purchases expected in the next `horizon`.
    ///
    /// Equations 9 and 10 write this with a Gaussian hypergeometric function that is multiplied by `1 / (a - 1)`:
    /// singular at `a` = 1 and cancelling where the function is near 1. Averaging `(1 - exp(-rate p horizon)) / p`
    /// (equation 8) over the rates first gives a series of positive terms instead, the same function after Euler's
    /// transformation: with `N` the purchases within the horizon of a customer who cannot drop out (negative binomial, or
    /// Poisson), and `q = 1 - p`,
    ///
    /// `E = sum over n of P(N = n) (E[q^0] + E[q^1] + ... + E[q^(n - 1)])`
    ///
    /// which has no singularity, loses no digits for large `x`, and holds in every limit. The probabilities are taken
    /// relative to `P(N = 0)` and divided by their sum at the end, so that none underflows.
    fn expected(&mut self, horizon: f64) -> Option<f64> {
        if !(horizon >= 0.0 && horizon.is_finite()) {
            return None;
        }
        // The growth is what all ratios of weights have in common; of gamma rates it is also where they end.
        let (growth, certain, last_ratio) = match self.rates {
            PurchaseRates::Gamma { r, alpha } => {
                let growth = horizon / (alpha + horizon);
                (growth, r * horizon / alpha, growth)
            }
            PurchaseRates::Equal { rate } => (rate * horizon, rate * horizon, 0.0),
        };
        if self.drop_out == (DropOut::Equal { probability: 0.0 }) {
            return Some(certain);
        }
        let (mut weight, mut weights, mut sum) = (1.0_f64, 1.0, 0.0);
        for step in 0..MAX_TERMS {
            let term = self.term(step);
            let ratio = term.ratio * growth;
            weight *= ratio;
            weights += weight;
            sum += weight * term.bought;
            // What is left out is at most a geometric series of growing terms.
            let largest_ratio = ratio.max(last_ratio);
            let rest = 1.0 - largest_ratio;
            if rest > 0.0 && weight * (term.bought * rest + 1.0) * largest_ratio <= 1e-16 * sum * rest * rest {
                return Some(sum / weights);
            }
            if weight > 1e250 {
                weight *= 1e-250;
                weights *= 1e-250;
                sum *= 1e-250;
            }
        }
        None
    }

    /// Returns a term of the series; they are kept, since a customer's horizons share them.
    fn term(&mut self, step: usize) -> SeriesTerm {
        if let Some(term) = self.terms.get(step) {
            return *term;
        }
        let n = step as f64;
        let term = SeriesTerm {
            ratio: match self.rates {
                PurchaseRates::Gamma { r, .. } => (r + n) / (n + 1.0),
                PurchaseRates::Equal { .. } => 1.0 / (n + 1.0),
            },
            bought: self.terms.last().map_or(0.0, |before| before.bought) + self.survival,
        };
        self.survival *= match self.drop_out {
            DropOut::Beta { a, b } => (b + n) / (a + b + n),
            DropOut::Equal { probability } => 1.0 - probability,
            DropOut::AllOrNothing { share } if step == 0 => 1.0 - share,
            DropOut::AllOrNothing { .. } => 1.0,
        };
        self.terms.push(term);
        term
    }
}
