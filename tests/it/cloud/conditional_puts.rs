//! A store that may let one commit overwrite another is refused, before anything is landed.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use futures::TryStreamExt;
use futures::stream::BoxStream;
use lifecycle::storage::{StorageError, Stores, require_conditional_put};
use object_store::memory::InMemory;
use object_store::path::Path as ObjectPath;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt,
    PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use url::Url;

use super::{Ran, lifecycle, write};
use crate::land::s3::{ConditionalPuts, Server};

const CONFIGURATION: &str = "raw: s3://bucket/raw
warehouse: s3://bucket/warehouse
state: state.db
timezone: Europe/London
currency: GBP
parallelism: 2
storage:
  aws_region: eu-west-2
  aws_allow_http: true
  aws_skip_signature: true
  aws_endpoint: ${env:TEST_ENDPOINT}
";

const JOB: &str = "name: nightly
description: Counts orders.
sources:
  orders:
    location: ${raw}/*.csv
    format: csv
    columns:
      order_no: {type: string, required: true}
models: [marts]
";

const MODEL: &str = "description: How many orders there are, one row.
materialized: table
columns:
  - {name: orders, type: integer, description: Orders.}
";

/// A small project whose drop zone and warehouse lie in a server's bucket.
struct Project {
    folder: tempfile::TempDir,
}

impl Project {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "config/local.yaml", CONFIGURATION);
        write(folder.path(), "jobs/nightly.yaml", JOB);
        write(folder.path(), "sql/marts/order_count.sql", "select count(*) as orders from landed.orders\n");
        write(folder.path(), "sql/marts/order_count.yaml", MODEL);
        Self { folder }
    }

    async fn lifecycle(&self, server: &Server, arguments: &[&str]) -> Ran {
        let variables = [("TEST_ENDPOINT".to_owned(), server.endpoint.clone())];
        lifecycle(self.folder.path(), &variables, arguments).await
    }

    async fn night(&self, server: &Server) -> Ran {
        self.lifecycle(server, &["run", "nightly", "--as-of", "2026-01-01"]).await
    }
}

fn deliver(server: &Server, name: &str, text: &str) {
    write(&server.folder.path().join("bucket/raw"), name, text);
}

/// The objects of the warehouse, with their bytes.
fn warehouse(server: &Server) -> Vec<(String, Vec<u8>)> {
    let (mut found, mut open) = (Vec::new(), vec![server.folder.path().join("bucket/warehouse")]);
    while let Some(next) = open.pop() {
        for entry in std::fs::read_dir(next).into_iter().flatten() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => open.push(path),
                false => found.push((path.display().to_string(), std::fs::read(&path).unwrap())),
            }
        }
    }
    found.sort();
    found
}

/// The server's requests that change something.
fn changes(server: &Server) -> Vec<String> {
    server
        .requests()
        .into_iter()
        .filter(|request| !request.starts_with("GET") && !request.starts_with("HEAD"))
        .collect()
}

fn probes(server: &Server) -> usize {
    server.requests().iter().filter(|request| request.contains("/bucket/warehouse/_probe-")).count()
}

/// Deleting is a post of names to the bucket.
fn is_of_probe(request: &String) -> bool {
    request.contains("/bucket/warehouse/_probe-") || request == "POST /bucket"
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_overwrites_what_exists_is_refused_before_anything_lands() {
    let server = Server::start_unsigned(ConditionalPuts::Ignored).await;
    let project = Project::new();
    deliver(&server, "a.csv", "order_no\n1\n");
    let ran = project.night(&server).await.expect(1);
    insta::assert_snapshot!(ran.stderr, @r"
    error: store of `s3://bucket/warehouse` creates an object that exists: two commits could overwrite each other
    hint: use a store that honours `If-None-Match: *`; `lifecycle doctor` tries it
    ");
    assert_eq!(warehouse(&server), []);
    let changes = changes(&server);
    assert!(changes.iter().all(is_of_probe) && changes.len() == 3, "{changes:?}");

    let days = ["backfill", "nightly", "--from", "2026-01-01", "--to", "2026-01-01"];
    let ran = project.lifecycle(&server, &days).await;
    assert!(ran.code != Some(0) && ran.stderr.contains("creates an object that exists"), "{ran:?}");
    let ran = project.lifecycle(&server, &["doctor"]).await.expect(1);
    assert!(ran.stdout.contains("the store creates an object that exists: two commits could"), "{ran:?}");
    assert_eq!(warehouse(&server), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_does_not_know_conditional_puts_is_refused_before_anything_lands() {
    let server = Server::start_unsigned(ConditionalPuts::Refused).await;
    let project = Project::new();
    deliver(&server, "a.csv", "order_no\n1\n");
    let started = std::time::Instant::now();
    let ran = project.night(&server).await.expect(1);
    println!("refused after {:.1} s", started.elapsed().as_secs_f64());
    assert!(ran.stderr.contains("takes no conditional puts"), "{}", ran.stderr);
    assert!(ran.stderr.contains("501 Not Implemented"), "{}", ran.stderr);
    assert!(ran.stderr.contains("hint: use a store that honours `If-None-Match: *`"), "{}", ran.stderr);
    assert_eq!(warehouse(&server), []);
    assert!(changes(&server).iter().all(is_of_probe));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_switched_off_condition_is_told_without_a_request_for_it() {
    let server = Server::start_unsigned(ConditionalPuts::Honoured).await;
    let project = Project::new();
    deliver(&server, "a.csv", "order_no\n1\n");
    write(project.folder.path(), "config/local.yaml", &format!("{CONFIGURATION}  aws_conditional_put: disabled\n"));
    let ran = project.night(&server).await.expect(1);
    assert!(ran.stderr.contains("hint: take `aws_conditional_put` out of `storage`"), "{}", ran.stderr);
    assert_eq!(warehouse(&server), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_a_run_that_has_something_to_do_tries_the_store() {
    let server = Server::start_unsigned(ConditionalPuts::Honoured).await;
    let project = Project::new();
    deliver(&server, "a.csv", "order_no\n1\n");
    project.night(&server).await.expect(0);
    // Two puts, the second one read back because it was refused, the look at the store's clock; and one that deletes.
    assert_eq!(probes(&server), 4);
    let before = warehouse(&server);
    assert!(!before.is_empty() && before.iter().all(|(name, _)| !name.contains("_probe-")), "{before:?}");

    let ran = project.night(&server).await.expect(0);
    assert!(ran.stderr.contains("nothing to do"), "{}", ran.stderr);
    assert_eq!(probes(&server), 4);

    // The objects are served by a store that lies from now on: nothing to do is still nothing to do, but no more.
    let liar = server.beside(ConditionalPuts::Ignored).await;
    project.night(&liar).await.expect(0);
    deliver(&liar, "b.csv", "order_no\n2\n");
    let ran = project.night(&liar).await.expect(1);
    assert!(ran.stderr.contains("creates an object that exists"), "{}", ran.stderr);
    assert_eq!(warehouse(&server), before);

    project.night(&server).await.expect(0);
    let before = warehouse(&server);
    let ran = project.lifecycle(&liar, &["rollback"]).await.expect(1);
    assert!(ran.stderr.contains("creates an object that exists"), "{}", ran.stderr);
    assert_eq!(warehouse(&server), before);
    project.lifecycle(&server, &["rollback"]).await.expect(0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_rows_are_not_landed_again_in_a_store_that_overwrites_what_exists() {
    let server = Server::start_unsigned(ConditionalPuts::Honoured).await;
    let project = Project::new();
    let good: String = (1..200).map(|order| format!("{order}\n")).collect();
    deliver(&server, "a.csv", &format!("order_no\n{good}\"\"\n"));
    project.night(&server).await.expect(0);
    write(project.folder.path(), "jobs/nightly.yaml", &JOB.replace("required: true", "required: false"));
    let before = warehouse(&server);
    let liar = server.beside(ConditionalPuts::Ignored).await;
    let ran = project.lifecycle(&liar, &["rejected", "replay"]).await.expect(1);
    assert!(ran.stderr.contains("creates an object that exists"), "{}", ran.stderr);
    assert_eq!(warehouse(&server), before);
    project.lifecycle(&server, &["rejected", "replay"]).await.expect(0);
    assert_ne!(warehouse(&server), before);
}

/// How a replaced store takes the put that is to create an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// As it should.
    Creates,
    /// It does, and its answer to the first is lost: the client made the same put again.
    LosesTheFirstAnswer,
    /// It says that the object exists, and overwrites it.
    SaysNoAndOverwrites,
    /// It says that every object exists.
    FindsEverything,
    /// A file system without hard links.
    HasNoLinks,
    /// It fails, as it will the next time or not.
    IsDown,
}

#[derive(Debug)]
struct Odd {
    inner: InMemory,
    manner: Manner,
    creates: AtomicUsize,
}

impl fmt::Display for Odd {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}", self.manner)
    }
}

fn exists(location: &ObjectPath) -> Error {
    Error::AlreadyExists { path: location.to_string(), source: "status code: 412 Precondition Failed".into() }
}

#[async_trait]
impl ObjectStore for Odd {
    async fn put_opts(&self, location: &ObjectPath, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        if options.mode != PutMode::Create {
            return self.inner.put_opts(location, payload, options).await;
        }
        let is_first = self.creates.fetch_add(1, Ordering::SeqCst) == 0;
        match self.manner {
            Manner::Creates => self.inner.put_opts(location, payload, options).await,
            Manner::LosesTheFirstAnswer => {
                self.inner.put_opts(location, payload, options).await?;
                assert!(is_first, "the second is refused above");
                Err(exists(location))
            }
            Manner::SaysNoAndOverwrites if is_first => self.inner.put_opts(location, payload, options).await,
            Manner::SaysNoAndOverwrites => {
                self.inner.put(location, payload).await?;
                Err(exists(location))
            }
            Manner::FindsEverything => Err(exists(location)),
            Manner::HasNoLinks => {
                let source = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
                Err(Error::Generic { store: "LocalFileSystem", source: Box::new(source) })
            }
            Manner::IsDown => Err(Error::Generic { store: "S3", source: "connection reset".into() }),
        }
    }

    async fn put_multipart_opts(
        &self,
        location: &ObjectPath,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &ObjectPath, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &ObjectPath, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.inner.get_ranges(location, ranges).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<ObjectPath>>,
    ) -> BoxStream<'static, Result<ObjectPath>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&ObjectPath>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&ObjectPath>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &ObjectPath, to: &ObjectPath, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

/// What becomes of a warehouse in a store of this manner; nothing is left in it.
async fn outcome(location: &Url, manner: Manner) -> std::result::Result<(), StorageError> {
    let store = Arc::new(Odd { inner: InMemory::new(), manner, creates: AtomicUsize::new(0) });
    let stores = Stores::new(&Default::default()).with_retries(crate::faults::patience());
    stores.replace(location, store.clone());
    let outcome = require_conditional_put(&stores, location).await;
    let left: Vec<ObjectMeta> = store.list(None).try_collect().await.unwrap();
    assert!(left.is_empty(), "{manner:?}: {left:?}");
    outcome
}

#[tokio::test]
async fn what_a_store_says_is_not_taken_for_what_it_does() {
    let bucket = Url::parse("s3://bucket/warehouse").unwrap();
    for manner in [Manner::Creates, Manner::LosesTheFirstAnswer] {
        outcome(&bucket, manner).await.unwrap();
    }
    let error = outcome(&bucket, Manner::SaysNoAndOverwrites).await.unwrap_err();
    assert!(matches!(error, StorageError::CreatesAgain { .. }), "{error:?}");
    let error = outcome(&bucket, Manner::FindsEverything).await.unwrap_err();
    assert!(matches!(error, StorageError::NoConditionalPut { .. }), "{error:?}");
    // A fault is no refusal.
    let error = outcome(&bucket, Manner::IsDown).await.unwrap_err();
    assert!(matches!(error, StorageError::Store { .. }), "{error:?}");
}

#[tokio::test]
async fn a_file_system_without_hard_links_is_told_from_one_that_may_not_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let location = Url::from_directory_path(folder.path()).unwrap();
    let error = outcome(&location, Manner::HasNoLinks).await.unwrap_err();
    assert!(matches!(error, StorageError::NoConditionalPut { .. }), "{error:?}");
    assert_eq!(error.hint(), Some("keep the warehouse on a file system that has hard links"));

    let file = folder.path().join("file");
    std::fs::write(&file, "in the way").unwrap();
    let (stores, location) = (Stores::new(&Default::default()), Url::from_file_path(&file).unwrap());
    let error = require_conditional_put(&stores, &location).await.unwrap_err();
    assert!(matches!(error, StorageError::Store { .. }), "{error:?}");
}
