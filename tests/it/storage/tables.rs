use std::sync::Arc;

use arrow::array::{Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use futures::TryStreamExt;
use lifecycle::storage::{Change, CommitMetadata, DataFile, Snapshot, StorageError, Stores, Table};
use tempfile::TempDir;
use url::Url;

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("number", DataType::Int64, true)]))
}

fn table(folder: &TempDir) -> Table {
    let url = Url::from_directory_path(folder.path().join("numbers")).unwrap();
    Table::open(&Stores::new(&Default::default()), &url).unwrap()
}

async fn write(table: &Table, numbers: &[i64]) -> Vec<DataFile> {
    let batch = RecordBatch::try_new(schema(), vec![Arc::new(Int64Array::from(numbers.to_vec()))]).unwrap();
    let mut writer = table.writer(schema(), Vec::new());
    writer.write(&batch).await.unwrap();
    writer.close().await.unwrap()
}

fn change(add: Vec<DataFile>, remove: Vec<DataFile>) -> Change {
    Change {
        add,
        remove,
        schema: schema(),
        partition_columns: Vec::new(),
        description: Some("numbers".to_owned()),
        metadata: CommitMetadata::from_iter([("why".to_owned(), serde_json::json!("a test"))]),
        transaction: None,
    }
}

async fn numbers(table: &Table, snapshot: &Snapshot) -> Vec<i64> {
    let mut all = Vec::new();
    for file in &snapshot.files {
        let batches: Vec<RecordBatch> = table.read(file, schema()).await.unwrap().try_collect().await.unwrap();
        for batch in batches {
            let column = batch.column(0).as_any().downcast_ref::<Int64Array>().unwrap();
            all.extend(column.values().iter().copied());
        }
    }
    all.sort_unstable();
    all
}

#[tokio::test]
async fn files_are_invisible_until_a_commit_names_them() {
    let folder = tempfile::tempdir().unwrap();
    let table = table(&folder);
    assert!(table.snapshot().await.unwrap().is_none());
    let first = write(&table, &[1, 2]).await;
    assert!(table.snapshot().await.unwrap().is_none());
    let snapshot = table.commit(None, change(first, Vec::new())).await.unwrap();
    assert_eq!((snapshot.version, numbers(&table, &snapshot).await), (0, vec![1, 2]));
    write(&table, &[3]).await;
    let again = table.snapshot().await.unwrap().unwrap();
    assert_eq!(numbers(&table, &again).await, [1, 2]);
}

#[tokio::test]
async fn of_two_writers_from_one_version_exactly_one_wins() {
    let folder = tempfile::tempdir().unwrap();
    let table = table(&folder);
    let base = table.commit(None, change(write(&table, &[0]).await, Vec::new())).await.unwrap();
    let mut writers = Vec::new();
    for number in 1..=8 {
        let change = change(write(&table, &[number]).await, base.files.clone());
        let (table, base) = (table.clone(), base.clone());
        writers.push(tokio::spawn(async move { table.commit(Some(&base), change).await }));
    }
    let mut winners = Vec::new();
    for writer in writers {
        match writer.await.unwrap() {
            Ok(snapshot) => winners.push(snapshot),
            Err(StorageError::Conflict { .. }) => {}
            Err(error) => panic!("{error:?}"),
        }
    }
    assert_eq!(winners.len(), 1);
    let newest = table.snapshot().await.unwrap().unwrap();
    assert_eq!(newest.version, 1);
    assert_eq!(numbers(&table, &newest).await, numbers(&table, &winners[0]).await);
}

#[tokio::test]
async fn of_two_that_make_a_table_exactly_one_wins() {
    let folder = tempfile::tempdir().unwrap();
    let table = table(&folder);
    let (left, right) = (write(&table, &[1]).await, write(&table, &[2]).await);
    let outcomes =
        [table.commit(None, change(left, Vec::new())).await, table.commit(None, change(right, Vec::new())).await];
    assert!(outcomes[0].is_ok());
    assert!(matches!(outcomes[1], Err(StorageError::Conflict { .. })), "{:?}", outcomes[1]);
    let newest = table.snapshot().await.unwrap().unwrap();
    assert_eq!(numbers(&table, &newest).await, [1]);
}

#[tokio::test]
async fn an_older_version_stays_readable_and_facts_stay_with_their_commit() {
    let folder = tempfile::tempdir().unwrap();
    let table = table(&folder);
    let first = table.commit(None, change(write(&table, &[1]).await, Vec::new())).await.unwrap();
    let second = change(write(&table, &[2]).await, first.files.clone());
    table.commit(Some(&first), second).await.unwrap();
    let then = table.snapshot_at(0).await.unwrap();
    assert_eq!(numbers(&table, &then).await, [1]);
    let facts = table.commit_metadata(1).await.unwrap().unwrap();
    assert_eq!(facts.get("why"), Some(&serde_json::json!("a test")));
    assert!(table.commit_metadata(2).await.unwrap().is_none());
}
