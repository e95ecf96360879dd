//! Where a project runs: `config/<name>.yaml`, validated.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Parameters, StateLocation};

/// A place in a store: `file:///…`, `s3://bucket/prefix`, `gs://…`, `az://…`.
///
/// A relative path in YAML is resolved against the project's root; the URL never ends with a slash.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Location(pub url::Url);

/// Where a project runs.
#[derive(Clone)]
pub struct Environment {
    /// The file's stem: `local` for `config/local.yaml`.
    pub name: String,
    /// Where the company's systems drop raw objects: `${raw}` in a source's location.
    pub raw: Location,
    /// Where landed and published tables, releases and exports live.
    pub warehouse: Location,
    /// Where run records and leases are kept.
    pub state: StateLocation,
    /// Business days are days in this zone.
    pub timezone: chrono_tz::Tz,
    /// ISO 4217, three capital letters; money columns are in it.
    pub currency: String,
    /// Bytes.
    pub memory_limit: u64,
    /// Query partitions and concurrent reads; at least 1.
    pub parallelism: usize,
    /// How long a job stays taken by a process that does not answer; a living one renews it.
    pub lease: Duration,
    /// How many days of backfills may be built at once.
    pub backfill_parallel: u64,
    /// How long a call to a store that fails is made again.
    pub store_patience: Duration,
    /// SQL roots, absolute, in order: the first that has a model wins.
    pub sql: Vec<PathBuf>,
    /// The standard parameters with this environment's values, and those the project adds.
    pub parameters: Parameters,
    /// Options for the object stores (`aws_endpoint`, `aws_region`, …), as object_store names them. May be secret.
    pub storage: BTreeMap<String, String>,
    /// The server that sends e-mails.
    pub smtp: Option<Smtp>,
    /// Where OpenLineage events go.
    pub openlineage: Option<OpenLineage>,
}

/// A server that sends e-mails.
#[derive(Clone, PartialEq)]
pub struct Smtp {
    pub host: String,
    pub port: u16,
    pub tls: SmtpTls,
    /// Who signs in; `None`: nobody.
    pub login: Option<SmtpLogin>,
    /// The sender's address.
    pub from: String,
}

/// Name and password. Secret.
#[derive(Clone, PartialEq)]
pub struct SmtpLogin {
    pub user: String,
    pub password: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SmtpTls {
    // Begins in the clear and insists on encryption.
    Starttls,
    // Encrypted from the beginning.
    Tls,
    // In the clear: for a relay on the same machine.
    None,
}

impl fmt::Debug for Smtp {
    /// Everything but the login.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Smtp")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("tls", &self.tls)
            .field("from", &self.from)
            .finish_non_exhaustive()
    }
}

/// Where OpenLineage events go, and the namespace of the jobs in them.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenLineage {
    pub target: LineageTarget,
    pub namespace: String,
}

#[derive(Clone, PartialEq)]
pub enum LineageTarget {
    /// Gets a POST of each event. URL and key may be secret, so they are not printed.
    Url { url: String, api_key: Option<String> },
    /// Gets a file of each run.
    Folder(Location),
}

impl fmt::Debug for LineageTarget {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url { .. } => formatter.write_str("Url(…)"),
            Self::Folder(folder) => formatter.debug_tuple("Folder").field(folder).finish(),
        }
    }
}

impl fmt::Debug for Environment {
    /// Everything but the values of `storage`, which may be secret.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Environment")
            .field("name", &self.name)
            .field("raw", &self.raw.0.as_str())
            .field("warehouse", &self.warehouse.0.as_str())
            .field("state", &self.state)
            .field("timezone", &self.timezone)
            .field("currency", &self.currency)
            .field("memory_limit", &self.memory_limit)
            .field("parallelism", &self.parallelism)
            .field("lease", &self.lease)
            .field("backfill_parallel", &self.backfill_parallel)
            .field("store_patience", &self.store_patience)
            .field("sql", &self.sql)
            .field("parameters", &self.parameters)
            .field("storage", &self.storage.keys().collect::<Vec<_>>())
            .field("smtp", &self.smtp)
            .field("openlineage", &self.openlineage)
            .finish()
    }
}
