//! The log-likelihood of a BG/NBD model or of one of its limits, with exact first and second derivatives.
//!
//! A customer's likelihood is (Fader, Hardie, Lee 2005, equation 6, in the factors of their note on computing it)
//!
//! `survive(x) g(x, t) + [x > 0] drop(x) g(x, t_x)`
//!
//! where `g(x, s)` is the density of `x` purchases at these times in a time `s`, averaged over the purchase rates,
//! `survive(x)` the probability of not dropping out `x` times, `drop(x)` that of dropping out at the x-th. Every limit of
//! the model changes `g`, or `survive` and `drop`, and nothing else. The logarithm of the sum of two exponentials is taken
//! without leaving logarithms, so large `x` does no harm.

use super::Customer;
use super::terms::{CountTerm, DropOutKind, RateKind, Term, TimeTerm, count_terms, time_term};
use crate::transform::functions::models::optimise::Evaluation;
use crate::transform::functions::models::special::CarefulSum;

/// A customer that no BG/NBD model can have.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CustomerError {
    #[error("x = {0} is not a number of purchases: a whole number from 0 up is expected")]
    Purchases(f64),
    #[error("t_x = {last}, t = {observed} are not times of a customer: 0 <= t_x <= t is expected")]
    Times { last: f64, observed: f64 },
    #[error("x = {0} repeat purchases with t_x = 0: the likelihood of purchases without time between them is infinite")]
    NoTime(f64),
}

/// Customers, grouped by equal (`x`, `t_x`, `t`) and sorted, ready for many evaluations.
#[derive(Debug, Clone)]
pub struct Likelihood {
    /// Distinct numbers of purchases, ascending.
    counts: Vec<f64>,
    /// Distinct times, ascending.
    times: Vec<f64>,
    groups: Vec<Group>,
    customers: u64,
    purchases: f64,
    observed: f64,
}

/// Customers with one history; numbers and times by their place in the lists of distinct ones.
#[derive(Debug, Clone, Copy)]
struct Group {
    count: u32,
    last: u32,
    observed: u32,
    weight: f64,
}

impl Likelihood {
    /// Groups customers with their multiplicities; the result does not depend on the order in which they come.
    pub fn new(customers: impl IntoIterator<Item = (Customer, u64)>) -> Result<Self, CustomerError> {
        let mut histories = Vec::new();
        for (customer, weight) in customers {
            histories.push((checked(customer)?, weight));
        }
        histories.sort_unstable_by(|(one, _), (other, _)| {
            (one.purchases.total_cmp(&other.purchases))
                .then(one.last.total_cmp(&other.last))
                .then(one.observed.total_cmp(&other.observed))
        });
        histories.dedup_by(|(next, next_weight), (kept, kept_weight)| {
            let is_same = next == kept;
            if is_same {
                *kept_weight += *next_weight;
            }
            is_same
        });
        let counts = distinct(histories.iter().map(|(customer, _)| customer.purchases));
        let times = distinct(histories.iter().flat_map(|(customer, _)| [customer.last, customer.observed]));
        let place = |list: &[f64], number: f64| list.partition_point(|other| *other < number) as u32;
        let groups = histories.iter().map(|(customer, weight)| Group {
            count: place(&counts, customer.purchases),
            last: place(&times, customer.last),
            observed: place(&times, customer.observed),
            weight: *weight as f64,
        });
        Ok(Self {
            groups: groups.collect(),
            customers: histories.iter().map(|(_, weight)| weight).sum(),
            purchases: histories.iter().map(|(customer, weight)| customer.purchases * *weight as f64).sum(),
            observed: histories.iter().map(|(customer, weight)| customer.observed * *weight as f64).sum(),
            counts,
            times,
        })
    }

    /// The number of customers.
    pub fn customers(&self) -> u64 {
        self.customers
    }

    /// The number of distinct histories, which is what an evaluation costs.
    pub fn histories(&self) -> usize {
        self.groups.len()
    }

    /// Repeat purchases of all customers.
    pub fn purchases(&self) -> f64 {
        self.purchases
    }

    /// Time observed, summed over all customers.
    pub fn observed(&self) -> f64 {
        self.observed
    }

    /// The largest number of repeat purchases.
    pub fn most_purchases(&self) -> f64 {
        self.counts.last().copied().unwrap_or(0.0)
    }

    /// Evaluates the log-likelihood of the whole at a point: the rates' parameters, then the drop-out's.
    ///
    /// The sum runs over the sorted histories, so equal customers give equal bits.
    pub fn evaluate(&self, rates: RateKind, drop_out: DropOutKind, point: &[f64]) -> Evaluation {
        let (rate_point, drop_out_point) = point.split_at(rates.parameters());
        let counts = count_terms(&self.counts, rates, rate_point, drop_out, drop_out_point);
        let times: Vec<TimeTerm> = self.times.iter().map(|time| time_term(rates, rate_point, *time)).collect();
        let mut sum = Sum::default();
        for group in &self.groups {
            let x = self.counts[group.count as usize];
            let count = &counts[group.count as usize];
            let alive = joint(x, count, &count.survive, &times[group.observed as usize]);
            if x > 0.0 && count.drop.value > f64::NEG_INFINITY {
                sum.add_either(group.weight, &alive, &joint(x, count, &count.drop, &times[group.last as usize]));
            } else {
                sum.add(group.weight, &alive);
            }
        }
        // Slots 0 and 1 belong to the rates, 2 and 3 to the drop-out; a kind with fewer parameters leaves some unused.
        let slots: Vec<usize> =
            (0..rates.parameters()).chain((0..drop_out.parameters()).map(|slot| slot + 2)).collect();
        Evaluation {
            value: sum.value.total(),
            gradient: slots.iter().map(|slot| sum.slope[*slot]).collect(),
            hessian: slots.iter().flat_map(|row| slots.iter().map(|column| sum.bend(*row, *column))).collect(),
        }
    }
}

fn checked(customer: Customer) -> Result<Customer, CustomerError> {
    let Customer { purchases, last, observed } = customer;
    if !(purchases >= 0.0 && purchases.is_finite() && purchases.fract() == 0.0) {
        return Err(CustomerError::Purchases(purchases));
    }
    if !(last >= 0.0 && last <= observed && observed.is_finite()) {
        return Err(CustomerError::Times { last, observed });
    }
    if purchases > 0.0 && last == 0.0 {
        return Err(CustomerError::NoTime(purchases));
    }
    // Adding 0 turns -0 into 0, so that equal histories are equal bits.
    let last = if purchases == 0.0 { 0.0 } else { last };
    Ok(Customer { purchases: purchases + 0.0, last: last + 0.0, observed: observed + 0.0 })
}

fn distinct(numbers: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut list: Vec<f64> = numbers.collect();
    list.sort_unstable_by(f64::total_cmp);
    list.dedup();
    list
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
