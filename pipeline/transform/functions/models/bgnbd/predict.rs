//! What a BG/NBD or MBG/NBD model, or one of its limits, says about a customer.

use super::{BetaGeometric, BetaGeometricLikelihood, DropOut};
use crate::transform::functions::models::purchases::{
    Columns, Customer, Fit, FitError, PurchaseModel, PurchaseRates, fit, log_density,
};
use crate::transform::functions::models::special::Derivatives;

/// Terms of the expectation's series before it is given up: a horizon some 50,000 times `alpha + t`.
const MAX_TERMS: usize = 2_000_000;

impl<const EARLY: u8> PurchaseModel for BetaGeometric<EARLY> {
    fn fit(customers: impl IntoIterator<Item = (Customer, u64)>) -> Result<Option<Fit<Self>>, FitError> {
        fit(&BetaGeometricLikelihood::new(customers)?)
    }

    fn from_columns([r, alpha, purchase_rate, a, b, dropout_probability, _]: Columns) -> Option<Self> {
        let rates = PurchaseRates::from_columns(r, alpha, purchase_rate)?;
        Some(Self { rates, drop_out: DropOut::from_columns(a, b, dropout_probability)? })
    }

    fn to_columns(&self) -> Columns {
        let [r, alpha, purchase_rate] = self.rates.to_columns();
        let [a, b, dropout_probability] = self.drop_out.to_columns();
        [r, alpha, purchase_rate, a, b, dropout_probability, None]
    }

    /// Fader, Hardie, Lee 2005, equation 6.
    fn log_likelihood(&self, customer: &Customer) -> Option<f64> {
        let (alive, gone) = self.ways(customer)?;
        let larger = alive.max(gone);
        (larger > f64::NEG_INFINITY).then(|| larger + (alive.min(gone) - larger).exp().ln_1p())
    }

    /// Fader, Hardie, Lee 2008, "Computing P(alive) using the BG/NBD model". In BG/NBD it is 1 without a repeat purchase,
    /// since customers drop out after those only.
    fn probability_alive(&self, customer: &Customer) -> Option<f64> {
        let (alive, gone) = self.ways(customer)?;
        (alive.max(gone) > f64::NEG_INFINITY).then(|| 1.0 / (1.0 + (gone - alive).exp()))
    }

    /// Equation 10, without the probability of being alive.
    fn of_living(&self, customer: &Customer) -> impl FnMut(f64) -> Option<f64> {
        let mut prospect = Prospect::of_living(self, customer);
        move |horizon| prospect.expected(horizon)
    }

    /// Equation 9; in MBG/NBD the customer has to survive the first purchase.
    fn expected_purchases_new(&self, time: f64) -> Option<f64> {
        let unknown = Customer { purchases: 0.0, last: 0.0, observed: 0.0 };
        let survival = log_survive(&self.drop_out, f64::from(EARLY)).exp();
        Some(survival * self.of_living(&unknown)(time)?)
    }
}

impl<const EARLY: u8> BetaGeometric<EARLY> {
    /// How often the customer had the chance to drop out.
    fn chances(customer: &Customer) -> f64 {
        customer.purchases + f64::from(EARLY)
    }

    /// The logarithms of the likelihood of the history together with being alive at its end, and together with having
    /// dropped out at the last purchase.
    fn ways(&self, customer: &Customer) -> Option<(f64, f64)> {
        if !customer.is_possible() {
            return None;
        }
        let Customer { purchases: x, last, observed } = *customer;
        let last = if x == 0.0 { 0.0 } else { last };
        let chances = Self::chances(customer);
        let alive = log_density(&self.rates, x, observed) + log_survive(&self.drop_out, chances);
        let gone = if chances == 0.0 {
            f64::NEG_INFINITY
        } else {
            log_density(&self.rates, x, last) + log_drop(&self.drop_out, chances)
        };
        Some((alive, gone))
    }
}

fn log_survive(drop_out: &DropOut, n: f64) -> f64 {
    match *drop_out {
        _ if n == 0.0 => 0.0,
        DropOut::Beta { a, b } => Derivatives::rising(b, n).value - Derivatives::rising(a + b, n).value,
        DropOut::Equal { probability } => n * (-probability).ln_1p(),
        DropOut::AllOrNothing { share } => (-share).ln_1p(),
    }
}

fn log_drop(drop_out: &DropOut, n: f64) -> f64 {
    match *drop_out {
        DropOut::Beta { a, b } => log_survive(drop_out, n) + a.ln() - (b + n - 1.0).ln(),
        DropOut::Equal { probability } if n == 1.0 => probability.ln(),
        DropOut::Equal { probability } => probability.ln() + (n - 1.0) * (-probability).ln_1p(),
        DropOut::AllOrNothing { share } if n == 1.0 => share.ln(),
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
    /// Gamma and beta are conjugate: the history adds `x` and `t` to the rates' parameters, the chances survived to `b`.
    fn of_living<const EARLY: u8>(model: &BetaGeometric<EARLY>, customer: &Customer) -> Self {
        let chances = BetaGeometric::<EARLY>::chances(customer);
        let drop_out = match model.drop_out {
            DropOut::Beta { a, b } => DropOut::Beta { a, b: b + chances },
            DropOut::AllOrNothing { .. } if chances > 0.0 => DropOut::Equal { probability: 0.0 },
            other => other,
        };
        let rates = model.rates.given(customer.purchases, customer.observed);
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
