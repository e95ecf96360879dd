//! A store that fails: what repeats, what is settled, and that nothing is lost or doubled whatever call fails.

pub mod dump;
mod landing;
mod listing;
mod retries;
pub mod runs;
pub mod store;
mod uploads;
mod writes;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt;
use lifecycle::storage::{RetryPolicy, Stores};
use object_store::ObjectStore;
use object_store::path::Path;
use url::Url;

use store::{FaultyStore, Plan};

/// Where the faulty store lies.
pub const BUCKET: &str = "s3://bucket";

pub const TRIES: u32 = 4;

/// Four tries, and no time passes between them.
pub fn patience() -> RetryPolicy {
    let mut policy = RetryPolicy::default().with_sleep(|_| futures::future::ready(()).boxed());
    policy.attempts = TRIES;
    policy
}

/// The same, noting how long it would have waited.
pub fn noting_patience() -> (RetryPolicy, Arc<Mutex<Vec<Duration>>>) {
    let waits: Arc<Mutex<Vec<Duration>>> = Arc::default();
    let noted = waits.clone();
    let policy = patience().with_sleep(move |wait| {
        noted.lock().unwrap().push(wait);
        futures::future::ready(()).boxed()
    });
    (policy, waits)
}

pub fn bucket() -> Url {
    Url::parse(BUCKET).unwrap()
}

/// Stores in whose bucket a faulty store lies.
pub fn stores_over(faulty: &Arc<FaultyStore>) -> Stores {
    stores_with(faulty, patience())
}

pub fn stores_with(faulty: &Arc<FaultyStore>, policy: RetryPolicy) -> Stores {
    let stores = Stores::new(&Default::default()).with_retries(policy);
    stores.replace_with_parts(&bucket(), faulty.clone());
    stores
}

/// A faulty store, and the store that is handed out over it.
pub fn opened(plan: Plan) -> (Arc<FaultyStore>, Arc<dyn ObjectStore>) {
    let faulty = Arc::new(FaultyStore::in_memory(plan));
    let (store, _) = stores_over(&faulty).open(&bucket()).unwrap();
    (faulty, store)
}

pub fn path(text: &str) -> Path {
    Path::from(text)
}
