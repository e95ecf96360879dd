//! The log-likelihood of a Pareto/NBD model or of one of its limits, with exact first and second derivatives.
//!
//! A customer's is `ln g(x, t) + ln S(t) + ln(1 + I)`, in the words of [`tail`](super::tail): the history and being alive at
//! its end, and having dropped out before, relative to that.

use super::predict::log_1p_exp;
use super::tail::{Ends, Node, Tail};
use super::{Lifetimes, Parameters};
use crate::transform::functions::models::optimise::Evaluation;
use crate::transform::functions::models::purchases::{
    self, Customer, CustomerError, DropOutKind, Histories, Kind, PurchaseRates, RateKind, RateTerms, Term, time_term,
};
use crate::transform::functions::models::special::CarefulSum;

/// Customers, ready for many evaluations.
#[derive(Debug, Clone)]
pub struct ParetoLikelihood {
    histories: Histories,
}

impl ParetoLikelihood {
    /// Groups customers with their multiplicities; the result does not depend on the order in which they come.
    pub fn new(customers: impl IntoIterator<Item = (Customer, u64)>) -> Result<Self, CustomerError> {
        Ok(Self { histories: Histories::new(customers)? })
    }

    /// The logarithm of the mean time observed.
    fn log_time(&self) -> f64 {
        (self.histories.observed() / self.histories.customers() as f64).ln()
    }
}

impl purchases::Likelihood for ParetoLikelihood {
    type Parameters = Parameters;

    /// A share that drops out at once, and lifetimes that hardly end, can want a `beta` of seconds.
    const REACH: f64 = 28.0;

    fn of(histories: Histories) -> Self {
        Self { histories }
    }

    fn histories(&self) -> &Histories {
        &self.histories
    }

    fn evaluate(&self, kind: Kind, point: &[f64]) -> Evaluation {
        let (rates, drop_out) = point.split_at(kind.0.parameters());
        let mut rate_terms = RateTerms::new(kind.0, rates);
        let counts: Vec<Term> = self.histories.counts().iter().map(|x| rate_terms.at(*x)).collect();
        let lives = Lives::new(kind, rates, drop_out);
        let times: Vec<_> = self.histories.times().iter().map(|time| time_term(kind.0, rates, *time)).collect();
        let survivals: Vec<Term> = self.histories.times().iter().map(|time| lives.survival(*time)).collect();
        let mut sum = Sum::default();
        for group in self.histories.groups() {
            let x = self.histories.counts()[group.count as usize];
            let (last, observed) =
                (self.histories.times()[group.last as usize], self.histories.times()[group.observed as usize]);
            let time = &times[group.observed as usize];
            let purchases = counts[group.count as usize].plus(&time.level, 1.0).plus(&time.per_purchase, x);
            let survival = &survivals[group.observed as usize];
            sum.add_alive(group.weight, &purchases, survival);
            lives.add_dropped_out(&mut sum, group.weight, x, last, observed, &purchases);
        }
        // Slots 0 and 1 belong to the rates, 2 and 3 to the drop-out; a kind with fewer parameters leaves some unused.
        let slots: Vec<usize> = (0..kind.0.parameters()).chain((0..kind.1.parameters()).map(|slot| slot + 2)).collect();
        Evaluation {
            value: sum.value.total(),
            gradient: slots.iter().map(|slot| sum.slope[*slot]).collect(),
            hessian: slots
                .iter()
                .flat_map(|row| slots.iter().map(|column| sum.bend[*row.max(column)][*row.min(column)]))
                .collect(),
        }
    }

    fn is_possible(&self, kind: DropOutKind) -> bool {
        kind != DropOutKind::Certain
    }

    fn drop_out_centre(&self, kind: DropOutKind) -> Vec<f64> {
        match kind {
            DropOutKind::Mixed => vec![0.0, self.log_time()],
            DropOutKind::Equal => vec![-self.log_time()],
            DropOutKind::AllOrNothing => vec![0.0],
            DropOutKind::Never | DropOutKind::Certain => Vec::new(),
        }
    }

    fn drop_out_starts(&self) -> [[f64; 2]; 2] {
        [[-0.7, -0.7], [-3.0, 0.0]]
    }

    fn corners(&self) -> [[f64; 3]; 4] {
        [[0.0, -3.0, 0.0], [0.0, 2.0, 3.0], [0.0, -2.0, -4.0], [-3.0, 0.0, -3.0]]
    }

