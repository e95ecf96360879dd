//! Tables whose files cannot be written: told in the store's words, and nothing panics.

use std::process::Command;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use futures::TryStreamExt;
use lifecycle::storage::{StorageError, Table};
use object_store::ObjectStore;
use url::Url;

use super::dump::told;
use super::runs::{orders, write_project};
use super::store::Answer::{Forbidden403, Timeout, Unavailable503};
use super::store::Fault::{After, Before};
use super::store::{FaultyStore, Operation, Plan};
use super::stores_over;

#[test]
fn a_file_that_cannot_be_written_is_told_without_a_panic() {
    let folder = tempfile::tempdir().unwrap();
    write_project(folder.path(), "raw: raw\nwarehouse: warehouse\n");
    std::fs::create_dir_all(folder.path().join("raw/orders")).unwrap();
    std::fs::write(folder.path().join("raw/orders/1.csv"), orders(&[(1, 1, 1, "10.00")])).unwrap();
    // Where the table's folder should be is a file.
    std::fs::create_dir_all(folder.path().join("warehouse/marts")).unwrap();
    std::fs::write(folder.path().join("warehouse/marts/revenue"), "").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_lifecycle"))
        .current_dir(folder.path())
        .args(["run", "nightly", "--as-of", "2024-03-01"])
        .output()
        .unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("Not a directory") && told.contains("store of `file:"), "{told}");
    assert!(!told.contains("panicked"), "{told}");
}

/// Text that does not compress, in rows of a kilobyte.
fn noise(rows: usize) -> RecordBatch {
    let mut state = 1_u64;
    let mut letter = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b'!' + (state >> 33) as u8 % 90)
    };
    let texts = (0..rows).map(|_| (0..1000).map(|_| letter()).collect::<String>());
    let texts: ArrayRef = Arc::new(StringArray::from_iter_values(texts));
    RecordBatch::try_from_iter([("text", texts)]).unwrap()
}

/// Writes a file of several parts, and reads it back.
async fn write(faulty: &Arc<FaultyStore>, batch: &RecordBatch) -> Result<(), StorageError> {
    let table = Table::open(&stores_over(faulty), &Url::parse("s3://bucket/table").unwrap()).unwrap();
    let mut writer = table.writer(batch.schema(), Vec::new());
    for start in (0..batch.num_rows()).step_by(2000) {
        writer.write(&batch.slice(start, 2000.min(batch.num_rows() - start))).await?;
    }
    let files = writer.close().await?;
    faulty.plan(Plan::Never);
    let mut rows = 0;
    for file in &files {
        let batches: Vec<_> = table.read(file, batch.schema()).await?.try_collect().await?;
        for read in batches {
            assert_eq!(read.column(0), &batch.column(0).slice(rows, read.num_rows()));
            rows += read.num_rows();
        }
    }
    assert_eq!(rows, batch.num_rows());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_of_several_parts_is_whole_or_told_to_have_failed() {
    let batch = noise(7_500);
    for operation in [Operation::Begin, Operation::Part, Operation::Complete] {
        let faults = vec![After(Timeout), Before(Unavailable503), After(Timeout)];
        let faulty = Arc::new(FaultyStore::in_memory(Plan::First { of: operation, faults }));
        write(&faulty, &batch).await.unwrap();
        // One that was begun without an answer is left to the store's own rules.
        assert_eq!(faulty.open_uploads(), if operation == Operation::Begin { 2 } else { 0 }, "{operation:?}");
    }
    for operation in [Operation::Begin, Operation::Part, Operation::Complete] {
        for answer in [Unavailable503, Forbidden403] {
            let faulty =
                Arc::new(FaultyStore::in_memory(Plan::From { of: Some(operation), call: 1, fault: Before(answer) }));
            let error = write(&faulty, &batch).await.unwrap_err();
            let told = told(&error);
            assert!(
                told.contains(if answer == Forbidden403 { "403 Forbidden" } else { "was tried 4 times" }),
                "{told}"
            );
            assert_eq!(faulty.inner().list(None).try_collect::<Vec<_>>().await.unwrap(), []);
            if operation == Operation::Part {
                assert_eq!(faulty.open_uploads(), 0);
            }
        }
    }
}
