//! Whole runs during which calls fail: readers see the old release or the new one, whole; the next run publishes
//! exactly what an undisturbed one would have.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use chrono::DateTime;
use lifecycle::config::{Project, load_project};
use lifecycle::interrupt::Interrupt;
use lifecycle::progress::Silent;
use lifecycle::run::{RepairOutcome, RepairReport, RunError, RunReport, RunRequest, Surroundings, run_job, warehouse};
use lifecycle::state::{RunOutcome, State, Trigger};
use lifecycle::storage::Stores;
use object_store::memory::InMemory;
use object_store::{ObjectStoreExt, PutPayload};
use tempfile::TempDir;

use super::dump::{Published, Rows, exports, landed, published, told};
use super::landing::FAULTS;
use super::store::Answer::Forbidden403;
use super::store::Fault::Before;
use super::store::{FaultyStore, Operation, Plan};
use super::{path, stores_over};
use crate::land::{day, gzip};

const SETTINGS: &str = "state: state.db\ntimezone: Europe/London\ncurrency: GBP\nparallelism: 2\n";

const FILES: [(&str, &str); 7] = [
    (
        "jobs/nightly.yaml",
        "name: nightly
description: Orders by day and customer.
sources:
  orders:
    location: ${raw}/orders/*
    format: csv
    key: [order_id]
    event_time: ordered_at
    columns:
      order_id: {type: string, required: true}
      customer_id: {type: string, required: true}
      ordered_at: {type: timestamp, required: true}
      amount: {type: \"decimal(12,2)\", required: true}
    max_rejected: 50%
models: [marts]
publish: {exports: [csv, parquet]}
",
    ),
    ("sql/staging/orders.sql", "select order_id, customer_id, ordered_at, amount from landed.orders\n"),
    (
        "sql/staging/orders.yaml",
        "description: One row per order.
materialized: view
grain: [order_id]
columns:
  - {name: order_id, type: string, description: The order.}
  - {name: customer_id, type: string, description: The customer.}
  - {name: ordered_at, type: timestamp, description: When.}
  - {name: amount, type: \"decimal(12,2)\", description: How much.}
",
    ),
    (
        "sql/intermediate/order_days.sql",
        "select business_day(ordered_at) as day, customer_id, count(*) as orders,
    cast(sum(amount) as decimal(18, 2)) as revenue
from staging.orders group by business_day(ordered_at), customer_id\n",
    ),
    (
        "sql/intermediate/order_days.yaml",
        "description: One row per day and customer with orders.
materialized: incremental
day: day
grain: [day, customer_id]
columns:
  - {name: day, type: date, description: The day.}
  - {name: customer_id, type: string, description: The customer.}
  - {name: orders, type: integer, description: How many.}
  - {name: revenue, type: money, description: How much.}
",
    ),
    (
        "sql/marts/revenue.sql",
        "select customer_id, cast(sum(orders) as bigint) as orders, cast(sum(revenue) as decimal(18, 2)) as revenue
from intermediate.order_days where day <= $as_of group by customer_id\n",
    ),
    (
        "sql/marts/revenue.yaml",
        "description: One row per customer.
materialized: table
grain: [customer_id]
history: daily
columns:
  - {name: customer_id, type: string, description: The customer., checks: [not_null]}
  - {name: orders, type: integer, description: How many.}
  - {name: revenue, type: money, description: How much.}
",
    ),
];

/// A small project, and a bucket as it is before a night, with what an undisturbed night makes of it.
struct Nights {
    folder: TempDir,
    project: Project,
    as_of: &'static str,
    base: InMemory,
    before: Seen,
    after: Seen,
    calls: Vec<Operation>,
    /// Which call creates the release's record.
    record: usize,
}

/// What lies in the bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    published: Published,
    landed: Rows,
}

#[derive(Debug, Default)]
struct Tally {
    trials: AtomicUsize,
    faults: AtomicUsize,
    failed: AtomicUsize,
    /// Runs that failed, or failed in part, though their release is there.
    published: AtomicUsize,
}

/// Writes a small project: a source, and models of every kind.
pub fn write_project(folder: &Path, locations: &str) {
    let configuration = format!("{locations}{SETTINGS}");
    for (name, text) in FILES.into_iter().chain([("config/local.yaml", configuration.as_str())]) {
        let file = folder.join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }
}

pub fn orders(lines: &[(u32, u32, u32, &str)]) -> Vec<u8> {
    let mut text = "order_id,customer_id,ordered_at,amount\n".to_owned();
    for (order, customer, day, amount) in lines {
        text.push_str(&format!("o{order},c{customer},2024-03-{day:02}T11:00:00Z,{amount}\n"));
    }
    text.into_bytes()
}

async fn put(store: &InMemory, name: &str, bytes: Vec<u8>) {
    store.put(&path(&format!("raw/orders/{name}")), PutPayload::from(bytes)).await.unwrap();
}

async fn put_first_day(store: &InMemory) {
    put(store, "1.csv", orders(&[(1, 1, 1, "10.00"), (2, 2, 1, "5.50"), (3, 1, 1, "x")])).await;
    put(store, "2.csv.gz", gzip(&orders(&[(4, 3, 1, "1.25"), (2, 2, 1, "6.50")]))).await;
}

async fn put_second_day(store: &InMemory) {
    put(store, "1.csv", orders(&[(1, 1, 1, "11.00"), (3, 1, 1, "3.00")])).await;
    put(store, "3.csv.gz", gzip(&orders(&[(5, 1, 2, "20.00"), (6, 4, 2, "2.00"), (7, 4, 2, "?")]))).await;
}

fn surroundings(stores: Stores) -> Surroundings {
    Surroundings {
        stores,
        clock: Arc::new(|| DateTime::from_timestamp(1_709_500_000, 0).unwrap()),
        progress: Arc::new(Silent),
        interrupt: Interrupt::never(),
        watch: Default::default(),
    }
}

async fn night(project: &Project, state: &State, stores: &Stores, as_of: &str) -> Result<RunReport, RunError> {
    let request = RunRequest {
        job: "nightly".to_owned(),
        as_of: day(as_of),
        select: Vec::new(),
        full_refresh: false,
        variables: Vec::new(),
        trigger: Trigger::Manual,
        backfill_id: None,
    };
    run_job(project, state, &surroundings(stores.clone()), &request).await
}

async fn see(project: &Project, stores: &Stores) -> Seen {
    let warehouse = warehouse(project, stores);
    Seen {
        published: published(&warehouse, "nightly").await,
        landed: landed(&warehouse.table("landed", "orders").unwrap()).await,
    }
}

async fn state(folder: &Path, name: &str) -> State {
    State::open(&folder.join(name)).await.unwrap()
}

impl Nights {
    /// A first night, or a second one after an undisturbed first.
    async fn new(is_second: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        write_project(folder.path(), "raw: s3://bucket/raw\nwarehouse: s3://bucket/warehouse\n");
        let project = load_project(folder.path(), "local", &|_| None).unwrap_or_else(|problems| panic!("{problems}"));
        let base = InMemory::new();
        let stores = stores_over(&Arc::new(FaultyStore::new(Arc::new(base.clone()), Plan::Never)));
        let state = state(folder.path(), "state.db").await;
        put_first_day(&base).await;
        if is_second {
            night(&project, &state, &stores, "2024-03-01").await.unwrap();
            put_second_day(&base).await;
        }
        let as_of = if is_second { "2024-03-02" } else { "2024-03-01" };
        let before = see(&project, &stores).await;
        let faulty = Arc::new(FaultyStore::new(Arc::new(base.fork()), Plan::Never));
        let stores = stores_over(&faulty);
        let report = night(&project, &state, &stores, as_of).await.unwrap_or_else(|error| panic!("{}", told(&error)));
        assert!(report.release.is_some());
        let calls = faulty.calls();
        let is_record = |(operation, path): &(Operation, object_store::path::Path)| {
            *operation == Operation::Create && path.as_ref().contains("/releases/")
        };
        let record = calls.iter().position(is_record).unwrap() + 1;
        let calls = calls.into_iter().map(|(operation, _)| operation).collect();
        let after = see(&project, &stores).await;
        assert_ne!(before, after);
        assert_eq!(after.published.tables.keys().collect::<Vec<_>>().len(), 3);
        Self { folder, project, as_of, base, before, after, calls, record }
    }

    async fn trial(&self, state: &State, plan: &Plan, tally: &Tally) {
        let faulty = Arc::new(FaultyStore::new(Arc::new(self.base.fork()), plan.clone()));
        let stores = stores_over(&faulty);
        let outcome = night(&self.project, state, &stores, self.as_of).await;
        let trials = tally.trials.fetch_add(1, Ordering::Relaxed) + 1;
        if trials.is_multiple_of(500) {
            println!("{trials} trials so far, no violation: {tally:?}");
        }
        tally.faults.fetch_add(faulty.faults(), Ordering::Relaxed);
        faulty.plan(Plan::Never);
        let seen = see(&self.project, &stores).await;
        let mut later = 0;
        match &outcome {
            Ok(report) if report.outcome() == RunOutcome::PartlyFailed => {
                tally.failed.fetch_add(1, Ordering::Relaxed);
                tally.published.fetch_add(1, Ordering::Relaxed);
                let has_failed = |repair: &RepairReport| matches!(repair.outcome, RepairOutcome::Failed(_));
                // Days of the history that could not be repaired come with the next release.
                later = u64::from(report.repairs.iter().any(has_failed));
                if later == 0 {
                    assert_eq!(seen, self.after, "{plan:?}");
                } else {
                    self.assert_whole_days(&seen, plan);
                }
            }
            Ok(_) => assert_eq!(seen, self.after, "{plan:?}"),
            Err(error) => {
                tally.failed.fetch_add(1, Ordering::Relaxed);
                let told = told(error);
                assert!([&self.before.landed, &self.after.landed].contains(&&seen.landed), "{plan:?}: {told}");
                if seen.published != self.before.published {
                    // What failed was the record: it is whole, and not denied.
                    assert_eq!(seen, self.after, "{plan:?}: {told}");
                    assert!(told.contains("is unknown"), "{told}");
                    tally.published.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
        let again = night(&self.project, state, &stores, self.as_of).await;
        assert!(again.is_ok(), "{plan:?}: {}", told(&again.unwrap_err()));
        let mut after = self.after.clone();
        after.published.release = after.published.release.map(|number| number + later);
        assert_eq!(see(&self.project, &stores).await, after, "{plan:?}");
        let warehouse = warehouse(&self.project, &stores);
        let exported = exports(&warehouse, "nightly", &["revenue.csv", "release.json"]).await;
        let mart = &after.published.tables["marts.revenue"];
        let rows: Vec<String> = mart.iter().map(|row| row.replace('|', ",")).collect();
        assert_eq!(exported["revenue.csv"][..rows.len()], rows, "{plan:?}");
        let record = format!("\"release\":{}", after.published.release.unwrap());
        assert!(exported["release.json"][0].contains(&record), "{plan:?} {exported:?}");
    }

    /// All is as after an undisturbed night, but for days of the history that are as they were before.
    fn assert_whole_days(&self, seen: &Seen, plan: &Plan) {
        const HISTORY: &str = "marts.revenue_history";
        let by_day = |seen: &Seen| -> BTreeMap<String, Vec<String>> {
            let mut days: BTreeMap<String, Vec<String>> = BTreeMap::new();
            for row in &seen.published.tables[HISTORY] {
                days.entry(row.split_once('|').unwrap().0.to_owned()).or_default().push(row.clone());
            }
            days
        };
        let (before, after) = (by_day(&self.before), by_day(&self.after));
        for (day, rows) in by_day(seen) {
            assert!([before.get(&day), after.get(&day)].contains(&Some(&rows)), "{plan:?}: {day} {rows:?}");
        }
        let mut others = seen.clone();
        let history = self.after.published.tables[HISTORY].clone();
        others.published.tables.insert(HISTORY.to_owned(), history);
        assert_eq!(others, self.after, "{plan:?}");
    }

    fn plans(&self) -> Vec<Plan> {
        let mut plans = Vec::new();
        for call in 1..=self.calls.len() {
            for fault in FAULTS.into_iter().filter(|fault| fault.applies(self.calls[call - 1])) {
                plans.push(Plan::Nth { of: None, call, fault });
                plans.push(Plan::From { of: None, call, fault });
            }
        }
        plans
    }

    /// The trials, two at a time, each half with a state file of its own.
    async fn trials(self: &Arc<Self>, plans: Vec<Plan>) -> Arc<Tally> {
        let tally = Arc::new(Tally::default());
        let plans = Arc::new(plans);
        let mut halves = tokio::task::JoinSet::new();
        for half in 0..2 {
            let (nights, plans, tally) = (self.clone(), plans.clone(), tally.clone());
            let runtime = tokio::runtime::Handle::current();
            halves.spawn_blocking(move || {
                runtime.block_on(async {
                    let state = state(nights.folder.path(), &format!("{half}.db")).await;
                    for plan in plans.iter().skip(half).step_by(2) {
                        nights.trial(&state, plan, &tally).await;
                    }
                })
            });
        }
        while let Some(half) = halves.join_next().await {
            half.unwrap();
        }
        tally
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_night_survives_a_fault_at_any_call() {
    let nights = Arc::new(Nights::new(true).await);
    let mut plans: Vec<Plan> = nights.plans().into_iter().step_by(97).collect();
    // What fails when the release is there must not be taken for its failure.
    let refused = |call| Plan::Nth { of: None, call, fault: Before(Forbidden403) };
    plans.extend((nights.record..=nights.calls.len()).step_by(3).map(refused));
    let tally = nights.trials(plans).await;
    println!("{} calls, {} plans, {tally:?}", nights.calls.len(), nights.plans().len());
    let [trials, faults, failed] = [&tally.trials, &tally.faults, &tally.failed].map(|n| n.load(Ordering::Relaxed));
    assert!(trials > 30 && faults > trials && failed > 5 && failed < trials, "{tally:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: thousands of trials"]
async fn a_night_survives_every_fault_at_every_call() {
    for is_second in [true, false] {
        let started = Instant::now();
        let nights = Arc::new(Nights::new(is_second).await);
        let mut plans = nights.plans();
        if !is_second {
            plans = plans.into_iter().step_by(5).collect();
        }
        for seed in 0..200 {
            let share = 0.01 + (seed % 10) as f64 * 0.03;
            plans.push(Plan::Share { share, faults: FAULTS[3..].to_vec(), seed });
        }
        let tally = nights.trials(plans).await;
        let figure = |count: &AtomicUsize| count.load(Ordering::Relaxed);
        println!(
            "{} night: {} calls undisturbed, {} trials, {} faults, {} runs failed ({} of them after the release was \
             there), 0 violations, {:.0?}",
            if is_second { "second" } else { "first" },
            nights.calls.len(),
            figure(&tally.trials),
            figure(&tally.faults),
            figure(&tally.failed),
            figure(&tally.published),
            started.elapsed()
        );
    }
}
