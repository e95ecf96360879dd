//! Logistic regression and the area under the curve: published figures, a reference implementation's, limits, properties.

use lifecycle::transform::functions::models::logistic::{DEFAULT_RIDGE, Fit, fit, score};
use lifecycle::transform::functions::models::ranking::auc;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::datasets::folder;
use super::{add_table, assert_near, error, number, numbers, session, text};

/// Grade point average, test score, taught by the new method, and whether the grade improved: 32 students (Spector,
/// Mazzeo 1980; Greene: "Econometric Analysis", table F14.1).
const STUDENTS: [[f64; 4]; 32] = [
    [2.66, 20.0, 0.0, 0.0],
    [2.89, 22.0, 0.0, 0.0],
    [3.28, 24.0, 0.0, 0.0],
    [2.92, 12.0, 0.0, 0.0],
    [4.0, 21.0, 0.0, 1.0],
    [2.86, 17.0, 0.0, 0.0],
    [2.76, 17.0, 0.0, 0.0],
    [2.87, 21.0, 0.0, 0.0],
    [3.03, 25.0, 0.0, 0.0],
    [3.92, 29.0, 0.0, 1.0],
    [2.63, 20.0, 0.0, 0.0],
    [3.32, 23.0, 0.0, 0.0],
    [3.57, 23.0, 0.0, 0.0],
    [3.26, 25.0, 0.0, 1.0],
    [3.53, 26.0, 0.0, 0.0],
    [2.74, 19.0, 0.0, 0.0],
    [2.75, 25.0, 0.0, 0.0],
    [2.83, 19.0, 0.0, 0.0],
    [3.12, 23.0, 1.0, 0.0],
    [3.16, 25.0, 1.0, 1.0],
    [2.06, 22.0, 1.0, 0.0],
    [3.62, 28.0, 1.0, 1.0],
    [2.89, 14.0, 1.0, 0.0],
    [3.51, 26.0, 1.0, 0.0],
    [3.54, 24.0, 1.0, 1.0],
    [2.83, 27.0, 1.0, 1.0],
    [3.39, 17.0, 1.0, 1.0],
    [2.67, 24.0, 1.0, 0.0],
    [3.65, 21.0, 1.0, 1.0],
    [4.0, 23.0, 1.0, 1.0],
    [3.1, 21.0, 1.0, 0.0],
    [2.39, 19.0, 1.0, 1.0],
];

