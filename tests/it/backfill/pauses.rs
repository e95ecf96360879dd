//! Backfills that ops pause, resume, retry and order, from other processes than the one that works.

use chrono::Utc;
use lifecycle::state::{BackfillStart, ClaimRule, DayClaim, DayOrder, DayOutcome, DaysLeft, NextDay};

use super::disturbed::{Holder, end, is_as_single_runs_left_it, kiosk, newest_backfill, start, stop_between_days};
use super::kiosk::{DAYS, Kiosk, day};
use crate::run::until::until;
use crate::run::{assert_same, wait_for};

const FAILING: &str = "checks:\n  - name: no_such_day\n    severity: error\n    description: A day that is bad.\n    \
                       sql: select customer_id from marts.balances where $as_of = date '2025-11-26'\n";

/// `backfill show -o json`.
fn shown(kiosk: &Kiosk, id: &str) -> serde_json::Value {
    let ran = kiosk.0.lifecycle(&["backfill", "show", id, "-o", "json"]).expect(0);
    serde_json::from_str(&ran.stdout).unwrap()
}

fn pause(kiosk: &Kiosk, id: &str) -> crate::run::Ran {
    let output =
        kiosk.0.command(&["backfill", "pause", id]).env("USER", "anna").env("HOSTNAME", "moon").output().unwrap();
    crate::run::Ran {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

#[test]
fn a_backfill_that_is_paused_at_work_ends_its_days_and_goes_on_when_resumed() {
    let kiosk = kiosk();
    let holder = Holder::new(&kiosk);
    let child = start(&kiosk, &kiosk.arguments(0, DAYS - 2, &["--parallel", "1"]));
    until("a day is at work", || holder.days("running") > 0);
    let id = newest_backfill(&kiosk);
    pause(&kiosk, &id).expect(0).says(&["is paused", "at work go on to the end"]);
    let (code, said) = end(child);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("error: paused by anna on moon at") && said.contains("of 7 days are not done"), "{said}");
    assert!(said.contains("hint: `lifecycle backfill resume"), "{said}");
    let done = holder.days("done");
    assert!((1..DAYS - 1).contains(&done), "the days at work were done, {done}");
    assert_eq!((holder.days("running"), holder.days("pending")), (0, DAYS - 1 - done));
    let json = shown(&kiosk, &id);
    assert_eq!((&json["status"], &json["paused_by"]), (&"paused".into(), &"anna on moon".into()));
    // It stays so, whatever else is asked for.
    pause(&kiosk, &id).expect(0).says(&["nothing to do: it was paused by anna on moon at"]);
    kiosk.0.lifecycle(&["backfill", "resume", &id, "--only", "failed"]).expect(0).says(&["no day of it has failed"]);
    kiosk.run(DAYS - 1).expect(0);
    assert_eq!(shown(&kiosk, &id)["status"], "paused");
    kiosk.0.lifecycle(&["backfill", "resume", &id]).expect(0).says(&["7 days done"]);
    is_as_single_runs_left_it(&kiosk);
    assert_eq!(kiosk.0.query("select max(attempts) from ops.backfill_days"), ["1"]);
    pause(&kiosk, &id).expect(2).says(&["is done, and nothing is left to pause"]);
}

#[test]
fn a_backfill_that_is_paused_while_it_waits_for_a_run_ends_at_once() {
    let kiosk = kiosk();
    let holder = Holder::new(&kiosk);
    let (child, next) = stop_between_days(&kiosk, &holder);
    let id = newest_backfill(&kiosk);
    pause(&kiosk, &id).expect(0).says(&["is paused; `lifecycle backfill resume"]);
    let (code, said) = end(child);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("paused by anna on moon"), "{said}");
    holder.give_back(&next);
    kiosk.0.lifecycle(&["backfill", "cancel", &id]).expect(0).says(&["off the list"]);
    pause(&kiosk, &id).expect(2).says(&["is cancelled, and nothing is left to pause"]);
    kiosk.0.lifecycle(&["backfill", "resume", &id]).expect(0);
    is_as_single_runs_left_it(&kiosk);
}

