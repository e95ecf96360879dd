//! `lifecycle rejected replay`: the contract is mended, and what it refused is landed once.

use std::time::Duration;

use chrono::Utc;
use lifecycle::state::{LeaseOutcome, State};
use rand::{RngExt, SeedableRng};

use super::{Desk, HEADER};
use crate::run::wait_for;

const BAD: &str = "      quantity: {type: integer, required: true}";

/// Two objects with rows that a typo of the contract refuses (`quantity` is limited), one without.
fn refused() -> Desk {
    let desk = Desk::new();
    desk.edit("jobs/nightly.yaml", BAD, "      quantity: {type: integer, required: true, max: 5}");
    desk.write(
        "raw/orders/1.csv",
        format!("{HEADER}a,2025-03-01T10:00:00Z,ann@example.org,1\nb,2025-03-01T11:00:00Z,,10\nc,soon,,1\n"),
    );
    desk.write("raw/orders/2.csv", format!("{HEADER}d,2025-03-02T10:00:00Z,,20\ne,2025-03-02T10:00:00Z,,30\n"));
    desk.write("raw/orders/3.csv", format!("{HEADER}f,2025-03-03T10:00:00Z,,3\n"));
    desk
}

fn mend(desk: &Desk) {
    desk.edit("jobs/nightly.yaml", ", max: 5}", ", min: 0}");
}

/// What a project shows in which the contract was right from the beginning.
fn as_if_it_had_been_right() -> std::collections::BTreeMap<String, Vec<String>> {
    let desk = refused();
    mend(&desk);
    desk.night().expect(0);
    desk.everything()
}

#[test]
fn refused_rows_land_once_when_the_contract_is_mended() {
    let right = as_if_it_had_been_right();
    assert_eq!(right["landed"].len(), 5);
    let desk = refused();
    desk.night().expect(0).says(&["2 rows from 3 objects, 4 rejected"]);
    assert_eq!(desk.query("select day, orders from marts.totals order by day"), ["2025-03-01,1", "2025-03-03,1"]);
    let published = desk.query("select * from marts.totals order by day");

    mend(&desk);
    let dry = desk.lifecycle(&["rejected", "replay", "orders", "--dry-run", "-o", "csv"]).expect(0);
    assert_eq!(dry.stdout.lines().nth(1), Some("orders,nightly,4,2,3,263"), "{dry:?}");
    assert_eq!(desk.landed_version(), 1, "nothing was done");
    let ran = desk.replay().expect(0).says(&[
        "orders: 3 objects read",
        "refused now 1 time: `ordered_at` is not a timestamp",
        "`lifecycle run nightly` builds what this changed",
    ]);
    assert_eq!(ran.stdout, "source,refused_before,landed,still_refused,newly_refused\norders,4,3,1,0\n");
    // A replay publishes nothing and is no run.
    assert_eq!(desk.query("select * from marts.totals order by day"), published);
    assert_eq!(desk.query("select count(*) from ops.runs"), ["1"]);
    desk.night().expect(0).says(&["release 2", "landed   0 rows from 0 objects"]);
    assert_eq!(desk.everything(), right);

    // Again: nothing changes.
    let version = desk.landed_version();
    let again = desk.replay().expect(0).says(&["nothing changed: the contract is the one that refused these rows"]);
    assert_eq!(again.stdout.lines().nth(1), Some("orders,1,0,1,0"));
    assert_eq!(desk.landed_version(), version);
    desk.night().expect(0).says(&["nothing to do"]);
    assert_eq!(desk.everything(), right);
}

#[test]
fn a_plain_run_does_the_same() {
    let desk = refused();
    desk.night().expect(0);
    mend(&desk);
    desk.night().expect(0).says(&["landed   5 rows from 3 objects, 1 rejected"]);
    assert_eq!(desk.everything(), as_if_it_had_been_right());
    let after = desk.replay().expect(0);
    assert_eq!(after.stdout.lines().nth(1), Some("orders,1,0,1,0"));
    desk.night().expect(0).says(&["nothing to do"]);
}

#[test]
fn a_replay_reads_again_what_was_delivered_meanwhile() {
    let desk = refused();
    desk.night().expect(0);
    // One object is corrected, another is new; the contract is as it was.
    std::fs::remove_file(desk.path("raw/orders/2.csv")).unwrap();
    desk.write("raw/orders/2.csv", format!("{HEADER}d,2025-03-02T10:00:00Z,,2\ne,2025-03-02T10:00:00Z,,30\n"));
    desk.write("raw/orders/4.csv", format!("{HEADER}g,2025-03-04T10:00:00Z,,40\n"));
    let ran = desk.replay().expect(0).says(&["3 objects read", "2 refused rows of objects that were delivered anew"]);
    assert_eq!(ran.stdout.lines().nth(1), Some("orders,4,0,3,1"));
    desk.night().expect(0);
    let ids = "select order_id from landed.orders order by order_id";
    assert_eq!(desk.query(ids), ["a", "d", "f"]);
}

