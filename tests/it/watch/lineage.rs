//! OpenLineage events, as files and over HTTP.

use serde_json::Value;

use super::servers::{Answer, HttpServer};
use super::{Place, SECRET_PASSWORD, SECRET_PATH, texts_below};

/// Checks what specification 2-0-2 requires of an event.
fn check_event(event: &Value) {
    let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    assert!(text(&event["eventTime"]).unwrap().parse::<chrono::DateTime<chrono::Utc>>().is_ok());
    assert!(text(&event["producer"]).unwrap().parse::<url::Url>().is_ok());
    assert_eq!(
        text(&event["schemaURL"]).unwrap(),
        "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
    );
    let run_id = text(&event["run"]["runId"]).unwrap();
    assert!(uuid::Uuid::parse_str(&run_id).is_ok(), "{run_id}");
    assert!(text(&event["job"]["namespace"]).is_some() && text(&event["job"]["name"]).is_some());
    let datasets = event["inputs"].as_array().unwrap().iter().chain(event["outputs"].as_array().unwrap());
    for dataset in datasets.clone() {
        assert!(text(&dataset["namespace"]).is_some() && text(&dataset["name"]).is_some(), "{dataset}");
    }
    let holders = datasets.flat_map(|dataset| [&dataset["facets"], &dataset["inputFacets"], &dataset["outputFacets"]]);
    for facets in holders.chain([&event["run"]["facets"], &event["job"]["facets"]]) {
        for (name, facet) in facets.as_object().into_iter().flatten() {
            let schema = text(&facet["_schemaURL"]).unwrap();
            assert!(text(&facet["_producer"]).is_some() && schema.starts_with("https://openlineage.io/"), "{name}");
        }
    }
}

fn events_of(place: &Place) -> Vec<Value> {
    let files = texts_below(&place.path("lineage"));
    assert!(files.keys().all(|name| name.ends_with(".ndjson")), "{:?}", files.keys());
    files.values().flat_map(|text| text.lines()).map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn a_run_is_told_as_a_file_with_its_beginning_and_its_end() {
    let place = Place::new().with_environment("openlineage: {folder: lineage, namespace: shop}\n");
    let (code, _, stderr) = place.run(&["run", "nightly", "--as-of", "2026-01-01"]).await;
    assert_eq!(code, Some(0), "{stderr}");
    let events = events_of(&place);
    let [start, complete] = &events[..] else { panic!("{events:#?}") };
    check_event(start);
    check_event(complete);
    assert_eq!((&start["eventType"], &complete["eventType"]), (&"START".into(), &"COMPLETE".into()));
    assert_eq!(start["run"]["runId"], complete["run"]["runId"]);
    assert_eq!(complete["job"]["namespace"], "shop");
    assert_eq!(complete["job"]["name"], "nightly");
    let [input] = &complete["inputs"].as_array().unwrap()[..] else { panic!("{complete:#}") };
    assert!(input["name"].as_str().unwrap().ends_with("/raw/orders"), "{input:#}");
    assert_eq!(input["namespace"], "file");
    assert_eq!(input["inputFacets"]["inputStatistics"]["rowCount"], 2);
    let columns: Vec<&str> = input["facets"]["schema"]["fields"]
        .as_array()
        .unwrap()
        .iter()
        .map(|field| field["name"].as_str().unwrap())
        .collect();
    assert_eq!(columns, ["order_no", "customer_no", "sold_at", "amount", "email"]);
    let [output] = &complete["outputs"].as_array().unwrap()[..] else { panic!("{complete:#}") };
    assert!(output["name"].as_str().unwrap().ends_with("/warehouse/marts/totals"), "{output:#}");
    assert_eq!(output["outputFacets"]["outputStatistics"]["rowCount"], 2);
    assert_eq!(output["facets"]["schema"]["fields"][1]["type"], "decimal(38,2)");
}

#[tokio::test]
async fn a_failed_run_says_why_and_names_no_output() {
    let place = Place::new().with_environment("openlineage: {folder: lineage}\n");
    place.write("raw/orders/1.csv", "order_no,customer_no,sold_at,amount\nx,y,z,?\n");
    let (code, _, stderr) = place.run(&["run", "nightly", "--as-of", "2026-01-01"]).await;
    assert_eq!(code, Some(1), "{stderr}");
    let events = events_of(&place);
    let [_, fail] = &events[..] else { panic!("{events:#?}") };
    check_event(fail);
    assert_eq!(fail["eventType"], "FAIL");
    let message = fail["run"]["facets"]["errorMessage"]["message"].as_str().unwrap();
    assert!(message.contains("source `orders`: 1 of 1 rows were rejected"), "{message}");
    assert_eq!(fail["outputs"], serde_json::json!([]));
}

#[tokio::test]
async fn events_go_to_a_server_with_its_key() {
    let server = HttpServer::start(&[]).await;
    let place = Place::new()
        .with_variable("LINEAGE_KEY", SECRET_PASSWORD.to_owned())
        .with_variable("LINEAGE_URL", format!("{}/{SECRET_PATH}", server.url))
        .with_environment("openlineage: {url: \"${env:LINEAGE_URL}\", api_key: \"${env:LINEAGE_KEY}\"}\n");
    let (code, _, stderr) = place.run(&["run", "nightly", "--as-of", "2026-01-01"]).await;
    assert_eq!(code, Some(0), "{stderr}");
    let requests = server.requests();
    assert_eq!(
        requests.iter().map(|request| request.json()["eventType"].clone()).collect::<Vec<_>>(),
        ["START", "COMPLETE"]
    );
    assert!(requests.iter().all(|request| request.head.contains(&format!("authorization: bearer {SECRET_PASSWORD}"))));
}

#[tokio::test]
async fn a_server_that_is_broken_fails_nothing_and_is_not_named() {
    let server = HttpServer::start(&[Answer::Status(500), Answer::Close]).await;
    let place = Place::new()
        .with_variable("LINEAGE_URL", format!("{}/{SECRET_PATH}", server.url))
        .with_environment("openlineage: {url: \"${env:LINEAGE_URL}\"}\n");
    let (code, _, stderr) = place.run(&["run", "nightly", "--as-of", "2026-01-01"]).await;
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stderr.contains("an OpenLineage event could not be written"), "{stderr}");
    assert!(!stderr.contains(SECRET_PATH) && !stderr.contains(&server.url), "{stderr}");
    assert!(place.state_holds(&[SECRET_PATH]).is_empty());
}

#[tokio::test]
async fn the_nominal_time_is_the_beginning_of_the_business_day() {
    let place = Place::new().with_environment("openlineage: {folder: lineage}\n");
    let (code, _, stderr) = place.run(&["run", "nightly", "--as-of", "2025-07-01"]).await;
    assert_eq!(code, Some(0), "{stderr}");
    // London's summer time is an hour ahead.
    let nominal = &events_of(&place)[0]["run"]["facets"]["nominalTime"]["nominalStartTime"];
    assert_eq!(nominal, "2025-06-30T23:00:00.000Z");
}
