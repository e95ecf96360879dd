//! The daemon with a clock that tests set, and runs that are counted.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use lifecycle::schedule::{Daemon, DaemonSettings, Departure};
use lifecycle::state::{NotRunReason, Pause, RunOutcome, ScheduledStatus, State};

use super::{Counter, Diary, Office, at, tick};
use crate::state::server::{self, Server};

const HOURLY: &str = "{cron: \"0 * * * *\"}";

/// The log of a job in short, the oldest first.
async fn log(office: &Office, job: &str) -> Vec<String> {
    let mut log = office.state().await.schedule_log(Some(job), 1_000).await.unwrap();
    log.reverse();
    log.iter()
        .map(|run| {
            let what = run.outcome.map_or(run.status.as_str(), RunOutcome::as_str);
            let reason = run.reason.map(|reason| format!(" {reason}")).unwrap_or_default();
            format!("{} {what}{reason}", run.scheduled_at.format("%H:%M"))
        })
        .collect()
}

#[tokio::test]
async fn it_runs_a_job_at_its_time_for_its_day() {
    let office = Office::new("2026-03-02T00:30:00Z");
    office.job("nightly", HOURLY);
    let state = office.state().await;
    let (counter, diary) = (Counter::new(&state, &office.time, "a"), Arc::new(Diary::default()));
    let mut daemon = office.daemon("a", &state, &counter, &diary);
    let look = daemon.tick().await.unwrap();
    assert_eq!((look.jobs, look.next), (1, Some((at("2026-03-02T01:00:00Z"), "nightly".to_owned()))));
    assert!(daemon.tick().await.is_none(), "nothing has changed, so nothing is looked at");
    office.time.set("2026-03-02T00:59:59.9Z");
    tick(&mut daemon).await;
    assert_eq!(counter.executed(), [""; 0]);
    office.time.set("2026-03-02T01:00:00Z");
    tick(&mut daemon).await;
    assert_eq!(counter.executed(), ["nightly 2026-03-01"]);
    office.time.pass(TimeDelta::seconds(7));
    tick(&mut daemon).await;
    assert_eq!(counter.executed().len(), 1);
    assert_eq!(diary.take(), ["started nightly 2026-03-01", "ended nightly 2026-03-01 succeeded"]);
    assert_eq!(log(&office, "nightly").await, ["01:00 succeeded"]);
}

#[tokio::test]
async fn what_was_missed_is_made_up_for_by_the_next_daemon() {
    let office = Office::new("2026-03-02T00:30:00Z");
    office.job("nightly", HOURLY);
    office.job("landing", "{cron: \"0 * * * *\", catch_up: all}");
    office.job("stock", "{cron: \"0 * * * *\", catch_up: none}");
    let state = office.state().await;
    let (counter, diary) = (Counter::new(&state, &office.time, "a"), Arc::new(Diary::default()));
    tick(&mut office.daemon("a", &state, &counter, &diary)).await;
    office.time.set("2026-03-02T03:30:00Z");
    tick(&mut office.daemon("b", &state, &counter, &diary)).await;
    let mut executed = counter.executed();
    executed.sort();
    assert_eq!(executed, [["landing 2026-03-01"; 3].as_slice(), &["nightly 2026-03-01"]].concat());
    assert_eq!(log(&office, "nightly").await, ["01:00 missed catch_up", "02:00 missed catch_up", "03:00 succeeded"]);
    assert_eq!(log(&office, "landing").await, ["01:00 succeeded", "02:00 succeeded", "03:00 succeeded"]);
    assert_eq!(log(&office, "stock").await[2], "03:00 missed catch_up");
}

