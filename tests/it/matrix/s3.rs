//! As much of S3 as the binary asks for, over objects in memory: a copy of a bucket costs nothing, and a put that is to
//! create an object is one step.

use std::collections::HashMap;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use futures::{StreamExt, TryStreamExt, stream};
use hyper::body::{Body, Incoming};
use hyper::http::request::Parts;
use hyper::{HeaderMap, Method, Request};
use object_store::memory::InMemory;
use object_store::multipart::MultipartStore;
use object_store::path::Path;
use object_store::{Error, GetOptions, GetRange, ObjectMeta, ObjectStore, PutMode, PutOptions, PutPayload, Result};

use crate::faults::store::Operation;

/// A request, read to its end.
#[derive(Debug, Clone)]
pub struct Call {
    pub operation: Operation,
    /// The object; of a listing its folder, of a deletion the first object.
    pub path: Path,
    query: HashMap<String, String>,
    headers: HeaderMap,
    body: Bytes,
}

/// What the store says to it.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Bytes,
}

impl Reply {
    fn ok(body: String) -> Self {
        Self { status: 200, headers: Vec::new(), body: body.into() }
    }

    pub fn error(status: u16, code: &str) -> Self {
        let body = format!("<Error><Code>{code}</Code><Message>{code}</Message></Error>");
        Self { status, headers: Vec::new(), body: body.into() }
    }
}

/// Reads a request; `None` where its sender hung up.
pub async fn read(request: Request<Incoming>) -> Option<Call> {
    let (parts, mut body) = request.into_parts();
    let mut bytes = Vec::new();
    while let Some(frame) = std::future::poll_fn(|context| std::pin::Pin::new(&mut body).poll_frame(context)).await {
        if let Ok(data) = frame.ok()?.into_data() {
            bytes.extend_from_slice(&data);
        }
    }
    Some(call(parts, bytes.into()))
}

fn call(parts: Parts, body: Bytes) -> Call {
    let query = parts.uri.query().unwrap_or_default();
    let query: HashMap<String, String> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let place = parts.uri.path().trim_start_matches('/');
    let key = place.split_once('/').map(|(_, key)| key).filter(|key| !key.is_empty());
    let has = |name: &str| query.contains_key(name);
    let operation = match (&parts.method, key) {
        (&Method::GET, None) => Operation::List,
        (&Method::GET, Some(_)) => Operation::Get,
        (&Method::HEAD, _) => Operation::Head,
        (&Method::PUT, _) if has("partNumber") => Operation::Part,
        (&Method::PUT, _) if parts.headers.contains_key("if-none-match") => Operation::Create,
        (&Method::PUT, _) => Operation::Put,
        (&Method::POST, None) => Operation::Delete,
        (&Method::POST, _) if has("uploads") => Operation::Begin,
        (&Method::POST, _) => Operation::Complete,
        (&Method::DELETE, _) if has("uploadId") => Operation::Abort,
        (&Method::DELETE, _) => Operation::Delete,
        other => panic!("nobody has taught this server {other:?}"),
    };
    let path = match (operation, key) {
        (_, Some(key)) => Path::from_url_path(key).unwrap(),
        (Operation::Delete, None) => keys(&body).into_iter().next().unwrap_or_default(),
        _ => Path::from(query.get("prefix").map_or("", |prefix| prefix.trim_end_matches('/'))),
    };
    Call { operation, path, query, headers: parts.headers, body }
}

/// The objects that a request names to be deleted.
fn keys(body: &Bytes) -> Vec<Path> {
    let text = String::from_utf8_lossy(body);
    text.split("<Key>").skip(1).map(|rest| Path::parse(plain(rest.split_once("</Key>").unwrap().0)).unwrap()).collect()
}

