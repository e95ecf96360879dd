//! The log-likelihood of a BG/NBD or MBG/NBD model or of one of its limits, with exact first and second derivatives.
//!
//! A customer's likelihood is (Fader, Hardie, Lee 2005, equation 6, in the factors of their note on computing it)
//!
//! `survive(n) g(x, t) + [n > 0] drop(n) g(x, t_x)`
//!
//! where `g(x, s)` is the density of `x` purchases at these times in a time `s`, averaged over the purchase rates, `n` the
//! number of chances to drop out, `survive(n)` the probability of not doing so `n` times, `drop(n)` that of doing so at the
//! n-th. BG/NBD has a chance at each repeat purchase, MBG/NBD one at the first purchase too. Every limit of
//! the model changes `g`, or `survive` and `drop`, and nothing else. The logarithm of the sum of two exponentials is taken
//! without leaving logarithms, so large `x` does no harm.

use super::terms::DropOutTerms;
use super::{BetaGeometric, DropOut};
use crate::transform::functions::models::optimise::Evaluation;
use crate::transform::functions::models::purchases::{
    self, Customer, CustomerError, DropOutKind, Histories, Kind, PurchaseRates, RateTerms, Term, TimeTerm, time_term,
};
use crate::transform::functions::models::special::CarefulSum;

/// Customers, ready for many evaluations.
#[derive(Debug, Clone)]
pub struct BetaGeometricLikelihood<const EARLY: u8> {
    histories: Histories,
}

/// What depends on `x` only.
#[derive(Debug, Clone, Copy)]
struct CountTerm {
    /// The part of `ln g` that depends on `x` alone; only its first rate parameter moves it.
    rates: Term,
    survive: Term,
    drop: Term,
}

impl<const EARLY: u8> BetaGeometricLikelihood<EARLY> {
    /// Groups customers with their multiplicities; the result does not depend on the order in which they come.
    pub fn new(customers: impl IntoIterator<Item = (Customer, u64)>) -> Result<Self, CustomerError> {
        Ok(Self { histories: Histories::new(customers)? })
    }

    fn count_terms(&self, kind: Kind, rates: &[f64], drop_out: &[f64]) -> Vec<CountTerm> {
        let mut rate_terms = RateTerms::new(kind.0, rates);
        let mut drop_out_terms = DropOutTerms::new(kind.1, drop_out);
        let terms = self.histories.counts().iter().map(|x| {
            let (survive, drop) = drop_out_terms.at(*x + f64::from(EARLY));
            CountTerm { rates: rate_terms.at(*x), survive, drop }
        });
        terms.collect()
    }
}

impl<const EARLY: u8> purchases::Likelihood for BetaGeometricLikelihood<EARLY> {
    type Parameters = BetaGeometric<EARLY>;

    const REACH: f64 = 14.0;

    fn of(histories: Histories) -> Self {
        Self { histories }
    }

    fn histories(&self) -> &Histories {
        &self.histories
    }

    fn evaluate(&self, kind: Kind, point: &[f64]) -> Evaluation {
        let (rates, drop_out) = point.split_at(kind.0.parameters());
        let counts = self.count_terms(kind, rates, drop_out);
        let times: Vec<TimeTerm> = self.histories.times().iter().map(|time| time_term(kind.0, rates, *time)).collect();
        let mut sum = Sum::default();
        for group in self.histories.groups() {
            let x = self.histories.counts()[group.count as usize];
            let count = &counts[group.count as usize];
            let alive = joint(x, count, &count.survive, &times[group.observed as usize]);
            if count.drop.value > f64::NEG_INFINITY {
                sum.add_either(group.weight, &alive, &joint(x, count, &count.drop, &times[group.last as usize]));
            } else {
                sum.add(group.weight, &alive);
            }
        }
        // Slots 0 and 1 belong to the rates, 2 and 3 to the drop-out; a kind with fewer parameters leaves some unused.
        let slots: Vec<usize> = (0..kind.0.parameters()).chain((0..kind.1.parameters()).map(|slot| slot + 2)).collect();
        Evaluation {
            value: sum.value.total(),
            gradient: slots.iter().map(|slot| sum.slope[*slot]).collect(),
            hessian: slots.iter().flat_map(|row| slots.iter().map(|column| sum.bend(*row, *column))).collect(),
        }
    }

    fn is_possible(&self, kind: DropOutKind) -> bool {
        // Nobody has a second chance once everybody drops out at the first.
        kind != DropOutKind::Certain || self.histories.most_purchases() + f64::from(EARLY) <= 1.0
    }

    fn drop_out_centre(&self, kind: DropOutKind) -> Vec<f64> {
        vec![0.0; kind.parameters()]
    }

    fn drop_out_starts(&self) -> [[f64; 2]; 2] {
        [[0.5_f64.ln(), 2.0_f64.ln()], [0.05_f64.ln(), 2.0_f64.ln()]]
    }

    fn corners(&self) -> [[f64; 3]; 4] {
        [[0.0, -3.0, 1.0], [0.0, 2.0, 4.0], [0.0, -2.0, -1.0], [-3.0, 1.0, 1.5]]
    }