#[tokio::test]
async fn a_run_that_is_due_while_one_is_at_work_is_skipped_or_waits() {
    let office = Office::new("2026-03-02T00:30:00Z");
    office.job("nightly", HOURLY);
    office.job("landing", "{cron: \"0 * * * *\", overlap: queue_one}");
    office.job("stock", "{cron: \"0 * * * *\", overlap: allow}");
    let state = office.state().await;
    let (counter, diary) = (Counter::new(&state, &office.time, "a"), Arc::new(Diary::default()));
    let mut daemon = office.daemon("a", &state, &counter, &diary);
    daemon.tick().await;
    counter.hold();
    for hour in 1..=4 {
        office.time.set(&format!("2026-03-02T0{hour}:00:00Z"));
        daemon.tick().await;
        tokio::task::yield_now().await;
    }
    assert_eq!(counter.executed().len(), 3, "one of each job");
    counter.let_go(1_000);
    office.time.set("2026-03-02T04:10:00Z");
    while daemon.next_end().await.is_some() {
        daemon.tick().await;
    }
    let skipped = |hour: usize| format!("0{hour}:00 skipped overlap");
    let ran = |hour: usize| format!("0{hour}:00 succeeded");
    assert_eq!(log(&office, "nightly").await, [ran(1), skipped(2), skipped(3), skipped(4)]);
    assert_eq!(log(&office, "landing").await, [ran(1), skipped(2), skipped(3), ran(4)]);
    assert_eq!(log(&office, "stock").await, [ran(1), ran(2), ran(3), ran(4)]);
}

#[tokio::test]
async fn a_job_runs_after_others() {
    let office = Office::new("2026-03-02T00:30:00Z");
    office.job("landing", "{cron: \"0 2 * * *\"}");
    office.job("stock", "{cron: \"0 3 * * *\"}");
    office.job("nightly", "{after: [landing, stock]}");
    office.job("report", "{after: [nightly]}");
    let state = office.state().await;
    let (counter, diary) = (Counter::new(&state, &office.time, "a"), Arc::new(Diary::default()));
    let mut daemon = office.daemon("a", &state, &counter, &diary);
    tick(&mut daemon).await;
    office.time.set("2026-03-02T02:00:00Z");
    tick(&mut daemon).await;
    assert_eq!(counter.executed(), ["landing 2026-03-01"]);
    office.time.set("2026-03-02T03:00:00Z");
    tick(&mut daemon).await;
    assert_eq!(counter.executed()[1..], ["stock 2026-03-01", "nightly 2026-03-01", "report 2026-03-01"]);
    // A job that fails calls nobody.
    counter.ends_as(RunOutcome::Failed);
    for text in ["2026-03-03T02:00:00Z", "2026-03-03T03:00:00Z"] {
        office.time.set(text);
        tick(&mut daemon).await;
    }
    assert_eq!(counter.executed()[4..], ["landing 2026-03-02", "stock 2026-03-02"]);
    // A person mends it and runs both again.
    for (job, minutes) in [("landing", 10), ("stock", 20)] {
        office.time.set(&format!("2026-03-03T04:{minutes}:00Z"));
        super::record_run(&state, job, job, "2026-03-02", RunOutcome::Succeeded, office.time.now()).await;
    }
    counter.ends_as(RunOutcome::Succeeded);
    office.time.pass(TimeDelta::seconds(6));
    tick(&mut daemon).await;
    assert_eq!(counter.executed()[6..], ["nightly 2026-03-02", "report 2026-03-02"]);
}

#[tokio::test]
async fn a_paused_job_starts_nothing_until_it_is_resumed() {
    let office = Office::new("2026-03-02T00:30:00Z");
    office.job("nightly", HOURLY);
    let state = office.state().await;
    let (counter, diary) = (Counter::new(&state, &office.time, "a"), Arc::new(Diary::default()));
    let mut daemon = office.daemon("a", &state, &counter, &diary);
    tick(&mut daemon).await;
    let pause = Pause { at: office.time.now(), by: "anna".to_owned(), reason: None };
    state.pause_schedule("nightly", &pause).await.unwrap();
    for text in ["2026-03-02T01:00:00Z", "2026-03-02T02:00:00Z"] {
        office.time.set(text);
        tick(&mut daemon).await;
    }
    office.time.set("2026-03-02T02:30:00Z");
    assert!(state.resume_schedule("nightly", office.time.now()).await.unwrap());
    office.time.set("2026-03-02T03:00:00Z");
    tick(&mut daemon).await;
    assert_eq!(log(&office, "nightly").await, ["01:00 skipped paused", "02:00 skipped paused", "03:00 succeeded"]);
    assert_eq!(counter.executed().len(), 1);
}

