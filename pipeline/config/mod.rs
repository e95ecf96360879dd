//! A project's YAML and SQL files: read into raw structs, then validated into the types of this module.
//!
//! Nothing here opens a store or plans a query. Every mistake is a [`Problem`] with its place; all of them are
//! reported together. The way of a file: [`load_project`] reads its text, `yaml` makes a tree with places of it, the
//! tree is compared with the JSON Schema of its raw struct, and `validate` turns the raw struct into the types here.

mod cases;
mod csv;
mod document;
mod environment;
mod job;
mod load;
mod location;
mod model;
mod parameters;
mod problem;
mod raw;
mod selectors;
mod source;
mod state_location;
mod text;
mod validate;
mod yaml;
mod zones;

pub use cases::{Case, CaseRow};
pub use environment::{Environment, LineageTarget, Location, OpenLineage, Smtp, SmtpLogin, SmtpTls};
pub use job::{Blackout, CatchUp, ExportFormat, Job, Notify, NotifyTarget, Overlap, Retry, Schedule};
pub use load::{
    JobsAlone, check_other_environments, load_cases, load_environment, load_jobs_alone, load_project,
    load_project_to_look,
};
pub use model::{Check, CheckKind, DataType, History, Materialization, Model, ModelColumn, Seed, Severity, TableName};
pub use parameters::{
    ParameterError, ParameterValue, Parameters, STANDARD_PARAMETERS, StandardParameter, standard_parameter,
};
pub use problem::{Problem, Problems};
pub use raw::json_schemas;
pub use selectors::{ModelGraph, SelectorError, select_models};
pub use source::{ColumnContract, Compression, CsvOptions, Delimiter, Format, MaxRejected, Source, UnknownColumns};
pub use state_location::{PostgresLocation, StateLocation};
pub use text::Value;
pub(crate) use text::parse_duration;
pub use validate::cron_parser;
pub(crate) use zones::{FURTHEST_OFFSET, first_instant, local};

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

impl Project {
    /// Every source that some job lands. A source belongs to one job; every model may read what it brings.
    pub fn sources(&self) -> impl Iterator<Item = &Source> {
        self.jobs.values().flat_map(|job| &job.sources)
    }
}
