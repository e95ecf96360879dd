//! The door between one process and the bucket: it numbers and names what the process asks for, and at one of these calls
//! does something to the call or to the process.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use object_store::memory::InMemory;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::{AbortHandle, JoinSet};

use super::points::{is_publication, is_release, name};
use super::s3::{self, Call, Clock, Reply};
use crate::faults::store::{Answer, Fault, Operation};

/// When something happens to a call, or to the process that makes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// The store has not seen the call, and never does.
    Before,
    /// The store has done it, and nobody hears of it.
    After,
    /// Nobody hears of it, and the store does it when it has done so many others.
    Late(usize),
}

/// What happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    Fail(Fault),
    /// No answer; the store does it when it has done so many others.
    Delay(usize),
    Kill(Moment),
    /// The process is asked to stop, and its call goes on.
    Terminate(Moment),
    /// The process sleeps until it is woken; its call is held as long.
    Sleep(Moment),
}

/// To which calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum When {
    /// The n-th, from 1.
    Nth(usize),
    /// The n-th and all after it.
    From(usize),
    /// Each n-th.
    Each(usize),
    /// The n-th of this name, from 1.
    Named(String, usize),
    /// All of this name.
    All(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    pub when: When,
    pub act: Act,
}

/// The bucket as it was at some time.
pub struct State {
    pub objects: InMemory,
    /// A release had just been made or dropped.
    pub is_release: bool,
}

/// A bucket with calls that are still on their way to it.
pub struct Bucket {
    pub objects: InMemory,
    pub clock: Clock,
    late: Mutex<Vec<(usize, Call)>>,
    arrived: AtomicUsize,
    watcher: Mutex<Option<mpsc::Sender<State>>>,
}

impl Bucket {
    pub fn new(objects: InMemory, clock: Clock) -> Arc<Self> {
        Arc::new(Self {
            objects,
            clock,
            late: Mutex::default(),
            arrived: AtomicUsize::new(0),
            watcher: Mutex::default(),
        })
    }

    /// Sends the bucket as it is after each step of a publication.
    pub fn watch(&self, watcher: Option<mpsc::Sender<State>>) {
        *self.watcher.lock().unwrap() = watcher;
    }

    async fn apply(&self, call: &Call) -> Reply {
        let reply = call.answer(&self.objects, self.clock).await;
        if is_publication(call) {
            let watcher = self.watcher.lock().unwrap().clone();
            if let Some(watcher) = watcher {
                let _ = watcher.send(State { objects: self.objects.fork(), is_release: is_release(call) });
            }
        }
        reply
    }

