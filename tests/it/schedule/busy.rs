//! Daemons among others: runs whose process died, jobs that others run, and a daemon that is asked to leave.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use lifecycle::interrupt::Interrupt;
use lifecycle::schedule::{Daemon, DaemonSettings, Departure, Event, Fate, Listener};
use lifecycle::state::{NotRunReason, RunOutcome, ScheduledRun, ScheduledStatus, Verdict};

use super::{Counter, Diary, Office, at, tick};

/// What was decided about a job, the oldest first.
async fn log(office: &Office) -> Vec<ScheduledRun> {
    let mut log = office.state().await.schedule_log(Some("nightly"), 1_000).await.unwrap();
    log.reverse();
    log
}

#[tokio::test]
async fn a_run_whose_host_died_does_not_cost_the_next_day_s() {
    let office = Office::new("2026-03-01T12:00:00Z");
    office.job("nightly", "{cron: \"0 2 * * *\"}");
    let state = office.state().await;
    let (counter, diary) = (Counter::new(&state, &office.time, "a"), Arc::new(Diary::default()));
    let mut daemon = office.daemon("a", &state, &counter, &diary);
    daemon.tick().await;
    counter.hold();
    office.time.set("2026-03-02T02:00:00Z");
    assert_eq!(daemon.tick().await.unwrap().at_work, ["nightly"]);
    tokio::task::yield_now().await;
    // The host dies, and is back the next morning.
    drop(daemon);
    counter.let_go(1_000);
    office.time.set("2026-03-03T09:00:00Z");
    tick(&mut office.daemon("b", &state, &counter, &diary)).await;
    let log = log(&office).await;
    let ends: Vec<_> = log.iter().map(|run| (run.as_of.to_string(), run.outcome, run.attempts)).collect();
    let good = Some(RunOutcome::Succeeded);
    assert_eq!(ends, [("2026-03-01".to_owned(), good, 2), ("2026-03-02".to_owned(), good, 1)]);
}

#[tokio::test]
async fn what_is_given_up_is_told_to_the_outside_clock() {
    let office = Office::new("2026-03-02T00:30:00Z");
    office.job("nightly", "{cron: \"0 * * * *\"}");
    let state = office.state().await;
    let (counter, diary) = (Counter::new(&state, &office.time, "a"), Arc::new(Diary::default()));
    tick(&mut office.daemon("a", &state, &counter, &diary)).await;
    counter.hold();
    office.time.set("2026-03-02T01:00:00Z");
    for owner in ["a", "b", "c"] {
        office.daemon(owner, &state, &counter, &diary).tick().await;
        office.time.pass(TimeDelta::seconds(61));
    }
    let round = office.daemon("d", &state, &counter, &diary).once(Interrupt::never()).await.unwrap();
    let ended: Vec<_> = round.ended.iter().map(|ended| (ended.fate, ended.end.outcome)).collect();
    assert_eq!((ended, round.not_run), (vec![(Fate::Done, RunOutcome::Failed)], 0));
    // Missed and skipped runs are something, too.
    office.time.set("2026-03-02T03:30:00Z");
    counter.let_go(1_000);
    let round = office.daemon("e", &state, &counter, &diary).once(Interrupt::never()).await.unwrap();
    assert_eq!((round.ended.len(), round.not_run), (1, 1));
}

