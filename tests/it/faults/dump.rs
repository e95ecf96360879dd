//! Everything that lies in a bucket, as text that can be compared.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use futures::TryStreamExt;
use lifecycle::storage::{Snapshot, StorageError, Table, Warehouse};
use object_store::ObjectStoreExt;

/// Rows as text, sorted.
pub type Rows = Vec<String>;

/// All rows of one version of a table, all columns; every file that the version names must be there.
pub async fn rows(table: &Table, snapshot: &Snapshot) -> Rows {
    try_rows(table, snapshot, &[]).await.unwrap()
}

/// The same without some columns, or why it cannot be read.
pub async fn try_rows(table: &Table, snapshot: &Snapshot, hidden: &[&str]) -> Result<Rows, StorageError> {
    let fields = snapshot.schema.fields().iter().filter(|field| !hidden.contains(&field.name().as_str()));
    let schema = Arc::new(Schema::new(fields.cloned().collect::<Vec<_>>()));
    let options = FormatOptions::default().with_null("null");
    let mut rows = Vec::new();
    for file in &snapshot.files {
        let batches: Vec<RecordBatch> = table.read(file, schema.clone()).await?.try_collect().await?;
        for batch in &batches {
            let columns: Vec<_> =
                batch.columns().iter().map(|column| ArrayFormatter::try_new(column, &options).unwrap()).collect();
            for row in 0..batch.num_rows() {
                rows.push(columns.iter().map(|column| column.value(row).to_string()).collect::<Vec<_>>().join("|"));
            }
        }
    }
    rows.sort();
    Ok(rows)
}

/// A landed table as it is now, all kinds of rows; empty where it is none yet.
pub async fn landed(table: &Table) -> Rows {
    match table.snapshot().await.unwrap() {
        Some(snapshot) => rows(table, &snapshot).await,
        None => Vec::new(),
    }
}

/// What readers of a job's current release see: the release's number and the rows of its tables.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Published {
    pub release: Option<u64>,
    pub tables: BTreeMap<String, Rows>,
}

pub async fn published(warehouse: &Warehouse, job: &str) -> Published {
    let Some(release) = warehouse.current_release(job).await.unwrap() else { return Published::default() };
    let mut tables = BTreeMap::new();
    for (name, released) in &release.tables {
        let (schema, table) = name.split_once('.').unwrap();
        let table = warehouse.table(schema, table).unwrap();
        let snapshot = table.snapshot_at(released.version).await.unwrap();
        let rows = rows(&table, &snapshot).await;
        assert_eq!(rows.len() as u64, released.rows, "{name}");
        tables.insert(name.clone(), rows);
    }
    Published { release: Some(release.number), tables }
}

/// The CSV exports of a job, their lines sorted, and the release that they say they are of.
pub async fn exports(warehouse: &Warehouse, job: &str, names: &[&str]) -> BTreeMap<String, Rows> {
    let mut all = BTreeMap::new();
    for name in names {
        let (store, path) = warehouse.export(job, name).unwrap();
        let bytes = store.get(&path).await.unwrap().bytes().await.unwrap();
        let mut lines: Rows = String::from_utf8(bytes.to_vec()).unwrap().lines().map(str::to_owned).collect();
        lines.sort();
        all.insert((*name).to_owned(), lines);
    }
    all
}

/// An error and its causes in one line.
pub fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
