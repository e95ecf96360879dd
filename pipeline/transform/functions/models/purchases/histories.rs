//! Customers' histories, checked, grouped by equal ones and sorted: what the likelihoods sum over.

/// What is known of a customer's purchases: `0 <= last <= observed`, and `last` = 0 if there is no repeat purchase.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Customer {
    /// `x`: repeat purchases.
    pub purchases: f64,
    /// `t_x`: time from the first purchase to the last.
    pub last: f64,
    /// `t`: time from the first purchase to the end of observation.
    pub observed: f64,
}

/// A customer that no model can have.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CustomerError {
    #[error("x = {0} is not a number of purchases: a whole number from 0 up is expected")]
    Purchases(f64),
    #[error("t_x = {last}, t = {observed} are not times of a customer: 0 <= t_x <= t is expected")]
    Times { last: f64, observed: f64 },
    #[error("x = {0} repeat purchases with t_x = 0: the likelihood of purchases without time between them is infinite")]
    NoTime(f64),
}

impl Customer {
    /// Says whether predictions can be made of it.
    pub fn is_possible(&self) -> bool {
        let Self { purchases, last, observed } = *self;
        purchases >= 0.0 && purchases.is_finite() && last >= 0.0 && last <= observed && observed.is_finite()
    }

    fn checked(self) -> Result<Self, CustomerError> {
        let Self { purchases, last, observed } = self;
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
        Ok(Self { purchases: purchases + 0.0, last: last + 0.0, observed: observed + 0.0 })
    }
}

/// Customers, grouped by equal (`x`, `t_x`, `t`) and sorted, ready for many evaluations of a likelihood.
#[derive(Debug, Clone)]
pub struct Histories {
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
pub struct Group {
    pub count: u32,
    pub last: u32,
    pub observed: u32,
    pub weight: f64,
}

impl Histories {
    /// Groups customers with their multiplicities; the result does not depend on the order in which they come.
    pub fn new(customers: impl IntoIterator<Item = (Customer, u64)>) -> Result<Self, CustomerError> {
        let mut histories = Vec::new();
        for (customer, weight) in customers {
            histories.push((customer.checked()?, weight));
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

    /// Takes every so many-th distinct history.
    pub fn sample(&self, every: usize) -> Self {
        let groups: Vec<Group> = self.groups.iter().step_by(every.max(1)).copied().collect();
        let sum = |of: &dyn Fn(&Group) -> f64| -> f64 { groups.iter().map(|group| group.weight * of(group)).sum() };
        Self {
            counts: self.counts.clone(),
            times: self.times.clone(),
            customers: sum(&|_| 1.0) as u64,
            purchases: sum(&|group| self.counts[group.count as usize]),
            observed: sum(&|group| self.times[group.observed as usize]),
            groups,
        }
    }

    /// Distinct numbers of purchases, ascending.
    pub fn counts(&self) -> &[f64] {
        &self.counts
    }

    /// Distinct times, ascending.
    pub fn times(&self) -> &[f64] {
        &self.times
    }

    /// The distinct histories, sorted; their number is what an evaluation costs.
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// The number of customers.
    pub fn customers(&self) -> u64 {
        self.customers
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
}

fn distinct(numbers: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut list: Vec<f64> = numbers.collect();
    list.sort_unstable_by(f64::total_cmp);
    list.dedup();
    list
}
