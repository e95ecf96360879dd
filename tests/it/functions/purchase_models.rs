//! What holds for every model of repeat purchases: BG/NBD, MBG/NBD, Pareto/NBD and their limits.

use lifecycle::transform::functions::models::purchases::{
    Customer, DropOutKind, Likelihood, PurchaseModel, PurchaseRates, RateKind, fit_interior_from,
};
use lifecycle::transform::functions::models::{bgnbd, mbgnbd, pareto_nbd};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use bgnbd::DropOut;
use pareto_nbd::Lifetimes;

use super::assert_near;
use super::bgnbd_mathematics::{assert_derivatives, histories};
use super::bgnbd_sql::simulated;

const GAMMA: PurchaseRates = PurchaseRates::Gamma { r: 0.7, alpha: 6.0 };
const EQUAL: PurchaseRates = PurchaseRates::Equal { rate: 0.3 };

const DROP_OUTS: [DropOut; 5] = [
    DropOut::Beta { a: 0.8, b: 2.5 },
    DropOut::Beta { a: 3.0, b: 0.4 },
    DropOut::Equal { probability: 0.2 },
    DropOut::Equal { probability: 0.0 },
    DropOut::AllOrNothing { share: 0.3 },
];
const LIFETIMES: [Lifetimes; 6] = [
    Lifetimes::Gamma { s: 0.6, beta: 11.0 },
    Lifetimes::Gamma { s: 1.0, beta: 0.05 },
    Lifetimes::Gamma { s: 8.0, beta: 30.0 },
    Lifetimes::Equal { rate: 0.1 },
    Lifetimes::Equal { rate: 0.0 },
    Lifetimes::AllOrNothing { share: 0.3 },
];

/// Integrates over all histories of a time: the density of `x` purchases of which the last is at `t_x` is the likelihood
/// times the room that the others have, `t_x ^ (x - 1) / (x - 1)!`.
fn over_histories(model: &impl PurchaseModel, time: f64, value: impl Fn(&Customer) -> f64) -> f64 {
    let none = Customer { purchases: 0.0, last: 0.0, observed: time };
    let mut sum = model.log_likelihood(&none).map_or(0.0, f64::exp) * value(&none);
    let mut log_factorial = 0.0;
    for x in 1..90 {
        let x = f64::from(x);
        log_factorial += (x - 1.0_f64).max(1.0).ln();
        // Squares gather nodes near 0, where lifetimes may be short; Simpson's rule.
        let steps = 400;
        for step in 1..=steps {
            let share = f64::from(step) / f64::from(steps);
            let last = time * share * share;
            let customer = Customer { purchases: x, last, observed: time };
            let room = (x - 1.0) * last.ln() - log_factorial;
            let density = (model.log_likelihood(&customer).unwrap() + room).exp();
            let weight = if step == steps {
                1.0
            } else if step % 2 == 1 {
                4.0
            } else {
                2.0
            };
            sum += weight / 3.0 / f64::from(steps) * 2.0 * share * time * density * value(&customer);
        }
    }
    sum
}

/// Probabilities of all histories sum to 1; the mean of what happened is what is expected of a new customer; and so is the
/// mean of what happens next, which ties the probability of being alive and the conditional expectation to the likelihood.
fn assert_consistent<M: PurchaseModel + std::fmt::Debug>(model: &M) {
    let (time, horizon) = (10.0, 7.0);
    assert_near(over_histories(model, time, |_| 1.0), 1.0, 1e-6);
    let bought = over_histories(model, time, |customer| customer.purchases);
    let expected = model.expected_purchases_new(time).unwrap();
    assert_near(bought, expected, 1e-6 * (1.0 + expected));
    let next = over_histories(model, time, |customer| model.expected_purchases(customer, horizon).unwrap());
    let later = model.expected_purchases_new(time + horizon).unwrap();
    assert_near(next, later - expected, 1e-6 * (1.0 + later));
}

#[test]
fn expectations_are_means_over_all_histories() {
    for rates in [GAMMA, EQUAL] {
        for drop_out in DROP_OUTS {
            assert_consistent(&bgnbd::Parameters { rates, drop_out });
            assert_consistent(&mbgnbd::Parameters { rates, drop_out });
        }
        for lifetimes in LIFETIMES {
            assert_consistent(&pareto_nbd::Parameters { rates, lifetimes });
        }
    }
}

fn assert_round_trip<M: PurchaseModel + std::fmt::Debug>(model: &M) {
    assert_eq!(M::from_columns(model.to_columns()).as_ref(), Some(model));
}

#[test]
fn models_and_limits_survive_a_table() {
    for rates in [GAMMA, EQUAL, PurchaseRates::Equal { rate: 0.0 }] {
        for drop_out in DROP_OUTS {
            assert_round_trip(&mbgnbd::Parameters { rates, drop_out });
        }
        for lifetimes in LIFETIMES {
            assert_round_trip(&pareto_nbd::Parameters { rates, lifetimes });
        }
    }
}

#[test]
fn what_is_no_pareto_model_is_none() {
    // r, alpha, purchase_rate, s, beta, dropout_probability, dropout_rate.
    let known = [Some(0.5), Some(5.0), None, Some(0.8), Some(2.5), None, None];
    assert!(pareto_nbd::Parameters::from_columns(known).is_some());
    for broken in [
        [(0, None)].as_slice(),
        &[(0, None), (1, None)],
        &[(3, None), (4, None)],
        &[(3, None), (4, None), (6, Some(-0.1))],
        &[(4, None)],
        &[(4, Some(f64::INFINITY))],
        &[(3, Some(0.0)), (4, Some(0.0))],
        &[(3, Some(0.0)), (4, Some(0.0)), (5, Some(1.5))],
    ] {
        let mut columns = known;
        for (slot, value) in broken {
            columns[*slot] = *value;
        }
        assert_eq!(pareto_nbd::Parameters::from_columns(columns), None, "{broken:?}");
    }
}

