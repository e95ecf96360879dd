//! A store that stops its process before one of its writes.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use futures::stream::BoxStream;
use lifecycle::storage::Stores;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions,
    PutOptions, PutPayload, PutResult, Result,
};
use tokio::sync::Semaphore;
use url::Url;

/// Which write is held.
#[derive(Debug, Clone, Copy)]
pub enum Write {
    /// The one after so many.
    After(usize),
    /// The first to a place whose name has this in it.
    To(&'static str),
}

/// Lets writes pass up to one, and holds that until it is opened.
#[derive(Debug)]
pub struct Gate {
    write: Write,
    has_closed: AtomicBool,
    writes: AtomicUsize,
    /// What was to be written when it closed.
    held: Mutex<Option<String>>,
    reached: Semaphore,
    open: Semaphore,
}

impl Gate {
    pub fn before(write: Write) -> Arc<Self> {
        Arc::new(Self {
            write,
            has_closed: AtomicBool::new(false),
            writes: AtomicUsize::new(0),
            held: Mutex::new(None),
            reached: Semaphore::new(0),
            open: Semaphore::new(0),
        })
    }

    /// Waits until a write is held, and names it.
    pub async fn reached(&self) -> String {
        self.reached.acquire().await.unwrap().forget();
        self.held.lock().unwrap().clone().unwrap()
    }

    pub fn open(&self) {
        self.open.add_permits(1);
    }

    /// Stores of local files behind this gate.
    pub fn stores(self: &Arc<Self>, stores: Stores) -> Stores {
        let url = Url::parse("file:///").unwrap();
        let inner = stores.open(&url).unwrap().0;
        stores.replace(&url, Arc::new(GatedStore { inner, gate: self.clone() }));
        stores
    }

    async fn pass(&self, place: &Path) {
        // What the run writes to learn what the store can do is nobody's.
        if place.filename().is_some_and(|name| name.starts_with("_probe-")) {
            return;
        }
        let writes = self.writes.fetch_add(1, Ordering::SeqCst);
        let is_the_one = match self.write {
            Write::After(passes) => writes == passes,
            Write::To(name) => place.as_ref().contains(name),
        };
        if is_the_one && !self.has_closed.swap(true, Ordering::SeqCst) {
            *self.held.lock().unwrap() = Some(place.to_string());
            self.reached.add_permits(1);
            self.open.acquire().await.unwrap().forget();
        }
    }
}

#[derive(Debug)]
struct GatedStore {
    inner: Arc<dyn ObjectStore>,
    gate: Arc<Gate>,
}

impl std::fmt::Display for GatedStore {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "gated {}", self.inner)
    }
}

#[async_trait]
impl ObjectStore for GatedStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.gate.pass(location).await;
        self.inner.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.gate.pass(location).await;
        self.inner.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(location, options).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}
