//! A store that fails as it is told to, in the words of object_store's own errors; it counts calls and faults.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{FutureExt, StreamExt};
use object_store::client::{HttpError, HttpErrorKind};
use object_store::memory::InMemory;
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartId, MultipartUpload, ObjectMeta,
    ObjectStore, ObjectStoreExt, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// What is asked of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    Put,
    Create,
    Get,
    Head,
    List,
    Delete,
    Copy,
    Begin,
    Part,
    Complete,
    Abort,
}

impl Operation {
    /// Whether it changes nothing.
    pub fn reads(self) -> bool {
        matches!(self, Self::Get | Self::Head | Self::List)
    }
}

/// What a store answers instead of the truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Answer {
    Bad400,
    Forbidden403,
    Missing404,
    Conflict409,
    Precondition412,
    Throttled429,
    Internal500,
    NotImplemented501,
    Unavailable503,
    Timeout,
    Reset,
    DiskFull,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// Nothing happened.
    Before(Answer),
    /// It happened, and its acknowledgement was lost.
    After(Answer),
    /// A body ends in the middle, as if that were all of it; a listing breaks in the middle.
    Short,
    /// A body or a listing breaks in the middle.
    Broken,
}

impl Fault {
    /// Whether the fault differs from others for this operation.
    pub fn applies(self, operation: Operation) -> bool {
        match self {
            Fault::Before(_) => true,
            Fault::After(_) => !operation.reads(),
            Fault::Short => operation == Operation::Get,
            Fault::Broken => matches!(operation, Operation::Get | Operation::List),
        }
    }
}

/// Which calls fail. Calls are counted from 1, only those that `of` names, or all.
#[derive(Debug, Clone)]
pub enum Plan {
    Never,
    Nth {
        of: Option<Operation>,
        call: usize,
        fault: Fault,
    },
    From {
        of: Option<Operation>,
        call: usize,
        fault: Fault,
    },
    /// Those of one kind at paths with this part.
    At {
        of: Operation,
        part: &'static str,
        fault: Fault,
    },
    /// These, one after the other, at the first calls.
    First {
        of: Operation,
        faults: Vec<Fault>,
    },
    /// Each call with this probability, by one of the faults.
    Share {
        share: f64,
        faults: Vec<Fault>,
        seed: u64,
    },
    /// What the first says, else what the second says.
    Either(Box<Plan>, Box<Plan>),
}

#[derive(Debug)]
struct Record {
    plan: Plan,
    random: ChaCha8Rng,
    calls: Vec<(Operation, Path)>,
    faults: usize,
}

/// A store under which calls fail.
#[derive(Debug)]
pub struct FaultyStore {
    inner: Arc<dyn ObjectStore>,
    /// Deleting many objects is one call, which fails as a whole.
    deletes_at_once: bool,
    record: Mutex<Record>,
    uploads: Mutex<HashMap<MultipartId, BTreeMap<usize, PutPayload>>>,
    begun: AtomicUsize,
}

impl FaultyStore {
    pub fn new(inner: Arc<dyn ObjectStore>, plan: Plan) -> Self {
        let seed = if let Plan::Share { seed, .. } = plan { seed } else { 0 };
        let record = Record { plan, random: ChaCha8Rng::seed_from_u64(seed), calls: Vec::new(), faults: 0 };
        Self {
            inner,
            deletes_at_once: false,
            record: Mutex::new(record),
            uploads: Mutex::default(),
            begun: AtomicUsize::new(0),
        }
    }

    pub fn in_memory(plan: Plan) -> Self {
        Self::new(Arc::new(InMemory::new()), plan)
    }

    pub fn deleting_at_once(self) -> Self {
        Self { deletes_at_once: true, ..self }
    }

    /// The store below, which does not fail.
    pub fn inner(&self) -> &Arc<dyn ObjectStore> {
        &self.inner
    }

    /// From now on, counted anew.
    pub fn plan(&self, plan: Plan) {
        let mut record = self.record.lock().unwrap();
        record.plan = plan;
        record.calls.clear();
        record.faults = 0;
    }

