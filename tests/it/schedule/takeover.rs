//! Real daemons: one is killed while its run is at work, and the other takes over.

use std::process::{Child, Stdio};
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use lifecycle::config::{Project, load_project};
use lifecycle::schedule::Timetable;
use lifecycle::state::{RunOutcome, ScheduledRun, ScheduledStatus, State};

use crate::crash::{day, deliver, signal, stall, unlike_the_release, wide_stall};
use crate::run::until::{until, until_just};
use crate::run::{Shop, wait_for};
use crate::state::server::{self, PASSWORD};

/// A child that does not outlive its test.
pub struct Process(pub Option<Child>);

impl Process {
    pub fn child(&mut self) -> &mut Child {
        self.0.as_mut().unwrap()
    }

    /// Waits for its end; its exit code and what it said.
    pub fn end(mut self) -> (Option<i32>, String) {
        let output = self.0.take().unwrap().wait_with_output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Writes a schedule into the shop's job, as if a daemon had seen it an hour ago: one run, half an hour old, is due.
pub fn is_due(shop: &Shop) {
    let text = std::fs::read_to_string(shop.path("jobs/nightly.yaml")).unwrap();
    let due = (Utc::now() - TimeDelta::minutes(30)).format("%M %H * * *");
    shop.write("jobs/nightly.yaml", &format!("schedule: {{cron: \"{due}\"}}\n{text}"));
    let timetables = Timetable::all(&project(shop)).unwrap();
    wait_for(async {
        let state = state(shop).await;
        let then = Utc::now() - TimeDelta::hours(1);
        state.begin_schedule("nightly", &timetables[0].fingerprint(), then).await.unwrap();
        state.close().await;
    });
}

pub fn daemon(shop: &Shop, arguments: &[&str]) -> Process {
    let mut command = shop.command(&[&["schedule"], arguments].concat());
    Process(Some(command.env("STATE_PASSWORD", PASSWORD).stderr(Stdio::piped()).spawn().unwrap()))
}

fn project(shop: &Shop) -> Project {
    load_project(shop.root(), "local", &|_| Some(PASSWORD.to_owned())).unwrap_or_else(|problems| panic!("{problems}"))
}

async fn state(shop: &Shop) -> State {
    State::open(&project(shop).environment.state).await.unwrap()
}

/// What was decided about the job, without what was only missed.
pub fn runs(shop: &Shop) -> Vec<ScheduledRun> {
    wait_for(async {
        let state = state(shop).await;
        let mut log = state.schedule_log(Some("nightly"), 10_000).await.unwrap();
        log.retain(|run| !matches!(run.status, ScheduledStatus::Missed | ScheduledStatus::Skipped));
        log.reverse();
        state.close().await;
        log
    })
}

pub fn is_at_work(shop: &Shop) -> bool {
    runs(shop).iter().any(|run| run.status == ScheduledStatus::Running)
}

/// A stall with a day to run.
pub fn with_a_day(shop: Shop) -> Shop {
    deliver(&shop, day(0), 0);
    shop
}

/// Kills a daemon while its run is at work, and lets another take over after the lease.
fn kill_one_of_two(shop: &Shop) {
    shop.edit("config/local.yaml", "parallelism: 2\n", "parallelism: 2\nlease: 1s\n");
    is_due(shop);
    let mut first = daemon(shop, &[]);
    until_just("the run at work", || is_at_work(shop));
    signal(first.child(), "-KILL");
    first.child().wait().unwrap();
    assert_eq!(shop.release_numbers().len(), 0, "it was killed before it had published");
    let mut second = daemon(shop, &[]);
    until("the second daemon's run", || runs(shop).iter().any(|run| run.status == ScheduledStatus::Done));
    signal(second.child(), "-TERM");
    let (code, said) = second.end();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("(taken over)"), "{said}");
    let runs = runs(shop);
    assert_eq!(runs[0].outcome, Some(RunOutcome::Succeeded), "{runs:?}");
    assert!(runs[0].attempts >= 2, "{runs:?}");
    assert_eq!(shop.release_numbers(), [1]);
}

#[test]
fn what_a_killed_daemon_leaves_is_taken_over_after_its_lease() {
    let shop = with_a_day(wide_stall());
    kill_one_of_two(&shop);
    assert_eq!(unlike_the_release(&shop), [""; 0]);
}

#[test]
fn what_a_killed_daemon_leaves_is_taken_over_on_a_server_too() {
    let Some(port) = server::shared() else { return };
    let shop = with_a_day(wide_stall());
    let state = format!("state: {}", server::as_written(&server::location(port)));
    shop.edit("config/local.yaml", "state: .lifecycle/state.db", &state);
    kill_one_of_two(&shop);
}

#[test]
fn sigterm_waits_for_the_run_at_work() {
    let shop = with_a_day(wide_stall());
    is_due(&shop);
    let mut process = daemon(&shop, &[]);
    until_just("the run at work", || is_at_work(&shop));
    signal(process.child(), "-TERM");
    let (code, said) = process.end();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("starting nothing more; waiting for nightly") && said.contains("stopped"), "{said}");
    let runs = runs(&shop);
    assert_eq!((runs.len(), runs[0].outcome), (1, Some(RunOutcome::Succeeded)), "{runs:?}");
    assert_eq!(runs[0].run_id.as_deref().map(str::len), Some(36));
}

#[test]
fn a_run_that_outlasts_the_grace_is_interrupted_and_waits_for_the_next_daemon() {
    let shop = with_a_day(wide_stall());
    is_due(&shop);
    let mut process = daemon(&shop, &["--grace", "1ms"]);
    until_just("the run at work", || is_at_work(&shop));
    signal(process.child(), "-INT");
    let (code, said) = process.end();
    assert_eq!(code, Some(130), "{said}");
    assert!(said.contains("waits again") && said.contains("stopped while runs were at work"), "{said}");
    let waiting = runs(&shop);
    assert_eq!((waiting.len(), waiting[0].status), (1, ScheduledStatus::Waiting), "{waiting:?}");
    // The next one, for an outside cron: the same day, though it is another minute.
    let ticked = shop.lifecycle(&["schedule", "tick"]);
    assert_eq!(ticked.code, Some(0), "{ticked:?}");
    assert_eq!(shop.release_numbers(), [1]);
}

#[test]
fn a_job_that_a_person_runs_is_not_run_by_the_daemon() {
    let shop = with_a_day(stall());
    is_due(&shop);
    let held = wait_for(async {
        let state = State::open(&shop.path(".lifecycle/state.db")).await.unwrap();
        state.acquire_lease("nightly", "process 7 on moon", Duration::from_secs(300), Utc::now()).await.unwrap();
        state
    });
    let ticked = shop.lifecycle(&["schedule", "tick"]);
    assert!(ticked.code == Some(0) && ticked.stderr.contains("nightly"), "{ticked:?}");
    assert_eq!(shop.release_numbers().len(), 0);
    drop(held);
}
