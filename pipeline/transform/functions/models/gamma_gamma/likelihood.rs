//! The log-likelihood of a Gamma-Gamma model or of one of its limits, with exact first and second derivatives.

use super::Spender;
use crate::transform::functions::models::optimise::Evaluation;
use crate::transform::functions::models::special::{CarefulSum, Derivatives, concentration, ln_gamma, trigamma};

/// What is fitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Three parameters: `ln p`, `ln q`, `ln v`.
    Inside,
    /// Two: `ln p` and the logarithm of everybody's mean.
    EqualCustomers,
    /// Two: `ln q` and the logarithm of `scale / q`.
    EqualPurchases,
}

/// A customer that the model does not speak of.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SpenderError {
    #[error("x = {purchases} purchases of {monetary} on average: two positive numbers are expected")]
    NotPositive { purchases: f64, monetary: f64 },
}

/// Customers, grouped by equal (`x`, `monetary`) and sorted, ready for many evaluations.
#[derive(Debug, Clone)]
pub struct Likelihood {
    /// By `purchases`, then `monetary`, ascending.
    groups: Vec<(Spender, f64)>,
    customers: u64,
}

impl Likelihood {
    /// Groups customers with their multiplicities; the result does not depend on the order in which they come.
    pub fn new(customers: impl IntoIterator<Item = (Spender, u64)>) -> Result<Self, SpenderError> {
        let mut groups = Vec::new();
        for (spender, weight) in customers {
            let Spender { purchases, monetary } = spender;
            if !(purchases > 0.0 && purchases.is_finite() && monetary > 0.0 && monetary.is_finite()) {
                return Err(SpenderError::NotPositive { purchases, monetary });
            }
            groups.push((spender, weight));
        }
        groups.sort_unstable_by(|(one, _), (other, _)| {
            one.purchases.total_cmp(&other.purchases).then(one.monetary.total_cmp(&other.monetary))
        });
        groups.dedup_by(|(next, next_weight), (kept, kept_weight)| {
            let is_same = next == kept;
            if is_same {
                *kept_weight += *next_weight;
            }
            is_same
        });
        Ok(Self {
            customers: groups.iter().map(|(_, weight)| weight).sum(),
            groups: groups.into_iter().map(|(spender, weight)| (spender, weight as f64)).collect(),
        })
    }

    /// The number of customers.
    pub fn customers(&self) -> u64 {
        self.customers
    }

    /// The smallest and the largest mean value of a customer's purchases.
    pub fn range(&self) -> (f64, f64) {
        let values = || self.groups.iter().map(|(spender, _)| spender.monetary);
        (values().fold(f64::INFINITY, f64::min), values().fold(0.0, f64::max))
    }

    /// The mean value of a purchase: each customer counts with its number of purchases.
    pub fn mean_value(&self) -> f64 {
        let purchases: f64 = self.groups.iter().map(|(spender, weight)| weight * spender.purchases).sum();
        let value: f64 =
            self.groups.iter().map(|(spender, weight)| weight * spender.purchases * spender.monetary).sum();
        value / purchases
    }

    /// Evaluates the log-likelihood of the whole at a point, by the parameters of its kind.
    ///
    /// The sum runs over the sorted customers, so equal customers give equal bits.
    pub fn evaluate(&self, kind: Kind, point: &[f64]) -> Evaluation {
        match kind {
            Kind::Inside => self.inside(point[0].exp(), point[1].exp(), point[2].exp()),
            Kind::EqualCustomers => self.equal_customers(point[0].exp(), point[1].exp()),
            Kind::EqualPurchases => self.equal_purchases(point[0].exp(), point[1].exp()),
        }
    }