#[test]
fn a_mended_contract_that_refuses_too_much_changes_nothing() {
    let desk = refused();
    desk.edit("jobs/nightly.yaml", "max_rejected: 90%", "max_rejected: 70%");
    desk.night().expect(0);
    let before = desk.everything();
    desk.edit("jobs/nightly.yaml", ", max: 5}", ", max: 0}");
    desk.replay().expect(1).says(&[
        "landing failed",
        "6 of 6 rows were rejected, more than the limit of 70%",
        "hint: ",
    ]);
    assert_eq!(desk.everything(), before);
    // What the limit let in once is not held against a replay.
    desk.edit("jobs/nightly.yaml", ", max: 0}", ", max: 5}");
    desk.edit("jobs/nightly.yaml", "max_rejected: 70%", "max_rejected: 1%");
    desk.replay().expect(0).says(&["nothing changed"]);
    assert_eq!(desk.everything(), before);
}

#[test]
fn a_job_that_is_being_run_is_not_replayed() {
    let desk = refused();
    desk.night().expect(0);
    mend(&desk);
    let state = wait_for(State::open(&desk.path(".lifecycle/state.db"))).unwrap();
    let lease =
        wait_for(state.acquire_lease("nightly", "process 7 on moon", Duration::from_secs(300), Utc::now())).unwrap();
    assert!(matches!(lease, LeaseOutcome::Acquired(_)));
    desk.replay().expect(1).says(&["job `nightly` is being run by process 7 on moon since", "hint: wait"]);
    assert_eq!(desk.landed_version(), 1);
    drop(state);
    desk.replay().expect(0);
}

#[test]
fn names_and_nothing_to_do() {
    let desk = Desk::new();
    desk.lifecycle(&["rejected", "replay", "ordres"])
        .expect(2)
        .says(&["there is no source `ordres`", "did you mean `orders`?"]);
    desk.lifecycle(&["rejected", "replay"]).expect(0).says(&["no rejected rows"]);
    desk.write("raw/orders/1.csv", format!("{HEADER}a,2025-03-01T10:00:00Z,,1\n"));
    desk.night().expect(0);
    desk.replay().expect(0).says(&["no rejected rows"]);
    let dry = desk.lifecycle(&["rejected", "replay", "--dry-run"]).expect(0).says(&["no rejected rows"]);
    assert!(!dry.stdout.contains("orders"), "{dry:?}");
}

#[test]
fn one_source_that_fails_does_not_stop_another() {
    let desk = refused();
    let returns = "  returns:\n    location: ${raw}/returns/*.csv\n    format: csv\n    columns:\n      id: {type: integer, required: true}\n    \
                   max_rejected: 90%\nmodels: [marts]\n";
    desk.edit("jobs/nightly.yaml", "models: [marts]\n", returns);
    desk.write("raw/returns/1.csv", "id\n1\nx\n");
    desk.night().expect(0);
    mend(&desk);
    desk.edit("jobs/nightly.yaml", "id: {type: integer, required: true}", "id: {type: date, required: true}");
    let ran = desk.lifecycle(&["rejected", "replay", "-o", "csv"]).expect(3).says(&[
        "warning: returns: landing failed",
        "2 of 2 rows were rejected",
        "error: 1 of 2 sources could not be replayed",
    ]);
    assert_eq!(ran.stdout.lines().nth(1), Some("orders,4,3,1,0"));
}

fn killed(kills: u64, seed: u64) -> u32 {
    let right = as_if_it_had_been_right();
    let desk = refused();
    for object in 10..60 {
        let rows: String =
            (0..40).map(|row| format!("k{object}-{row},2025-02-{:02}T10:00:00Z,,{row}\n", row % 28 + 1)).collect();
        desk.write(&format!("raw/orders/{object}.csv"), format!("{HEADER}{rows}"));
    }
    desk.night().expect(0);
    let first = desk.everything();
    mend(&desk);
    let (mut random, mut died) = (rand_chacha::ChaCha8Rng::seed_from_u64(seed), 0);
    for _ in 0..kills {
        let mut child = desk.spawn(&["rejected", "replay", "orders"]);
        std::thread::sleep(Duration::from_millis(random.random_range(5..250)));
        child.kill().unwrap();
        died += u32::from(!child.wait().unwrap().success());
        let now = desk.everything();
        // Before the commit or after it; nothing between.
        assert!(
            now["rejected"] == first["rejected"] || now["rejected"] == right["rejected"],
            "{:?}",
            now["rejected"].len()
        );
        assert_eq!(now["published"], first["published"]);
    }
    desk.replay().expect(0);
    desk.night().expect(0);
    let all = desk.everything();
    assert_eq!(all["rejected"], right["rejected"]);
    let mine = |rows: &[String]| rows.iter().filter(|row| !row.starts_with('k')).cloned().collect::<Vec<_>>();
    assert_eq!(mine(&all["landed"]), right["landed"]);
    assert_eq!(all["landed"].len(), 5 + 50 * 40);
    desk.night().expect(0).says(&["nothing to do"]);
    died
}

#[test]
fn a_replay_that_is_killed_may_be_repeated() {
    killed(2, 11);
}

#[test]
#[ignore = "long: 40 kills"]
fn a_replay_that_is_killed_often_may_be_repeated() {
    let died = killed(40, 12);
    println!("killed replays: 40 trials, {died} died before their end, 0 violations");
    assert!(died > 10, "{died}");
}
