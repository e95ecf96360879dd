//! What is disturbed: a command of the real binary, the shop and the bucket before it, and what it makes of them
//! undisturbed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::Utc;
use futures::TryStreamExt;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};
use tokio::runtime::Runtime;

use super::front::{Bucket, Front, Plan};
use super::s3::Clock;
use super::seen::{Seen, Tables, names, releases, seen, strays};
use crate::crash::vacuum::aged;
use crate::crash::{day, deliver, model, stall};
use crate::faults::store::Operation;
use crate::run::{Shop, files};

pub const SOURCES: [&str; 2] = ["members", "sales"];

const CONFIG: &str = "raw: s3://bucket/raw
warehouse: s3://bucket/warehouse
state: .lifecycle/state.db
timezone: UTC
currency: GBP
parallelism: 2
lease: ${env:MATRIX_LEASE}
store_patience: ${env:MATRIX_PATIENCE}
storage:
  aws_region: eu-west-2
  aws_allow_http: true
  aws_skip_signature: true
  aws_endpoint: ${env:MATRIX_ENDPOINT}
  timeout: ${env:MATRIX_TIMEOUT}
";

const MEMBERS: &str = "retry: {attempts: 1, backoff: 10ms}
sources:
  members:
    location: ${raw}/members/*.ndjson
    format: ndjson
    key: [customer_id]
    columns:
      customer_id: {type: string, required: true}
      joined_on: {type: date, required: true}
    max_rejected: 50%
";

/// A market stall whose drop zone and warehouse lie in a bucket, with a second source.
fn project() -> Shop {
    let shop = stall();
    shop.write("config/local.yaml", CONFIG);
    shop.edit("jobs/nightly.yaml", "sources:\n", MEMBERS);
    let columns = [("customer_id", "string"), ("joined_on", "date")];
    let all = "select customer_id, joined_on from landed.members";
    model(&shop, "staging/members", all, "materialized: view", &columns);
    let joined = "select customer_id, joined_on from staging.members where joined_on <= $as_of";
    model(&shop, "marts/members", joined, "grain: [customer_id]", &columns);
    shop
}

/// Drops the sales and the new members of a day.
fn deliver_day(shop: &Shop, number: u64) {
    deliver(shop, day(number), number);
    let joined = |customer: u64| format!("{{\"customer_id\":\"c{customer}\",\"joined_on\":\"{}\"}}\n", day(number));
    let text = joined(number % 5) + &joined((number + 2) % 5) + "{\"customer_id\":\"c1\",\"joined_on\":\"soon\"}\n";
    shop.write(&format!("raw/members/{number}.ndjson"), &text);
}

/// How a process takes the store.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    pub lease: &'static str,
    pub patience: &'static str,
    pub timeout: &'static str,
}

/// Of one that nothing is to disturb.
pub const CALM: Patience = Patience { lease: "60s", patience: "20s", timeout: "30s" };
/// Of one whose store fails: it gives up soon.
pub const HASTY: Patience = Patience { lease: "60s", patience: "600ms", timeout: "400ms" };
/// Of one that is put to sleep: its lease ends soon.
pub const BRIEF: Patience = Patience { lease: "1s", ..CALM };

/// What a finished command said.
#[derive(Debug)]
pub struct Ended {
    /// `None` where it was killed.
    pub code: Option<i32>,
    pub said: String,
}

/// A process at work; what it says goes to a file, so that it never waits for a reader.
pub struct Running {
    pub child: Child,
    log: std::path::PathBuf,
}

impl Running {
    /// How it ended; `None` where it hangs, and was killed.
    pub fn end(&mut self) -> Option<Ended> {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(90) {
            if let Some(status) = self.child.try_wait().unwrap() {
                let said = std::fs::read_to_string(&self.log).unwrap();
                return Some(Ended { code: status.code(), said });
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        None
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn start(shop: &Shop, front: &Front, arguments: &[String], patience: Patience, log: &str) -> Running {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut command: Command = shop.command(&arguments);
    shop.write(&format!("logs/{log}"), "");
    let log = shop.path("logs").join(log);
    command.env("MATRIX_ENDPOINT", &front.endpoint).env("MATRIX_LEASE", patience.lease);
    command.env("MATRIX_PATIENCE", patience.patience).env("MATRIX_TIMEOUT", patience.timeout);
    command.stdout(Stdio::null()).stderr(File::create(&log).unwrap());
    let child = command.spawn().unwrap();
    front.belongs_to(child.id());
    Running { child, log }
}

/// Which promises are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Run,
    Backfill,
    Replay,
    Vacuum,
}

pub struct Scenario {
    pub name: &'static str,
    pub kind: Kind,
    pub command: Vec<String>,
    /// What a person does afterwards, to be sure.
    pub then: Vec<Vec<String>>,
    pub shop: Shop,
    pub objects: InMemory,
    pub clock: Clock,
    pub before: Seen,
    /// Of the undisturbed command, and all that follows.
    pub after: Seen,
    /// After a vacuum: every release, and the names of all objects.
    pub kept: (BTreeMap<u64, Tables>, BTreeSet<String>),
    /// Every release before.
    pub releases: BTreeMap<u64, Tables>,
    /// The undisturbed command's calls.
    pub calls: Vec<(String, Operation)>,
    pub takes: Duration,
}

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

fn night(number: u64) -> Vec<String> {
    words(&format!("run nightly --as-of {}", day(number)))
}

/// Puts a folder of raw files into a bucket, in the order of their names.
async fn upload(shop: &Shop, objects: &InMemory) {
    for name in files(&shop.path("raw")).into_keys() {
        let file = shop.path("raw").join(&name);
        let bytes = std::fs::read(&file).unwrap();
        objects.put(&Path::from(format!("raw/{name}")), PutPayload::from(bytes)).await.unwrap();
        std::fs::remove_file(file).unwrap();
    }
}

/// Lets a command work undisturbed to its end; the calls that it made.
async fn calm(shop: &Shop, bucket: &Arc<Bucket>, command: &[String]) -> Vec<(String, Operation)> {
    let front = Front::open(bucket, None::<Plan>).await;
    let mut running = start(shop, &front, command, CALM, "log");
    let ended = tokio::task::block_in_place(|| running.end()).expect("an end");
    assert_eq!(ended.code, Some(0), "{command:?}: {}", ended.said);
    front.calls()
}

struct Beginning {
    shop: Shop,
    objects: InMemory,
    clock: Clock,
}

impl Beginning {
    async fn of_days(days: u64) -> Self {
        let (shop, objects) = (project(), InMemory::new());
        for number in 0..days {
            deliver_day(&shop, number);
        }
        upload(&shop, &objects).await;
        Self { shop, objects, clock: Clock::default() }
    }

    async fn run(&self, command: &[String]) {
        calm(&self.shop, &Bucket::new(self.objects.clone(), self.clock), command).await;
    }

    async fn into_scenario(self, name: &'static str, kind: Kind, command: Vec<String>) -> Scenario {
        let Self { shop, objects, clock } = self;
        let then = match kind {
            Kind::Replay => vec![command.clone(), night(3)],
            _ => vec![command.clone()],
        };
        let before = seen(&objects).await.unwrap();
        let releases_before = releases(&objects).await.unwrap();
        let (whole, copy) = (objects.fork(), shop.copy());
        let bucket = Bucket::new(whole.clone(), clock);
        let begun = Instant::now();
        let calls = calm(&copy, &bucket, &command).await;
        let takes = begun.elapsed();
        for command in &then {
            calm(&copy, &bucket, command).await;
        }
        let after = seen(&whole).await.unwrap();
        assert_eq!(strays(&whole).await.unwrap(), [""; 0]);
        let kept = (releases(&whole).await.unwrap(), names(&whole).await);
        let releases = releases_before;
        Scenario { name, kind, command, then, shop, objects, clock, before, after, kept, releases, calls, takes }
    }
}

/// A shop's first night.
pub async fn first_run() -> Scenario {
    Beginning::of_days(4).await.into_scenario("first run", Kind::Run, night(3)).await
}

/// Its next, with an object that comes late and one that changed.
pub async fn second_day() -> Scenario {
    let start = Beginning::of_days(4).await;
    start.run(&night(3)).await;
    deliver_day(&start.shop, 4);
    deliver(&start.shop, day(1), 9);
    deliver(&start.shop, day(2), 2);
    let changed = format!("raw/sales/date={}/2.csv", day(2));
    let text = std::fs::read_to_string(start.shop.path(&changed)).unwrap();
    start.shop.write(&changed, &text.replace(",c1,", ",c9,"));
    upload(&start.shop, &start.objects).await;
    start.into_scenario("second day", Kind::Run, night(4)).await
}

/// Three days of history, and an object that comes late.
pub async fn backfill() -> Scenario {
    let start = Beginning::of_days(4).await;
    start.run(&night(3)).await;
    deliver(&start.shop, day(1), 9);
    upload(&start.shop, &start.objects).await;
    let command = format!("backfill nightly --from {} --to {}", day(0), day(2));
    start.into_scenario("backfill", Kind::Backfill, words(&command)).await
}

/// Rows that a mistake in the contract refused, after it was mended.
pub async fn replay() -> Scenario {
    let start = Beginning::of_days(4).await;
    let sound = "amount: {type: \"decimal(18,2)\", required: true}";
    let wrong = "amount: {type: \"decimal(18,2)\", required: true, max: 6}";
    start.shop.edit("jobs/nightly.yaml", sound, wrong);
    start.run(&night(3)).await;
    start.shop.edit("jobs/nightly.yaml", wrong, sound);
    let scenario = start.into_scenario("replay", Kind::Replay, words("rejected replay sales")).await;
    assert_ne!(scenario.before.landed, scenario.after.landed);
    scenario
}

/// Releases and files that are old enough to go.
pub async fn vacuum() -> Scenario {
    let mut start = Beginning::of_days(1).await;
    start.run(&night(0)).await;
    for number in 1..8 {
        deliver_day(&start.shop, number);
        upload(&start.shop, &start.objects).await;
        start.run(&night(number)).await;
    }
    let listed: Vec<_> = start.objects.list(Some(&Path::from("warehouse"))).try_collect().await.unwrap();
    for meta in listed {
        let place = meta.location.as_ref();
        let name = place.strip_prefix("warehouse/").unwrap();
        if !name.ends_with(".json") || name.starts_with("exports/") {
            continue;
        }
        let bytes = start.objects.get(&meta.location).await.unwrap().bytes().await.unwrap();
        let text = aged(name, std::str::from_utf8(&bytes).unwrap(), Utc::now() - Clock::age());
        start.objects.put(&meta.location, PutPayload::from(text.into_bytes())).await.unwrap();
    }
    start.clock = Clock(Some(Utc::now()));
    let scenario = start.into_scenario("vacuum", Kind::Vacuum, words("vacuum")).await;
    assert!(scenario.releases.len() > scenario.kept.0.len());
    scenario
}

/// Makes scenarios one after the other.
pub fn all(runtime: &Runtime) -> Vec<Scenario> {
    runtime.block_on(async {
        vec![first_run().await, second_day().await, backfill().await, replay().await, vacuum().await]
    })
}
