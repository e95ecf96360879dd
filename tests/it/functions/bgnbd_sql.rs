//! What SQL sees of the BG/NBD functions: types, nulls, errors, and results that no partitioning changes.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Beta, Distribution, Exp, Gamma};

use super::{add_table, assert_near, error, number, numbers, session, text};

pub type Columns = [(&'static str, Vec<Option<f64>>); 3];

/// Customers of a known model, observed for up to two years, with days as the calendar has them.
pub fn simulated(customers: usize, seed: u64) -> Columns {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let (rates, drop_outs) = (Gamma::new(0.6, 1.0 / 5.0).unwrap(), Beta::new(0.8, 2.5).unwrap());
    let mut columns: Columns = [("x", Vec::new()), ("t_x", Vec::new()), ("t", Vec::new())];
    for _ in 0..customers {
        let observed = f64::from(random.random_range(0..730_u32));
        let rate: f64 = rates.sample(&mut random);
        let waiting = Exp::new((rate / 7.0).max(1e-12)).unwrap();
        let drop_out: f64 = drop_outs.sample(&mut random);
        let (mut day, mut last, mut purchases): (f64, f64, f64) = (0.0, 0.0, 0.0);
        loop {
            day += waiting.sample(&mut random);
            if day.floor() > observed {
                break;
            }
            if day.floor() > last {
                last = day.floor();
                purchases += 1.0;
            }
            if random.random_bool(drop_out) {
                break;
            }
        }
        for (column, value) in columns.iter_mut().zip([purchases, last / 7.0, observed / 7.0]) {
            column.1.push(Some(value));
        }
    }
    columns
}

#[tokio::test]
async fn no_order_and_no_partitioning_changes_a_bit() {
    let mut columns = simulated(20_000, 7);
    let mut results = Vec::new();
    for partitions in [1, 8, 3] {
        let context = session(partitions);
        add_table(&context, "customers", &columns, partitions);
        let fields = ["r", "alpha", "a", "b", "r_standard_error", "b_standard_error", "log_likelihood", "customers"];
        let fields: Vec<String> = fields.iter().map(|field| format!("fit['{field}']")).collect();
        let sql = format!("select {} from (select bgnbd_fit(x, t_x, t) as fit from customers)", fields.join(", "));
        let bits: Vec<u64> =
            numbers(&context, &sql).await.into_iter().map(|number| number.unwrap().to_bits()).collect();
        results.push(bits);
        for (_, column) in &mut columns {
            column.reverse();
            column.rotate_left(1234);
        }
    }
    assert_eq!(results[0], results[1]);
    assert_eq!(results[0], results[2]);
}

#[tokio::test]
async fn simulated_parameters_come_back() {
    let context = session(2);
    add_table(&context, "customers", &simulated(100_000, 3), 2);
    let sql = "select fit['purchase_rate'], fit['is_converged'], fit['is_boundary'] \
               from (select bgnbd_fit(x, t_x, t) as fit from customers)";
    let fit = numbers(&context, sql).await;
    // Purchases of one day collapse, so the rate comes out a little lower than the 0.12 a week that was planted.
    assert_near(fit[0].unwrap(), 0.115, 0.01);
    assert_eq!(&fit[1..], &[Some(1.0), Some(0.0)]);
}

#[tokio::test]
async fn stable_for_many_purchases() {
    let context = session(1);
    let sql =
        "select bgnbd_log_likelihood(.25, 4, .8, 2.5, 0, 0, 40), bgnbd_log_likelihood(.25, 4, .8, 2.5, 200, 38, 40)";
    let values = numbers(&context, sql).await;
    assert_near(values[0].unwrap(), -0.59947382, 5e-9);
    assert_near(values[1].unwrap(), 100.7957, 5e-5);
    // a = 1 is where the formula with the hypergeometric function divides by zero.
    let sql = "select bgnbd_expected_purchases_new(.25, 4, 1 - 1e-9, 2.5, 52), bgnbd_expected_purchases_new(.25, 4, 1, 2.5, 52), \
               bgnbd_expected_purchases_new(.25, 4, 1 + 1e-9, 2.5, 52), bgnbd_expected_purchases(.25, 4, .8, 2.5, 5000, 40, 40, 52)";
    let values = numbers(&context, sql).await;
    assert_near(values[0].unwrap(), values[1].unwrap(), 1e-8);
    assert_near(values[2].unwrap(), values[1].unwrap(), 1e-8);
    assert!((1000.0..6000.0).contains(&values[3].unwrap()), "{values:?}");
}

#[tokio::test]
async fn accepts_integers_and_decimals_and_groups() {
    let context = session(2);
    let sql = "select count(*) from (select k, bgnbd_fit(x, t_x, t) as fit from (values \
        ('a', 1, 2::decimal(6,2), 10), ('a', 0, 0::decimal(6,2), 10), ('b', 3, 5::decimal(6,2), 9)) as v(k, x, t_x, t) group by k) \
        where fit['log_likelihood'] < 0 and fit['customers'] in (1, 2)";
    assert_eq!(text(&context, sql).await, "2");
}

#[tokio::test]
async fn nulls_are_ignored_in_the_fit_and_kept_in_predictions() {
    let context = session(2);
    let some = "(values (2.0, 5.0, 9.0), (0.0, 0.0, 9.0), (null, 1.0, 2.0), (1.0, null, 3.0)) as c(x, t_x, t)";
    let sql = format!("select fit['customers'], fit['ignored'] from (select bgnbd_fit(x, t_x, t) as fit from {some})");
    assert_eq!(numbers(&context, &sql).await, [Some(2.0), Some(2.0)]);
    for sql in [
        "select bgnbd_p_alive(.25, 4, .8, 2.5, null, 1, 2)",
        "select bgnbd_p_alive(null, 4, .8, 2.5, 1, 1, 2)",
        "select bgnbd_expected_purchases(.25, 4, .8, 2.5, 1, 1, 2, null)",
        // No possible history, no model.
        "select bgnbd_p_alive(.25, 4, .8, 2.5, 1, 3, 2)",
        "select bgnbd_p_alive(.25, 4, .8, 2.5, -1, 1, 2)",
        "select bgnbd_p_alive(-.25, 4, .8, 2.5, 1, 1, 2)",
        "select bgnbd_expected_purchases(.25, 4, .8, 2.5, 1, 1, 2, -1)",
        "select bgnbd_discounted_purchases(.25, 4, .8, 2.5, 1, 1, 2, 365, -1)",
    ] {
        assert_eq!(text(&context, sql).await, "NULL", "{sql}");
    }
}

#[tokio::test]
async fn mistakes_are_named() {
    let context = session(1);
    let fit = |values: &str| format!("select bgnbd_fit(x, t_x, t) from (values {values}) as c(x, t_x, t)");
    for (sql, expected) in [
        (fit("(1.0, 5.0, 3.0)"), "bgnbd_fit: a customer has no likelihood: t_x = 5, t = 3 are not times of a customer"),
        (fit("(-1.0, 1.0, 3.0)"), "x = -1 is not a number of purchases"),
        (fit("(1.5, 1.0, 3.0)"), "x = 1.5 is not a number of purchases"),
        (fit("(2.0, 0.0, 3.0)"), "x = 2 repeat purchases with t_x = 0"),
        (
            "select bgnbd_p_alive(1, 2, 3)".into(),
            "bgnbd_p_alive(r, alpha, a, b, x, t_x, t) or bgnbd_p_alive(fit, x, t_x, t)",
        ),
        ("select bgnbd_expected_purchases_new('a', 2, 3, 4, 5)".into(), "argument 1 (r) is Utf8, expected a number"),
        ("select bgnbd_fit(distinct x, 1, 2) from (values (1.0)) as c(x)".into(), "bgnbd_fit does not take distinct"),
    ] {
        let message = error(&context, &sql).await;
        assert!(message.contains(expected), "{message}");
    }
}

#[tokio::test]
async fn discounted_purchases_are_the_sum_over_months() {
    let context = session(1);
    let model = ".2426, 4.4136, .7929, 2.4259, 2, 30.43, 38.86";
    let mut sum = 0.0;
    let mut before = 0.0;
    for month in 1..=12 {
        let days = 365.0 / 12.0 * f64::from(month);
        let sql = format!("select bgnbd_expected_purchases({model}, {days} / 7.0)");
        let until = number(&context, &sql).await.unwrap();
        sum += (until - before) / 1.1_f64.powf(days / 365.0);
        before = until;
    }
    let sql = format!("select bgnbd_discounted_purchases({model}, 365, .1)");
    assert_near(number(&context, &sql).await.unwrap(), sum, 1e-12);
    // Without a discount nothing is lost in the steps, whole or not; a horizon of none expects nothing.
    for days in [1, 45, 364, 366, 1000] {
        let sql = format!(
            "select bgnbd_discounted_purchases({model}, {days}, 0) - bgnbd_expected_purchases({model}, {days} / 7.0)"
        );
        assert_near(number(&context, &sql).await.unwrap(), 0.0, 1e-12);
    }
    assert_eq!(text(&context, &format!("select bgnbd_discounted_purchases({model}, 0, .1)")).await, "0.0");
    // 45 days are a step of 365/12 and a shorter one.
    let sql = format!(
        "select bgnbd_expected_purchases({model}, 365.0 / 84), bgnbd_expected_purchases({model}, 45.0 / 7), \
                       bgnbd_discounted_purchases({model}, 45, .1)"
    );
    let values: Vec<f64> = numbers(&context, &sql).await.into_iter().flatten().collect();
    let expected = values[0] / 1.1_f64.powf(1.0 / 12.0) + (values[1] - values[0]) / 1.1_f64.powf(45.0 / 365.0);
    assert_near(values[2], expected, 1e-12);
}

/// Prints how long a million customers take: `cargo test --test it a_million_customers -- --ignored --nocapture`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn a_million_customers() {
    let context = session(2);
    add_table(&context, "customers", &simulated(1_000_000, 11), 2);
    let started = std::time::Instant::now();
    let sql = "select fit['customers'], fit['is_converged'] from (select bgnbd_fit(x, t_x, t) as fit from customers)";
    assert_eq!(numbers(&context, sql).await, [Some(1e6), Some(1.0)]);
    println!("bgnbd_fit of a million customers: {:?}", started.elapsed());
    for (name, call) in [
        ("bgnbd_p_alive", "bgnbd_p_alive(fit, x, t_x, t)"),
        ("bgnbd_expected_purchases", "bgnbd_expected_purchases(fit, x, t_x, t, 52)"),
        ("bgnbd_discounted_purchases", "bgnbd_discounted_purchases(fit, x, t_x, t, 365, .1)"),
    ] {
        let started = std::time::Instant::now();
        let sql = format!(
            "select sum({call}) from customers cross join (select bgnbd_fit(x, t_x, t) as fit from customers where t < 20)"
        );
        number(&context, &sql).await.unwrap();
        println!("{name} of a million customers: {:?}", started.elapsed());
    }
}
