//! Cut points and classes: reference figures, ties, limits, properties.

use lifecycle::transform::functions::models::quantiles::{class, cuts};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::{add_table, assert_near, error, numbers, session, text};

/// NumPy's and R's default (definition 7).
#[tokio::test]
async fn cuts_are_interpolated_linearly() {
    for (values, parts, expected) in [
        ("(1.0), (2.0), (3.0), (10.0)", 5, vec![1.6, 2.2, 2.8, 5.8]),
        ("(10.0), (1.0), (3.0), (2.0)", 4, vec![1.75, 2.5, 4.75]),
        ("(1.0), (1.0), (1.0), (2.0)", 4, vec![1.0, 1.0, 1.25]),
        ("(7.0)", 5, vec![7.0, 7.0, 7.0, 7.0]),
        ("(-3.0), (5.0), (null)", 2, vec![1.0]),
        ("(4.0), (9.0)", 1, vec![]),
        // A cut that falls on a value is that value.
        ("(0.1), (0.2), (0.3), (0.4), (0.5), (0.6)", 5, vec![0.2, 0.3, 0.4, 0.5]),
    ] {
        let context = session(2);
        let cut = |place: usize| format!("cuts[{place}]");
        let columns: Vec<String> = (1..=expected.len()).map(cut).chain(["cardinality(cuts)".to_owned()]).collect();
        let sql = format!(
            "select {} from (select quantile_cuts(v, {parts}) as cuts from (values {values}) as t(v))",
            columns.join(", ")
        );
        let found = numbers(&context, &sql).await;
        assert_eq!(found.last().unwrap().unwrap_or(0.0), expected.len() as f64, "{sql}");
        for (found, expected) in found.iter().zip(&expected) {
            assert_near(found.unwrap(), *expected, 1e-14);
        }
    }
}

#[tokio::test]
async fn no_value_no_cuts_no_class() {
    let context = session(2);
    let sql = "select cuts is null, cuts[1] is null, quantile_class(3, cuts) is null \
               from (select quantile_cuts(v, 5) as cuts from (values (cast(null as double))) as t(v))";
    assert_eq!(numbers(&context, sql).await, [Some(0.0), Some(1.0), Some(1.0)]);
    let sql = "select quantile_class(null, [1.0, 2.0]) is null, quantile_class(3, null) is null, \
               quantile_class('NaN'::double, [1.0]) is null";
    assert_eq!(numbers(&context, sql).await, [Some(1.0); 3]);
}

#[tokio::test]
async fn a_value_above_a_cut_is_in_the_next_class() {
    let sql = "select quantile_class(0.9, c), quantile_class(1, c), quantile_class(1.5, c), quantile_class(2, c), \
               quantile_class(3, c), quantile_class(2, [2]), quantile_class(9, arrow_cast([1, 2], 'LargeList(Int64)')) \
               from (select [1.0, 2.0] as c)";
    let expected = [1.0, 1.0, 2.0, 2.0, 3.0, 1.0, 3.0].map(Some);
    assert_eq!(numbers(&session(1), sql).await, expected);
}

#[tokio::test]
async fn money_is_cut_exactly_and_equal_values_stay_together() {
    let context = session(3);
    let sql = "with spent as (
            select k, cast(v as decimal(18,2)) as v
            from (values (1, 10.10), (2, 10.10), (3, 10.10), (4, 10.11), (5, 99.99)) as t(k, v)
        ),
        points as (select quantile_cuts(v, 5) as cuts from spent)
        select string_agg(cast(quantile_class(v, cuts) as varchar), ',' order by k) from spent cross join points";
    assert_eq!(text(&context, sql).await, "1,1,1,4,5");
}

#[tokio::test]
async fn no_order_and_no_partitioning_changes_a_bit() {
    let mut values: Vec<Option<f64>> = (0..30_000).map(|row| Some(f64::from(row * 7919 % 10_007).sqrt())).collect();
    let mut found = Vec::new();
    for partitions in [1, 8] {
        let context = session(partitions);
        add_table(&context, "t", &[("v", values.clone())], partitions);
        found.push(text(&context, "select cast(quantile_cuts(v, 10) as varchar) from t").await);
        values.reverse();
    }
    assert_eq!(found[0], found[1]);
}

#[tokio::test]
async fn wrong_arguments_are_named() {
    let context = session(1);
    for (sql, expected) in [
        (
            "select quantile_cuts(v, 0) from (values (1)) as t(v)",
            "quantile_cuts: the number of parts is 0, expected a whole",
        ),
        (
            "select quantile_cuts(v, 2.5) from (values (1)) as t(v)",
            "quantile_cuts: the number of parts is 2.5, expected",
        ),
        (
            "select quantile_cuts(v, v) from (values (2), (3)) as t(v)",
            "quantile_cuts: the number of parts is 2 and 3 in one",
        ),
        ("select quantile_cuts('NaN'::double, 2)", "quantile_cuts: a value is not a number"),
        ("select quantile_class(1, 2)", "quantile_class: argument 2 (cuts) is Int64, expected a list of numbers"),
        ("select quantile_cuts('a', 2)", "quantile_cuts: argument 1 (value) is Utf8, expected a number"),
    ] {
        let message = error(&context, sql).await;
        assert!(message.contains(expected), "{sql}: {message}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() })]

    #[test]
    fn classes_are_of_about_equal_size(
        values in prop::collection::btree_set(-10_000..10_000_i32, 1..300),
        parts in 1..20_u32,
    ) {
        let counted = || values.iter().rev().map(|value| (f64::from(*value), 1));
        let points = cuts(counted(), f64::from(parts)).unwrap();
        prop_assert_eq!(points.len(), parts as usize - 1);
        prop_assert!(points.is_sorted());
        let mut sizes = vec![0_usize; parts as usize];
        for value in &values {
            sizes[class(f64::from(*value), points.iter().copied()) as usize - 1] += 1;
        }
        // Distinct values: the sizes differ by at most two.
        prop_assert!(sizes.iter().max().unwrap() - sizes.iter().min().unwrap() <= 2, "{:?}", sizes);
        // Rows of equal values are as good as one row with a count.
        let twice = cuts(counted().chain(counted()), f64::from(parts)).unwrap();
        let doubled = cuts(counted().map(|(value, _)| (value, 2)), f64::from(parts)).unwrap();
        prop_assert_eq!(twice, doubled);
    }
}
