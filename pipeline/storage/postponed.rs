//! A store for Delta's writer of files: what fails at the end of a file is told after it, not to the writer.
//!
//! The writer would abort an upload that has ended, which panics. It catches that, but the panic is printed; and the
//! store's error arrives as text.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use futures::FutureExt;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, UploadPart,
};

/// The first failure of a write; whoever asks for it gets it.
#[derive(Debug, Clone, Default)]
pub(super) struct Failure(Arc<Mutex<Option<Error>>>);

impl Failure {
    pub fn take(&self) -> Option<Error> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn is_some(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Keeps a failure, and goes on as if there were none.
    fn keep(&self, outcome: Result<PutResult>) -> PutResult {
        outcome.unwrap_or_else(|error| {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
            PutResult { e_tag: None, version: None }
        })
    }
}

/// A store whose writes succeed: what they did is in [`Failure`].
#[derive(Debug)]
pub(super) struct PostponingStore {
    store: Arc<dyn ObjectStore>,
    failure: Failure,
}

impl PostponingStore {
    pub fn new(store: Arc<dyn ObjectStore>) -> (Self, Failure) {
        let failure = Failure::default();
        (Self { store, failure: failure.clone() }, failure)
    }
}

#[derive(Debug)]
struct PostponingUpload {
    upload: Box<dyn MultipartUpload>,
    failure: Failure,
}

#[async_trait]
impl MultipartUpload for PostponingUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let (part, failure) = (self.upload.put_part(data), self.failure.clone());
        async move {
            failure.keep(part.await.map(|()| PutResult { e_tag: None, version: None }));
            Ok(())
        }
        .boxed()
    }

    async fn complete(&mut self) -> Result<PutResult> {
        if self.failure.is_some() {
            if let Err(error) = self.upload.abort().await {
                tracing::debug!(%error, "an upload that failed could not be aborted");
            }
            return Ok(PutResult { e_tag: None, version: None });
        }
        Ok(self.failure.keep(self.upload.complete().await))
    }

    async fn abort(&mut self) -> Result<()> {
        self.upload.abort().await
    }
}

#[async_trait]
impl ObjectStore for PostponingStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        Ok(self.failure.keep(self.store.put_opts(location, payload, options).await))
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let upload = self.store.put_multipart_opts(location, options).await?;
        Ok(Box::new(PostponingUpload { upload, failure: self.failure.clone() }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.store.get_opts(location, options).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.store.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.store.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.store.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.store.copy_opts(from, to, options).await
    }
}

impl std::fmt::Display for PostponingStore {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.store.fmt(formatter)
    }
}
