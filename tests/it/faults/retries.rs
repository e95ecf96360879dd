//! What is repeated, what is not, and how an unclear outcome is settled.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use lifecycle::storage::Stores;
use object_store::local::LocalFileSystem;
use object_store::{Error, GetOptions, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};

use super::store::Answer::*;
use super::store::Fault::{self, After, Before, Broken, Short};
use super::store::{FaultyStore, Operation, Plan};
use super::{TRIES, bucket, noting_patience, opened, path, patience, stores_over, stores_with};

/// Faults after which the same call may succeed.
const PASSING: [Fault; 10] = [
    Before(Throttled429),
    Before(Internal500),
    Before(Unavailable503),
    Before(Timeout),
    Before(Reset),
    After(Internal500),
    After(Unavailable503),
    After(Timeout),
    Short,
    Broken,
];

/// Faults after which it would not.
const FINAL: [Fault; 5] =
    [Before(Bad400), Before(Forbidden403), Before(Missing404), Before(NotImplemented501), Before(DiskFull)];

const TEXT: &[u8] = b"what lies in the object, long enough to break in the middle";

fn text() -> PutPayload {
    PutPayload::from_static(TEXT)
}

fn create() -> PutOptions {
    PutOptions::from(PutMode::Create)
}

/// Makes one call of an operation on a store where `old` and `new/…` lie, and tells what came of it.
async fn call(store: &Arc<dyn ObjectStore>, operation: Operation) -> object_store::Result<String> {
    Ok(match operation {
        Operation::Put => {
            store.put(&path("put"), text()).await?;
            "put".to_owned()
        }
        Operation::Create => {
            store.put_opts(&path("created"), text(), create()).await?;
            "created".to_owned()
        }
        Operation::Get => {
            let whole = store.get(&path("old")).await?.bytes().await?;
            let part = store.get_range(&path("old"), 5..25).await?;
            let parts = store.get_ranges(&path("old"), &[0..4, 30..50]).await?;
            format!("{whole:?} {part:?} {parts:?}")
        }
        Operation::Head => format!("{}", store.head(&path("old")).await?.size),
        Operation::List => {
            let entries: Vec<_> = store.list(Some(&path("new"))).map_ok(|meta| meta.location).try_collect().await?;
            let after: Vec<_> = store
                .list_with_offset(Some(&path("new")), &path("new/3"))
                .map_ok(|meta| meta.location)
                .try_collect()
                .await?;
            let level = store.list_with_delimiter(None).await?;
            format!("{entries:?} {after:?} {:?} {}", level.common_prefixes, level.objects.len())
        }
        Operation::Delete => {
            store.delete(&path("old")).await?;
            "deleted".to_owned()
        }
        Operation::Copy => {
            store.copy(&path("old"), &path("copied")).await?;
            "copied".to_owned()
        }
        Operation::Begin | Operation::Part | Operation::Complete | Operation::Abort => unreachable!("see uploads.rs"),
    })
}

const OPERATIONS: [Operation; 7] = [
    Operation::Put,
    Operation::Create,
    Operation::Get,
    Operation::Head,
    Operation::List,
    Operation::Delete,
    Operation::Copy,
];

async fn filled() -> (Arc<FaultyStore>, Arc<dyn ObjectStore>) {
    let (faulty, store) = opened(Plan::Never);
    faulty.inner().put(&path("old"), text()).await.unwrap();
    for name in 0..7 {
        faulty.inner().put(&path(&format!("new/{name}")), text()).await.unwrap();
    }
    (faulty, store)
}

/// All objects with their bytes.
async fn contents(store: &dyn ObjectStore) -> Vec<(String, Bytes)> {
    let mut all = Vec::new();
    let paths: Vec<_> = store.list(None).map_ok(|meta| meta.location).try_collect().await.unwrap();
    for path in paths {
        all.push((path.to_string(), store.get(&path).await.unwrap().bytes().await.unwrap()));
    }
    all
}

#[tokio::test]
async fn what_may_pass_is_repeated_at_each_call_of_each_operation() {
    let mut trials = 0;
    for operation in OPERATIONS {
        let (undisturbed, store) = filled().await;
        let expected = call(&store, operation).await.unwrap();
        let after = contents(undisturbed.inner().as_ref()).await;
        let calls = undisturbed.calls_of(operation);
        for fault in PASSING.into_iter().filter(|fault| fault.applies(operation)) {
            for number in 1..=calls {
                let (faulty, store) = filled().await;
                faulty.plan(Plan::Nth { of: Some(operation), call: number, fault });
                let got = call(&store, operation).await;
                assert_eq!(got.as_ref().ok(), Some(&expected), "{operation:?} {fault:?} {number}: {got:?}");
                assert_eq!(contents(faulty.inner().as_ref()).await, after, "{operation:?} {fault:?} {number}");
                assert_eq!(faulty.faults(), 1);
                trials += 1;
            }
        }
    }
    assert!(trials > 70, "{trials}");
}

