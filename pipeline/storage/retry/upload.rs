//! An upload whose parts are sent again, and whose unclear end is looked for.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use futures::FutureExt;
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::{
    Error, GetOptions, MultipartId, MultipartUpload, ObjectMeta, ObjectStore, PutPayload, PutResult, Result, UploadPart,
};

use super::failure::{StoreFailure, generic, unclear, was_repeated_below};
use super::is_transient;
use super::policy::{RetryPolicy, Tries, again};

/// One object that is sent in parts.
pub(super) struct Upload {
    store: Arc<dyn ObjectStore>,
    parts: Arc<dyn MultipartStore>,
    policy: Arc<RetryPolicy>,
    location: Path,
    id: MultipartId,
    /// By number; `None` until it has been sent.
    sent: Arc<Mutex<Vec<Option<PartId>>>>,
    /// Bytes of all parts.
    size: u64,
}

impl Upload {
    pub async fn start(
        store: Arc<dyn ObjectStore>,
        parts: Arc<dyn MultipartStore>,
        policy: Arc<RetryPolicy>,
        location: &Path,
    ) -> Result<Self> {
        // One that was begun and not heard of holds nothing.
        let id = again(&policy, "upload", location, || parts.create_multipart(location)).await?;
        Ok(Self { store, parts, policy, location: location.clone(), id, sent: Arc::default(), size: 0 })
    }

    fn sent_parts(&self) -> Result<Vec<PartId>> {
        let sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        let missing = |part| generic(StoreFailure::PartMissing { path: self.location.to_string(), part });
        sent.iter().enumerate().map(|(part, id)| id.clone().ok_or_else(|| missing(part))).collect()
    }

    /// What lies at the upload's place.
    async fn object(&self) -> Result<Option<ObjectMeta>> {
        let options = || GetOptions::new().with_head(true);
        match again(&self.policy, "head", &self.location, || self.store.get_opts(&self.location, options())).await {
            Ok(found) => Ok(Some(found.meta)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether the object of this upload is there, which was not before.
    async fn landed(&self, before: Option<&ObjectMeta>) -> Result<Option<PutResult>> {
        let now = self.object().await?;
        let landed = now.filter(|now| now.size == self.size && before.is_none_or(|before| is_other(before, now)));
        Ok(landed.map(|now| PutResult { e_tag: now.e_tag, version: now.version }))
    }
}

fn is_other(before: &ObjectMeta, now: &ObjectMeta) -> bool {
    (&before.e_tag, before.last_modified, &before.version) != (&now.e_tag, now.last_modified, &now.version)
}

#[async_trait]
impl MultipartUpload for Upload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        self.size += data.content_length() as u64;
        let number = {
            let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
            sent.push(None);
            sent.len() - 1
        };
        let (parts, policy, sent) = (self.parts.clone(), self.policy.clone(), self.sent.clone());
        let (location, id) = (self.location.clone(), self.id.clone());
        async move {
            let part =
                again(&policy, "part", &location, || parts.put_part(&location, &id, number, data.clone())).await?;
            if let Some(place) = sent.lock().unwrap_or_else(PoisonError::into_inner).get_mut(number) {
                *place = Some(part);
            }
            Ok(())
        }
        .boxed()
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let sent = self.sent_parts()?;
        let before = self.object().await?;
        let mut tries = Tries::new(&self.policy);
        let mut is_unclear = false;
        loop {
            let error = match self.parts.complete_multipart(&self.location, &self.id, sent.clone()).await {
                Ok(result) => return Ok(result),
                Err(error) => error,
            };
            let may_pass = is_transient(&error);
            is_unclear |= may_pass || was_repeated_below(&error);
            if !is_unclear {
                return Err(error);
            }
            // Also where it was refused: the upload is gone when a try before took effect.
            match self.landed(before.as_ref()).await {
                Ok(Some(result)) => return Ok(result),
                Ok(None) if !may_pass => return Err(error),
                Ok(None) => {
                    if !tries.again("upload", &self.location, &error).await {
                        return Err(tries.gave_up("upload", &self.location, error));
                    }
                }
                Err(reading) => {
                    tracing::warn!(path = %self.location, %reading, "what was sent could not be looked for");
                    return Err(unclear("upload", &self.location, error));
                }
            }
        }
    }

    async fn abort(&mut self) -> Result<()> {
        match again(&self.policy, "abort", &self.location, || self.parts.abort_multipart(&self.location, &self.id))
            .await
        {
            // A try before this one did it.
            Err(Error::NotFound { .. }) => Ok(()),
            outcome => outcome,
        }
    }
}

impl std::fmt::Debug for Upload {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Upload").field("location", &self.location).finish_non_exhaustive()
    }
}
