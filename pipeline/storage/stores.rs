//! Object stores by URL, opened once each.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::multipart::MultipartStore;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreScheme};
use url::Url;

use super::{RetryPolicy, RetryingStore, StorageError};

/// Opens object stores and keeps them open: one for each scheme and host. Each repeats what fails and may pass.
///
/// Credentials come from the environment (`AWS_…`, `AZURE_…`, `GOOGLE_…`); the environment's `storage` options, in the
/// names of object_store (`aws_endpoint`), come before them.
#[derive(Debug, Clone)]
pub struct Stores {
    options: Arc<BTreeMap<String, String>>,
    retries: Arc<RetryPolicy>,
    open: Arc<Mutex<HashMap<String, Arc<dyn ObjectStore>>>>,
}

impl Stores {
    pub fn new(options: &BTreeMap<String, String>) -> Self {
        let mut all: BTreeMap<String, String> = std::env::vars()
            .filter(|(name, _)| ["AWS_", "AZURE_", "GOOGLE_"].iter().any(|prefix| name.starts_with(prefix)))
            .map(|(name, value)| (name.to_ascii_lowercase(), value))
            .collect();
        all.extend(options.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone())));
        Self { options: Arc::new(all), retries: Arc::default(), open: Arc::default() }
    }

    /// The same with another patience; stores that are open already keep theirs.
    #[must_use]
    pub fn with_retries(self, retries: RetryPolicy) -> Self {
        Self { retries: Arc::new(retries), ..self }
    }

    /// Puts a store in the place of the one for this URL's scheme and host: for tests that need a faulty or slow one.
    /// What fails in it is repeated as in others, but for the parts of uploads.
    pub fn replace(&self, url: &Url, store: Arc<dyn ObjectStore>) {
        self.keep(url, RetryingStore::new(store, self.retries.clone()));
    }

    /// The same for a store whose parts of uploads can be sent again.
    pub fn replace_with_parts<S: ObjectStore + MultipartStore>(&self, url: &Url, store: Arc<S>) {
        self.keep(url, RetryingStore::new(store.clone(), self.retries.clone()).with_parts(store));
    }

    fn keep(&self, url: &Url, store: RetryingStore) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).insert(host_key(url), Arc::new(store));
    }

    /// Opens the store of a URL; the path is the URL's place in it.
    pub fn open(&self, url: &Url) -> Result<(Arc<dyn ObjectStore>, Path), StorageError> {
        let not_a_location = || StorageError::NotALocation(url.to_string());
        let (scheme, path) = ObjectStoreScheme::parse(url).map_err(|_| not_a_location())?;
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(store) = open.get(&host_key(url)) {
            return Ok((store.clone(), path));
        }
        let store: Arc<dyn ObjectStore> =
            Arc::new(self.build(url, &scheme).map_err(|source| StorageError::from_store(url.as_str(), source))?);
        open.insert(host_key(url), store.clone());
        Ok((store, path))
    }

    fn build(&self, url: &Url, scheme: &ObjectStoreScheme) -> Result<RetryingStore, object_store::Error> {
        // Options that another kind of store understands are none of this one's.
        macro_rules! remote {
            ($builder:ty) => {{
                let mut builder = <$builder>::new().with_url(url.as_str()).with_retry(self.retries.of_requests());
                for (name, value) in self.options.iter() {
                    if let Ok(key) = name.parse() {
                        builder = builder.with_config(key, value);
                    }
                }
                let store = Arc::new(builder.build()?);
                RetryingStore::new(store.clone(), self.retries.clone()).with_parts(store)
            }};
        }
        Ok(match scheme {
            ObjectStoreScheme::AmazonS3 => remote!(AmazonS3Builder),
            ObjectStoreScheme::GoogleCloudStorage => remote!(GoogleCloudStorageBuilder),
            ObjectStoreScheme::MicrosoftAzure => remote!(MicrosoftAzureBuilder),
            _ => {
                let (store, _) = object_store::parse_url_opts(url, self.options.iter())?;
                RetryingStore::new(Arc::from(store), self.retries.clone())
            }
        })
    }
}

/// `s3://bucket`: what one store serves.
fn host_key(url: &Url) -> String {
    format!("{}://{}", url.scheme(), url.authority())
}
