//! BG/NBD where the likelihood's maximum lies on the boundary, and where there is next to no data.

use lifecycle::transform::functions::models::bgnbd::{Customer, DropOut, Parameters, PurchaseModel, PurchaseRates};
use lifecycle::transform::functions::models::purchases::{Columns, Fit};

use super::{assert_near, numbers, session, text};

fn customer(purchases: f64, last: f64, observed: f64) -> Customer {
    Customer { purchases, last, observed }
}

#[track_caller]
fn fitted(customers: &[(Customer, u64)]) -> Fit<Parameters> {
    let fit = Parameters::fit(customers.iter().copied()).unwrap().unwrap();
    assert!(fit.is_converged, "{fit:?}");
    let is_inside =
        matches!(fit.parameters, Parameters { rates: PurchaseRates::Gamma { .. }, drop_out: DropOut::Beta { .. } });
    assert_eq!(fit.is_boundary, !is_inside);
    assert_eq!(fit.standard_errors.is_none(), fit.is_boundary);
    // The likelihood is that of the rows, by the other way to compute it.
    let sum: f64 = customers
        .iter()
        .map(|(customer, count)| *count as f64 * fit.parameters.log_likelihood(customer).unwrap())
        .sum();
    assert_near(fit.log_likelihood, sum, 1e-9 * (1.0 + sum.abs()));
    // No nearby model inside is more likely.
    for r in [0.01, 0.3, 1.0, 10.0, 1e3, 1e5] {
        for rate in [0.01, 0.1, 0.5, 1.0, 3.0] {
            for (a, b) in [(1e-3, 1.0), (0.5, 2.0), (5.0, 1e-3), (300.0, 700.0), (1e-3, 1e-3), (1e4, 1.0), (2.0, 0.5)] {
                let parameters =
                    Parameters { rates: PurchaseRates::Gamma { r, alpha: r / rate }, drop_out: DropOut::Beta { a, b } };
                let other: f64 = customers
                    .iter()
                    .map(|(customer, count)| *count as f64 * parameters.log_likelihood(customer).unwrap())
                    .sum();
                assert!(other <= fit.log_likelihood + 1e-6, "{parameters:?} with {other} beats {fit:?}");
            }
        }
    }
    fit
}

#[tokio::test]
async fn no_customers_are_all_null() {
    let context = session(3);
    let sql = "select fit['customers'], fit['ignored'], fit['r'], fit['alpha'], fit['a'], fit['b'], fit['r_standard_error'], \
               fit['log_likelihood'], fit['is_converged'], fit['is_boundary'], fit['purchase_rate'], \
               bgnbd_expected_purchases(fit, 1, 1, 2, 3), bgnbd_p_alive(fit, 1, 1, 2) \
               from (select bgnbd_fit(x, t_x, t) as fit from (values (1.0, 1.0, 2.0)) as c(x, t_x, t) where x > 1)";
    let fit = numbers(&context, sql).await;
    assert_eq!(fit[..2], [Some(0.0), Some(0.0)]);
    assert!(fit[2..].iter().all(Option::is_none), "{fit:?}");
}

#[tokio::test]
async fn nobody_bought_again() {
    let context = session(2);
    let sql = "select fit['r'], fit['alpha'], fit['a'], fit['b'], fit['purchase_rate'], fit['log_likelihood'], \
               fit['customers'], fit['is_converged'], fit['is_boundary'], bgnbd_expected_purchases(fit, 0, 0, 5, 52), \
               bgnbd_p_alive(fit, 0, 0, 5), bgnbd_expected_purchases(fit['r'], fit['alpha'], fit['a'], fit['b'], 0, 0, 5, 52) \
               from (select bgnbd_fit(x, t_x, t) as fit from (values (0, 0, 2), (0, 0, 0), (0, 0, 9)) as c(x, t_x, t))";
    let nothing = Some(0.0);
    let expected =
        [nothing, None, nothing, None, nothing, nothing, Some(3.0), Some(1.0), Some(1.0), nothing, Some(1.0), nothing];
    assert_eq!(numbers(&context, sql).await, expected);
}

#[test]
fn a_single_customer() {
    let fit = fitted(&[(customer(3.0, 5.0, 6.0), 1)]);
    assert_eq!(fit.parameters.drop_out, DropOut::Equal { probability: 0.0 });
    let PurchaseRates::Equal { rate } = fit.parameters.rates else { panic!("{fit:?}") };
    assert_near(rate, 0.5, 1e-9);
    assert_near(fit.parameters.expected_purchases(&customer(3.0, 5.0, 6.0), 10.0).unwrap(), 5.0, 1e-8);
}

#[test]
fn identical_customers() {
    let fit = fitted(&[(customer(4.0, 5.0, 300.0), 50)]);
    // Four purchases in five weeks and a chance of one in four to drop out at each.
    let PurchaseRates::Equal { rate } = fit.parameters.rates else { panic!("{fit:?}") };
    let DropOut::Equal { probability } = fit.parameters.drop_out else { panic!("{fit:?}") };
    assert_near(rate, 0.8, 1e-7);
    assert_near(probability, 0.25, 1e-7);
    assert_near(fit.parameters.expected_purchases_new(1e4).unwrap(), 4.0, 1e-6);
}