fn assert_probabilities(model: &impl PurchaseModel, customer: &Customer) {
    let alive = model.probability_alive(customer).unwrap();
    assert!((0.0..=1.0).contains(&alive), "{alive}");
    let mut before = 0.0;
    for horizon in [0.0, 1.0, 52.0, 520.0] {
        let expected = model.expected_purchases(customer, horizon).unwrap();
        // It levels off once everybody has dropped out: then only the last digits differ.
        assert!(expected >= before * (1.0 - 1e-9) && expected.is_finite(), "{expected} after {before}");
        before = expected;
    }
    let discounted = model.discounted_purchases(customer, 364.0, 0.1).unwrap();
    assert!(discounted <= model.expected_purchases(customer, 52.0).unwrap() * (1.0 + 1e-12));
}

fn assert_fit<M: PurchaseModel + std::fmt::Debug>(customers: &[(Customer, u64)]) {
    let fit = M::fit(customers.iter().copied()).unwrap().unwrap();
    assert!(fit.is_converged, "{fit:?}");
    assert_eq!(M::fit(customers.iter().rev().copied()).unwrap().unwrap(), fit);
    assert!(!fit.is_boundary || fit.standard_errors.is_none());
    let sum: f64 = customers
        .iter()
        .map(|(customer, count)| *count as f64 * fit.parameters.log_likelihood(customer).unwrap())
        .sum();
    assert_near(sum, fit.log_likelihood, 1e-8 * (1.0 + sum.abs()));
    for (customer, _) in customers {
        assert_probabilities(&fit.parameters, customer);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() })]

    #[test]
    fn derivatives_are_those_of_differences(customers in histories(), point in proptest::array::uniform4(-2.0..2.0_f64)) {
        let pareto = pareto_nbd::Likelihood::new(customers.iter().copied()).unwrap();
        let early = mbgnbd::Likelihood::new(customers).unwrap();
        for rates in [RateKind::Gamma, RateKind::Equal] {
            for drop_out in [DropOutKind::Mixed, DropOutKind::Equal, DropOutKind::AllOrNothing, DropOutKind::Never] {
                let point = &point[..rates.parameters() + drop_out.parameters()];
                assert_derivatives(|point| pareto.evaluate((rates, drop_out), point), point);
                assert_derivatives(|point| early.evaluate((rates, drop_out), point), point);
            }
        }
    }

    #[test]
    fn every_fit_is_a_maximum_that_says_the_same_of_rows(customers in histories()) {
        assert_fit::<mbgnbd::Parameters>(&customers);
        assert_fit::<pareto_nbd::Parameters>(&customers);
    }
}

fn customers(count: usize, seed: u64) -> Vec<(Customer, u64)> {
    let [x, last, observed] = simulated(count, seed).map(|(_, column)| column);
    let rows = x.iter().zip(&last).zip(&observed);
    rows.map(|((x, last), observed)| {
        (Customer { purchases: x.unwrap(), last: last.unwrap(), observed: observed.unwrap() }, 1)
    })
    .collect()
}

/// The gradient is zero at the fit, all starts lead there, and a sample to begin with (of many histories) changes nothing.
fn assert_one_maximum<L: Likelihood<Parameters: PurchaseModel>>(likelihood: &L, best: f64, point: [f64; 4]) {
    let evaluation = likelihood.evaluate((RateKind::Gamma, DropOutKind::Mixed), &point.map(f64::ln));
    assert!(evaluation.gradient.iter().all(|slope| slope.abs() < 1e-5), "{evaluation:?}");
    for factor in [0.3, 0.8, 1.2, 3.0] {
        for slot in 0..4 {
            let mut start = point;
            start[slot] *= factor;
            let again = fit_interior_from(likelihood, start);
            assert!(again.is_converged, "{start:?}");
            assert_near(again.log_likelihood, best, 1e-8 * (1.0 + best.abs()));
        }
    }
}

#[test]
fn no_start_leads_to_a_better_fit() {
    for count in [3_000, 40_000] {
        let customers = customers(count, 5);
        let fit = pareto_nbd::Parameters::fit(customers.iter().copied()).unwrap().unwrap();
        let [r, alpha, _, s, beta, ..] = fit.parameters.to_columns().map(Option::unwrap_or_default);
        let likelihood = pareto_nbd::Likelihood::new(customers.iter().copied()).unwrap();
        if count > 10_000 {
            assert!(likelihood.histories().groups().len() > 16_384, "too few to be sampled");
        } else {
            assert_one_maximum(&likelihood, fit.log_likelihood, [r, alpha, s, beta]);
        }
        let gradient =
            likelihood.evaluate((RateKind::Gamma, DropOutKind::Mixed), &[r, alpha, s, beta].map(f64::ln)).gradient;
        assert!(gradient.iter().all(|slope| slope.abs() < 1e-4), "{gradient:?}");
        let fit = mbgnbd::Parameters::fit(customers.iter().copied()).unwrap().unwrap();
        let [r, alpha, _, a, b, ..] = fit.parameters.to_columns().map(Option::unwrap_or_default);
        let likelihood = mbgnbd::Likelihood::new(customers).unwrap();
        assert_one_maximum(&likelihood, fit.log_likelihood, [r, alpha, a, b]);
    }
}