    /// Lets arrive what is due.
    async fn tick(&self) {
        let due: Vec<Call> = {
            let mut late = self.late.lock().unwrap();
            for (left, _) in late.iter_mut() {
                *left = left.saturating_sub(1);
            }
            late.extract_if(.., |(left, _)| *left == 0).map(|(_, call)| call).collect()
        };
        for call in due {
            self.apply(&call).await;
            self.arrived.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// How many calls have arrived late.
    pub fn arrived(&self) -> usize {
        self.arrived.load(Ordering::SeqCst)
    }

    /// Lets arrive all that is still on its way.
    pub async fn flush(&self) {
        let late = std::mem::take(&mut *self.late.lock().unwrap());
        for (_, call) in late {
            self.apply(&call).await;
            self.arrived.fetch_add(1, Ordering::SeqCst);
        }
    }
}

#[derive(Default)]
struct Record {
    names: Vec<String>,
    operations: Vec<Operation>,
    counts: BTreeMap<String, usize>,
}

struct Shared {
    bucket: Arc<Bucket>,
    plan: Option<Plan>,
    record: Mutex<Record>,
    child: Mutex<Option<u32>>,
    /// How often something happened.
    acts: AtomicUsize,
    asleep: Semaphore,
    awake: Semaphore,
}

pub struct Front {
    pub endpoint: String,
    shared: Arc<Shared>,
    serving: AbortHandle,
}

impl Drop for Front {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Front {
    pub async fn open(bucket: &Arc<Bucket>, plan: Option<Plan>) -> Self {
        let shared = Arc::new(Shared {
            bucket: bucket.clone(),
            plan,
            record: Mutex::default(),
            child: Mutex::default(),
            acts: AtomicUsize::new(0),
            asleep: Semaphore::new(0),
            awake: Semaphore::new(0),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let door = shared.clone();
        let serving = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                // Head and body of an answer go one by one: the second would wait 40 ms for the first's receipt.
                socket.set_nodelay(true).unwrap();
                let shared = door.clone();
                let answer = service_fn(move |request| answer(shared.clone(), request));
                connections.spawn(async move {
                    let connection = Builder::new(TokioExecutor::new());
                    // A client that hangs up is none of the server's business.
                    let _ = connection.serve_connection(TokioIo::new(socket), answer).await;
                });
            }
        });
        Self { endpoint, shared, serving: serving.abort_handle() }
    }

    /// Says which process comes through this door.
    pub fn belongs_to(&self, child: u32) {
        *self.shared.child.lock().unwrap() = Some(child);
    }

    pub fn acts(&self) -> usize {
        self.shared.acts.load(Ordering::SeqCst)
    }

    /// The calls so far.
    pub fn calls(&self) -> Vec<(String, Operation)> {
        let record = self.shared.record.lock().unwrap();
        record.names.iter().cloned().zip(record.operations.iter().copied()).collect()
    }

    /// Whether the process sleeps.
    pub fn is_asleep(&self) -> bool {
        self.shared.asleep.available_permits() > 0
    }

    /// Lets the held call go on, and wakes the process.
    pub fn wake(&self) {
        self.shared.awake.add_permits(1);
        self.shared.signal("-CONT");
    }
}

impl Shared {
    /// Counts a call, and says what is to happen.
    fn enter(&self, call: &Call) -> Option<Act> {
        let name = name(call);
        let mut record = self.record.lock().unwrap();
        record.names.push(name.clone());
        record.operations.push(call.operation);
        let number = record.names.len();
        let of_name = record.counts.entry(name.clone()).or_default();
        *of_name += 1;
        let plan = self.plan.as_ref()?;
        let is_due = match &plan.when {
            When::Nth(n) => number == *n,
            When::From(n) => number >= *n,
            When::Each(n) => number.is_multiple_of(*n),
            When::Named(wanted, n) => *wanted == name && of_name == n,
            When::All(wanted) => *wanted == name,
        };
        let act = plan.act;
        let is_due = is_due && !matches!(act, Act::Fail(fault) if !applies(fault, call.operation));
        if is_due {
            self.acts.fetch_add(1, Ordering::SeqCst);
        }
        is_due.then_some(act)
    }

    fn signal(&self, signal: &str) {
        // It makes no call before it is known, for it takes longer to start.
        let child = self.child.lock().unwrap().expect("a process");
        // One that has just ended does not mind.
        let _ = std::process::Command::new("kill").args([signal, &child.to_string()]).stderr(Stdio::null()).status();
    }
}

/// Whether a fault differs from others for this operation.
pub fn applies(fault: Fault, operation: Operation) -> bool {
    match fault {
        Fault::Before(_) => true,
        Fault::After(_) => !operation.reads(),
        Fault::Broken => matches!(operation, Operation::Get | Operation::List),
        // A text that ends in the middle, with a length as if that were all.
        Fault::Short => operation == Operation::List,
    }
}

async fn answer(shared: Arc<Shared>, request: Request<Incoming>) -> io::Result<Response<Text>> {
    let Some(call) = s3::read(request).await else { return Err(hung_up()) };
    let bucket = &shared.bucket;
    bucket.tick().await;
    match shared.enter(&call) {
        None => Ok(text(bucket.apply(&call).await)),
        Some(Act::Fail(Fault::Before(answer))) => refuse(answer).await,
        Some(Act::Fail(Fault::After(answer))) => {
            bucket.apply(&call).await;
            refuse(answer).await
        }
        Some(Act::Fail(cut @ (Fault::Broken | Fault::Short))) => {
            let mut reply = bucket.apply(&call).await;
            let half = reply.body.slice(..reply.body.len() / 2);
            if cut == Fault::Short {
                reply.body = half;
                return Ok(text(reply));
            }
            let length = reply.body.len() as u64;
            let mut response = text(reply);
            *response.body_mut() = Text { data: Some(half), length, steps: 0, is_cut: true };
            Ok(response)
        }
        Some(Act::Delay(calls)) => {
            bucket.late.lock().unwrap().push((calls, call));
            never().await
        }
        Some(Act::Kill(moment)) => {
            match moment {
                Moment::Before => {}
                Moment::After => drop(bucket.apply(&call).await),
                Moment::Late(calls) => bucket.late.lock().unwrap().push((calls, call)),
            }
            shared.signal("-KILL");
            never().await
        }
        Some(Act::Terminate(moment)) => {
            let reply = if moment == Moment::After { Some(bucket.apply(&call).await) } else { None };
            shared.signal("-TERM");
            match reply {
                Some(reply) => Ok(text(reply)),
                None => Ok(text(bucket.apply(&call).await)),
            }
        }
        Some(Act::Sleep(moment)) => {
            let reply = if moment == Moment::After { Some(bucket.apply(&call).await) } else { None };
            shared.signal("-STOP");
            shared.asleep.add_permits(1);
            shared.awake.acquire().await.unwrap().forget();
            match reply {
                Some(reply) => Ok(text(reply)),
                None => Ok(text(bucket.apply(&call).await)),
            }
        }
    }
}

fn hung_up() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "the connection is broken on purpose")
}