fn students() -> [(&'static str, Vec<Option<f64>>); 4] {
    let column = |place: usize| STUDENTS.iter().map(|student| Some(student[place])).collect();
    [("gpa", column(0)), ("test", column(1)), ("method", column(2)), ("improved", column(3))]
}

const STUDENT_FIT: &str =
    "with model as (select logistic_fit([gpa, test, method], improved = 1, RIDGE) as fit from students)";

#[tokio::test]
async fn greene_gives_the_published_figures() {
    let context = session(4);
    add_table(&context, "students", &students(), 3);
    let model = STUDENT_FIT.replace("RIDGE", "1e-9");
    let sql = format!(
        "{model} select fit['intercept'], fit['coefficients'][1], fit['coefficients'][2], fit['coefficients'][3], \
         fit['intercept_standard_error'], fit['standard_errors'][1], fit['standard_errors'][2], fit['standard_errors'][3], \
         fit['log_likelihood'], fit['customers'], fit['positives'], fit['base_rate'], fit['is_converged'], \
         fit['is_boundary'] from model"
    );
    let found: Vec<f64> = numbers(&context, &sql).await.into_iter().flatten().collect();
    // The published digits, and those of statsmodels 0.15.0.
    let published = [-13.0213, 2.82611, 0.0951577, 2.37869, 4.931, 1.263, 0.1416, 1.065, -12.8896];
    for (actual, expected) in found.iter().zip(published) {
        assert_near(*actual, expected, 6e-4 * expected.abs());
    }
    let reference = [
        -13.021346858115697,
        2.826112594889322,
        0.0951576613179095,
        2.3786876550933544,
        4.9313242136027275,
        1.2629410756290824,
        0.14155420567369448,
        1.0645642544971317,
        -12.889634222131413,
    ];
    for (actual, expected) in found.iter().zip(reference) {
        assert_near(*actual, expected, 1e-6 * expected.abs());
    }
    assert_eq!(found[9..], [32.0, 11.0, 11.0 / 32.0, 1.0, 0.0]);
    let sql = format!(
        "{model}, scores as (select logistic_score(fit, [gpa, test, method]) as score, improved = 1 as label \
         from students cross join model) select auc(score, label), avg(score), \
         -avg(case when label then ln(score) else ln(1 - score) end) from scores"
    );
    let judged: Vec<f64> = numbers(&context, &sql).await.into_iter().flatten().collect();
    for (actual, expected) in judged.iter().zip([0.8831168831168832, 11.0 / 32.0, 0.4028010694416066]) {
        assert_near(*actual, expected, 1e-7);
    }
}

/// scikit-learn 1.9.1: `LogisticRegression(C=1)` on features of standard deviation 1, taken back to their own scale.
#[tokio::test]
async fn a_ridge_of_one_is_the_default_and_that_of_the_reference() {
    let context = session(2);
    add_table(&context, "students", &students(), 2);
    for ridge in ["1", "1.0"]
        .map(|ridge| STUDENT_FIT.replace("RIDGE", ridge))
        .into_iter()
        .chain([STUDENT_FIT.replace(", RIDGE", "")])
    {
        let sql = format!(
            "{ridge} select fit['intercept'], fit['coefficients'][1], fit['coefficients'][2], fit['coefficients'][3], \
             logistic_score(fit, [2.66, 20, 0]), logistic_score(fit, [2.89, 22, 0]), logistic_score(fit, [3.28, 24, 0]) from model"
        );
        let reference = [
            -10.215791575102473,
            2.127944419053126,
            0.08517675653388462,
            1.8001487647785743,
            0.05458193342862226,
            0.10045822184122512,
            0.23292077321311244,
        ];
        for (actual, expected) in numbers(&context, &sql).await.into_iter().zip(reference) {
            assert_near(actual.unwrap(), expected, 1e-9 * expected.abs());
        }
    }
}

/// The visits of 64,000 customers after an e-mail or none; the figures are those of statsmodels 0.15.0 and scikit-learn.
#[tokio::test]
async fn hillstrom_gives_the_reference_figures() {
    let Some(folder) = folder("hillstrom") else { return };
    let lines = std::fs::read_to_string(folder.join("hillstrom.csv")).unwrap();
    let mut columns: [Vec<Option<f64>>; 7] = Default::default();
    for line in lines.lines().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        for (column, place) in columns.iter_mut().zip([0, 2, 3, 4, 6, 8, 9]) {
            let value = fields[place];
            let is_mailed = f64::from(u8::from(value != "No E-Mail"));
            column.push(Some(if place == 8 { is_mailed } else { value.parse().unwrap() }));
        }
    }
    let names = ["recency", "history", "mens", "womens", "newbie", "mailed", "visit"];
    let columns: Vec<_> = names.into_iter().zip(columns).collect();
    let context = session(4);
    add_table(&context, "customers", &columns, 4);
    let features = "[recency, history, mens, womens, newbie, mailed]";
    let sql = format!(
        "with model as (select logistic_fit({features}, visit = 1, 1e-9) as fit from customers), \
         scores as (select logistic_score(fit, {features}) as score, visit = 1 as label from customers cross join model), \
         judged as (select auc(score, label) as auc, \
         -avg(case when label then ln(score) else ln(1 - score) end) as loss from scores) \
         select fit['intercept'], fit['coefficients'][1], fit['coefficients'][2], fit['coefficients'][3], \
         fit['coefficients'][4], fit['coefficients'][5], fit['coefficients'][6], fit['intercept_standard_error'], \
         fit['standard_errors'][1], fit['standard_errors'][6], fit['log_likelihood'], fit['customers'], fit['positives'], \
         auc, loss from model cross join judged"
    );
    let reference = [
        -2.433034065,
        -0.05286892502,
        0.0004548538177,
        0.5660176724,
        0.7198297509,
        -0.5566442028,
        0.5353181654,
        0.04829058248,
        0.003397180819,
        0.02601990574,
        -25764.731605158202,
        64000.0,
        9394.0,
        0.6358730177964598,
        0.4025739313305969,
    ];
    for (actual, expected) in numbers(&context, &sql).await.into_iter().zip(reference) {
        assert_near(actual.unwrap(), expected, 1e-7 * expected.abs());
    }
}

