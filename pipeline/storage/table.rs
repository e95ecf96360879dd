//! One Delta table: its versions, and commits to it.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use chrono::{DateTime, Utc};
use deltalake_core::DeltaTableError;
use deltalake_core::kernel::engine::arrow_conversion::TryIntoKernel;
use deltalake_core::kernel::transaction::{CommitBuilder, CommitProperties, TableReference, TransactionError};
use deltalake_core::kernel::{
    Action, EagerSnapshot, Metadata, MetadataExt, Protocol, StructType, Transaction, new_metadata,
};
use deltalake_core::logstore::{LogStoreRef, StorageConfig, default_logstore};
use deltalake_core::protocol::{DeltaOperation, SaveMode};
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{ObjectStore, ObjectStoreExt};
use serde_json::{Map, Value};
use url::Url;
use uuid::Uuid;

use super::reader::{self, BatchStream};
use super::{DataFile, FileWriter, StorageError, Stores};

/// What a commit says of itself, besides the files: free facts, kept with the version.
pub type CommitMetadata = Map<String, Value>;

/// The key under which a commit carries its own id, so that a writer whose acknowledgement was lost knows its commit.
const COMMIT_ID: &str = "lifecycleCommit";

/// A place where a Delta table is, or will be.
#[derive(Clone)]
pub struct Table {
    url: Url,
    /// Rooted at the table's location.
    store: Arc<dyn ObjectStore>,
    path: Path,
    log_store: LogStoreRef,
}

/// One version of a table: its columns and files.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub version: u64,
    /// Partition columns included.
    pub schema: SchemaRef,
    pub partition_columns: Vec<String>,
    pub files: Vec<DataFile>,
    eager: EagerSnapshot,
}

/// What a commit changes.
#[derive(Debug, Clone)]
pub struct Change {
    pub add: Vec<DataFile>,
    pub remove: Vec<DataFile>,
    /// The table's columns from this version on, partition columns included.
    pub schema: SchemaRef,
    pub partition_columns: Vec<String>,
    /// What the table is, for readers of its metadata.
    pub description: Option<String>,
    pub metadata: CommitMetadata,
    /// An application id and version that readers can ask the table for.
    pub transaction: Option<(String, i64)>,
}

/// What a commit added to a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddedFiles {
    /// `None` where the commit does not say.
    pub committed_at: Option<DateTime<Utc>>,
    /// As the log has them: relative to the table, and URL-encoded.
    pub paths: Vec<String>,
}

impl Snapshot {
    /// What the table's metadata says of it.
    pub fn description(&self) -> Option<&str> {
        self.eager.metadata().description()
    }

    /// The columns with their comments.
    pub fn described_schema(&self) -> SchemaRef {
        self.eager.arrow_schema()
    }
}

impl Table {
    /// Addresses a table; nothing is read or written.
    pub fn open(stores: &Stores, url: &Url) -> Result<Self, StorageError> {
        let (root, path) = stores.open(url)?;
        let store: Arc<dyn ObjectStore> = Arc::new(PrefixStore::new(root.clone(), path.clone()));
        let log_store = default_logstore(store.clone(), root, url, &StorageConfig::default());
        Ok(Self { url: url.clone(), store, path, log_store })
    }

    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The path of a file of this table in the store of its host.
    pub fn file_path(&self, file: &DataFile) -> Path {
        Path::from(format!("{}/{}", self.path, file.path()))
    }

    /// Reads the newest version; `None` where no table is yet.
    pub async fn snapshot(&self) -> Result<Option<Snapshot>, StorageError> {
        if !self.log_store.is_delta_table_location().await.map_err(|error| self.failed(error))? {
            return Ok(None);
        }
        self.load(None).await.map(Some)
    }

    /// Reads one version, which may be older than the newest.
    pub async fn snapshot_at(&self, version: u64) -> Result<Snapshot, StorageError> {
        self.load(Some(version)).await
    }

    async fn load(&self, version: Option<u64>) -> Result<Snapshot, StorageError> {
        let eager =
            EagerSnapshot::try_new(self.log_store.as_ref(), version).await.map_err(|error| self.failed(error))?;
        self.describe(eager).await
    }

    async fn describe(&self, eager: EagerSnapshot) -> Result<Snapshot, StorageError> {
        #[allow(deprecated, reason = "an add action is the form in which a later commit names the file again")]
        let files = eager
            .file_views(self.log_store.as_ref(), None)
            .map_ok(|view| DataFile::new(view.add_action()))
            .try_collect()
            .await
            .map_err(|error| self.failed(error))?;
        Ok(Snapshot {
            version: eager.version(),
            schema: without_comments(&eager.arrow_schema()),
            partition_columns: eager.metadata().partition_columns().to_vec(),
            files,
            eager,
        })
    }

