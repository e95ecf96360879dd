//! Object stores by URL, opened once each.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use object_store::ObjectStore;
use object_store::path::Path;
use url::Url;

use super::StorageError;

/// Opens object stores and keeps them open: one for each scheme and host.
///
/// Credentials come from the environment (`AWS_…`, `AZURE_…`, `GOOGLE_…`); the environment's `storage` options, in the
/// names of object_store (`aws_endpoint`), come before them.
#[derive(Debug, Clone)]
pub struct Stores {
    options: Arc<BTreeMap<String, String>>,
    open: Arc<Mutex<HashMap<String, Arc<dyn ObjectStore>>>>,
}

impl Stores {
    pub fn new(options: &BTreeMap<String, String>) -> Self {
        let mut all: BTreeMap<String, String> = std::env::vars()
            .filter(|(name, _)| ["AWS_", "AZURE_", "GOOGLE_"].iter().any(|prefix| name.starts_with(prefix)))
            .map(|(name, value)| (name.to_ascii_lowercase(), value))
            .collect();
        all.extend(options.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone())));
        Self { options: Arc::new(all), open: Arc::default() }
    }

    /// Puts a store in the place of the one for this URL's scheme and host: for tests that need a faulty or slow one.
    pub fn replace(&self, url: &Url, store: Arc<dyn ObjectStore>) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).insert(host_key(url), store);
    }

    /// Opens the store of a URL; the path is the URL's place in it.
    pub fn open(&self, url: &Url) -> Result<(Arc<dyn ObjectStore>, Path), StorageError> {
        let not_a_location = || StorageError::NotALocation(url.to_string());
        let (_, path) = object_store::ObjectStoreScheme::parse(url).map_err(|_| not_a_location())?;
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(store) = open.get(&host_key(url)) {
            return Ok((store.clone(), path));
        }
        let (store, path) = object_store::parse_url_opts(url, self.options.iter())
            .map_err(|source| StorageError::from_store(url.as_str(), source))?;
        let store: Arc<dyn ObjectStore> = Arc::from(store);
        open.insert(host_key(url), store.clone());
        Ok((store, path))
    }
}

/// `s3://bucket`: what one store serves.
fn host_key(url: &Url) -> String {
    format!("{}://{}", url.scheme(), url.authority())
}
