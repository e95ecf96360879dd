//! Uploads in parts: parts are sent again, and an end whose outcome is unclear is looked for.

use std::sync::Arc;

use lifecycle::storage::Stores;
use object_store::buffered::BufWriter;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};
use tokio::io::AsyncWriteExt;

use super::store::Answer::{Forbidden403, Internal500, Missing404, Throttled429, Timeout, Unavailable503};
use super::store::Fault::{After, Before};
use super::store::{FaultyStore, Operation, Plan};
use super::{bucket, opened, path, patience};

const PART: usize = 1000;

fn text() -> Vec<u8> {
    (0..PART * 4 + 17).map(|place| (place / 7 % 251) as u8).collect()
}

/// Writes as the writers of Parquet and exports do: parts at once.
async fn upload(store: &Arc<dyn ObjectStore>) -> std::io::Result<()> {
    let mut writer = BufWriter::with_capacity(store.clone(), path("whole"), PART);
    for piece in text().chunks(300) {
        writer.put(piece.to_vec().into()).await?;
    }
    writer.shutdown().await
}

async fn found(faulty: &FaultyStore) -> Option<Vec<u8>> {
    match faulty.inner().get(&path("whole")).await {
        Ok(found) => Some(found.bytes().await.unwrap().to_vec()),
        Err(object_store::Error::NotFound { .. }) => None,
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn every_step_of_an_upload_survives_every_fault_that_may_pass() {
    let faults = [
        Before(Throttled429),
        Before(Internal500),
        Before(Unavailable503),
        Before(Timeout),
        After(Internal500),
        After(Timeout),
    ];
    let mut trials = 0;
    for operation in [Operation::Begin, Operation::Part, Operation::Complete, Operation::Head] {
        for fault in faults.into_iter().filter(|fault| fault.applies(operation)) {
            for old in [None, Some(text())] {
                let (faulty, store) = opened(Plan::Never);
                if let Some(old) = old {
                    faulty.inner().put(&path("whole"), PutPayload::from(old)).await.unwrap();
                }
                let calls = if operation == Operation::Part { 5 } else { 1 };
                for call in 1..=calls {
                    faulty.plan(Plan::Nth { of: Some(operation), call, fault });
                    upload(&store).await.unwrap();
                    assert_eq!(faulty.faults(), 1, "{operation:?} {call}");
                    assert_eq!(found(&faulty).await, Some(text()), "{operation:?} {fault:?} {call}");
                    trials += 1;
                }
            }
        }
    }
    assert!(trials > 80, "{trials}");
}

#[tokio::test]
async fn an_end_without_an_answer_is_looked_for_and_not_repeated() {
    let (faulty, store) = opened(Plan::Nth { of: Some(Operation::Complete), call: 1, fault: After(Timeout) });
    upload(&store).await.unwrap();
    assert_eq!(faulty.calls_of(Operation::Complete), 1);
    // An older object of the same size is not taken for this one.
    faulty.plan(Plan::First { of: Operation::Complete, faults: vec![Before(Timeout)] });
    upload(&store).await.unwrap();
    assert_eq!(faulty.calls_of(Operation::Complete), 2);
}

#[tokio::test]
async fn an_upload_that_fails_for_good_leaves_what_was_there() {
    let steps = [
        (Operation::Begin, Before(Unavailable503)),
        (Operation::Part, Before(Timeout)),
        (Operation::Part, Before(Forbidden403)),
        (Operation::Complete, Before(Unavailable503)),
        (Operation::Complete, Before(Forbidden403)),
        (Operation::Complete, Before(Missing404)),
    ];
    for (operation, fault) in steps {
        let (faulty, store) = opened(Plan::Never);
        faulty.inner().put(&path("whole"), PutPayload::from_static(b"old")).await.unwrap();
        faulty.plan(Plan::From { of: Some(operation), call: 1, fault });
        upload(&store).await.unwrap_err();
        assert_eq!(found(&faulty).await.unwrap(), b"old", "{operation:?} {fault:?}");
    }
}

#[tokio::test]
async fn an_end_that_cannot_be_looked_for_is_told_to_be_unknown() {
    let (faulty, store) = opened(Plan::Never);
    let mut upload = store.put_multipart(&path("whole")).await.unwrap();
    upload.put_part(PutPayload::from_static(b"one")).await.unwrap();
    // From the moment on when what was there has been seen.
    faulty.plan(Plan::From { of: None, call: 2, fault: Before(Timeout) });
    let error = upload.complete().await.unwrap_err();
    assert!(error.to_string().contains("whether upload of `whole` took effect is unknown"), "{error}");
}

#[tokio::test]
async fn an_aborted_upload_is_gone() {
    let (faulty, store) = opened(Plan::Never);
    for fault in [Before(Timeout), After(Timeout)] {
        let mut upload = store.put_multipart(&path("whole")).await.unwrap();
        upload.put_part(PutPayload::from_static(b"one")).await.unwrap();
        faulty.plan(Plan::First { of: Operation::Abort, faults: vec![fault] });
        upload.abort().await.unwrap();
        assert_eq!(faulty.open_uploads(), 0);
    }
}

#[tokio::test]
async fn a_store_that_knows_no_parts_is_uploaded_to_as_it_is() {
    let faulty = Arc::new(FaultyStore::in_memory(Plan::Never));
    let stores = Stores::new(&Default::default()).with_retries(patience());
    stores.replace(&bucket(), faulty.clone());
    let (store, _) = stores.open(&bucket()).unwrap();
    faulty.plan(Plan::First { of: Operation::Begin, faults: vec![Before(Timeout)] });
    upload(&store).await.unwrap();
    assert_eq!(found(&faulty).await, Some(text()));
}