#[tokio::test]
async fn a_clock_that_steps_fires_nothing_twice() {
    let office = Office::new("2026-03-02T00:30:00Z");
    office.job("nightly", "{cron: \"0 * * * *\", catch_up: all, overlap: allow}");
    let state = office.state().await;
    let (counter, diary) = (Counter::new(&state, &office.time, "a"), Arc::new(Diary::default()));
    let mut daemon = office.daemon("a", &state, &counter, &diary);
    let steps = ["00:30", "01:00", "00:58", "01:00", "00:10", "01:10", "02:00", "01:30", "02:30", "03:00"];
    for step in steps {
        office.time.set(&format!("2026-03-02T{step}:00Z"));
        tick(&mut daemon).await;
    }
    assert_eq!(log(&office, "nightly").await, ["01:00 succeeded", "02:00 succeeded", "03:00 succeeded"]);
    // Ten years ahead and back: what is made up for then stays at a hundred, and today goes on.
    office.time.set("2036-03-02T00:10:00Z");
    tick(&mut daemon).await;
    let far = counter.executed().len();
    assert!(far <= 3 + 25, "a day's window: {far}");
    for text in ["2026-03-02T03:30:00Z", "2026-03-02T04:00:00Z", "2026-03-02T05:00:00Z"] {
        office.time.set(text);
        tick(&mut daemon).await;
    }
    let executed = counter.executed();
    assert_eq!(executed.len(), far + 2);
    assert!(executed[far..].iter().all(|run| run == "nightly 2026-03-01"), "{executed:?}");
}

#[tokio::test]
async fn changed_files_are_taken_over_and_broken_ones_leave_what_was_good() {
    let office = Office::new("2026-03-02T00:30:00Z");
    office.job("nightly", HOURLY);
    let state = office.state().await;
    let (counter, diary) = (Counter::new(&state, &office.time, "a"), Arc::new(Diary::default()));
    let mut daemon = office.daemon("a", &state, &counter, &diary);
    async fn look_for(office: &Office, daemon: &mut Daemon, looks: usize) {
        for _ in 0..looks {
            office.time.pass(TimeDelta::seconds(6));
            tick(daemon).await;
        }
    }
    look_for(&office, &mut daemon, 3).await;
    assert_eq!(diary.take(), [""; 0]);
    // A new file.
    office.job("landing", HOURLY);
    look_for(&office, &mut daemon, 3).await;
    assert_eq!(diary.take(), ["reloaded landing nightly"]);
    office.time.set("2026-03-02T01:00:00Z");
    tick(&mut daemon).await;
    assert_eq!(counter.executed().len(), 2);
    diary.take();
    // A broken one.
    office.write("jobs/nightly.yaml", &super::job_text("nightly", "{cron: \"61 * * * *\"}"));
    look_for(&office, &mut daemon, 5).await;
    assert_eq!(diary.take(), ["broken jobs/nightly.yaml"], "once");
    assert!(daemon.files().is_broken());
    office.time.set("2026-03-02T02:00:00Z");
    tick(&mut daemon).await;
    assert_eq!(counter.executed().len(), 4, "what was good runs on");
    diary.take();
    // Mended, with another time.
    office.job("nightly", "{cron: \"30 * * * *\"}");
    look_for(&office, &mut daemon, 3).await;
    assert_eq!(diary.take(), ["reloaded landing nightly"]);
    office.time.set("2026-03-02T02:30:00Z");
    tick(&mut daemon).await;
    assert_eq!(counter.executed()[4..], ["nightly 2026-03-01"]);
}

#[tokio::test]
async fn a_job_whose_file_goes_while_it_runs_comes_to_its_end() {
    let office = Office::new("2026-03-02T00:30:00Z");
    office.job("nightly", HOURLY);
    office.job("landing", "{cron: \"0 12 * * *\"}");
    let state = office.state().await;
    let (counter, diary) = (Counter::new(&state, &office.time, "a"), Arc::new(Diary::default()));
    let mut daemon = office.daemon("a", &state, &counter, &diary);
    daemon.tick().await;
    counter.hold();
    office.time.set("2026-03-02T01:00:00Z");
    daemon.tick().await;
    std::fs::remove_file(office.path().join("jobs/nightly.yaml")).unwrap();
    for _ in 0..3 {
        office.time.pass(TimeDelta::seconds(6));
        daemon.tick().await;
    }
    counter.let_go(1);
    daemon.next_end().await.unwrap();
    office.time.set("2026-03-02T02:00:00Z");
    tick(&mut daemon).await;
    let said = ["started nightly 2026-03-01", "reloaded landing", "ended nightly 2026-03-01 succeeded"];
    assert_eq!(diary.take(), said);
    assert_eq!(counter.executed().len(), 1, "a job that is gone starts nothing");
}

