//! Special functions that `statrs` lacks, and the differences of gamma functions that likelihoods are made of.

use statrs::function::beta::{beta_reg, ln_beta};
use statrs::function::erf::erfc_inv;
pub use statrs::function::gamma::{digamma, ln_gamma};

/// The quantile of the standard normal distribution at .975: what 95 % lies between, both ways.
pub const NORMAL_975: f64 = 1.959_963_984_540_054;
/// From so many degrees of freedom on, the expansion of t in powers of 1/df is exact to double precision.
const EXPANDED_FROM: f64 = 1000.0;

/// From here on the asymptotic series of the gamma functions are exact to double precision.
const ASYMPTOTIC_FROM: f64 = 16.0;
/// Up to this many whole steps a rising factorial is summed factor by factor.
const SUMMED_STEPS: f64 = 64.0;

/// Returns the second derivative of `ln_gamma` at `z > 0`.
///
/// Abramowitz and Stegun, 6.4.6 (recurrence) and 6.4.12 (asymptotic series).
pub fn trigamma(z: f64) -> f64 {
    let mut shifted = z;
    let mut sum = 0.0;
    while shifted < ASYMPTOTIC_FROM {
        sum += 1.0 / (shifted * shifted);
        shifted += 1.0;
    }
    sum + 1.0 / shifted + trigamma_rest(shifted)
}

/// A function of one variable with two derivatives: of the logarithm of a rising factorial, by its base, for one.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Derivatives {
    pub value: f64,
    pub first: f64,
    pub second: f64,
}

impl Derivatives {
    /// Computes `ln_gamma(z + n) - ln_gamma(z)` for `z > 0` and `n >= 0`, which need not be whole, without subtracting
    /// large gamma functions; the derivatives are by `z`.
    ///
    /// Few whole steps are summed as `ln z + ln(z + 1) + ...`. Otherwise `z` is raised by the recurrence (Abramowitz and
    /// Stegun, 6.1.15) and the terms of Stirling's series (6.1.41, 6.3.18, 6.4.12) are subtracted one by one.
    pub fn rising(z: f64, n: f64) -> Self {
        if n <= SUMMED_STEPS && n.fract() == 0.0 {
            return Self::summed(z, n);
        }
        let mut base = z;
        let mut raised = Self::default();
        while base < ASYMPTOTIC_FROM {
            raised.value += (n / base).ln_1p();
            raised.first += 1.0 / (base + n) - 1.0 / base;
            raised.second -= (base + n).powi(-2) - base.powi(-2);
            base += 1.0;
        }
        let top = base + n;
        let growth = (n / base).ln_1p();
        Self {
            value: (base - 0.5) * growth + n * top.ln() - n + (stirling_rest(top) - stirling_rest(base)) - raised.value,
            first: growth + (digamma_rest(top) - digamma_rest(base)) - raised.first,
            second: -n / (top * base) + (trigamma_rest(top) - trigamma_rest(base)) - raised.second,
        }
    }

    fn summed(z: f64, n: f64) -> Self {
        let mut sum = Self::default();
        let mut step = 0.0;
        while step < n {
            let inverse = 1.0 / (z + step);
            sum.value += (z + step).ln();
            sum.first += inverse;
            sum.second -= inverse * inverse;
            step += 1.0;
        }
        sum
    }
}

impl std::ops::Add for Derivatives {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { value: self.value + other.value, first: self.first + other.first, second: self.second + other.second }
    }
}

/// `ln_gamma(z) - ((z - 1/2) ln z - z + ln(2 pi)/2)`.
fn stirling_rest(z: f64) -> f64 {
    let i = 1.0 / z;
    let s = i * i;
    i * (1.0 / 12.0 - s * (1.0 / 360.0 - s * (1.0 / 1260.0 - s * (1.0 / 1680.0 - s / 1188.0))))
}

/// `digamma(z) - ln z`.
fn digamma_rest(z: f64) -> f64 {
    let i = 1.0 / z;
    let s = i * i;
    -0.5 * i - s * (1.0 / 12.0 - s * (1.0 / 120.0 - s * (1.0 / 252.0 - s * (1.0 / 240.0 - s / 132.0))))
}

