//! Maximum likelihood for the BG/NBD model, with the limits where the maximum lies on the boundary.

use super::{Customer, CustomerError, DropOut, DropOutKind, Likelihood, Parameters, PurchaseRates, RateKind};
use crate::transform::functions::models::optimise::{Maximum, maximise};

/// A search ends once a parameter is this far, in logarithms, from the middle of the plausible.
const REACH: f64 = 14.0;
/// Within this distance, with a standard error below the next, a maximum is inside for certain.
const SAFE_DISTANCE: f64 = 4.0;
const SAFE_ERROR: f64 = 1.5;
/// A limit whose likelihood is this near to the best one is the answer: the simpler model explains the data as well.
const EQUAL_LIKELIHOOD: f64 = 1e-7;

/// Up to so many distinct histories the likelihood is searched for several local maxima.
const SEVERAL_MAXIMA: usize = 2_000;

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
    pub r: f64,
    pub alpha: f64,
    pub a: f64,
    pub b: f64,
}

/// Why there is no fit.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum FitError {
    #[error("a customer has no likelihood")]
    Customer(#[from] CustomerError),
    #[error("the log-likelihood of {customers} customers is not finite")]
    NotFinite { customers: u64 },
}

/// Fits the model to customers with their multiplicities; `None` without customers.
///
/// The order of the customers does not change a bit of the result.
pub fn fit(customers: impl IntoIterator<Item = (Customer, u64)>) -> Result<Option<Fit>, FitError> {
    let likelihood = Likelihood::new(customers)?;
    if likelihood.customers() == 0 {
        return Ok(None);
    }
    if likelihood.purchases() == 0.0 {
        return Ok(Some(nobody_bought(&likelihood)));
    }
    let best = best_start(&likelihood);
    let inside = search(&likelihood, INTERIOR, &best);
    let found = if is_safely_inside(&likelihood, &inside) {
        Candidate { kind: INTERIOR, maximum: inside }
    } else {
        with_limits(&likelihood, inside)
    };
    if !found.maximum.evaluation.value.is_finite() {
        return Err(FitError::NotFinite { customers: likelihood.customers() });
    }
    Ok(Some(found.into_fit(&likelihood)))
}

/// Climbs from given `r`, `alpha`, `a`, `b` inside the model's parameters, without regard to limits.
pub fn fit_interior_from(likelihood: &Likelihood, start: [f64; 4]) -> Fit {
    let maximum = search(likelihood, INTERIOR, &start.map(f64::ln));
    Candidate { kind: INTERIOR, maximum }.into_fit(likelihood)
}

/// A model or one of its limits, for fitting.
type Kind = (RateKind, DropOutKind);

const INTERIOR: Kind = (RateKind::Gamma, DropOutKind::Beta);

/// The limits, those with fewer parameters first.
const LIMITS: [Kind; 9] = [
    (RateKind::Equal, DropOutKind::Never),
    (RateKind::Equal, DropOutKind::Certain),
    (RateKind::Gamma, DropOutKind::Never),
    (RateKind::Gamma, DropOutKind::Certain),
    (RateKind::Equal, DropOutKind::Equal),
    (RateKind::Equal, DropOutKind::AllOrNothing),
    (RateKind::Gamma, DropOutKind::Equal),
    (RateKind::Gamma, DropOutKind::AllOrNothing),
    (RateKind::Equal, DropOutKind::Beta),
];

struct Candidate {
    kind: Kind,
    maximum: Maximum,
}

/// The supremum, 1, is reached at a rate of zero, and nothing is learnt about dropping out.
fn nobody_bought(likelihood: &Likelihood) -> Fit {
    Fit {
        parameters: Parameters {
            rates: PurchaseRates::Equal { rate: 0.0 },
            drop_out: DropOut::Equal { probability: 0.0 },
        },
        standard_errors: None,
        log_likelihood: 0.0,
        customers: likelihood.customers(),
        is_converged: true,
        is_boundary: true,
    }
}

/// The middle of the plausible: `ln r` at 0, `alpha` such that `r / alpha` is the customers' mean rate, and so on.
fn centre(likelihood: &Likelihood, kind: Kind) -> Vec<f64> {
    let log_rate = (likelihood.purchases() / likelihood.observed()).ln();
    let mut centre = match kind.0 {
        RateKind::Gamma => vec![0.0, -log_rate],
        RateKind::Equal => vec![log_rate],
    };
    centre.resize(centre.len() + kind.1.parameters(), 0.0);
    centre
}

fn search(likelihood: &Likelihood, kind: Kind, start: &[f64]) -> Maximum {
    maximise(&|point| likelihood.evaluate(kind.0, kind.1, point), start, &centre(likelihood, kind), REACH)
}

/// Returns the best of a few plausible points.
fn best_start(likelihood: &Likelihood) -> Vec<f64> {
    let centre = centre(likelihood, INTERIOR);
    let mut best = (f64::NEG_INFINITY, centre.clone());
    for r in [0.3_f64, 1.0] {
        for (a, b) in [(0.5_f64, 2.0_f64), (0.05, 2.0)] {
            let point = vec![r.ln(), centre[1] + r.ln(), a.ln(), b.ln()];
            let value = likelihood.evaluate(INTERIOR.0, INTERIOR.1, &point).value;
            if value > best.0 {
                best = (value, point);
            }
        }
    }
    best.1
}

