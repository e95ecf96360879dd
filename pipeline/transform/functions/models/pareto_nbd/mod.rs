//! The Pareto/NBD model of repeat purchases (Schmittlein, Morrison, Colombo: Counting Your Customers, Management Science 33,
//! 1987): customers buy as a Poisson process with gamma(`r`, `alpha`) distributed rates, and drop out for good at any time,
//! at gamma(`s`, `beta`) distributed rates.
//!
//! The limits are models of their own:
//!
//! | what runs away | the limit | written as |
//! |---|---|---|
//! | `r`, `alpha` to infinity, `r / alpha` fixed | everybody buys at the same rate | `r`, `alpha` null, `purchase_rate` |
//! | nobody bought again | nobody ever does | `r` = 0, `alpha` null, `purchase_rate` = 0 |
//! | `s / beta` to 0 | nobody drops out | `s` = 0, `beta` null, `dropout_rate` = 0 |
//! | `s`, `beta` to infinity, `s / beta` fixed | the same rate for everybody | `s`, `beta` null, `dropout_rate` |
//! | `s`, `beta` to 0, `beta ^ s` fixed | a share is gone right after the first purchase, the rest never | `s` = `beta` = 0, `dropout_probability` |

mod likelihood;
mod predict;
mod tail;

pub use super::purchases::{Customer, DropOutKind, PurchaseModel, PurchaseRates, RateKind};
pub use likelihood::ParetoLikelihood as Likelihood;

/// How long customers stay.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Lifetimes {
    /// Exponential, with rates that are gamma distributed with shape `s` and rate `beta`.
    Gamma { s: f64, beta: f64 },
    /// Exponential with the same rate for everybody; 0: nobody ever drops out.
    Equal { rate: f64 },
    /// None at all for this share of customers, and without end for the rest.
    AllOrNothing { share: f64 },
}

/// A Pareto/NBD model or one of its limits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Parameters {
    pub rates: PurchaseRates,
    pub lifetimes: Lifetimes,
}

impl Lifetimes {
    /// Reads `s`, `beta`, `dropout_probability` and `dropout_rate`, as the table above writes limits.
    fn from_columns(s: Option<f64>, beta: Option<f64>, probability: Option<f64>, rate: Option<f64>) -> Option<Self> {
        let positive = |number: f64| number > 0.0 && number.is_finite();
        match (s, beta) {
            (Some(s), Some(beta)) if positive(s) && positive(beta) => Some(Self::Gamma { s, beta }),
            (Some(0.0), Some(0.0)) => {
                Some(Self::AllOrNothing { share: probability.filter(|share| (0.0..=1.0).contains(share))? })
            }
            (Some(0.0), beta) if beta.is_none_or(positive) => Some(Self::Equal { rate: 0.0 }),
            (None, None) => Some(Self::Equal { rate: rate.filter(|rate| *rate >= 0.0 && rate.is_finite())? }),
            _ => None,
        }
    }

    fn to_columns(self) -> [Option<f64>; 4] {
        match self {
            Self::Gamma { s, beta } => [Some(s), Some(beta), None, Some(s / beta)],
            Self::Equal { rate: 0.0 } => [Some(0.0), None, None, Some(0.0)],
            Self::Equal { rate } => [None, None, None, Some(rate)],
            Self::AllOrNothing { share } => [Some(0.0), Some(0.0), Some(share), None],
        }
    }
}
