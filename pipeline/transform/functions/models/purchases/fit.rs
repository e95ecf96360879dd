//! Maximum likelihood for a model of repeat purchases, with the limits where the maximum lies on the boundary.

use std::ops::Range;

use super::{CustomerError, Histories, RateKind};
use crate::transform::functions::models::optimise::{Evaluation, Maximum, maximise};

/// Within this distance, with a standard error below the next, a maximum is inside for certain.
const SAFE_DISTANCE: f64 = 4.0;
const SAFE_ERROR: f64 = 1.5;
/// A limit whose likelihood is this near to the best one is the answer: the simpler model explains the data as well.
const EQUAL_LIKELIHOOD: f64 = 1e-7;

/// Up to so many distinct histories the likelihood is searched for several local maxima.
const SEVERAL_MAXIMA: usize = 2_000;
/// From so many distinct histories on, a search begins with every so many-th of them.
const MANY: usize = 16_384;
const EVERY: usize = 32;

/// What dropping out is fitted as: how the chances differ among customers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DropOutKind {
    /// Two parameters, in logarithms: those of a beta or gamma distribution.
    Mixed,
    /// One: the chance that is the same for everybody.
    Equal,
    /// One: the logit of the share that drops out at the first chance; the rest never does.
    AllOrNothing,
    /// None: nobody drops out.
    Never,
    /// None: everybody drops out at the first chance.
    Certain,
}

impl DropOutKind {
    /// The number of its parameters, which come after those of the rates.
    pub fn parameters(self) -> usize {
        match self {
            Self::Mixed => 2,
            Self::Equal | Self::AllOrNothing => 1,
            Self::Never | Self::Certain => 0,
        }
    }
}

/// A model or one of its limits, for fitting.
pub type Kind = (RateKind, DropOutKind);

/// The model itself.
pub const INTERIOR: Kind = (RateKind::Gamma, DropOutKind::Mixed);

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
    (RateKind::Equal, DropOutKind::Mixed),
];

/// The log-likelihood of a model over all customers, and what its search has to know of dropping out.
pub trait Likelihood {
    type Parameters;

    /// A search ends once a parameter is this far, in logarithms, from the middle of the plausible.
    const REACH: f64;

    /// The likelihood of other histories.
    fn of(histories: Histories) -> Self;

    fn histories(&self) -> &Histories;

    /// Evaluates the log-likelihood of the whole at a point: the rates' parameters, then the drop-out's.
    ///
    /// The sum runs over the sorted histories, so equal customers give equal bits.
    fn evaluate(&self, kind: Kind, point: &[f64]) -> Evaluation;

    /// Says whether a limit can have made the data at all.
    fn is_possible(&self, kind: DropOutKind) -> bool;

    /// The middle of the plausible parameters of dropping out.
    fn drop_out_centre(&self, kind: DropOutKind) -> Vec<f64>;

    /// Plausible points, relative to the centre, of which the best begins the search.
    fn drop_out_starts(&self) -> [[f64; 2]; 2];

    /// Further points, relative to the centre, from which a handful of customers is searched for other maxima: `ln alpha`
    /// and the parameters of dropping out.
    fn corners(&self) -> [[f64; 3]; 4];

    /// The point of a limit that is nearest to one inside.
    fn drop_out_limit(&self, kind: DropOutKind, inside: [f64; 2]) -> Vec<f64>;

    /// Reads a point.
    fn parameters(&self, kind: Kind, point: &[f64]) -> Self::Parameters;

    /// The model of customers of whom none bought again: at a rate of zero nothing is learnt about dropping out.
    fn nobody_buys() -> Self::Parameters;
}

/// A fitted model.
#[derive(Debug, Clone, PartialEq)]
pub struct Fit<Parameters> {
    pub parameters: Parameters,
    /// From the inverse of the observed information; logarithms are undone by the delta method. `None` on the boundary,
    /// where the likelihood's curvature says nothing about them.
    pub standard_errors: Option<[f64; 4]>,
    pub log_likelihood: f64,
    pub customers: u64,
    pub is_converged: bool,
    /// A parameter ran to 0 or infinity, and the parameters are those of the limit.
    pub is_boundary: bool,
}