    pub fn calls(&self) -> Vec<(Operation, Path)> {
        self.record.lock().unwrap().calls.clone()
    }

    pub fn calls_of(&self, operation: Operation) -> usize {
        self.calls().iter().filter(|(of, _)| *of == operation).count()
    }

    pub fn faults(&self) -> usize {
        self.record.lock().unwrap().faults
    }

    /// Counts a call, and says how it fails.
    fn fault(&self, operation: Operation, path: &Path) -> Option<Fault> {
        let mut record = self.record.lock().unwrap();
        let record = &mut *record;
        record.calls.push((operation, path.clone()));
        let fault = decide(&record.plan, &record.calls, &mut record.random);
        let fault = fault.filter(|fault| fault.applies(operation));
        record.faults += usize::from(fault.is_some());
        fault
    }

    /// Does what the store below does, unless it is to fail.
    async fn answer<T>(&self, operation: Operation, path: &Path, work: impl Future<Output = Result<T>>) -> Result<T> {
        match self.fault(operation, path) {
            Some(Fault::Before(answer)) => Err(error(operation, path, answer, false)),
            Some(Fault::After(answer)) => {
                work.await?;
                Err(error(operation, path, answer, true))
            }
            _ => work.await,
        }
    }
}

/// How the last of these calls fails.
fn decide(plan: &Plan, calls: &[(Operation, Path)], random: &mut ChaCha8Rng) -> Option<Fault> {
    let (operation, path) = calls.last()?;
    // The number of this call among those that are counted; none where it is not one of them.
    let number = |of: Option<Operation>| {
        let is_of = |call: Operation| of.is_none_or(|of| of == call);
        is_of(*operation).then(|| calls.iter().filter(|(call, _)| is_of(*call)).count())
    };
    match plan {
        Plan::Never => None,
        Plan::Nth { of, call, fault } => (number(*of)? == *call).then_some(*fault),
        Plan::From { of, call, fault } => (number(*of)? >= *call).then_some(*fault),
        Plan::At { of, part, fault } => (of == operation && path.as_ref().contains(part)).then_some(*fault),
        Plan::First { of, faults } => faults.get(number(Some(*of))? - 1).copied(),
        Plan::Share { share, faults, .. } => {
            random.random_bool(*share).then(|| faults[random.random_range(0..faults.len())])
        }
        Plan::Either(one, other) => decide(one, calls, random).or_else(|| decide(other, calls, random)),
    }
}

/// A request that was answered with a failure, as object_store tells it.
#[derive(Debug, thiserror::Error)]
#[error("Error performing {method} http://bucket/{path} in 1.2ms{repeated} - {source}")]
struct RequestFailed {
    method: &'static str,
    path: String,
    repeated: &'static str,
    source: Box<dyn std::error::Error + Send + Sync>,
}