    /// Starts writing files with these columns into the table's folder; they stay invisible until a commit.
    pub fn writer(&self, schema: SchemaRef, partition_columns: Vec<String>) -> FileWriter {
        FileWriter::new(self.url.to_string(), self.store.clone(), schema, partition_columns)
    }

    /// Reads one file's rows with these columns, in this order; a column that the file lacks is null.
    pub async fn read(&self, file: &DataFile, columns: SchemaRef) -> Result<BatchStream, StorageError> {
        reader::read(self.store.clone(), file, columns).await
    }

    /// Deletes files that no commit will name. One that cannot be deleted stays invisible, for `vacuum` to sweep.
    pub async fn discard(&self, files: &[DataFile]) {
        for file in files {
            match self.store.delete(&Path::from(file.path())).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => {
                    // Each of the others would be waited for as long as this one.
                    tracing::debug!(%error, file = file.path(), "unused files could not be deleted");
                    return;
                }
            }
        }
    }

    /// Commits a change on top of `base` (`None`: makes the table) as one version.
    ///
    /// # Errors
    /// [`StorageError::Conflict`] when another writer committed after `base`. An unclear outcome is settled by reading
    /// the log back; where that fails too, the error is [`StorageError::Unclear`]. After [`StorageError::Unread`] the
    /// commit is there; after any other error the log did not have it when it was read.
    pub async fn commit(&self, base: Option<&Snapshot>, change: Change) -> Result<Snapshot, StorageError> {
        let commit_id = Uuid::new_v4().to_string();
        let target = base.map_or(0, |snapshot| snapshot.version + 1);
        let version = match self.try_commit(base, change, &commit_id).await {
            Ok(version) => version,
            Err(error) => {
                self.settle(target, &commit_id, error).await?;
                target
            }
        };
        let table = self.url.to_string();
        self.load(Some(version)).await.map_err(|source| StorageError::Unread {
            table,
            version,
            source: Box::new(source),
        })
    }

    /// Learns from the log whether a commit that seems to have failed landed: what comes after a commit may fail too.
    async fn settle(&self, target: u64, commit_id: &str, error: DeltaTableError) -> Result<(), StorageError> {
        let table = self.url.to_string();
        match self.commit_metadata(target).await {
            Ok(Some(metadata)) if metadata.get(COMMIT_ID).and_then(Value::as_str) == Some(commit_id) => Ok(()),
            Ok(Some(_)) => Err(StorageError::Conflict { table }),
            Ok(None) => Err(self.failed(error)),
            Err(_) if is_conflict(&error) => Err(StorageError::Conflict { table }),
            Err(reading) => {
                tracing::warn!(table, %reading, "the log could not be read back after a commit that failed");
                Err(StorageError::Unclear { table, source: Box::new(error) })
            }
        }
    }

    async fn try_commit(
        &self,
        base: Option<&Snapshot>,
        change: Change,
        commit_id: &str,
    ) -> Result<u64, DeltaTableError> {
        #[allow(
            clippy::disallowed_methods,
            reason = "removed files are kept from the moment of the commit, by the clock"
        )]
        let now = chrono::Utc::now().timestamp_millis();
        let mut actions = Vec::with_capacity(change.add.len() + change.remove.len() + 3);
        if base.is_none() {
            actions.push(Action::Protocol(widest_protocol()?));
        }
        if let Some(metadata) = changed_metadata(base, &change)? {
            actions.push(Action::Metadata(metadata));
        }
        actions.extend(change.remove.iter().map(|file| Action::Remove(file.to_remove(now))));
        actions.extend(change.add.into_iter().map(|file| Action::Add(file.add)));
        if let Some((application, version)) = change.transaction {
            actions.push(Action::Txn(Transaction::new_with_last_update(application, version, Some(now))));
        }
        let mut metadata: HashMap<String, Value> = change.metadata.into_iter().collect();
        metadata.insert(COMMIT_ID.to_owned(), Value::String(commit_id.to_owned()));
        let mode = if change.remove.is_empty() { SaveMode::Append } else { SaveMode::Overwrite };
        let operation = DeltaOperation::Write { mode, partition_by: Some(change.partition_columns), predicate: None };
        let properties = CommitProperties::default().with_metadata(metadata).with_max_retries(0);
        let read = base.map(|snapshot| &snapshot.eager as &dyn TableReference);
        let finalized = CommitBuilder::from(properties)
            .with_actions(actions)
            .build(read, self.log_store.clone(), operation)
            .await?;
        Ok(finalized.version())
    }

    /// The facts that the commit of a version carries; `None` where that version does not exist or its log entry is gone.
    pub async fn commit_metadata(&self, version: u64) -> Result<Option<CommitMetadata>, StorageError> {
        let Some(actions) = self.actions(version).await? else { return Ok(None) };
        let info = actions.into_iter().find_map(|mut action| match action.remove("commitInfo") {
            Some(Value::Object(info)) => Some(info),
            _ => None,
        });
        Ok(Some(info.unwrap_or_default()))
    }

    /// The files that a version added; `None` where that version does not exist or its log entry is gone.
    pub async fn added_files(&self, version: u64) -> Result<Option<AddedFiles>, StorageError> {
        let Some(actions) = self.actions(version).await? else { return Ok(None) };
        let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
        let timestamp = actions.iter().find_map(|action| action.get("commitInfo")?.get("timestamp")?.as_i64());
        Ok(Some(AddedFiles {
            committed_at: timestamp.and_then(DateTime::from_timestamp_millis),
            paths: actions.iter().filter_map(|action| text(action.get("add")?.get("path"))).collect(),
        }))
    }

    async fn actions(&self, version: u64) -> Result<Option<Vec<Map<String, Value>>>, StorageError> {
        let Some(bytes) = self.log_store.read_commit_entry(version).await.map_err(|error| self.failed(error))? else {
            return Ok(None);
        };
        let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let actions = lines.map(serde_json::from_slice).collect::<Result<_, _>>();
        actions.map(Some).map_err(|source| self.failed(DeltaTableError::SerializeLogJson { json_err: source }))
    }

    fn failed(&self, error: DeltaTableError) -> StorageError {
        let table = self.url.to_string();
        match error {
            error if is_conflict(&error) => StorageError::Conflict { table },
            DeltaTableError::ObjectStore { source } => StorageError::from_store(table, source),
            source => StorageError::Delta { table, source: Box::new(source) },
        }
    }
}

