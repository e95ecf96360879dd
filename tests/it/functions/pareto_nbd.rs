//! Pareto/NBD against its formula with the hypergeometric function, at its limits, and where there is next to no data.

use lifecycle::transform::functions::models::pareto_nbd::{
    Customer, Lifetimes, Parameters, PurchaseModel, PurchaseRates,
};
use lifecycle::transform::functions::models::purchases::Fit;
use lifecycle::transform::functions::models::special::ln_gamma;

use super::assert_near;

fn customer(purchases: f64, last: f64, observed: f64) -> Customer {
    Customer { purchases, last, observed }
}

fn model(r: f64, alpha: f64, s: f64, beta: f64) -> Parameters {
    Parameters { rates: PurchaseRates::Gamma { r, alpha }, lifetimes: Lifetimes::Gamma { s, beta } }
}

/// Gauss's hypergeometric function by its series, for 0 <= z < 1 well below 1.
fn hypergeometric(a: f64, b: f64, c: f64, z: f64) -> f64 {
    let (mut term, mut sum) = (1.0, 1.0);
    for n in 0..5_000 {
        let n = f64::from(n);
        term *= (a + n) * (b + n) / ((c + n) * (n + 1.0)) * z;
        sum += term;
    }
    sum
}

/// Schmittlein, Morrison, Colombo (1987) in the form of Fader and Hardie's note (2005): with `A0` a difference of two
/// hypergeometric functions, whose argument is the smaller for the larger of alpha and beta.
#[test]
fn the_likelihood_is_that_of_the_hypergeometric_formula() {
    for (r, alpha, s, beta) in
        [(0.55, 10.6_f64, 0.6, 11.7), (0.55, 14.0, 0.6, 9.0), (2.0, 4.0, 1.5, 7.0), (1.0, 3.0, 1.0, 3.0)]
    {
        for (x, last, observed) in [(2.0, 30.43, 38.86), (0.0, 0.0, 38.86), (26.0, 30.857, 31.0), (10.0, 12.0, 39.0)] {
            let all = r + s + x;
            let (larger, second) = if alpha >= beta { (alpha, s + 1.0) } else { (beta, r + x) };
            let part = |time: f64| {
                let z = (alpha - beta).abs() / (larger + time);
                hypergeometric(all, second, all + 1.0, z) / (larger + time).powf(all)
            };
            let ended = s / all * (part(last) - part(observed));
            let alive = (alpha + observed).powf(-r - x) * (beta + observed).powf(-s);
            let front = ln_gamma(r + x) - ln_gamma(r) + r * alpha.ln() + s * beta.ln();
            let (model, customer) = (model(r, alpha, s, beta), customer(x, last, observed));
            assert_near(model.log_likelihood(&customer).unwrap(), front + (alive + ended).ln(), 1e-9);
            assert_near(model.probability_alive(&customer).unwrap(), alive / (alive + ended), 1e-9);
        }
    }
}

/// By 30-digit numerical integration with mpmath 1.4.1.
#[test]
fn the_likelihood_is_stable_in_extremes() {
    for (numbers, customer, expected) in EXTREMES {
        let [r, alpha, s, beta] = numbers;
        let [x, last, observed] = customer;
        let found = model(r, alpha, s, beta).log_likelihood(&Customer { purchases: x, last, observed }).unwrap();
        assert_near(found, expected, 1e-12 * (1.0 + expected.abs()));
    }
}

const EXTREMES: [([f64; 4], [f64; 3], f64); 7] = [
    ([0.5532, 10.578, 0.6063, 11.671], [200.0, 38.0, 40.0], 76.303_762_717_750_02),
    ([0.05, 0.01, 20.0, 10000.0], [3.0, 39.5, 40.0], -13.790030648686201),
    ([30.0, 1000.0, 0.02, 0.001], [20.0, 10.0, 40.0], -66.947_452_188_793_9),
    ([0.6, 5.0, 0.6, 0.001], [1.0, 0.14285714285714285, 100.0], -5.398_233_359_560_118),
    ([10000.0, 1000.0, 0.6, 10.0], [300.0, 5.0, 250.0], 638.045_229_175_033_9),
    ([0.6, 1000.0, 20.0, 10.0], [0.0, 0.0, 40.0], -0.000_315_558_983_774_820_1),
    ([0.25, 4.0, 3.0, 0.02], [5000.0, 39.0, 40.0], 18_746.822_789_343_88),
];

/// s = 1 is where the formula of the expectation divides by zero.
#[test]
fn expectations_have_no_singularity() {
    let history = customer(2.0, 30.43, 38.86);
    let at = |s: f64| model(0.55, 10.6, s, 11.7).expected_purchases(&history, 39.0).unwrap();
    assert_near(at(1.0 - 1e-9), at(1.0), 1e-8);
    assert_near(at(1.0 + 1e-9), at(1.0), 1e-8);
    assert_near(at(1e-12), at(1e-13), 1e-9);
    assert!(model(0.55, 10.6, 1e9, 1e3).expected_purchases_new(1e6).unwrap() < 1e-6);
}

