//! The events' JSON: specification 2-0-2. Pure.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Map, Value, json};

use super::super::standing::start_of_day;
use super::{LineageEnd, LineageRun, LineageTable, Place};

const EVENT_SCHEMA: &str = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent";
/// Who made an event: any URI will do, and the project has none of its own on the network.
const PRODUCER: &str = concat!("urn:lifecycle:", env!("CARGO_PKG_VERSION"));

pub(super) fn start(run: &LineageRun, place: &Place) -> Value {
    event("START", run, place, run.started_at, None)
}

pub(super) fn end(run: &LineageRun, place: &Place, ended_at: DateTime<Utc>, end: &LineageEnd) -> Value {
    match end {
        LineageEnd::Complete => event("COMPLETE", run, place, ended_at, None),
        LineageEnd::Fail(why) => event("FAIL", run, place, ended_at, Some(why)),
        LineageEnd::Abort => event("ABORT", run, place, ended_at, None),
    }
}

fn event(kind: &str, run: &LineageRun, place: &Place, at: DateTime<Utc>, failure: Option<&str>) -> Value {
    let mut run_facets = Map::new();
    let nominal = start_of_day(run.as_of, place.zone);
    run_facets.insert(
        "nominalTime".to_owned(),
        facet("1-0-1/NominalTimeRunFacet", "NominalTimeRunFacet", json!({"nominalStartTime": instant(nominal)})),
    );
    if let Some(failure) = failure {
        let message = json!({"message": failure, "programmingLanguage": "SQL"});
        let message = facet("1-0-1/ErrorMessageRunFacet", "ErrorMessageRunFacet", message);
        run_facets.insert("errorMessage".to_owned(), message);
    }
    let mut job_facets = Map::new();
    let kind_of_job = json!({"processingType": "BATCH", "integration": "LIFECYCLE", "jobType": "JOB"});
    job_facets.insert("jobType".to_owned(), facet("2-0-3/JobTypeJobFacet", "JobTypeJobFacet", kind_of_job));
    if !run.description.is_empty() {
        let description = json!({"description": run.description.trim()});
        let name = "DocumentationJobFacet";
        job_facets.insert("documentation".to_owned(), facet("1-0-1/DocumentationJobFacet", name, description));
    }
    let (has_ended, is_complete) = (kind != "START", kind == "COMPLETE");
    let inputs: Vec<Value> = run.inputs.iter().map(|table| dataset(table, has_ended, Side::Input)).collect();
    // What a failed run wrote nobody sees.
    let outputs = run.outputs.iter().map(|table| dataset(table, is_complete, Side::Output));
    json!({
        "eventType": kind,
        "eventTime": instant(at),
        "run": {"runId": run.run_id, "facets": run_facets},
        "job": {"namespace": place.namespace, "name": run.job, "facets": job_facets},
        "inputs": inputs,
        "outputs": outputs.collect::<Vec<_>>(),
        "producer": PRODUCER,
        "schemaURL": EVENT_SCHEMA,
    })
}

#[derive(Clone, Copy, PartialEq)]
enum Side {
    Input,
    Output,
}

/// A dataset is named by its store and its place in it, as the specification's naming has it.
fn dataset(table: &LineageTable, has_counts: bool, side: Side) -> Value {
    let (namespace, name) = split_location(&table.location);
    let mut facets = Map::new();
    if !table.columns.is_empty() {
        let fields: Vec<Value> =
            table.columns.iter().map(|(name, data_type)| json!({"name": name, "type": data_type})).collect();
        facets.insert(
            "schema".to_owned(),
            facet("1-1-1/SchemaDatasetFacet", "SchemaDatasetFacet", json!({"fields": fields})),
        );
    }
    if let Some(description) = table.description.as_deref().map(str::trim).filter(|text| !text.is_empty()) {
        let name = "DocumentationDatasetFacet";
        let description = json!({"description": description});
        facets.insert("documentation".to_owned(), facet("1-0-1/DocumentationDatasetFacet", name, description));
    }
    let mut counts = Map::new();
    if let Some(rows) = table.rows.filter(|_| has_counts) {
        counts.insert("rowCount".to_owned(), rows.into());
        if let Some(bytes) = table.bytes {
            counts.insert("size".to_owned(), bytes.into());
        }
    }
    let mut dataset = json!({"namespace": namespace, "name": name, "facets": facets});
    if !counts.is_empty() {
        let (key, facets_key, path, name) = match side {
            Side::Input => (
                "inputStatistics",
                "inputFacets",
                "1-0-0/InputStatisticsInputDatasetFacet",
                "InputStatisticsInputDatasetFacet",
            ),
            Side::Output => (
                "outputStatistics",
                "outputFacets",
                "1-0-2/OutputStatisticsOutputDatasetFacet",
                "OutputStatisticsOutputDatasetFacet",
            ),
        };
        dataset[facets_key] = json!({key: facet(path, name, Value::Object(counts))});
    }
    dataset
}

fn facet(path: &str, name: &str, content: Value) -> Value {
    let mut facet = json!({
        "_producer": PRODUCER,
        "_schemaURL": format!("https://openlineage.io/spec/facets/{path}.json#/$defs/{name}"),
    });
    if let (Value::Object(facet), Value::Object(content)) = (&mut facet, content) {
        facet.extend(content);
    }
    facet
}

/// `s3://bucket` and `prefix/orders`; `file` and `/data/orders` for files.
fn split_location(location: &str) -> (String, String) {
    match location.split_once("://") {
        Some(("file", path)) => ("file".to_owned(), path.to_owned()),
        Some((scheme, rest)) => match rest.split_once('/') {
            Some((host, path)) => (format!("{scheme}://{host}"), path.to_owned()),
            None => (format!("{scheme}://{rest}"), "/".to_owned()),
        },
        None => ("file".to_owned(), location.to_owned()),
    }
}

fn instant(instant: DateTime<Utc>) -> String {
    instant.to_rfc3339_opts(SecondsFormat::Millis, true)
}
