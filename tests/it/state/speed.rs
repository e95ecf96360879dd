//! What people look at often answers at once, however many runs there are.

use std::time::{Duration, Instant};

use sqlx::{AssertSqlSafe, Connection};

use super::Place;
use super::server::{PASSWORD, as_written};
use crate::cli::Folder;

const RUNS: u32 = 10_000;
const LIMIT: Duration = Duration::from_millis(100);

/// Runs of three jobs over years, each with sources, tables and checks. `numbers` names a query of numbers 1 to n.
fn statements(schema: &str, numbers: impl Fn(u32) -> String) -> Vec<String> {
    let runs = numbers(RUNS);
    let each = |table: &str, columns: &str, values: &str, count: u32| {
        format!(
            "insert into {schema}{table} (run_id, position, {columns})
             select r.run_id, n.n, {values} from {schema}runs as r cross join {} as n order by r.run_id, n.n",
            numbers(count)
        )
    };
    vec![
        format!(
            "insert into {schema}runs (run_id, job, as_of, started_by, environment, status, started_at, finished_at,
                 lease_name, lease_token)
             select 'run-' || cast(100000 + n.n as text),
                 case n.n % 3 when 0 then 'nightly' when 1 then 'landing' else 'weekly' end,
                 cast(2000 + n.n / 336 as text) || '-' || cast(10 + n.n % 3 as text) || '-' || cast(10 + n.n % 18 as text),
                 'schedule', 'local', case when n.n % 50 = 0 then 'failed' else 'succeeded' end,
                 1700000000000000 + 600000000 * cast(n.n as bigint), 1700000000000000 + 600000000 * cast(n.n as bigint) + 5000000,
                 'nightly', 1
             from {runs} as n"
        ),
        each(
            "run_sources",
            "source, objects_new, objects_changed, objects_unchanged, rows_in, landed, rejected, bytes, seconds",
            "'source' || cast(n.n as text), 1, 0, 5, 100, 99, 1, 1000, 0.5",
            5,
        ),
        each("run_tables", "table_name, action, reason, seconds", "'marts.t' || cast(n.n as text), 'built', 'new', 0.5", 20),
        each(
            "run_checks",
            "table_name, check_name, severity, status, bad_rows, seconds",
            "'marts.t' || cast(n.n as text), 'grain', 'error', case when n.n = 7 then 'failed' else 'passed' end, 0, 0.5",
            40,
        ),
    ]
}

async fn fill(place: &Place) {
    place.open().await.close().await;
    match &place.server {
        None => {
            let url = format!("sqlite:{}", place.file().display());
            let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
            let numbers = |count: u32| {
                format!(
                    "(with recursive n(n) as (select 1 union all select n + 1 from n where n < {count}) select n from n)"
                )
            };
            for statement in statements("", numbers) {
                sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await.unwrap();
            }
        }
        Some(location) => {
            let mut connection = super::server::connect(location).await;
            let numbers = |count: u32| format!("(select n from generate_series(1, {count}) as n)");
            let mut all = statements(&format!("{}.", location.schema), numbers);
            all.push("analyze".to_owned());
            for statement in all {
                sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await.unwrap();
            }
        }
    }
}

/// The least of some tries: how long it takes on a machine that does nothing else.
fn measure(folder: &Folder, arguments: &[&str]) -> Duration {
    let once = || {
        let begin = Instant::now();
        let output = folder.command(arguments).env("STATE_PASSWORD", PASSWORD).output().unwrap();
        let took = begin.elapsed();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        took
    };
    (0..15).map(|_| once()).min().unwrap()
}

async fn answers_at_once(place: Place) {
    fill(&place).await;
    let state = match &place.server {
        None => place.file().display().to_string(),
        Some(location) => as_written(location),
    };
    let folder = Folder::with_project();
    folder.write(
        "config/local.yaml",
        &format!("raw: raw\nwarehouse: warehouse\nstate: {state}\ntimezone: Europe/London\ncurrency: GBP\n"),
    );
    let mut slow = Vec::new();
    for arguments in [
        &["--version"][..],
        &["status"],
        &["status", "nightly"],
        &["runs"],
        &["runs", "--job", "nightly", "-n", "100"],
        &["runs", "--status", "failed"],
        &["runs", "show", "run-105000"],
        &["runs", "show", "run-110000"],
    ] {
        let took = measure(&folder, arguments);
        println!("{:?} with {RUNS} runs on {}: {} ms", arguments, kind(&place), took.as_millis());
        if took > LIMIT {
            slow.push(arguments);
        }
    }
    assert!(slow.is_empty(), "slower than {LIMIT:?}: {slow:?}");
}

fn kind(place: &Place) -> &'static str {
    if place.server.is_some() { "PostgreSQL" } else { "SQLite" }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: 10,000 runs in a file"]
async fn ten_thousand_runs_in_a_file_are_looked_at_at_once() {
    answers_at_once(Place::new()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: 10,000 runs on a server"]
async fn ten_thousand_runs_on_a_server_are_looked_at_at_once() {
    if let Some(place) = Place::on_server() {
        answers_at_once(place).await;
    }
}
