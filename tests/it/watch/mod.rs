//! Watching: notices, metrics, traces, lineage, progress, and that no secret leaves the process.

mod daemon;
mod facts;
mod late_news;
mod lineage;
mod metrics;
mod notices;
mod progress;
mod servers;
mod settings;
mod speed;
mod telling;
mod traces;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use lifecycle::config::{Project, load_project};
use lifecycle::state::{LeaseOutcome, RunFinish, RunOutcome, RunStart, RunTrouble, SourceRecord, State, Trigger};
use lifecycle::watch::{Clock, Patience};
use tempfile::TempDir;

/// 2026-01-02 02:00 UTC plus so many minutes.
pub fn at(minutes: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_767_319_200, 0).unwrap() + TimeDelta::minutes(minutes)
}

/// A clock that tests set.
#[derive(Clone)]
pub struct Time(Arc<Mutex<DateTime<Utc>>>);

impl Time {
    pub fn at(minutes: i64) -> Self {
        Self(Arc::new(Mutex::new(at(minutes))))
    }

    pub fn set(&self, minutes: i64) {
        *self.0.lock().unwrap() = at(minutes);
    }

    pub fn now(&self) -> DateTime<Utc> {
        *self.0.lock().unwrap()
    }

    pub fn clock(&self) -> Clock {
        let time = self.clone();
        Arc::new(move || time.now())
    }
}

/// Three tries, without pauses to speak of.
pub const IMPATIENT: Patience = Patience {
    timeout: Duration::from_millis(300),
    tries: 3,
    pause: Duration::from_millis(1),
    later: Duration::from_secs(120),
    give_up: Duration::from_secs(24 * 3_600),
};

pub const SECRET_PATH: &str = "T0000/B0000/hunter2hunter2";
pub const SECRET_PASSWORD: &str = "correct-horse-battery";

/// A project that lands orders and makes one mart of them; webhooks and mail go to servers of the test.
pub struct Place {
    folder: TempDir,
    variables: BTreeMap<&'static str, String>,
}

const ORDERS: &str = "order_no,customer_no,sold_at,amount,email\n\
                      1,ann,2026-01-01T10:00:00Z,10.00,ann@example.com\n\
                      2,bob,2026-01-01T11:00:00Z,20.00,bob@example.com\n";

impl Place {
    pub fn new() -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap(), variables: BTreeMap::new() };
        place.write(
            "config/local.yaml",
            "raw: raw\nwarehouse: warehouse\nstate: .lifecycle/state.db\ntimezone: Europe/London\ncurrency: GBP\n\
             memory_limit: 1GiB\nparallelism: 2\n",
        );
        place.write("jobs/nightly.yaml", &job(""));
        place.write(
            "sql/marts/totals.sql",
            "select customer_no, sum(amount) as amount from landed.orders group by customer_no\n",
        );
        place.write(
            "sql/marts/totals.yaml",
            "description: What each customer spent.\nmaterialized: table\ngrain: [customer_no]\ncolumns:\n  \
             - {name: customer_no, type: string}\n  - {name: amount, type: \"decimal(38,2)\"}\n",
        );
        place.write("raw/orders/1.csv", ORDERS);
        place
    }

    /// With these keys in the job's file.
    pub fn with_job(self, keys: &str) -> Self {
        self.write("jobs/nightly.yaml", &job(keys));
        self
    }

    /// With these keys in the environment's file.
    pub fn with_environment(self, keys: &str) -> Self {
        let path = self.path("config/local.yaml");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(path, text + keys).unwrap();
        self
    }

    /// With a variable of the process.
    pub fn with_variable(mut self, name: &'static str, value: String) -> Self {
        self.variables.insert(name, value);
        self
    }

    /// With webhooks for everything, on a server at `url`, and data that may be 36 hours old.
    pub fn told_by_webhook(self, url: &str) -> Self {
        let hook = "[{webhook: \"${env:ALERT_WEBHOOK}\"}]";
        self.with_variable("ALERT_WEBHOOK", format!("{url}/{SECRET_PATH}")).with_job(&format!(
            "freshness: 36h\nnotify: {{on_failure: {hook}, on_recovery: {hook}, on_missed: {hook}, on_stale: {hook}}}\n"
        ))
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub fn project(&self) -> Project {
        let read = |name: &str| self.variables.get(name).cloned();
        load_project(self.folder.path(), "local", &read).unwrap_or_else(|problems| panic!("{problems}"))
    }

    pub async fn state(&self) -> State {
        State::open(&self.path(".lifecycle/state.db")).await.unwrap()
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lifecycle"));
        command.current_dir(self.folder.path()).args(arguments).stdin(Stdio::null()).envs(&self.variables);
        for name in ["COLUMNS", "NO_COLOR", "TERM", "RUST_LOG", "CLICOLOR_FORCE", "OTEL_EXPORTER_OTLP_ENDPOINT"] {
            if !self.variables.contains_key(name) {
                command.env_remove(name);
            }
        }
        command
    }

    /// The exit code, what it printed, and what it said.
    pub async fn run(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let mut command = tokio::process::Command::from(self.command(arguments));
        let output = command.output().await.unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    }

    /// Looks for texts in every file of the project's state.
    pub fn state_holds(&self, texts: &[&str]) -> Vec<String> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(self.path(".lifecycle")).unwrap() {
            let path = entry.unwrap().path();
            let bytes = std::fs::read(&path).unwrap();
            for text in texts {
                if bytes.windows(text.len()).any(|window| window == text.as_bytes()) {
                    found.push(format!("{} holds {text}", path.display()));
                }
            }
        }
        found
    }
}

