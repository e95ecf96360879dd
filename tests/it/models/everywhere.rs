//! What must hold for all models, whatever the data.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::RecordBatch;
use chrono::NaiveDate;
use lifecycle::config::{Materialization, Project, TableName};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::builder::{Builder, Setting, Tables, project};
use super::values::{Cell, Row, batch, cells, empty};

fn as_of() -> NaiveDate {
    NaiveDate::from_ymd_opt(2025, 3, 31).expect("a date")
}

fn built_models(project: &Project) -> Vec<TableName> {
    project.models.keys().filter(|name| name.schema != "staging").cloned().collect()
}

/// Builds every model over given tables, with its checks; returns all rows.
async fn build_all(project: &Project, given: &Tables, setting: &Setting) -> BTreeMap<TableName, Vec<RecordBatch>> {
    let mut builder = Builder::new(project, setting);
    for (name, batches) in given {
        builder.give(name, batches.clone()).expect("the table can be given");
    }
    let mut built = BTreeMap::new();
    for name in built_models(project) {
        let rows = builder.build(&name).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        built.insert(name, rows);
    }
    for name in built.keys() {
        let failing = builder.failing_checks(name).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(failing.is_empty(), "{name}: {}", failing.join("\n"));
    }
    built
}

fn order_lines(project: &Project, rows: &[Row]) -> Tables {
    let name = TableName::new("staging", "order_lines");
    let schema = lifecycle::transform::arrow_schema(&project.models[&name].columns);
    let table = if rows.is_empty() { empty(&schema) } else { batch(&schema, rows).expect("order lines") };
    Tables::from([(name, vec![table])])
}

fn yaml_rows(text: &str) -> Vec<Row> {
    serde_yaml::from_str(text).expect("rows")
}

#[tokio::test]
async fn every_model_builds_on_nothing() {
    let project = project();
    build_all(&project, &Tables::new(), &Setting::new(as_of())).await;
}

#[tokio::test]
async fn every_model_builds_on_a_single_line() {
    let project = project();
    let rows = yaml_rows(
        "- {order_id: o1, line_no: 1, customer_id: c1, ordered_at: '2025-01-05T10:00:00Z', quantity: 1, net_amount: 10.00}",
    );
    build_all(&project, &order_lines(&project, &rows), &Setting::new(as_of())).await;
}

#[tokio::test]
async fn every_model_builds_on_lines_without_customers() {
    let project = project();
    let rows =
        yaml_rows("- {order_id: o1, line_no: 1, ordered_at: '2025-01-05T10:00:00Z', quantity: 1, net_amount: 10.00}");
    build_all(&project, &order_lines(&project, &rows), &Setting::new(as_of())).await;
}

#[tokio::test]
async fn rows_do_not_depend_on_parallelism() {
    let project = project();
    let given = random_business(&project, 7);
    let mut one = Setting::new(as_of());
    one.parallelism = 1;
    let mut many = Setting::new(as_of());
    many.parallelism = 7;
    let one = build_all(&project, &given, &one).await;
    let many = build_all(&project, &given, &many).await;
    for (name, rows) in &one {
        let (rows, others) = (sorted(cells(rows)), sorted(cells(&many[name])));
        assert!(rows == others, "{name} differs: {:?}", rows.iter().zip(&others).find(|(one, other)| one != other));
    }
}

/// A row of day d depends on inputs of day d only, so building day by day gives the whole.
#[tokio::test]
async fn incremental_models_are_the_sum_of_their_days() {
    let project = project();
    let given = random_business(&project, 11);
    let setting = Setting::new(as_of());
    let incremental = project.models.values().filter_map(|model| match &model.materialized {
        Materialization::Incremental { day } => Some((model.name.clone(), day.clone())),
        _ => None,
    });
    for (name, day_column) in incremental {
        let mut builder = Builder::new(&project, &setting);
        for (table, batches) in &given {
            builder.give(table, batches.clone()).expect("a table");
        }
        let whole = cells(&builder.build(&name).await.expect("the model"));
        let days: BTreeSet<String> = whole.iter().map(|row| text_of(&row[&day_column])).collect();
        assert!(days.len() > 5, "{name} has {} days", days.len());
        let mut parts = Vec::new();
        for day in days.iter().step_by(17) {
            let mut builder = Builder::new(&project, &setting);
            for (table, batches) in &given {
                let rows = rows_of_day(&builder, table, batches, day).await;
                builder.give(table, rows).expect("a table");
            }
            let part = cells(&builder.build(&name).await.expect("the model"));
            assert!(part.iter().all(|row| text_of(&row[&day_column]) == *day), "{name} on {day} gives other days");
            parts.push((day.clone(), part));
        }
        for (day, part) in parts {
            let of_day = whole.iter().filter(|row| text_of(&row[&day_column]) == day).cloned().collect();
            assert!(sorted(part) == sorted(of_day), "{name} on {day} differs from the whole");
        }
    }
}

/// What a run that rebuilds one day would see of a table: rows of that day, and tables without an event time whole.
async fn rows_of_day(builder: &Builder<'_>, table: &TableName, batches: &[RecordBatch], day: &str) -> Vec<RecordBatch> {
    let event_time = match table.table.as_str() {
        "order_lines" => "ordered_at",
        "interactions" => "occurred_at",
        _ => return batches.to_vec(),
    };
    let mut filtering = Builder::new(builder.project(), &Setting::new(as_of()));
    filtering.give(table, batches.to_vec()).expect("a table");
    let sql = format!("select * from {table} where business_day({event_time}) = date '{day}'");
    filtering.query(&sql).await.expect("the rows of a day")
}