async fn never() -> io::Result<Response<Text>> {
    let never: Infallible = std::future::pending().await;
    match never {}
}

async fn refuse(answer: Answer) -> io::Result<Response<Text>> {
    let (status, code) = match answer {
        Answer::Timeout => return never().await,
        Answer::Reset => return Err(hung_up()),
        Answer::Bad400 => (400, "InvalidRequest"),
        Answer::Forbidden403 => (403, "AccessDenied"),
        Answer::Missing404 => (404, "NoSuchKey"),
        Answer::Conflict409 => (409, "ConditionalRequestConflict"),
        Answer::Precondition412 => (412, "PreconditionFailed"),
        Answer::Throttled429 => (429, "TooManyRequests"),
        Answer::Internal500 => (500, "InternalError"),
        Answer::NotImplemented501 => (501, "NotImplemented"),
        Answer::Unavailable503 => (503, "SlowDown"),
        Answer::DiskFull => (507, "InsufficientStorage"),
    };
    Ok(text(Reply::error(status, code)))
}

fn text(reply: Reply) -> Response<Text> {
    let mut response = Response::builder().status(reply.status);
    for (name, value) in reply.headers {
        response = response.header(name, value);
    }
    let length = reply.body.len() as u64;
    let data = (length > 0).then_some(reply.body);
    response.body(Text { data, length, steps: 0, is_cut: false }).unwrap()
}

/// A body, or the first half of one.
struct Text {
    data: Option<Bytes>,
    /// What is promised.
    length: u64,
    steps: u32,
    is_cut: bool,
}

impl Body for Text {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if let Some(data) = self.data.take() {
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        if !self.is_cut {
            return Poll::Ready(None);
        }
        // The first half is sent before the connection breaks.
        self.steps += 1;
        if self.steps < 3 {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Some(Err(hung_up())))
    }

    fn is_end_stream(&self) -> bool {
        self.data.is_none() && !self.is_cut
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.length)
    }
}