    fn drop_out_limit(&self, kind: DropOutKind, [log_s, log_beta]: [f64; 2]) -> Vec<f64> {
        match kind {
            DropOutKind::Mixed => vec![log_s, log_beta],
            DropOutKind::Equal => vec![(log_s - log_beta).clamp(-self.log_time() - 6.0, -self.log_time() + 6.0)],
            DropOutKind::AllOrNothing => {
                // Those who have dropped out by the mean time, which is what the share has to explain.
                let staying = -log_s.exp() * log_1p_exp(self.log_time() - log_beta);
                let logit = (-staying.exp_m1()).max(f64::MIN_POSITIVE).ln() - staying;
                vec![logit.clamp(-3.0, 3.0)]
            }
            DropOutKind::Never | DropOutKind::Certain => Vec::new(),
        }
    }

    fn parameters(&self, kind: Kind, point: &[f64]) -> Parameters {
        let rest = &point[kind.0.parameters()..];
        let lifetimes = match kind.1 {
            DropOutKind::Mixed => Lifetimes::Gamma { s: rest[0].exp(), beta: rest[1].exp() },
            DropOutKind::Equal => Lifetimes::Equal { rate: rest[0].exp() },
            DropOutKind::AllOrNothing => Lifetimes::AllOrNothing { share: 1.0 / (1.0 + (-rest[0]).exp()) },
            DropOutKind::Never | DropOutKind::Certain => Lifetimes::Equal { rate: 0.0 },
        };
        Parameters { rates: PurchaseRates::at_point(kind.0, point), lifetimes }
    }

    fn nobody_buys() -> Parameters {
        Parameters { rates: PurchaseRates::Equal { rate: 0.0 }, lifetimes: Lifetimes::Equal { rate: 0.0 } }
    }
}

/// Lifetimes at a point of the search.
enum Lives {
    Ending { tail: Tail, kind: RateKind, point: Vec<f64> },
    AllOrNothing { logit: f64 },
    Endless,
}

impl Lives {
    fn new(kind: Kind, rates: &[f64], drop_out: &[f64]) -> Self {
        let rates = PurchaseRates::at_point(kind.0, rates);
        let ending = |ends, kind| Self::Ending { tail: Tail { rates, ends }, kind, point: drop_out.to_vec() };
        match kind.1 {
            DropOutKind::Mixed => {
                ending(Ends::Gamma { s: drop_out[0].exp(), beta: drop_out[1].exp() }, RateKind::Gamma)
            }
            DropOutKind::Equal => ending(Ends::Equal { rate: drop_out[0].exp() }, RateKind::Equal),
            DropOutKind::AllOrNothing => Self::AllOrNothing { logit: drop_out[0] },
            DropOutKind::Never | DropOutKind::Certain => Self::Endless,
        }
    }

    /// `ln S(t)`.
    fn survival(&self, time: f64) -> Term {
        match self {
            Self::Ending { kind, point, .. } => time_term(*kind, point, time).level,
            Self::AllOrNothing { logit } => {
                let share = 1.0 / (1.0 + (-logit).exp());
                Term { value: -log_1p_exp(*logit), slope: [-share, 0.0], bend: [-share * (1.0 - share), 0.0, 0.0] }
            }
            Self::Endless => Term::default(),
        }
    }

    /// Adds `ln(1 + I)`.
    fn add_dropped_out(&self, sum: &mut Sum, weight: f64, x: f64, last: f64, observed: f64, purchases: &Term) {
        match self {
            Self::Ending { tail, .. } => {
                let mut odds = Odds::default();
                let derivatives = Derivatives::new(tail, x, observed);
                let scale = tail.integrate(x, last, observed, |weight, node| {
                    let (slope, bend) = derivatives.at(node);
                    odds.add(weight, &slope, &bend);
                });
                if odds.total > 0.0 {
                    odds.settle(scale).add_to(sum, weight);
                }
            }
            // The share that is gone at once, by those who stay and do not buy: exp(logit) / g(0, t).
            Self::AllOrNothing { logit } if x == 0.0 => {
                let slope = [-purchases.slope[0], -purchases.slope[1], 1.0, 0.0];
                let mut bend = Square::default();
                bend[0][0] = -purchases.bend[0];
                bend[1][0] = -purchases.bend[1];
                bend[1][1] = -purchases.bend[2];
                let odds = LogOdds { value: logit - purchases.value, slope, bend };
                odds.add_to(sum, weight);
            }
            Self::AllOrNothing { .. } | Self::Endless => {}
        }
    }
}

/// The lower triangle of a matrix over the four slots.
type Square = [[f64; 4]; 4];

