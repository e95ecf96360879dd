//! The nightly job in small, by the real binary: everything that a user does to a warehouse in a bucket.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Instant;

use futures::{StreamExt, TryStreamExt};
use lifecycle::demo::{DemoSettings, generate};
use object_store::{ObjectStoreExt, PutPayload};
use tempfile::TempDir;

use super::servers::{Bucket, Kind};
use super::{Ran, lifecycle, write};
use crate::land::gzip;

const CONFIGURATION: &str = "raw: RAW
warehouse: WAREHOUSE
state: state.db
timezone: Europe/London
currency: GBP
parallelism: 2
sql: [SQL]
storage:
";

/// A project whose drop zone and warehouse lie in a bucket.
struct Shop<'a> {
    bucket: &'a Bucket,
    folder: TempDir,
    variables: Vec<(String, String)>,
}

impl<'a> Shop<'a> {
    fn new(bucket: &'a Bucket) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut configuration = CONFIGURATION
            .replace("RAW", bucket.other_url("raw").as_str())
            .replace("WAREHOUSE", bucket.other_url("warehouse").as_str())
            .replace("SQL", repository.join("sql").to_str().unwrap());
        let mut variables = Vec::new();
        for (number, (name, value)) in bucket.options().into_iter().enumerate() {
            configuration.push_str(&format!("  {name}: ${{env:TEST_STORAGE_{number}}}\n"));
            variables.push((format!("TEST_STORAGE_{number}"), value));
        }
        write(folder.path(), "config/local.yaml", &configuration);
        // The same store without an endpoint and a key: Azurite's are known.
        let (start, _) = configuration.split_once("storage:\n").unwrap();
        write(folder.path(), "config/azurite.yaml", &format!("{start}storage:\n  azure_storage_use_emulator: true\n"));
        variables.push(("AZURITE_BLOB_STORAGE_URL".to_owned(), bucket.endpoint.clone()));
        let job = std::fs::read_to_string(repository.join("jobs/nightly.yaml")).unwrap();
        // All feeds, and some marts with and without history: more of them only take longer.
        let some = job.replace("models: [marts]", "models: [marts.churn_summary, marts.cohort_retention]");
        assert_ne!(some, job);
        write(folder.path(), "jobs/nightly.yaml", &some);
        Self { bucket, folder, variables }
    }

    async fn lifecycle(&self, arguments: &[&str]) -> Ran {
        lifecycle(self.folder.path(), &self.variables, arguments).await
    }

    async fn query(&self, sql: &str) -> Vec<String> {
        let ran = self.lifecycle(&["query", sql, "-o", "csv"]).await.expect(0);
        ran.stdout.lines().skip(1).map(str::to_owned).collect()
    }

    /// The rows of two marts.
    async fn published(&self) -> Vec<String> {
        let churned =
            "select 'churn' as mart, customer_id as name, cast(revenue_now as varchar) as value from marts.churn";
        let summary = "select 'summary', category || reason, cast(revenue_lost as varchar) from marts.churn_summary";
        let all = self.query(&format!("{churned} union all {summary} order by 1, 2, 3")).await;
        assert!(all.len() > 10, "{all:?}");
        all
    }

    /// Landed rows by object.
    async fn landed(&self) -> BTreeMap<String, usize> {
        let rows = self.query("select _object, count(*) as lines from landed.orders group by _object").await;
        let split = |row: &String| {
            let (object, lines) = row.rsplit_once(',').unwrap();
            (object.to_owned(), lines.parse().unwrap())
        };
        rows.iter().map(split).collect()
    }

    async fn put(&self, name: &str, bytes: Vec<u8>) {
        let place = object_store::path::Path::from(format!("raw/{name}"));
        self.bucket.store().put(&place, PutPayload::from(bytes)).await.unwrap();
    }
}

/// Every file below a folder, relative to it.
fn files(folder: &Path) -> Vec<PathBuf> {
    let (mut found, mut open) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(next) = open.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { open.push(path) } else { found.push(path.strip_prefix(folder).unwrap().to_owned()) }
        }
    }
    found
}

fn lines(path: &Path) -> Vec<String> {
    let mut text = String::new();
    flate2::read::MultiGzDecoder::new(std::fs::File::open(path).unwrap()).read_to_string(&mut text).unwrap();
    text.lines().map(str::to_owned).collect()
}