#[tokio::test]
async fn no_order_and_no_partitioning_changes_a_bit() {
    let mut columns = [
        ("a", (0..5_000).map(|row| Some(f64::from(row * 7919 % 1013) / 10.0)).collect::<Vec<_>>()),
        ("b", (0..5_000).map(|row| Some(f64::from(row % 7).ln_1p())).collect()),
        ("y", (0..5_000).map(|row| Some(f64::from(u8::from(row * 31 % 17 + row % 7 > 12)))).collect()),
    ];
    let mut results = Vec::new();
    for partitions in [1, 8] {
        let context = session(partitions);
        add_table(&context, "customers", &columns, partitions);
        let sql = "select fit['intercept'], fit['coefficients'][1], fit['coefficients'][2], fit['log_likelihood'], \
                   fit['standard_errors'][1], fit['intercept_standard_error'], area, odd['intercept'], odd['coefficients'][1] \
                   from (select logistic_fit([a, b], y > 0) as fit, auc(b, y > 0) as area, \
                   logistic_fit([a, b], y > 0) filter (where a > 20) as odd from customers)";
        let all = numbers(&context, sql).await;
        // By group the rows go through another path of the engine.
        let sql = "select fit['intercept'], fit['coefficients'][1] \
                   from (select logistic_fit([a, b], y > 0) as fit from customers group by a > 20, 1 + 1) \
                   order by 1 limit 1";
        let groups = numbers(&context, sql).await;
        let bits: Vec<_> = all.into_iter().chain(groups).map(|number| number.expect("a number").to_bits()).collect();
        results.push(bits);
        columns.iter_mut().for_each(|(_, column)| column.reverse());
    }
    assert_eq!(results[0], results[1]);
}

#[tokio::test]
async fn without_rows_all_is_null_and_what_is_unknown_is_ignored() {
    let context = session(2);
    let rows = "(values (null, true), (1.0, null), (cast('nan' as double), false), (1e300, true)) as c(x, y)";
    let sql = format!(
        "select fit['customers'], fit['positives'], fit['ignored'], fit['intercept'], fit['base_rate'], \
         fit['log_likelihood'], fit['is_converged'], fit['is_boundary'], cardinality(fit['coefficients']), \
         logistic_score(fit, [1.0]) from (select logistic_fit([x], y) as fit from {rows})"
    );
    let fit = numbers(&context, &sql).await;
    assert_eq!(fit[..3], [Some(0.0), Some(0.0), Some(4.0)]);
    assert!(fit[3..].iter().all(Option::is_none), "{fit:?}");
    let sql = "select logistic_fit([x], y)['customers'], auc(x, y) from (values (1, true)) as c(x, y) where x > 1";
    assert_eq!(numbers(&context, sql).await, [Some(0.0), None]);
}

#[tokio::test]
async fn equal_labels_give_the_base_rate() {
    let context = session(2);
    for (label, rate) in [("true", 1.0), ("false", 0.0)] {
        let sql = format!(
            "select fit['intercept'], fit['standard_errors'][1], fit['coefficients'][1], fit['base_rate'], \
             fit['log_likelihood'], fit['customers'], fit['is_converged'], fit['is_boundary'], logistic_score(fit, [7]) \
             from (select logistic_fit([x], {label}) as fit from (values (1), (2)) as c(x))"
        );
        let zero = Some(0.0);
        let expected = [None, None, zero, Some(rate), zero, Some(2.0), Some(1.0), Some(1.0), Some(rate)];
        assert_eq!(numbers(&context, &sql).await, expected);
    }
    assert_eq!(text(&context, "select auc(x, true) from (values (1), (2)) as c(x)").await, "NULL");
}

