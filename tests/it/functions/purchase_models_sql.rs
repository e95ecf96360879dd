//! What SQL sees of MBG/NBD and Pareto/NBD: published and reference figures, types, nulls, errors, and results that no
//! partitioning changes.

use super::bgnbd_datasets::customers;
use super::bgnbd_sql::simulated;
use super::datasets::{cdnow, online_retail};
use super::{add_table, assert_near, error, number, numbers, session, text};

/// Name, names of its parameters, and a plausible model.
const MODELS: [(&str, [&str; 4], &str); 2] = [
    ("mbgnbd", ["r", "alpha", "a", "b"], ".52, 6.18, .89, 1.61"),
    ("pareto_nbd", ["r", "alpha", "s", "beta"], ".55, 10.6, .61, 11.7"),
];

fn fields(names: &[&str], suffix: &str) -> String {
    let fields: Vec<String> = names.iter().map(|name| format!("fit['{name}{suffix}']")).collect();
    fields.join(", ")
}

/// Figures of the PyPI package lifetimes 0.11.3 (ModifiedBetaGeoFitter with its standard errors, ParetoNBDFitter) on the
/// same 2,357 customers, at a tolerance of 1e-9: parameters, then by customer the purchases expected and the probability of
/// being alive, then the purchases expected of a new customer in 1 and 52 weeks.
///
/// Published for Pareto/NBD are .5532, 10.578, .6063, 11.671 with a log-likelihood of -9594.976 (Fader, Hardie, Lee 2005), in
/// the flat surroundings of the maximum.
#[tokio::test]
async fn cdnow_sample_gives_the_reference_figures() {
    let Some(histories) = cdnow("CDNOW_sample.txt") else { return };
    let context = customers(&histories);
    for (model, parameters, log_likelihood, expectations, new) in [
        (
            "mbgnbd",
            [("r", 0.52484316), ("alpha", 6.18308527), ("a", 0.89135939), ("b", 1.61400224)],
            -9582.135716,
            [
                ("2, 30.43, 38.86", 39, 1.2626692312, 0.7061256879),
                ("26, 30.857, 31", 52, 23.9981061595, 0.9654812399),
                ("10, 20, 39", 52, 0.3516933258, 0.0401084926),
                ("0, 0, 38.86", 52, 0.1976292804, 0.3897150596),
            ],
            [0.0530603234, 1.4188848762],
        ),
        (
            "pareto_nbd",
            [("r", 0.55327703), ("alpha", 10.57768330), ("s", 0.60623999), ("beta", 11.66873574)],
            -9594.976179,
            [
                ("2, 30.43, 38.86", 39, 1.4550987563, 0.8691156619),
                ("26, 30.857, 31", 52, 25.4551268238, 0.9978711782),
                ("10, 20, 39", 52, 0.7058884472, 0.0803872167),
                ("0, 0, 38.86", 52, 0.1361698367, 0.2950958114),
            ],
            [0.0510063754, 1.4734342942],
        ),
    ] {
        let with = format!("with model as (select {model}_fit(x, t_x, t) as fit from customers)");
        let names = parameters.map(|(name, _)| name);
        let sql = format!(
            "{with} select {}, fit['log_likelihood'], fit['customers'], fit['is_converged'], fit['is_boundary'] from model",
            fields(&names, "")
        );
        let fit: Vec<f64> = numbers(&context, &sql).await.into_iter().flatten().collect();
        for (found, (_, expected)) in fit.iter().zip(parameters) {
            assert_near(found / expected, 1.0, 1e-6);
        }
        assert_near(fit[4], log_likelihood, 1e-6);
        assert_eq!(fit[5..], [2357.0, 1.0, 0.0]);
        for (history, horizon, expected, alive) in expectations {
            for call in ["fit".to_owned(), fields(&names, "")] {
                let sql = format!(
                    "{with} select {model}_expected_purchases({call}, {history}, {horizon}), {model}_p_alive({call}, {history}) from model"
                );
                let found = numbers(&context, &sql).await;
                assert_near(found[0].unwrap() / expected, 1.0, 2e-6);
                assert_near(found[1].unwrap() / alive, 1.0, 2e-6);
            }
        }
        for (time, expected) in [1, 52].into_iter().zip(new) {
            let sql = format!("{with} select {model}_expected_purchases_new(fit, {time}) from model");
            assert_near(number(&context, &sql).await.unwrap(), expected, 1e-7);
        }
        let sql = format!(
            "{with} select sum({model}_log_likelihood(fit, x, t_x, t)), max(fit['log_likelihood']) from customers cross join model"
        );
        let sums = numbers(&context, &sql).await;
        assert_near(sums[0].unwrap(), sums[1].unwrap(), 1e-7);
    }
    let sql = "with model as (select mbgnbd_fit(x, t_x, t) as fit from customers) \
               select fit['r_standard_error'], fit['alpha_standard_error'], fit['a_standard_error'], fit['b_standard_error'] from model";
    let errors = numbers(&context, sql).await;
    for (found, expected) in errors.iter().zip([0.08326821, 0.69562064, 0.15478993, 0.53749480]) {
        assert_near(found.unwrap() / expected, 1.0, 1e-5);
    }
    let sql = "select sum(pareto_nbd_log_likelihood(.5532, 10.578, .6063, 11.671, x, t_x, t)) from customers";
    assert_near(number(&context, sql).await.unwrap(), -9594.976, 0.0005);
}