#[tokio::test]
async fn runs_beside_each_other_are_as_many_as_are_allowed() {
    let office = Office::new("2026-03-02T00:30:00Z");
    for job in ["a", "b", "c"] {
        office.job(job, "{cron: \"0 1 * * *\", deadline: 2h}");
    }
    let state = office.state().await;
    let (counter, diary) = (Counter::new(&state, &office.time, "a"), Arc::new(Diary::default()));
    let minute = Duration::from_secs(60);
    let settings = DaemonSettings { owner: "a".to_owned(), at_once: 2, grace: minute, lease: minute };
    let clock = office.time.clock();
    let mut daemon = Daemon::new(settings, office.files(), state.clone(), clock, counter.clone(), diary.clone());
    daemon.tick().await;
    counter.hold();
    office.time.set("2026-03-02T01:00:00Z");
    let look = daemon.tick().await.unwrap();
    assert_eq!((look.at_work.len(), look.waiting), (2, 1));
    // The third's turn comes too late.
    office.time.set("2026-03-02T03:00:01Z");
    counter.let_go(2);
    daemon.next_end().await.unwrap();
    diary.take();
    daemon.tick().await;
    assert!(diary.take().contains(&format!("c {:?} x1", lifecycle::state::Verdict::Missed(NotRunReason::Deadline))));
    assert!(!counter.executed().contains(&"c 2026-03-01".to_owned()));
}

#[tokio::test]
async fn a_run_that_kills_its_process_again_and_again_is_given_up() {
    let office = Office::new("2026-03-02T00:30:00Z");
    office.job("nightly", HOURLY);
    let state = office.state().await;
    let (counter, diary) = (Counter::new(&state, &office.time, "a"), Arc::new(Diary::default()));
    tick(&mut office.daemon("a", &state, &counter, &diary)).await;
    counter.hold();
    office.time.set("2026-03-02T01:00:00Z");
    for owner in ["a", "b", "c"] {
        let mut daemon = office.daemon(owner, &state, &counter, &diary);
        assert_eq!(daemon.tick().await.unwrap().at_work, ["nightly"]);
        // What is dropped is dead: it neither ends its run nor renews its claim.
        drop(daemon);
        assert!(office.daemon("too soon", &state, &counter, &diary).tick().await.unwrap().at_work.is_empty());
        office.time.pass(TimeDelta::seconds(61));
    }
    diary.take();
    assert!(office.daemon("d", &state, &counter, &diary).tick().await.unwrap().at_work.is_empty());
    assert_eq!(diary.take(), ["ended nightly 2026-03-01 failed"]);
    assert_eq!(log(&office, "nightly").await, ["01:00 failed"]);
}

#[tokio::test]
async fn it_goes_on_when_the_state_is_back() {
    use sqlx::{Connection, Executor};
    let office = Office::new("2026-03-02T00:30:00Z");
    office.job("nightly", HOURLY);
    office.state().await;
    let file = office.path().join("state.db");
    let state = super::open_impatient(&file).await;
    let (counter, diary) = (Counter::new(&state, &office.time, "a"), Arc::new(Diary::default()));
    let mut daemon = office.daemon("a", &state, &counter, &diary);
    tick(&mut daemon).await;
    let mut locker = sqlx::SqliteConnection::connect(&format!("sqlite:{}", file.display())).await.unwrap();
    locker.execute("begin exclusive").await.unwrap();
    office.time.set("2026-03-02T01:00:00Z");
    let look = daemon.tick().await.unwrap();
    assert!(!look.is_state_usable);
    office.time.pass(TimeDelta::seconds(6));
    daemon.tick().await;
    assert_eq!(diary.take(), ["state lost"], "once");
    locker.execute("rollback").await.unwrap();
    office.time.pass(TimeDelta::seconds(6));
    tick(&mut daemon).await;
    let said = ["state back", "started nightly 2026-03-01", "ended nightly 2026-03-01 succeeded"];
    assert_eq!(diary.take(), said);
}

