//! Traces: what a collector gets, and that a run does not wait for one that is gone.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::servers::{Answer, HttpServer};
use super::{Place, SECRET_PASSWORD};

/// A span of an export, as far as the tests look.
#[derive(Debug, Clone, Default)]
struct Span {
    id: Vec<u8>,
    trace: Vec<u8>,
    parent: Vec<u8>,
    name: String,
    attributes: BTreeMap<String, String>,
}

/// The fields of a protobuf message that have bytes: number and content.
fn fields(mut bytes: &[u8]) -> Vec<(u64, Vec<u8>)> {
    fn number(bytes: &mut &[u8]) -> u64 {
        let (mut value, mut shift) = (0, 0);
        loop {
            let (first, rest) = bytes.split_first().unwrap();
            *bytes = rest;
            value |= u64::from(first & 0x7f) << shift;
            if first & 0x80 == 0 {
                return value;
            }
            shift += 7;
        }
    }
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let key = number(&mut bytes);
        let length = match key & 7 {
            0 => {
                number(&mut bytes);
                continue;
            }
            1 => 8,
            5 => 4,
            2 => number(&mut bytes) as usize,
            other => panic!("wire type {other}"),
        };
        let (content, rest) = bytes.split_at(length);
        found.push((key >> 3, content.to_vec()));
        bytes = rest;
    }
    found
}

fn below(message: &[u8], number: u64) -> Vec<Vec<u8>> {
    fields(message).into_iter().filter(|(found, _)| *found == number).map(|(_, content)| content).collect()
}

/// The spans of an `ExportTraceServiceRequest`.
fn spans(export: &[u8]) -> Vec<Span> {
    let scopes = below(export, 1).into_iter().flat_map(|resource| below(&resource, 2));
    let spans = scopes.flat_map(|scope| below(&scope, 2));
    spans
        .map(|span| {
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            let first = |number| below(&span, number).into_iter().next().unwrap_or_default();
            let attributes = below(&span, 9).into_iter().map(|attribute| {
                let value = below(&attribute, 2).concat();
                let value = below(&value, 1).first().map(|value| text(value)).unwrap_or_default();
                (text(&below(&attribute, 1).concat()), value)
            });
            Span {
                trace: first(1),
                id: first(2),
                parent: first(4),
                name: text(&first(5)),
                attributes: attributes.collect(),
            }
        })
        .collect()
}

#[tokio::test]
async fn a_run_is_one_trace() {
    let collector = HttpServer::start(&[]).await;
    let place = Place::new();
    let (code, _, stderr) = place.run(&["run", "nightly", "--as-of", "2026-01-01", "--otlp", &collector.url]).await;
    assert_eq!(code, Some(0), "{stderr}");
    let requests = collector.requests();
    assert!(requests.iter().all(|request| request.line == "POST /v1/traces HTTP/1.1"), "{:?}", requests[0].line);
    let found: Vec<Span> = requests.iter().flat_map(|request| spans(&request.body)).collect();
    let by_name = |name: &str| found.iter().filter(|span| span.name == name).cloned().collect::<Vec<_>>();
    let [run] = &by_name("run")[..] else { panic!("{found:#?}") };
    assert!(run.parent.is_empty());
    assert_eq!((run.attributes["job"].as_str(), run.attributes["as_of"].as_str()), ("nightly", "2026-01-01"));
    let runs = place.run(&["runs", "-o", "json"]).await.1;
    assert!(runs.contains(&run.attributes["run_id"]), "{runs}");
    for (name, attribute, value) in [("land", "source", "orders"), ("build", "table", "marts.totals")] {
        let [span] = &by_name(name)[..] else { panic!("{found:#?}") };
        assert_eq!((&span.parent, &span.trace), (&run.id, &run.trace));
        assert_eq!(span.attributes[attribute], value);
    }
    for name in ["check", "publish"] {
        assert_eq!(by_name(name).len(), 1, "{found:#?}");
    }
    let resource = String::from_utf8_lossy(&requests[0].body).into_owned();
    assert!(resource.contains("service.name") && resource.contains("lifecycle"));
}

#[tokio::test]
async fn a_failed_run_is_a_span_with_an_error() {
    let collector = HttpServer::start(&[]).await;
    let place = Place::new().with_variable("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url.clone());
    place.write("raw/orders/1.csv", "order_no,customer_no,sold_at,amount\nx,y,z,?\n");
    let (code, _, stderr) = place.run(&["run", "nightly", "--as-of", "2026-01-01"]).await;
    assert_eq!(code, Some(1), "{stderr}");
    let export = collector.requests()[0].body.clone();
    assert_eq!(spans(&export).iter().filter(|span| span.name == "run").count(), 1);
    assert!(String::from_utf8_lossy(&export).contains("landing failed"));
}

#[tokio::test]
async fn a_collector_that_is_gone_or_hangs_fails_nothing() {
    let hanging = HttpServer::start(&[Answer::Hang; 4]).await;
    for url in [format!("http://user:{SECRET_PASSWORD}@127.0.0.1:9"), hanging.url.clone()] {
        let place = Place::new();
        let began = Instant::now();
        let (code, _, stderr) = place.run(&["-v", "run", "nightly", "--as-of", "2026-01-01", "--otlp", &url]).await;
        assert_eq!(code, Some(0), "{stderr}");
        assert!(!stderr.contains(SECRET_PASSWORD), "{stderr}");
        assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    }
    let place = Place::new();
    let (code, _, stderr) = place.run(&["status", "--otlp", &format!("nonsense {SECRET_PASSWORD}")]).await;
    assert_eq!(code, Some(2));
    assert!(stderr.contains("the collector's URL cannot be used") && !stderr.contains(SECRET_PASSWORD), "{stderr}");
}