#[derive(Debug, thiserror::Error)]
#[error("Server returned non-2xx status code: {0}: <Error><Code>Made</Code></Error>")]
struct Status(&'static str);

fn broken_connection() -> HttpError {
    let reset = std::io::Error::new(std::io::ErrorKind::ConnectionReset, "connection reset by peer");
    HttpError::new(HttpErrorKind::Interrupted, reset)
}

/// The error of a call. One that took effect was repeated by the client below, which then saw the answer.
fn error(operation: Operation, path: &Path, answer: Answer, has_landed: bool) -> Error {
    let source: Box<dyn std::error::Error + Send + Sync> = match answer {
        Answer::Bad400 => Box::new(Status("400 Bad Request")),
        Answer::Forbidden403 => Box::new(Status("403 Forbidden")),
        Answer::Missing404 => Box::new(Status("404 Not Found")),
        Answer::Conflict409 => Box::new(Status("409 Conflict")),
        Answer::Precondition412 => Box::new(Status("412 Precondition Failed")),
        Answer::Throttled429 => Box::new(Status("429 Too Many Requests")),
        Answer::Internal500 => Box::new(Status("500 Internal Server Error")),
        Answer::NotImplemented501 => Box::new(Status("501 Not Implemented")),
        Answer::Unavailable503 => Box::new(Status("503 Service Unavailable")),
        Answer::Timeout => {
            let late = std::io::Error::new(std::io::ErrorKind::TimedOut, "operation timed out");
            Box::new(HttpError::new(HttpErrorKind::Timeout, late))
        }
        Answer::Reset => Box::new(broken_connection()),
        Answer::DiskFull => {
            let source = Box::new(std::io::Error::new(std::io::ErrorKind::StorageFull, "no space left on device"));
            return Error::Generic { store: "LocalFileSystem", source };
        }
    };
    let method = match operation {
        Operation::Get | Operation::List => "GET",
        Operation::Head => "HEAD",
        Operation::Delete | Operation::Abort => "DELETE",
        Operation::Begin | Operation::Complete => "POST",
        Operation::Put | Operation::Create | Operation::Copy | Operation::Part => "PUT",
    };
    let repeated = if has_landed { ", after 1 retries, max_retries: 4, retry_timeout: 30s " } else { "" };
    let source = Box::new(RequestFailed { method, path: path.to_string(), repeated, source });
    let path = path.to_string();
    match answer {
        // A listing's errors are not sorted.
        _ if operation == Operation::List => Error::Generic { store: "S3", source },
        Answer::Forbidden403 => Error::PermissionDenied { path, source },
        Answer::Missing404 => Error::NotFound { path, source },
        Answer::Conflict409 => Error::AlreadyExists { path, source },
        Answer::Precondition412 if operation == Operation::Create => {
            let inner = Error::Precondition { path: path.clone(), source };
            Error::AlreadyExists { path, source: Box::new(inner) }
        }
        Answer::Precondition412 => Error::Precondition { path, source },
        _ => Error::Generic { store: "S3", source },
    }
}

/// The first half of a body, in two pieces.
fn half(bytes: &Bytes) -> Vec<Result<Bytes>> {
    let half = bytes.slice(..bytes.len() / 2);
    let piece = half.len() / 2;
    vec![Ok(half.slice(..piece)), Ok(half.slice(piece..))]
}

#[async_trait]
impl ObjectStore for FaultyStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let operation = if options.mode == PutMode::Create { Operation::Create } else { Operation::Put };
        self.answer(operation, location, self.inner.put_opts(location, payload, options)).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.answer(Operation::Begin, location, self.inner.put_multipart_opts(location, options)).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let operation = if options.head { Operation::Head } else { Operation::Get };
        let fault = self.fault(operation, location);
        if let Some(Fault::Before(answer)) = fault {
            return Err(error(operation, location, answer, false));
        }
        let found = self.inner.get_opts(location, options).await?;
        if !matches!(fault, Some(Fault::Short | Fault::Broken)) {
            return Ok(found);
        }
        let GetResult { payload, meta, range, attributes } = found;
        let bytes = GetResult { payload, meta: meta.clone(), range: range.clone(), attributes: attributes.clone() }
            .bytes()
            .await?;
        let mut pieces = half(&bytes);
        if fault == Some(Fault::Broken) {
            pieces.push(Err(Error::Generic { store: "S3", source: Box::new(broken_connection()) }));
        }
        Ok(GetResult { payload: GetResultPayload::Stream(stream::iter(pieces).boxed()), meta, range, attributes })
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        // Told at once what each path is to get: the stream outlives the borrow.
        let locations: Vec<Path> = locations
            .collect::<Vec<_>>()
            .now_or_never()
            .expect("the paths are known")
            .into_iter()
            .map(Result::unwrap)
            .collect();
        let inner = self.inner.clone();
        if self.deletes_at_once && locations.len() > 1 {
            let fault = self.fault(Operation::Delete, &locations[0]);
            return stream::once(async move {
                if let Some(Fault::Before(answer)) = fault {
                    return vec![Err(error(Operation::Delete, &locations[0], answer, false))];
                }
                let first = locations[0].clone();
                let all = inner.delete_stream(stream::iter(locations.into_iter().map(Ok)).boxed());
                let outcomes: Vec<_> = all.collect().await;
                match fault {
                    Some(Fault::After(answer)) => vec![Err(error(Operation::Delete, &first, answer, true))],
                    _ => outcomes,
                }
            })
            .map(stream::iter)
            .flatten()
            .boxed();
        }
        let told: Vec<_> = locations
            .into_iter()
            .map(|path| {
                let fault = self.fault(Operation::Delete, &path);
                (path, fault)
            })
            .collect();
        stream::iter(told)
            .then(move |(path, fault)| {
                let inner = inner.clone();
                async move {
                    if let Some(Fault::Before(answer)) = fault {
                        return Err(error(Operation::Delete, &path, answer, false));
                    }
                    inner.delete(&path).await?;
                    match fault {
                        Some(Fault::After(answer)) => Err(error(Operation::Delete, &path, answer, true)),
                        _ => Ok(path),
                    }
                }
            })
            .boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let folder = prefix.cloned().unwrap_or_default();
        let all = self.inner.list(prefix);
        match self.fault(Operation::List, &folder) {
            None => all,
            Some(Fault::Before(answer)) => stream::iter([Err(error(Operation::List, &folder, answer, false))]).boxed(),
            Some(_) => stream::once(async move {
                let mut entries: Vec<_> = all.collect().await;
                entries.truncate(entries.len() / 2);
                entries.push(Err(error(Operation::List, &folder, Answer::Reset, false)));
                stream::iter(entries)
            })
            .flatten()
            .boxed(),
        }
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let folder = prefix.cloned().unwrap_or_default();
        match self.fault(Operation::List, &folder) {
            None => self.inner.list_with_delimiter(prefix).await,
            Some(Fault::Before(answer)) => Err(error(Operation::List, &folder, answer, false)),
            Some(_) => Err(error(Operation::List, &folder, Answer::Reset, false)),
        }
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.answer(Operation::Copy, to, self.inner.copy_opts(from, to, options)).await
    }
}

