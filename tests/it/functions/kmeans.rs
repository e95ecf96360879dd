//! k-means, against scikit-learn's figures and the properties that define it.

use std::sync::Arc;

use datafusion::arrow::array::{Array, AsArray, Float64Array, Int64Array, ListArray, RecordBatch};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::datatypes::{DataType, Field, Float64Type, Int64Type};
use datafusion::datasource::MemTable;
use datafusion::execution::memory_pool::GreedyMemoryPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::prelude::{SessionConfig, SessionContext};
use lifecycle::transform::functions::register;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{assert_near, error, number, rows, session, text};

/// Fisher's iris data as scikit-learn has them, two digits of
/// millimetres each: sepal length and width, petal length and width.
const IRIS: &str = "51351402 49301402 47321302 46311502 50361402 54391704 46341403 50341502 44291402 49311501 54371502 48341602 \
    48301401 43301101 58401202 57441504 54391304 51351403 57381703 51381503 54341702 51371504 46361002 51331705 \
    48341902 50301602 50341604 52351502 52341402 47321602 48311602 54341504 52411501 55421402 49311502 50321202 \
    55351302 49361401 44301302 51341502 50351303 45231303 44321302 50351606 51381904 48301403 51381602 46321402 \
    53371502 50331402 70324714 64324515 69314915 55234013 65284615 57284513 63334716 49243310 66294613 52273914 \
    50203510 59304215 60224010 61294714 56293613 67314414 56304515 58274110 62224515 56253911 59324818 61284013 \
    63254915 61284712 64294313 66304414 68284814 67305017 60294515 57263510 55243811 55243710 58273912 60275116 \
    54304515 60344516 67314715 63234413 56304113 55254013 55264412 61304614 58264012 50233310 56274213 57304212 \
    57294213 62294313 51253011 57284113 63336025 58275119 71305921 63295618 65305822 76306621 49254517 73296318 \
    67255818 72366125 65325120 64275319 68305521 57255020 58285124 64325323 65305518 77386722 77266923 60225015 \
    69325723 56284920 77286720 63274918 67335721 72326018 62284818 61304918 64285621 72305816 74286119 79386420 \
    64285622 63285115 61265614 77306123 63345624 64315518 60304818 69315421 67315624 69315123 58275119 68325923 \
    67335725 67305223 63255019 65305220 62345423 59305118";

type Point = Vec<f64>;

fn iris() -> Vec<Point> {
    let digits = |flower: &str| (0..4).map(|at| flower[2 * at..2 * at + 2].parse::<f64>().unwrap() / 10.0).collect();
    IRIS.split_whitespace().map(digits).collect()
}

/// Four groups far from each other, of 30, 40, 50 and 60 points.
fn separated() -> Vec<Point> {
    let group = |number: usize, (x, y): (f64, f64)| {
        let spread = |i: usize, step: usize, modulus: usize| ((i * step) % modulus) as f64;
        (0..30 + 10 * number)
            .map(move |i| vec![x + (spread(i, 37, 101) - 50.0) / 25.0, y + (spread(i, 59, 97) - 48.0) / 24.0])
    };
    let corners = [(0.0, 0.0), (20.0, 3.0), (5.0, 30.0), (40.0, 25.0)];
    corners.into_iter().enumerate().flat_map(|(number, corner)| group(number, corner)).collect()
}

/// Registers `points(id, features)`, dealt out over partitions.
fn add_points(context: &SessionContext, points: &[Point], partitions: usize) {
    let batches: Vec<Vec<RecordBatch>> = (0..partitions)
        .map(|partition| {
            let mine: Vec<(usize, &Point)> = points.iter().enumerate().skip(partition).step_by(partitions).collect();
            let lengths = OffsetBuffer::from_lengths(mine.iter().map(|(_, point)| point.len()));
            let values: Float64Array = mine.iter().flat_map(|(_, point)| point.iter().map(|x| Some(*x))).collect();
            let field = Arc::new(Field::new_list_field(DataType::Float64, true));
            let features = ListArray::new(field, lengths, Arc::new(values), None);
            let ids: Int64Array = mine.iter().map(|(id, _)| Some(*id as i64)).collect();
            vec![
                RecordBatch::try_from_iter([("id", Arc::new(ids) as _), ("features", Arc::new(features) as _)])
                    .unwrap(),
            ]
        })
        .collect();
    let table = MemTable::try_new(batches[0][0].schema(), batches).unwrap();
    context.deregister_table("points").unwrap();
    context.register_table("points", Arc::new(table)).unwrap();
}

fn with_points(points: &[Point]) -> SessionContext {
    let context = session(2);
    add_points(&context, points, 3);
    context
}

