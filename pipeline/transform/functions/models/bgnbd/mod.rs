//! The BG/NBD model of repeat purchases (Fader, Hardie, Lee: "Counting Your Customers" the Easy Way, Marketing Science 24,
//! 2005): customers buy as a Poisson process with gamma(`r`, `alpha`) distributed rates, and after each repeat purchase
//! drop out for good with a beta(`a`, `b`) distributed probability.
//!
//! A customer is (`x`, `t_x`, `t`): repeat purchases, time of the last one and time observed, both since the first
//! purchase and in one unit, whichever it is.
//!
//! Real data puts the maximum of the likelihood on the boundary often enough. The limits are models of their own:
//!
//! | what runs away | the limit | written as |
//! |---|---|---|
//! | `r`, `alpha` to infinity, `r / alpha` fixed | everybody buys at the same rate | `r`, `alpha` null, `purchase_rate` |
//! | nobody bought again | nobody ever does | `r` = 0, `alpha` null, `purchase_rate` = 0 |
//! | `a` to 0 | nobody drops out | `a` = 0, `b` null, `dropout_probability` = 0 |
//! | `a`, `b` to infinity, `a / (a + b)` fixed | the same probability for everybody | `a`, `b` null, `dropout_probability` |
//! | `a`, `b` to 0, `a / (a + b)` fixed | a share is gone after the first repeat purchase, the rest never | `a` = `b` = 0, `dropout_probability` |
//! | `b` to 0 | everybody is gone after the first repeat purchase | `a` null, `b` = 0, `dropout_probability` = 1 |

mod fit;
mod likelihood;
mod predict;
mod terms;

pub use fit::{Fit, FitError, StandardErrors, fit, fit_interior_from};
pub use likelihood::{CustomerError, Likelihood};
pub use predict::{
    discounted_purchases, expected_purchases, expected_purchases_new, log_likelihood, probability_alive,
};
pub use terms::{DropOutKind, RateKind};

/// What is known of a customer's purchases: `0 <= last <= observed`, and `last` = 0 if there is no repeat purchase.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Customer {
    /// `x`: repeat purchases.
    pub purchases: f64,
    /// `t_x`: time from the first purchase to the last.
    pub last: f64,
    /// `t`: time from the first purchase to the end of observation.
    pub observed: f64,
}

/// How purchase rates differ among customers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum PurchaseRates {
    /// Gamma distributed with shape `r` and rate `alpha`.
    Gamma { r: f64, alpha: f64 },
    /// The same for everybody; 0: nobody buys again.
    Equal { rate: f64 },
}

/// How the probabilities of dropping out after a repeat purchase differ among customers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum DropOut {
    /// Beta distributed.
    Beta { a: f64, b: f64 },
    /// The same for everybody; 0: nobody ever drops out, 1: everybody after the first repeat purchase.
    Equal { probability: f64 },
    /// 1 for this share of customers and 0 for the rest.
    AllOrNothing { share: f64 },
}

/// A BG/NBD model or one of its limits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Parameters {
    pub rates: PurchaseRates,
    pub drop_out: DropOut,
}

/// Parameters as a table holds them: a null stands for a limit, which the two ratios then define.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct FlatParameters {
    pub r: Option<f64>,
    pub alpha: Option<f64>,
    /// `r / alpha`.
    pub purchase_rate: Option<f64>,
    pub a: Option<f64>,
    pub b: Option<f64>,
    /// `a / (a + b)`.
    pub dropout_probability: Option<f64>,
}

impl Parameters {
    /// Reads a model, or a limit as the table above writes it; `None` if the numbers define neither.
    pub fn from_flat(flat: FlatParameters) -> Option<Self> {
        let positive = |number: f64| number > 0.0 && number.is_finite();
        let probability = |number: &f64| (0.0..=1.0).contains(number);
        let rates = match (flat.r, flat.alpha) {
            (Some(r), Some(alpha)) if positive(r) && positive(alpha) => PurchaseRates::Gamma { r, alpha },
            (Some(0.0), _) => PurchaseRates::Equal { rate: 0.0 },
            (None, None) => {
                PurchaseRates::Equal { rate: flat.purchase_rate.filter(|rate| *rate >= 0.0 && rate.is_finite())? }
            }
            _ => return None,
        };
        let drop_out = match (flat.a, flat.b) {
            (Some(a), Some(b)) if positive(a) && positive(b) => DropOut::Beta { a, b },
            (Some(0.0), Some(0.0)) => DropOut::AllOrNothing { share: flat.dropout_probability.filter(probability)? },
            (Some(0.0), b) if b.is_none_or(positive) => DropOut::Equal { probability: 0.0 },
            (a, Some(0.0)) if a.is_none_or(positive) => DropOut::Equal { probability: 1.0 },
            (None, None) => DropOut::Equal { probability: flat.dropout_probability.filter(probability)? },
            _ => return None,
        };
        Some(Self { rates, drop_out })
    }

    /// Writes them as a table holds them.
    pub fn to_flat(self) -> FlatParameters {
        let (r, alpha, purchase_rate) = match self.rates {
            PurchaseRates::Gamma { r, alpha } => (Some(r), Some(alpha), r / alpha),
            PurchaseRates::Equal { rate: 0.0 } => (Some(0.0), None, 0.0),
            PurchaseRates::Equal { rate } => (None, None, rate),
        };
        let (a, b, dropout_probability) = match self.drop_out {
            DropOut::Beta { a, b } => (Some(a), Some(b), a / (a + b)),
            DropOut::Equal { probability: 0.0 } => (Some(0.0), None, 0.0),
            DropOut::Equal { probability: 1.0 } => (None, Some(0.0), 1.0),
            DropOut::Equal { probability } => (None, None, probability),
            DropOut::AllOrNothing { share } => (Some(0.0), Some(0.0), share),
        };
        FlatParameters {
            r,
            alpha,
            purchase_rate: Some(purchase_rate),
            a,
            b,
            dropout_probability: Some(dropout_probability),
        }
    }

    /// Says whether a parameter is at a limit.
    pub fn is_boundary(&self) -> bool {
        !matches!(self, Self { rates: PurchaseRates::Gamma { .. }, drop_out: DropOut::Beta { .. } })
    }
}
