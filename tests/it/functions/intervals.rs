//! Intervals for differences: published examples, limits, properties.

use lifecycle::transform::functions::models::intervals::{Interval, Proportion, Sample, newcombe, wald, welch};
use lifecycle::transform::functions::models::special::{NORMAL_975, t_quantile};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::{add_table, assert_near, error, numbers, session, text};

async fn ends(function: &str, arguments: &str) -> Option<(f64, f64)> {
    let sql = format!("select i['low'], i['high'] from (select {function}_interval({arguments}) as i)");
    let ends = numbers(&session(1), &sql).await;
    assert_eq!(ends[0].is_some(), ends[1].is_some(), "{sql}");
    ends[0].zip(ends[1])
}

/// Table II of Newcombe (1998): method 10, and method 1, which is Wald's.
#[tokio::test]
async fn proportions_give_the_published_examples() {
    for (counts, scores, simple) in [
        ("56, 70, 48, 80", (0.0524, 0.3339), (0.0575, 0.3425)),
        ("9, 10, 3, 10", (0.1705, 0.8090), (0.2605, 0.9395)),
        ("6, 7, 2, 7", (0.0582, 0.8062), (0.1481, 0.9947)),
        ("5, 56, 0, 29", (-0.0381, 0.1926), (0.0146, 0.1640)),
        ("0, 10, 0, 20", (-0.1611, 0.2775), (0.0, 0.0)),
        ("0, 10, 0, 10", (-0.2775, 0.2775), (0.0, 0.0)),
        ("10, 10, 0, 20", (0.6791, 1.0), (1.0, 1.0)),
        ("10, 10, 0, 10", (0.6075, 1.0), (1.0, 1.0)),
    ] {
        for (function, published) in [("newcombe", scores), ("wald", simple)] {
            let (low, high) = ends(function, counts).await.unwrap();
            assert_near(low, published.0, 0.00005);
            assert_near(high, published.1, 0.00005);
        }
    }
}

/// statsmodels 0.15, `confint_proportions_2indep` with `newcomb` and `wald`, of a large trial.
#[tokio::test]
async fn large_groups_agree_with_a_reference() {
    let (low, high) = ends("newcombe", "3894, 21307, 2262, 21306").await.unwrap();
    assert_near(low, 0.069_953_308_083_731_54, 1e-12);
    assert_near(high, 0.083_226_741_274_111_37, 1e-12);
    let (low, high) = ends("wald", "3894, 21307, 2262, 21306").await.unwrap();
    assert_near(low, 0.069_953_501_218_108_38, 1e-12);
    assert_near(high, 0.083_225_626_084_954_11, 1e-12);
}

/// Student's sleep data (1908), as R's `t.test` gives them: df 17.776.
#[tokio::test]
async fn means_give_the_published_example() {
    let sql = "with sleep as (select * from (values
            (1, 0.7), (1, -1.6), (1, -0.2), (1, -1.2), (1, -0.1), (1, 3.4), (1, 3.7), (1, 0.8), (1, 0.0), (1, 2.0),
            (2, 1.9), (2, 0.8), (2, 1.1), (2, 0.1), (2, -0.1), (2, 4.4), (2, 5.5), (2, 1.6), (2, 4.6), (2, 3.4)
        ) as s(drug, extra)),
        drugs as (select drug, avg(extra) as mean, var_samp(extra) as variance, count(*) as n from sleep group by drug),
        intervals as (
            select welch_interval(one.mean, one.variance, one.n, two.mean, two.variance, two.n) as i
            from drugs as one cross join drugs as two where one.drug = 1 and two.drug = 2
        )
        select i['low'], i['high'] from intervals";
    let ends = numbers(&session(2), sql).await;
    assert_near(ends[0].unwrap(), -3.365_483_2, 5e-8);
    assert_near(ends[1].unwrap(), 0.205_483_2, 5e-8);
}

