//! What must hold for all models, whatever the data.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::RecordBatch;
use chrono::NaiveDate;
use lifecycle::config::{Materialization, Project, TableName};

use lifecycle::plan::Graph;
use lifecycle::run::{BuildSetting, Cell, ModelBuilder, cells};

use super::builder::{Tables, build_every_model, built_models, graph, project, setting, staged};
use super::random_business::random_business;

fn as_of() -> NaiveDate {
    NaiveDate::from_ymd_opt(2025, 3, 31).expect("a date")
}

/// Builds every model over given tables, with its checks; returns all rows.
async fn build_all(project: &Project, given: &Tables, setting: &BuildSetting) -> BTreeMap<TableName, Vec<RecordBatch>> {
    let graph = graph(project);
    let mut builder = build_every_model(project, &graph, given, setting).await;
    let mut built = BTreeMap::new();
    for name in built_models(project) {
        let rows = builder.build(&name).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        built.insert(name, rows);
    }
    built
}

fn order_lines(project: &Project, rows: &str) -> Tables {
    Tables::from([staged(project, "order_lines", rows)])
}

#[tokio::test]
async fn every_model_builds_on_nothing() {
    let project = project();
    build_all(&project, &Tables::new(), &setting(as_of())).await;
}

#[tokio::test]
async fn every_model_builds_on_a_single_line() {
    let project = project();
    let rows = "- {order_id: o1, line_no: 1, customer_id: c1, ordered_at: '2025-01-05T10:00:00Z', quantity: 1, net_amount: 10.00}";
    build_all(&project, &order_lines(&project, rows), &setting(as_of())).await;
}

#[tokio::test]
async fn every_model_builds_on_lines_without_customers() {
    let project = project();
    let rows = "- {order_id: o1, line_no: 1, ordered_at: '2025-01-05T10:00:00Z', quantity: 1, net_amount: 10.00}";
    build_all(&project, &order_lines(&project, rows), &setting(as_of())).await;
}

#[tokio::test]
async fn rows_do_not_depend_on_parallelism() {
    let project = project();
    let given = random_business(&project, 7);
    let mut one = setting(as_of());
    one.parallelism = 1;
    let mut many = setting(as_of());
    many.parallelism = 7;
    let one = build_all(&project, &given, &one).await;
    let many = build_all(&project, &given, &many).await;
    for (name, rows) in &one {
        let (rows, others) = (rows_of(rows), rows_of(&many[name]));
        assert!(rows == others, "{name} differs: {:?}", rows.iter().zip(&others).find(|(one, other)| one != other));
    }
}

/// A row of day d depends on inputs of day d only, so building day by day gives the whole.
#[tokio::test]
async fn incremental_models_are_the_sum_of_their_days() {
    let project = project();
    let given = random_business(&project, 11);
    let (setting, graph) = (setting(as_of()), graph(&project));
    let incremental = project.models.values().filter_map(|model| match &model.materialized {
        Materialization::Incremental { day } => Some((model.name.clone(), day.clone())),
        _ => None,
    });
    for (name, day_column) in incremental {
        let mut builder = ModelBuilder::new(&project, &graph, &setting).expect("a session starts");
        for (table, batches) in &given {
            builder.give(table, batches.clone()).expect("a table");
        }
        let whole = rows_of(&builder.build(&name).await.expect("the model"));
        let days: BTreeSet<String> = whole.iter().map(|row| text_of(&row[&day_column])).collect();
        assert!(days.len() > 5, "{name} has {} days", days.len());
        let mut parts = Vec::new();
        for day in days.iter().step_by(17) {
            let mut builder = ModelBuilder::new(&project, &graph, &setting).expect("a session starts");
            for (table, batches) in &given {
                let rows = rows_of_day(&builder, &graph, table, batches, day).await;
                builder.give(table, rows).expect("a table");
            }
            let part = rows_of(&builder.build(&name).await.expect("the model"));
            assert!(part.iter().all(|row| text_of(&row[&day_column]) == *day), "{name} on {day} gives other days");
            parts.push((day.clone(), part));
        }
        for (day, part) in parts {
            let of_day: Vec<_> = whole.iter().filter(|row| text_of(&row[&day_column]) == day).cloned().collect();
            assert!(part == of_day, "{name} on {day} differs from the whole");
        }
    }
}

/// What a run that rebuilds one day would see of a table: rows of that day, and tables without an event time whole.
async fn rows_of_day(
    builder: &ModelBuilder<'_>,
    graph: &Graph,
    table: &TableName,
    batches: &[RecordBatch],
    day: &str,
) -> Vec<RecordBatch> {
    let event_time = match table.table.as_str() {
        "order_lines" => "ordered_at",
        "interactions" => "occurred_at",
        _ => return batches.to_vec(),
    };
    let mut filtering = ModelBuilder::new(builder.project(), graph, &setting(as_of())).expect("a session starts");
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

/// All rows in an order that depends on nothing but themselves.
fn rows_of(batches: &[RecordBatch]) -> Vec<BTreeMap<String, Cell>> {
    let mut rows = cells(batches).expect("values that can be shown");
    rows.sort_by_cached_key(|row| format!("{row:?}"));
    rows
}
