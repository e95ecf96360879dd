//! The part of a Pareto/NBD likelihood that has no elementary form: having dropped out between the last purchase and the
//! end of observation.
//!
//! Relative to the likelihood of the history together with being alive at `t`, it is
//!
//! `I = integral over u from t_x to t of [g(x, u) / g(x, t)] [f(u) / S(t)]`
//!
//! where `g(x, u)` is the density of the purchases within a time `u`, `f` the density of lifetimes and `S` the probability of
//! one longer than `t`. Schmittlein, Morrison and Colombo (1987) write it as a difference of two Gaussian hypergeometric
//! functions, which cancels where `t_x` is near `t`, and their series hardly converge where `alpha` and `beta` are far
//! apart (Fader, Hardie: A note on deriving the Pareto/NBD model, 2005). The integral itself has a positive, smooth
//! integrand, of which all derivatives are elementary, for every limit of the model too, so it is taken as it stands: by
//! Gauss and Legendre's rule in pieces within which it changes by a few powers of ten at most.

use crate::transform::functions::models::purchases::PurchaseRates;

/// Nodes in the upper half of (-1, 1) and weights of Gauss and Legendre's rules; a piece gets the first that is exact to
/// double precision there.
const RULE_8: [(f64, f64); 4] = [
    (0.183_434_642_495_649_78, 0.362_683_783_378_361_66),
    (0.525_532_409_916_329, 0.313_706_645_877_886_9),
    (0.796_666_477_413_626_7, 0.222_381_034_453_374_43),
    (0.960_289_856_497_536_2, 0.101_228_536_290_377_06),
];
const RULE_12: [(f64, f64); 6] = [
    (0.125_233_408_511_468_9, 0.249_147_045_813_402_7),
    (0.367_831_498_998_180_2, 0.233_492_536_538_354_6),
    (0.587_317_954_286_617_5, 0.203_167_426_723_065_73),
    (0.769_902_674_194_304_7, 0.160_078_328_543_346_42),
    (0.904_117_256_370_474_8, 0.106_939_325_995_319_07),
    (0.981_560_634_246_719_2, 0.047_175_336_386_511_41),
];
const RULE_16: [(f64, f64); 8] = [
    (0.095_012_509_837_637_44, 0.189_450_610_455_068_64),
    (0.281_603_550_779_258_9, 0.182_603_415_044_923_64),
    (0.458_016_777_657_227_37, 0.169_156_519_395_002_65),
    (0.617_876_244_402_643_8, 0.149_595_988_816_576_7),
    (0.755_404_408_355_003, 0.124_628_971_255_534_07),
    (0.865_631_202_387_831_8, 0.095_158_511_682_492_6),
    (0.944_575_023_073_232_6, 0.062_253_523_938_647_456),
    (0.989_400_934_991_649_9, 0.027_152_459_411_754_176),
];
/// A piece is at most so long in the logarithm of time, and within it the integrand falls by at most so many powers of e.
const LONGEST: f64 = 2.5;
const STEEPEST: f64 = 15.0;
/// What is left once the integrand has fallen by so many powers of e is nothing.
const NEGLIGIBLE: f64 = 42.0;
const MOST_PIECES: usize = 512;

/// Returns the rule for a piece of this length, over which the integrand falls so much.
fn rule(length: f64, fall: f64) -> &'static [(f64, f64)] {
    if length <= 1.0 && fall <= 3.0 {
        &RULE_8
    } else if length <= 2.0 && fall <= 8.0 {
        &RULE_12
    } else {
        &RULE_16
    }
}

/// Lifetimes that have a density.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ends {
    Gamma { s: f64, beta: f64 },
    Equal { rate: f64 },
}

/// A model, for integrating over the ends of lives.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tail {
    pub rates: PurchaseRates,
    pub ends: Ends,
}

/// The end of a life, as the integrand sees it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Node {
    /// `u`, and `t - u`.
    pub time: f64,
    pub rest: f64,
    /// `ln((alpha + t) / (alpha + u))`, and the same of `beta`; `t - u` for equal rates.
    pub purchases: f64,
    pub ends: f64,
}

impl Tail {
    /// Returns `ln I`.
    pub fn log_integral(&self, x: f64, last: f64, observed: f64) -> f64 {
        let mut sum = 0.0;
        let scale = self.integrate(x, last, observed, |weight, _| sum += weight);
        scale + sum.ln()
    }

