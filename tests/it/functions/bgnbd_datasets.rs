//! BG/NBD against published figures, through SQL.

use datafusion::prelude::SessionContext;

use super::datasets::{History, cdnow, online_retail};
use super::{add_table, assert_near, number, numbers, session, text};

pub fn customers(histories: &[History]) -> SessionContext {
    let context = session(4);
    let column = |of: fn(&History) -> f64| histories.iter().map(|history| Some(of(history))).collect();
    let columns = [
        ("x", column(|history| history.x)),
        ("t_x", column(|history| history.last)),
        ("t", column(|history| history.observed)),
        ("monetary", column(|history| history.monetary)),
    ];
    add_table(&context, "customers", &columns, 4);
    context
}

const FIT: &str = "with model as (select bgnbd_fit(x, t_x, t) as fit from customers)";

#[tokio::test]
async fn cdnow_sample_gives_the_published_parameters() {
    let Some(histories) = cdnow("CDNOW_sample.txt") else { return };
    let context = customers(&histories);
    let sql = format!(
        "{FIT} select fit['r'], fit['alpha'], fit['a'], fit['b'], fit['r_standard_error'], fit['alpha_standard_error'], \
         fit['a_standard_error'], fit['b_standard_error'], fit['log_likelihood'], fit['customers'], fit['is_converged'], \
         fit['is_boundary'], fit['purchase_rate'], fit['dropout_probability'] from model"
    );
    let fit: Vec<f64> = numbers(&context, &sql).await.into_iter().flatten().collect();
    let published = [0.2426, 4.4136, 0.7929, 2.4259, 0.0126, 0.378, 0.186, 0.705, -9582.429, 2357.0, 1.0, 0.0];
    let digits = [4, 4, 4, 4, 4, 3, 3, 3, 3, 0, 0, 0];
    for ((actual, expected), digits) in fit.iter().zip(published).zip(digits) {
        assert_near(*actual, expected, 0.5001 * 10_f64.powi(-digits));
    }
    assert_near(fit[12], fit[0] / fit[1], 1e-12);
    assert_near(fit[13], fit[2] / (fit[2] + fit[3]), 1e-12);
    assert_eq!(histories.iter().filter(|history| history.x > 0.0).count(), 946);
    assert_near(histories.iter().map(|history| history.x).sum(), 2457.0, 0.0);
}

#[tokio::test]
async fn cdnow_sample_gives_the_published_expectations() {
    let Some(histories) = cdnow("CDNOW_sample.txt") else { return };
    let context = customers(&histories);
    for (time, expected) in
        [("1.0 / 7", 0.0078), ("1", 0.0532), ("3", 0.1506), ("31.8571", 1.0405), ("32", 1.0437), ("52", 1.4440)]
    {
        let sql = format!("{FIT} select bgnbd_expected_purchases_new(fit, {time}) from model");
        assert_near(number(&context, &sql).await.unwrap(), expected, 0.00005001);
    }
    for (arguments, expected, tolerance) in [
        ("2, 30.43, 38.86, 39", 1.226, 0.0005),
        ("26, 30.857, 31, 52", 25.757, 0.0005),
        ("10, 20, 39, 52", 0.347, 0.0005),
        ("15, 20, 39, 52", 0.0428, 0.00005),
        ("20, 20, 39, 52", 0.00416, 0.000005),
        ("25, 20, 39, 52", 0.000358, 0.0000005),
    ] {
        let sql = format!("{FIT} select bgnbd_expected_purchases(fit, {arguments}) from model");
        assert_near(number(&context, &sql).await.unwrap(), expected, tolerance);
        let sql = format!(
            "{FIT} select bgnbd_expected_purchases(fit['r'], fit['alpha'], fit['a'], fit['b'], {arguments}) from model"
        );
        assert_near(number(&context, &sql).await.unwrap(), expected, tolerance);
    }
    let sql = format!("{FIT} select bgnbd_p_alive(fit, 26, 30.857, 31) from model");
    assert_near(number(&context, &sql).await.unwrap(), 0.96885, 0.000005);
    // The rows' log-likelihoods add up to that of the fit.
    let sql = format!(
        "{FIT} select sum(bgnbd_log_likelihood(fit, x, t_x, t)), max(fit['log_likelihood']) from customers cross join model"
    );
    let sums = numbers(&context, &sql).await;
    assert_near(sums[0].unwrap(), sums[1].unwrap(), 1e-7);
}

