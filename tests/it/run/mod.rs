//! Whole runs through the real binary: the promises that only the finished program can keep.

mod backwards;
mod changes;
mod descriptions;
mod facts;
mod failures;
mod floors;
mod repeats;
mod shared_sources;
pub mod until;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, OnceLock};

use arrow::array::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use chrono::{Days, NaiveDate, Utc};
use futures::TryStreamExt;
use lifecycle::config::{Project, load_project};
use lifecycle::demo::{DemoSettings, DemoSummary, generate};
use lifecycle::land::{RejectedFilter, rejected_rows};
use lifecycle::run::{Surroundings, open_release};
use lifecycle::storage::{Release, Stores};
use tempfile::TempDir;

/// What the binary printed and returned.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}\n{}", self.stdout, self.stderr);
        self
    }

    #[track_caller]
    pub fn says(self, words: &[&str]) -> Self {
        for word in words {
            assert!(self.stderr.contains(word) || self.stdout.contains(word), "`{word}` in\n{self:#?}");
        }
        self
    }
}

/// Rows of a table as text, sorted.
pub type Rows = Vec<String>;

/// A project of the demo business in a folder of its own.
pub struct Shop {
    folder: TempDir,
}

const CONFIG: &str = "raw: raw\nwarehouse: warehouse\nstate: .lifecycle/state.db\ntimezone: Europe/London\ncurrency: GBP\n\
                      memory_limit: 1GiB\nparallelism: 2\n";

/// What most tests build: marts with and without history that read each other and every kind of intermediate table. A
/// night with all marts takes three times as long, and tells no more about runs.
const MODELS: [&str; 7] = [
    "marts.churn_summary",
    "marts.cohort_retention",
    "marts.customer_matrix_cells",
    "marts.customer_matrix_moves",
    "marts.lifecycle_stages",
    "marts.referral_goal",
    "marts.referral_roi",
];

/// The small business that most tests share.
pub fn settings(directory: &Path) -> DemoSettings {
    DemoSettings { customers: 400, days: 60, ..DemoSettings::new(directory) }
}

pub fn last_day() -> NaiveDate {
    settings(Path::new("")).last_day
}

pub fn days_before(days: u64) -> NaiveDate {
    last_day() - Days::new(days)
}

/// The small business's raw files, generated once.
pub fn raw_business() -> &'static (TempDir, DemoSummary) {
    static BUSINESS: OnceLock<(TempDir, DemoSummary)> = OnceLock::new();
    BUSINESS.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let summary = generate(&settings(folder.path()), &mut |_| {}).unwrap();
        (folder, summary)
    })
}

/// The small business after its first night, run once. Tests copy it.
pub fn after_first_night() -> &'static Shop {
    static SHOP: OnceLock<Shop> = OnceLock::new();
    SHOP.get_or_init(|| {
        let shop = Shop::before_first_night();
        shop.night(last_day()).expect(0);
        shop
    })
}

impl Shop {
    /// A project with this repository's models, a job for some of them, and no raw file.
    pub fn empty() -> Self {
        let shop = Self::whole();
        shop.edit("jobs/nightly.yaml", "models: [marts]", &format!("models: [{}]", MODELS.join(", ")));
        shop
    }

    /// A project whose files a test writes itself.
    pub fn in_folder(folder: TempDir) -> Self {
        Self { folder }
    }

    /// A project with this repository's job and models, and no raw file.
    pub fn whole() -> Self {
        let shop = Self { folder: tempfile::tempdir().unwrap() };
        let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
        for folder in ["jobs", "sql"] {
            copy(&repository.join(folder), &shop.path(folder), false);
        }
        shop.write("config/local.yaml", CONFIG);
        shop
    }

    /// A folder with a configuration, and nothing else.
    pub fn bare() -> Self {
        let shop = Self { folder: tempfile::tempdir().unwrap() };
        shop.write("config/local.yaml", CONFIG);
        shop
    }

    /// The small business's raw files, nothing landed.
    pub fn before_first_night() -> Self {
        let shop = Self::empty();
        copy(&raw_business().0.path().join("raw"), &shop.path("raw"), true);
        shop
    }

    /// A copy of the small business after its first night.
    pub fn after_first_night() -> Self {
        after_first_night().copy()
    }