#[async_trait]
impl MultipartStore for FaultyStore {
    async fn create_multipart(&self, path: &Path) -> Result<MultipartId> {
        let begin = async {
            let mut uploads = self.uploads.lock().unwrap();
            let id = format!("upload {}", self.begun.fetch_add(1, Ordering::Relaxed));
            uploads.insert(id.clone(), BTreeMap::new());
            Ok(id)
        };
        self.answer(Operation::Begin, path, begin).await
    }

    async fn put_part(&self, path: &Path, id: &MultipartId, part_idx: usize, data: PutPayload) -> Result<PartId> {
        let send = async {
            let mut uploads = self.uploads.lock().unwrap();
            let upload = uploads.get_mut(id).ok_or_else(|| gone(path))?;
            upload.insert(part_idx, data);
            Ok(PartId { content_id: format!("{id} part {part_idx}") })
        };
        self.answer(Operation::Part, path, send).await
    }

    async fn complete_multipart(&self, path: &Path, id: &MultipartId, parts: Vec<PartId>) -> Result<PutResult> {
        let complete = async {
            let sent = self.uploads.lock().unwrap().remove(id).ok_or_else(|| gone(path))?;
            for (number, part) in parts.iter().enumerate() {
                assert_eq!(part.content_id, format!("{id} part {number}"));
            }
            assert_eq!(sent.len(), parts.len());
            let payload: PutPayload = sent.values().flat_map(|part| part.iter().cloned()).collect();
            self.inner.put(path, payload).await
        };
        self.answer(Operation::Complete, path, complete).await
    }

    async fn abort_multipart(&self, path: &Path, id: &MultipartId) -> Result<()> {
        let abort = async { self.uploads.lock().unwrap().remove(id).map(|_| ()).ok_or_else(|| gone(path)) };
        self.answer(Operation::Abort, path, abort).await
    }
}

fn gone(path: &Path) -> Error {
    let source = Box::new(Status("404 Not Found"));
    Error::NotFound { path: path.to_string(), source }
}

impl FaultyStore {
    /// Uploads that were begun and neither completed nor aborted.
    pub fn open_uploads(&self) -> usize {
        self.uploads.lock().unwrap().len()
    }
}

impl std::fmt::Display for FaultyStore {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "FaultyStore({})", self.inner)
    }
}