#[test]
fn everybody_is_gone_after_one() {
    let fit = fitted(&[(customer(1.0, 1.0, 60.0), 10), (customer(1.0, 2.0, 60.0), 7), (customer(0.0, 0.0, 60.0), 7)]);
    assert_eq!(fit.parameters.drop_out, DropOut::Equal { probability: 1.0 });
    assert_eq!(fit.parameters.to_columns()[4], Some(0.0));
    assert_eq!(fit.parameters.probability_alive(&customer(1.0, 1.0, 60.0)), Some(0.0));
    assert_eq!(fit.parameters.expected_purchases(&customer(1.0, 1.0, 60.0), 52.0), Some(0.0));
    assert!(fit.parameters.expected_purchases_new(1e3).unwrap() <= 1.0);
}

#[test]
fn gone_after_the_first_or_never() {
    let fit = fitted(&[
        (customer(1.0, 1.0, 60.0), 40),
        (customer(1.0, 2.0, 50.0), 30),
        (customer(30.0, 59.0, 60.0), 20),
        (customer(40.0, 49.5, 50.0), 30),
        (customer(0.0, 0.0, 60.0), 7),
    ]);
    let DropOut::AllOrNothing { share } = fit.parameters.drop_out else { panic!("{fit:?}") };
    assert_near(share, 70.0 / 120.0, 0.01);
    assert_eq!(fit.parameters.probability_alive(&customer(30.0, 59.0, 60.0)), Some(1.0));
    assert!(fit.parameters.probability_alive(&customer(1.0, 1.0, 60.0)).unwrap() < 0.01);
}

#[test]
fn equal_rates_without_drop_out() {
    // Fewer differences among customers than chance alone would bring.
    let customers: Vec<_> = (8..13).map(|x| (customer(f64::from(x), 49.0, 50.0), 20)).collect();
    let fit = fitted(&customers);
    let PurchaseRates::Equal { rate } = fit.parameters.rates else { panic!("{fit:?}") };
    assert_near(rate, 0.2, 1e-6);
    let [r, alpha, _, a, b, ..] = fit.parameters.to_columns();
    assert_eq!((r, alpha, a, b), (None, None, Some(0.0), None));
}

#[test]
fn limits_are_the_limits_of_the_model() {
    let history = customer(3.0, 20.0, 39.0);
    let near = |r: f64, alpha: f64, a: f64, b: f64| Parameters {
        rates: PurchaseRates::Gamma { r, alpha },
        drop_out: DropOut::Beta { a, b },
    };
    let (gamma, equal) = (PurchaseRates::Gamma { r: 0.5, alpha: 5.0 }, PurchaseRates::Equal { rate: 0.1 });
    let (beta, same) = (DropOut::Beta { a: 0.8, b: 2.5 }, DropOut::Equal { probability: 0.2 });
    for (limit, nearby) in [
        (Parameters { rates: equal, drop_out: beta }, near(1e7, 1e8, 0.8, 2.5)),
        (Parameters { rates: gamma, drop_out: same }, near(0.5, 5.0, 2e7, 8e7)),
        (Parameters { rates: gamma, drop_out: DropOut::Equal { probability: 0.0 } }, near(0.5, 5.0, 1e-8, 2.0)),
        (Parameters { rates: gamma, drop_out: DropOut::AllOrNothing { share: 0.2 } }, near(0.5, 5.0, 2e-8, 8e-8)),
        (Parameters { rates: equal, drop_out: same }, near(1e7, 1e8, 2e7, 8e7)),
    ] {
        for history in [history, customer(0.0, 0.0, 39.0), customer(1.0, 2.0, 39.0)] {
            let pair = |of: fn(&Parameters, &Customer) -> Option<f64>| {
                (of(&limit, &history).unwrap(), of(&nearby, &history).unwrap())
            };
            for (limit, nearby) in [
                pair(Parameters::log_likelihood),
                pair(Parameters::probability_alive),
                pair(|model, history| model.expected_purchases(history, 52.0)),
                pair(|model, _| model.expected_purchases_new(52.0)),
            ] {
                assert_near(nearby, limit, 1e-5 * (1.0 + limit.abs()));
            }
        }
        assert_eq!(Parameters::from_columns(limit.to_columns()), Some(limit));
    }
}

#[test]
fn what_is_no_model_is_none() {
    // r, alpha, purchase_rate, a, b, dropout_probability, and the rate of Pareto/NBD.
    let known: Columns = [Some(0.5), Some(5.0), None, Some(0.8), Some(2.5), None, None];
    assert!(Parameters::from_columns(known).is_some());
    for broken in [
        [(0, None)].as_slice(),
        &[(0, None), (1, None)],
        &[(3, None), (4, None)],
        &[(3, None)],
        &[(3, Some(f64::NAN))],
        &[(1, Some(0.0))],
        &[(3, Some(0.0)), (4, Some(0.0)), (5, Some(1.5))],
    ] {
        let mut columns = known;
        for (slot, value) in broken {
            columns[*slot] = *value;
        }
        assert_eq!(Parameters::from_columns(columns), None, "{broken:?}");
    }
}

#[tokio::test]
async fn a_limit_survives_a_table() {
    let context = session(1);
    let flat = "named_struct('r', null::double, 'alpha', null::double, 'purchase_rate', .8, 'a', null::double, 'b', null::double, \
                'dropout_probability', .25)";
    let sql = format!("select round(bgnbd_expected_purchases_new({flat}, 10000), 9)");
    assert_eq!(text(&context, &sql).await, "4.0");
}
