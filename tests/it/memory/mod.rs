//! `memory_limit`: what does not fit is spilled, or planned again with a plan that spills.

mod drop_zone;

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

/// Waits for a process; gives its exit code, and the most memory that it ever had, in MiB.
pub fn peak(child: &mut Child) -> (Option<i32>, u64) {
    let status = format!("/proc/{}/status", child.id());
    let mut most = 0;
    loop {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        if let Some(kibibytes) = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()) {
            most = most.max(kibibytes / 1024);
        }
        if let Some(ended) = child.try_wait().unwrap() {
            return (ended.code(), most);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Each with each makes the wide table.
const SIDE: u64 = 700;
/// Its rows: more than the limit, when one side of a join holds them all.
const ROWS: u64 = SIDE * SIDE;

struct Project(TempDir);

impl Project {
    fn new(memory_limit: &str) -> Self {
        let project = Self(tempfile::tempdir().unwrap());
        project.write(
            "config/local.yaml",
            &format!(
                "raw: raw\nwarehouse: warehouse\nstate: state.db\ntimezone: UTC\ncurrency: GBP\n\
                 memory_limit: {memory_limit}\nparallelism: 2\n"
            ),
        );
        project.write(
            "jobs/nightly.yaml",
            "name: nightly\ndescription: Wide rows.\nsources:\n  ids:\n    location: ${raw}/ids/*.csv\n    format: csv\n    \
             columns:\n      id: {type: integer, required: true}\nmodels: [marts]\n",
        );
        let ids: String = (0..SIDE).map(|id| format!("{id}\n")).collect();
        project.write("raw/ids/ids.csv", &format!("id\n{ids}"));
        project.write(
            "sql/marts/wide.sql",
            &format!(
                "select\n    one.id * {SIDE} + other.id as id,\n    \
                 lpad(cast(one.id * {SIDE} + other.id as varchar), 120, 'x') as label\n\
                 from landed.ids as one\ncross join landed.ids as other\n"
            ),
        );
        project.model("wide", "id", "{name: id, type: integer, description: A number.}\n  - {name: label, type: string, description: Its text.}");
        project
    }

    fn model(&self, name: &str, grain: &str, columns: &str) {
        self.write(
            &format!("sql/marts/{name}.yaml"),
            &format!(
                "description: One row per {grain}.\nowner: tests\nmaterialized: table\ngrain: [{grain}]\ncolumns:\n  - {columns}\n"
            ),
        );
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.0.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lifecycle"));
        command
            .arg("--project")
            .arg(self.0.path() as &Path)
            .args(arguments)
            .env_remove("RUST_LOG")
            .stdin(Stdio::null());
        command
    }

    /// What a command prints on stdout and on stderr; it must succeed.
    fn lifecycle(&self, arguments: &[&str]) -> (String, String) {
        let output = self.command(arguments).output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{told}");
        (String::from_utf8(output.stdout).unwrap(), told)
    }
}

#[test]
fn a_join_that_does_not_fit_is_planned_again_and_says_so() {
    let project = Project::new("64MiB");
    project.write(
        "sql/marts/pairs.sql",
        "select\n    one.id,\n    one.label,\n    other.label as other_label\nfrom marts.wide as one\n\
         inner join marts.wide as other\n    on one.id = other.id\n",
    );
    project.model(
        "pairs",
        "id",
        "{name: id, type: integer, description: A number.}\n  - {name: label, type: string, description: Its text.}\n  \
         - {name: other_label, type: string, description: The same.}",
    );
    let (_, told) = project.lifecycle(&["run", "nightly", "--as-of", "2025-01-01"]);
    assert!(told.contains("marts.pairs ran out of memory and was planned again with joins that spill"), "{told}");
    assert!(told.contains("hint: raise `memory_limit` to build it faster"), "{told}");
    let sums = "select count(*) as rows, sum(id) as ids, sum(case when label = other_label then 1 else 0 end) as same from marts.pairs";
    let (sums, _) = project.lifecycle(&["query", sums, "-o", "csv"]);
    assert_eq!(sums, format!("rows,ids,same\n{ROWS},{},{ROWS}\n", ROWS * (ROWS - 1) / 2));
}