fn plain(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&apos;", "'").replace("&amp;", "&")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Objects that were there before a moment are told as a hundred days older: for what waits until files are old.
#[derive(Debug, Clone, Copy, Default)]
pub struct Clock(pub Option<DateTime<Utc>>);

impl Clock {
    pub fn age() -> TimeDelta {
        TimeDelta::days(100)
    }

    fn of(self, modified: DateTime<Utc>) -> DateTime<Utc> {
        if self.0.is_some_and(|moment| modified < moment) { modified - Self::age() } else { modified }
    }
}

impl Call {
    /// Does what is asked.
    pub async fn answer(&self, objects: &InMemory, clock: Clock) -> Reply {
        match self.try_answer(objects, clock).await {
            Ok(reply) => reply,
            Err(Error::NotFound { .. }) => Reply::error(404, "NoSuchKey"),
            Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => Reply::error(412, "PreconditionFailed"),
            Err(Error::NotModified { .. }) => Reply::error(304, "NotModified"),
            Err(error) if error.to_string().contains("pload") => Reply::error(404, "NoSuchUpload"),
            Err(_) => Reply::error(416, "InvalidRange"),
        }
    }

    async fn try_answer(&self, objects: &InMemory, clock: Clock) -> Result<Reply> {
        let payload = || PutPayload::from(self.body.clone());
        let id = || self.query["uploadId"].clone();
        let is_of = |e_tag: Option<String>| vec![("etag", format!("\"{}\"", e_tag.unwrap_or_default()))];
        Ok(match self.operation {
            Operation::Get | Operation::Head => self.get(objects, clock).await?,
            Operation::List => self.list(objects, clock).await?,
            Operation::Put | Operation::Create => {
                let is_new = self.operation == Operation::Create;
                let mode = if is_new { PutMode::Create } else { PutMode::Overwrite };
                let put = objects.put_opts(&self.path, payload(), PutOptions::from(mode)).await?;
                Reply { headers: is_of(put.e_tag), ..Reply::ok(String::new()) }
            }
            Operation::Delete => {
                let mut paths = keys(&self.body);
                if paths.is_empty() {
                    paths.push(self.path.clone());
                }
                let deleted = objects.delete_stream(stream::iter(paths.into_iter().map(Ok)).boxed());
                let deleted: Vec<Path> = deleted.try_collect().await?;
                let lines = deleted
                    .iter()
                    .map(|path| format!("<Deleted><Key>{}</Key></Deleted>", escaped(path.as_ref())))
                    .collect::<String>();
                Reply::ok(format!("<DeleteResult>{lines}</DeleteResult>"))
            }
            Operation::Begin => {
                let id = objects.create_multipart(&self.path).await?;
                let result = format!("<UploadId>{id}</UploadId>");
                Reply::ok(format!("<InitiateMultipartUploadResult>{result}</InitiateMultipartUploadResult>"))
            }
            Operation::Part => {
                let number: usize = self.query["partNumber"].parse().unwrap();
                objects.put_part(&self.path, &id(), number - 1, payload()).await?;
                Reply { headers: is_of(Some(format!("{}-{number}", id()))), ..Reply::ok(String::new()) }
            }
            Operation::Complete => {
                let put = objects.complete_multipart(&self.path, &id(), Vec::new()).await?;
                let e_tag = put.e_tag.unwrap_or_default();
                let result = format!("<ETag>\"{e_tag}\"</ETag>");
                Reply::ok(format!("<CompleteMultipartUploadResult>{result}</CompleteMultipartUploadResult>"))
            }
            Operation::Abort => {
                objects.abort_multipart(&self.path, &id()).await?;
                Reply { status: 204, ..Reply::ok(String::new()) }
            }
            Operation::Copy => panic!("nobody has taught this server to copy"),
        })
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    async fn get(&self, objects: &InMemory, clock: Clock) -> Result<Reply> {
        let range = self.header("range").map(|text| {
            let (from, to) = text.strip_prefix("bytes=").unwrap().split_once('-').unwrap();
            match (from.parse(), to.parse::<u64>()) {
                (Ok(from), Ok(to)) => GetRange::Bounded(from..to + 1),
                (Ok(from), Err(_)) => GetRange::Offset(from),
                (Err(_), last) => GetRange::Suffix(last.unwrap()),
            }
        });
        let is_part = range.is_some();
        let if_match = self.header("if-match").map(|e_tag| e_tag.trim_matches('"').to_owned());
        let found = objects.get_opts(&self.path, GetOptions { range, if_match, ..GetOptions::default() }).await?;
        let (meta, range) = (found.meta.clone(), found.range.clone());
        let mut headers = vec![
            ("etag", format!("\"{}\"", meta.e_tag.clone().unwrap_or_default())),
            ("last-modified", clock.of(meta.last_modified).to_rfc2822()),
            ("content-length", (range.end - range.start).to_string()),
        ];
        if is_part {
            headers.push(("content-range", format!("bytes {}-{}/{}", range.start, range.end - 1, meta.size)));
        }
        let body = if self.operation == Operation::Head { Bytes::new() } else { found.bytes().await? };
        Ok(Reply { status: if is_part { 206 } else { 200 }, headers, body })
    }

    async fn list(&self, objects: &InMemory, clock: Clock) -> Result<Reply> {
        let (mut found, mut folders): (Vec<ObjectMeta>, Vec<Path>) = (Vec::new(), Vec::new());
        if self.query.contains_key("delimiter") {
            let listed = objects.list_with_delimiter(Some(&self.path)).await?;
            (found, folders) = (listed.objects, listed.common_prefixes);
        } else {
            found.extend(objects.list(Some(&self.path)).try_collect::<Vec<_>>().await?);
        }
        if let Some(after) = self.query.get("start-after") {
            found.retain(|meta| meta.location.as_ref() > after.as_str());
        }
        let mut text = String::from("<ListBucketResult><IsTruncated>false</IsTruncated>");
        for meta in found {
            let modified = clock.of(meta.last_modified).to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
            let (key, e_tag) = (escaped(meta.location.as_ref()), meta.e_tag.unwrap_or_default());
            text += &format!(
                "<Contents><Key>{key}</Key><LastModified>{modified}</LastModified><ETag>\"{e_tag}\"</ETag><Size>{}</Size></Contents>",
                meta.size
            );
        }
        for folder in folders {
            let prefix = escaped(folder.as_ref());
            text += &format!("<CommonPrefixes><Prefix>{prefix}/</Prefix></CommonPrefixes>");
        }
        Ok(Reply::ok(text + "</ListBucketResult>"))
    }
}
