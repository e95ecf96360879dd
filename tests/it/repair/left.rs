//! What fails when a run's release is out: the run fails in part, says so, and the next one makes up for it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use lifecycle::interrupt::{Interrupter, channel};
use lifecycle::progress::{Progress, Silent, StageProgress};
use lifecycle::run::{RunError, RunReport, RunRequest, Surroundings, run_with_retries};
use lifecycle::state::{RunOutcome, State, Trigger};

use super::late::{after_six_nights, late_sale, without_members};
use crate::backfill::kiosk::{Kiosk, day};
use crate::run::wait_for;

/// The day of the run after which facts come late; a history has rows of all days before it, but the first.
const LAST: u64 = 41;

/// A history of so many days that they are repaired by more than one release.
fn after_forty_days() -> Kiosk {
    static KIOSK: OnceLock<Kiosk> = OnceLock::new();
    let kiosk = KIOSK.get_or_init(|| {
        let kiosk = Kiosk::without_sales();
        kiosk.0.edit("jobs/nightly.yaml", "models: [marts]", "models: [marts.balances]");
        kiosk.deliver(11, 0);
        without_members(&kiosk, 0);
        kiosk.backfill(1, LAST, &["--parallel", "2"]).expect(0);
        kiosk
    });
    Kiosk(kiosk.0.copy())
}

/// A sale for nothing by somebody who has bought: no row moves.
fn sale_for_nothing(kiosk: &Kiosk, id: &str) {
    let somebody = kiosk.0.query("select customer_id from marts.balances order by 1 limit 1");
    late_sale(kiosk, 0, id, &somebody[0], "0.00");
}

fn late_days(kiosk: &Kiosk) -> usize {
    let release = kiosk.0.release();
    release.tables["marts.balances_history"].days.values().filter(|day| !day.late.is_empty()).count()
}

#[test]
fn days_that_a_release_verified_are_not_marked_by_the_next_of_the_run() {
    let kiosk = after_forty_days();
    sale_for_nothing(&kiosk, "x1");
    let releases = kiosk.0.release_numbers().len();
    kiosk.run(LAST).expect(0).says(&["repaired 0 days of histories for late facts, 40 built again and unmoved"]);
    assert_eq!(kiosk.0.release_numbers().len(), releases + 2);
    assert_eq!(late_days(&kiosk), 0);
    kiosk.run(LAST).expect(0).says(&["nothing to do"]);
}

/// How the last run is recorded, and how many tables it published.
fn last_run(kiosk: &Kiosk) -> (String, usize) {
    let last = "from ops.runs order by started_at desc limit 1";
    let versions = format!("select version from ops.run_tables where run_id = (select run_id {last})");
    let versions = kiosk.0.query(&format!("select count(version) from ({versions})"));
    (kiosk.0.query(&format!("select status, release, message {last}")).remove(0), versions[0].parse().unwrap())
}

/// Asks the run to stop when it begins to repair what its own release has not taken along.
struct Stopper {
    interrupter: Interrupter,
    repairs: AtomicUsize,
}

impl Progress for Stopper {
    fn start(&self, stage: &str, _total: Option<u64>) -> Arc<dyn StageProgress> {
        if stage.contains("late facts") && self.repairs.fetch_add(1, Ordering::SeqCst) == 1 {
            self.interrupter.interrupt();
        }
        Arc::new(Silent)
    }
}

fn interrupted_run(kiosk: &Kiosk) -> RunReport {
    let (interrupter, interrupt) = channel();
    let progress = Arc::new(Stopper { interrupter, repairs: AtomicUsize::new(0) });
    let surroundings = Surroundings { interrupt, progress, ..kiosk.0.surroundings() };
    let request = RunRequest {
        job: "nightly".to_owned(),
        as_of: day(LAST),
        select: Vec::new(),
        full_refresh: false,
        variables: Vec::new(),
        trigger: Trigger::Manual,
        backfill_id: None,
    };
    wait_for(async {
        let state = State::open(&kiosk.0.path(".lifecycle/state.db")).await.unwrap();
        run_with_retries(&kiosk.0.project(), &state, &surroundings, &request, &()).await
    })
    .unwrap()
}

#[test]
fn an_interrupt_during_a_long_repair_leaves_the_release() {
    let kiosk = after_forty_days();
    sale_for_nothing(&kiosk, "x1");
    let before = kiosk.0.release().number;
    let report = interrupted_run(&kiosk);
    assert_eq!(report.outcome(), RunOutcome::PartlyFailed);
    assert_eq!(report.release.map(|release| release.number), Some(before + 1));
    assert!(matches!(report.unfinished, Some(RunError::RepairsLeft { .. })), "{:?}", report.unfinished);
    assert_eq!(report.repairs.len(), 32);
    let why = "is published, but days of histories still lack facts that came late: interrupted";
    let (status, versions) = last_run(&kiosk);
    assert_eq!(status, format!("partly_failed,{0},\"release {0} {why}\"", before + 1));
    assert!(versions > 0);
    assert_eq!(kiosk.0.query("select count(*) from ops.run_repairs"), ["32"]);
    assert_eq!(late_days(&kiosk), 8);
    kiosk.run(LAST).expect(0).says(&["0 days of histories for late facts, 8 built again and unmoved"]);
}

#[test]
fn exports_that_cannot_be_written_leave_the_release() {
    let kiosk = after_six_nights();
    let export = kiosk.0.path("warehouse/exports/nightly/totals.csv");
    std::fs::remove_file(&export).unwrap();
    std::fs::create_dir_all(export.join("in the way")).unwrap();
    late_sale(&kiosk, 7, "x1", "newcomer", "7.00");
    let number = kiosk.0.release().number + 1;
    let told = format!("release {number} is published, but its exports are not all written");
    kiosk.run(7).expect(3).says(&[&format!("release {number} in "), &told, "the next run writes them"]);
    let (status, versions) = last_run(&kiosk);
    assert!(status.starts_with(&format!("partly_failed,{number},\"{told}: ")), "{status}");
    assert!(versions > 0);
    kiosk.run(7).expect(3).says(&["nothing to do", &told]);
    std::fs::remove_dir_all(&export).unwrap();
    kiosk.run(7).expect(0).says(&["nothing to do"]);
    assert!(std::fs::read_to_string(&export).unwrap().contains("buyers"));
    assert_eq!(kiosk.0.release().number, number);
}

#[test]
fn a_backfill_ends_with_the_exports_of_its_last_release() {
    let kiosk = after_six_nights();
    let export = kiosk.0.path("warehouse/exports/nightly/totals.csv");
    std::fs::remove_file(&export).unwrap();
    std::fs::create_dir_all(export.join("in the way")).unwrap();
    late_sale(&kiosk, 7, "x1", "newcomer", "7.00");
    let (backfill, released) =
        (["backfill", "nightly", "--from", "2025-12-04", "--to", "2025-12-04"], kiosk.0.release());
    assert_eq!(day(8).to_string(), backfill[3]);
    let told = format!("release {} is published, but its exports are not all written", released.number + 1);
    kiosk.0.lifecycle(&backfill).expect(3).says(&[&told, "the next run writes them"]);
    // With nothing left to run, it says so again until they are written.
    kiosk.0.lifecycle(&backfill).expect(3).says(&["nothing to do", &told]);
    std::fs::remove_dir_all(&export).unwrap();
    kiosk.0.lifecycle(&backfill).expect(0).says(&["nothing to do"]);
    assert!(std::fs::read_to_string(&export).unwrap().contains("buyers"));
    assert_eq!(kiosk.0.release().number, released.number + 1);
}
