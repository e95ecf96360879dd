//! Input that nobody would order: broken, huge, changing, personal; disks that fill; and what is refused and landed later.

mod changing;
mod disk;
mod fuzz;
mod fuzz_files;
mod fuzz_parquet;
mod masking;
mod memory;
mod objects;
mod parquet_objects;
mod replay;
mod replay_gone;
mod slow;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::run::{Ran, Rows};

/// A small project of its own: one source of orders, a view, a table by day, a mart with a check.
pub struct Desk {
    folder: TempDir,
}

const CONFIG: &str = "raw: raw\nwarehouse: warehouse\nstate: .lifecycle/state.db\ntimezone: Europe/London\ncurrency: GBP\n\
                      memory_limit: 64MiB\nparallelism: 2\n";

const JOB: &str = "\
name: nightly
description: Orders.
sources:
  orders:
    location: ${raw}/orders/*.csv
    format: csv
    key: [order_id]
    event_time: ordered_at
    columns:
      order_id: {type: string, required: true}
      ordered_at: {type: timestamp, required: true}
      email: {type: string, pii: true}
      quantity: {type: integer, required: true}
    max_rejected: 90%
models: [marts]
publish: {exports: [csv]}
";

const MODELS: [(&str, &str); 6] = [
    ("staging/lines.sql", "select order_id, business_day(ordered_at) as day, email, quantity from landed.orders\n"),
    (
        "staging/lines.yaml",
        "description: One row per order.\nmaterialized: view\ngrain: [order_id]\ncolumns:\n  - {name: order_id, type: string}\n  \
         - {name: day, type: date}\n  - {name: email, type: string}\n  - {name: quantity, type: integer}\n",
    ),
    (
        "intermediate/days.sql",
        "select day, count(*) as orders, sum(quantity) as quantity from staging.lines group by day\n",
    ),
    (
        "intermediate/days.yaml",
        "description: One row per day.\nmaterialized: incremental\nday: day\ngrain: [day]\ncolumns:\n  - {name: day, type: date}\n  \
         - {name: orders, type: integer}\n  - {name: quantity, type: integer}\n",
    ),
    (
        "marts/totals.sql",
        "select day, orders, quantity, sum(quantity) over (order by day) as so_far from intermediate.days\n",
    ),
    (
        "marts/totals.yaml",
        "description: One row per day, and the sum so far.\nmaterialized: table\ngrain: [day]\ncolumns:\n  - {name: day, type: date}\n  \
         - {name: orders, type: integer}\n  - {name: quantity, type: integer}\n  - {name: so_far, type: integer}\n\
         checks:\n  - name: orders_are_counted\n    description: A day has an order.\n    sql: select * from marts.totals where orders < 1\n",
    ),
];

pub const HEADER: &str = "order_id,ordered_at,email,quantity\n";
pub const AS_OF: &str = "2025-03-31";

impl Desk {
    /// A project without raw objects.
    pub fn new() -> Self {
        let desk = Self { folder: tempfile::tempdir().unwrap() };
        desk.write("config/local.yaml", CONFIG);
        desk.write("jobs/nightly.yaml", JOB);
        for (name, text) in MODELS {
            desk.write(&format!("sql/{name}"), text);
        }
        std::fs::create_dir_all(desk.path("raw/orders")).unwrap();
        desk
    }

    pub fn root(&self) -> &Path {
        self.folder.path()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.root().join(name)
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Replaces a text that a file holds once.
    #[track_caller]
    pub fn edit(&self, name: &str, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.path(name)).unwrap();
        assert_eq!(text.matches(from).count(), 1, "`{from}` in {name}");
        self.write(name, text.replace(from, to));
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
        ran(self.command(arguments))
    }

    pub fn spawn(&self, arguments: &[&str]) -> Child {
        self.command(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    pub fn night(&self) -> Ran {
        self.lifecycle(&["run", "nightly", "--as-of", AS_OF])
    }

    pub fn replay(&self) -> Ran {
        self.lifecycle(&["rejected", "replay", "orders", "-o", "csv"])
    }

    /// The rows of a query, in its order.
    pub fn query(&self, sql: &str) -> Rows {
        let ran = self.lifecycle(&["query", sql, "-o", "csv"]).expect(0);
        ran.stdout.lines().skip(1).map(str::to_owned).collect()
    }

    /// Everything that can be seen: landed rows, rejected rows, published tables.
    pub fn everything(&self) -> BTreeMap<String, Rows> {
        let landed = "select order_id, ordered_at, email, quantity, _object, _line from landed.orders order by order_id, _object";
        let totals = "select * from marts.totals order by day";
        let rejected = self.lifecycle(&["rejected", "orders", "-n", "100000", "-o", "csv"]).expect(0);
        BTreeMap::from([
            ("landed".to_owned(), self.query(landed)),
            ("published".to_owned(), self.query(totals)),
            ("rejected".to_owned(), rejected.stdout.lines().map(str::to_owned).collect()),
        ])
    }

    /// The version of the landed table.
    pub fn landed_version(&self) -> usize {
        let log = self.path("warehouse/landed/orders/_delta_log");
        std::fs::read_dir(log).map_or(0, |entries| {
            entries.filter(|entry| entry.as_ref().unwrap().path().extension().is_some_and(|end| end == "json")).count()
        })
    }
}

pub fn ran(mut command: Command) -> Ran {
    let output = command.output().unwrap();
    let ran = Ran {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    };
    assert!(!ran.stderr.contains("panicked"), "{ran:#?}");
    ran
}