    /// The same project, landed and published tables included.
    pub fn copy(&self) -> Self {
        let shop = Self { folder: tempfile::tempdir().unwrap() };
        for entry in std::fs::read_dir(self.folder.path()).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            copy(&self.path(&name), &shop.path(&name), ["raw", "warehouse"].contains(&name.as_str()));
        }
        shop
    }

    /// The raw files of this project as they are now, in a project where nothing has run.
    pub fn anew(&self) -> Self {
        let shop = Self::empty();
        copy(&self.path("raw"), &shop.path("raw"), true);
        shop
    }

    pub fn root(&self) -> &Path {
        self.folder.path()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn settings(&self) -> DemoSettings {
        settings(self.folder.path())
    }

    pub fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Replaces a text that a file holds once.
    #[track_caller]
    pub fn edit(&self, name: &str, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.path(name)).unwrap();
        assert_eq!(text.matches(from).count(), 1, "`{from}` in {name}");
        self.write(name, &text.replace(from, to));
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lifecycle"));
        command.current_dir(self.root()).args(arguments).stdin(Stdio::null());
        for name in ["COLUMNS", "NO_COLOR", "TERM", "RUST_LOG", "CLICOLOR_FORCE"] {
            command.env_remove(name);
        }
        command.env("RUST_BACKTRACE", "0");
        command
    }

    pub fn lifecycle(&self, arguments: &[&str]) -> Ran {
        let output = self.command(arguments).output().unwrap();
        Ran {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Runs the nightly job for a day.
    pub fn night(&self, as_of: NaiveDate) -> Ran {
        self.lifecycle(&["run", "nightly", "--as-of", &as_of.to_string()])
    }

    pub fn plan(&self, as_of: NaiveDate) -> Ran {
        self.lifecycle(&["plan", "nightly", "--as-of", &as_of.to_string()])
    }

    /// The rows of a query by the binary, without the header, in the query's order.
    pub fn query(&self, sql: &str) -> Rows {
        let ran = self.lifecycle(&["query", sql, "-o", "csv"]).expect(0);
        ran.stdout.lines().skip(1).map(str::to_owned).collect()
    }

    pub fn project(&self) -> Project {
        load_project(self.root(), "local", &|_| None).unwrap_or_else(|problems| panic!("{problems}"))
    }

    pub fn surroundings(&self) -> Surroundings {
        Surroundings {
            stores: Stores::new(&BTreeMap::new()),
            clock: Arc::new(Utc::now),
            progress: Arc::new(lifecycle::progress::Silent),
            interrupt: lifecycle::interrupt::channel().1,
            watch: Default::default(),
        }
    }

    /// The rows of several queries over one release.
    pub fn read(&self, release: Option<u64>, queries: &BTreeMap<String, String>) -> BTreeMap<String, Rows> {
        let project = self.project();
        wait_for(async {
            let view = open_release(&project, &self.surroundings(), "nightly", release).await.unwrap();
            let mut all = BTreeMap::new();
            for (name, sql) in queries {
                let batches = view.workspace.query(sql).await.unwrap().collect().await.unwrap();
                all.insert(name.clone(), texts(&batches));
            }
            all
        })
    }

    /// All current tables but histories, sorted.
    pub fn tables(&self) -> BTreeMap<String, Rows> {
        self.tables_of(None)
    }

    pub fn tables_of(&self, release: Option<u64>) -> BTreeMap<String, Rows> {
        let released = release.map_or_else(|| self.release(), |number| self.release_of(number));
        let names = released.tables.into_keys().filter(|name| !name.ends_with("_history"));
        self.read(release, &names.map(|name| (name.clone(), format!("select * from {name}"))).collect())
    }

    /// The landed rows of all sources, and the rejected ones.
    pub fn landed(&self) -> BTreeMap<String, Rows> {
        let project = self.project();
        let sources = &project.jobs["nightly"].sources;
        let queries =
            sources.iter().map(|source| (source.name.clone(), format!("select * from landed.{}", source.name)));
        let mut rows = self.read(None, &queries.collect());
        let warehouse = lifecycle::run::warehouse(&project, &self.surroundings().stores);
        for source in sources {
            let mut rejected: Rows = wait_for(async {
                let table = warehouse.table("landed", &source.name).unwrap();
                let snapshot = table.snapshot().await.unwrap().unwrap();
                let rows = rejected_rows(&table, &snapshot, source, &RejectedFilter::default()).await.unwrap();
                rows.map_ok(|row| format!("{} {} {} {}", row.object, row.line, row.reason, row.raw)).try_collect().await
            })
            .unwrap();
            rejected.sort();
            rows.insert(format!("rejected {}", source.name), rejected);
        }
        rows
    }

    pub fn release_numbers(&self) -> Vec<u64> {
        let Ok(entries) = std::fs::read_dir(self.path("warehouse/releases/nightly")) else { return Vec::new() };
        let mut numbers: Vec<u64> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter_map(|name| name.strip_suffix(".json")?.parse().ok())
            .collect();
        numbers.sort_unstable();
        numbers
    }

    pub fn release(&self) -> Release {
        self.release_of(*self.release_numbers().last().unwrap())
    }

    pub fn release_of(&self, number: u64) -> Release {
        let path = self.path(&format!("warehouse/releases/nightly/{number:08}.json"));
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
    }

    /// What anybody can see of the published tables: logs, releases and exports, with the bytes' lengths.
    pub fn published(&self) -> BTreeMap<String, u64> {
        let mut seen = files(&self.path("warehouse"));
        seen.retain(|name, _| {
            !name.starts_with("landed/") && !name.ends_with(".parquet") || name.starts_with("exports/")
        });
        seen
    }

    /// Every Parquet file of models' tables.
    pub fn data_files(&self) -> BTreeSet<String> {
        let is_data = |name: &String| {
            name.ends_with(".parquet")
                && !name.starts_with("landed/")
                && !name.starts_with("exports/")
                && !name.contains("_delta_log")
        };
        files(&self.path("warehouse")).into_keys().filter(is_data).collect()
    }

    /// The Parquet files of models' tables that some version of the table names.
    pub fn committed_files(&self) -> BTreeSet<String> {
        let mut committed = BTreeSet::new();
        for name in files(&self.path("warehouse"))
            .into_keys()
            .filter(|name| name.contains("_delta_log/") && name.ends_with(".json"))
        {
            let (table, _) = name.split_once("/_delta_log").unwrap();
            for line in std::fs::read_to_string(self.path("warehouse").join(&name)).unwrap().lines() {
                let action: serde_json::Value = serde_json::from_str(line).unwrap();
                if let Some(path) = action["add"]["path"].as_str().filter(|_| !table.starts_with("landed/")) {
                    committed.insert(format!("{table}/{}", path.replace("%3D", "=")));
                }
            }
        }
        committed
    }
}

pub fn wait_for<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(work)
}

