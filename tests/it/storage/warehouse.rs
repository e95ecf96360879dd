use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate};
use lifecycle::storage::{Release, ReleasedTable, StorageError, Stores, Warehouse};
use url::Url;

fn release(number: u64, run_id: &str) -> Release {
    let table = ReleasedTable {
        version: number,
        rows: 3,
        bytes: 100,
        fingerprint: "f".to_owned(),
        definition: "d".to_owned(),
        landed: BTreeMap::from([("orders".to_owned(), 4)]),
        parts: BTreeMap::new(),
        built: None,
        days: BTreeMap::new(),
    };
    Release {
        number,
        job: "nightly".to_owned(),
        run_id: run_id.to_owned(),
        as_of: NaiveDate::from_ymd_opt(2025, 1, 31).unwrap(),
        created_at: DateTime::from_timestamp(1_738_400_000, 0).unwrap(),
        rollback_of: None,
        tables: BTreeMap::from([("marts.churn".to_owned(), table)]),
        landed: BTreeMap::from([("orders".to_owned(), 4)]),
    }
}

#[tokio::test]
async fn a_release_is_created_once_and_the_newest_is_current() {
    let folder = tempfile::tempdir().unwrap();
    let warehouse =
        Warehouse::new(&Stores::new(&Default::default()), &Url::from_directory_path(folder.path()).unwrap());
    assert!(warehouse.current_release("nightly").await.unwrap().is_none());
    warehouse.create_release(&release(1, "a")).await.unwrap();
    warehouse.create_release(&release(2, "b")).await.unwrap();
    // The same record again is a lost acknowledgement; another one is a conflict.
    warehouse.create_release(&release(2, "b")).await.unwrap();
    let error = warehouse.create_release(&release(2, "c")).await.unwrap_err();
    assert!(matches!(error, StorageError::Conflict { .. }), "{error:?}");
    assert_eq!(warehouse.release_numbers("nightly").await.unwrap(), [1, 2]);
    assert_eq!(warehouse.current_release("nightly").await.unwrap().unwrap(), release(2, "b"));
    assert!(warehouse.current_release("hourly").await.unwrap().is_none());
}