/// `trigamma(z) - 1 / z`.
fn trigamma_rest(z: f64) -> f64 {
    let i = 1.0 / z;
    let s = i * i;
    0.5 * s + s * i * (1.0 / 6.0 - s * (1.0 / 30.0 - s * (1.0 / 42.0 - s * (1.0 / 30.0 - s * (5.0 / 66.0)))))
}

/// `z ln z - z - ln_gamma(z)` with two derivatives: what the density of a gamma variable with mean 1 and shape `z` has besides
/// `z (ln y - y + 1) - ln y`.
///
/// Written so, no large numbers cancel when the shape is large; the series is Stirling's (Abramowitz and Stegun, 6.1.41).
pub fn concentration(z: f64) -> Derivatives {
    if z < ASYMPTOTIC_FROM {
        return Derivatives {
            value: z * z.ln() - z - ln_gamma(z),
            first: z.ln() - digamma(z),
            second: 1.0 / z - trigamma(z),
        };
    }
    Derivatives {
        value: 0.5 * (z / std::f64::consts::TAU).ln() - stirling_rest(z),
        first: -digamma_rest(z),
        second: -trigamma_rest(z),
    }
}

/// Returns the quantile of Student's t distribution with `freedom` > 0 degrees, which need not be whole; `None` unless
/// 0 < `probability` < 1.
///
/// P(|T| <= t) is the regularised incomplete beta function of t^2/(df + t^2) at 1/2, df/2 (Abramowitz and Stegun, 26.5.27 and
/// 26.7.1). Its inverse is found by Newton's method from the normal quantile, which lies between 0 and the solution: the
/// distribution function is concave there, so no step goes too far. Many degrees: the expansion 26.7.5.
pub fn t_quantile(probability: f64, freedom: f64) -> Option<f64> {
    let is_possible = probability > 0.0 && probability < 1.0 && freedom > 0.0;
    if !is_possible {
        return None;
    }
    let tail = probability.min(1.0 - probability);
    let sign = if probability < 0.5 { -1.0 } else { 1.0 };
    let normal = std::f64::consts::SQRT_2 * erfc_inv(2.0 * tail);
    if freedom >= EXPANDED_FROM {
        return Some(sign * expanded_t(normal, freedom));
    }
    if normal <= 0.0 {
        return Some(0.0);
    }
    let ln_density_at_0 = -0.5 * freedom.ln() - ln_beta(0.5, 0.5 * freedom);
    let mut t = normal;
    for _ in 0..200 {
        let square = t * t;
        let excess = 0.5 * beta_reg(0.5 * freedom, 0.5, freedom / (freedom + square)) - tail;
        let density = (ln_density_at_0 - 0.5 * (freedom + 1.0) * (square / freedom).ln_1p()).exp();
        let step = excess / density;
        if !step.is_finite() {
            break;
        }
        t += step;
        if step.abs() <= 4.0 * f64::EPSILON * t {
            break;
        }
    }
    Some(sign * t)
}

/// Abramowitz and Stegun, 26.7.5.
fn expanded_t(z: f64, freedom: f64) -> f64 {
    let (i, s) = (1.0 / freedom, z * z);
    let first = z * (s + 1.0) / 4.0;
    let second = z * ((5.0 * s + 16.0) * s + 3.0) / 96.0;
    let third = z * (((3.0 * s + 19.0) * s + 17.0) * s - 15.0) / 384.0;
    let fourth = z * ((((79.0 * s + 776.0) * s + 1482.0) * s - 1920.0) * s - 945.0) / 92_160.0;
    z + i * (first + i * (second + i * (third + i * fourth)))
}

/// A sum that carries the rounding error of each addition along (Neumaier, 1974), so that a million terms stay exact to
/// the last digits.
#[derive(Debug, Clone, Copy, Default)]
pub struct CarefulSum {
    sum: f64,
    error: f64,
}

impl CarefulSum {
    /// Adds a term.
    pub fn add(&mut self, term: f64) {
        let next = self.sum + term;
        self.error += if self.sum.abs() >= term.abs() { (self.sum - next) + term } else { (term - next) + self.sum };
        self.sum = next;
    }

    /// Returns the sum; infinite or NaN as soon as a term was.
    pub fn total(self) -> f64 {
        if self.sum.is_finite() { self.sum + self.error } else { self.sum }
    }
}
