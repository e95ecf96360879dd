//! Scheduled runs that really run: what the schedule records of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use lifecycle::config::Project;
use lifecycle::interrupt::Interrupt;
use lifecycle::run::{RunRequest, Surroundings};
use lifecycle::schedule::{Began, JobRunner, Nobody, RunEnd, Runner};
use lifecycle::state::{RunOutcome, State, Trigger};

use super::takeover::with_a_day;
use crate::backfill::kiosk;
use crate::crash::{day, stall};
use crate::repair::late::{after_six_nights, late_sale};
use crate::run::{Shop, wait_for};

const LEASE: Duration = Duration::from_millis(300);

/// Runs the stall's first day as the daemon does, while another process takes the job over as soon as it has begun.
/// Returns how it ended, how many attempts began, and the runs that are recorded, the newest first.
fn overtaken(attempts: usize) -> (RunEnd, usize, Vec<String>) {
    let shop = with_a_day(stall());
    let text = std::fs::read_to_string(shop.path("jobs/nightly.yaml")).unwrap();
    shop.write(
        "jobs/nightly.yaml",
        &format!("retry: {{attempts: {attempts}, backoff: 1ms, max_backoff: 1ms}}\n{text}"),
    );
    let project = shop.project();
    wait_for(async {
        let state = state(&shop).await;
        let begun = Arc::new(AtomicUsize::new(0));
        let (counted, other) = (begun.clone(), state.clone());
        let began: Began = Arc::new(move || {
            if counted.fetch_add(1, Ordering::SeqCst) == 0 {
                let (other, later) = (other.clone(), Utc::now() + TimeDelta::hours(1));
                let record = async move {
                    super::record_run(&other, "by-hand", "nightly", "2026-01-28", RunOutcome::Failed, later).await;
                };
                std::thread::spawn(|| wait_for(record)).join().unwrap();
            }
        });
        let end = runner(&state).run(&project, &request(), began, Interrupt::never()).await;
        let runs = state.list_runs(&Default::default(), Utc::now()).await.unwrap();
        (end, begun.load(Ordering::SeqCst), runs.into_iter().map(|run| run.run_id).collect())
    })
}

async fn state(shop: &Shop) -> State {
    State::open(&shop.path(".lifecycle/state.db")).await.unwrap().with_lease_time(LEASE)
}

fn runner(state: &State) -> JobRunner {
    let surroundings = |_: &Project, interrupt| Surroundings {
        stores: lifecycle::storage::Stores::new(&Default::default()),
        clock: Arc::new(Utc::now),
        progress: Arc::new(lifecycle::progress::Silent),
        interrupt,
        watch: Default::default(),
    };
    JobRunner { state: state.clone(), surroundings: Box::new(surroundings), listener: Arc::new(Nobody) }
}

fn request() -> RunRequest {
    RunRequest {
        job: "nightly".to_owned(),
        as_of: day(0),
        select: Vec::new(),
        full_refresh: false,
        variables: Vec::new(),
        trigger: Trigger::Schedule,
        backfill_id: None,
    }
}

#[test]
fn a_run_that_lost_its_job_is_tried_again() {
    let (end, begun, runs) = overtaken(2);
    assert_eq!((end.outcome, begun, runs.len()), (RunOutcome::Succeeded, 2, 3), "{end:?}");
    assert!(runs.contains(&end.run_id.unwrap()));
}

#[test]
fn the_run_that_failed_is_known_though_another_is_newer() {
    let (end, begun, runs) = overtaken(1);
    assert_eq!((end.outcome, begun, end.busy()), (RunOutcome::Failed, 1, None));
    assert_eq!(runs[0], "by-hand");
    assert_eq!(end.run_id.as_ref(), runs.get(1), "{end:?}");
}

#[test]
fn a_run_that_failed_in_part_is_recorded_so() {
    let kiosk = after_six_nights();
    let check =
        "checks:\n  - name: nobody_is_rich\n    sql: select customer_id from marts.balances where amount > 5000000\n";
    kiosk.0.edit("sql/marts/balances.yaml", "grain: [customer_id]\n", &format!("grain: [customer_id]\n{check}"));
    let text = std::fs::read_to_string(kiosk.0.path("jobs/nightly.yaml")).unwrap();
    kiosk.0.write("jobs/nightly.yaml", &format!("schedule: {{cron: \"0 12 * * *\"}}\n{text}"));
    late_sale(&kiosk, 3, "x1", "newcomer", "9000000.00");
    late_sale(&kiosk, 5, "x2", "newcomer", "-8999999.00");
    let noon = |number: u64| format!("{}T12:00:10Z", kiosk::day(number));
    kiosk.0.lifecycle(&["schedule", "tick", "--now", &noon(7)]).expect(0).says(&["nothing is due"]);
    kiosk.0.lifecycle(&["schedule", "tick", "--now", &noon(8)]).expect(3).says(&["could not be repaired"]);
    assert_eq!(
        kiosk.0.query("select as_of, outcome, message from ops.schedules"),
        [format!(
            "{},partly_failed,late facts moved 2 days of histories; 3 days of histories could not be repaired",
            kiosk::day(7)
        )]
    );
}