/// The derivatives of the logarithm of the integrand.
struct Derivatives {
    /// `r` and `r + x`, or the equal rate twice.
    rate: f64,
    count: f64,
    alpha: Option<(f64, f64)>,
    end: f64,
    beta: Option<(f64, f64)>,
}

impl Derivatives {
    fn new(tail: &Tail, x: f64, observed: f64) -> Self {
        let at_end = |parameter: f64| (parameter, parameter / (parameter + observed));
        let (rate, count, alpha) = match tail.rates {
            PurchaseRates::Gamma { r, alpha } => (r, r + x, Some(at_end(alpha))),
            PurchaseRates::Equal { rate } => (rate, rate, None),
        };
        let (end, beta) = match tail.ends {
            Ends::Gamma { s, beta } => (s, Some(at_end(beta))),
            Ends::Equal { rate } => (rate, None),
        };
        Self { rate, count, alpha, end, beta }
    }

    #[inline(always)]
    fn at(&self, node: &Node) -> ([f64; 4], [f64; 6]) {
        let bought = self.rate * node.purchases;
        let ended = self.end * node.ends;
        let (mut slope, mut bend) = ([bought, 0.0, 1.0 + ended, 0.0], [bought, 0.0, 0.0, ended, 0.0, 0.0]);
        if let Some((alpha, end)) = self.alpha {
            let inverse = 1.0 / (alpha + node.time);
            let difference = -end * node.rest * inverse;
            slope[1] = self.count * difference;
            bend[1] = self.rate * difference;
            bend[2] = slope[1] * (1.0 - end - alpha * inverse);
        }
        if let Some((beta, end)) = self.beta {
            let inverse = 1.0 / (beta + node.time);
            let share = beta * inverse;
            let difference = self.end * -end * node.rest * inverse;
            slope[3] = difference - share;
            bend[4] = difference;
            bend[5] = difference * (1.0 - end - share) - share * (1.0 - share);
        }
        (slope, bend)
    }
}

/// The moments of the derivatives under the integrand.
#[derive(Default)]
struct Odds {
    total: f64,
    slope: [f64; 4],
    bend: Square,
}

impl Odds {
    #[inline(always)]
    fn add(&mut self, weight: f64, slope: &[f64; 4], bend: &[f64; 6]) {
        self.total += weight;
        for row in 0..4 {
            let weighted = weight * slope[row];
            self.slope[row] += weighted;
            for (moment, other) in self.bend[row].iter_mut().zip(&slope[..=row]) {
                *moment += weighted * other;
            }
        }
        for (entry, (row, column)) in [(0, 0), (1, 0), (1, 1), (2, 2), (3, 2), (3, 3)].into_iter().enumerate() {
            self.bend[row][column] += weight * bend[entry];
        }
    }

    fn settle(self, scale: f64) -> LogOdds {
        let slope = self.slope.map(|moment| moment / self.total);
        let mut bend = self.bend;
        for row in 0..4 {
            for column in 0..=row {
                bend[row][column] = bend[row][column] / self.total - slope[row] * slope[column];
            }
        }
        LogOdds { value: scale + self.total.ln(), slope, bend }
    }
}

/// `ln I` with its derivatives.
struct LogOdds {
    value: f64,
    slope: [f64; 4],
    bend: Square,
}

impl LogOdds {
    /// Adds `ln(1 + I)`.
    fn add_to(&self, sum: &mut Sum, weight: f64) {
        let share = 1.0 / (1.0 + (-self.value).exp());
        let spread = share / (1.0 + self.value.exp());
        sum.value.add(weight * log_1p_exp(self.value));
        for row in 0..4 {
            sum.slope[row] += weight * share * self.slope[row];
            for column in 0..=row {
                sum.bend[row][column] +=
                    weight * (share * self.bend[row][column] + spread * self.slope[row] * self.slope[column]);
            }
        }
    }
}

/// The sums over all histories.
#[derive(Default)]
struct Sum {
    value: CarefulSum,
    slope: [f64; 4],
    bend: Square,
}

impl Sum {
    /// Adds the logarithm of the likelihood together with being alive.
    fn add_alive(&mut self, weight: f64, purchases: &Term, survival: &Term) {
        self.value.add(weight * (purchases.value + survival.value));
        for (term, first) in [(purchases, 0), (survival, 2)] {
            self.slope[first] += weight * term.slope[0];
            self.slope[first + 1] += weight * term.slope[1];
            self.bend[first][first] += weight * term.bend[0];
            self.bend[first + 1][first] += weight * term.bend[1];
            self.bend[first + 1][first + 1] += weight * term.bend[2];
        }
    }
}