#[tokio::test]
async fn what_will_not_pass_is_told_at_once() {
    for operation in OPERATIONS {
        for fault in FINAL {
            let (faulty, store) = filled().await;
            let before = contents(faulty.inner().as_ref()).await;
            faulty.plan(Plan::From { of: Some(operation), call: 1, fault });
            call(&store, operation).await.unwrap_err();
            assert_eq!(faulty.calls_of(operation), 1, "{operation:?} {fault:?}");
            assert_eq!(contents(faulty.inner().as_ref()).await, before);
        }
    }
}

#[tokio::test]
async fn a_store_that_stays_broken_is_tried_so_often_with_growing_waits_and_the_error_says_so() {
    for operation in OPERATIONS {
        let (faulty, _) = filled().await;
        let (mut policy, waits) = noting_patience();
        policy.attempts = 6;
        policy.first_backoff = Duration::from_millis(200);
        policy.longest_backoff = Duration::from_millis(900);
        let (store, _) = stores_with(&faulty, policy).open(&bucket()).unwrap();
        faulty.plan(Plan::From { of: Some(operation), call: 1, fault: Before(Unavailable503) });
        let error = call(&store, operation).await.unwrap_err();
        assert_eq!(faulty.calls_of(operation), 6, "{operation:?}");
        let text = error.to_string();
        assert!(text.contains("was tried 6 times"), "{text}");
        let source = std::error::Error::source(&error).unwrap();
        assert!(std::error::Error::source(source).unwrap().to_string().contains("503 Service Unavailable"));
        let waits = waits.lock().unwrap().clone();
        let ceilings = [200, 400, 800, 900, 900].map(Duration::from_millis);
        assert_eq!(waits.len(), ceilings.len());
        assert!(waits.iter().zip(ceilings).all(|(wait, ceiling)| *wait <= ceiling), "{waits:?}");
        assert!(waits.iter().any(|wait| !wait.is_zero()));
    }
}

#[tokio::test]
async fn no_try_begins_after_patience_has_run_out() {
    let (faulty, _) = filled().await;
    let mut policy = patience();
    policy.patience = Duration::ZERO;
    let (store, _) = stores_with(&faulty, policy).open(&bucket()).unwrap();
    faulty.plan(Plan::From { of: None, call: 1, fault: Before(Internal500) });
    store.head(&path("old")).await.unwrap_err();
    assert_eq!(faulty.calls().len(), 1);
}

#[tokio::test]
async fn a_body_goes_on_where_it_broke_and_only_while_it_comes_no_further_are_tries_counted() {
    let (faulty, store) = filled().await;
    // Each call brings half of what is left: more calls than tries, and still the whole.
    for fault in [Short, Broken] {
        faulty.plan(Plan::From { of: Some(Operation::Get), call: 1, fault });
        let error = store.get(&path("old")).await.unwrap().bytes().await.unwrap_err();
        assert!(faulty.calls().len() > TRIES as usize + 3, "{}", faulty.calls().len());
        assert!(error.to_string().contains("was tried 4 times"), "{error}");
        faulty.plan(Plan::First { of: Operation::Get, faults: vec![fault; 6] });
        assert_eq!(store.get(&path("old")).await.unwrap().bytes().await.unwrap(), TEXT);
        assert_eq!(faulty.calls().len(), 7);
        faulty.plan(Plan::First { of: Operation::Get, faults: vec![fault, Before(Timeout), After(Timeout), fault] });
        let options = GetOptions::new().with_range(Some(10..40));
        assert_eq!(store.get_opts(&path("old"), options).await.unwrap().bytes().await.unwrap(), TEXT[10..40]);
    }
}

