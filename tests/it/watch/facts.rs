//! `status`: how jobs stand, for people and for programs.

use lifecycle::config::Severity;
use lifecycle::state::{CheckRecord, CheckStatus, ProgressRecord, RunOutcome, RunStart, Trigger};
use lifecycle::watch::standings;

use super::{Place, Recorded, at, record};

fn check(name: &str, severity: Severity, status: CheckStatus) -> CheckRecord {
    CheckRecord {
        table: "marts.totals".to_owned(),
        check: name.to_owned(),
        severity,
        status,
        bad_rows: 2,
        sample: None,
        seconds: 0.1,
    }
}

#[tokio::test]
async fn a_jobs_standing_says_what_is_wrong() {
    let place = Place::new().with_job("freshness: 36h\n");
    let (project, state) = (place.project(), place.state().await);
    let zone = project.environment.timezone;
    let stand = async |minutes: i64| {
        let facts = state.job_facts(at(minutes)).await.unwrap();
        standings(&project.jobs, zone, &facts, at(minutes)).remove(0)
    };
    let nothing = stand(0).await;
    assert_eq!((nothing.freshness.age, nothing.freshness.late_by(), nothing.troubles().len()), (None, None, 0));

    let first = Recorded { landed: 995, rejected: 5, outcome: None, ..Recorded::new(1, RunOutcome::Succeeded, 0) };
    record(&state, &first).await;
    let checks = [
        check("a", Severity::Error, CheckStatus::Passed),
        check("b", Severity::Warn, CheckStatus::Failed),
        check("c", Severity::Warn, CheckStatus::Error),
    ];
    state.record_checks(&first.run_id, &checks).await.unwrap();
    assert!(stand(0).await.is_running());
    let finish = lifecycle::state::RunFinish {
        outcome: RunOutcome::Succeeded,
        finished_at: at(2),
        message: None,
        release: Some(1),
    };
    state.finish_run(&first.run_id, &finish).await.unwrap();
    let good = stand(60).await;
    assert_eq!(good.troubles(), Vec::<String>::new());
    assert_eq!((good.failing(Severity::Error), good.failing(Severity::Warn)), (0, 2));
    let worst = good.worst_intake().unwrap();
    assert_eq!((worst.share(), worst.strain()), (0.005, 0.5));

    // A quiet night says nothing new about rows and checks.
    record(&state, &Recorded::new(2, RunOutcome::NothingToDo, 120)).await;
    let quiet = stand(130).await;
    assert_eq!((quiet.failing(Severity::Warn), quiet.intake.len()), (2, 1));

    record(&state, &Recorded::failed(3, 180)).await;
    let late = stand(60 * 40).await;
    // The end of the day is 2026-01-02 00:00; 42 hours later it is six hours late.
    assert_eq!(late.troubles(), ["the last run failed", "its data are late by 6 h"]);
}

#[test]
fn days_end_where_the_zone_says() {
    let end = |day: &str, zone: chrono_tz::Tz| {
        let place = Place::new().with_job("freshness: 1h\n");
        let facts = lifecycle::state::JobFacts {
            last_run: lifecycle::state::RunSummary {
                run_id: "r".to_owned(),
                job: "nightly".to_owned(),
                as_of: day.parse().unwrap(),
                trigger: Trigger::Manual,
                environment: "local".to_owned(),
                status: lifecycle::state::RunStatus::Ended(RunOutcome::Succeeded),
                started_at: at(0),
                finished_at: None,
                message: None,
                release: None,
                backfill_id: None,
                rows_landed: 0,
                rows_rejected: 0,
                tables_built: 0,
                tables_failed: 0,
                checks_failed: 0,
                checks: 0,
            },
            newest_day: Some(day.parse().unwrap()),
            intake: Vec::new(),
            failing: Vec::new(),
            progress: None,
        };
        let now = at(0);
        let facts = std::collections::BTreeMap::from([("nightly".to_owned(), facts)]);
        let standing = standings(&place.project().jobs, zone, &facts, now).remove(0);
        (now - standing.freshness.age.unwrap()).to_rfc3339()
    };
    assert_eq!(end("2026-06-30", chrono_tz::Europe::London), "2026-06-30T23:00:00+00:00");
    assert_eq!(end("2026-12-31", chrono_tz::Asia::Kolkata), "2026-12-31T18:30:00+00:00");
    // Clocks went forward at midnight: the day after began at one o'clock.
    assert_eq!(end("2018-11-03", chrono_tz::America::Sao_Paulo), "2018-11-04T03:00:00+00:00");
}

