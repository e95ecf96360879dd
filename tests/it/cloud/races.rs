//! Two writers at once: exactly one wins, each time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use arrow::array::{AsArray, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use chrono::{DateTime, NaiveDate};
use futures::TryStreamExt;
use lifecycle::storage::{Change, CommitMetadata, Release, Snapshot, StorageError, Table, Warehouse};
use tokio::sync::Barrier;

use super::servers::Bucket;

const RACES: u64 = 100;
/// A version is read through the log of all before it, so that many on one table only take longer.
const RACES_ON_ONE_TABLE: u64 = 10;
const ROWS: u64 = 3;

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("number", DataType::Int64, true)]))
}

/// The rows that one writer adds in one race, unlike all others.
fn numbers(race: u64, writer: usize) -> Vec<i64> {
    let first = (race * 2 + writer as u64) * ROWS;
    (first..first + ROWS).map(|number| i64::try_from(number).unwrap()).collect()
}

/// Writes a file, waits for the other writer, and commits on top of the version that both know.
async fn write(
    table: Table,
    base: Option<Snapshot>,
    numbers: Vec<i64>,
    start: Arc<Barrier>,
) -> Result<Snapshot, StorageError> {
    let batch = RecordBatch::try_new(schema(), vec![Arc::new(Int64Array::from(numbers))]).unwrap();
    let mut writer = table.writer(schema(), Vec::new());
    writer.write(&batch).await.unwrap();
    let add = writer.close().await.unwrap();
    let change = Change {
        add,
        remove: Vec::new(),
        schema: schema(),
        partition_columns: Vec::new(),
        description: None,
        metadata: CommitMetadata::new(),
        transaction: None,
    };
    start.wait().await;
    table.commit(base.as_ref(), change).await
}

async fn rows(table: &Table, snapshot: &Snapshot) -> Vec<i64> {
    let mut all = Vec::new();
    for file in &snapshot.files {
        let batches: Vec<RecordBatch> = table.read(file, schema()).await.unwrap().try_collect().await.unwrap();
        all.extend(batches.iter().flat_map(|batch| batch.column(0).as_primitive::<Int64Type>().values().to_vec()));
    }
    all.sort_unstable();
    all
}

/// Both writers have a client of their own; the first race makes the table.
async fn race_on_one_table(bucket: &Bucket, name: &str, won: &mut [u64; 2]) -> usize {
    let place = bucket.url(&format!("warehouse/marts/{name}"));
    let tables = [0, 1].map(|_| Table::open(&bucket.stores(), &place).unwrap());
    let (mut base, mut expected) = (None, Vec::new());
    for race in 0..RACES_ON_ONE_TABLE {
        let start = Arc::new(Barrier::new(2));
        let writers = [0, 1].map(|writer| {
            let table = tables[writer].clone();
            tokio::spawn(write(table, base.clone(), numbers(race, writer), start.clone()))
        });
        let mut winners = Vec::new();
        for (writer, outcome) in writers.into_iter().enumerate() {
            match outcome.await.unwrap() {
                Ok(snapshot) => winners.push((writer, snapshot)),
                Err(StorageError::Conflict { .. }) => {}
                Err(error) => panic!("{name}, race {race}, writer {writer}: {error:?}"),
            }
        }
        assert_eq!(winners.len(), 1, "{name}, race {race}");
        let (writer, snapshot) = winners.remove(0);
        assert_eq!(snapshot.version, race);
        expected.extend(numbers(race, writer));
        won[writer] += 1;
        base = Some(snapshot);
    }
    let newest = tables[0].snapshot().await.unwrap().unwrap();
    assert_eq!(newest.version + 1, RACES_ON_ONE_TABLE);
    assert_eq!(rows(&tables[0], &newest).await, expected, "each winner's rows are there once, and no loser's");
    expected.len()
}

async fn race_commits(bucket: &Bucket) {
    let started = Instant::now();
    let (mut won, mut rows) = ([0, 0], 0);
    for table in 0..RACES / RACES_ON_ONE_TABLE {
        rows += race_on_one_table(bucket, &format!("numbers_{table}"), &mut won).await;
    }
    assert_eq!(won[0] + won[1], RACES);
    println!(
        "{:?}: {RACES} races of two commits: {won:?} won, {rows} rows, {:.1} s",
        bucket.kind,
        started.elapsed().as_secs_f64()
    );
}

fn release(number: u64, run_id: String) -> Release {
    Release {
        number,
        job: "nightly".to_owned(),
        run_id,
        as_of: NaiveDate::from_ymd_opt(2025, 1, 31).unwrap(),
        created_at: DateTime::from_timestamp(1_738_400_000, 0).unwrap(),
        rollback_of: None,
        tables: BTreeMap::new(),
        landed: BTreeMap::new(),
    }
}

async fn race_releases(bucket: &Bucket) {
    let started = Instant::now();
    let warehouses = [0, 1].map(|_| Warehouse::new(&bucket.stores(), &bucket.url("warehouse")));
    let (mut expected, mut won) = (Vec::new(), [0, 0]);
    for number in 1..=RACES {
        let start = Arc::new(Barrier::new(2));
        let writers = [0, 1].map(|writer: usize| {
            let (warehouse, start) = (warehouses[writer].clone(), start.clone());
            let release = release(number, format!("run {number} of writer {writer}"));
            tokio::spawn(async move {
                start.wait().await;
                warehouse.create_release(&release).await.map(|()| release)
            })
        });
        let mut winners = Vec::new();
        for (writer, outcome) in writers.into_iter().enumerate() {
            match outcome.await.unwrap() {
                Ok(release) => winners.push((writer, release)),
                Err(StorageError::Conflict { .. }) => {}
                Err(error) => panic!("release {number}, writer {writer}: {error:?}"),
            }
        }
        assert_eq!(winners.len(), 1, "release {number}");
        let (writer, release) = winners.remove(0);
        won[writer] += 1;
        expected.push(release);
    }
    let warehouse = &warehouses[0];
    assert_eq!(warehouse.release_numbers("nightly").await.unwrap(), (1..=RACES).collect::<Vec<_>>());
    for release in &expected {
        assert_eq!(&warehouse.release("nightly", release.number).await.unwrap(), release);
    }
    println!(
        "{:?}: {RACES} races of two release records: {won:?} won, {:.1} s",
        bucket.kind,
        started.elapsed().as_secs_f64()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_commits_on_s3_exactly_one_wins() {
    if let Some(bucket) = Bucket::on_s3("commits").await {
        race_commits(&bucket).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_commits_on_azure_exactly_one_wins() {
    if let Some(bucket) = Bucket::on_azure("commits").await {
        race_commits(&bucket).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_release_records_on_s3_exactly_one_wins() {
    if let Some(bucket) = Bucket::on_s3("releases").await {
        race_releases(&bucket).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_release_records_on_azure_exactly_one_wins() {
    if let Some(bucket) = Bucket::on_azure("releases").await {
        race_releases(&bucket).await;
    }
}
