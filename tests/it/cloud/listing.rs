//! More objects than a page of a listing holds: all of them land, each once.

use std::time::Instant;

use futures::{StreamExt, TryStreamExt};
use lifecycle::land;
use lifecycle::storage::Table;
use object_store::path::Path;
use object_store::{ObjectStoreExt, PutPayload};

use super::servers::Bucket;
use crate::land::{ORDERS, Zone, orders};

/// Every so many objects one has a row that the contract refuses.
const BROKEN: usize = 100;

async fn lands_each_object_once(bucket: &Bucket, objects: usize, landed: usize) {
    let started = Instant::now();
    let store = bucket.store();
    let puts = (0..objects).map(|object| {
        let quantity = if object % BROKEN == 0 { "many" } else { "1" };
        let text = format!("{ORDERS}k{object},1,2024-01-0{}T10:00:00Z,{quantity}\n", object % 9 + 1);
        // What comes behind the part that lands is listed all the same.
        let ending = if object < landed { "csv" } else { "txt" };
        let place = Path::from(format!("raw/orders/{object:05}.{ending}"));
        let store = store.clone();
        async move { store.put(&place, PutPayload::from(text)).await.map(|_| ()) }
    });
    futures::stream::iter(puts).buffer_unordered(16).try_collect::<Vec<()>>().await.unwrap();
    let put = started.elapsed().as_secs_f64();

    let stores = bucket.stores();
    let table = Table::open(&stores, &bucket.url("warehouse/landed/feed")).unwrap();
    let zone = Zone { stores, table, raw: bucket.other_url("raw"), parallelism: 8, ..Zone::new() };
    let every = land::plan_landing(&zone.request(&zone.locate(&orders("orders/*")))).await.unwrap();
    assert_eq!((every.diff.new.len(), every.version()), (objects, None));
    let listed = started.elapsed().as_secs_f64();

    let source = orders("orders/*.csv");
    let report = zone.land(&source).await;
    let rejected = landed.div_ceil(BROKEN);
    assert_eq!((report.objects.len(), report.rows_in()), (landed, landed as u64));
    assert_eq!((report.landed(), report.rejected()), ((landed - rejected) as u64, rejected as u64));
    let mut expected: Vec<String> =
        (0..landed).filter(|object| object % BROKEN != 0).map(|object| format!("k{object}")).collect();
    expected.sort();
    assert_eq!(zone.rows_with(&source, &["order_id"]).await, expected);
    assert_eq!(zone.rejected(&source).await.len(), rejected);
    let again = zone.land(&source).await;
    assert_eq!((again.objects.len(), again.unchanged, again.committed), (0, landed, false));
    println!(
        "{:?}: {objects} objects put in {put:.1} s, listed in {:.1} s; {landed} landed in {:.1} s: {} rows, \
         {rejected} rejected",
        bucket.kind,
        listed - put,
        started.elapsed().as_secs_f64() - listed,
        landed - rejected
    );
}

/// A page of S3 holds 1,000 objects.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lands_past_two_pages_of_s3() {
    if let Some(bucket) = Bucket::on_s3("pages").await {
        lands_each_object_once(&bucket, 2_100, 2_100).await;
    }
}

/// A page of Azure holds 5,000 objects.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lands_past_a_page_of_azure() {
    if let Some(bucket) = Bucket::on_azure("pages").await {
        lands_each_object_once(&bucket, 5_200, 2_100).await;
    }
}
