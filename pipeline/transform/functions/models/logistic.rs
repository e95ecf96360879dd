//! Logistic regression by penalised maximum likelihood (McCullagh, Nelder: "Generalized Linear Models", 1989, chapter 4;
//! Newton's method and the ridge: Hastie, Tibshirani, Friedman: "The Elements of Statistical Learning", 2009, 4.4 and 3.4.1).
//!
//! What is maximised is `sum log-likelihood - ridge / 2 * sum b^2` over the intercept and the coefficients `b` of features
//! that have mean 0 and standard deviation 1; the intercept is free, so that the scores of the fitted rows sum to the
//! positives. A positive ridge makes the maximum unique and finite, whatever the features: a column that is constant gets
//! coefficient 0, columns that repeat each other share theirs, and columns that tell the classes apart without an error stay
//! finite. Equal rows are counted and all rows are sorted first, so that no order of them changes a bit.

use std::cmp::Ordering;

use super::optimise::{Evaluation, Maximum, maximise};

/// The ridge where none is given: that of coefficients which, per standard deviation of a feature, are normal with
/// variance 1 before anything is known.
pub const DEFAULT_RIDGE: f64 = 1.0;
/// The linear predictor beyond which a score would be rounded to 0 or 1.
const LARGEST_PREDICTOR: f64 = 36.0;

/// A fitted model, on the features' own scale.
#[derive(Debug, Clone, PartialEq)]
pub struct Fit {
    /// `None` at minus or plus infinity: the labels are all alike, and every score is the base rate.
    pub intercept: Option<f64>,
    pub coefficients: Vec<f64>,
    /// `None` on a boundary.
    pub intercept_standard_error: Option<f64>,
    /// One per coefficient; `None` on a boundary and where a column is constant.
    pub standard_errors: Vec<Option<f64>>,
    /// Of the rows at the maximum, without the penalty.
    pub log_likelihood: f64,
    pub customers: u64,
    pub positives: u64,
    pub is_converged: bool,
    /// Without the ridge the maximum would be at infinity: the labels are all alike, or the scores of all positives are
    /// above those of all others.
    pub is_boundary: bool,
}

impl Fit {
    /// Returns the share of positives.
    pub fn base_rate(&self) -> f64 {
        self.positives as f64 / self.customers as f64
    }
}

/// Returns the probability that a model gives to features, strictly between 0 and 1; the base rate if there is no
/// intercept.
pub fn score(intercept: Option<f64>, base_rate: Option<f64>, products: impl Iterator<Item = f64>) -> Option<f64> {
    match intercept {
        Some(intercept) => {
            let predictor = products.fold(intercept, |sum, product| sum + product);
            (!predictor.is_nan()).then(|| logistic(predictor.clamp(-LARGEST_PREDICTOR, LARGEST_PREDICTOR)))
        }
        None => base_rate,
    }
}

/// Fits a model to rows of `width` features, one after the other, and their labels; `None` without rows.
pub fn fit(width: usize, features: &[f64], labels: &[bool], ridge: f64) -> Option<Fit> {
    let customers = labels.len() as u64;
    let positives = labels.iter().filter(|label| **label).count() as u64;
    if customers == 0 {
        return None;
    }
    if positives == 0 || positives == customers {
        return Some(Fit {
            intercept: None,
            coefficients: vec![0.0; width],
            intercept_standard_error: None,
            standard_errors: vec![None; width],
            log_likelihood: 0.0,
            customers,
            positives,
            is_converged: true,
            is_boundary: true,
        });
    }
    let design = Design::new(width, features, labels);
    let size = design.columns.len() + 1;
    let mut start = vec![0.0; size];
    start[0] = (positives as f64 / (customers - positives) as f64).ln();
    let found = maximise(&|point| design.evaluate(point, ridge), &start, &start, f64::INFINITY);
    Some(design.describe(&found, width, customers, positives))
}

/// A column of features that varies.
#[derive(Debug)]
struct Column {
    place: usize,
    mean: f64,
    deviation: f64,
}

/// The distinct rows of standardised features, in order.
#[derive(Debug)]
struct Design {
    columns: Vec<Column>,
    /// A row per tally, as wide as there are columns.
    standardised: Vec<f64>,
    tallies: Vec<Tally>,
}

/// How many customers have a row's features, and how many of them are positive.
#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    customers: f64,
    positives: f64,
}

impl Design {
    fn new(width: usize, features: &[f64], labels: &[bool]) -> Self {
        let row = |place: usize| &features[place * width..(place + 1) * width];
        let mut order: Vec<usize> = (0..labels.len()).collect();
        order.sort_unstable_by(|one, other| compare(row(*one), row(*other)));
        let mut distinct: Vec<usize> = Vec::new();
        let mut tallies: Vec<Tally> = Vec::new();
        for place in order {
            if distinct.last().is_none_or(|last| compare(row(*last), row(place)).is_ne()) {
                distinct.push(place);
                tallies.push(Tally::default());
            }
            if let Some(tally) = tallies.last_mut() {
                tally.customers += 1.0;
                tally.positives += f64::from(u8::from(labels[place]));
            }
        }
        let columns: Vec<Column> = (0..width)
            .filter_map(|place| {
                let values = || distinct.iter().map(|at| row(*at)[place]).zip(&tallies);
                column(place, labels.len() as f64, values)
            })
            .collect();
        let mut standardised = Vec::with_capacity(distinct.len() * columns.len());
        for place in distinct {
            let row = row(place);
            standardised.extend(columns.iter().map(|column| (row[column.place] - column.mean) / column.deviation));
        }
        Self { columns, standardised, tallies }
    }

