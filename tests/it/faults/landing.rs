//! A landing during which calls fail: it lands or says why not, and the next one lands exactly what an undisturbed
//! one would have.

use std::sync::Arc;
use std::time::Instant;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use chrono::{DateTime, Utc};
use lifecycle::config::{DataType, Format, Source};
use lifecycle::land::{self, KeySizes, LandError, LandingReport, LandingRequest, ReadSizes, Reland, Sizes};
use lifecycle::progress::Silent;
use lifecycle::storage::{StorageError, Stores, Table};
use object_store::memory::InMemory;
use object_store::{ObjectStoreExt, PutPayload};
use parquet::arrow::ArrowWriter;
use url::Url;

use super::dump::{Rows, landed, told};
use super::store::Answer::*;
use super::store::Fault::{self, After, Before, Broken, Short};
use super::store::{FaultyStore, Operation, Plan};
use super::{path, stores_over};
use crate::land::{ORDERS, feed, gzip, orders, required};

/// Every way in which a call fails.
pub const FAULTS: [Fault; 16] = [
    Before(Forbidden403),
    Before(Conflict409),
    Before(Precondition412),
    Before(Throttled429),
    Before(Internal500),
    Before(Unavailable503),
    Before(Timeout),
    Before(Reset),
    After(Conflict409),
    After(Precondition412),
    After(Internal500),
    After(Unavailable503),
    After(Timeout),
    After(Reset),
    Short,
    Broken,
];

/// A drop zone in memory, as it is before a landing, and what the landing makes of it.
struct Scenario {
    source: Source,
    base: InMemory,
    before: Rows,
    after: Rows,
    /// The calls of an undisturbed landing.
    calls: Vec<Operation>,
}

/// What one trial met.
#[derive(Debug, Default, Clone, Copy)]
struct Tally {
    trials: usize,
    faults: usize,
    failed: usize,
}

fn request<'a>(source: &'a Source, stores: &'a Stores, table: &'a Table, raw: &'a Url) -> LandingRequest<'a> {
    LandingRequest {
        source,
        stores,
        table,
        raw,
        timezone: chrono_tz::Tz::Europe__London,
        parallelism: 1,
        reland: Reland::Nothing,
        run: Some("run-1"),
        now: DateTime::<Utc>::UNIX_EPOCH,
        sizes: Sizes {
            read: ReadSizes { block_bytes: 64, ..ReadSizes::default() },
            keys: KeySizes { hashes: 50, rows: 30 },
            buffer_bytes: 1 << 20,
        },
        progress: &Silent,
    }
}

async fn land_in(stores: &Stores, source: &Source) -> Result<LandingReport, LandError> {
    let raw = Url::parse("s3://bucket/raw").unwrap();
    land::land(&request(source, stores, &table(stores), &raw)).await
}

fn table(stores: &Stores) -> Table {
    Table::open(stores, &Url::parse("s3://bucket/warehouse/landed/feed").unwrap()).unwrap()
}

impl Scenario {
    /// `first` is landed without faults; what `then` puts is what trials land.
    async fn new(source: Source, first: &[(&str, Vec<u8>)], then: &[(&str, Vec<u8>)]) -> Self {
        let base = InMemory::new();
        let faulty = Arc::new(FaultyStore::new(Arc::new(base.clone()), Plan::Never));
        let stores = stores_over(&faulty);
        for (name, bytes) in first {
            base.put(&path(&format!("raw/{name}")), PutPayload::from(bytes.clone())).await.unwrap();
        }
        if !first.is_empty() {
            land_in(&stores, &source).await.unwrap();
        }
        for (name, bytes) in then {
            base.put(&path(&format!("raw/{name}")), PutPayload::from(bytes.clone())).await.unwrap();
        }
        let before = landed(&table(&stores)).await;
        let mut scenario = Self { source, base, before, after: Vec::new(), calls: Vec::new() };
        let faulty = Arc::new(FaultyStore::new(Arc::new(scenario.base.fork()), Plan::Never));
        let stores = stores_over(&faulty);
        assert!(land_in(&stores, &scenario.source).await.unwrap().committed);
        scenario.calls = faulty.calls().into_iter().map(|(operation, _)| operation).collect();
        scenario.after = landed(&table(&stores)).await;
        assert!(scenario.after.len() > scenario.before.len());
        scenario
    }