#[tokio::test]
async fn scores_stay_inside_and_need_every_feature() {
    let context = session(1);
    let model = "named_struct('intercept', 1.5, 'coefficients', [2, 0.5], 'base_rate', 0.3)";
    let score = |features: &str| format!("select logistic_score({model}, {features})");
    assert_near(number(&context, &score("[0, -3]")).await.unwrap(), 0.5, 1e-15);
    assert_near(number(&context, &score("[1, 1]")).await.unwrap(), 1.0 / (1.0 + (-4.0_f64).exp()), 1e-15);
    for (features, end) in [("[1e9, 0]", 1.0), ("[-1e9, 0]", 0.0)] {
        let found = number(&context, &score(features)).await.unwrap();
        assert!(found > 0.0 && found < 1.0 && (found - end).abs() < 1e-15, "{found}");
    }
    assert_eq!(text(&context, &score("[1, null]")).await, "NULL");
    assert_eq!(text(&context, &score("null")).await, "NULL");
    let message = error(&context, &score("[1, 2, 3]")).await;
    assert!(message.contains("logistic_score: 3 features, but the model has 2"), "{message}");
}

#[tokio::test]
async fn mistakes_are_named() {
    let context = session(1);
    let mistakes = [
        (
            "logistic_fit(x, y)",
            "logistic_fit: argument 1 (features) is Int64, expected a list of numbers (make_array makes one)",
        ),
        ("logistic_fit([x], x)", "logistic_fit: argument 2 (label) is Int64, expected true or false"),
        ("logistic_fit(['a'], y)", "logistic_fit: argument 1 (features) is List(Utf8"),
        (
            "logistic_fit([x])",
            "logistic_fit: 1 arguments were given, expected logistic_fit(features, label) or \
             logistic_fit(features, label, ridge)",
        ),
        ("logistic_fit([x], y, 0)", "logistic_fit: the ridge is 0, expected a number above 0"),
        ("logistic_fit([x], y, x)", "logistic_fit: the ridge is 1 in one row and 2 in another"),
        (
            "logistic_fit(case when y then [x] else [x, x] end, y)",
            "logistic_fit: one row has 1 features, another has 2",
        ),
        ("auc(y, y)", "auc: argument 1 (score) is Boolean, expected a number"),
    ];
    for (call, expected) in mistakes {
        let message = error(&context, &format!("select {call} from (values (1, true), (2, false)) as c(x, y)")).await;
        assert!(message.contains(expected), "{call}: {message}");
    }
}

/// Hanley, McNeil (1982), table 1: ratings of 109 images from 1 (surely normal) to 5, with an area of 0.893.
#[tokio::test]
async fn auc_of_ratings_is_the_published_one() {
    let context = session(3);
    let counts = [(33, 3), (6, 2), (6, 2), (11, 11), (2, 33)];
    let (mut ratings, mut labels) = (Vec::new(), Vec::new());
    for (rating, (normal, abnormal)) in counts.into_iter().enumerate() {
        ratings.extend(vec![Some(rating as f64 + 1.0); normal + abnormal]);
        labels.extend(vec![Some(0.0); normal]);
        labels.extend(vec![Some(1.0); abnormal]);
    }
    add_table(&context, "images", &[("rating", ratings), ("label", labels)], 3);
    let area = number(&context, "select auc(rating, label = 1) from images").await.unwrap();
    assert_near(area, 0.893, 0.0005);
    assert_near(area, 2642.0 / 2958.0, 1e-15);
}

#[test]
fn features_that_tell_all_apart_stay_finite() {
    for ridge in [DEFAULT_RIDGE, 1e-6] {
        let fit = fit(1, &[1.0, 2.0, 3.0, 4.0], &[false, false, true, true], ridge).unwrap();
        assert!(fit.is_converged && fit.is_boundary && fit.intercept_standard_error.is_none(), "{fit:?}");
        assert_eq!(fit.standard_errors, [None]);
        assert_near(fit.intercept.unwrap(), -2.5 * fit.coefficients[0], 1e-9);
        assert!(fit.coefficients[0] > 0.5 && fit.coefficients[0].is_finite(), "{fit:?}");
    }
}