    /// Returns each distinct row with its tally.
    fn rows(&self) -> impl Iterator<Item = (&[f64], &Tally)> {
        let width = self.columns.len();
        self.tallies
            .iter()
            .enumerate()
            .map(move |(place, tally)| (&self.standardised[place * width..(place + 1) * width], tally))
    }

    /// The penalised log-likelihood with its derivatives by the intercept and the coefficients.
    fn evaluate(&self, point: &[f64], ridge: f64) -> Evaluation {
        let size = point.len();
        let mut value = 0.0;
        let mut gradient = vec![0.0; size];
        let mut hessian = vec![0.0; size * size];
        for (row, tally) in self.rows() {
            let predictor = predictor(point, row);
            let probability = logistic(predictor);
            value += log_likelihood(predictor, tally);
            let rest = tally.positives - tally.customers * probability;
            let weight = tally.customers * probability * logistic(-predictor);
            gradient[0] += rest;
            hessian[0] -= weight;
            for (place, number) in row.iter().enumerate() {
                gradient[place + 1] += rest * number;
                let weighted = weight * number;
                let line = &mut hessian[(place + 1) * size..(place + 1) * size + place + 2];
                line[0] -= weighted;
                for (slot, other) in line[1..].iter_mut().zip(row) {
                    *slot -= weighted * other;
                }
            }
        }
        for (slope, parameter) in gradient.iter_mut().zip(point).skip(1) {
            *slope -= ridge * parameter;
            value -= 0.5 * ridge * parameter * parameter;
        }
        for place in 1..size {
            hessian[place * size + place] -= ridge;
            for other in 0..place {
                hessian[other * size + place] = hessian[place * size + other];
            }
        }
        Evaluation { value, gradient, hessian }
    }

    /// Takes a maximum back to the features' own scale.
    fn describe(&self, found: &Maximum, width: usize, customers: u64, positives: u64) -> Fit {
        let mut log_likelihood_sum = 0.0;
        let (mut lowest_positive, mut highest_other) = (f64::INFINITY, f64::NEG_INFINITY);
        for (row, tally) in self.rows() {
            let predictor = predictor(&found.point, row);
            log_likelihood_sum += log_likelihood(predictor, tally);
            if tally.positives > 0.0 {
                lowest_positive = lowest_positive.min(predictor);
            }
            if tally.positives < tally.customers {
                highest_other = highest_other.max(predictor);
            }
        }
        let is_boundary = lowest_positive > highest_other;
        let mut intercept = found.point[0];
        let mut coefficients = vec![0.0; width];
        // The intercept in the features' own scale as a combination of the parameters.
        let mut combination = vec![1.0];
        for (column, parameter) in self.columns.iter().zip(&found.point[1..]) {
            coefficients[column.place] = parameter / column.deviation;
            intercept -= parameter * (column.mean / column.deviation);
            combination.push(-column.mean / column.deviation);
        }
        let size = found.point.len();
        let covariance = if is_boundary { None } else { found.covariance() };
        let mut standard_errors = vec![None; width];
        let mut intercept_standard_error = None;
        if let Some(covariance) = covariance {
            for (place, column) in self.columns.iter().enumerate() {
                let variance = covariance[(place + 1) * (size + 1)];
                standard_errors[column.place] = Some(variance.sqrt() / column.deviation);
            }
            let variance: f64 = covariance
                .chunks_exact(size)
                .zip(&combination)
                .map(|(line, factor)| factor * predictor_of(line, &combination))
                .sum();
            intercept_standard_error = (variance >= 0.0).then(|| variance.sqrt());
        }
        Fit {
            intercept: Some(intercept),
            coefficients,
            intercept_standard_error,
            standard_errors,
            log_likelihood: log_likelihood_sum,
            customers,
            positives,
            is_converged: found.is_converged,
            is_boundary,
        }
    }
}

/// Returns a column's mean and standard deviation over the rows, unless it is constant.
fn column<'a, V: Iterator<Item = (f64, &'a Tally)>>(
    place: usize,
    customers: f64,
    values: impl Fn() -> V,
) -> Option<Column> {
    let lowest = values().map(|(value, _)| value).fold(f64::INFINITY, f64::min);
    let highest = values().map(|(value, _)| value).fold(f64::NEG_INFINITY, f64::max);
    if lowest >= highest {
        return None;
    }
    let mean = values().map(|(value, tally)| tally.customers * value).sum::<f64>() / customers;
    let squares = values().map(|(value, tally)| tally.customers * (value - mean) * (value - mean)).sum::<f64>();
    let deviation = (squares / customers).sqrt();
    (deviation > 0.0 && deviation.is_finite()).then_some(Column { place, mean, deviation })
}

fn compare(one: &[f64], other: &[f64]) -> Ordering {
    one.iter()
        .zip(other)
        .map(|(one, other)| one.total_cmp(other))
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal)
}

/// The linear predictor of a row of standardised features.
fn predictor(point: &[f64], row: &[f64]) -> f64 {
    point[0] + predictor_of(&point[1..], row)
}

fn predictor_of(factors: &[f64], numbers: &[f64]) -> f64 {
    factors.iter().zip(numbers).map(|(factor, number)| factor * number).sum()
}

/// `1 / (1 + e^-x)`, exact at both ends.
fn logistic(predictor: f64) -> f64 {
    if predictor >= 0.0 {
        1.0 / (1.0 + (-predictor).exp())
    } else {
        let odds = predictor.exp();
        odds / (1.0 + odds)
    }
}

/// `k x - n log(1 + e^x)` for `k` of `n` customers, without the binomial coefficient.
fn log_likelihood(predictor: f64, tally: &Tally) -> f64 {
    let softplus = predictor.max(0.0) + (-predictor.abs()).exp().ln_1p();
    tally.positives * predictor - tally.customers * softplus
}