fn job(keys: &str) -> String {
    format!(
        "name: nightly\ndescription: Every total.\nsources:\n  orders:\n    location: ${{raw}}/orders/*.csv\n    \
         format: csv\n    key: [order_no]\n    event_time: sold_at\n    columns:\n      \
         order_no: {{type: integer, required: true}}\n      customer_no: {{type: string, required: true}}\n      \
         sold_at: {{type: timestamp, required: true}}\n      amount: {{type: \"decimal(18,2)\", required: true}}\n      \
         email: {{type: string, pii: true}}\n    max_rejected: 1%\nmodels: [marts]\n{keys}"
    )
}

/// A run to be recorded.
pub struct Recorded {
    pub run_id: String,
    pub outcome: Option<RunOutcome>,
    pub trigger: Trigger,
    pub as_of: &'static str,
    /// In minutes.
    pub started: i64,
    pub message: Option<&'static str>,
    pub trouble: RunTrouble,
    pub landed: u64,
    pub rejected: u64,
}

impl Recorded {
    pub fn new(number: u32, outcome: RunOutcome, started: i64) -> Self {
        Self {
            run_id: format!("0192f3a4-0000-7000-8000-{number:012}"),
            outcome: Some(outcome),
            trigger: Trigger::Schedule,
            as_of: "2026-01-01",
            started,
            message: None,
            trouble: RunTrouble::default(),
            landed: 0,
            rejected: 0,
        }
    }

    pub fn failed(number: u32, started: i64) -> Self {
        Self { message: Some("landing failed: the disk is full"), ..Self::new(number, RunOutcome::Failed, started) }
    }
}

/// Writes a run of `nightly` down as a run of two minutes would have been.
pub async fn record(state: &State, run: &Recorded) {
    record_of("nightly", state, run).await;
}

pub async fn record_of(job: &str, state: &State, run: &Recorded) {
    let (started_at, finished_at) = (at(run.started), at(run.started + 2));
    let lease = match state.acquire_lease(job, "tester", Duration::from_secs(60), started_at).await.unwrap() {
        LeaseOutcome::Acquired(lease) => lease,
        held => panic!("the lease is {held:?}"),
    };
    let start = RunStart {
        run_id: run.run_id.clone(),
        job: job.to_owned(),
        as_of: run.as_of.parse().unwrap(),
        trigger: run.trigger,
        environment: "local".to_owned(),
        started_at,
        lease: lease.clone(),
        backfill_id: None,
    };
    state.start_run(&start).await.unwrap();
    let rows_in = run.landed + run.rejected;
    if rows_in > 0 {
        let source = SourceRecord {
            source: "orders".to_owned(),
            objects_new: 1,
            objects_changed: 0,
            objects_unchanged: 0,
            rows_in,
            landed: run.landed,
            rejected: run.rejected,
            bytes: 100,
            seconds: 0.5,
            version: Some(1),
        };
        state.record_sources(&run.run_id, &[source]).await.unwrap();
    }
    let Some(outcome) = run.outcome else { return };
    if run.trouble != RunTrouble::default() {
        state.record_trouble(&run.run_id, &run.trouble).await.unwrap();
    }
    let message = run.message.map(str::to_owned);
    let release = (outcome == RunOutcome::Succeeded).then_some(7);
    state.finish_run(&run.run_id, &RunFinish { outcome, finished_at, message, release }).await.unwrap();
    state.release_lease(&lease, finished_at).await.unwrap();
}

/// Every file below a folder, by name.
pub fn texts_below(folder: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        for entry in std::fs::read_dir(next).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if let Ok(text) = std::fs::read_to_string(&path) {
                found.insert(path.strip_prefix(folder).unwrap().display().to_string(), text);
            }
        }
    }
    found
}