#[test]
fn a_backfill_that_is_killed_while_it_pauses_is_paused() {
    let kiosk = kiosk();
    let holder = Holder::new(&kiosk);
    let mut child = start(&kiosk, &kiosk.arguments(0, DAYS - 2, &["--parallel", "2"]));
    until("a day is at work", || holder.days("running") > 0);
    let id = holder.newest_backfill();
    holder.pause(&id);
    child.kill().unwrap();
    child.wait().unwrap();
    let status = shown(&kiosk, &id)["status"].clone();
    assert!(status == "pausing" || status == "paused", "{status}");
    // Whoever asks for the days anew is told of it, and nothing of it begins.
    kiosk
        .backfill(0, DAYS - 2, &["--only", "all"])
        .expect(2)
        .says(&["is not done with 7 of these days", "choose other days"]);
    kiosk.0.lifecycle(&["backfill", "resume", &id]).expect(0).says(&["7 days done"]);
    is_as_single_runs_left_it(&kiosk);
}

#[test]
fn only_what_failed_is_tried_again_where_that_is_asked_for() {
    let kiosk = kiosk();
    let file = "sql/marts/balances.yaml";
    let sound = std::fs::read_to_string(kiosk.0.path(file)).unwrap();
    kiosk.0.write(file, &format!("{sound}{FAILING}"));
    // The first day fails, and days are left waiting when it is paused between two of them.
    let holder = Holder::new(&kiosk);
    let child = start(&kiosk, &kiosk.arguments(0, DAYS - 2, &["--parallel", "1"]));
    until("it begins", || holder.owner("nightly").is_some());
    let next = holder.hold("next of nightly");
    until("it steps aside", || holder.owner("nightly").is_none());
    let id = newest_backfill(&kiosk);
    pause(&kiosk, &id).expect(0);
    assert_eq!(end(child).0, Some(3));
    holder.give_back(&next);
    let waiting = holder.days("pending");
    assert!(waiting > 0);
    assert_eq!(kiosk.0.query("select as_of from ops.backfill_days where status = 'failed'"), ["2025-11-26"]);
    let left = format!("{} of 7 days are not done", waiting);
    kiosk.0.lifecycle(&["backfill", "resume", &id, "--only", "failed"]).expect(3).says(&["1 of 7 days failed"]);
    kiosk.0.write(file, &sound);
    kiosk.0.lifecycle(&["backfill", "resume", &id, "--only", "failed"]).expect(3).says(&["2025-11-26: ", &left]);
    kiosk.0.lifecycle(&["backfill", "resume", &id, "--only", "failed"]).expect(0).says(&["no day of it has failed"]);
    assert_eq!(holder.days("pending"), waiting, "those that wait go on waiting");
    kiosk.0.lifecycle(&["backfill", "resume", &id, "--only", "waiting"]).expect(0).says(&["7 days done"]);
    is_as_single_runs_left_it(&kiosk);
    let attempts = kiosk.0.query("select attempts from ops.backfill_days order by as_of");
    assert_eq!(attempts, ["3", "1", "1", "1", "1", "1", "1"]);
}

#[test]
fn the_newest_days_come_first_where_that_is_asked_for_and_the_tables_are_the_same() {
    let days =
        |kiosk: &Kiosk| kiosk.0.query("select as_of from ops.runs where backfill_id is not null order by started_at");
    let oldest = Kiosk::new(12);
    let newest = Kiosk(oldest.0.copy());
    oldest.backfill(2, 5, &["--parallel", "1"]).expect(0);
    assert_eq!(days(&oldest), ["2025-12-01", "2025-11-28", "2025-11-29", "2025-11-30"]);
    // Stopped between two days and resumed, it keeps to its order.
    let holder = Holder::new(&newest);
    let child = start(&newest, &newest.arguments(2, 5, &["--parallel", "1", "--order", "newest-first"]));
    until("the newest day is done", || holder.days("done") > 0);
    let id = newest_backfill(&newest);
    let is_paused = pause(&newest, &id).code == Some(0);
    assert_eq!(end(child).0, Some(if is_paused && holder.days("pending") > 0 { 3 } else { 0 }));
    newest.0.lifecycle(&["backfill", "resume", &id, "--parallel", "1"]).expect(0);
    assert_eq!(days(&newest), ["2025-12-01", "2025-11-30", "2025-11-29", "2025-11-28"]);
    assert_eq!(shown(&newest, &id)["day_order"], "newest_first");
    // Whichever day builds a table that does not look at days writes its history.
    let rows = |kiosk: &Kiosk| {
        let mut rows = kiosk.rows();
        rows.remove("marts.spenders_history");
        rows
    };
    assert_same(&rows(&newest), &rows(&oldest));
    assert_eq!(newest.0.release().as_of, oldest.0.release().as_of);
}