/// SciPy 1.17, `stats.t.ppf`.
#[test]
fn quantiles_of_t_agree_with_a_reference() {
    for (freedom, at_975, at_6) in [
        (1.0, 12.706_204_736_174_694, 0.324_919_696_232_906_34),
        (1.5, 6.016_663_104_427_929, 0.300_745_392_569_795_43),
        (2.0, 4.302_652_729_749_462, 0.288_675_134_594_812_8),
        (3.7, 2.867_520_707_191_189_5, 0.272_164_464_292_069_53),
        (10.0, 2.228_138_851_986_274, 0.260_184_829_492_080_3),
        (99.5, 1.984_093_610_990_623_8, 0.254_025_580_118_443_34),
        (999.9, 1.962_339_318_642_608_1, 0.253_414_522_582_509_96),
        (1000.0, 1.962_339_080_826_408_3, 0.253_414_515_839_498_76),
        (12_345.6, 1.960_156_158_259_510_4, 0.253_352_562_805_346_5),
        (1e9, 1.959_963_986_912_325, 0.253_347_103_203_201_53),
    ] {
        for (probability, expected) in [(0.975, at_975), (0.6, at_6)] {
            let found = t_quantile(probability, freedom).unwrap();
            assert_near(found, expected, 5e-12 * expected);
            let mirrored = t_quantile(1.0 - probability, freedom).unwrap();
            assert_near(mirrored, -found, 1e-12 * found);
        }
    }
    assert_near(t_quantile(0.975, f64::INFINITY).unwrap(), NORMAL_975, 1e-14);
    assert_near(t_quantile(0.5, 7.0).unwrap(), 0.0, 1e-12);
    for (probability, freedom) in
        [(0.0, 5.0), (1.0, 5.0), (0.975, 0.0), (0.975, -1.0), (f64::NAN, 5.0), (0.9, f64::NAN)]
    {
        assert_eq!(t_quantile(probability, freedom), None, "{probability}, {freedom}");
    }
}

#[tokio::test]
async fn what_cannot_be_has_no_interval() {
    for (function, arguments) in [
        ("newcombe", "0, 0, 1, 2"),
        ("newcombe", "1, 2, 0, 0"),
        ("newcombe", "3, 2, 1, 2"),
        ("newcombe", "-1, 2, 1, 2"),
        ("newcombe", "null, 2, 1, 2"),
        ("newcombe", "1, 2, 1, null"),
        ("wald", "0, 0, 0, 0"),
        ("wald", "1, 2, 3, 2"),
        ("wald", "1, 2, null, 2"),
        ("welch", "1, 1, 0, 1, 1, 9"),
        ("welch", "1, 1, 9, 1, 1, 1"),
        ("welch", "1, null, 9, 1, 1, 9"),
        ("welch", "1, -1, 9, 1, 1, 9"),
    ] {
        let sql = format!("select {function}_interval({arguments}) is null");
        assert_eq!(text(&session(1), &sql).await, "true", "{sql}");
        assert_eq!(ends(function, arguments).await, None, "{sql}");
    }
}

#[tokio::test]
async fn means_without_variance_are_a_point_and_one_variance_is_enough() {
    assert_eq!(ends("welch", "7, 0, 2, 5, 0, 9").await, Some((2.0, 2.0)));
    // Only the second varies: its own degrees of freedom, 8, at which t is 2.306004135.
    let (low, high) = ends("welch", "7, 0, 2, 5, 9, 9").await.unwrap();
    assert_near(low, 2.0 - 2.306_004_135_204_166, 1e-12);
    assert_near(high, 2.0 + 2.306_004_135_204_166, 1e-12);
    // Whose squares are smaller than the smallest number.
    let (low, high) = ends("welch", "0, 1e-200, 9, 0, 1e-200, 9").await.unwrap();
    assert!(low < 0.0 && high > 0.0, "{low} {high}");
}

