//! Feeds written row by row, and questions to what is built over them.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use lifecycle::config::{Project, TableName};
use lifecycle::plan::Graph;
use lifecycle::run::{BuildSetting, Cell, ModelBuilder, cells};

use super::builder::{Tables, setting, staged};

/// The defaults as of a day.
pub fn on(day: &str) -> BuildSetting {
    setting(NaiveDate::parse_from_str(day, "%Y-%m-%d").expect("a date"))
}

/// With other values of parameters.
pub fn with(mut setting: BuildSetting, parameters: &[(&str, &str)]) -> BuildSetting {
    for (name, value) in parameters {
        setting.parameters = setting.parameters.with_override(name, value).expect("a parameter and a value");
    }
    setting
}

/// Rows of feeds, as YAML writes them.
#[derive(Default)]
pub struct Feeds(BTreeMap<&'static str, String>);

impl Feeds {
    pub fn add(&mut self, feed: &'static str, row: &str) {
        self.0.entry(feed).or_default().push_str(&format!("- {{{row}}}\n"));
    }

    /// An order of one line; the number is the order's.
    pub fn sale(&mut self, order: &str, customer: &str, at: &str, product: &str, quantity: i64, amount: &str) {
        self.add(
            "order_lines",
            &format!(
                "order_id: {order}, line_no: 1, customer_id: {customer}, ordered_at: '{at}', product_id: {product}, \
                 quantity: {quantity}, net_amount: {amount}"
            ),
        );
    }

    pub fn tables(&self, project: &Project) -> Tables {
        self.0.iter().map(|(feed, rows)| staged(project, feed, rows)).collect()
    }
}

/// One model over given tables, without any checks.
pub async fn build_only<'a>(
    model: &str,
    project: &'a Project,
    graph: &'a Graph,
    given: &Tables,
    setting: &BuildSetting,
) -> ModelBuilder<'a> {
    let mut builder = ModelBuilder::new(project, graph, setting).expect("a session starts");
    for (name, batches) in given {
        builder.give(name, batches.clone()).expect("the table can be given");
    }
    let (schema, table) = model.split_once('.').expect("a qualified name");
    builder.build(&TableName::new(schema, table)).await.unwrap_or_else(|error| panic!("{model}: {error}"));
    builder
}

/// What a query over the built tables says: its only column, in its order.
pub async fn says(builder: &ModelBuilder<'_>, sql: &str) -> Vec<String> {
    let rows = builder.query(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    let text = |cell: &Cell| match cell {
        Cell::Null => "null".to_owned(),
        Cell::Double(number) => number.to_string(),
        Cell::Text(text) => text.clone(),
    };
    let rows = cells(&rows).expect("values that can be shown");
    rows.iter().map(|row| row.values().map(text).collect::<Vec<_>>().join(" ")).collect()
}

/// Fails unless a query says what is expected.
pub async fn assert_says(builder: &ModelBuilder<'_>, sql: &str, expected: &[&str]) {
    assert_eq!(says(builder, sql).await, expected, "{sql}");
}