#[tokio::test]
async fn online_retail_with_returns_is_on_the_boundary() {
    let Some(histories) = online_retail(true) else { return };
    let context = customers(&histories);
    for (model, names, _) in MODELS {
        let sql = format!(
            "select fit['is_converged'], fit['is_boundary'], fit['r'], fit['log_likelihood'], {} from \
             (select {model}_fit(x, t_x, t) as fit from customers)",
            fields(&names, "_standard_error")
        );
        let fit = numbers(&context, &sql).await;
        assert_eq!(fit[..2], [Some(1.0), Some(1.0)], "{model}");
        assert!(fit[2].is_some() && fit[4..].iter().all(Option::is_none), "{model}: {fit:?}");
        // Nobody drops out is a limit of each model, and of BG/NBD the best one.
        assert!(fit[3].unwrap() >= -37340.4365, "{model}: {fit:?}");
        let sql = format!(
            "with model as (select {model}_fit(x, t_x, t) as fit from customers) \
             select sum({model}_log_likelihood(fit, x, t_x, t)), min({model}_p_alive(fit, x, t_x, t)), \
             max({model}_p_alive(fit, x, t_x, t)), min({model}_expected_purchases(fit, x, t_x, t, 52)), \
             count({model}_discounted_purchases(fit, x, t_x, t, 365, .1)) from customers cross join model"
        );
        let values: Vec<f64> = numbers(&context, &sql).await.into_iter().flatten().collect();
        assert_near(values[0], fit[3].unwrap(), 1e-6);
        assert!(values[1] >= 0.0 && values[2] <= 1.0 && values[3] >= 0.0, "{model}: {values:?}");
        assert_near(values[4], 4335.0, 0.0);
    }
}

