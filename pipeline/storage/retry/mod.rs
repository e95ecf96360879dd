//! A store whose failures are repeated where that helps, and settled where it is unclear what they did.
//!
//! | call | after a failure that may pass |
//! |---|---|
//! | get, head, list | made again; a body or listing that breaks goes on where it broke, of the same version |
//! | put over what is there, delete, copy over | made again: doing it twice is doing it once |
//! | put of what must not exist | the object is read back: ours, another's, or none, then it is put again |
//! | parts of an upload | made again; an upload whose end is unclear is looked for |
//! | update, copy and rename that must not overwrite | not made again: nothing here needs them |

mod body;
mod failure;
mod listing;
mod policy;
mod upload;

pub use failure::{StoreFailure, is_transient, may_pass};
pub(super) use failure::{http_status, io_error_kind};
pub use policy::RetryPolicy;

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use object_store::multipart::MultipartStore;
use object_store::path::Path;
use object_store::{
    CopyMode, CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload,
    OBJECT_STORE_COALESCE_DEFAULT, ObjectMeta, ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload,
    PutResult, RenameOptions, Result, coalesce_ranges,
};

use body::Body;
use failure::{not_tried, past_end, unclear, was_repeated_below};
use listing::Listing;
use policy::{Tries, again, again_if};
use upload::Upload;

/// How many objects are deleted by one call, where the store can.
const DELETED_AT_ONCE: usize = 1000;

/// Repeats what fails and may pass, over any store.
#[derive(Clone)]
pub struct RetryingStore {
    store: Arc<dyn ObjectStore>,
    /// The same store's uploads, part by part: without it a part that failed cannot be sent again.
    parts: Option<Arc<dyn MultipartStore>>,
    policy: Arc<RetryPolicy>,
}

/// What lies where something was to be created.
enum Found {
    Ours(PutResult),
    Others,
    Nothing,
}

impl RetryingStore {
    pub fn new(store: Arc<dyn ObjectStore>, policy: Arc<RetryPolicy>) -> Self {
        Self { store, parts: None, policy }
    }

    /// Sends the parts of uploads through `parts`, which is the same store, so that they can be sent again.
    #[must_use]
    pub fn with_parts(self, parts: Arc<dyn MultipartStore>) -> Self {
        Self { parts: Some(parts), ..self }
    }

    /// Creates an object that must not exist. What a failed try did is never guessed: the object is read back.
    async fn create(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let mut tries = Tries::new(&self.policy);
        // Whether a try that failed may be the one that made the object.
        let mut is_unclear = false;
        loop {
            let error = match self.store.put_opts(location, payload.clone(), options.clone()).await {
                Ok(result) => return Ok(result),
                Err(error) => error,
            };
            let exists = matches!(error, Error::AlreadyExists { .. } | Error::Precondition { .. });
            if !exists && !is_transient(&error) {
                return Err(error);
            }
            is_unclear |= !exists || was_repeated_below(&error);
            match self.look(location, &payload).await {
                Ok(Found::Ours(result)) if is_unclear => return Ok(result),
                Ok(Found::Ours(_) | Found::Others) if exists => return Err(error),
                Ok(Found::Ours(_) | Found::Others) => {
                    return Err(Error::AlreadyExists { path: location.to_string(), source: Box::new(error) });
                }
                // A store may refuse with "conflict" what then nobody wrote.
                Ok(Found::Nothing) => {
                    if !tries.again("put", location, &error).await {
                        return Err(tries.gave_up("put", location, error));
                    }
                }
                // Refused at the first try: whatever lies there, this call did not write it.
                Err(_) if !is_unclear => return Err(error),
                Err(reading) => {
                    tracing::warn!(path = %location, %reading, "what was put could not be read back");
                    return Err(unclear("put", location, error));
                }
            }
        }
    }

    async fn look(&self, location: &Path, payload: &PutPayload) -> Result<Found> {
        let found = match self.get_opts(location, GetOptions::default()).await {
            Ok(found) => found,
            Err(Error::NotFound { .. }) => return Ok(Found::Nothing),
            Err(error) => return Err(error),
        };
        if found.meta.size != payload.content_length() as u64 {
            return Ok(Found::Others);
        }
        let result = PutResult { e_tag: found.meta.e_tag.clone(), version: found.meta.version.clone() };
        let bytes = found.bytes().await?;
        Ok(if is_same(payload, &bytes) { Found::Ours(result) } else { Found::Others })
    }

    /// Deletes many objects: all by one call, then one by one what that left.
    async fn delete_all(&self, wanted: Vec<Result<Path>>) -> Vec<Result<Path>> {
        let paths: Vec<Path> = wanted.iter().flatten().cloned().collect();
        let all = stream::iter(paths.clone().into_iter().map(Ok)).boxed();
        let outcomes: Vec<Result<Path>> = self.store.delete_stream(all).collect().await;
        let is_by_path = outcomes.len() == paths.len();
        let deleted: HashSet<Path> = outcomes.iter().flatten().cloned().collect();
        let mut outcomes = outcomes.into_iter();
        let mut is_hopeless = false;
        let mut results = Vec::with_capacity(wanted.len());
        for path in wanted {
            let result = match path {
                Err(error) => Err(error),
                Ok(path) => match outcomes.next().filter(|_| is_by_path) {
                    Some(Err(error)) if !is_transient(&error) => Err(error),
                    Some(Ok(_)) => Ok(path),
                    _ if deleted.contains(&path) => Ok(path),
                    // Each object would be waited for as long as the one before.
                    _ if is_hopeless => Err(not_tried("delete", &path)),
                    Some(Err(error)) => self.delete_again(path, error).await,
                    None => self.delete_what_may_be_gone(path).await,
                },
            };
            is_hopeless |= result.as_ref().is_err_and(|error| matches!(error, Error::Generic { .. }));
            results.push(result);
        }
        results
    }