fn text_of(cell: &Cell) -> String {
    match cell {
        Cell::Text(text) => text.clone(),
        other => format!("{other:?}"),
    }
}

fn sorted(mut rows: Vec<BTreeMap<String, Cell>>) -> Vec<BTreeMap<String, Cell>> {
    rows.sort_by_cached_key(|row| format!("{row:?}"));
    rows
}

/// A business of 120 ids over two years: sales, returns, interactions, surveys, referrals, links, campaigns.
fn random_business(project: &Project, seed: u64) -> Tables {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let random = &mut random;
    let customer = |random: &mut ChaCha8Rng| format!("c{}", random.random_range(0..120) * random.random_range(0..2));
    let instant = |random: &mut ChaCha8Rng| {
        let start = NaiveDate::from_ymd_opt(2023, 4, 1).expect("a date").and_time(chrono::NaiveTime::MIN);
        let at = start + chrono::Duration::seconds(random.random_range(0..63_500_000));
        format!("{}Z", at.format("%Y-%m-%dT%H:%M:%S"))
    };
    let pick = |random: &mut ChaCha8Rng, of: &[&str]| of[random.random_range(0..of.len())].to_owned();
    let mut texts: BTreeMap<&str, String> = BTreeMap::new();
    let mut add = |table: &'static str, row: String| texts.entry(table).or_default().push_str(&format!("- {{{row}}}\n"));
    for number in 0..1500 {
        let quantity = if random.random_range(0..12) == 0 { -1 } else { random.random_range(1..4) };
        let cents = i64::from(quantity) * random.random_range(0..4000);
        let (at, product) = (instant(random), random.random_range(0..12));
        let mut row = format!(
            "order_id: o{}, line_no: {number}, ordered_at: '{at}', product_id: p{product}, quantity: {quantity}, net_amount: {}.{:02}",
            number / 2,
            if cents < 0 { format!("-{}", cents.abs() / 100) } else { (cents / 100).to_string() },
            cents.abs() % 100
        );
        if random.random_range(0..10) > 0 {
            row.push_str(&format!(", customer_id: {}", customer(random)));
        }
        add("order_lines", row);
    }
    let kinds = ["visit", "complaint", "review", "share", "offer", "newsletter", "unlisted"];
    for number in 0..2500 {
        let (at, id, kind) = (instant(random), customer(random), pick(random, &kinds));
        let direction = pick(random, &["inbound", "outbound"]);
        let response = pick(random, &["positive", "negative", "none", "later", "null"]);
        let channel = pick(random, &["web", "email", "null"]);
        add(
            "interactions",
            format!(
                "interaction_id: i{number}, customer_id: {id}, occurred_at: '{at}', direction: {direction}, kind: {kind}, \
                 channel: {channel}, response: {response}"
            ),
        );
    }
    for number in 0..160 {
        let (at, id, kind) = (instant(random), customer(random), pick(random, &["nps", "csat", "exit"]));
        let (score, reason) = (random.random_range(0..11), pick(random, &["Too expensive", "moved away", "hobby"]));
        add(
            "surveys",
            format!("survey_id: s{number}, customer_id: {id}, responded_at: '{at}', kind: {kind}, score: {score}, reason: {reason}"),
        );
    }
    for number in 0..90 {
        let (at, from, to) = (instant(random), customer(random), customer(random));
        let source = pick(random, &["app", "card", "null"]);
        add(
            "referrals",
            format!(
                "referral_id: r{number}, referrer_id: {from}, referred_id: {to}, referred_at: '{at}', source: {source}, \
                 reward_cost: 5.00"
            ),
        );
    }
    for number in 0..15 {
        let (at, to) = (instant(random), customer(random));
        add("identities", format!("alias_id: c{}, customer_id: {to}, linked_at: '{at}'", 90 + number));
    }
    for number in 0..100 {
        let (at, source) = (instant(random), pick(random, &["web", "list", "null"]));
        let contact = pick(random, &["true", "false", "null"]);
        add(
            "customers",
            format!("customer_id: c{number}, first_seen_at: '{at}', acquisition_source: {source}, is_contactable: {contact}"),
        );
    }
    for number in 0..12 {
        add("products", format!("product_id: p{number}, category: {}", pick(random, &["a", "b", "c", "null"])));
    }
    for number in 0..4 {
        let objective = pick(random, &["referral", "retention"]);
        add("campaigns", format!("campaign_id: k{number}, objective: {objective}, started_on: 2024-01-01, cost: 100.00"));
        for member in 0..60 {
            let (at, arm) = (instant(random), pick(random, &["treatment", "control", "null"]));
            add(
                "campaign_members",
                format!("campaign_id: k{number}, customer_id: c{member}, assigned_at: '{at}', arm: {arm}"),
            );
        }
    }
    let table = |(table, text): (&str, String)| {
        let name = TableName::new("staging", table);
        let schema = lifecycle::transform::arrow_schema(&project.models[&name].columns);
        let rows = batch(&schema, &yaml_rows(&text)).expect("rows that fit");
        (name, vec![rows])
    };
    texts.into_iter().map(table).collect()
}