/// Why there is no fit.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum FitError {
    #[error("a customer has no likelihood")]
    Customer(#[from] CustomerError),
    #[error("the log-likelihood of {customers} customers is not finite")]
    NotFinite { customers: u64 },
}

/// Maximises a likelihood; `None` without customers.
pub fn fit<L: Likelihood>(likelihood: &L) -> Result<Option<Fit<L::Parameters>>, FitError> {
    let customers = likelihood.histories().customers();
    if customers == 0 {
        return Ok(None);
    }
    if likelihood.histories().purchases() == 0.0 {
        return Ok(Some(nobody_bought(likelihood)));
    }
    let data = Data::new(likelihood);
    let inside = data.search(INTERIOR, &best_start(data.sample()));
    let found = if is_safely_inside(likelihood, &inside, 0..4) {
        Candidate { kind: INTERIOR, maximum: inside }
    } else {
        with_limits(&data, inside)
    };
    if !found.maximum.evaluation.value.is_finite() {
        return Err(FitError::NotFinite { customers });
    }
    Ok(Some(found.into_fit(likelihood)))
}

/// Climbs from four given parameters inside the model's, without regard to limits.
pub fn fit_interior_from<L: Likelihood>(likelihood: &L, start: [f64; 4]) -> Fit<L::Parameters> {
    let maximum = climb(likelihood, INTERIOR, &start.map(f64::ln));
    Candidate { kind: INTERIOR, maximum }.into_fit(likelihood)
}

/// All histories, and a sample of them where there are many.
struct Data<'a, L> {
    all: &'a L,
    sample: Option<L>,
}

impl<'a, L: Likelihood> Data<'a, L> {
    fn new(all: &'a L) -> Self {
        let sample = (all.histories().groups().len() >= MANY)
            .then(|| all.histories().sample(EVERY))
            .filter(|sample| sample.purchases() > 0.0);
        Self { all, sample: sample.map(L::of) }
    }

    fn sample(&self) -> &L {
        self.sample.as_ref().unwrap_or(self.all)
    }

    /// Climbs from `start`; where there is a sample, its maximum is where the climb over all begins.
    fn search(&self, kind: Kind, start: &[f64]) -> Maximum {
        let sampled = self.sample.as_ref().map(|sample| climb(sample, kind, start));
        match sampled.filter(|maximum| maximum.is_converged) {
            Some(maximum) => climb(self.all, kind, &maximum.point),
            None => climb(self.all, kind, start),
        }
    }
}

fn climb<L: Likelihood>(likelihood: &L, kind: Kind, start: &[f64]) -> Maximum {
    maximise(&|point| likelihood.evaluate(kind, point), start, &centre(likelihood, kind), L::REACH)
}

struct Candidate {
    kind: Kind,
    maximum: Maximum,
}

/// The supremum, 1, is reached at a rate of zero, and nothing is learnt about dropping out.
fn nobody_bought<L: Likelihood>(likelihood: &L) -> Fit<L::Parameters> {
    Fit {
        parameters: L::nobody_buys(),
        standard_errors: None,
        log_likelihood: 0.0,
        customers: likelihood.histories().customers(),
        is_converged: true,
        is_boundary: true,
    }
}

/// The middle of the plausible: `ln r` at 0, `alpha` such that `r / alpha` is the customers' mean rate, and so on.
fn centre<L: Likelihood>(likelihood: &L, kind: Kind) -> Vec<f64> {
    let histories = likelihood.histories();
    let log_rate = (histories.purchases() / histories.observed()).ln();
    let mut centre = match kind.0 {
        RateKind::Gamma => vec![0.0, -log_rate],
        RateKind::Equal => vec![log_rate],
    };
    centre.extend(likelihood.drop_out_centre(kind.1));
    centre
}

/// Returns the best of a few plausible points.
fn best_start<L: Likelihood>(likelihood: &L) -> Vec<f64> {
    let centre = centre(likelihood, INTERIOR);
    let mut best = (f64::NEG_INFINITY, centre.clone());
    for r in [0.3_f64, 1.0] {
        for [first, second] in likelihood.drop_out_starts() {
            let point = vec![r.ln(), centre[1] + r.ln(), centre[2] + first, centre[3] + second];
            let value = likelihood.evaluate(INTERIOR, &point).value;
            if value > best.0 {
                best = (value, point);
            }
        }
    }
    best.1
}

