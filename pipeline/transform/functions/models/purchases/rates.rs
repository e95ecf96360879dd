//! How purchase rates differ among customers, and their factor of a likelihood in logarithms, with derivatives.

use crate::transform::functions::models::special::Derivatives;

/// How purchase rates differ among customers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum PurchaseRates {
    /// Gamma distributed with shape `r` and rate `alpha`.
    Gamma { r: f64, alpha: f64 },
    /// The same for everybody; 0: nobody buys again.
    Equal { rate: f64 },
}

impl PurchaseRates {
    /// Reads `r`, `alpha` and `purchase_rate`, which is needed at a limit; `None` if they define no rates.
    pub fn from_columns(r: Option<f64>, alpha: Option<f64>, purchase_rate: Option<f64>) -> Option<Self> {
        let positive = |number: f64| number > 0.0 && number.is_finite();
        match (r, alpha) {
            (Some(r), Some(alpha)) if positive(r) && positive(alpha) => Some(Self::Gamma { r, alpha }),
            (Some(0.0), _) => Some(Self::Equal { rate: 0.0 }),
            (None, None) => Some(Self::Equal { rate: purchase_rate.filter(|rate| *rate >= 0.0 && rate.is_finite())? }),
            _ => None,
        }
    }

    /// Writes `r`, `alpha` and `purchase_rate`.
    pub fn to_columns(self) -> [Option<f64>; 3] {
        match self {
            Self::Gamma { r, alpha } => [Some(r), Some(alpha), Some(r / alpha)],
            Self::Equal { rate: 0.0 } => [Some(0.0), None, Some(0.0)],
            Self::Equal { rate } => [None, None, Some(rate)],
        }
    }

    /// The rates of customers who bought `purchases` times in a time `observed`: gamma distributions are conjugate.
    pub fn given(self, purchases: f64, observed: f64) -> Self {
        match self {
            Self::Gamma { r, alpha } => Self::Gamma { r: r + purchases, alpha: alpha + observed },
            equal => equal,
        }
    }

    /// Reads the rates' part of a point of a search.
    pub fn at_point(kind: RateKind, point: &[f64]) -> Self {
        match kind {
            RateKind::Gamma => Self::Gamma { r: point[0].exp(), alpha: point[1].exp() },
            RateKind::Equal => Self::Equal { rate: point[0].exp() },
        }
    }
}

/// What the purchase rates are fitted as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RateKind {
    /// Two parameters: `ln r`, `ln alpha`.
    Gamma,
    /// One: the logarithm of the rate.
    Equal,
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

/// A term in one pair of parameters: value, gradient, and the Hessian's upper triangle.
#[derive(Debug, Clone, Copy, Default)]
pub struct Term {
    pub value: f64,
    pub slope: [f64; 2],
    pub bend: [f64; 3],
}

impl Term {
    /// Adds a multiple of another term.
    pub fn plus(&self, other: &Self, times: f64) -> Self {
        Self {
            value: self.value + times * other.value,
            slope: std::array::from_fn(|slot| self.slope[slot] + times * other.slope[slot]),
            bend: std::array::from_fn(|entry| self.bend[entry] + times * other.bend[entry]),
        }
    }
}

/// What depends on a time only: `ln g(x, s) = rates(x) + level(s) + x per_purchase(s)`.
#[derive(Debug, Clone, Copy)]
pub struct TimeTerm {
    pub level: Term,
    pub per_purchase: Term,
}

/// The part of `ln g` that depends on `x` alone, for ascending `x`; only the first rate parameter moves it.
pub enum RateTerms {
    /// `ln_gamma(r + x) - ln_gamma(r)`, from one `x` to the next.
    Gamma { r: f64, x: f64, rising: Derivatives },
    /// `x ln rate`.
    Equal { log_rate: f64 },
}

impl RateTerms {
    pub fn new(kind: RateKind, point: &[f64]) -> Self {
        match kind {
            RateKind::Gamma => Self::Gamma { r: point[0].exp(), x: 0.0, rising: Derivatives::default() },
            RateKind::Equal => Self::Equal { log_rate: point[0] },
        }
    }

    pub fn at(&mut self, next: f64) -> Term {
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

/// For gamma rates, `-r ln(1 + s / alpha)` and `-ln(alpha + s)`; for equal ones, `-rate s` and nothing.
///
/// `level` is the logarithm of the probability that a process with such rates has no event in the time.
pub fn time_term(kind: RateKind, point: &[f64], time: f64) -> TimeTerm {
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

/// The logarithm of the density of `x` purchases at given times within `time`.
pub fn log_density(rates: &PurchaseRates, x: f64, time: f64) -> f64 {
    match *rates {
        PurchaseRates::Gamma { r, alpha } => {
            Derivatives::rising(r, x).value - r * (time / alpha).ln_1p() - x * (alpha + time).ln()
        }
        PurchaseRates::Equal { rate } if x == 0.0 => -rate * time,
        PurchaseRates::Equal { rate } => x * rate.ln() - rate * time,
    }
}
