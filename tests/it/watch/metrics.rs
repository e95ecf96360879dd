//! `/metrics` and `/healthz`, over HTTP.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use lifecycle::config::Job;
use lifecycle::interrupt::{self, Interrupter};
use lifecycle::state::{BackfillStart, DayOrder, RunOutcome, State, StateError};
use lifecycle::watch::{Desk, Meter, Notifier, Outlook, Pulse, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::servers::{Answer, HttpServer};
use super::{IMPATIENT, Place, Recorded, Time, at, record, record_of};

struct Front {
    jobs: Arc<BTreeMap<String, Job>>,
    outlook: Outlook,
}

#[async_trait]
impl Desk for Front {
    fn jobs(&self) -> Arc<BTreeMap<String, Job>> {
        self.jobs.clone()
    }

    async fn outlook(&self, _now: DateTime<Utc>) -> Result<Outlook, StateError> {
        Ok(self.outlook.clone())
    }
}

struct Running {
    address: String,
    pulse: Arc<Pulse>,
    interrupter: Interrupter,
    serving: JoinHandle<()>,
}

async fn start(place: &Place, state: &State, time: &Time, outlook: Outlook) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let project = place.project();
    let pulse = Arc::new(Pulse::new(TimeDelta::seconds(60), time.now()));
    let meter = Meter::new(project.environment.timezone);
    let front = Arc::new(Front { jobs: Arc::new(project.jobs), outlook });
    let (interrupter, interrupt) = interrupt::channel();
    let serving = tokio::spawn(serve(listener, state.clone(), meter, pulse.clone(), front, time.clock(), interrupt));
    Running { address, pulse, interrupter, serving }
}

pub async fn get(address: &str, path: &str) -> (u16, String, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head.to_ascii_lowercase(), body.to_owned())
}

/// Reads the text line by line, and refuses what the format does not allow; samples by name and labels.
pub fn samples(text: &str) -> BTreeMap<String, f64> {
    let (mut kinds, mut helped, mut samples) = (BTreeMap::new(), BTreeSet::new(), BTreeMap::new());
    let mut lines = text.lines();
    assert_eq!(lines.next_back(), Some("# EOF"));
    for line in lines {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(kinds.insert(name.to_owned(), kind.to_owned()).is_none(), "{name} has two types");
            continue;
        }
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap();
            assert!(helped.insert(name.to_owned()) && help.len() > 5, "{line}");
            continue;
        }
        let (key, value) = line.rsplit_once(' ').unwrap();
        let name = key.split('{').next().unwrap();
        let family = kinds.keys().find(|family| {
            let suffix = name.strip_prefix(family.as_str());
            suffix.is_some_and(|suffix| match kinds[*family].as_str() {
                "counter" => suffix == "_total",
                "histogram" => ["_bucket", "_sum", "_count"].contains(&suffix),
                _ => suffix.is_empty(),
            })
        });
        assert!(family.is_some(), "{line} belongs to no family");
        assert!(
            name.starts_with("lifecycle_") && name.chars().all(|letter| letter.is_ascii_lowercase() || letter == '_')
        );
        assert!(samples.insert(key.to_owned(), value.parse().unwrap()).is_none(), "{key} twice");
    }
    assert_eq!(kinds.keys().collect::<Vec<_>>(), helped.iter().collect::<Vec<_>>());
    samples
}

