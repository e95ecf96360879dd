//! Properties of the BG/NBD likelihood and its fit.

use lifecycle::transform::functions::models::bgnbd::{
    Customer, DropOut, DropOutKind, Likelihood, Parameters, PurchaseModel, PurchaseRates, RateKind,
};
use lifecycle::transform::functions::models::optimise::Evaluation;
use lifecycle::transform::functions::models::purchases::{Likelihood as _, fit_interior_from};
use lifecycle::transform::functions::models::special::{Derivatives, digamma, ln_gamma, trigamma};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::assert_near;
use super::bgnbd_sql::simulated;

/// Asserts that gradient and Hessian are those of central differences.
pub fn assert_derivatives(evaluate: impl Fn(&[f64]) -> Evaluation, point: &[f64]) {
    let here = evaluate(point);
    let step = 1e-5;
    for slot in 0..point.len() {
        let moved = |by: f64| {
            let mut moved = point.to_vec();
            moved[slot] += by;
            evaluate(&moved)
        };
        let (above, below) = (moved(step), moved(-step));
        let slope = (above.value - below.value) / (2.0 * step);
        let size = 1.0 + here.value.abs();
        assert_near(here.gradient[slot], slope, 1e-7 * size + 1e-6 * slope.abs());
        for other in 0..point.len() {
            let bend = (above.gradient[other] - below.gradient[other]) / (2.0 * step);
            assert_near(here.hessian[other * point.len() + slot], bend, 1e-6 * (size + bend.abs()));
        }
    }
}

pub fn histories() -> impl Strategy<Value = Vec<(Customer, u64)>> {
    let history = (0..40_u32, 0.01..1.0_f64, 0.5..100.0_f64, 1..5_u64).prop_map(|(x, share, observed, weight)| {
        let last = if x == 0 { 0.0 } else { share * observed };
        (Customer { purchases: f64::from(x), last, observed }, weight)
    });
    proptest::collection::vec(history, 1..20)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() })]

    #[test]
    fn derivatives_are_those_of_differences(customers in histories(), point in proptest::array::uniform4(-2.0..2.0_f64)) {
        let likelihood = Likelihood::new(customers).unwrap();
        for rates in [RateKind::Gamma, RateKind::Equal] {
            for drop_out in [DropOutKind::Mixed, DropOutKind::Equal, DropOutKind::AllOrNothing, DropOutKind::Never] {
                let point = &point[..rates.parameters() + drop_out.parameters()];
                assert_derivatives(|point| likelihood.evaluate((rates, drop_out), point), point);
            }
        }
    }

    #[test]
    fn a_rising_factorial_is_a_difference_of_gamma_functions(z in 0.01..50.0_f64, n in 0.0..300.0_f64) {
        for n in [n, n.round()] {
            let rising = Derivatives::rising(z, n);
            assert_near(rising.value, ln_gamma(z + n) - ln_gamma(z), 1e-11 * (1.0 + rising.value.abs()));
            assert_near(rising.first, digamma(z + n) - digamma(z), 1e-11 * (1.0 + rising.first.abs()));
            assert_near(rising.second, trigamma(z + n) - trigamma(z), 1e-11 * (1.0 + rising.second.abs()));
        }
    }

    #[test]
    fn the_order_of_customers_changes_no_bit(customers in histories()) {
        let backwards: Vec<_> = customers.iter().rev().copied().collect();
        prop_assert_eq!(Parameters::fit(customers).unwrap(), Parameters::fit(backwards).unwrap());
    }

    #[test]
    fn every_fit_is_finite(customers in histories()) {
        let fit = Parameters::fit(customers).unwrap().unwrap();
        prop_assert!(fit.log_likelihood.is_finite());
        prop_assert!(fit.is_converged, "{:?}", fit);
    }
}

#[test]
fn known_values_of_trigamma() {
    let pi_squared = std::f64::consts::PI.powi(2);
    assert_near(trigamma(1.0), pi_squared / 6.0, 1e-15);
    assert_near(trigamma(0.5), pi_squared / 2.0, 1e-14);
    assert_near(trigamma(100.0), 0.010050166663333571, 1e-17);
}

#[test]
fn no_start_leads_to_a_better_fit() {
    let [x, last, observed] = simulated(5_000, 5).map(|(_, column)| column);
    let customers = x.iter().zip(&last).zip(&observed).map(|((x, last), observed)| {
        (Customer { purchases: x.unwrap(), last: last.unwrap(), observed: observed.unwrap() }, 1)
    });
    let likelihood = Likelihood::new(customers.clone()).unwrap();
    let best = Parameters::fit(customers).unwrap().unwrap();
    let Parameters { rates: PurchaseRates::Gamma { r, alpha }, drop_out: DropOut::Beta { a, b } } = best.parameters
    else {
        panic!("{best:?}");
    };
    for factor in [0.2, 0.5, 0.9, 1.1, 2.0, 5.0] {
        for start in
            [[r * factor, alpha, a, b], [r, alpha * factor, a, b], [r, alpha, a * factor, b], [r, alpha, a, b * factor]]
        {
            let again = fit_interior_from(&likelihood, start);
            assert!(again.is_converged, "{start:?}");
            assert_near(again.log_likelihood, best.log_likelihood, 1e-8);
        }
        let again = fit_interior_from(&likelihood, [r * factor, alpha / factor, a / factor, b * factor]);
        assert!(again.log_likelihood <= best.log_likelihood + 1e-8);
    }
}

/// The formula with the hypergeometric function (equation 9), by its plain series, where that is safe to use.
#[test]
fn expectations_agree_with_the_hypergeometric_formula() {
    for (r, alpha, a, b, time) in
        [(0.2426, 4.4136, 0.7929, 2.4259, 52.0), (1.5, 10.0, 2.2, 3.0, 20.0), (4.0, 3.0, 0.3, 5.0, 4.0)]
    {
        let (c, z): (f64, f64) = (a + b - 1.0, time / (alpha + time));
        let (mut term, mut sum) = (1.0, 1.0);
        for n in 0..20_000 {
            let n = f64::from(n);
            term *= (r + n) * (b + n) / ((c + n) * (n + 1.0)) * z;
            sum += term;
        }
        let share: f64 = alpha / (alpha + time);
        let expected = c / (a - 1.0) * (1.0 - share.powf(r) * sum);
        let parameters = Parameters { rates: PurchaseRates::Gamma { r, alpha }, drop_out: DropOut::Beta { a, b } };
        assert_near(parameters.expected_purchases_new(time).unwrap(), expected, 1e-10 * (1.0 + expected));
    }
}
