//! Looking stays fast however much is recorded.

use std::collections::BTreeMap;
use std::time::Instant;

use lifecycle::watch::{Meter, Outlook, Pulse};

use super::{Place, at};

/// Writes runs of a hundred jobs down, as years of nights would have left them.
fn fill(place: &Place, runs: usize) {
    let sql = format!(
        "with recursive n(i) as (select 0 union all select i + 1 from n where i < {runs} - 1)
         insert into runs (run_id, job, as_of, started_by, environment, status, started_at, finished_at, message,
             release_number, lease_name, lease_token)
         select printf('0192f3a4-0000-7000-8000-%012d', i), 'job_' || (i % 100), date('2020-01-01', '+' || (i / 100) || ' days'),
             'schedule', 'local', case when i % 50 = 0 then 'failed' else 'succeeded' end,
             1577836800000000 + i * 300000000, 1577836800000000 + i * 300000000 + 60000000, null, i, 'x', 1 from n;
         insert into run_sources select run_id, 0, 'orders', 1, 0, 3, 1000, 999, 1, 100, 0.5, 1 from runs;
         insert into run_sources select run_id, 1, 'customers', 1, 0, 3, 1000, 999, 1, 100, 0.5, 1 from runs;
         insert into run_tables select run_id, 0, 'marts.totals', 'built', 'new', 10, 10, 1.0, 1 from runs;
         insert into run_checks select run_id, 0, 'marts.totals', 'a', 'warn', 'passed', 0, null, 0.1 from runs;
         insert into run_checks select run_id, 1, 'marts.totals', 'b', 'error', 'passed', 0, null, 0.1 from runs;"
    );
    let file = place.path(".lifecycle/state.db");
    tokio::task::block_in_place(|| {
        tokio::runtime::Handle::current().block_on(async {
            use sqlx::Connection;
            let mut connection = sqlx::SqliteConnection::connect(file.to_str().unwrap()).await.unwrap();
            sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
            connection.close().await.unwrap();
        });
    });
}

fn fastest(times: impl IntoIterator<Item = u128>) -> u128 {
    times.into_iter().min().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn status_and_metrics_answer_fast_with_ten_thousand_runs() {
    let place = Place::new().with_job("freshness: 36h\n");
    place.state().await.close().await;
    fill(&place, 10_000);
    let mut commands = Vec::new();
    for arguments in [&["status"][..], &["status", "job_7"], &["status", "-o", "json"]] {
        let mut times = Vec::new();
        for _ in 0..5 {
            let began = Instant::now();
            let (code, stdout, stderr) = place.run(arguments).await;
            times.push(began.elapsed().as_millis());
            assert_eq!(code, Some(0), "{stderr}");
            assert!(stdout.contains("job_7"), "{stdout}");
        }
        commands.push((arguments.join(" "), fastest(times)));
    }
    let (project, state) = (place.project(), place.state().await);
    let (meter, pulse) = (Meter::new(project.environment.timezone), Pulse::new(chrono::TimeDelta::hours(1), at(0)));
    let mut times = Vec::new();
    for _ in 0..5 {
        let began = Instant::now();
        let text = meter.text(&state, &project.jobs, &Outlook::default(), &pulse, at(0)).await.unwrap();
        times.push(began.elapsed().as_millis());
        assert!(text.contains("lifecycle_runs_total{job=\"job_7\""));
    }
    println!(
        "10,000 runs of 100 jobs: {commands:?} ms; /metrics first {} ms, then {} ms",
        times[0],
        fastest(times[1..].iter().copied())
    );
    let sizes: BTreeMap<&str, u128> = commands.iter().map(|(name, time)| (name.as_str(), *time)).collect();
    // The promise is 100 ms on an idle machine; a busy one may be some times slower.
    assert!(sizes.values().all(|time| *time < 1_000), "{sizes:?}");
}