async fn fit(context: &SessionContext, k: usize) -> RecordBatch {
    rows(context, &format!("select m.* from (select unnest(kmeans_fit(features, {k})) from points) as m")).await
}

fn field<'a>(fit: &'a RecordBatch, name: &str) -> &'a dyn Array {
    let places: Vec<usize> =
        (0..fit.num_columns()).filter(|at| fit.schema().field(*at).name().contains(name)).collect();
    let exact = places.iter().find(|at| fit.schema().field(**at).name().ends_with(&format!(".{name}")));
    fit.column(*exact.or(places.first()).unwrap_or_else(|| panic!("no {name} in {:?}", fit.schema()))).as_ref()
}

fn doubles(fit: &RecordBatch, name: &str) -> Vec<f64> {
    field(fit, name).as_list::<i32>().value(0).as_primitive::<Float64Type>().values().to_vec()
}

fn centres(fit: &RecordBatch) -> Vec<Point> {
    let lists = field(fit, "centres").as_list::<i32>().value(0);
    let lists = lists.as_list::<i32>();
    (0..lists.len()).map(|at| lists.value(at).as_primitive::<Float64Type>().values().to_vec()).collect()
}

fn sizes(fit: &RecordBatch) -> Vec<i64> {
    field(fit, "sizes").as_list::<i32>().value(0).as_primitive::<Int64Type>().values().to_vec()
}

fn single(fit: &RecordBatch, name: &str) -> f64 {
    field(fit, name).as_primitive::<Float64Type>().value(0)
}

async fn inertia(context: &SessionContext, k: usize) -> f64 {
    number(context, &format!("select kmeans_fit(features, {k})['within_sum'] from points")).await.unwrap()
}

/// The cluster of each point, by id.
async fn assigned(context: &SessionContext, k: usize) -> Vec<i64> {
    let sql = format!(
        "select kmeans_cluster(m, features) from points cross join (select kmeans_fit(features, {k}) as m from points) \
         order by id"
    );
    rows(context, &sql).await.column(0).as_primitive::<Int64Type>().values().to_vec()
}

fn squared(one: &[f64], other: &[f64]) -> f64 {
    one.iter().zip(other).map(|(a, b)| (a - b) * (a - b)).sum()
}

/// `StandardScaler` and `KMeans(k, n_init=200, tol=0)` of scikit-learn 1.9; more starts than anyone uses.
#[tokio::test]
async fn inertia_is_that_of_scikit_learn() {
    let context = with_points(&iris());
    let expected =
        [600.0, 222.36170496502302, 139.82049635974982, 114.0923282435746, 90.80728315078542, 79.99855804596771];
    for (k, expected) in (1..).zip(expected) {
        let found = inertia(&context, k).await;
        assert!(found <= expected * 1.001, "{k} clusters of iris: {found}, scikit-learn has {expected}");
        assert!(found >= expected * 0.999, "{k} clusters of iris: {found} cannot be so far below {expected}");
    }
    let context = with_points(&separated());
    let expected = [360.0, 160.63926057066942, 29.64354518492619, 2.4935861253174236, 2.102620052914371];
    for (k, expected) in (1..).zip(expected) {
        assert_near(inertia(&context, k).await, expected, expected * 1e-9);
    }
}

#[tokio::test]
async fn separated_groups_are_found_and_numbered_by_the_first_feature() {
    let context = with_points(&separated());
    let fit = fit(&context, 4).await;
    assert_eq!(sizes(&fit), [60, 40, 50, 30]);
    let (means, deviations) = (doubles(&fit, "means"), doubles(&fit, "deviations"));
    let back = |centre: &Point| -> Point { (0..2).map(|at| means[at] + deviations[at] * centre[at]).collect() };
    for (centre, corner) in centres(&fit).iter().zip([[40.0, 25.0], [20.0, 3.0], [5.0, 30.0], [0.0, 0.0]]) {
        assert!(squared(&back(centre), &corner) < 0.5, "{:?} is not near {corner:?}", back(centre));
    }
    let expected: Vec<i64> = [(4, 30), (2, 40), (3, 50), (1, 60)].iter().flat_map(|(c, n)| vec![*c; *n]).collect();
    assert_eq!(assigned(&context, 4).await, expected);
}

/// scikit-learn's three clusters of iris.
#[tokio::test]
async fn centres_are_those_of_scikit_learn() {
    let fit = fit(&with_points(&iris()), 3).await;
    assert_eq!(sizes(&fit), [47, 53, 50]);
    let expected = [
        [1.13597027, 0.08842168, 0.99615451, 1.01752612],
        [-0.05021989, -0.88337647, 0.34773781, 0.2815273],
        [-1.01457897, 0.85326268, -1.30498732, -1.25489349],
    ];
    for (centre, expected) in centres(&fit).iter().zip(&expected) {
        centre.iter().zip(expected).for_each(|(found, expected)| assert_near(*found, *expected, 1e-8));
    }
}