    /// A call for many failed as a whole: what it did to this object is not known.
    async fn delete_what_may_be_gone(&self, path: Path) -> Result<Path> {
        match self.delete_once(&path).await {
            Ok(()) | Err(Error::NotFound { .. }) => Ok(path),
            Err(error) if is_transient(&error) => self.delete_again(path, error).await,
            Err(error) => Err(error),
        }
    }

    async fn delete_again(&self, path: Path, first: Error) -> Result<Path> {
        let mut tries = Tries::new(&self.policy);
        let mut error = first;
        loop {
            if !tries.again("delete", &path, &error).await {
                return Err(tries.gave_up("delete", &path, error));
            }
            match self.delete_once(&path).await {
                // It is gone: a try before this one did it.
                Ok(()) | Err(Error::NotFound { .. }) => return Ok(path),
                Err(next) if is_transient(&next) => error = next,
                Err(next) => return Err(next),
            }
        }
    }

    async fn delete_once(&self, path: &Path) -> Result<()> {
        let one = stream::iter([Ok(path.clone())]).boxed();
        self.store.delete_stream(one).try_for_each(|_| futures::future::ready(Ok(()))).await
    }
}

fn is_same(payload: &PutPayload, bytes: &Bytes) -> bool {
    let mut rest: &[u8] = bytes;
    for part in payload {
        match rest.split_at_checked(part.len()) {
            Some((head, tail)) if head == part.as_ref() => rest = tail,
            _ => return false,
        }
    }
    rest.is_empty()
}

#[async_trait]
impl ObjectStore for RetryingStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        match &options.mode {
            PutMode::Create => self.create(location, payload, options).await,
            PutMode::Overwrite => {
                // A store may refuse with "conflict" while somebody else writes; nothing was asked that could exist.
                let may_pass = |error: &Error| is_transient(error) || matches!(error, Error::AlreadyExists { .. });
                again_if(&self.policy, "put", location, may_pass, || {
                    self.store.put_opts(location, payload.clone(), options.clone())
                })
                .await
            }
            PutMode::Update(_) => self.store.put_opts(location, payload, options).await,
        }
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        match &self.parts {
            // Uploads by parts know no attributes and tags.
            Some(parts) if options == PutMultipartOptions::default() => {
                Ok(Box::new(Upload::start(self.store.clone(), parts.clone(), self.policy.clone(), location).await?))
            }
            _ => {
                again(&self.policy, "upload", location, || self.store.put_multipart_opts(location, options.clone()))
                    .await
            }
        }
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let result = again(&self.policy, "get", location, || self.store.get_opts(location, options.clone())).await?;
        let GetResult { payload, meta, range, attributes } = result;
        let payload = match payload {
            GetResultPayload::Stream(stream) if !options.head => {
                let body = Body::new(&self.store, &self.policy, location, options, &meta, range.clone(), stream);
                GetResultPayload::Stream(body.into_stream())
            }
            // A local file is read by whoever asked for it.
            payload => payload,
        };
        Ok(GetResult { payload, meta, range, attributes })
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        if self.parts.is_none() {
            return again(&self.policy, "get", location, || self.store.get_ranges(location, ranges)).await;
        }
        // A remote store would join ranges in the same way, but does not notice a body that was cut short.
        let fetch = |range: Range<u64>| async move {
            let options = GetOptions::new().with_range(Some(range.clone()));
            let bytes = self.get_opts(location, options).await?.bytes().await?;
            match (range.end - range.start).checked_sub(bytes.len() as u64) {
                None | Some(0) => Ok(bytes),
                Some(missing) => Err(past_end(location, missing)),
            }
        };
        coalesce_ranges(ranges, fetch, OBJECT_STORE_COALESCE_DEFAULT).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let store = self.clone();
        locations
            .chunks(DELETED_AT_ONCE)
            .then(move |wanted| {
                let store = store.clone();
                async move { stream::iter(store.delete_all(wanted).await) }
            })
            .flatten()
            .boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        Listing::new(&self.store, &self.policy, prefix, None).into_stream()
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        Listing::new(&self.store, &self.policy, prefix, Some(offset)).into_stream()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let root = Path::default();
        again(&self.policy, "list", prefix.unwrap_or(&root), || self.store.list_with_delimiter(prefix)).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        match options.mode {
            CopyMode::Overwrite => {
                again(&self.policy, "copy", to, || self.store.copy_opts(from, to, options.clone())).await
            }
            CopyMode::Create => self.store.copy_opts(from, to, options).await,
        }
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.store.rename_opts(from, to, options).await
    }
}

impl std::fmt::Debug for RetryingStore {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("RetryingStore").field("store", &self.store).finish_non_exhaustive()
    }
}

impl std::fmt::Display for RetryingStore {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.store.fmt(formatter)
    }
}