#[tokio::test]
async fn asked_to_leave_it_waits_for_the_runs_at_work_and_interrupts_them_when_asked_again() {
    for asked_again in [false, true] {
        let office = Office::new("2026-03-02T00:30:00Z");
        office.job("nightly", HOURLY);
        let state = office.state().await;
        let (counter, diary) = (Counter::new(&state, &office.time, "a"), Arc::new(Diary::default()));
        tick(&mut office.daemon("a", &state, &counter, &diary)).await;
        counter.hold();
        office.time.set("2026-03-02T01:00:00Z");
        let (interrupter, interrupt) = lifecycle::interrupt::channel();
        let leaving = tokio::spawn(office.daemon("b", &state, &counter, &diary).run(interrupt));
        let is_said = async |word: &str| {
            for _ in 0..10_000 {
                if diary.0.lock().unwrap().iter().any(|line| line.starts_with(word)) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            panic!("{word} in {:?}", diary.0.lock().unwrap());
        };
        is_said("started").await;
        interrupter.interrupt();
        is_said("leaving nightly").await;
        office.time.set("2026-03-02T02:00:00Z");
        if asked_again {
            interrupter.interrupt();
        } else {
            counter.let_go(1);
        }
        let departure = leaving.await.unwrap();
        let open = state.open_scheduled_runs().await.unwrap();
        if asked_again {
            assert_eq!(departure, Departure::Interrupted);
            assert_eq!((open.len(), open[0].status), (1, ScheduledStatus::Waiting), "the next daemon takes it up");
        } else {
            assert_eq!((departure, open.len()), (Departure::Clean, 0));
        }
        assert_eq!(counter.executed().len(), 1, "nothing starts any more");
    }
}

#[tokio::test]
async fn a_run_that_finds_its_job_taken_is_skipped_or_waits_as_overlap_says() {
    let office = Office::new("2026-03-02T00:30:00Z");
    office.job("nightly", HOURLY);
    let state = office.state().await;
    let (counter, diary) = (Counter::new(&state, &office.time, "a"), Arc::new(Diary::default()));
    let mut daemon = office.daemon("a", &state, &counter, &diary);
    tick(&mut daemon).await;
    counter.is_taken_by("process 7 on moon");
    office.time.set("2026-03-02T01:00:00Z");
    tick(&mut daemon).await;
    assert_eq!(log(&office, "nightly").await, ["01:00 skipped overlap"]);
    // What makes up for a missed run waits.
    office.time.set("2026-03-02T02:30:00Z");
    tick(&mut daemon).await;
    assert_eq!(log(&office, "nightly").await[1], "02:00 waiting");
    counter.is_free();
    office.time.pass(TimeDelta::seconds(11));
    tick(&mut daemon).await;
    assert_eq!(log(&office, "nightly").await[1], "02:00 succeeded");
}

#[tokio::test]
async fn it_goes_on_when_the_server_is_back() {
    let Some(mut server) = Server::start() else { return };
    let location = server::on(&server::location(server.port()));
    let office = Office { server: Some(location.clone()), ..Office::new("2026-03-02T00:30:00Z") };
    office.job("nightly", HOURLY);
    let state = State::open_within(location, Duration::from_millis(200)).await.unwrap();
    let (counter, diary) = (Counter::new(&state, &office.time, "a"), Arc::new(Diary::default()));
    let mut daemon = office.daemon("a", &state, &counter, &diary);
    tick(&mut daemon).await;
    server.stop();
    for text in ["2026-03-02T01:00:00Z", "2026-03-02T01:20:00Z"] {
        office.time.set(text);
        assert!(!daemon.tick().await.unwrap().is_state_usable);
    }
    assert_eq!(diary.take(), ["state lost"], "once");
    server.start_again();
    office.time.set("2026-03-02T01:40:00Z");
    tick(&mut daemon).await;
    let said = ["state back", "started nightly 2026-03-01", "ended nightly 2026-03-01 succeeded"];
    assert_eq!(diary.take(), said);
    assert_eq!(log(&office, "nightly").await, ["01:00 succeeded"]);
}
