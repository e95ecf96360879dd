//! Public data sets as ordinary projects (`tests/projects/`), run by the real binary: the published figures come out.

mod cdnow;
mod groceries;
mod hillstrom;
mod known;
mod late_files;
mod olist;
mod online_retail;
mod own_stages;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Map, Value};
use tempfile::TempDir;

use crate::functions::datasets;

type Row = Map<String, Value>;

/// A project of `tests/projects/` with an empty warehouse.
struct Project {
    name: &'static str,
    /// The folder of all data sets.
    datasets: PathBuf,
    /// Holds the tables and the state.
    warehouse: TempDir,
    /// What is run; empty: every mart.
    marts: &'static [&'static str],
}

impl Project {
    /// Returns the project, or says that the test is skipped: its data set is missing.
    fn over(data_set: &str, name: &'static str) -> Option<Self> {
        let folder = datasets::folder(data_set)?.canonicalize().unwrap();
        Some(Self::in_folder(name, folder.parent().unwrap()))
    }

    fn in_folder(name: &'static str, datasets: &Path) -> Self {
        Self { name, datasets: datasets.to_owned(), warehouse: tempfile::tempdir().unwrap(), marts: &[] }
    }

    /// Runs these marts and what they need, not all of them: those that something is known about.
    fn only(self, marts: &'static [&'static str]) -> Self {
        Self { marts, ..self }
    }

    fn command(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_lifecycle"))
            .arg("--project")
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/projects").join(self.name))
            .args(arguments)
            .env("LIFECYCLE_DATASETS", &self.datasets)
            .env("LIFECYCLE_TEST_WAREHOUSE", self.warehouse.path())
            .env("COLUMNS", "200")
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// What a command that succeeds writes to stdout and stderr.
    fn succeed(&self, arguments: &[&str]) -> (String, String) {
        let output = self.command(arguments);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{}: {arguments:?}: {}\n{stdout}\n{stderr}", self.name, output.status);
        (stdout, stderr)
    }

    /// Runs the job and returns what it says.
    fn run(&self, as_of: &str) -> String {
        self.run_with(as_of, &[])
    }

    /// Runs the job with more options.
    fn run_with(&self, as_of: &str, options: &[&str]) -> String {
        let selected = self.marts.iter().flat_map(|mart| ["-s", *mart]);
        let arguments: Vec<&str> =
            ["run", "nightly", "--as-of", as_of].into_iter().chain(selected).chain(options.iter().copied()).collect();
        self.succeed(&arguments).1
    }

    /// The rows of a query.
    fn rows(&self, sql: &str) -> Vec<Row> {
        let (text, _) = self.succeed(&["query", sql, "-o", "json"]);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in {text}"))
    }

    /// The one row of a query.
    fn row(&self, sql: &str) -> Row {
        let rows = self.rows(sql);
        let count = rows.len();
        rows.into_iter().next().filter(|_| count == 1).unwrap_or_else(|| panic!("{count} rows: {sql}"))
    }
}

/// Needs no data: only the files that are committed.
#[test]
fn the_projects_have_no_mistakes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/projects");
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let names = entries.filter(|entry| entry.path().is_dir()).map(|entry| entry.file_name().into_string().unwrap());
    let mut count = 0;
    for name in names {
        let project = Project::in_folder(name.leak(), Path::new("/nowhere"));
        project.succeed(&["validate"]);
        count += 1;
    }
    assert!(count > 3, "{count} projects");
}