    /// Visits the nodes with their weights, whose sum is `I` divided by the exponential of what is returned.
    pub fn integrate(&self, x: f64, last: f64, observed: f64, mut visit: impl FnMut(f64, &Node)) -> f64 {
        let span = observed - last;
        if span <= 0.0 {
            return 0.0;
        }
        let first = self.node(last, span, None);
        let scale = self.exponent(x, &first);
        // Logarithmic in the smaller of alpha and beta, the integrand's poles are far off; linear if there is neither.
        let shift = self.shift();
        let is_linear = shift.is_infinite();
        let base = shift + last;
        let length = if is_linear { span } else { (span / base).ln_1p() };
        let time = |y: f64| last + if is_linear { y } else { base * y.exp_m1() };
        let jacobian = |time: f64| if is_linear { 1.0 } else { shift + time };
        let steepness = |time: f64| jacobian(time) * self.fall(x, time);
        let (mut start, mut fallen, mut steep) = (0.0, 0.0, steepness(last));
        for _ in 0..MOST_PIECES {
            let mut step = if is_linear { length - start } else { LONGEST.min(length - start) };
            let mut steep_end = steepness(if start + step < length { time(start + step) } else { observed });
            if steep_end * step > STEEPEST {
                step = step.min(STEEPEST / steep);
                steep_end = steepness(time(start + step));
                while steep_end * step > 1.001 * STEEPEST {
                    step *= 0.5;
                    steep_end = steepness(time(start + step));
                }
            }
            let half = 0.5 * step;
            for (place, weight) in rule(if is_linear { 0.0 } else { step }, steep_end * step) {
                for place in [-place, *place] {
                    let y = start + half * (1.0 + place);
                    let time = time(y);
                    let width = jacobian(time);
                    let node = self.node(time, observed - time, Some((shift, length - y)));
                    let density = match self.ends {
                        Ends::Gamma { s, beta } => s / (beta + time),
                        Ends::Equal { rate } => rate,
                    };
                    visit(half * weight * width * density * (self.exponent(x, &node) - scale).exp(), &node);
                }
            }
            fallen += (steep - 1.0) * step;
            start += step;
            steep = steep_end;
            if start >= length * (1.0 - 1e-15) || fallen > NEGLIGIBLE {
                break;
            }
        }
        scale
    }

    /// Describes a time; the logarithm is known already for one parameter.
    #[inline(always)]
    fn node(&self, time: f64, rest: f64, known: Option<(f64, f64)>) -> Node {
        let ratio = |parameter: f64| match known {
            Some((known, ratio)) if known == parameter => ratio,
            _ => (rest / (parameter + time)).ln_1p(),
        };
        Node {
            time,
            rest,
            purchases: match self.rates {
                PurchaseRates::Gamma { alpha, .. } => ratio(alpha),
                PurchaseRates::Equal { .. } => rest,
            },
            ends: match self.ends {
                Ends::Gamma { beta, .. } => ratio(beta),
                Ends::Equal { .. } => rest,
            },
        }
    }

    /// The logarithm of the integrand, but for `s / (beta + u)`.
    fn exponent(&self, x: f64, node: &Node) -> f64 {
        let purchases = match self.rates {
            PurchaseRates::Gamma { r, .. } => r + x,
            PurchaseRates::Equal { rate } => rate,
        };
        let ends = match self.ends {
            Ends::Gamma { s, .. } => s,
            Ends::Equal { rate } => rate,
        };
        purchases * node.purchases + ends * node.ends
    }

    /// How fast the integrand's logarithm falls.
    fn fall(&self, x: f64, time: f64) -> f64 {
        let purchases = match self.rates {
            PurchaseRates::Gamma { r, alpha } => (r + x) / (alpha + time),
            PurchaseRates::Equal { rate } => rate,
        };
        let ends = match self.ends {
            Ends::Gamma { s, beta } => (s + 1.0) / (beta + time),
            Ends::Equal { rate } => rate,
        };
        purchases + ends
    }

    fn shift(&self) -> f64 {
        let alpha = match self.rates {
            PurchaseRates::Gamma { alpha, .. } => alpha,
            PurchaseRates::Equal { .. } => f64::INFINITY,
        };
        match self.ends {
            Ends::Gamma { beta, .. } => alpha.min(beta),
            Ends::Equal { .. } => alpha,
        }
    }
}
