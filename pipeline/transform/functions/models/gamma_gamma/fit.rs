//! Maximum likelihood for the Gamma-Gamma model, with the limits where the maximum lies on the boundary.

use super::{Kind, Likelihood, Parameters, Spender, SpenderError};
use crate::transform::functions::models::optimise::{Maximum, maximise};

/// A search ends once a parameter is this far, in logarithms, from the middle of the plausible.
const REACH: f64 = 14.0;
/// The same for the limits, which hold when prices differ by a cent in ten thousand.
const LIMIT_REACH: f64 = 40.0;
/// Within this distance, with a standard error below the next, a maximum is inside for certain.
const SAFE_DISTANCE: f64 = 5.0;
const SAFE_ERROR: f64 = 1.5;
/// A limit whose likelihood is this near to the best one is the answer: the simpler model explains the data as well.
const EQUAL_LIKELIHOOD: f64 = 1e-7;

/// A fitted model.
#[derive(Debug, Clone, PartialEq)]
pub struct Fit {
    pub parameters: Parameters,
    /// `None` on the boundary, where the likelihood's curvature says nothing about them.
    pub standard_errors: Option<StandardErrors>,
    pub log_likelihood: f64,
    pub customers: u64,
    pub is_converged: bool,
    /// A parameter ran to 0 or infinity, and the parameters are those of the limit.
    pub is_boundary: bool,
}

/// From the inverse of the observed information; logarithms are undone by the delta method.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StandardErrors {
    pub p: f64,
    pub q: f64,
    pub v: f64,
}

/// Why there is no fit.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum FitError {
    #[error("a customer has no likelihood")]
    Spender(#[from] SpenderError),
    #[error(
        "the log-likelihood has no finite maximum: all {customers} customers have the same mean value {monetary}, so how \
         values vary is unknown"
    )]
    NoVariation { customers: u64, monetary: f64 },
    #[error("the log-likelihood of {customers} customers is not finite")]
    NotFinite { customers: u64 },
}

/// Fits the model to customers with their multiplicities; `None` without customers.
///
/// The order of the customers does not change a bit of the result.
pub fn fit(customers: impl IntoIterator<Item = (Spender, u64)>) -> Result<Option<Fit>, FitError> {
    let likelihood = Likelihood::new(customers)?;
    let customers = likelihood.customers();
    if customers == 0 {
        return Ok(None);
    }
    let (smallest, largest) = likelihood.range();
    if smallest == largest {
        return Err(FitError::NoVariation { customers, monetary: smallest });
    }
    let middle = likelihood.mean_value().ln();
    let mut inside = search(&likelihood, Kind::Inside, &[0.5, 1.0, middle + 0.4]);
    if !is_safely_inside(&inside, middle) {
        let again = search(&likelihood, Kind::Inside, &[2.0, 1.0, middle - 1.5]);
        if again.is_converged && (!inside.is_converged || again.evaluation.value > inside.evaluation.value) {
            inside = again;
        }
    }
    let (kind, maximum) = if is_safely_inside(&inside, middle) {
        (Kind::Inside, inside)
    } else {
        let equal_customers = search(&likelihood, Kind::EqualCustomers, &[0.5, middle]);
        let equal_purchases = search(&likelihood, Kind::EqualPurchases, &[1.0, middle]);
        best(vec![
            (Kind::EqualCustomers, equal_customers),
            (Kind::EqualPurchases, equal_purchases),
            (Kind::Inside, inside),
        ])
        .ok_or(FitError::NotFinite { customers })?
    };
    if !maximum.evaluation.value.is_finite() {
        return Err(FitError::NotFinite { customers });
    }
    Ok(Some(to_fit(kind, &maximum, customers)))
}

/// Climbs from given `p`, `q`, `v` inside the model's parameters, without regard to limits.
pub fn fit_interior_from(likelihood: &Likelihood, start: [f64; 3]) -> Fit {
    to_fit(Kind::Inside, &search(likelihood, Kind::Inside, &start.map(f64::ln)), likelihood.customers())
}

fn search(likelihood: &Likelihood, kind: Kind, start: &[f64]) -> Maximum {
    let middle = likelihood.mean_value().ln();
    let (centre, reach): (&[f64], f64) = match kind {
        Kind::Inside => (&[0.0, 0.0, middle], REACH),
        Kind::EqualCustomers | Kind::EqualPurchases => (&[0.0, middle], LIMIT_REACH),
    };
    maximise(&|point| likelihood.evaluate(kind, point), start, centre, reach)
}

fn is_safely_inside(maximum: &Maximum, middle: f64) -> bool {
    let distances = maximum.point.iter().zip([0.0, 0.0, middle]).map(|(at, middle)| (at - middle).abs());
    maximum.is_converged
        && distances.into_iter().all(|distance| distance < SAFE_DISTANCE)
        && maximum.standard_errors().is_some_and(|errors| errors.iter().all(|error| *error < SAFE_ERROR))
}

/// Returns the simplest of those with the largest likelihood; the simpler ones come first.
fn best(mut candidates: Vec<(Kind, Maximum)>) -> Option<(Kind, Maximum)> {
    candidates.retain(|(_, maximum)| maximum.evaluation.value.is_finite());
    let value = |(_, maximum): &(Kind, Maximum)| maximum.evaluation.value;
    let largest = candidates.iter().map(value).fold(f64::NEG_INFINITY, f64::max);
    let tolerance = EQUAL_LIKELIHOOD + 1e-12 * largest.abs();
    let is_best = |candidate: &(Kind, Maximum)| value(candidate) >= largest - tolerance;
    let chosen = candidates
        .iter()
        .position(|candidate| is_best(candidate) && candidate.1.is_converged)
        .or_else(|| candidates.iter().position(is_best))?;
    Some(candidates.swap_remove(chosen))
}

fn to_fit(kind: Kind, maximum: &Maximum, customers: u64) -> Fit {
    let point: Vec<f64> = maximum.point.iter().map(|at| at.exp()).collect();
    let parameters = match kind {
        Kind::Inside => Parameters::Inside { p: point[0], q: point[1], v: point[2] },
        Kind::EqualCustomers => Parameters::EqualCustomers { p: point[0], mean: point[1] },
        Kind::EqualPurchases => Parameters::EqualPurchases { q: point[0], scale: point[0] * point[1] },
    };
    let is_boundary = kind != Kind::Inside;
    let errors = maximum.standard_errors().filter(|_| !is_boundary && maximum.is_converged);
    let standard_errors = errors.map(|e| StandardErrors { p: point[0] * e[0], q: point[1] * e[1], v: point[2] * e[2] });
    Fit {
        parameters,
        standard_errors,
        log_likelihood: maximum.evaluation.value,
        customers,
        is_converged: maximum.is_converged,
        is_boundary,
    }
}