fn texts(batches: &[RecordBatch]) -> Rows {
    let options = FormatOptions::default().with_null("null");
    let mut rows = Vec::new();
    for batch in batches {
        let columns: Vec<_> =
            batch.columns().iter().map(|column| ArrayFormatter::try_new(column, &options).unwrap()).collect();
        for row in 0..batch.num_rows() {
            rows.push(columns.iter().map(|column| column.value(row).to_string()).collect::<Vec<_>>().join("|"));
        }
    }
    rows.sort();
    rows
}

/// Copies a folder. Links keep the identity by which a store knows an object; nobody writes into a linked file.
fn copy(from: &Path, to: &Path, is_linked: bool) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (old, new) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type().unwrap().is_dir() {
            copy(&old, &new, is_linked);
        } else if is_linked {
            std::fs::hard_link(old, new).unwrap();
        } else {
            std::fs::copy(old, new).unwrap();
        }
    }
}

/// Every file below a folder, with its size.
pub fn files(folder: &Path) -> BTreeMap<String, u64> {
    let mut found = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        let Ok(entries) = std::fs::read_dir(next) else { continue };
        for entry in entries {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                open.push(entry.path());
            } else {
                let name = entry.path().strip_prefix(folder).unwrap().display().to_string();
                found.insert(name, entry.metadata().unwrap().len());
            }
        }
    }
    found
}

/// Compares two sets of tables, and shows the first rows that differ.
#[track_caller]
pub fn assert_same(left: &BTreeMap<String, Rows>, right: &BTreeMap<String, Rows>) {
    assert_eq!(left.keys().collect::<Vec<_>>(), right.keys().collect::<Vec<_>>());
    let mut differences = Vec::new();
    for (name, rows) in left {
        if rows != &right[name] {
            let only = |these: &Rows, those: &Rows| {
                these.iter().filter(|row| !those.contains(row)).take(2).cloned().collect::<Vec<_>>()
            };
            differences.push((name, rows.len(), right[name].len(), only(rows, &right[name]), only(&right[name], rows)));
        }
    }
    assert!(differences.is_empty(), "{differences:#?}");
}
