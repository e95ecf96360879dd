//! Processes that sleep, die or meet another one; and what `vacuum` sweeps after them.

mod fencing;
pub mod gate;
mod kills;
mod leftovers;
mod logs;
mod processes;
mod random_vacuum;
pub(crate) mod vacuum;

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use arrow::util::display::{ArrayFormatter, FormatOptions};
use bytes::Bytes;
use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use lifecycle::run::{RunError, RunReport, RunRequest, Surroundings, run_job};
use lifecycle::state::{State, Trigger};
use lifecycle::storage::{Release, Warehouse};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::run::{Rows, Shop, wait_for};

/// Rows and files by name.
pub type Everything = BTreeMap<String, Rows>;

const JOB: &str = "
sources:
  sales:
    location: ${raw}/sales/date={day}/*.csv
    format: csv
    key: [sale_id]
    event_time: sold_at
    columns:
      sale_id: {type: string, required: true}
      customer_id: {type: string, required: true}
      sold_at: {type: timestamp, required: true}
      amount: {type: \"decimal(18,2)\", required: true}
    max_rejected: 50%
models: [marts]
publish: {exports: [csv, parquet]}
";

const CONFIG: &str =
    "raw: raw\nwarehouse: warehouse\nstate: .lifecycle/state.db\ntimezone: UTC\ncurrency: GBP\nparallelism: 2\n";

/// Name, SQL and YAML of a market stall's models: every kind of table, and as little of each as can be.
const MODELS: [(&str, &str, &str); 5] = [
    ("staging/sales", "select sale_id, customer_id, sold_at, amount from landed.sales", "materialized: view"),
    (
        "intermediate/sale_days",
        "select business_day(sold_at) as day, customer_id, cast(sum(amount) as decimal(18, 2)) as amount
         from staging.sales group by business_day(sold_at), customer_id",
        "materialized: incremental\nday: day\ngrain: [day, customer_id]",
    ),
    (
        "marts/customers",
        "select customer_id, cast(sum(amount) as decimal(18, 2)) as amount, max(day) as day
         from intermediate.sale_days where day <= $as_of group by customer_id",
        "history: daily\ngrain: [customer_id]",
    ),
    (
        "marts/days",
        "select day, cast(sum(amount) as decimal(18, 2)) as amount from intermediate.sale_days where day <= $as_of group by day",
        "grain: [day]",
    ),
    (
        "marts/totals",
        "select cast($as_of as date) as day, cast(sum(amount) as decimal(18, 2)) as amount from marts.days",
        "history: monthly",
    ),
];

fn column_types(model: &str) -> &'static [(&'static str, &'static str)] {
    match model {
        "staging/sales" => {
            &[("sale_id", "string"), ("customer_id", "string"), ("sold_at", "timestamp"), ("amount", "money")]
        }
        "intermediate/sale_days" => &[("day", "date"), ("customer_id", "string"), ("amount", "money")],
        "marts/customers" => &[("customer_id", "string"), ("amount", "money"), ("day", "date")],
        _ => &[("day", "date"), ("amount", "money")],
    }
}

/// The stall's first day.
pub fn opening() -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 1, 28).unwrap()
}

pub fn day(number: u64) -> NaiveDate {
    opening() + Days::new(number)
}

/// A project of a market stall: a run takes a tenth of a second.
pub fn stall() -> Shop {
    let shop = Shop::in_folder(tempfile::tempdir().unwrap());
    shop.write("config/local.yaml", CONFIG);
    shop.write("jobs/nightly.yaml", JOB);
    for (name, sql, yaml) in MODELS {
        model(&shop, name, sql, yaml, column_types(name));
    }
    shop
}

pub fn model(shop: &Shop, name: &str, sql: &str, yaml: &str, columns: &[(&str, &str)]) {
    shop.write(&format!("sql/{name}.sql"), sql);
    let columns: String =
        columns.iter().map(|(name, kind)| format!("  - {{name: {name}, type: {kind}, description: It.}}\n")).collect();
    let head = format!("description: One row per something.\n{yaml}\ncolumns:\n{columns}");
    shop.write(&format!("sql/{name}.yaml"), &head);
}

/// A stall whose publication takes a while: thirty marts more.
pub fn wide_stall() -> Shop {
    let shop = stall();
    for number in 10..40 {
        let sql = format!("select day, cast(amount * {number} as decimal(18, 2)) as amount from marts.days");
        model(&shop, &format!("marts/days_{number}"), &sql, "grain: [day]", column_types("marts/days"));
    }
    shop
}

/// The sales of a day, as the stall drops them; `sign` makes other sales of the same day.
pub fn deliver(shop: &Shop, day: NaiveDate, sign: u64) {
    let mut text = "sale_id,customer_id,sold_at,amount\n".to_owned();
    for sale in 0..4 + sign % 3 {
        let customer = (sale * 7 + sign) % 5;
        text += &format!("{day}-{sign}-{sale},c{customer},{day}T1{sale}:00:00Z,{}.{sale}0\n", sale + sign + 1);
    }
    text += &format!("{day}-{sign}-broken,c1,soon,1.00\n");
    shop.write(&format!("raw/sales/date={day}/{sign}.csv"), &text);
}

/// A clock that tests move.
#[derive(Clone)]
pub struct Time(Arc<AtomicI64>);

impl Time {
    /// Stands still, now.
    pub fn new() -> Self {
        Self(Arc::new(AtomicI64::new(Utc::now().timestamp_micros())))
    }

    pub fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.0.load(Ordering::SeqCst)).unwrap()
    }

    pub fn pass(&self, delta: TimeDelta) {
        self.0.fetch_add(delta.num_microseconds().unwrap(), Ordering::SeqCst);
    }

    pub fn surroundings(&self, shop: &Shop) -> Surroundings {
        let time = self.clone();
        Surroundings { clock: Arc::new(move || time.now()), ..shop.surroundings() }
    }
}

pub fn request(as_of: NaiveDate, select: &[&str]) -> RunRequest {
    RunRequest {
        job: "nightly".to_owned(),
        as_of,
        select: select.iter().map(|text| (*text).to_owned()).collect(),
        full_refresh: false,
        variables: Vec::new(),
        trigger: Trigger::Manual,
        backfill_id: None,
    }
}

/// Opens the state as a process of its own would. Its leases are renewed so seldom that only the clock ends them.
pub async fn state(shop: &Shop) -> State {
    State::open(&shop.path(".lifecycle/state.db")).await.unwrap().with_lease_time(Duration::from_secs(600))
}

/// A run in this process.
pub async fn night(shop: &Shop, surroundings: &Surroundings, as_of: NaiveDate) -> Result<RunReport, RunError> {
    run_job(&shop.project(), &state(shop).await, surroundings, &request(as_of, &[])).await
}

pub fn warehouse(shop: &Shop) -> Warehouse {
    lifecycle::run::warehouse(&shop.project(), &shop.surroundings().stores)
}

/// Every published table with its histories, every landed and every rejected row, every export.
pub fn everything(shop: &Shop) -> Everything {
    let mut all = published(shop, None);
    all.extend(shop.landed().into_iter().map(|(name, rows)| (format!("landed {name}"), rows)));
    all.extend(exports(shop));
    all
}

/// The tables of a release, histories included.
pub fn published(shop: &Shop, release: Option<u64>) -> Everything {
    let named = release.map_or_else(|| shop.release(), |number| shop.release_of(number)).tables;
    shop.read(release, &named.into_keys().map(|name| (name.clone(), format!("select * from {name}"))).collect())
}

fn exports(shop: &Shop) -> Everything {
    let mut all = Everything::new();
    for entry in std::fs::read_dir(shop.path("warehouse/exports/nightly")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if let Some(rows) = export_rows(&name, std::fs::read(&path).unwrap().into()) {
            all.insert(format!("export {name}"), rows);
        }
    }
    all
}

/// The rows of an export, sorted; `None` where the file is none.
pub fn export_rows(name: &str, bytes: Bytes) -> Option<Rows> {
    let mut rows: Rows = match name.rsplit_once('.')?.1 {
        "csv" => String::from_utf8(bytes.to_vec()).unwrap().lines().map(str::to_owned).collect(),
        "parquet" => parquet_rows(bytes),
        _ => return None,
    };
    rows.sort();
    Some(rows)
}

fn parquet_rows(bytes: Bytes) -> Rows {
    let options = FormatOptions::default().with_null("null");
    let mut rows = Rows::new();
    for batch in ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap().build().unwrap() {
        let batch = batch.unwrap();
        let columns: Vec<_> =
            batch.columns().iter().map(|column| ArrayFormatter::try_new(column, &options).unwrap()).collect();
        for row in 0..batch.num_rows() {
            rows.push(columns.iter().map(|column| column.value(row).to_string()).collect::<Vec<_>>().join("|"));
        }
    }
    rows
}

/// The tables of the current release whose newest version holds other files than the version that the release names:
/// where whoever reads the Delta table sees something else than the release.
pub fn unlike_the_release(shop: &Shop) -> Vec<String> {
    wait_for(unlike(&warehouse(shop), &shop.release()))
}

/// The same of any warehouse.
pub async fn unlike(warehouse: &Warehouse, release: &Release) -> Vec<String> {
    let mut unlike = Vec::new();
    for (name, released) in &release.tables {
        let (schema, table) = name.split_once('.').unwrap();
        let table = warehouse.table(schema, table).unwrap();
        let paths = |snapshot: lifecycle::storage::Snapshot| -> BTreeSet<String> {
            snapshot.files.iter().map(|file| file.path().to_owned()).collect()
        };
        let newest = paths(table.snapshot().await.unwrap().unwrap());
        if newest != paths(table.snapshot_at(released.version).await.unwrap()) {
            unlike.push(name.clone());
        }
    }
    unlike
}

/// Sends a signal to a process that this test started.
pub fn signal(child: &Child, name: &str) {
    assert!(Command::new("kill").args([name, &child.id().to_string()]).status().unwrap().success());
}