#[tokio::test]
async fn metrics_tell_what_the_state_knows() {
    let hook = HttpServer::start(&[Answer::Status(404)]).await;
    let place = Place::new().told_by_webhook(&hook.url);
    let (state, time) = (place.state().await, Time::at(600));
    record(&state, &Recorded { landed: 97, rejected: 3, ..Recorded::new(1, RunOutcome::Succeeded, 0) }).await;
    record(&state, &Recorded { landed: 50, rejected: 0, ..Recorded::new(2, RunOutcome::Succeeded, 60) }).await;
    let failed = Recorded::failed(3, 120);
    record(&state, &failed).await;
    record_of("odd \"job\"", &state, &Recorded::new(4, RunOutcome::NothingToDo, 130)).await;
    let project = place.project();
    let notifier = Notifier::new(&project, IMPATIENT);
    notifier.run_ended(&state, &project.jobs["nightly"], &failed.run_id, time.now()).await.unwrap();
    notifier.send_due(&state, &project.jobs, &time.clock()).await.unwrap();
    let start_of = BackfillStart {
        backfill_id: "b1".to_owned(),
        job: "nightly".to_owned(),
        environment: "local".to_owned(),
        days: vec!["2025-12-01".parse().unwrap(), "2025-12-02".parse().unwrap()],
        selection: "all".to_owned(),
        order: DayOrder::OldestFirst,
        created_at: at(0),
    };
    state.create_backfill(&start_of).await.unwrap();
    let outlook = Outlook {
        next: BTreeMap::from([("nightly".to_owned(), at(1_440))]),
        paused: BTreeSet::from(["odd \"job\"".to_owned()]),
        missed: BTreeMap::from([("nightly".to_owned(), 2)]),
    };
    let running = start(&place, &state, &time, outlook).await;
    time.set(601);
    let (status, head, body) = get(&running.address, "/metrics").await;
    assert_eq!(status, 200);
    assert!(head.contains("content-type: application/openmetrics-text; version=1.0.0"), "{head}");
    let found = samples(&body);
    let nightly = |name: &str, labels: &str| found[&format!("lifecycle_{name}{{job=\"nightly\"{labels}}}")];
    assert_eq!(nightly("runs_total", ",trigger=\"schedule\",outcome=\"succeeded\""), 2.0);
    assert_eq!(nightly("runs_total", ",trigger=\"schedule\",outcome=\"failed\""), 1.0);
    assert_eq!(nightly("last_success_timestamp_seconds", ""), at(62).timestamp() as f64);
    // 2026-01-02 00:00 in London until 12:01.
    assert_eq!(nightly("data_age_seconds", ""), 12.0 * 3_600.0 + 60.0);
    assert_eq!(nightly("data_age_target_seconds", ""), 36.0 * 3_600.0);
    assert_eq!(nightly("run_duration_seconds_count", ""), 3.0);
    assert_eq!(nightly("run_duration_seconds_sum", ""), 360.0);
    let bucket =
        |bound: &str| found[&format!("lifecycle_run_duration_seconds_bucket{{le=\"{bound}\",job=\"nightly\"}}")];
    assert_eq!((bucket("60.0"), bucket("180.0"), bucket("+Inf")), (0.0, 3.0, 3.0));
    assert_eq!(nightly("rows_landed_total", ",source=\"orders\""), 147.0);
    assert_eq!(nightly("rows_rejected_total", ",source=\"orders\""), 3.0);
    assert_eq!(nightly("checks_failing", ",severity=\"error\""), 0.0);
    assert_eq!(nightly("next_run_timestamp_seconds", ""), at(1_440).timestamp() as f64);
    assert_eq!(nightly("missed_runs_total", ""), 2.0);
    assert_eq!((nightly("running", ""), nightly("job_paused", "")), (0.0, 0.0));
    assert_eq!(found["lifecycle_job_paused{job=\"odd \\\"job\\\"\"}"], 1.0);
    assert_eq!(nightly("backfill_days", ",status=\"pending\""), 2.0);
    assert_eq!(found["lifecycle_ticker_lag_seconds"], 60.0);
    assert_eq!(found["lifecycle_notifications_total{outcome=\"given_up\"}"], 1.0);
    assert_eq!(found["lifecycle_notifications_waiting"], 0.0);

    // The sums are kept, and follow when a run ends; a new process counts the same.
    record(&state, &Recorded { landed: 3, rejected: 0, ..Recorded::new(5, RunOutcome::Succeeded, 300) }).await;
    let (_, _, body) = get(&running.address, "/metrics").await;
    assert_eq!(samples(&body)["lifecycle_rows_landed_total{job=\"nightly\",source=\"orders\"}"], 150.0);
    let other = start(&place, &place.state().await, &time, Outlook::default()).await;
    let (_, _, body) = get(&other.address, "/metrics").await;
    assert_eq!(samples(&body)["lifecycle_rows_landed_total{job=\"nightly\",source=\"orders\"}"], 150.0);
    assert!(!body.contains("hunter2"));

    running.interrupter.interrupt();
    running.serving.await.unwrap();
}

#[tokio::test]
async fn health_says_why_it_is_not_well() {
    let place = Place::new();
    let (state, time) = (place.state().await, Time::at(0));
    let running = start(&place, &state, &time, Outlook::default()).await;
    let answer = async |path| {
        let (status, _, body) = get(&running.address, path).await;
        (status, body)
    };
    assert_eq!(answer("/healthz").await, (200, "ok\n".to_owned()));
    assert_eq!(answer("/nothing").await.0, 404);
    time.set(2);
    let late = (503, "the ticker has not ticked for 120 s\n".to_owned());
    assert_eq!(answer("/healthz").await, late);
    assert_eq!(answer("/healthz/live").await, late);
    running.pulse.ticked(time.now());
    assert_eq!(answer("/healthz/live").await.0, 200);
    // The clock is set back: that is no lateness.
    time.set(-600);
    assert_eq!(answer("/healthz").await.0, 200);
    // The state is gone: the process lives, but is not ready.
    state.close().await;
    let (status, body) = answer("/healthz").await;
    assert_eq!(status, 503);
    assert!(body.contains("state"), "{body}");
    assert_eq!(answer("/metrics").await.0, 503);
    assert_eq!(answer("/healthz/live").await.0, 200);
}

#[tokio::test]
async fn a_client_that_says_nothing_keeps_nobody_waiting() {
    let place = Place::new();
    let (state, time) = (place.state().await, Time::at(0));
    let running = start(&place, &state, &time, Outlook::default()).await;
    let mut silent = Vec::new();
    // As many as are answered at once.
    for _ in 0..32 {
        silent.push(TcpStream::connect(&running.address).await.unwrap());
    }
    let mut wrong = TcpStream::connect(&running.address).await.unwrap();
    wrong.write_all(b"\x16\x03\x01 this is no HTTP\r\n\r\n").await.unwrap();
    let answer = tokio::time::timeout(Duration::from_secs(20), get(&running.address, "/healthz")).await;
    assert_eq!(answer.unwrap().0, 200);
}