async fn nightly(bucket: &Bucket) {
    let started = Instant::now();
    let business = tempfile::tempdir().unwrap();
    let mut settings = DemoSettings::new(business.path());
    (settings.customers, settings.days) = (60, 20);
    let made = generate(&settings, &mut |_| {}).unwrap();
    let raw = business.path().join("raw");
    let shop = Shop::new(bucket);
    let puts = files(&raw).into_iter().map(|file| {
        let bytes = std::fs::read(raw.join(&file)).unwrap();
        let shop = &shop;
        async move { shop.put(file.to_str().unwrap(), bytes).await }
    });
    let puts: Vec<_> = puts.collect();
    let objects = puts.len();
    futures::stream::iter(puts).buffer_unordered(8).collect::<Vec<()>>().await;
    let as_of = made.last_day.to_string();
    let run = ["run", "nightly", "--as-of", &as_of];

    // Landed, built, published.
    let told = shop.lifecycle(&run).await.expect(0).stderr;
    assert!(told.contains("release 1"), "{told}");
    let first = shop.published().await;
    let planted = &made.feeds["orders"];
    let landed = shop.landed().await;
    assert_eq!(landed.values().sum::<usize>() as u64, planted.rows - planted.broken - planted.twice);
    let store = bucket.store();
    for name in ["releases/nightly/00000001.json", "exports/nightly/churn.parquet"] {
        store.head(&object_store::path::Path::from(format!("warehouse/{name}"))).await.unwrap();
    }

    // Once more: nothing to do, nothing written.
    let before = listing(bucket).await;
    let told = shop.lifecycle(&run).await.expect(0).stderr;
    assert!(told.contains("nothing to do"), "{told}");
    assert_eq!(listing(bucket).await, before);

    // An object that changed replaces what it brought, and nothing else.
    let (object, kept) = landed
        .iter()
        .map(|(object, rows)| (object, *rows, lines(&raw.join(object))))
        .find(|(_, rows, lines)| *rows > 4 && lines.len() == rows + 1)
        .map(|(object, rows, lines)| (object, lines[..=rows / 2].to_vec()))
        .unwrap();
    shop.put(object, gzip(format!("{}\n", kept.join("\n")).as_bytes())).await;
    let told = shop.lifecycle(&run).await.expect(0).stderr;
    assert!(told.contains("release 2") && told.contains("1 object"), "{told}");
    let mut expected = landed.clone();
    expected.insert(object.clone(), kept.len() - 1);
    assert_eq!(shop.landed().await, expected);
    let second = shop.published().await;
    assert_ne!(second, first);

    // The earlier release again.
    shop.lifecycle(&["rollback"]).await.expect(0);
    assert_eq!(shop.published().await, first);

    // Doctor is content with the store, and leaves nothing behind.
    let before = listing(bucket).await;
    let said = shop.lifecycle(&["doctor"]).await.expect(0).stdout;
    for words in ["can be listed", "can be written, read and deleted", "an object that exists is not created again"] {
        assert!(said.contains(words), "{said}");
    }
    if bucket.kind == Kind::Azure {
        let said = shop.lifecycle(&["doctor", "--env", "azurite"]).await.expect(0).stdout;
        assert!(said.contains("an object that exists is not created again"), "{said}");
    }
    assert_eq!(listing(bucket).await, before);
    println!("{:?}: the nightly job over {objects} objects: {:.1} s", bucket.kind, started.elapsed().as_secs_f64());
}

/// The warehouse's objects with their etags.
async fn listing(bucket: &Bucket) -> BTreeMap<String, Option<String>> {
    let prefix = object_store::path::Path::from("warehouse");
    let all = bucket.store();
    let all = all.list(Some(&prefix)).map_ok(|object| (object.location.to_string(), object.e_tag));
    all.try_collect().await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_nightly_job_runs_on_s3() {
    if let Some(bucket) = Bucket::on_s3("nightly").await {
        nightly(&bucket).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_nightly_job_runs_on_azure() {
    if let Some(bucket) = Bucket::on_azure("nightly").await {
        nightly(&bucket).await;
    }
}
