//! Serves `/metrics` and `/healthz` over HTTP.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use hyper::body::Incoming;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::{Clock, Meter, Outlook, Pulse};
use crate::config::Job;
use crate::interrupt::Interrupt;
use crate::state::{State, StateError};

/// How long an answer may wait for the state.
const PATIENCE: Duration = Duration::from_secs(5);
/// Connections at once; more wait.
const CONNECTIONS: usize = 32;
/// How long a client may take to say what it wants.
const HEADER_TIME: Duration = Duration::from_secs(3);

/// What the server asks its daemon.
#[async_trait]
pub trait Desk: Send + Sync {
    /// The jobs as they are now.
    fn jobs(&self) -> Arc<BTreeMap<String, Job>>;

    /// When they are due, and what was missed.
    async fn outlook(&self, now: DateTime<Utc>) -> Result<Outlook, StateError>;
}

/// Everything that answers need.
struct Answers {
    state: State,
    meter: Meter,
    pulse: Arc<Pulse>,
    desk: Arc<dyn Desk>,
    clock: Clock,
}

/// Answers until the interrupt comes.
///
/// `/metrics` is OpenMetrics text. `/healthz` is 200 while the ticker ticks and the state answers, else 503 and why;
/// `/healthz/live` asks the ticker alone.
pub async fn serve(
    listener: TcpListener,
    state: State,
    meter: Meter,
    pulse: Arc<Pulse>,
    desk: Arc<dyn Desk>,
    clock: Clock,
    mut interrupt: Interrupt,
) {
    let answers = Arc::new(Answers { state, meter, pulse, desk, clock });
    let connections = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let place = tokio::select! {
            place = connections.clone().acquire_owned() => place,
            () = interrupt.interrupted() => return,
        };
        let (Ok(place), accepted) = (
            place,
            tokio::select! {
                accepted = listener.accept() => accepted,
                () = interrupt.interrupted() => return,
            },
        ) else {
            return;
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::debug!(%error, "a connection could not be accepted");
                // Out of file handles: others may close some.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let answers = answers.clone();
        tokio::spawn(async move {
            let _place = place;
            let service = service_fn(move |request| {
                let answers = answers.clone();
                async move { Ok::<_, Infallible>(answers.answer(&request).await) }
            });
            // One version: finding out which one a client speaks would wait for it without end.
            let mut builder = http1::Builder::new();
            builder.timer(TokioTimer::new()).header_read_timeout(HEADER_TIME).keep_alive(true);
            if let Err(error) = builder.serve_connection(TokioIo::new(stream), service).await {
                tracing::debug!(%error, "a connection ended early");
            }
        });
    }
}

impl Answers {
    async fn answer(&self, request: &Request<Incoming>) -> Response<String> {
        if ![Method::GET, Method::HEAD].contains(request.method()) {
            return text(StatusCode::METHOD_NOT_ALLOWED, "only GET\n".to_owned());
        }
        match request.uri().path() {
            "/metrics" => self.metrics().await,
            "/healthz" | "/healthz/ready" => self.health(true).await,
            "/healthz/live" => self.health(false).await,
            _ => text(StatusCode::NOT_FOUND, "there is /metrics and /healthz\n".to_owned()),
        }
    }

    async fn metrics(&self) -> Response<String> {
        let now = (self.clock)();
        let work = async {
            let outlook = self.desk.outlook(now).await?;
            self.meter.text(&self.state, &self.desk.jobs(), &outlook, &self.pulse, now).await
        };
        match tokio::time::timeout(PATIENCE, work).await {
            Ok(Ok(metrics)) => {
                let mut response = text(StatusCode::OK, metrics);
                let kind = hyper::header::HeaderValue::from_static(
                    "application/openmetrics-text; version=1.0.0; charset=utf-8",
                );
                response.headers_mut().insert(CONTENT_TYPE, kind);
                response
            }
            Ok(Err(error)) => unavailable(&error.to_string()),
            Err(_) => unavailable("the state does not answer"),
        }
    }

    async fn health(&self, asks_state: bool) -> Response<String> {
        if let Some(complaint) = self.pulse.complaint((self.clock)()) {
            return unavailable(&complaint);
        }
        if asks_state {
            match tokio::time::timeout(PATIENCE, self.state.answers()).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return unavailable(&error.to_string()),
                Err(_) => return unavailable("the state does not answer"),
            }
        }
        text(StatusCode::OK, "ok\n".to_owned())
    }
}

fn unavailable(why: &str) -> Response<String> {
    text(StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n"))
}

fn text(status: StatusCode, body: String) -> Response<String> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(CACHE_CONTROL, hyper::header::HeaderValue::from_static("no-store"));
    response
}
