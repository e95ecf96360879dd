//! Two processes on one job, and a process that dies.

use std::path::Path;
use std::process::{Child, Command};
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use lifecycle::state::{LeaseOutcome, State};
use rand::{RngExt, SeedableRng};

use super::{Shop, after_first_night, assert_same, last_day, wait_for};

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
    assert_eq!(shop.published(), before);
    // Its owner is dead: the lock that it held on its file is free.
    drop(state);
    shop.night(last_day()).expect(0).says(&["nothing to do"]);
    // Its owner lives, but its time is over.
    let state = wait_for(State::open(&file)).unwrap();
    hold(&state, 6);
    shop.night(last_day()).expect(0).says(&["nothing to do"]);
}

/// Waits until a run has made a file, or is over.
fn wait_until(child: &mut Child, sign: &Path) {
    while !sign.exists() && child.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_micros(500));
    }
}

/// What a run has just done when it is killed, from its beginning to its end.
const MOMENTS: [&str; 7] = [
    "landed/orders/_delta_log/00000000000000000000.json",
    "landed/visits/_kind=row",
    "intermediate/customer_days",
    "intermediate/order_days/_delta_log/00000000000000000000.json",
    "marts/churn_history/_delta_log/00000000000000000000.json",
    "releases/nightly/00000001.json",
    "exports/nightly/churn.csv",
];

#[test]
fn a_run_that_was_killed_at_any_moment_can_be_repeated() {
    let undisturbed = after_first_night();
    let (tables, landed) = (undisturbed.tables(), undisturbed.landed());
    let exports = |shop: &Shop| std::fs::read(shop.path("warehouse/exports/nightly/churn.csv")).unwrap();
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(7);
    let mut killed = 0;
    for moment in MOMENTS {
        let shop = Shop::before_first_night();
        let sign = shop.path("warehouse").join(moment);
        let mut child =
            shop.command(&["run", "nightly", "--as-of", &last_day().to_string(), "--quiet"]).spawn().unwrap();
        wait_until(&mut child, &sign);
        std::thread::sleep(Duration::from_micros(random.random_range(0..5_000)));
        child.kill().unwrap();
        killed += u32::from(!child.wait().unwrap().success());
        // The dead owner's lock is free, so nobody has to wait for its lease.
        shop.night(last_day()).expect(0);
        assert_same(&shop.tables(), &tables);
        assert_same(&shop.landed(), &landed);
        assert_eq!(exports(&shop), exports(undisturbed), "killed at {moment}");
        shop.night(last_day()).expect(0).says(&["nothing to do"]);
    }
    assert!(killed >= 5, "{killed} runs were killed before their end");
}

#[test]
fn exports_that_a_dead_process_did_not_write_are_written_by_the_next() {
    let shop = Shop::after_first_night();
    let exports = shop.path("warehouse/exports/nightly");
    let churn = std::fs::read(exports.join("churn.csv")).unwrap();
    std::fs::remove_dir_all(&exports).unwrap();
    shop.night(last_day()).expect(0).says(&["nothing to do"]);
    assert_eq!(std::fs::read(exports.join("churn.csv")).unwrap(), churn);
    assert!(exports.join("customer_value.parquet").exists());
    // A format that the job gained or lost is a reason, too.
    shop.edit("jobs/nightly.yaml", "exports: [parquet, csv]", "exports: [csv]");
    std::fs::remove_file(exports.join("churn.csv")).unwrap();
    shop.night(last_day()).expect(0);
    assert_eq!(std::fs::read(exports.join("churn.csv")).unwrap(), churn);
}

#[test]
fn a_run_that_is_asked_to_stop_stops_and_leaves_nothing_half_done() {
    let shop = Shop::before_first_night();
    let mut child = shop.command(&["run", "nightly", "--as-of", &last_day().to_string(), "--quiet"]).spawn().unwrap();
    wait_until(&mut child, &shop.path("warehouse/landed/orders/_delta_log/00000000000000000000.json"));
    let asked = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(asked.success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(shop.release_numbers().is_empty());
    assert_eq!(shop.query("select status from ops.runs"), ["interrupted"]);
    shop.night(last_day()).expect(0);
    assert_same(&shop.tables(), &after_first_night().tables());
    assert_same(&shop.landed(), &after_first_night().landed());
}
