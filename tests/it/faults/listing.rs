//! Listings that break: each entry once, whatever the order in which a store lists.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt};
use object_store::ObjectStoreExt;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::{ObjectStore, PutPayload};

use super::store::Answer::{Forbidden403, Unavailable503};
use super::store::Fault::{Before, Broken};
use super::store::{FaultyStore, Operation, Plan};
use super::{TRIES, bucket, path, stores_over};

const ENTRIES: usize = 23;

async fn filled(inner: Arc<dyn ObjectStore>) -> (Arc<FaultyStore>, Arc<dyn ObjectStore>) {
    let faulty = Arc::new(FaultyStore::new(inner, Plan::Never));
    for entry in 0..ENTRIES {
        let place = path(&format!("folder/{}/{entry}", entry % 3));
        faulty.inner().put(&place, PutPayload::from_static(b"x")).await.unwrap();
    }
    let store = stores_over(&faulty).open(&bucket()).unwrap().0;
    (faulty, store)
}

#[tokio::test]
async fn a_listing_that_breaks_neither_drops_nor_doubles_an_entry() {
    let folder = tempfile::tempdir().unwrap();
    let local = LocalFileSystem::new_with_prefix(folder.path()).unwrap();
    for inner in [Arc::new(InMemory::new()) as Arc<dyn ObjectStore>, Arc::new(local)] {
        let (faulty, store) = filled(inner).await;
        for faults in [
            vec![Broken],
            vec![Broken, Before(Unavailable503), Broken],
            vec![Before(Unavailable503), Before(Unavailable503), Broken],
        ] {
            let breaks = faults.len();
            faulty.plan(Plan::First { of: Operation::List, faults });
            let entries: Vec<_> =
                store.list(Some(&path("folder"))).map_ok(|meta| meta.location).try_collect().await.unwrap();
            assert_eq!(entries.len(), ENTRIES);
            assert_eq!(entries.into_iter().collect::<BTreeSet<_>>().len(), ENTRIES);
            assert_eq!(faulty.calls().len(), breaks + 1);
        }
    }
}

#[tokio::test]
async fn a_listing_that_always_breaks_at_one_place_ends_with_an_error() {
    let (faulty, store) = filled(Arc::new(InMemory::new())).await;
    faulty.plan(Plan::From { of: None, call: 1, fault: Broken });
    let entries: Vec<_> = store.list(None).collect().await;
    assert_eq!(entries.len(), ENTRIES / 2 + 1);
    assert!(entries.last().unwrap().as_ref().unwrap_err().to_string().contains("was tried 4 times"));
    assert_eq!(faulty.calls().len(), TRIES as usize);
    faulty.plan(Plan::From { of: None, call: 1, fault: Before(Forbidden403) });
    assert!(store.list(None).try_collect::<Vec<_>>().await.is_err());
    assert_eq!(faulty.calls().len(), 1);
}
