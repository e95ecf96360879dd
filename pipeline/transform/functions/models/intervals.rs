//! 95 % confidence intervals for the difference between two groups.
//!
//! All are for "one minus other". What cannot be (more successes than trials, a negative variance) and what says nothing (an
//! empty group) has no interval.

use super::special::{NORMAL_975, t_quantile};

/// The ends of an interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    pub low: f64,
    pub high: f64,
}

/// Successes among trials.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Proportion {
    pub successes: f64,
    pub trials: f64,
}

impl Proportion {
    fn rate(self) -> Option<f64> {
        let is_possible = self.trials > 0.0 && self.trials.is_finite() && (0.0..=self.trials).contains(&self.successes);
        is_possible.then(|| self.successes / self.trials)
    }

    /// The score interval: Wilson, "Probable inference, the law of succession, and statistical inference", Journal of the
    /// American Statistical Association 22 (1927).
    fn wilson(self, rate: f64) -> Interval {
        let z2 = NORMAL_975 * NORMAL_975;
        let middle = 2.0 * self.successes + z2;
        let reach = NORMAL_975 * (z2 + 4.0 * self.successes * (1.0 - rate)).sqrt();
        let scale = 2.0 * (self.trials + z2);
        // Without a success, or without a failure, an end is 0 or 1, and rounding must not push it past the rate.
        Interval { low: ((middle - reach) / scale).clamp(0.0, rate), high: ((middle + reach) / scale).clamp(rate, 1.0) }
    }
}

/// Returns the hybrid score interval for a difference of proportions: Newcombe, "Interval estimation for the difference
/// between independent proportions: comparison of eleven methods", Statistics in Medicine 17 (1998), method 10.
///
/// It stays within -1 and 1, and has a width even where nobody, or everybody, succeeds.
pub fn newcombe(one: Proportion, other: Proportion) -> Option<Interval> {
    let (rate, other_rate) = (one.rate()?, other.rate()?);
    let (score, other_score) = (one.wilson(rate), other.wilson(other_rate));
    let difference = rate - other_rate;
    Some(Interval {
        low: difference - (rate - score.low).hypot(other_score.high - other_rate),
        high: difference + (score.high - rate).hypot(other_rate - other_score.low),
    })
}

/// Returns the simple asymptotic (Wald) interval for a difference of proportions, without a correction for continuity:
/// method 1 of the same paper. Where nobody, or everybody, succeeds in both groups it has no width.
pub fn wald(one: Proportion, other: Proportion) -> Option<Interval> {
    let (rate, other_rate) = (one.rate()?, other.rate()?);
    let variance = rate * (1.0 - rate) / one.trials + other_rate * (1.0 - other_rate) / other.trials;
    Some(around(rate - other_rate, NORMAL_975 * variance.sqrt()))
}

/// A group's mean with the variance of its members (divided by n - 1).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    pub mean: f64,
    pub variance: f64,
    pub size: f64,
}

impl Sample {
    /// The squared standard error of the mean.
    fn squared_error(self) -> Option<f64> {
        let is_possible = self.mean.is_finite() && self.variance >= 0.0 && self.variance.is_finite();
        (is_possible && self.size >= 2.0 && self.size.is_finite()).then(|| self.variance / self.size)
    }
}

/// Returns the interval for a difference of means whose variances need not be equal: Welch, "The generalization of
/// 'Student's' problem when several different population variances are involved", Biometrika 34 (1947), with the degrees of
/// freedom of Satterthwaite, "An approximate distribution of estimates of variance components", Biometrics Bulletin 2 (1946).
///
/// Two values are the least that have a variance. If nothing varies the interval is a point.
pub fn welch(one: Sample, other: Sample) -> Option<Interval> {
    let (error, other_error) = (one.squared_error()?, other.squared_error()?);
    let both = error + other_error;
    let difference = one.mean - other.mean;
    if both == 0.0 {
        return Some(around(difference, 0.0));
    }
    // As shares of the sum, tiny variances do not underflow when squared.
    let (share, other_share) = (error / both, other_error / both);
    let freedom = 1.0 / (share * share / (one.size - 1.0) + other_share * other_share / (other.size - 1.0));
    Some(around(difference, t_quantile(0.975, freedom)? * both.sqrt()))
}

fn around(middle: f64, reach: f64) -> Interval {
    Interval { low: middle - reach, high: middle + reach }
}