#[tokio::test]
async fn a_body_never_goes_on_with_another_version_of_the_object() {
    for new in [&b"another"[..], TEXT] {
        let (faulty, store) = filled().await;
        faulty.plan(Plan::Nth { of: None, call: 1, fault: Broken });
        let mut body = store.get(&path("old")).await.unwrap().into_stream();
        let first = body.next().await.unwrap().unwrap();
        assert!(TEXT.starts_with(&first));
        faulty.inner().put(&path("old"), PutPayload::from(new.to_vec())).await.unwrap();
        let rest: Vec<_> = body.collect().await;
        assert!(matches!(rest.last(), Some(Err(Error::Precondition { .. }))), "{rest:?}");
    }
    let (faulty, store) = filled().await;
    faulty.plan(Plan::Nth { of: None, call: 1, fault: Broken });
    let body = store.get(&path("old")).await.unwrap();
    faulty.inner().delete(&path("old")).await.unwrap();
    assert!(matches!(body.bytes().await, Err(Error::NotFound { .. })));
}

#[tokio::test]
async fn a_local_file_is_handed_out_as_it_is_and_what_is_past_an_end_is_told() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a"), TEXT).unwrap();
    let stores = Stores::new(&Default::default());
    let (store, place) = stores.open(&url::Url::from_file_path(folder.path().join("a")).unwrap()).unwrap();
    let found = store.get(&place).await.unwrap();
    assert!(matches!(found.payload, object_store::GetResultPayload::File(..)));
    assert_eq!(store.get_ranges(&place, &[0..4, 2..6]).await.unwrap(), [&TEXT[..4], &TEXT[2..6]]);
    let (faulty, store) = opened(Plan::Never);
    store.put(&path("short"), PutPayload::from_static(b"abc")).await.unwrap();
    let error = store.get_ranges(&path("short"), &[0..1, 8..10]).await.unwrap_err();
    assert!(error.to_string().contains("ends 7 bytes after `short`"), "{error}");
    assert_eq!(faulty.calls_of(Operation::Get), 1);
}

#[tokio::test]
async fn a_create_whose_acknowledgement_was_lost_is_found_to_have_landed() {
    for answer in [Conflict409, Precondition412, Internal500, Unavailable503, Timeout, Reset] {
        let (faulty, store) = opened(Plan::Nth { of: Some(Operation::Create), call: 1, fault: After(answer) });
        let made = store.put_opts(&path("created"), text(), create()).await.unwrap();
        assert_eq!(made.e_tag, faulty.inner().head(&path("created")).await.unwrap().e_tag);
        assert_eq!(faulty.calls_of(Operation::Create), 1, "{answer:?}");
    }
}

#[tokio::test]
async fn a_create_that_was_refused_though_nothing_is_there_is_made_again() {
    for answer in [Conflict409, Precondition412, Throttled429, Timeout] {
        let (faulty, store) = opened(Plan::Nth { of: Some(Operation::Create), call: 1, fault: Before(answer) });
        store.put_opts(&path("created"), text(), create()).await.unwrap();
        assert_eq!(faulty.calls_of(Operation::Create), 2, "{answer:?}");
        faulty.plan(Plan::From { of: Some(Operation::Create), call: 1, fault: Before(answer) });
        let error = store.put_opts(&path("other"), text(), create()).await.unwrap_err();
        assert!(error.to_string().contains("was tried 4 times"), "{error}");
        assert!(faulty.inner().head(&path("other")).await.is_err());
    }
}

#[tokio::test]
async fn a_create_of_what_another_made_is_refused() {
    for (theirs, fault) in [
        (&b"theirs"[..], None),
        (&TEXT[1..], None),
        // The same bytes, but not by this call.
        (TEXT, None),
        (&b"theirs"[..], Some(Before(Timeout))),
        (&b"theirs"[..], Some(Before(Conflict409))),
        (&TEXT[1..], Some(Before(Unavailable503))),
    ] {
        let faults = fault.into_iter().collect();
        let (faulty, store) = opened(Plan::First { of: Operation::Create, faults });
        faulty.inner().put(&path("created"), PutPayload::from(theirs.to_vec())).await.unwrap();
        let error = store.put_opts(&path("created"), text(), create()).await.unwrap_err();
        assert!(matches!(error, Error::AlreadyExists { .. }), "{fault:?} {error:?}");
        assert_eq!(faulty.inner().get(&path("created")).await.unwrap().bytes().await.unwrap(), theirs);
    }
}