/// Says whether these parameters of a maximum are far from any limit.
fn is_safely_inside<L: Likelihood>(likelihood: &L, maximum: &Maximum, mut slots: Range<usize>) -> bool {
    let centre = centre(likelihood, INTERIOR);
    let Some(errors) = maximum.standard_errors() else { return false };
    maximum.is_converged
        && slots.all(|slot| (maximum.point[slot] - centre[slot]).abs() < SAFE_DISTANCE && errors[slot] < SAFE_ERROR)
}

/// Fits every limit too and returns the simplest of those with the largest likelihood.
///
/// A handful of customers can have several local maxima, so their searches start from several points. Where there are many,
/// limits of parameters that are safely inside are left out.
fn with_limits<L: Likelihood>(data: &Data<L>, inside: Maximum) -> Candidate {
    let likelihood = data.all;
    let is_small = likelihood.histories().groups().len() <= SEVERAL_MAXIMA;
    let are_rates_safe = !is_small && is_safely_inside(likelihood, &inside, 0..2);
    let middle = centre(likelihood, INTERIOR);
    let mut insides = vec![inside];
    if is_small {
        for [alpha, first, second] in likelihood.corners() {
            let start = [middle[0], middle[1] + alpha, middle[2] + first, middle[3] + second];
            insides.push(data.search(INTERIOR, &start));
        }
    }
    insides.retain(|maximum| maximum.evaluation.value.is_finite());
    insides.sort_by(|one, other| other.evaluation.value.total_cmp(&one.evaluation.value));
    let best_inside = insides.first().map_or(&middle, |maximum| &maximum.point);
    let mut candidates = Vec::new();
    for kind in LIMITS {
        if !likelihood.is_possible(kind.1) || (are_rates_safe && kind.0 == RateKind::Equal) {
            continue;
        }
        let starts = limit_starts(likelihood, kind, best_inside, &middle);
        for start in starts.iter().take(if is_small { starts.len() } else { 1 }) {
            candidates.push(Candidate { kind, maximum: data.search(kind, start) });
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
        None => Candidate { kind: INTERIOR, maximum: data.search(INTERIOR, &middle) },
    }
}

/// Starts a limit's search where the search inside ended, on the way there, and in the middle of the plausible.
fn limit_starts<L: Likelihood>(likelihood: &L, kind: Kind, inside: &[f64], centre: &[f64]) -> [Vec<f64>; 3] {
    let bounded = |at: f64, middle: f64| middle + (at - middle).clamp(-SAFE_DISTANCE, SAFE_DISTANCE);
    let near: Vec<f64> = inside.iter().zip(centre).map(|(at, middle)| bounded(*at, *middle)).collect();
    let from = |point: &[f64]| {
        let mut start = match kind.0 {
            RateKind::Gamma => point[..2].to_vec(),
            RateKind::Equal => vec![point[0] - point[1]],
        };
        start.extend(likelihood.drop_out_limit(kind.1, [point[2], point[3]]));
        start
    };
    [from(inside), from(&near), from(&[centre[0], centre[1], centre[2] - 0.5, centre[3] + 0.5])]
}

impl Candidate {
    fn value(&self) -> f64 {
        self.maximum.evaluation.value
    }

    fn into_fit<L: Likelihood>(self, likelihood: &L) -> Fit<L::Parameters> {
        let point = &self.maximum.point;
        let is_boundary = self.kind != INTERIOR;
        let errors = self.maximum.standard_errors().filter(|_| !is_boundary && self.maximum.is_converged);
        Fit {
            parameters: likelihood.parameters(self.kind, point),
            standard_errors: errors.map(|errors| std::array::from_fn(|slot| point[slot].exp() * errors[slot])),
            log_likelihood: self.value(),
            customers: likelihood.histories().customers(),
            is_converged: self.maximum.is_converged,
            is_boundary,
        }
    }
}