#[test]
fn what_is_gone_or_finished_is_refused_with_what_to_do() {
    let kiosk = kiosk();
    for command in ["show", "pause", "resume", "cancel"] {
        kiosk.0.lifecycle(&["backfill", command, "0192"]).expect(2).says(&["no backfill begins with `0192`"]);
    }
    let holder = Holder::new(&kiosk);
    let (mut child, next) = stop_between_days(&kiosk, &holder);
    let id = newest_backfill(&kiosk);
    pause(&kiosk, &id).expect(0);
    assert_eq!(child.wait().unwrap().code(), Some(3));
    holder.give_back(&next);
    kiosk.0.lifecycle(&["backfill", "show", "zz"]).expect(2).says(&["hint: the newest backfills are", &id]);
    // The job is no longer there; what was written down stays.
    std::fs::rename(kiosk.0.path("jobs/nightly.yaml"), kiosk.0.path("nightly.yaml")).unwrap();
    kiosk.0.lifecycle(&["backfill", "resume", &id]).expect(2).says(&[
        "is of job `nightly`, which the project no longer has",
        "hint: put jobs/nightly.yaml back, or `lifecycle backfill cancel",
    ]);
    kiosk.0.lifecycle(&["backfill", "show", &id]).expect(0).says(&["paused by anna on moon at"]);
    std::fs::rename(kiosk.0.path("nightly.yaml"), kiosk.0.path("jobs/nightly.yaml")).unwrap();
    // The state is gone, and the history with it; the days can be asked for anew.
    std::fs::remove_dir_all(kiosk.0.path(".lifecycle")).unwrap();
    kiosk.0.lifecycle(&["backfill", "resume", &id]).expect(2).says(&["hint: there is no backfill yet"]);
    kiosk.backfill(0, DAYS - 2, &[]).expect(0).says(&["7 days done"]);
    is_as_single_runs_left_it(&kiosk);
}

#[test]
fn resuming_announces_the_days_that_it_runs() {
    let kiosk = kiosk();
    let holder = Holder::new(&kiosk);
    let start = BackfillStart {
        backfill_id: "earlier".to_owned(),
        job: "nightly".to_owned(),
        environment: "local".to_owned(),
        days: (0..3).map(day).collect(),
        selection: "all".to_owned(),
        order: DayOrder::OldestFirst,
        created_at: Utc::now(),
    };
    // One of its days has failed, and two wait.
    wait_for(async {
        holder.0.create_backfill(&start).await.unwrap();
        let rule = ClaimRule { next: NextDay::Earliest, only: DaysLeft::All };
        let lease = holder.hold_it("backfill of nightly").await;
        holder.0.begin_backfill("earlier", 1, 1, &lease, Utc::now()).await.unwrap();
        let claimed = match holder.0.claim_backfill_day("earlier", &rule, &lease, Utc::now()).await.unwrap() {
            DayClaim::Day(claimed) => claimed,
            other => panic!("{other:?}"),
        };
        let failed = DayOutcome::Failed;
        holder.0.finish_backfill_day(&claimed, &lease, failed, None, None, Utc::now()).await.unwrap();
        holder.0.release_lease(&lease, Utc::now()).await.unwrap();
    });
    let resume = |only: &str| kiosk.0.lifecycle(&["backfill", "resume", "earlier", "--only", only]);
    resume("waiting").expect(3).says(&["backfill earlier: 2 days of nightly that waited", "1 of 3 days failed"]);
    resume("failed").expect(0).says(&["backfill earlier: 1 day of nightly that failed", "3 days done"]);
}
