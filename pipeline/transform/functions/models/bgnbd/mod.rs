//! The BG/NBD model of repeat purchases (Fader, Hardie, Lee: "Counting Your Customers" the Easy Way, Marketing Science 24,
//! 2005): customers buy as a Poisson process with gamma(`r`, `alpha`) distributed rates, and after each repeat purchase
//! drop out for good with a beta(`a`, `b`) distributed probability.
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

mod likelihood;
mod predict;
mod terms;

pub use super::purchases::{Customer, DropOutKind, PurchaseModel, PurchaseRates, RateKind};
pub use likelihood::BetaGeometricLikelihood;

/// A BG/NBD model.
pub type Parameters = BetaGeometric<0>;
/// Its likelihood.
pub type Likelihood = BetaGeometricLikelihood<0>;

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

/// A BG/NBD model (`EARLY` = 0) or MBG/NBD model (1: the first purchase is a chance to drop out too), or a limit of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BetaGeometric<const EARLY: u8> {
    pub rates: PurchaseRates,
    pub drop_out: DropOut,
}

impl DropOut {
    /// Reads `a`, `b` and `dropout_probability`, as the table above writes limits.
    fn from_columns(a: Option<f64>, b: Option<f64>, dropout_probability: Option<f64>) -> Option<Self> {
        let positive = |number: f64| number > 0.0 && number.is_finite();
        let probability = dropout_probability.filter(|number| (0.0..=1.0).contains(number));
        match (a, b) {
            (Some(a), Some(b)) if positive(a) && positive(b) => Some(Self::Beta { a, b }),
            (Some(0.0), Some(0.0)) => Some(Self::AllOrNothing { share: probability? }),
            (Some(0.0), b) if b.is_none_or(positive) => Some(Self::Equal { probability: 0.0 }),
            (a, Some(0.0)) if a.is_none_or(positive) => Some(Self::Equal { probability: 1.0 }),
            (None, None) => Some(Self::Equal { probability: probability? }),
            _ => None,
        }
    }

    fn to_columns(self) -> [Option<f64>; 3] {
        match self {
            Self::Beta { a, b } => [Some(a), Some(b), Some(a / (a + b))],
            Self::Equal { probability: 0.0 } => [Some(0.0), None, Some(0.0)],
            Self::Equal { probability: 1.0 } => [None, Some(0.0), Some(1.0)],
            Self::Equal { probability } => [None, None, Some(probability)],
            Self::AllOrNothing { share } => [Some(0.0), Some(0.0), Some(share)],
        }
    }
}