#[tokio::test]
async fn a_create_that_cannot_be_read_back_is_told_to_be_unknown() {
    for fault in [After(Timeout), Before(Timeout), After(Conflict409)] {
        let dead = Plan::From { of: Some(Operation::Get), call: 1, fault: Before(Unavailable503) };
        let lost = Plan::From { of: Some(Operation::Create), call: 1, fault };
        let (faulty, store) = opened(Plan::Either(Box::new(lost), Box::new(dead)));
        let error = store.put_opts(&path("created"), text(), create()).await.unwrap_err();
        assert_eq!(faulty.calls_of(Operation::Create), 1);
        let text = error.to_string();
        assert!(text.contains("whether put of `created` took effect is unknown"), "{text}");
    }
    // Refused at once: not by this call, whether it can be read or not.
    let (_, store) = opened(Plan::From { of: None, call: 1, fault: Before(Conflict409) });
    let error = store.put_opts(&path("created"), text(), create()).await.unwrap_err();
    assert!(matches!(error, Error::AlreadyExists { .. }), "{error:?}");
}

#[tokio::test]
async fn a_conflict_does_not_end_a_put_over_what_is_there() {
    let (faulty, store) = filled().await;
    faulty.plan(Plan::First { of: Operation::Put, faults: vec![Before(Conflict409), After(Unavailable503)] });
    store.put(&path("old"), PutPayload::from_static(b"new")).await.unwrap();
    assert_eq!(store.get(&path("old")).await.unwrap().bytes().await.unwrap(), "new");
}

#[tokio::test]
async fn what_was_deleted_without_an_answer_is_deleted_and_what_never_was_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let local = LocalFileSystem::new_with_prefix(folder.path()).unwrap();
    let faulty = Arc::new(FaultyStore::new(Arc::new(local), Plan::Never));
    let (store, _) = stores_over(&faulty).open(&bucket()).unwrap();
    store.put(&path("a"), text()).await.unwrap();
    faulty.plan(Plan::Nth { of: None, call: 1, fault: After(Timeout) });
    store.delete(&path("a")).await.unwrap();
    assert!(matches!(store.delete(&path("a")).await, Err(Error::NotFound { .. })));
}

#[tokio::test]
async fn many_objects_are_deleted_though_the_call_for_all_of_them_fails() {
    let names: Vec<_> = (0..5).map(|name| path(&format!("many/{name}"))).collect();
    let all = || futures::stream::iter(names.clone().into_iter().map(Ok)).boxed();
    for faults in [vec![Before(Timeout)], vec![After(Timeout), Before(Unavailable503)]] {
        let faulty = Arc::new(FaultyStore::in_memory(Plan::Never).deleting_at_once());
        let (store, _) = stores_over(&faulty).open(&bucket()).unwrap();
        for name in &names {
            store.put(name, text()).await.unwrap();
        }
        faulty.plan(Plan::First { of: Operation::Delete, faults });
        let deleted: Vec<_> = store.delete_stream(all()).try_collect().await.unwrap();
        assert_eq!(deleted, names);
        assert!(contents(store.as_ref()).await.is_empty());
    }
    let (faulty, store) = opened(Plan::From { of: Some(Operation::Delete), call: 1, fault: Before(Timeout) });
    let outcomes: Vec<_> = store.delete_stream(all()).collect().await;
    assert!(outcomes.len() == 5 && outcomes.iter().all(Result::is_err));
    // The store is waited for once, not for each object.
    assert_eq!(faulty.calls().len(), 5 + TRIES as usize - 1);
}

#[tokio::test]
async fn whatever_fails_with_a_third_of_all_calls_what_was_acknowledged_is_there() {
    let mut policy = patience();
    policy.attempts = 30;
    let mut faults = 0;
    for seed in 0..40 {
        let plan = Plan::Share { share: 0.33, faults: PASSING.to_vec(), seed };
        let faulty = Arc::new(FaultyStore::in_memory(plan));
        let (store, _) = stores_with(&faulty, policy.clone()).open(&bucket()).unwrap();
        let mut expected = Vec::new();
        for number in 0..20_u64 {
            let place = path(&format!("{:02}", number * 7 % 20));
            let bytes = format!("{seed} {number} {}", "x".repeat(number as usize * 11));
            let options = if number % 2 == 0 { create() } else { PutOptions::default() };
            store.put_opts(&place, PutPayload::from(bytes.clone()), options).await.unwrap();
            if number % 5 == 4 {
                store.delete(&place).await.unwrap();
            } else {
                expected.push((place.to_string(), Bytes::from(bytes)));
            }
        }
        expected.sort();
        assert_eq!(contents(store.as_ref()).await, expected);
        faults += faulty.faults();
        assert_eq!(contents(faulty.inner().as_ref()).await, expected);
    }
    assert!(faults > 500, "{faults}");
}