#[tokio::test]
async fn the_definition_holds() {
    let mut random = ChaCha8Rng::seed_from_u64(3);
    let points: Vec<Point> =
        (0..300).map(|i| (0..3).map(|_| random.random::<f64>() + f64::from(i % 4) / 2.0).collect()).collect();
    let context = with_points(&points);
    let mut last = f64::INFINITY;
    for k in 1..=8 {
        let fit = fit(&context, k).await;
        let (means, deviations) = (doubles(&fit, "means"), doubles(&fit, "deviations"));
        let scaled = |point: &Point| -> Point { (0..3).map(|at| (point[at] - means[at]) / deviations[at]).collect() };
        let (centres, clusters) = (centres(&fit), assigned(&context, k).await);
        let mut sums = vec![(0_i64, vec![0.0; 3], 0.0); k];
        for (point, cluster) in points.iter().zip(&clusters) {
            let point = scaled(point);
            let own = squared(&point, &centres[*cluster as usize - 1]);
            assert!(centres.iter().all(|centre| squared(&point, centre) >= own), "a nearer centre");
            let (size, sum, within) = &mut sums[*cluster as usize - 1];
            *size += 1;
            *within += own;
            sum.iter_mut().zip(&point).for_each(|(sum, value)| *sum += value);
        }
        for (at, (size, sum, within)) in sums.iter().enumerate() {
            assert_eq!(sizes(&fit)[at], *size);
            assert_near(doubles(&fit, "within_sums")[at], *within, 1e-9);
            sum.iter().zip(&centres[at]).for_each(|(sum, centre)| assert_near(sum / *size as f64, *centre, 1e-10));
        }
        assert!(centres.is_sorted_by(|one, other| one[0] >= other[0]), "clusters are out of order");
        assert_near(single(&fit, "total_sum"), 900.0, 1e-8);
        let inertia = single(&fit, "within_sum");
        assert!(inertia < last, "{k} clusters fit worse than fewer");
        last = inertia;
        assert!(field(&fit, "is_converged").as_boolean().value(0));
    }
}

#[tokio::test]
async fn neither_order_nor_partitions_matter() {
    let mut points = iris();
    let mut models = Vec::new();
    for partitions in [1, 3, 8] {
        points.reverse();
        points.rotate_left(7 * partitions);
        for parallelism in [1, 4] {
            let context = session(parallelism);
            add_points(&context, &points, partitions);
            models.push(text(&context, "select kmeans_fit(features, 4) from points").await);
        }
    }
    models.dedup();
    assert_eq!(models.len(), 1, "{models:#?}");
}

#[tokio::test]
async fn units_and_repetition_do_not_matter() {
    let expected = assigned(&with_points(&iris()), 3).await;
    let scaled: Vec<Point> = iris()
        .iter()
        .map(|point| point.iter().zip([1000.0, 0.001, 1.0, -5.0]).map(|(value, by)| value * by + 77.0).collect())
        .collect();
    let found = assigned(&with_points(&scaled), 3).await;
    assert_eq!(found, expected);
    let thrice: Vec<Point> = iris().iter().flat_map(|point| vec![point.clone(); 3]).collect();
    let (once, thrice) = (fit(&with_points(&iris()), 3).await, fit(&with_points(&thrice), 3).await);
    assert_eq!(sizes(&thrice), sizes(&once).iter().map(|size| 3 * size).collect::<Vec<_>>());
    assert_near(single(&thrice, "within_sum"), 3.0 * single(&once, "within_sum"), 1e-9);
}

#[tokio::test]
async fn no_cluster_is_empty() {
    let few = [vec![1.0, 5.0], vec![2.0, 5.0], vec![2.0, 5.0], vec![9.0, 5.0]];
    let context = with_points(&few);
    let three = fit(&context, 7).await;
    assert_eq!(sizes(&three), [1, 2, 1]);
    assert_near(single(&three, "within_sum"), 0.0, 1e-20);
    assert_eq!(doubles(&three, "deviations")[1], 0.0, "a constant feature takes no part");
    assert_eq!(assigned(&context, 7).await, [3, 2, 2, 1]);

    let context = with_points(&vec![vec![0.1, 1e9 / 3.0, -7.0]; 1000]);
    let one = fit(&context, 5).await;
    assert_eq!((sizes(&one), doubles(&one, "deviations")), (vec![1000], vec![0.0; 3]));
    assert_eq!(single(&one, "total_sum"), 0.0);
    assert!(assigned(&context, 5).await.iter().all(|cluster| *cluster == 1));

    let context = with_points(&[vec![3.0]]);
    assert_eq!(sizes(&fit(&context, 5).await), [1]);
    let none = "select kmeans_fit(features, 5) from points where id < 0";
    let model = text(&context, none).await;
    assert!(model.starts_with("{clusters: 0, points: 0, ignored: 0, means: ,"), "{model}");
    let nobody = "select kmeans_cluster((select kmeans_fit(features, 5) from points where id < 0), [1.0])";
    assert_eq!(text(&context, nobody).await, "NULL");
}