#[tokio::test]
async fn status_shows_freshness_rejected_rows_and_what_runs_now() {
    let place = Place::new().with_job("freshness: 36h\n");
    let state = place.state().await;
    record(&state, &Recorded { landed: 985, rejected: 15, ..Recorded::new(1, RunOutcome::Succeeded, 0) }).await;
    // A run of this moment, whose lease holds.
    let now = chrono::Utc::now();
    let lifecycle::state::LeaseOutcome::Acquired(lease) =
        state.acquire_lease("nightly", "tester", std::time::Duration::from_secs(600), now).await.unwrap()
    else {
        panic!("the lease is free");
    };
    let start = RunStart {
        run_id: "0192f3a4-0000-7000-8000-000000000099".to_owned(),
        job: "nightly".to_owned(),
        as_of: "2026-01-02".parse().unwrap(),
        trigger: Trigger::Schedule,
        environment: "local".to_owned(),
        started_at: now,
        lease,
        backfill_id: None,
    };
    state.start_run(&start).await.unwrap();
    let note = ProgressRecord {
        stage: "building".to_owned(),
        detail: Some("marts.totals".to_owned()),
        done: 12,
        total: Some(41),
        updated_at: now,
    };
    state.note_progress(&start.run_id, &note).await.unwrap();
    state.close().await;

    let (code, stdout, stderr) = place.run(&["status"]).await;
    assert_eq!(code, Some(0), "{stderr}");
    let lines: Vec<&str> = stdout.lines().collect();
    let head: Vec<&str> = lines[0].split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect();
    let expected =
        ["job", "last run", "as of", "started", "took", "rejected", "bad checks", "published up to", "fresh"];
    assert_eq!(head, expected);
    assert!(
        lines[1].contains("running") && lines[1].contains("1.5% of 1%") && lines[1].contains("late by"),
        "{stdout}"
    );
    assert_eq!(lines[3], "running now");
    assert!(lines[4].starts_with("  nightly as of 2026-01-02, run 0192f3a4-0000, since "), "{stdout}");
    assert!(lines[4].ends_with("building 12 of 41, marts.totals"), "{stdout}");

    let (code, stdout, stderr) = place.run(&["status", "--check", "-o", "json"]).await;
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains("not all is well with 1 job"), "{stderr}");
    assert!(stderr.contains("nightly: source orders rejects more than it may"), "{stderr}");
    let object: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    let job = &object["jobs"][0];
    assert_eq!((job["job"].as_str(), job["is_running"].as_bool()), (Some("nightly"), Some(true)));
    assert_eq!(job["progress"]["total"], 41);
    assert_eq!(job["freshness_target_seconds"], 129_600);
    assert!(job["late_by_seconds"].as_i64().unwrap() > 0);
    assert_eq!(job["sources"][0]["rejected_share"], 0.015);
    assert_eq!(job["sources"][0]["is_over"], true);
    assert_eq!(job["published_up_to"], "2026-01-01");
}

#[tokio::test]
async fn check_is_content_where_nothing_is_wrong() {
    let place = Place::new();
    let (code, _, stderr) = place.run(&["status", "--check"]).await;
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    assert!(!place.path(".lifecycle").exists(), "looking writes nothing");
}