    async fn text() -> Self {
        let source = Source { location: "s3://bucket/raw/orders/*".to_owned(), ..orders("") };
        let line = |order: u32, day: u32, quantity: &str| format!("k{order},1,2024-01-{day:02}T10:00:00Z,{quantity}\n");
        let file = |lines: &[String]| format!("{ORDERS}{}", lines.concat()).into_bytes();
        let first = [
            ("orders/a.csv", file(&[line(1, 1, "1"), line(2, 1, "2"), line(3, 2, "x")])),
            ("orders/b.csv.gz", gzip(&file(&[line(3, 2, "3"), line(4, 3, "4")]))),
        ];
        let many: Vec<String> = (0..40).map(|order| line(order, order % 9 + 1, "7")).collect();
        let then = [
            // One that was landed comes anew, and its keys elsewhere come back or go.
            ("orders/a.csv", file(&[line(2, 4, "20"), line(5, 5, "many")])),
            ("orders/c.csv.gz", gzip(&file(&many))),
            ("orders/d.csv", file(&[line(50, 6, "5"), "broken\n".to_owned()])),
        ];
        Self::new(source, &first, &then).await
    }

    async fn parquet() -> Self {
        let columns = vec![required("id", DataType::Integer), required("name", DataType::String)];
        let source =
            Source { key: vec!["id".to_owned()], ..feed("s3://bucket/raw/people/*.parquet", Format::Parquet, columns) };
        let file = |from: i64, count: i64| {
            let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(from..from + count));
            let names = (0..count).map(|name| (name % 5 > 0).then(|| format!("name {name}")));
            let names: ArrayRef = Arc::new(StringArray::from_iter(names));
            let batch = RecordBatch::try_from_iter([("id", ids), ("name", names)]).unwrap();
            let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
            writer.write(&batch).unwrap();
            writer.into_inner().unwrap()
        };
        let then = [("people/a.parquet", file(0, 30)), ("people/b.parquet", file(20, 30))];
        Self::new(source, &[], &then).await
    }

    async fn trial(&self, plan: Plan, tally: &mut Tally) {
        let faulty = Arc::new(FaultyStore::new(Arc::new(self.base.fork()), plan.clone()));
        let stores = stores_over(&faulty);
        let outcome = land_in(&stores, &self.source).await;
        tally.trials += 1;
        tally.faults += faulty.faults();
        faulty.plan(Plan::Never);
        let found = landed(&table(&stores)).await;
        match &outcome {
            Ok(report) => {
                assert!(report.committed, "{plan:?}");
                assert_eq!(found, self.after, "{plan:?}");
            }
            Err(error) => {
                tally.failed += 1;
                let is_clear = !matches!(
                    error,
                    LandError::Stopped
                        | LandError::Unbalanced { .. }
                        | LandError::Layout { .. }
                        | LandError::Columns { .. }
                        | LandError::TooManyRejected { .. }
                );
                assert!(is_clear, "{plan:?}: {}", told(error));
                // Where it is not known, or could not be read back, it may be there: then whole.
                let may_be_there = matches!(
                    error,
                    LandError::Table { source: StorageError::Unclear { .. } | StorageError::Unread { .. }, .. }
                );
                let is_as_told = found == self.before || may_be_there && found == self.after;
                assert!(is_as_told, "{plan:?}: {}", told(error));
            }
        }
        let report = land_in(&stores, &self.source).await.unwrap();
        assert_eq!(report.committed, found != self.after, "{plan:?}");
        assert_eq!(landed(&table(&stores)).await, self.after, "{plan:?}");
    }

    /// A fault at the n-th call, once or from then on; not where it could not differ from another.
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
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_landing_survives_a_fault_at_any_call() {
    let mut tally = Tally::default();
    for scenario in [Scenario::text().await, Scenario::parquet().await] {
        // Each call a few times, each fault at many calls.
        for plan in scenario.plans().into_iter().step_by(13) {
            scenario.trial(plan, &mut tally).await;
        }
    }
    assert!(tally.trials > 60 && tally.faults > tally.trials, "{tally:?}");
    assert!(tally.failed > tally.trials / 5 && tally.failed < tally.trials * 4 / 5, "{tally:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: about 2,000 trials"]
async fn a_landing_survives_every_fault_at_every_call() {
    for (name, scenario) in [("text", Scenario::text().await), ("parquet", Scenario::parquet().await)] {
        let (started, mut tally) = (Instant::now(), Tally::default());
        for plan in scenario.plans() {
            scenario.trial(plan, &mut tally).await;
        }
        for seed in 0..200 {
            let share = 0.02 + (seed % 10) as f64 * 0.05;
            let faults = FAULTS[3..].iter().copied().filter(|fault| !matches!(fault, After(Conflict409))).collect();
            scenario.trial(Plan::Share { share, faults, seed }, &mut tally).await;
        }
        println!(
            "landing {name}: {} calls undisturbed, {} trials, {} faults, {} landings failed, 0 violations, {:.0?}",
            scenario.calls.len(),
            tally.trials,
            tally.faults,
            tally.failed,
            started.elapsed()
        );
    }
}