impl std::fmt::Debug for Table {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Table").field("url", &self.url.as_str()).finish_non_exhaustive()
    }
}

fn is_conflict(error: &DeltaTableError) -> bool {
    matches!(
        error,
        DeltaTableError::VersionAlreadyExists(_)
            | DeltaTableError::Transaction {
                source: TransactionError::MaxCommitAttempts(_)
                    | TransactionError::VersionAlreadyExists(_)
                    | TransactionError::CommitConflict(_),
            }
    )
}

/// The metadata action that a commit needs: for a new table, and where columns or description changed.
fn changed_metadata(base: Option<&Snapshot>, change: &Change) -> Result<Option<Metadata>, DeltaTableError> {
    let schema: StructType = with_comments_only(&change.schema)
        .as_ref()
        .try_into_kernel()
        .map_err(|source| DeltaTableError::Arrow { source })?;
    if let Some(base) = base {
        let current = base.eager.metadata();
        let same_schema = base.eager.schema().as_ref() == &schema;
        if same_schema && change.description.as_deref() == current.description() {
            return Ok(None);
        }
    }
    // Rollback reaches as far back as the log does.
    let configuration = [("delta.logRetentionDuration", "interval 365 days")];
    let mut metadata = new_metadata(&schema, &change.partition_columns, configuration)?;
    if let Some(base) = base {
        metadata = metadata.with_table_id(base.eager.metadata().id().to_owned())?;
    }
    if let Some(description) = &change.description {
        metadata = metadata.with_description(description.clone())?;
    }
    Ok(Some(metadata))
}

/// The key of a column's metadata under which readers of Delta look for what the column is.
pub const COLUMN_COMMENT: &str = "comment";

/// Every column nullable and bare but for its comment: what a table promises is checked, not left to the format.
fn with_comments_only(schema: &SchemaRef) -> SchemaRef {
    let fields = schema.fields().iter().map(|field| {
        let comment = field.metadata().get(COLUMN_COMMENT).map(|text| (COLUMN_COMMENT.to_owned(), text.clone()));
        Field::new(field.name(), field.data_type().clone(), true).with_metadata(comment.into_iter().collect())
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// A schema without what its columns say of themselves: batches of two versions of a table have equal ones.
fn without_comments(schema: &SchemaRef) -> SchemaRef {
    let fields = schema.fields().iter().map(|field| field.as_ref().clone().with_metadata(HashMap::new()));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// Reader 1, writer 2: every engine that reads Delta reads these tables.
fn widest_protocol() -> Result<Protocol, DeltaTableError> {
    serde_json::from_value(serde_json::json!({"minReaderVersion": 1, "minWriterVersion": 2}))
        .map_err(|source| DeltaTableError::SerializeLogJson { json_err: source })
}
