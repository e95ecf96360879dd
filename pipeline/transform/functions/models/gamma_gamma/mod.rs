//! The Gamma-Gamma model of monetary value (Fader, Hardie: "The Gamma-Gamma Model of Monetary Value", 2013): the value of
//! a customer's purchases is gamma(`p`, `nu`) distributed, and `nu` is gamma(`q`, `v`) distributed among customers.
//!
//! A customer is (`x`, `monetary`): a number of purchases and their mean value, both positive.
//!
//! | what runs away | the limit | written as |
//! |---|---|---|
//! | `q`, `v` to infinity, `v / q` fixed | everybody's purchases have the same mean | `q`, `v` null, `mean_value` |
//! | `p` to infinity, `p v` fixed | a customer's purchases all have the same value | `p` null, `v` = 0, `mean_value` |
//!
//! Both at once, which only customers of exactly one mean value bring about, have no finite likelihood.

mod fit;
mod likelihood;

pub use fit::{Fit, FitError, StandardErrors, fit, fit_interior_from};
pub use likelihood::{Kind, Likelihood, SpenderError};

/// What is known of the value of a customer's purchases.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spender {
    /// `x`: the number of purchases that `monetary` is the mean of.
    pub purchases: f64,
    /// The mean value of a purchase.
    pub monetary: f64,
}

/// A Gamma-Gamma model or one of its limits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Parameters {
    /// The model itself.
    Inside { p: f64, q: f64, v: f64 },
    /// Every customer's purchases have this mean; their shape is `p`.
    EqualCustomers { p: f64, mean: f64 },
    /// A customer's purchases all have one value, which is inverse gamma(`q`, `scale`) distributed among customers.
    EqualPurchases { q: f64, scale: f64 },
}

/// Parameters as a table holds them: a null stands for a limit.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct FlatParameters {
    pub p: Option<f64>,
    pub q: Option<f64>,
    pub v: Option<f64>,
    /// The mean of the population; null if it is infinite (`q` up to 1).
    pub mean_value: Option<f64>,
}

impl Parameters {
    /// Returns the mean value of a purchase in the population, `p v / (q - 1)`; `None` if it is infinite.
    pub fn mean_value(&self) -> Option<f64> {
        let (scale, q) = match *self {
            Self::Inside { p, q, v } => (p * v, q),
            Self::EqualCustomers { mean, .. } => return Some(mean),
            Self::EqualPurchases { q, scale } => (scale, q),
        };
        (q > 1.0).then(|| scale / (q - 1.0))
    }

    /// Writes them as a table holds them.
    pub fn to_flat(self) -> FlatParameters {
        let mean_value = self.mean_value();
        match self {
            Self::Inside { p, q, v } => FlatParameters { p: Some(p), q: Some(q), v: Some(v), mean_value },
            Self::EqualCustomers { p, .. } => FlatParameters { p: Some(p), q: None, v: None, mean_value },
            Self::EqualPurchases { q, .. } => FlatParameters { p: None, q: Some(q), v: Some(0.0), mean_value },
        }
    }
}

/// Returns the expected value of a customer's purchases: the mean of the population and the customer's own mean, weighted
/// by what is known (Fader, Hardie 2013, equation 5): `p (v + x monetary) / (p x + q - 1)`.
///
/// Without a purchase or a positive `monetary` it is the population's mean. `None` where that mean is infinite, or where
/// the parameters are those of no model.
pub fn expected_value(flat: FlatParameters, purchases: f64, monetary: Option<f64>) -> Option<f64> {
    let FlatParameters { p, q, v, mean_value } = flat;
    let positive = |number: f64| number > 0.0 && number.is_finite();
    let spent = monetary.filter(|spent| positive(*spent) && positive(purchases));
    match (p, q, v) {
        (Some(p), Some(q), Some(v)) if positive(p) && positive(q) && positive(v) => {
            let (scale, weight) = match spent {
                Some(spent) => (p * (v + purchases * spent), p * purchases + q - 1.0),
                None => (p * v, q - 1.0),
            };
            (weight > 0.0).then(|| scale / weight)
        }
        // Everybody's mean is the same: what a customer spent so far says nothing more.
        (Some(_), None, None) => mean_value,
        // A customer's purchases all have one value: it is known after the first.
        (None, Some(_), _) => spent.or(mean_value),
        _ => None,
    }
}