#[tokio::test]
async fn columns_with_nulls_keep_their_rows() {
    let context = session(2);
    let columns = [
        ("s", vec![Some(9.0), None, Some(6.0), Some(0.0)]),
        ("n", vec![Some(10.0), Some(10.0), Some(7.0), Some(0.0)]),
        ("t", vec![Some(3.0), Some(3.0), Some(2.0), Some(1.0)]),
        ("m", vec![Some(10.0), Some(10.0), Some(7.0), Some(2.0)]),
    ];
    add_table(&context, "arms", &columns, 2);
    let sql = "select count(*), count(i), count(i['low']), min(i['low']), max(i['low']) \
               from (select newcombe_interval(s, n, t, m) as i from arms)";
    let found = numbers(&context, sql).await;
    assert_eq!(&found[..3], &[Some(4.0), Some(2.0), Some(2.0)]);
    assert_near(found[3].unwrap(), 0.0582, 0.00005);
    assert_near(found[4].unwrap(), 0.1705, 0.00005);
}

#[tokio::test]
async fn wrong_arguments_are_named() {
    let message = error(&session(1), "select newcombe_interval('x', 1, 2, 3)").await;
    assert!(message.contains("newcombe_interval: argument 1 (successes) is Utf8, expected a number"), "{message}");
    let message = error(&session(1), "select welch_interval(1, 2, 3)").await;
    let expected = "welch_interval: 3 arguments were given, expected \
                    welch_interval(mean, variance, n, other_mean, other_variance, other_n)";
    assert!(message.contains(expected), "{message}");
}

fn holds(interval: Interval, difference: f64) -> bool {
    interval.low <= difference && difference <= interval.high
}

fn mirrored(interval: Interval) -> Interval {
    Interval { low: -interval.high, high: -interval.low }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() })]

    #[test]
    fn proportions_hold_their_difference(n in 1..5000_u32, m in 1..5000_u32, a in 0.0..=1.0_f64, b in 0.0..=1.0_f64) {
        let proportion = |n: u32, share: f64| Proportion {
            successes: (f64::from(n) * share).round(),
            trials: f64::from(n),
        };
        let (one, other) = (proportion(n, a), proportion(m, b));
        let difference = one.successes / one.trials - other.successes / other.trials;
        let interval = newcombe(one, other).unwrap();
        prop_assert!(holds(interval, difference) && interval.low < interval.high, "{interval:?}");
        prop_assert!(interval.low >= -1.0 - 1e-12 && interval.high <= 1.0 + 1e-12, "{interval:?}");
        prop_assert_eq!(mirrored(newcombe(other, one).unwrap()), interval);
        let interval = wald(one, other).unwrap();
        prop_assert!(holds(interval, difference), "{interval:?}");
        prop_assert_eq!(mirrored(wald(other, one).unwrap()), interval);
        // More of the same is more certain.
        let larger = |of: Proportion| Proportion { successes: 4.0 * of.successes, trials: 4.0 * of.trials };
        let narrow = newcombe(larger(one), larger(other)).unwrap();
        let wide = newcombe(one, other).unwrap();
        prop_assert!(narrow.high - narrow.low < wide.high - wide.low);
    }

    #[test]
    fn means_hold_their_difference(
        means in (-1e6..1e6_f64, -1e6..1e6_f64),
        variances in (0.0..1e9_f64, 0.0..1e9_f64),
        sizes in (2..100_000_u32, 2..100_000_u32),
    ) {
        let one = Sample { mean: means.0, variance: variances.0, size: f64::from(sizes.0) };
        let other = Sample { mean: means.1, variance: variances.1, size: f64::from(sizes.1) };
        let interval = welch(one, other).unwrap();
        prop_assert!(holds(interval, means.0 - means.1), "{interval:?}");
        prop_assert_eq!(mirrored(welch(other, one).unwrap()), interval);
        // Never narrower than if the variances were known.
        let known = NORMAL_975 * (variances.0 / one.size + variances.1 / other.size).sqrt();
        prop_assert!(interval.high - interval.low >= 2.0 * known * (1.0 - 1e-9));
    }
}
