//! A listing that begins again where it breaks, and names each object once.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, Result};

use super::is_transient;
use super::policy::{RetryPolicy, Tries};

/// A listing in progress. Not every store lists in order, so what was named is remembered, 16 bytes for each.
pub(super) struct Listing {
    store: Arc<dyn ObjectStore>,
    prefix: Option<Path>,
    offset: Option<Path>,
    stream: BoxStream<'static, Result<ObjectMeta>>,
    named: HashSet<u128>,
    hashers: [RandomState; 2],
    tries: Tries,
}

impl Listing {
    pub fn new(
        store: &Arc<dyn ObjectStore>,
        policy: &Arc<RetryPolicy>,
        prefix: Option<&Path>,
        offset: Option<&Path>,
    ) -> Self {
        Self {
            stream: begin(store, prefix, offset),
            store: store.clone(),
            prefix: prefix.cloned(),
            offset: offset.cloned(),
            named: HashSet::new(),
            hashers: [RandomState::new(), RandomState::new()],
            tries: Tries::new(policy),
        }
    }

    pub fn into_stream(self) -> BoxStream<'static, Result<ObjectMeta>> {
        stream::try_unfold(self, |mut listing| async move { Ok(listing.next().await?.map(|meta| (meta, listing))) })
            .boxed()
    }

    async fn next(&mut self) -> Result<Option<ObjectMeta>> {
        loop {
            match self.stream.try_next().await {
                Ok(Some(meta)) => {
                    if self.named.insert(self.digest(&meta.location)) {
                        self.tries.progressed();
                        return Ok(Some(meta));
                    }
                }
                Ok(None) => return Ok(None),
                Err(error) if is_transient(&error) => {
                    let folder = self.prefix.clone().unwrap_or_default();
                    if !self.tries.again("list", &folder, &error).await {
                        return Err(self.tries.gave_up("list", &folder, error));
                    }
                    self.stream = begin(&self.store, self.prefix.as_ref(), self.offset.as_ref());
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn digest(&self, path: &Path) -> u128 {
        let [high, low] = self.hashers.each_ref().map(|hasher| u128::from(hasher.hash_one(path)));
        high << 64 | low
    }
}

fn begin(
    store: &Arc<dyn ObjectStore>,
    prefix: Option<&Path>,
    offset: Option<&Path>,
) -> BoxStream<'static, Result<ObjectMeta>> {
    match offset {
        Some(offset) => store.list_with_offset(prefix, offset),
        None => store.list(prefix),
    }
}
