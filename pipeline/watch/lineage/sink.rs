//! Where events go: a file for each run, or a server.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use object_store::ObjectStoreExt;
use object_store::path::Path;
use serde_json::Value;

use super::LineageRun;
use crate::config::{LineageTarget, OpenLineage};
use crate::storage::Stores;

/// How long a server or a store may take for one event.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why an event was not written. Never names the place, which may hold a secret.
#[derive(Debug, thiserror::Error)]
pub enum LineageError {
    #[error("there was no answer within {} s", .0.as_secs())]
    TimedOut(Duration),
    #[error("the server cannot be reached")]
    Unreachable,
    #[error("the server answered with status {0}")]
    Answered(u16),
    #[error("no client for HTTP could be made")]
    Client,
    #[error("the folder cannot be written")]
    Folder,
}

pub(super) struct Sink {
    target: LineageTarget,
    stores: Stores,
    client: Option<reqwest::Client>,
    /// What the files of runs at work hold.
    files: Mutex<BTreeMap<String, String>>,
}

impl Sink {
    pub fn new(configured: &OpenLineage, stores: &Stores) -> Self {
        let client = reqwest::Client::builder()
            .user_agent(concat!("lifecycle/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .timeout(PATIENCE)
            .build();
        Self { target: configured.target.clone(), stores: stores.clone(), client: client.ok(), files: Mutex::default() }
    }

    pub async fn put(&self, run: &LineageRun, event: &Value) -> Result<(), LineageError> {
        let work = async {
            match &self.target {
                LineageTarget::Url { url, api_key } => self.post(url, api_key.as_deref(), event).await,
                LineageTarget::Folder(folder) => self.write(&folder.0, run, event).await,
            }
        };
        tokio::time::timeout(PATIENCE, work).await.unwrap_or(Err(LineageError::TimedOut(PATIENCE)))
    }

    async fn post(&self, url: &str, api_key: Option<&str>, event: &Value) -> Result<(), LineageError> {
        let client = self.client.as_ref().ok_or(LineageError::Client)?;
        let mut request = client.post(url).header("content-type", "application/json").body(event.to_string());
        if let Some(key) = api_key {
            request = request.bearer_auth(key);
        }
        match request.send().await {
            Ok(response) if response.status().is_success() => Ok(()),
            Ok(response) => Err(LineageError::Answered(response.status().as_u16())),
            Err(error) if error.is_timeout() => Err(LineageError::TimedOut(PATIENCE)),
            Err(_) => Err(LineageError::Unreachable),
        }
    }

    /// `<folder>/<day>/<run>.ndjson`, a line for each event: stores cannot append, so the file is written anew.
    async fn write(&self, folder: &url::Url, run: &LineageRun, event: &Value) -> Result<(), LineageError> {
        let text = {
            let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
            let text = files.entry(run.run_id.clone()).or_default();
            text.push_str(&format!("{event}\n"));
            let text = text.clone();
            if event.get("eventType").is_none_or(|kind| kind != "START") {
                files.remove(&run.run_id);
            }
            text
        };
        let (store, base) = self.stores.open(folder).map_err(|_| LineageError::Folder)?;
        let day = run.started_at.format("%Y-%m-%d").to_string();
        let path = Path::from_iter(base.parts().chain([day.as_str().into(), format!("{}.ndjson", run.run_id).into()]));
        let put = store.put(&path, text.into_bytes().into()).await;
        put.map(drop).map_err(|error| {
            tracing::debug!(%error, "an event's file could not be written");
            LineageError::Folder
        })
    }
}