    /// Equation 1a of Fader and Hardie 2013, with `s = x monetary`:
    /// `-ln B(p x, q) - q ln(1 + s / v) - p x ln(1 + v / s) - ln monetary`.
    fn inside(&self, p: f64, q: f64, v: f64) -> Evaluation {
        let mut value = CarefulSum::default();
        let (mut slope, mut bend) = ([0.0; 3], [0.0; 6]);
        let mut shapes = ShapeTerms { x: f64::NAN, ..ShapeTerms::default() };
        for (Spender { purchases: x, monetary }, weight) in &self.groups {
            let shape = p * x;
            if shapes.x != *x {
                shapes = ShapeTerms::new(*x, shape, q);
            }
            let spent = x * monetary;
            let (above, below) = ((spent / v).ln_1p(), (v / spent).ln_1p());
            let (own, rest) = (spent / (v + spent), v / (v + spent));
            value.add(weight * (shapes.value - q * above - shape * below - monetary.ln()));
            let by_shape = shape * (shapes.by_shape.first - below);
            let by_q = q * (shapes.by_q.first - above);
            slope[0] += weight * by_shape;
            slope[1] += weight * by_q;
            slope[2] += weight * (q * own - shape * rest);
            bend[0] += weight * (by_shape + shape * shape * shapes.by_shape.second);
            bend[1] += weight * shape * q * shapes.across;
            bend[2] -= weight * shape * rest;
            bend[3] += weight * (by_q + q * q * shapes.by_q.second);
            bend[4] += weight * q * own;
            bend[5] -= weight * (q + shape) * own * rest;
        }
        let [pp, pq, pv, qq, qv, vv] = bend;
        Evaluation { value: value.total(), gradient: slope.to_vec(), hessian: vec![pp, pq, pv, pq, qq, qv, pv, qv, vv] }
    }

    /// The mean of `x` purchases is gamma distributed with shape `p x` and the given mean.
    fn equal_customers(&self, p: f64, mean: f64) -> Evaluation {
        let mut sum = ShapeAndLevel::default();
        for (Spender { purchases: x, monetary }, weight) in &self.groups {
            sum.add(*weight, p * x, monetary / mean, -1.0, *monetary);
        }
        sum.into_evaluation()
    }

    /// One over a customer's mean is gamma distributed, whatever the number of purchases.
    fn equal_purchases(&self, q: f64, level: f64) -> Evaluation {
        let mut sum = ShapeAndLevel::default();
        for (Spender { monetary, .. }, weight) in &self.groups {
            sum.add(*weight, q, level / monetary, 1.0, *monetary);
        }
        sum.into_evaluation()
    }
}

/// The sums over the customers of a limit, by the logarithms of a shape and of a level.
#[derive(Default)]
struct ShapeAndLevel {
    value: CarefulSum,
    slope: [f64; 2],
    bend: [f64; 3],
}

impl ShapeAndLevel {
    /// Adds the density of a gamma variable `ratio` with mean 1; `sign` says whether the ratio grows or falls with the
    /// level.
    fn add(&mut self, weight: f64, shape: f64, ratio: f64, sign: f64, monetary: f64) {
        let around = concentration(shape);
        let off = (ratio - 1.0).ln_1p() - (ratio - 1.0);
        self.value.add(weight * (shape * off + around.value - monetary.ln()));
        let by_shape = shape * (off + around.first);
        let by_level = sign * shape * (1.0 - ratio);
        self.slope[0] += weight * by_shape;
        self.slope[1] += weight * by_level;
        self.bend[0] += weight * (by_shape + shape * shape * around.second);
        self.bend[1] += weight * by_level;
        self.bend[2] -= weight * shape * ratio;
    }

    fn into_evaluation(self) -> Evaluation {
        let [ss, sl, ll] = self.bend;
        Evaluation { value: self.value.total(), gradient: self.slope.to_vec(), hessian: vec![ss, sl, sl, ll] }
    }
}

/// `-ln B(p x, q)` and its derivatives by `p x` and `q`: the same for all customers with one `x`.
#[derive(Debug, Clone, Copy, Default)]
struct ShapeTerms {
    x: f64,
    value: f64,
    by_shape: Derivatives,
    by_q: Derivatives,
    across: f64,
}

impl ShapeTerms {
    fn new(x: f64, shape: f64, q: f64) -> Self {
        let (by_shape, by_q) = (Derivatives::rising(shape, q), Derivatives::rising(q, shape));
        // Two equal expressions; the one with the smaller gamma function loses fewer digits.
        let value = if shape < q { by_q.value - ln_gamma(shape) } else { by_shape.value - ln_gamma(q) };
        Self { x, value, by_shape, by_q, across: trigamma(shape + q) }
    }
}