#[test]
fn limits_are_the_limits_of_the_model() {
    let (gamma, equal) = (PurchaseRates::Gamma { r: 0.5, alpha: 5.0 }, PurchaseRates::Equal { rate: 0.1 });
    let (mixed, same) = (Lifetimes::Gamma { s: 0.6, beta: 12.0 }, Lifetimes::Equal { rate: 0.05 });
    let share = Lifetimes::AllOrNothing { share: 0.3 };
    for (rates, lifetimes, nearby, tolerance) in [
        (equal, mixed, model(1e7, 1e8, 0.6, 12.0), 1e-5),
        (gamma, same, model(0.5, 5.0, 5e7, 1e9), 1e-5),
        (gamma, Lifetimes::Equal { rate: 0.0 }, model(0.5, 5.0, 1e-8, 2.0), 1e-5),
        // beta ^ s = 0.7; a smaller s needs a beta smaller than doubles are.
        (gamma, share, model(0.5, 5.0, 1e-3, (0.7_f64.ln() * 1e3).exp()), 2e-2),
        (equal, same, model(1e7, 1e8, 5e7, 1e9), 1e-5),
    ] {
        let limit = Parameters { rates, lifetimes };
        for history in [customer(3.0, 20.0, 39.0), customer(0.0, 0.0, 39.0), customer(1.0, 2.0, 39.0)] {
            for (limit, nearby) in [
                (limit.log_likelihood(&history), nearby.log_likelihood(&history)),
                (limit.probability_alive(&history), nearby.probability_alive(&history)),
                (limit.expected_purchases(&history, 52.0), nearby.expected_purchases(&history, 52.0)),
                (limit.expected_purchases_new(52.0), nearby.expected_purchases_new(52.0)),
            ] {
                let (limit, nearby) = (limit.unwrap(), nearby.unwrap());
                assert_near(nearby, limit, tolerance * (1.0 + limit.abs()));
            }
        }
    }
}

#[track_caller]
fn fitted(customers: &[(Customer, u64)]) -> Fit<Parameters> {
    let fit = Parameters::fit(customers.iter().copied()).unwrap().unwrap();
    assert!(fit.is_converged, "{fit:?}");
    assert!(fit.is_boundary && fit.standard_errors.is_none(), "{fit:?}");
    // No nearby model inside is more likely.
    for r in [0.01, 0.3, 1.0, 10.0, 1e3, 1e5] {
        for rate in [0.01, 0.1, 0.5, 1.0, 3.0] {
            for (s, beta) in [
                (1e-3, 1.0),
                (0.5, 20.0),
                (5.0, 1e-3),
                (300.0, 3000.0),
                (1e-2, 1e-4),
                (1e-3, 1e-80),
                (2.0, 0.5),
                (1e4, 1e3),
            ] {
                let other = model(r, r / rate, s, beta);
                let likelihood: f64 = customers
                    .iter()
                    .map(|(customer, count)| *count as f64 * other.log_likelihood(customer).unwrap())
                    .sum();
                assert!(likelihood <= fit.log_likelihood + 1e-6, "{other:?} with {likelihood} beats {fit:?}");
            }
        }
    }
    fit
}

#[test]
fn a_single_customer() {
    let fit = fitted(&[(customer(3.0, 5.0, 6.0), 1)]);
    assert_eq!(fit.parameters.lifetimes, Lifetimes::Equal { rate: 0.0 });
    let PurchaseRates::Equal { rate } = fit.parameters.rates else { panic!("{fit:?}") };
    assert_near(rate, 0.5, 1e-9);
    assert_near(fit.parameters.expected_purchases(&customer(3.0, 5.0, 6.0), 10.0).unwrap(), 5.0, 1e-8);
}

#[test]
fn identical_customers() {
    let fit = fitted(&[(customer(4.0, 5.0, 300.0), 50)]);
    // Four purchases in five weeks, then the end: the likelihood is rate^4 end / (rate + end) exp(-5 (rate + end)), whose
    // maximum is where both sum to 4/5 and the end has one part of five.
    let PurchaseRates::Equal { rate } = fit.parameters.rates else { panic!("{fit:?}") };
    let Lifetimes::Equal { rate: ending } = fit.parameters.lifetimes else { panic!("{fit:?}") };
    assert_near(rate, 0.64, 1e-7);
    assert_near(ending, 0.16, 1e-7);
    assert_near(fit.parameters.expected_purchases_new(1e4).unwrap(), 4.0, 1e-6);
}

#[test]
fn gone_at_once_or_never() {
    let fit = fitted(&[
        (customer(0.0, 0.0, 60.0), 400),
        (customer(0.0, 0.0, 20.0), 300),
        (customer(8.0, 59.0, 60.0), 200),
        (customer(3.0, 19.5, 20.0), 200),
        (customer(9.0, 57.5, 60.0), 200),
        (customer(2.0, 18.5, 20.0), 200),
    ]);
    let Lifetimes::AllOrNothing { share } = fit.parameters.lifetimes else { panic!("{fit:?}") };
    assert_near(share, 700.0 / 1500.0, 0.05);
    assert_eq!(fit.parameters.probability_alive(&customer(8.0, 59.0, 60.0)), Some(1.0));
    assert!(fit.parameters.probability_alive(&customer(0.0, 0.0, 60.0)).unwrap() < 0.05);
    let [_, _, _, s, beta, probability, rate] = fit.parameters.to_columns();
    assert_eq!((s, beta, probability, rate), (Some(0.0), Some(0.0), Some(share), None));
}

#[test]
fn nobody_drops_out() {
    // As regular as clocks.
    let customers: Vec<_> = (8..13).map(|x| (customer(f64::from(x), 49.0, 50.0), 20)).collect();
    let fit = fitted(&customers);
    assert_near(fit.parameters.expected_purchases_new(10.0).unwrap(), 2.0, 1e-6);
    let [r, alpha, rate, s, beta, _, ending] = fit.parameters.to_columns();
    assert_eq!((r, alpha, s, beta, ending), (None, None, Some(0.0), None, Some(0.0)));
    assert_near(rate.unwrap(), 0.2, 1e-6);
}
