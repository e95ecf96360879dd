//! Kaplan-Meier: published examples, ties, nulls, properties.

use lifecycle::transform::functions::models::survival::kaplan_meier;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::{add_table, assert_near, error, numbers, rows, session, text};

/// One line per step: time, at_risk, events, censored, survival to six digits.
async fn curve(context: &datafusion::prelude::SessionContext, source: &str) -> Vec<String> {
    let sql = format!(
        "with curve as (select unnest(kaplan_meier(duration, is_event)) as step from {source})
        select
            concat_ws(' ', step['time'], step['at_risk'], step['events'], step['censored'], round(step['survival'], 6))
        from curve order by step['time']"
    );
    let batch = rows(context, &sql).await;
    (0..batch.num_rows())
        .map(|row| datafusion::arrow::util::display::array_value_to_string(batch.column(0), row).unwrap())
        .collect()
}

/// The example of Kaplan and Meier (1958): deaths at .8, 3.1, 5.4, 9.2, losses at 1.0, 2.7, 7.0, 12.1.
#[tokio::test]
async fn the_authors_example() {
    let source =
        "(values (5.4, true), (12.1, false), (0.8, true), (2.7, false), (3.1, true), (1.0, false), (9.2, true),
        (7.0, false)) as c(duration, is_event)";
    let expected = [
        "0.8 8 1 0 0.875",
        "1.0 7 0 1 0.875",
        "2.7 6 0 1 0.875",
        "3.1 5 1 0 0.7",
        "5.4 4 1 0 0.525",
        "7.0 3 0 1 0.525",
        "9.2 2 1 0 0.2625",
        "12.1 1 0 1 0.2625",
    ];
    assert_eq!(curve(&session(3), source).await, expected);
}

/// Weeks of remission under 6-mercaptopurine (Freireich and others, 1963), with ties of events and censorings.
#[tokio::test]
async fn remissions_of_leukaemia() {
    let source = "(values (6, true), (6, true), (6, true), (6, false), (7, true), (9, false), (10, true), (10, false),
        (11, false), (13, true), (16, true), (17, false), (19, false), (20, false), (22, true), (23, true), (25, false),
        (32, false), (32, false), (34, false), (35, false)) as c(duration, is_event)";
    let found = curve(&session(2), source).await;
    let expected = [
        "6.0 21 3 1 0.857143",
        "7.0 17 1 0 0.806723",
        "9.0 16 0 1 0.806723",
        "10.0 15 1 1 0.752941",
        "11.0 13 0 1 0.752941",
        "13.0 12 1 0 0.690196",
        "16.0 11 1 0 0.627451",
        "17.0 10 0 1 0.627451",
        "19.0 9 0 1 0.627451",
        "20.0 8 0 1 0.627451",
        "22.0 7 1 0 0.537815",
        "23.0 6 1 0 0.448179",
        "25.0 5 0 1 0.448179",
        "32.0 4 0 2 0.448179",
        "34.0 2 0 1 0.448179",
        "35.0 1 0 1 0.448179",
    ];
    assert_eq!(found, expected);
}

#[tokio::test]
async fn nothing_observed_is_no_step_and_nulls_are_ignored() {
    let context = session(2);
    let none = "(select 1 as duration, true as is_event where false) as c";
    assert_eq!(curve(&context, none).await, Vec::<String>::new());
    assert_eq!(text(&context, &format!("select kaplan_meier(duration, is_event) is null from {none}")).await, "false");
    let some = "(values (3, true), (null, true), (2, null), (0, false), (4, false)) as c(duration, is_event)";
    assert_eq!(curve(&context, some).await, ["0.0 3 0 1 1.0", "3.0 2 1 0 0.5", "4.0 1 0 1 0.5"]);
    let all = "(values (3, true), (3, true)) as c(duration, is_event)";
    assert_eq!(curve(&context, all).await, ["3.0 2 2 0 0.0"]);
}

#[tokio::test]
async fn groups_and_partitions_change_nothing() {
    let durations: Vec<Option<f64>> = (0..20_000).map(|row| Some(f64::from(row * 7919 % 400))).collect();
    let events: Vec<Option<f64>> = (0..20_000).map(|row| Some(f64::from(row * 31 % 7 % 2))).collect();
    let mut columns = [("duration", durations), ("event", events)];
    let mut curves = Vec::new();
    for partitions in [1, 8] {
        let context = session(partitions);
        add_table(&context, "waits", &columns, partitions);
        let sql = "with curve as (
                select unnest(kaplan_meier(duration, event = 1)) as step from waits
            )
            select string_agg(cast(step['survival'] as varchar), ' ' order by step['time']) from curve";
        curves.push(text(&context, sql).await);
        columns.iter_mut().for_each(|(_, column)| column.reverse());
    }
    assert_eq!(curves[0], curves[1]);
}

#[tokio::test]
async fn wrong_arguments_are_named() {
    let context = session(1);
    let message = error(&context, "select kaplan_meier(d, true) from (values (-1.5)) as c(d)").await;
    assert!(message.contains("kaplan_meier: a duration of -1.5 is negative or not finite"), "{message}");
    let message = error(&context, "select kaplan_meier(d, true) from (values ('NaN'::double)) as c(d)").await;
    assert!(message.contains("kaplan_meier: a duration of NaN is negative or not finite"), "{message}");
    let message = error(&context, "select kaplan_meier(d, 1) from (values (1)) as c(d)").await;
    assert!(message.contains("argument 2 (is_event) is Int64, expected true or false"), "{message}");
}

#[tokio::test]
async fn it_reads_decimals_and_integers() {
    let sql = "with curves as (
            select kaplan_meier(d, e) as whole, kaplan_meier(m, e) as exact
            from (values (2, 2.00::decimal(9,2), true), (5, 5.00::decimal(9,2), false)) as c(d, m, e)
        ),
        firsts as (select whole[1] as whole, exact[1] as exact from curves)
        select whole['survival'], exact['time'] from firsts";
    assert_eq!(numbers(&session(2), sql).await, [Some(0.5), Some(2.0)]);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() })]

    #[test]
    fn survival_never_rises(observations in prop::collection::vec((0..50_u32, any::<bool>()), 1..200)) {
        let steps =
            kaplan_meier(observations.iter().map(|(time, is_event)| (f64::from(*time), *is_event, 1))).unwrap();
        let (mut survival, mut time, mut at_risk) = (1.0, -1.0, observations.len() as u64);
        for step in &steps {
            prop_assert!(step.survival <= survival && step.survival >= 0.0 && step.time > time);
            prop_assert_eq!(step.at_risk, at_risk);
            prop_assert_eq!(step.events > 0, step.survival < survival);
            (survival, time) = (step.survival, step.time);
            at_risk -= step.events + step.censored;
        }
        prop_assert_eq!(at_risk, 0);
    }

    /// If nobody is lost from sight, survival is the share that is left.
    #[test]
    fn without_censorings_it_is_the_share_left(times in prop::collection::vec(0..50_u32, 1..200)) {
        let steps = kaplan_meier(times.iter().map(|time| (f64::from(*time), true, 1))).unwrap();
        for step in steps {
            let left = times.iter().filter(|time| f64::from(**time) > step.time).count();
            assert_near(step.survival, left as f64 / times.len() as f64, 1e-12);
        }
    }
}