#[tokio::test]
async fn a_run_that_only_found_its_job_taken_has_not_begun() {
    let office = Office::new("2026-03-02T00:30:00Z");
    office.job("nightly", "{cron: \"0 1 * * *\", overlap: queue_one, deadline: 2h}");
    let state = office.state().await;
    let (counter, diary) = (Counter::new(&state, &office.time, "a"), Arc::new(Diary::default()));
    let mut daemon = office.daemon("a", &state, &counter, &diary);
    tick(&mut daemon).await;
    counter.is_taken_by("process 7 on moon");
    office.time.set("2026-03-02T01:00:00Z");
    for _ in 0..20 {
        tick(&mut daemon).await;
        office.time.pass(TimeDelta::seconds(11));
    }
    assert_eq!(diary.take(), ["returned nightly"], "told once, and it never started");
    let waiting = &log(&office).await[0];
    assert_eq!((waiting.status, waiting.attempts, waiting.started_at), (ScheduledStatus::Waiting, 0, None));
    // It is free for a while: the run begins, is interrupted by a death, and finds the job taken again.
    counter.is_free();
    counter.hold();
    assert_eq!(daemon.tick().await.unwrap().at_work, ["nightly"]);
    tokio::task::yield_now().await;
    drop(daemon);
    assert_eq!(diary.take(), ["started nightly 2026-03-01"]);
    counter.is_taken_by("process 8 on moon");
    office.time.set("2026-03-02T02:59:00Z");
    let mut daemon = office.daemon("b", &state, &counter, &diary);
    tick(&mut daemon).await;
    let waiting = &log(&office).await[0];
    assert_eq!((waiting.status, waiting.attempts), (ScheduledStatus::Waiting, 1));
    // What had begun is finished, though its deadline is over.
    office.time.set("2026-03-02T03:30:00Z");
    counter.is_free();
    counter.let_go(1_000);
    tick(&mut daemon).await;
    assert_eq!(log(&office).await[0].outcome, Some(RunOutcome::Succeeded));
}

#[tokio::test]
async fn a_deadline_holds_for_a_run_that_found_its_job_taken() {
    let office = Office::new("2026-03-02T00:30:00Z");
    office.job("nightly", "{cron: \"0 1 * * *\", overlap: queue_one, deadline: 2h}");
    let state = office.state().await;
    let (counter, diary) = (Counter::new(&state, &office.time, "a"), Arc::new(Diary::default()));
    let mut daemon = office.daemon("a", &state, &counter, &diary);
    tick(&mut daemon).await;
    counter.is_taken_by("process 7 on moon");
    office.time.set("2026-03-02T01:00:00Z");
    tick(&mut daemon).await;
    counter.is_free();
    office.time.set("2026-03-02T03:00:01Z");
    tick(&mut daemon).await;
    let missed = format!("nightly {:?} x1", Verdict::Missed(NotRunReason::Deadline));
    assert_eq!(diary.take(), ["returned nightly".to_owned(), missed]);
    assert!(counter.executed().is_empty());
}

/// Writes down when it was looked at.
#[derive(Default)]
struct Watcher {
    diary: Diary,
    looks: Mutex<Vec<DateTime<Utc>>>,
}

impl Listener for Watcher {
    fn hear(&self, event: &Event<'_>) {
        self.diary.hear(event);
        if let Event::Looked(look) = event {
            self.looks.lock().unwrap().push(look.at);
        }
    }
}

#[tokio::test]
async fn a_daemon_that_waits_for_its_last_runs_is_seen_to_live() {
    let office = Office::new("2026-03-02T00:30:00Z");
    office.job("nightly", "{cron: \"0 * * * *\"}");
    let state = office.state().await;
    let (counter, watcher) = (Counter::new(&state, &office.time, "a"), Arc::new(Watcher::default()));
    tick(&mut office.daemon("a", &state, &counter, &Arc::new(Diary::default()))).await;
    counter.hold();
    office.time.set("2026-03-02T01:00:00Z");
    let minute = Duration::from_secs(60);
    let settings = DaemonSettings { owner: "b".to_owned(), at_once: 1, grace: minute, lease: minute };
    let clock = office.time.clock();
    let daemon = Daemon::new(settings, office.files(), state.clone(), clock, counter.clone(), watcher.clone());
    let (interrupter, interrupt) = lifecycle::interrupt::channel();
    let leaving = tokio::spawn(daemon.run(interrupt));
    let until = async |is_so: &dyn Fn() -> bool| {
        for _ in 0..10_000 {
            if is_so() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        panic!("{:?} {:?}", watcher.diary.take(), watcher.looks.lock().unwrap());
    };
    let is_said = |word: &str| watcher.diary.0.lock().unwrap().iter().any(|line| line.starts_with(word));
    until(&|| is_said("started")).await;
    interrupter.interrupt();
    until(&|| is_said("leaving")).await;
    office.time.set("2026-03-02T01:05:00Z");
    until(&|| watcher.looks.lock().unwrap().last() == Some(&at("2026-03-02T01:05:00Z"))).await;
    counter.let_go(1);
    assert_eq!(leaving.await.unwrap(), Departure::Clean);
}