#[tokio::test]
async fn cdnow_without_free_purchases_is_another_data_set() {
    let Some(histories) = cdnow("CDNOW_master.txt") else { return };
    let context = customers(&histories);
    let sql = format!(
        "{FIT} select fit['r'], fit['alpha'], fit['a'], fit['b'], fit['log_likelihood'], fit['customers'] from model"
    );
    let fit = numbers(&context, &sql).await;
    // The maximum itself is at .251624, 4.788943, .723434, 2.161088: the figures known are short of it by a ten-thousandth
    // of a standard error.
    for (actual, expected) in fit.iter().zip([0.251625, 4.788964, 0.723441, 2.161128]) {
        assert_near(actual.unwrap() / expected, 1.0, 3e-5);
    }
    assert_near(fit[4].unwrap(), -95368.44, 0.005);
    assert_near(fit[5].unwrap(), 23570.0, 0.0);
    let sql = "select sum(bgnbd_log_likelihood(.251625, 4.788964, .723441, 2.161128, x, t_x, t)) from customers";
    assert!(fit[4].unwrap() >= number(&context, sql).await.unwrap() - 1e-7);
}

#[tokio::test]
async fn online_retail_sales_are_near_a_boundary_but_inside() {
    let Some(histories) = online_retail(false) else { return };
    assert_eq!(histories.len(), 4338);
    let context = customers(&histories);
    let sql = format!(
        "{FIT} select fit['log_likelihood'], fit['is_converged'], fit['is_boundary'], fit['r'], fit['alpha'], fit['a'], \
         fit['b'], fit['b_standard_error'] from model"
    );
    let fit: Vec<f64> = numbers(&context, &sql).await.into_iter().flatten().collect();
    assert_near(fit[0], -37645.538, 0.0005);
    assert_eq!(&fit[1..3], &[1.0, 0.0]);
    assert_near(fit[3], 0.8265, 0.001);
    assert_near(fit[4], 9.844, 0.01);
    assert_near(fit[5], 0.00344, 0.0005);
    assert!(fit[7] > 10.0, "the error of b is large: {}", fit[7]);
}

#[tokio::test]
async fn online_retail_with_returns_is_on_the_boundary() {
    let Some(histories) = online_retail(true) else { return };
    assert_eq!(histories.len(), 4335);
    let context = customers(&histories);
    let sql =
        format!("{FIT} select fit['log_likelihood'], fit['is_converged'], fit['is_boundary'], fit['a'] from model");
    let fit: Vec<f64> = numbers(&context, &sql).await.into_iter().flatten().collect();
    assert_near(fit[0], -37340.436, 0.0005);
    assert_eq!(&fit[1..], &[1.0, 1.0, 0.0]);
    for field in ["b", "r_standard_error", "alpha_standard_error", "a_standard_error", "b_standard_error"] {
        assert_eq!(text(&context, &format!("{FIT} select fit['{field}'] from model")).await, "NULL");
    }
    // Nobody drops out: the expectation is that of gamma distributed rates alone, in both ways to call it.
    let sql = format!(
        "{FIT} select min(bgnbd_p_alive(fit, x, t_x, t)), max(bgnbd_p_alive(fit, x, t_x, t)), \
         max(abs(bgnbd_expected_purchases(fit, x, t_x, t, 52) - (fit['r'] + x) / (fit['alpha'] + t) * 52)), \
         max(abs(bgnbd_expected_purchases(fit['r'], fit['alpha'], fit['a'], fit['b'], x, t_x, t, 52) \
         - bgnbd_expected_purchases(fit, x, t_x, t, 52))) from customers cross join model"
    );
    let values: Vec<f64> = numbers(&context, &sql).await.into_iter().flatten().collect();
    assert_eq!((values[0], values[1], values[3]), (1.0, 1.0, 0.0));
    assert_near(values[2], 0.0, 1e-12);
}

#[tokio::test]
async fn value_of_the_first_cdnow_customers_in_true_months() {
    let Some(histories) = cdnow("CDNOW_sample.txt") else { return };
    let context = customers(&histories);
    // A library's quick start gives 36.28, 4.64, 8.34 with months of 4.345 weeks, at a monthly rate of 1 % for 12 months;
    // here months are 365/12 days and the rate is of a year.
    let sql = format!(
        "{FIT}, value as (select gamma_gamma_fit(x, monetary) as money from customers) \
         select bgnbd_discounted_purchases(fit, 2, 30.43, 38.86, 365, power(1.01, 12) - 1) * \
         gamma_gamma_expected_value(money, 2, 22.35) from model cross join value"
    );
    assert_near(number(&context, &sql).await.unwrap(), 36.28, 0.1);
}