#[tokio::test]
async fn unknown_numbers_are_ignored_and_have_no_cluster() {
    let context = session(2);
    let rows = "(values ([1, 2]), ([8, 9]), (null), ([1, null]), ([double 'NaN', 1]), ([double 'Infinity', 1]), \
                ([1e200, 1])) as t(features)";
    let fitted = format!("select kmeans_fit(features, 2) from {rows}");
    let model = text(&context, &fitted).await;
    assert!(model.starts_with("{clusters: 2, points: 2, ignored: 5, means: [4.5, 5.5],"), "{model}");
    let clusters = format!("select array_agg(kmeans_cluster(({fitted}), features)) from {rows}");
    assert_eq!(text(&context, &clusters).await, "[2, 1, , , , , ]");
}

#[tokio::test]
async fn ties_go_to_the_first_cluster() {
    let context = session(1);
    let model = "named_struct('means', [0.0, 7.0], 'deviations', [1.0, 0.0], 'centres', \
                 [[1.0, 0.0], [-1.0, 0.0], [-1.0, 0.0]])";
    for (x, cluster) in [("0.0", "1"), ("-0.1", "2"), ("-1", "2"), ("4", "1")] {
        assert_eq!(text(&context, &format!("select kmeans_cluster({model}, [{x}, 8.0])")).await, cluster);
    }
}

#[tokio::test]
async fn wrong_calls_are_told() {
    let context = with_points(&separated());
    for (sql, expected) in [
        ("select kmeans_fit(features, 0) from points", "kmeans_fit: k is 0, expected 1 to 1000"),
        ("select kmeans_fit(features, 1001) from points", "kmeans_fit: k is 1001, expected 1 to 1000"),
        ("select kmeans_fit(features, null) from points", "kmeans_fit: k is null, expected 1 to 1000"),
        ("select kmeans_fit(features, id % 2 + 1) from points", "kmeans_fit: k is 1 in some rows and 2 in others"),
        (
            "select kmeans_fit(case when id = 3 then [1.0] else features end, 2) from points",
            "kmeans_fit: some rows have ",
        ),
        ("select kmeans_fit([]::double[], 2) from points", "kmeans_fit: the lists of features are empty"),
        (
            "select kmeans_fit(id, 2) from points",
            "kmeans_fit: argument 1 (features) is Int64, expected a list of numbers",
        ),
        (
            "select kmeans_cluster((select kmeans_fit(features, 2) from points), [1.0])",
            "kmeans_cluster: 1 features, but the model has 2",
        ),
        (
            "select kmeans_cluster(named_struct('means', [1.0]), [1.0])",
            "expected a struct with the fields means, deviations, centres",
        ),
        (
            "select kmeans_cluster(named_struct('means', [1.0], 'deviations', [1.0], 'centres', [[1.0, 2.0]]), [1.0])",
            "kmeans_cluster: the model's centres do not all have 1 numbers",
        ),
    ] {
        let found = error(&context, sql).await;
        assert!(found.contains(expected), "{sql}\n  {found}");
    }
}

/// A minute in a development build: `cargo test -- --ignored a_million`.
#[tokio::test]
#[ignore = "takes a minute in a development build"]
async fn a_million_points_fit_in_little_memory() {
    let runtime = RuntimeEnvBuilder::new().with_memory_pool(Arc::new(GreedyMemoryPool::new(256 << 20))).build_arc();
    let configuration = SessionConfig::new().with_target_partitions(2);
    let mut context = SessionContext::new_with_config_rt(configuration, runtime.unwrap());
    register(&mut context, chrono_tz::UTC).unwrap();
    let sql = "with n as (select unnest(range(0, 1000000)) as n) \
               select kmeans_fit([sin(n), cos(n * 0.7), sin(n * 1.3) + n % 5, ln(1.0 + n % 97), n % 11], 5) as m from n";
    let found =
        text(&context, &format!("select [m['points'], m['clusters'], m['is_converged']::int] from ({sql})")).await;
    assert_eq!(found, "[1000000, 5, 1]");
}