fn is_safely_inside(likelihood: &Likelihood, maximum: &Maximum) -> bool {
    let centre = centre(likelihood, INTERIOR);
    maximum.is_converged
        && maximum.point.iter().zip(&centre).all(|(at, middle)| (at - middle).abs() < SAFE_DISTANCE)
        && maximum.standard_errors().is_some_and(|errors| errors.iter().all(|error| *error < SAFE_ERROR))
}

/// Fits every limit too and returns the simplest of those with the largest likelihood.
///
/// A handful of customers can have several local maxima, so their searches start from several points.
fn with_limits(likelihood: &Likelihood, inside: Maximum) -> Candidate {
    let is_small = likelihood.histories() <= SEVERAL_MAXIMA;
    let middle = centre(likelihood, INTERIOR);
    let mut insides = vec![inside];
    if is_small {
        for drop_out in [[-3.0, 1.0], [2.0, 4.0], [-2.0, -1.0]] {
            let start = [middle[0], middle[1], drop_out[0], drop_out[1]];
            insides.push(search(likelihood, INTERIOR, &start));
        }
    }
    insides.retain(|maximum| maximum.evaluation.value.is_finite());
    insides.sort_by(|one, other| other.evaluation.value.total_cmp(&one.evaluation.value));
    let best_inside = insides.first().map_or(&middle, |maximum| &maximum.point);
    let mut candidates = Vec::new();
    for kind in LIMITS {
        if kind.1 == DropOutKind::Certain && likelihood.most_purchases() > 1.0 {
            continue;
        }
        let starts = limit_starts(kind, best_inside, &middle);
        for start in starts.iter().take(if is_small { starts.len() } else { 1 }) {
            candidates.push(Candidate { kind, maximum: search(likelihood, kind, start) });
        }
    }
    candidates.retain(|candidate| candidate.value().is_finite());
    candidates.extend(insides.into_iter().map(|maximum| Candidate { kind: INTERIOR, maximum }));
    let best = candidates.iter().map(Candidate::value).fold(f64::NEG_INFINITY, f64::max);
    let is_best = |candidate: &Candidate| candidate.value() >= best - EQUAL_LIKELIHOOD - 1e-12 * best.abs();
    let chosen = candidates
        .iter()
        .position(|candidate| is_best(candidate) && candidate.maximum.is_converged)
        .or_else(|| candidates.iter().position(is_best));
    match chosen {
        Some(chosen) => candidates.swap_remove(chosen),
        None => Candidate { kind: INTERIOR, maximum: search(likelihood, INTERIOR, &middle) },
    }
}

/// Starts a limit's search where the search inside ended, on the way there, and in the middle of the plausible.
fn limit_starts(kind: Kind, inside: &[f64], centre: &[f64]) -> [Vec<f64>; 3] {
    let bounded = |at: f64, middle: f64| middle + (at - middle).clamp(-SAFE_DISTANCE, SAFE_DISTANCE);
    let near: Vec<f64> = inside.iter().zip(centre).map(|(at, middle)| bounded(*at, *middle)).collect();
    let from = |point: &[f64]| {
        let mut start = match kind.0 {
            RateKind::Gamma => point[..2].to_vec(),
            RateKind::Equal => vec![point[0] - point[1]],
        };
        match kind.1 {
            DropOutKind::Beta => start.extend_from_slice(&point[2..]),
            DropOutKind::Equal | DropOutKind::AllOrNothing => start.push((point[2] - point[3]).clamp(-3.0, 3.0)),
            DropOutKind::Never | DropOutKind::Certain => {}
        }
        start
    };
    [from(inside), from(&near), from(&[centre[0], centre[1], -0.5, 0.5])]
}

impl Candidate {
    fn value(&self) -> f64 {
        self.maximum.evaluation.value
    }

    fn into_fit(self, likelihood: &Likelihood) -> Fit {
        let point = &self.maximum.point;
        let (rates, rest) = match self.kind.0 {
            RateKind::Gamma => (PurchaseRates::Gamma { r: point[0].exp(), alpha: point[1].exp() }, &point[2..]),
            RateKind::Equal => (PurchaseRates::Equal { rate: point[0].exp() }, &point[1..]),
        };
        let share = |rest: &[f64]| 1.0 / (1.0 + (-rest[0]).exp());
        let drop_out = match self.kind.1 {
            DropOutKind::Beta => DropOut::Beta { a: rest[0].exp(), b: rest[1].exp() },
            DropOutKind::Equal => DropOut::Equal { probability: share(rest) },
            DropOutKind::AllOrNothing => DropOut::AllOrNothing { share: share(rest) },
            DropOutKind::Never => DropOut::Equal { probability: 0.0 },
            DropOutKind::Certain => DropOut::Equal { probability: 1.0 },
        };
        let parameters = Parameters { rates, drop_out };
        let is_boundary = parameters.is_boundary();
        let errors = self.maximum.standard_errors().filter(|_| !is_boundary && self.maximum.is_converged);
        let standard_errors = errors.map(|errors| StandardErrors {
            r: point[0].exp() * errors[0],
            alpha: point[1].exp() * errors[1],
            a: point[2].exp() * errors[2],
            b: point[3].exp() * errors[3],
        });
        Fit {
            parameters,
            standard_errors,
            log_likelihood: self.value(),
            customers: likelihood.customers(),
            is_converged: self.maximum.is_converged,
            is_boundary,
        }
    }
}
