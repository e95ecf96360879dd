//! The daemon and `schedule tick` tell people, and the daemon answers over HTTP.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};

use super::Place;
use super::metrics::{get, samples};
use super::servers::HttpServer;
use crate::run::until::until_it_is;

const BROKEN: &str = "order_no,customer_no,sold_at,amount\n1,ann,2026-01-01T10:00:00Z,ten\n";
const WHOLE: &str = "order_no,customer_no,sold_at,amount\n1,ann,2026-01-01T10:00:00Z,10.00\n";

fn scheduled(url: &str, schedule: &str) -> Place {
    let place = Place::new().told_by_webhook(url);
    let job = std::fs::read_to_string(place.path("jobs/nightly.yaml")).unwrap();
    place.write("jobs/nightly.yaml", &format!("{job}schedule: {schedule}\nretry: {{attempts: 1}}\n"));
    place
}

fn headlines(server: &HttpServer) -> Vec<String> {
    let text = |body: serde_json::Value| body["text"].as_str().unwrap().lines().next().unwrap().to_owned();
    server.requests().iter().map(|request| text(request.json())).collect()
}

#[tokio::test]
async fn a_tick_tells_of_failed_and_missed_runs_and_of_recovery() {
    let server = HttpServer::start(&[]).await;
    let place = scheduled(&server.url, "{cron: \"0 2 * * *\", catch_up: last, deadline: 1h}");
    place.write("raw/orders/1.csv", BROKEN);
    let tick = async |now: &str| place.run(&["schedule", "tick", "--now", now]).await;
    // From here on its schedule is known.
    assert_eq!(tick("2026-01-02T01:59:00Z").await.0, Some(0));
    let (code, _, stderr) = tick("2026-01-02T02:00:30Z").await;
    assert_eq!(code, Some(1), "{stderr}");
    let told = headlines(&server);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].starts_with("*nightly failed: landing failed: source `orders`: 1 of 1 rows were rejected"),
        "{told:?}"
    );

    place.write("raw/orders/1.csv", WHOLE);
    let (code, _, stderr) = tick("2026-01-03T02:00:30Z").await;
    assert_eq!(code, Some(0), "{stderr}");
    assert_eq!(headlines(&server)[1], "*nightly works again, release 1*");

    // Nobody ticked until it was too late.
    let (code, _, stderr) = tick("2026-01-04T05:00:00Z").await;
    assert_eq!(code, Some(0), "{stderr}");
    let told = headlines(&server);
    assert_eq!(&told[2..], ["*nightly did not run at 2026-01-04 02:00 GMT: it could only start too late*"]);
    assert_eq!(tick("2026-01-04T05:01:00Z").await.0, Some(0));
    assert_eq!(server.requests().len(), 3);
    let (_, stdout, _) = place.run(&["status", "-o", "json"]).await;
    let object: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(object["jobs"][0]["missed_runs"], 1);
    assert!(object["jobs"][0]["next_run_at"].is_string(), "{stdout}");
}

#[tokio::test]
async fn the_daemon_tells_people_and_answers_over_http() {
    let server = HttpServer::start(&[]).await;
    let place = scheduled(&server.url, "{cron: \"* * * * *\", catch_up: last}");
    place.write("raw/orders/1.csv", BROKEN);
    // Its schedule is known since three minutes ago, so that a run waits to be made up for.
    let past = (chrono::Utc::now() - chrono::TimeDelta::minutes(3)).to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
    assert_eq!(place.run(&["schedule", "tick", "--now", &past]).await.0, Some(0));
    let mut command = tokio::process::Command::from(place.command(&["schedule", "--listen", "127.0.0.1:0"]));
    let mut daemon = command.stderr(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let mut lines = BufReader::new(daemon.stderr.take().unwrap()).lines();
    let address = loop {
        let line = lines.next_line().await.unwrap().expect("the daemon goes on");
        if let Some((_, rest)) = line.split_once("serving http://") {
            break rest.split('/').next().unwrap().to_owned();
        }
    };
    let reading = tokio::spawn(async move {
        let mut all = String::new();
        while let Ok(Some(line)) = lines.next_line().await {
            all.push_str(&line);
            all.push('\n');
        }
        all
    });
    assert_eq!(get(&address, "/healthz").await.0, 200);
    // Minutes before the last one were missed, which is told as well.
    for told in ["*nightly failed: landing failed", "*nightly did not run at"] {
        until_it_is(told, async || headlines(&server).iter().any(|line| line.starts_with(told))).await;
    }
    let (_, _, body) = get(&address, "/metrics").await;
    let found = samples(&body);
    assert!(found["lifecycle_runs_total{job=\"nightly\",trigger=\"schedule\",outcome=\"failed\"}"] >= 1.0, "{body}");
    assert!(found["lifecycle_next_run_timestamp_seconds{job=\"nightly\"}"] > 1e9);
    assert!(found["lifecycle_ticker_lag_seconds"] < 60.0);
    let id = daemon.id().unwrap().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    let code = tokio::time::timeout(Duration::from_secs(60), daemon.wait()).await.unwrap().unwrap().code();
    let said = reading.await.unwrap();
    assert_eq!(code, Some(0), "{said}");
    assert!(!said.contains("hunter2"), "{said}");
    let mut ids: Vec<String> =
        server.requests().iter().map(|request| request.text().split("notice ").last().unwrap().to_owned()).collect();
    let all = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), all, "each notice once");
}

#[tokio::test]
async fn an_address_that_is_taken_is_a_mistake_of_usage() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let place = scheduled("http://127.0.0.1:9", "{cron: \"0 2 * * *\"}");
    let (code, _, stderr) = place.run(&["schedule", "--listen", &address]).await;
    assert_eq!(code, Some(2), "{stderr}");
    assert!(stderr.contains("cannot be listened at"), "{stderr}");
}
