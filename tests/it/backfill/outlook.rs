//! What a backfill says before it begins, and ranges that make no sense.

use super::kiosk::{DAYS, Kiosk, day};

#[test]
fn a_dry_run_tells_days_objects_and_histories_and_writes_nothing() {
    let kiosk = Kiosk::new(8);
    let ran = kiosk.backfill(2, 5, &["--dry-run"]).expect(0);
    let table: Vec<String> =
        ran.stdout.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    let bytes = |number: u64| {
        std::fs::metadata(kiosk.0.path(&format!("raw/sales/date={}/sales.csv", day(number)))).unwrap().len()
    };
    assert_eq!(table[0], "day objects bytes tables histories");
    assert_eq!(table[1], format!("2025-11-28 1 {} B balances, spenders", bytes(2)));
    assert_eq!(table[3], format!("2025-11-30 1 {} B balances, largest, spenders", bytes(4)), "the end of a month");
    assert_eq!(table[4], format!("2025-12-01 1 {} B current balances, largest, spenders", bytes(5)));
    assert!(table[5].starts_with("other days 12 "), "{table:?}");
    assert!(ran.stderr.contains("4 days; 16 objects to land"), "{}", ran.stderr);
    assert!(!kiosk.0.path("warehouse").exists());
    kiosk.run(DAYS - 1).expect(0);
    let before = kiosk.0.published();
    let ran = kiosk.backfill(0, 4, &["--dry-run"]).expect(0);
    let last = ran.stdout.lines().last().unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(last, "2025-11-30 0 0 B balances, largest");
    assert!(ran.stderr.contains("5 days; 0 objects to land"), "{}", ran.stderr);
    assert_eq!(kiosk.0.published(), before);
    assert_eq!(kiosk.0.query("select count(*) from ops.backfills"), ["0"]);
}

#[test]
fn a_range_that_makes_no_sense_is_refused() {
    let kiosk = Kiosk::without_sales();
    kiosk.backfill(2, 1, &[]).expect(2).says(&["the range is empty: 2025-11-28 is after 2025-11-27"]);
    kiosk
        .0
        .lifecycle(&["backfill", "nightly", "--from", "2025-01-01", "--to", "2999-01-01"])
        .expect(2)
        .says(&["2999-01-01 is still to come", "hint: the last complete day is"]);
    kiosk.backfill(0, 1, &["--parallel", "0"]).expect(2);
    kiosk
        .0
        .lifecycle(&["backfill", "nigthly", "--from", "2025-01-01", "--to", "2025-01-01"])
        .expect(2)
        .says(&["nightly"]);
}

/// One day, nothing to land, and no history anywhere.
#[test]
fn a_job_without_histories_has_nothing_to_do_on_old_days() {
    let kiosk = Kiosk::new(9);
    kiosk.0.edit("jobs/nightly.yaml", "models: [marts]", "models: [marts.totals]");
    kiosk.run(DAYS - 1).expect(0);
    let before = kiosk.0.published();
    kiosk.backfill(1, 1, &[]).expect(0).says(&["2025-11-27: nothing to do", "1 day done"]);
    assert_eq!(kiosk.0.published(), before);
    // The newest day is the current release's, and nothing changed.
    kiosk.backfill(DAYS - 1, DAYS - 1, &["--only", "all"]).expect(0).says(&["nothing to do", "1 day done"]);
    assert_eq!(kiosk.0.published(), before);
}
