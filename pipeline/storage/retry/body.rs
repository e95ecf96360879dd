//! An object's bytes, gone on with where they broke.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{Error, GetOptions, GetRange, ObjectMeta, ObjectStore, Result};

use super::failure::{StoreFailure, changed, generic};
use super::is_transient;
use super::policy::{RetryPolicy, Tries};

/// The bytes of one version of an object that are still to come.
pub(super) struct Body {
    store: Arc<dyn ObjectStore>,
    location: Path,
    options: GetOptions,
    meta: ObjectMeta,
    left: Range<u64>,
    stream: BoxStream<'static, Result<Bytes>>,
    tries: Tries,
}

impl Body {
    /// `range` is what the stream promises to bring of the object that `meta` describes.
    pub fn new(
        store: &Arc<dyn ObjectStore>,
        policy: &Arc<RetryPolicy>,
        location: &Path,
        options: GetOptions,
        meta: &ObjectMeta,
        range: Range<u64>,
        stream: BoxStream<'static, Result<Bytes>>,
    ) -> Self {
        let (store, tries) = (store.clone(), Tries::new(policy));
        Self { store, location: location.clone(), options, meta: meta.clone(), left: range, stream, tries }
    }

    pub fn into_stream(self) -> BoxStream<'static, Result<Bytes>> {
        stream::try_unfold(self, |mut body| async move { Ok(body.next().await?.map(|bytes| (bytes, body))) }).boxed()
    }

    async fn next(&mut self) -> Result<Option<Bytes>> {
        loop {
            let error = match self.stream.try_next().await {
                Ok(Some(bytes)) if bytes.is_empty() => continue,
                Ok(Some(bytes)) => {
                    self.left.start += bytes.len() as u64;
                    if let Some(excess) = self.left.start.checked_sub(self.left.end).filter(|excess| *excess > 0) {
                        return Err(generic(StoreFailure::Long { path: self.location.to_string(), excess }));
                    }
                    self.tries.progressed();
                    return Ok(Some(bytes));
                }
                // Everything has come: how the connection ended does not matter.
                _ if self.left.is_empty() => return Ok(None),
                Ok(None) => {
                    let missing = self.left.end - self.left.start;
                    generic(StoreFailure::Short { path: self.location.to_string(), missing })
                }
                Err(error) if is_transient(&error) => error,
                Err(error) => return Err(error),
            };
            self.resume(error).await?;
        }
    }

    async fn resume(&mut self, first: Error) -> Result<()> {
        let mut error = first;
        loop {
            if !self.tries.again("get", &self.location, &error).await {
                return Err(self.tries.gave_up("get", &self.location, error));
            }
            let options = GetOptions {
                range: Some(GetRange::Bounded(self.left.clone())),
                if_match: self.meta.e_tag.clone().or_else(|| self.options.if_match.clone()),
                version: self.meta.version.clone().or_else(|| self.options.version.clone()),
                ..self.options.clone()
            };
            match self.store.get_opts(&self.location, options).await {
                Ok(found) if is_same_version(&self.meta, &found.meta) && found.range == self.left => {
                    self.stream = found.into_stream();
                    return Ok(());
                }
                Ok(_) => return Err(changed(&self.location)),
                Err(next) if is_transient(&next) => error = next,
                Err(next) => return Err(next),
            }
        }
    }
}

fn is_same_version(one: &ObjectMeta, other: &ObjectMeta) -> bool {
    let is_same = match (&one.e_tag, &other.e_tag) {
        (Some(one), Some(other)) => one == other,
        _ => one.last_modified == other.last_modified,
    };
    is_same && one.size == other.size
}
