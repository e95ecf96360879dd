//! Landing from S3 to S3, over real HTTP with signatures.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use lifecycle::land::{self, LandError};
use lifecycle::storage::{Stores, Table};
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use url::Url;

use super::{ORDERS, Zone, gzip, orders};

/// What the server makes of a put that is to create an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConditionalPuts {
    Honoured,
    /// The condition is not seen: an object that exists is overwritten.
    Ignored,
    /// The condition is answered with status 501, as by servers that do not know it.
    Refused,
}

/// An S3 server in this process, on a port of its own; it stops when dropped.
pub(crate) struct Server {
    pub folder: Arc<TempDir>,
    pub endpoint: String,
    requests: Arc<Mutex<Vec<String>>>,
    serving: JoinHandle<()>,
}

impl Server {
    pub async fn start() -> Self {
        Self::serve(Arc::new(tempfile::tempdir().unwrap()), ConditionalPuts::Honoured, true).await
    }

    /// A server that takes unsigned requests, because a signature covers the condition, too.
    pub async fn start_unsigned(conditional_puts: ConditionalPuts) -> Self {
        Self::serve(Arc::new(tempfile::tempdir().unwrap()), conditional_puts, false).await
    }

    /// Another server of the same objects, which takes unsigned requests.
    pub async fn beside(&self, conditional_puts: ConditionalPuts) -> Self {
        Self::serve(self.folder.clone(), conditional_puts, false).await
    }

    async fn serve(folder: Arc<TempDir>, conditional_puts: ConditionalPuts, is_signed: bool) -> Self {
        std::fs::create_dir_all(folder.path().join("bucket")).unwrap();
        let mut service = S3ServiceBuilder::new(s3s_fs::FileSystem::new(folder.path()).unwrap());
        if is_signed {
            service.set_auth(SimpleAuth::from_single("reader", "a secret"));
        }
        let service = service.build();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let requests: Arc<Mutex<Vec<String>>> = Arc::default();
        let seen = requests.clone();
        let answer = service_fn(move |mut request: Request<Incoming>| {
            let service = service.clone();
            seen.lock().unwrap().push(format!("{} {}", request.method(), request.uri().path()));
            let is_conditional = request.headers().contains_key("if-none-match");
            if conditional_puts == ConditionalPuts::Ignored {
                request.headers_mut().remove("if-none-match");
            }
            async move {
                if is_conditional && conditional_puts == ConditionalPuts::Refused {
                    let said = "<Error><Code>NotImplemented</Code><Message>If-None-Match</Message></Error>".to_owned();
                    return Ok(Response::builder().status(501).body(s3s::Body::from(said)).unwrap());
                }
                service.call(request.map(s3s::Body::from)).await
            }
        });
        let serving = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                // Head and body of an answer go one by one: the second would wait 40 ms for the first's receipt.
                socket.set_nodelay(true).unwrap();
                let service = answer.clone();
                tokio::spawn(async move {
                    let connection = Builder::new(TokioExecutor::new());
                    // A client that hangs up is none of the server's business.
                    let _ = connection.serve_connection(TokioIo::new(socket), service).await;
                });
            }
        });
        Self { folder, endpoint, requests, serving }
    }

    /// Every request so far, as `PUT /bucket/name`.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    fn stores(&self, secret: &str) -> Stores {
        let options = [
            ("aws_endpoint", self.endpoint.as_str()),
            ("aws_allow_http", "true"),
            ("aws_region", "eu-west-2"),
            ("aws_access_key_id", "reader"),
            ("aws_secret_access_key", secret),
        ];
        Stores::new(&BTreeMap::from(options.map(|(name, value)| (name.to_owned(), value.to_owned()))))
    }

    fn put(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.folder.path().join("bucket/raw").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    /// A zone whose drop zone and table lie in the bucket.
    fn zone(&self, secret: &str) -> Zone {
        let stores = self.stores(secret);
        let table = Table::open(&stores, &Url::parse("s3://bucket/warehouse/landed/feed").unwrap()).unwrap();
        Zone { stores, table, raw: Url::parse("s3://bucket/raw").unwrap(), ..Zone::new() }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_past_a_thousand_objects_and_lands_from_s3_to_s3() {
    let server = Server::start().await;
    let mut zone = server.zone("a secret");
    zone.parallelism = 8;
    for object in 0..1100 {
        let line = format!("k{},1,2024-01-0{}T10:00:00Z,{object}\n", object % 900, object % 9 + 1);
        server.put(&format!("orders/{object:04}.csv.gz"), gzip(format!("{ORDERS}{line}").as_bytes()));
    }
    let plan = land::plan_landing(&zone.request(&zone.locate(&orders("orders/*.gz")))).await.unwrap();
    assert_eq!((plan.diff.new.len(), plan.version()), (1100, None));
    let some = orders("orders/*[05]0.csv.gz");
    let report = zone.land(&some).await;
    assert_eq!((report.objects.len(), report.rows_in(), report.landed()), (22, 22, 22));
    assert_eq!(zone.rows(&some).await.len(), 18);
    assert!(!zone.land(&some).await.committed);
    server.put("orders/0050.csv.gz", gzip(format!("{ORDERS}k50,1,2024-01-01T10:00:00Z,7\nk50,2,x,7\n").as_bytes()));
    let report = zone.land(&some).await;
    assert_eq!((report.objects.len(), report.landed(), report.rejected()), (1, 1, 1));
    assert_eq!(zone.rejected(&some).await[0].object, "orders/0050.csv.gz");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_bucket_and_a_wrong_secret_are_told_apart_from_an_empty_folder() {
    let server = Server::start().await;
    let zone = server.zone("a secret");
    let report = zone.land(&orders("orders/*.csv")).await;
    assert_eq!((report.objects.len(), report.committed), (0, false));
    let mut source = orders("*.csv");
    source.location = "s3://elsewhere/raw/*.csv".to_owned();
    let error = land::land(&zone.request(&source)).await.unwrap_err();
    assert!(matches!(error, LandError::LocationMissing { .. }), "{error:?}");
    let zone = server.zone("a wrong one");
    let source = zone.locate(&orders("orders/*.csv"));
    let error = land::discover(&zone.stores, &source, &zone.raw).await.unwrap_err();
    assert!(matches!(error, LandError::LocationForbidden { .. }), "{error:?}");
}
