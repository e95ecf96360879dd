//! The probabilities of surviving and of dropping out in logarithms, with their derivatives, for the model and its limits.

use crate::transform::functions::models::purchases::{DropOutKind, Term};
use crate::transform::functions::models::special::Derivatives;

/// The logarithms of `survive` and `drop`, for ascending numbers of chances.
pub(super) struct DropOutTerms {
    kind: DropOutKind,
    a: f64,
    b: f64,
    /// The probability, or the share.
    probability: f64,
    log_drop: f64,
    log_survive: f64,
    n: f64,
    rising_b: Derivatives,
    rising_both: Derivatives,
}

impl DropOutTerms {
    pub fn new(kind: DropOutKind, point: &[f64]) -> Self {
        let (a, b) = match (kind, point) {
            (DropOutKind::Mixed, [log_a, log_b, ..]) => (log_a.exp(), log_b.exp()),
            _ => (1.0, 1.0),
        };
        let logit = point.first().copied().unwrap_or(0.0);
        Self {
            kind,
            a,
            b,
            probability: 1.0 / (1.0 + (-logit).exp()),
            log_drop: -(-logit).exp().ln_1p(),
            log_survive: -logit.exp().ln_1p(),
            n: 0.0,
            rising_b: Derivatives::default(),
            rising_both: Derivatives::default(),
        }
    }

    /// Returns the terms of surviving all of `n` chances to drop out, and of dropping out at the last of them.
    pub fn at(&mut self, n: f64) -> (Term, Term) {
        let impossible = Term { value: f64::NEG_INFINITY, ..Term::default() };
        match self.kind {
            DropOutKind::Mixed => self.beta(n),
            DropOutKind::Equal => (self.equal(n, n), if n > 0.0 { self.dropped_at(n) } else { impossible }),
            DropOutKind::AllOrNothing => {
                (self.equal(n, n.min(1.0)), if n == 1.0 { self.dropped_at(1.0) } else { impossible })
            }
            DropOutKind::Never => (Term::default(), impossible),
            DropOutKind::Certain if n == 0.0 => (Term::default(), impossible),
            DropOutKind::Certain if n == 1.0 => (impossible, Term::default()),
            DropOutKind::Certain => (impossible, impossible),
        }
    }

    /// `ln B(a, b + n) - ln B(a, b)`, and `ln B(a + 1, b + n - 1) - ln B(a, b)`.
    fn beta(&mut self, next: f64) -> (Term, Term) {
        let (a, b, steps) = (self.a, self.b, next - self.n);
        self.rising_b = self.rising_b + Derivatives::rising(b + self.n, steps);
        self.rising_both = self.rising_both + Derivatives::rising(a + b + self.n, steps);
        self.n = next;
        let (rb, both) = (self.rising_b, self.rising_both);
        let slope = [-a * both.first, b * (rb.first - both.first)];
        let bend = [slope[0] - a * a * both.second, -a * b * both.second, slope[1] + b * b * (rb.second - both.second)];
        let survive = Term { value: rb.value - both.value, slope, bend };
        if next == 0.0 {
            return (survive, Term { value: f64::NEG_INFINITY, ..Term::default() });
        }
        let before = b + next - 1.0;
        let drop = Term {
            value: survive.value + a.ln() - before.ln(),
            slope: [slope[0] + 1.0, slope[1] - b / before],
            bend: [bend[0], bend[1], bend[2] - b * (next - 1.0) / (before * before)],
        };
        (survive, drop)
    }

    /// The probability of surviving `times` trials with one and the same probability.
    fn equal(&self, n: f64, times: f64) -> Term {
        if n == 0.0 {
            return Term::default();
        }
        let p = self.probability;
        Term { value: times * self.log_survive, slope: [-times * p, 0.0], bend: [-times * p * (1.0 - p), 0.0, 0.0] }
    }

    fn dropped_at(&self, n: f64) -> Term {
        let p = self.probability;
        Term {
            value: self.log_drop + (n - 1.0) * self.log_survive,
            slope: [(1.0 - p) - (n - 1.0) * p, 0.0],
            bend: [-n * p * (1.0 - p), 0.0, 0.0],
        }
    }
}
