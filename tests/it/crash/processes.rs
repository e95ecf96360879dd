//! Two real processes on one job.

use std::collections::BTreeMap;
use std::process::Child;
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use lifecycle::state::{LeaseOutcome, State};

use super::{day, deliver, everything, signal, unlike_the_release, wide_stall};
use crate::run::until::{until, until_just};
use crate::run::{Shop, assert_same, files, last_day, wait_for};

#[test]
fn a_job_that_is_being_run_is_left_alone() {
    let shop = Shop::after_first_night();
    let before = shop.published();
    let file = shop.path(".lifecycle/state.db");
    let hold = |state: &State, minutes_ago: i64| {
        let then = Utc::now() - TimeDelta::minutes(minutes_ago);
        let lease =
            wait_for(state.acquire_lease("nightly", "process 7 on moon", Duration::from_secs(300), then)).unwrap();
        assert!(matches!(lease, LeaseOutcome::Acquired(_)));
    };
    let state = wait_for(State::open(&file)).unwrap();
    hold(&state, 0);
    shop.night(last_day()).expect(1).says(&["job `nightly` is being run by process 7 on moon since", "hint: wait"]);
    shop.lifecycle(&["rollback", "1"]).expect(1).says(&["is being run by process 7 on moon"]);
    shop.lifecycle(&["vacuum"]).expect(1).says(&["job `nightly` is being run by process 7 on moon", "hint: wait"]);
    assert_eq!(shop.published(), before);
    // Its owner is dead: the lock that it held on its file is free.
    drop(state);
    shop.night(last_day()).expect(0).says(&["nothing to do"]);
    // Its owner lives, but its time is over.
    let state = wait_for(State::open(&file)).unwrap();
    hold(&state, 6);
    shop.night(last_day()).expect(0).says(&["nothing to do"]);
}

/// A stall with one night behind it and the next before it.
fn before_the_second_night() -> Shop {
    let shop = wide_stall();
    deliver(&shop, day(0), 0);
    shop.night(day(0)).expect(0);
    deliver(&shop, day(1), 1);
    shop
}

fn spawn(shop: &Shop) -> Child {
    let mut command = shop.command(&["run", "nightly", "--as-of", &day(1).to_string()]);
    command.stderr(std::process::Stdio::piped()).spawn().unwrap()
}

/// A process that does not outlive a test that fails: stopped, it would stay for ever.
struct Sleeper(Option<Child>);

impl Sleeper {
    fn child(&mut self) -> &mut Child {
        self.0.as_mut().unwrap()
    }

    fn is_over(&mut self) -> bool {
        self.child().try_wait().unwrap().is_some()
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

#[test]
fn of_two_processes_at_once_one_works_and_the_other_says_so() {
    let shop = before_the_second_night();
    let outputs = [spawn(&shop), spawn(&shop)].map(|child| child.wait_with_output().unwrap());
    let said = outputs.each_ref().map(|output| String::from_utf8(output.stderr.clone()).unwrap());
    let codes = outputs.map(|output| output.status.code().unwrap());
    match codes {
        [0, 1] | [1, 0] => {
            let loser = &said[usize::from(codes[1] == 1)];
            assert!(
                loser.contains("job `nightly` is being run by process ") && loser.contains("hint: wait"),
                "{loser}"
            );
        }
        // The second came when the first was done.
        [0, 0] => assert!(said.iter().any(|said| said.contains("nothing to do")), "{said:?}"),
        codes => panic!("{codes:?}: {said:?}"),
    }
    assert_eq!(shop.release_numbers(), [1, 2]);
    assert_eq!(unlike_the_release(&shop), [""; 0]);
}

/// Stops a run when a sign appears, lets another work to its end, and wakes the first.
fn stop_at(sign: &str, is_there: impl Fn(&Shop) -> bool) {
    assert!((0..10).any(|_| was_stopped_at(sign, &is_there)), "ten times a run was too quick to be stopped at {sign}");
}

/// `false` where the run was too quick, or was stopped while it held the state file's own lock.
fn was_stopped_at(sign: &str, is_there: &impl Fn(&Shop) -> bool) -> bool {
    let shop = before_the_second_night();
    shop.edit("config/local.yaml", "parallelism: 2\n", "parallelism: 2\nlease: 1s\n");
    let mut sleeper = Sleeper(Some(spawn(&shop)));
    until_just(sign, || is_there(&shop) || sleeper.is_over());
    signal(sleeper.child(), "-STOP");
    if sleeper.is_over() || shop.release_numbers() != [1] {
        return false;
    }
    shop.edit("config/local.yaml", "lease: 1s", "lease: 60s");
    deliver(&shop, day(0), 7);
    // It lives, so nobody takes its job before its time is over.
    let mut ran = shop.night(day(1));
    until("the lease's end", || {
        let is_busy = ran.code == Some(1) && ran.stderr.contains("is being run by process");
        if is_busy {
            std::thread::sleep(Duration::from_millis(100));
            ran = shop.night(day(1));
        }
        !is_busy
    });
    if ran.code == Some(1) && ran.stderr.contains("is locked by another process") {
        return false;
    }
    ran.expect(0).says(&["release 2"]);
    let (before, seen) = (everything(&shop), shop.published());
    signal(sleeper.child(), "-CONT");
    let output = sleeper.0.take().unwrap().wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("another process") && said.contains("nothing was published"), "{said}");
    assert!(said.contains("hint: see what it did with `lifecycle runs`"), "{said}");
    assert_eq!(shop.release_numbers(), [1, 2]);
    assert_eq!(unlike_the_release(&shop), [""; 0]);
    assert_same(&everything(&shop), &before);
    let visible = |seen: BTreeMap<String, u64>| {
        seen.into_iter()
            .filter(|(name, _)| !name.starts_with("publishing/") && !name.starts_with("_probe-"))
            .collect::<BTreeMap<_, _>>()
    };
    assert_eq!(visible(shop.published()), visible(seen), "it wrote something that can be seen");
    assert_eq!(
        shop.query("select status, release from ops.runs order by started_at"),
        ["succeeded,1", "interrupted,", "succeeded,2"]
    );
    shop.night(day(1)).expect(0).says(&["nothing to do"]);
    assert_eq!(files(&shop.path("warehouse/publishing")).len(), 0, "nothing is left of the sleeper");
    true
}

#[test]
fn a_process_that_was_stopped_before_its_first_commit_publishes_nothing() {
    stop_at("the last candidate", |shop| {
        files(&shop.path("warehouse/marts/totals")).keys().filter(|name| name.ends_with(".parquet")).count() > 1
    });
}

#[test]
fn a_process_that_was_stopped_between_its_commits_publishes_nothing() {
    stop_at("the first commits", |shop| {
        shop.path("warehouse/marts/days_12/_delta_log/00000000000000000001.json").exists()
    });
}
