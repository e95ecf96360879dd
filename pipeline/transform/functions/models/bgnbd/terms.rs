//! The factors of a BG/NBD likelihood in logarithms, with their derivatives, for the model and each of its limits.

use crate::transform::functions::models::special::Derivatives;

/// What the purchase rates are fitted as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RateKind {
    /// Two parameters: `ln r`, `ln alpha`.
    Gamma,
    /// One: the logarithm of the rate.
    Equal,
}

/// What the drop-out probabilities are fitted as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DropOutKind {
    /// Two parameters: `ln a`, `ln b`.
    Beta,
    /// One: the logit of the probability.
    Equal,
    /// One: the logit of the share that drops out.
    AllOrNothing,
    /// None: nobody drops out.
    Never,
    /// None: everybody drops out after the first repeat purchase; impossible once somebody has two.
    Certain,
}

impl RateKind {
    /// The number of its parameters, which come first.
    pub fn parameters(self) -> usize {
        match self {
            Self::Gamma => 2,
            Self::Equal => 1,
        }
    }
}

impl DropOutKind {
    /// The number of its parameters, which come after those of the rates.
    pub fn parameters(self) -> usize {
        match self {
            Self::Beta => 2,
            Self::Equal | Self::AllOrNothing => 1,
            Self::Never | Self::Certain => 0,
        }
    }
}

/// A term in one pair of parameters: value, gradient, and the Hessian's upper triangle.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Term {
    pub value: f64,
    pub slope: [f64; 2],
    pub bend: [f64; 3],
}

/// What depends on `x` only.
#[derive(Debug, Clone, Copy)]
pub(super) struct CountTerm {
    /// The part of `ln g` that depends on `x` alone; only its first rate parameter moves it.
    pub rates: Term,
    pub survive: Term,
    pub drop: Term,
}

/// What depends on a time only: `ln g(x, s) = rates(x) + level(s) + x per_purchase(s)`.
#[derive(Debug, Clone, Copy)]
pub(super) struct TimeTerm {
    pub level: Term,
    pub per_purchase: Term,
}

/// Returns the terms of ascending distinct `x`.
pub(super) fn count_terms(
    counts: &[f64],
    rates: RateKind,
    rate_point: &[f64],
    drop_out: DropOutKind,
    drop_out_point: &[f64],
) -> Vec<CountTerm> {
    let mut rate_terms = RateTerms::new(rates, rate_point);
    let mut drop_out_terms = DropOutTerms::new(drop_out, drop_out_point);
    let terms = counts.iter().map(|x| {
        let (survive, drop) = drop_out_terms.at(*x);
        CountTerm { rates: rate_terms.at(*x), survive, drop }
    });
    terms.collect()
}

/// The rates' part that depends on `x`, for ascending `x`.
enum RateTerms {
    /// `ln_gamma(r + x) - ln_gamma(r)`, from one `x` to the next.
    Gamma { r: f64, x: f64, rising: Derivatives },
    /// `x ln rate`.
    Equal { log_rate: f64 },
}

impl RateTerms {
    fn new(kind: RateKind, point: &[f64]) -> Self {
        match kind {
            RateKind::Gamma => Self::Gamma { r: point[0].exp(), x: 0.0, rising: Derivatives::default() },
            RateKind::Equal => Self::Equal { log_rate: point[0] },
        }
    }

    fn at(&mut self, next: f64) -> Term {
        match self {
            Self::Gamma { r, x, rising } => {
                *rising = *rising + Derivatives::rising(*r + *x, next - *x);
                *x = next;
                let slope = *r * rising.first;
                Term { value: rising.value, slope: [slope, 0.0], bend: [slope + *r * *r * rising.second, 0.0, 0.0] }
            }
            Self::Equal { log_rate } => Term { value: next * *log_rate, slope: [next, 0.0], bend: [0.0; 3] },
        }
    }
}

/// The logarithms of `survive` and `drop`, for ascending `x`.
struct DropOutTerms {
    kind: DropOutKind,
    a: f64,
    b: f64,
    /// The probability, or the share.
    probability: f64,
    log_drop: f64,
    log_survive: f64,
    x: f64,
    rising_b: Derivatives,
    rising_both: Derivatives,
}

impl DropOutTerms {
    fn new(kind: DropOutKind, point: &[f64]) -> Self {
        let (a, b) = match (kind, point) {
            (DropOutKind::Beta, [log_a, log_b, ..]) => (log_a.exp(), log_b.exp()),
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
            x: 0.0,
            rising_b: Derivatives::default(),
            rising_both: Derivatives::default(),
        }
    }

    fn at(&mut self, x: f64) -> (Term, Term) {
        let impossible = Term { value: f64::NEG_INFINITY, ..Term::default() };
        match self.kind {
            DropOutKind::Beta => self.beta(x),
            DropOutKind::Equal => (self.equal(x, x), if x > 0.0 { self.dropped_at(x) } else { impossible }),
            DropOutKind::AllOrNothing => {
                (self.equal(x, x.min(1.0)), if x == 1.0 { self.dropped_at(1.0) } else { impossible })
            }
            DropOutKind::Never => (Term::default(), impossible),
            DropOutKind::Certain if x == 0.0 => (Term::default(), impossible),
            DropOutKind::Certain if x == 1.0 => (impossible, Term::default()),
            DropOutKind::Certain => (impossible, impossible),
        }
    }

    /// `ln B(a, b + x) - ln B(a, b)`, and `ln B(a + 1, b + x - 1) - ln B(a, b)`.
    fn beta(&mut self, next: f64) -> (Term, Term) {
        let (a, b, steps) = (self.a, self.b, next - self.x);
        self.rising_b = self.rising_b + Derivatives::rising(b + self.x, steps);
        self.rising_both = self.rising_both + Derivatives::rising(a + b + self.x, steps);
        self.x = next;
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
    fn equal(&self, x: f64, times: f64) -> Term {
        if x == 0.0 {
            return Term::default();
        }
        let p = self.probability;
        Term { value: times * self.log_survive, slope: [-times * p, 0.0], bend: [-times * p * (1.0 - p), 0.0, 0.0] }
    }

    fn dropped_at(&self, x: f64) -> Term {
        let p = self.probability;
        Term {
            value: self.log_drop + (x - 1.0) * self.log_survive,
            slope: [(1.0 - p) - (x - 1.0) * p, 0.0],
            bend: [-x * p * (1.0 - p), 0.0, 0.0],
        }
    }
}

/// For gamma rates, `-r ln(1 + s / alpha)` and `-ln(alpha + s)`; for equal ones, `-rate s` and nothing.
pub(super) fn time_term(kind: RateKind, point: &[f64], time: f64) -> TimeTerm {
    match kind {
        RateKind::Gamma => {
            let (r, alpha) = (point[0].exp(), point[1].exp());
            let growth = r * (time / alpha).ln_1p();
            let share = time / (alpha + time);
            let rest = alpha / (alpha + time);
            TimeTerm {
                level: Term {
                    value: -growth,
                    slope: [-growth, r * share],
                    bend: [-growth, r * share, -r * share * rest],
                },
                per_purchase: Term {
                    value: -(alpha + time).ln(),
                    slope: [0.0, -rest],
                    bend: [0.0, 0.0, -share * rest],
                },
            }
        }
        RateKind::Equal => {
            let expected = point[0].exp() * time;
            TimeTerm {
                level: Term { value: -expected, slope: [-expected, 0.0], bend: [-expected, 0.0, 0.0] },
                per_purchase: Term::default(),
            }
        }
    }
}
