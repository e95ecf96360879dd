//! A project's YAML and SQL files: read into raw structs, then validated into the types of this module.
//!
//! Nothing here opens a store or plans a query. Every mistake is a [`Problem`] with its place; all of them are
//! reported together.

mod environment;
mod job;
mod model;
mod parameters;
mod problem;
mod source;

pub use environment::{Environment, Location};
pub use job::{CatchUp, ExportFormat, Job, NotifyTarget, Overlap, Retry, Schedule};
pub use model::{Check, CheckKind, DataType, History, Materialization, Model, ModelColumn, Seed, Severity, TableName};
pub use parameters::{ParameterValue, Parameters};
pub use problem::{Problem, Problems};
pub use source::{ColumnContract, Compression, CsvOptions, Delimiter, Format, MaxRejected, Source, UnknownColumns};

use std::collections::BTreeMap;
use std::path::PathBuf;

/// A project folder, read and validated: where it runs, what runs, and the SQL.
#[derive(Debug, Clone)]
pub struct Project {
    /// The folder that holds `config/`, `jobs/` and `sql/`.
    pub root: PathBuf,
    pub environment: Environment,
    /// By name; the file of job `nightly` is `jobs/nightly.yaml`.
    pub jobs: BTreeMap<String, Job>,
    /// By qualified name (`marts.churn`), over all SQL roots; the first root that has a model wins.
    pub models: BTreeMap<TableName, Model>,
    /// By name; read as `seeds.<name>`.
    pub seeds: BTreeMap<String, Seed>,
}