#[test]
fn constant_and_repeated_columns_do_no_harm() {
    let labels: Vec<bool> = STUDENTS.iter().map(|student| student[3] > 0.0).collect();
    let columns = |row: &[f64; 4]| [7.3, row[0], row[1], row[0]];
    let wide: Vec<f64> = STUDENTS.iter().flat_map(columns).collect();
    let narrow: Vec<f64> = STUDENTS.iter().flat_map(|row| [row[0], row[1]]).collect();
    let (wide, narrow) = (fit(4, &wide, &labels, 1e-7).unwrap(), fit(2, &narrow, &labels, 1e-7).unwrap());
    assert!(wide.is_converged && !wide.is_boundary, "{wide:?}");
    assert_eq!((wide.coefficients[0], wide.standard_errors[0]), (0.0, None));
    assert_near(wide.coefficients[1], wide.coefficients[3], 1e-5);
    assert_near(wide.coefficients[1] + wide.coefficients[3], narrow.coefficients[0], 1e-5);
    assert_near(wide.log_likelihood, narrow.log_likelihood, 1e-6);
}

fn scores(model: &Fit, features: &[f64], width: usize) -> Vec<f64> {
    let score_of = |row: &[f64]| {
        let products = model.coefficients.iter().zip(row).map(|(factor, number)| factor * number);
        score(model.intercept, Some(model.base_rate()), products).unwrap()
    };
    features.chunks_exact(width).map(score_of).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() })]

    #[test]
    fn a_fit_is_where_the_penalised_likelihood_is_level(
        rows in proptest::collection::vec((proptest::array::uniform3(-9..9_i32), any::<bool>()), 2..80),
        ridge in prop_oneof![Just(DEFAULT_RIDGE), Just(0.01), Just(30.0)],
        turn in 0..80_usize,
        stretch in 0.01..100.0_f64,
        shift in -50.0..50.0_f64,
    ) {
        let features: Vec<f64> = rows.iter().flat_map(|(row, _)| row.map(f64::from)).collect();
        let labels: Vec<bool> = rows.iter().map(|(_, label)| *label).collect();
        let model = fit(3, &features, &labels, ridge).unwrap();
        prop_assert!(model.is_converged, "{:?}", model);
        let given = scores(&model, &features, 3);
        let count = labels.len() as f64;
        assert_near(given.iter().sum::<f64>() / count, model.base_rate(), 1e-8);
        prop_assert!(given.iter().all(|score| model.intercept.is_none() || *score > 0.0 && *score < 1.0));

        for slot in 0..3 {
            let values = || features.iter().skip(slot).step_by(3);
            let mean = values().sum::<f64>() / count;
            let deviation = (values().map(|value| (value - mean).powi(2)).sum::<f64>() / count).sqrt();
            let rests = labels.iter().zip(&given).map(|(label, score)| f64::from(u8::from(*label)) - score);
            let slope: f64 = values().zip(rests).map(|(value, rest)| (value - mean) * rest).sum();
            // The derivative by the standardised coefficient, times the deviation.
            assert_near(slope - ridge * model.coefficients[slot] * deviation * deviation, 0.0, 1e-6);
        }

        let mut turned = rows.clone();
        turned.rotate_left(turn % rows.len());
        let other: Vec<f64> = turned.iter().flat_map(|(row, _)| row.map(f64::from)).collect();
        let other_labels: Vec<bool> = turned.iter().map(|(_, label)| *label).collect();
        prop_assert_eq!(&fit(3, &other, &other_labels, ridge).unwrap(), &model);

        // Neither the unit nor the origin of a feature matters.
        let moved: Vec<f64> = features.iter().map(|value| value * stretch + shift).collect();
        let moved_fit = fit(3, &moved, &labels, ridge).unwrap();
        for (one, other) in given.iter().zip(scores(&moved_fit, &moved, 3)) {
            assert_near(*one, other, 1e-6);
        }
    }

    #[test]
    fn auc_is_the_share_of_pairs_in_order(
        rows in proptest::collection::vec((-4..4_i32, any::<bool>()), 0..60),
    ) {
        let mut sorted: Vec<(f64, bool)> = rows.iter().map(|(score, label)| (f64::from(*score), *label)).collect();
        let pairs = || rows.iter().filter(|row| row.1).flat_map(|one| {
            rows.iter().filter(|row| !row.1).map(move |other| one.0.cmp(&other.0))
        });
        let in_order: f64 = pairs().map(|order| if order.is_gt() { 1.0 } else if order.is_eq() { 0.5 } else { 0.0 }).sum();
        let expected = (pairs().count() > 0).then(|| in_order / pairs().count() as f64);
        prop_assert_eq!(auc(&mut sorted), expected);
    }
}