#[tokio::test]
async fn no_order_and_no_partitioning_changes_a_bit() {
    let mut columns = simulated(20_000, 7);
    let mut results = Vec::new();
    for partitions in [1, 8, 3] {
        let context = session(partitions);
        add_table(&context, "customers", &columns, partitions);
        let mut bits = Vec::new();
        for (model, names, _) in MODELS {
            let sql = format!(
                "with model as (select {model}_fit(x, t_x, t) as fit from customers) \
                 select {}, {}, fit['log_likelihood'], fit['customers'] from model",
                fields(&names, ""),
                fields(&names, "_standard_error")
            );
            bits.extend(numbers(&context, &sql).await.into_iter().map(|number| number.unwrap().to_bits()));
        }
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
async fn no_customers_are_all_null() {
    let context = session(3);
    for (model, [r, alpha, first, second], _) in MODELS {
        let sql = format!(
            "select fit['customers'], fit['ignored'], fit['{r}'], fit['{alpha}'], fit['{first}'], fit['{second}'], \
             fit['r_standard_error'], fit['log_likelihood'], fit['is_converged'], fit['is_boundary'], fit['purchase_rate'], \
             fit['dropout_probability'], {model}_expected_purchases(fit, 1, 1, 2, 3), {model}_p_alive(fit, 1, 1, 2), \
             {model}_discounted_purchases(fit, 1, 1, 2, 365, .1) \
             from (select {model}_fit(x, t_x, t) as fit from (values (1.0, 1.0, 2.0)) as c(x, t_x, t) where x > 1)"
        );
        let fit = numbers(&context, &sql).await;
        assert_eq!(fit[..2], [Some(0.0), Some(0.0)]);
        assert!(fit[2..].iter().all(Option::is_none), "{model}: {fit:?}");
    }
}

#[tokio::test]
async fn nobody_bought_again() {
    let context = session(2);
    for (model, [r, alpha, first, second], _) in MODELS {
        let flat = format!("fit['{r}'], fit['{alpha}'], fit['{first}'], fit['{second}']");
        let sql = format!(
            "select {flat}, fit['purchase_rate'], fit['log_likelihood'], fit['customers'], fit['is_converged'], fit['is_boundary'], \
             {model}_expected_purchases(fit, 0, 0, 5, 52), {model}_p_alive(fit, 0, 0, 5), {model}_expected_purchases({flat}, 0, 0, 5, 52) \
             from (select {model}_fit(x, t_x, t) as fit from (values (0, 0, 2), (0, 0, 0), (0, 0, 9)) as c(x, t_x, t))"
        );
        let nothing = Some(0.0);
        let expected = [
            nothing,
            None,
            nothing,
            None,
            nothing,
            nothing,
            Some(3.0),
            Some(1.0),
            Some(1.0),
            nothing,
            Some(1.0),
            nothing,
        ];
        assert_eq!(numbers(&context, &sql).await, expected, "{model}");
    }
}

#[tokio::test]
async fn nulls_are_ignored_in_the_fit_and_kept_in_predictions() {
    let context = session(2);
    let some = "(values (2.0, 5.0, 9.0), (0.0, 0.0, 9.0), (null, 1.0, 2.0), (1.0, null, 3.0)) as c(x, t_x, t)";
    for (model, _, plausible) in MODELS {
        let sql =
            format!("select fit['customers'], fit['ignored'] from (select {model}_fit(x, t_x, t) as fit from {some})");
        assert_eq!(numbers(&context, &sql).await, [Some(2.0), Some(2.0)]);
        for call in [
            format!("p_alive({plausible}, null, 1, 2)"),
            "p_alive(null, 4, .8, 2.5, 1, 1, 2)".to_owned(),
            format!("expected_purchases({plausible}, 1, 1, 2, null)"),
            // No possible history, no model.
            format!("p_alive({plausible}, 1, 3, 2)"),
            format!("p_alive({plausible}, -1, 1, 2)"),
            "p_alive(-.25, 4, .8, 2.5, 1, 1, 2)".to_owned(),
            "p_alive(0, null, .8, 2.5, 1, 1, 2)".to_owned(),
            format!("log_likelihood({plausible}, 1, 3, 2)"),
            format!("expected_purchases({plausible}, 1, 1, 2, -1)"),
            format!("expected_purchases_new({plausible}, -1)"),
            format!("discounted_purchases({plausible}, 1, 1, 2, 365, -1)"),
        ] {
            assert_eq!(text(&context, &format!("select {model}_{call}")).await, "NULL", "{model}_{call}");
        }
    }
}

#[tokio::test]
async fn mistakes_are_named() {
    let context = session(1);
    for (model, [r, alpha, first, second], _) in MODELS {
        for (sql, expected) in [
            (
                format!("select {model}_fit(x, t_x, t) from (values (1.0, 5.0, 3.0)) as c(x, t_x, t)"),
                format!("{model}_fit: a customer has no likelihood: t_x = 5, t = 3 are not times of a customer"),
            ),
            (
                format!("select {model}_p_alive(1, 2, 3)"),
                format!(
                    "{model}_p_alive({r}, {alpha}, {first}, {second}, x, t_x, t) or {model}_p_alive(fit, x, t_x, t)"
                ),
            ),
            (
                format!("select {model}_fit(distinct x, 1, 2) from (values (1.0)) as c(x)"),
                format!("{model}_fit does not take distinct"),
            ),
        ] {
            let message = error(&context, &sql).await;
            assert!(message.contains(&expected), "{message}");
        }
    }
    // A fit of one family is no model of another.
    let sql = "select pareto_nbd_p_alive(bgnbd_fit(x, t_x, t), 1, 1, 2) from (values (1.0, 1.0, 2.0)) as c(x, t_x, t)";
    let message = error(&context, sql).await;
    assert!(message.contains("expected a struct with the fields r, alpha, purchase_rate, s, beta"), "{message}");
}

#[tokio::test]
async fn discounted_purchases_are_the_sum_over_months() {
    let context = session(1);
    for (model, _, plausible) in MODELS {
        let customer = format!("{plausible}, 2, 30.43, 38.86");
        let (mut sum, mut before) = (0.0, 0.0);
        for month in 1..=12 {
            let days = 365.0 / 12.0 * f64::from(month);
            let sql = format!("select {model}_expected_purchases({customer}, {days} / 7.0)");
            let until = number(&context, &sql).await.unwrap();
            sum += (until - before) / 1.1_f64.powf(days / 365.0);
            before = until;
        }
        let sql = format!("select {model}_discounted_purchases({customer}, 365, .1)");
        assert_near(number(&context, &sql).await.unwrap(), sum, 1e-12);
    }
}

/// Equal rows are computed once; what is between them must not matter, another model least of all.
#[tokio::test]
async fn equal_histories_of_different_models_stay_apart() {
    let context = session(1);
    let sql = "select count(distinct alive) from (select pareto_nbd_p_alive(r, 10.6, .61, 11.7, x, 5.0, 39.0) as alive \
               from (values (.5, 2.0), (.6, 2.0), (.5, 2.0), (.5, 3.0), (.6, 3.0), (.5, 2.0)) as c(r, x))";
    assert_eq!(text(&context, sql).await, "4");
}

/// Prints how long 200,000 customers take: `cargo test --test it customers_of_each_model -- --ignored --nocapture`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn two_hundred_thousand_customers_of_each_model() {
    let context = session(2);
    add_table(&context, "customers", &simulated(200_000, 11), 2);
    for model in ["bgnbd", "mbgnbd", "pareto_nbd"] {
        let started = std::time::Instant::now();
        let sql = format!(
            "with model as (select {model}_fit(x, t_x, t) as fit from customers) \
             select sum({model}_p_alive(fit, x, t_x, t)), sum({model}_expected_purchases(fit, x, t_x, t, 52)), \
             sum({model}_discounted_purchases(fit, x, t_x, t, 365, .1)) from customers cross join model"
        );
        numbers(&context, &sql).await;
        println!("{model}: {:?}", started.elapsed());
    }
}
