//! The warehouse: where landed and published tables, releases and exports lie under one location.
//!
//! ```text
//! landed/<source>/             a Delta table for each source
//! <schema>/<table>/            a Delta table for each model that is not a view, and its <table>_history
//! releases/<job>/<number>.json which version of each table a release is made of
//! publishing/<job>/<run>.json  a publication that has begun: the tables that it may commit
//! exports/<job>/<table>.<ending>
//! exports/<job>/release.json   which release the exports are of
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};
use serde::{Deserialize, Serialize};
use url::Url;

use super::{StorageError, Stores, Table, join};

/// One warehouse.
#[derive(Debug, Clone)]
pub struct Warehouse {
    stores: Stores,
    root: Url,
}

/// A consistent set of table versions that passed its checks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// From 1, without gaps for one job; `vacuum` drops the oldest.
    pub number: u64,
    pub job: String,
    pub run_id: String,
    /// The business day of the current tables.
    pub as_of: NaiveDate,
    pub created_at: DateTime<Utc>,
    /// The release whose tables this one brought back.
    pub rollback_of: Option<u64>,
    /// By qualified name, history tables included.
    pub tables: BTreeMap<String, ReleasedTable>,
    /// The landed tables as the run read them: source to Delta version.
    pub landed: BTreeMap<String, u64>,
}

/// One table of a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleasedTable {
    /// The Delta version.
    pub version: u64,
    pub rows: u64,
    pub bytes: u64,
    /// Of everything that its rows depend on; equal fingerprints mean equal rows.
    pub fingerprint: String,
    /// Of everything but the landed data.
    pub definition: String,
    /// The landed versions that its rows come from; of a history those up to which it is known which of its days lack facts.
    pub landed: BTreeMap<String, u64>,
    /// The named parts of the definition, each as a hash; none in records of older programs.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parts: BTreeMap<String, String>,
    /// Which release committed this version; none in records of older programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub built: Option<Built>,
    /// Of a history: what is known of its days. None in records of older programs.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub days: BTreeMap<NaiveDate, HistoryDay>,
}

/// The release that committed a version of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Built {
    pub release: u64,
    pub run_id: String,
    pub at: DateTime<Utc>,
}

/// What is known of a day of a history.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryDay {
    /// The release that wrote its rows; 0 where an older program did.
    pub release: u64,
    /// Facts that its rows lack because they landed later: by source, the earliest day of such facts.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub late: BTreeMap<String, NaiveDate>,
}

impl Warehouse {
    pub fn new(stores: &Stores, root: &Url) -> Self {
        Self { stores: stores.clone(), root: root.clone() }
    }

    pub fn stores(&self) -> &Stores {
        &self.stores
    }

    pub fn root(&self) -> &Url {
        &self.root
    }

    /// The Delta table of a model: `marts/churn`.
    pub fn table(&self, schema: &str, table: &str) -> Result<Table, StorageError> {
        Table::open(&self.stores, &join(&self.root, &format!("{schema}/{table}")))
    }

    /// The numbers of a job's releases, ascending.
    pub async fn release_numbers(&self, job: &str) -> Result<Vec<u64>, StorageError> {
        let (store, prefix) = self.stores.open(&join(&self.root, &format!("releases/{job}")))?;
        let names: Vec<_> = match store.list(Some(&prefix)).map_ok(|meta| meta.location).try_collect().await {
            Ok(names) => names,
            Err(object_store::Error::NotFound { .. }) => Vec::new(),
            Err(source) => return Err(StorageError::from_store(self.root.as_str(), source)),
        };
        let mut numbers: Vec<u64> = names.iter().filter_map(release_number).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// The jobs that have published something, in order.
    pub async fn jobs_with_releases(&self) -> Result<Vec<String>, StorageError> {
        let (store, prefix) = self.stores.open(&join(&self.root, "releases"))?;
        match store.list_with_delimiter(Some(&prefix)).await {
            Ok(listed) => {
                Ok(listed.common_prefixes.iter().filter_map(|job| job.filename().map(str::to_owned)).collect())
            }
            Err(object_store::Error::NotFound { .. }) => Ok(Vec::new()),
            Err(source) => Err(StorageError::from_store(self.root.as_str(), source)),
        }
    }

    /// The newest release of a job; `None` before the first.
    pub async fn current_release(&self, job: &str) -> Result<Option<Release>, StorageError> {
        match self.release_numbers(job).await?.last() {
            Some(number) => self.release(job, *number).await.map(Some),
            None => Ok(None),
        }
    }

    pub async fn release(&self, job: &str, number: u64) -> Result<Release, StorageError> {
        let (store, path) = self.release_place(job, number)?;
        let failed = |source| StorageError::from_store(format!("{}/{path}", self.root), source);
        let bytes = store.get(&path).await.map_err(failed)?.bytes().await.map_err(failed)?;
        serde_json::from_slice(&bytes).map_err(|source| StorageError::Record { path: path.to_string(), source })
    }

    /// Writes a release record, which makes the release the current one.
    ///
    /// # Errors
    /// [`StorageError::Conflict`] when a release of that number exists already.
    pub async fn create_release(&self, release: &Release) -> Result<(), StorageError> {
        let (store, path) = self.release_place(&release.job, release.number)?;
        let text = serde_json::to_vec_pretty(release)
            .map_err(|source| StorageError::Record { path: path.to_string(), source })?;
        let options = PutOptions::from(PutMode::Create);
        match store.put_opts(&path, PutPayload::from(text), options).await {
            Ok(_) => Ok(()),
            // Only a put of this run makes this record, be it one whose acknowledgement was lost below the store.
            Err(object_store::Error::AlreadyExists { .. }) => match self.release(&release.job, release.number).await? {
                found if found == *release => Ok(()),
                _ => Err(StorageError::Conflict { table: path.to_string() }),
            },
            Err(source) => Err(StorageError::from_store(path.to_string(), source)),
        }
    }

    /// Deletes a release record, after which nobody can read or bring back that release.
    pub async fn drop_release(&self, job: &str, number: u64) -> Result<(), StorageError> {
        let (store, path) = self.release_place(job, number)?;
        match store.delete(&path).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(source) => Err(StorageError::from_store(path.to_string(), source)),
        }
    }

    /// The place of an export.
    pub fn export(&self, job: &str, file: &str) -> Result<(Arc<dyn ObjectStore>, Path), StorageError> {
        self.stores.open(&join(&self.root, &format!("exports/{job}/{file}")))
    }

    fn release_place(&self, job: &str, number: u64) -> Result<(Arc<dyn ObjectStore>, Path), StorageError> {
        self.stores.open(&join(&self.root, &format!("releases/{job}/{number:08}.json")))
    }
}

fn release_number(path: &Path) -> Option<u64> {
    path.filename()?.strip_suffix(".json")?.parse().ok()
}