    fn drop_out_limit(&self, kind: DropOutKind, [log_a, log_b]: [f64; 2]) -> Vec<f64> {
        match kind {
            DropOutKind::Mixed => vec![log_a, log_b],
            DropOutKind::Equal | DropOutKind::AllOrNothing => vec![(log_a - log_b).clamp(-3.0, 3.0)],
            DropOutKind::Never | DropOutKind::Certain => Vec::new(),
        }
    }

    fn parameters(&self, (rates, drop_out): Kind, point: &[f64]) -> Self::Parameters {
        let rest = &point[rates.parameters()..];
        let share = |rest: &[f64]| 1.0 / (1.0 + (-rest[0]).exp());
        let drop_out = match drop_out {
            DropOutKind::Mixed => DropOut::Beta { a: rest[0].exp(), b: rest[1].exp() },
            DropOutKind::Equal => DropOut::Equal { probability: share(rest) },
            DropOutKind::AllOrNothing => DropOut::AllOrNothing { share: share(rest) },
            DropOutKind::Never => DropOut::Equal { probability: 0.0 },
            DropOutKind::Certain => DropOut::Equal { probability: 1.0 },
        };
        BetaGeometric { rates: PurchaseRates::at_point(rates, point), drop_out }
    }

    fn nobody_buys() -> Self::Parameters {
        BetaGeometric { rates: PurchaseRates::Equal { rate: 0.0 }, drop_out: DropOut::Equal { probability: 0.0 } }
    }
}

/// One of the two ways a history can have come about: value, gradient in four slots, and the Hessian's two blocks.
struct Joint {
    value: f64,
    slope: [f64; 4],
    rates: [f64; 3],
    drop_out: [f64; 3],
}

fn joint(x: f64, count: &CountTerm, drop_out: &Term, time: &TimeTerm) -> Joint {
    let (level, each) = (&time.level, &time.per_purchase);
    Joint {
        value: count.rates.value + level.value + x * each.value + drop_out.value,
        slope: [
            count.rates.slope[0] + level.slope[0],
            level.slope[1] + x * each.slope[1],
            drop_out.slope[0],
            drop_out.slope[1],
        ],
        rates: [count.rates.bend[0] + level.bend[0], level.bend[1], level.bend[2] + x * each.bend[2]],
        drop_out: drop_out.bend,
    }
}

/// The sums over all histories.
#[derive(Default)]
struct Sum {
    value: CarefulSum,
    slope: [f64; 4],
    rates: [f64; 3],
    drop_out: [f64; 3],
    /// Rates by drop-out: (0, 2), (0, 3), (1, 2), (1, 3).
    across: [f64; 4],
}

impl Sum {
    fn add(&mut self, weight: f64, way: &Joint) {
        self.value.add(weight * way.value);
        for slot in 0..4 {
            self.slope[slot] += weight * way.slope[slot];
        }
        for entry in 0..3 {
            self.rates[entry] += weight * way.rates[entry];
            self.drop_out[entry] += weight * way.drop_out[entry];
        }
    }

    /// Adds the logarithm of the sum of two exponentials. With `w` the second's share, its gradient is the mean of the two
    /// gradients, its Hessian the mean of the two plus `w (1 - w)` times the square of the gradients' difference.
    fn add_either(&mut self, weight: f64, alive: &Joint, gone: &Joint) {
        let difference = gone.value - alive.value;
        let (larger, ratio) =
            if difference > 0.0 { (gone.value, (-difference).exp()) } else { (alive.value, difference.exp()) };
        self.value.add(weight * (larger + ratio.ln_1p()));
        let (small, large) = (ratio / (1.0 + ratio), 1.0 / (1.0 + ratio));
        let (share, rest) = if difference > 0.0 { (large, small) } else { (small, large) };
        let (to_gone, to_alive, spread) = (weight * share, weight * rest, weight * share * rest);
        // An impossible way has zero slopes; with a share of zero it adds nothing.
        let apart: [f64; 4] = std::array::from_fn(|slot| gone.slope[slot] - alive.slope[slot]);
        for slot in 0..4 {
            self.slope[slot] += to_alive * alive.slope[slot] + to_gone * gone.slope[slot];
        }
        let squares = [(0, 0), (0, 1), (1, 1)];
        for (entry, (row, column)) in squares.into_iter().enumerate() {
            self.rates[entry] +=
                to_alive * alive.rates[entry] + to_gone * gone.rates[entry] + spread * apart[row] * apart[column];
            self.drop_out[entry] += to_alive * alive.drop_out[entry]
                + to_gone * gone.drop_out[entry]
                + spread * apart[row + 2] * apart[column + 2];
        }
        for (entry, (row, column)) in [(0, 2), (0, 3), (1, 2), (1, 3)].into_iter().enumerate() {
            self.across[entry] += spread * apart[row] * apart[column];
        }
    }

    fn bend(&self, row: usize, column: usize) -> f64 {
        match (row.min(column), row.max(column)) {
            (0, 0) => self.rates[0],
            (0, 1) => self.rates[1],
            (1, 1) => self.rates[2],
            (2, 2) => self.drop_out[0],
            (2, 3) => self.drop_out[1],
            (3, 3) => self.drop_out[2],
            (low, high) => self.across[low * 2 + high - 2],
        }
    }
}
