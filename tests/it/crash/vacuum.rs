//! `lifecycle vacuum`: what goes, and what stays.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use lifecycle::publish::PublishError;
use lifecycle::run::{RunError, VacuumReport, VacuumRequest, rollback_job, vacuum};
use lifecycle::state::LeaseOutcome;

use super::{Time, day, deliver, everything, night, published, signal, stall, state, unlike_the_release, wide_stall};
use crate::run::until::until_just;
use crate::run::{Shop, assert_same, files, wait_for};

pub const MONTH: VacuumRequest = VacuumRequest { keep: TimeDelta::days(30), is_dry: false };

pub fn sweep(shop: &Shop, time: &Time, request: &VacuumRequest) -> Result<VacuumReport, RunError> {
    wait_for(async { vacuum(&shop.project(), &state(shop).await, &time.surroundings(shop), request).await })
}

/// A stall with so many nights, ten days of the clock apart.
fn after_nights(nights: u64) -> (Shop, Time) {
    let (shop, time) = (stall(), Time::new());
    for number in 0..nights {
        deliver(&shop, day(number), number);
        wait_for(night(&shop, &time.surroundings(&shop), day(number))).unwrap();
        time.pass(TimeDelta::days(10));
    }
    (shop, time)
}

fn names(shop: &Shop) -> BTreeSet<String> {
    files(&shop.path("warehouse")).into_keys().collect()
}

#[test]
fn old_releases_go_with_their_files_and_kept_ones_read_as_before() {
    let (shop, time) = after_nights(9);
    let before: Vec<_> = (1..=9).map(|number| published(&shop, Some(number))).collect();
    let (all, data) = (everything(&shop), names(&shop));

    let looked = sweep(&shop, &time, &VacuumRequest { is_dry: true, ..MONTH }).unwrap();
    assert_eq!(names(&shop), data, "a dry run deletes nothing");
    // Release 6 is forty days old, but was the current one thirty days ago: 7 came ten days later.
    assert_eq!(looked.releases["nightly"], [1, 2, 3, 4]);
    let report = sweep(&shop, &time, &MONTH).unwrap();
    assert_eq!((&report.releases, &report.folders), (&looked.releases, &looked.folders));
    assert!(report.folders.iter().all(|folder| folder.problem.is_none()), "{report:?}");
    let gone: BTreeSet<String> = data.difference(&names(&shop)).cloned().collect();
    let swept: u64 = report.folders.iter().map(|folder| folder.files).sum();
    assert!(swept > 8, "{report:?}");
    assert_eq!(gone.len() as u64, swept + 4, "files and records: {gone:?}");
    assert!(!gone.iter().any(|name| name.contains("_delta_log")), "{gone:?}");

    assert_same(&everything(&shop), &all);
    for number in 5..=9 {
        assert_same(&published(&shop, Some(number)), &before[number as usize - 1]);
    }
    // Again: nothing.
    let again = sweep(&shop, &time, &MONTH).unwrap();
    assert!(again.releases.is_empty() && again.folders.is_empty(), "{again:?}");

    let back = |number| {
        wait_for(async {
            rollback_job(&shop.project(), &state(&shop).await, &time.surroundings(&shop), "nightly", Some(number)).await
        })
    };
    let error = back(3).unwrap_err();
    assert!(matches!(&error, RunError::Publish(PublishError::Vacuumed { number: 3, oldest: 5, .. })), "{error:?}");
    let release = back(5).unwrap();
    assert_eq!(release.number, 10);
    let current = |mut tables: super::Everything| {
        tables.retain(|name, _| !name.ends_with("_history"));
        tables
    };
    assert_same(&current(published(&shop, None)), &current(before[4].clone()));
    shop.lifecycle(&["rollback", "2"])
        .expect(2)
        .says(&["release 2 of job `nightly` was vacuumed; the oldest that is left is 5"]);
    shop.lifecycle(&["query", "select 1", "--release", "2"]).expect(2).says(&["was vacuumed"]);
}

#[test]
fn leftovers_of_dead_runs_go_when_they_are_a_week_old() {
    let (shop, time) = after_nights(2);
    let all = everything(&shop);
    let orphan = |name: &str| shop.write(&format!("warehouse/{name}"), "left over");
    let orphans = [
        "marts/days/part-00000-11111111-1111-4111-8111-111111111111-c000.zstd.parquet",
        "marts/customers_history/as_of=2026-01-28/part-00000-21111111-1111-4111-8111-111111111111-c000.zstd.parquet",
        "landed/sales/_kind=row/part-00000-31111111-1111-4111-8111-111111111111-c000.zstd.parquet",
        "landed/sales/_kind=row/part-00000-41111111-1111-4111-8111-111111111111-c000.zstd.parquet#1",
        "marts/days/_delta_log/00000000000000000009.json#1",
        "exports/nightly/days.csv#12",
        "releases/nightly/00000003.json#1",
    ];
    let strangers = [
        "marts/days/notes.txt",
        "marts/days/part#x.txt",
        "marts/elsewhere/part-00000-51111111-1111-4111-8111-111111111111-c000.zstd.parquet",
        "elsewhere/thing.parquet",
        "exports/nightly/other.parquet",
    ];
    orphans.iter().chain(&strangers).for_each(|name| orphan(name));
    // A folder that a link leads to is somebody else's.
    let outside = tempfile::tempdir().unwrap();
    let behind = outside.path().join("part-00000-61111111-1111-4111-8111-111111111111-c000.zstd.parquet");
    std::fs::write(&behind, "not ours").unwrap();
    std::os::unix::fs::symlink(outside.path(), shop.path("warehouse/marts/days/more")).unwrap();
    std::os::unix::fs::symlink(&behind, shop.path("warehouse/marts/days/linked.parquet")).unwrap();

    // They are of this moment, by the clock of the store; the test's clock is twenty days ahead.
    let early = Time::new();
    let young = sweep(&shop, &early, &MONTH).unwrap();
    assert!(young.folders.is_empty(), "{young:?}");
    early.pass(TimeDelta::days(7) + TimeDelta::minutes(10));
    let report = sweep(&shop, &early, &MONTH).unwrap();
    assert_eq!(report.folders.iter().map(|folder| folder.files).sum::<u64>(), orphans.len() as u64, "{report:?}");
    assert_eq!(report.folders.iter().map(|folder| folder.bytes).sum::<u64>(), 9 * orphans.len() as u64);
    for name in orphans {
        assert!(!shop.path("warehouse").join(name).exists(), "{name}");
    }
    for name in strangers {
        assert!(shop.path("warehouse").join(name).exists(), "{name}");
    }
    assert!(behind.exists() && shop.path("warehouse/marts/days/linked.parquet").exists());
    assert!(report.releases.is_empty());
    std::fs::remove_file(shop.path("warehouse/exports/nightly/other.parquet")).unwrap();
    assert_same(&everything(&shop), &all);
    let _ = time;
}

#[test]
fn a_table_whose_files_are_missing_is_left_alone_and_named() {
    let (shop, time) = after_nights(8);
    let names = files(&shop.path("warehouse/marts/days"));
    let newest = shop.release().tables["marts.days"].version;
    let log =
        std::fs::read_to_string(shop.path(&format!("warehouse/marts/days/_delta_log/{newest:020}.json"))).unwrap();
    let lost = names.keys().find(|name| name.ends_with(".parquet") && log.contains(name.as_str())).unwrap();
    std::fs::remove_file(shop.path("warehouse/marts/days").join(lost)).unwrap();
    let report = sweep(&shop, &time, &MONTH).unwrap();
    let (with, without): (Vec<_>, Vec<_>) = report.folders.iter().partition(|folder| folder.problem.is_some());
    assert_eq!(with.len(), 1);
    assert_eq!((with[0].name.as_str(), with[0].files), ("marts.days", 0));
    assert!(with[0].problem.as_ref().unwrap().contains("are missing"), "{with:?}");
    assert!(!without.is_empty());
}

#[test]
fn nothing_is_swept_while_a_job_runs() {
    let (shop, time) = after_nights(7);
    let before = names(&shop);
    wait_for(async {
        let other = state(&shop).await;
        let taken = other.acquire_lease("nightly", "process 7 on moon", std::time::Duration::from_secs(60), time.now());
        assert!(matches!(taken.await.unwrap(), LeaseOutcome::Acquired(_)));
        let request = MONTH;
        let error =
            vacuum(&shop.project(), &state(&shop).await, &time.surroundings(&shop), &request).await.unwrap_err();
        assert!(matches!(&error, RunError::Busy { job, .. } if job == "nightly"), "{error:?}");
    });
    assert_eq!(names(&shop), before);
}

/// A vacuum of everything that is killed while it deletes: what is left can be read, and the next one goes on.
#[test]
fn a_vacuum_that_was_killed_leaves_everything_readable() {
    let shop = wide_stall();
    for number in 0..8 {
        deliver(&shop, day(number), number);
        shop.night(day(number)).expect(0);
    }
    age(&shop, 100);
    let before: Vec<_> = (4..=8).map(|number| published(&shop, Some(number))).collect();
    let whole = {
        let copy = shop.copy();
        copy.lifecycle(&["vacuum"]).expect(0).says(&["deleted", "releases 1 to 3 of nightly"]);
        names(&copy)
    };
    let all = names(&shop);
    let mut gone = all.difference(&whole).filter(|name| name.starts_with("marts/"));
    let sign = shop.path("warehouse").join(gone.nth(10).unwrap());
    let mut child = shop.command(&["vacuum", "--quiet"]).spawn().unwrap();
    until_just("some files to go", || !sign.exists() || child.try_wait().unwrap().is_some());
    signal(&child, "-KILL");
    child.wait().unwrap();
    for (number, rows) in (4..=8).zip(&before) {
        assert_same(&published(&shop, Some(number)), rows);
    }
    assert_eq!(unlike_the_release(&shop), [""; 0]);
    let dry = shop.lifecycle(&["vacuum", "--dry-run"]).expect(0);
    assert!(names(&shop).len() > whole.len() || dry.stderr.contains("would delete no file"), "{dry:?}");
    shop.lifecycle(&["vacuum"]).expect(0);
    assert_eq!(names(&shop).len(), whole.len());
    shop.lifecycle(&["vacuum"]).expect(0).says(&["deleted no file"]);
}

/// Makes everything in a warehouse older: files, commits and release records.
pub fn age(shop: &Shop, days: i64) {
    let then = Utc::now() - TimeDelta::days(days);
    for name in names(shop) {
        let path = shop.path("warehouse").join(&name);
        if name.ends_with(".json") && !name.starts_with("exports/") {
            let text = aged(&name, &std::fs::read_to_string(&path).unwrap(), then);
            std::fs::remove_file(&path).unwrap();
            std::fs::write(&path, text).unwrap();
        }
        std::fs::File::options().append(true).open(&path).unwrap().set_modified(then.into()).unwrap();
    }
}

/// A commit or a release record as of another moment.
pub fn aged(name: &str, text: &str, then: DateTime<Utc>) -> String {
    let mut lines: Vec<serde_json::Value> = if name.starts_with("releases/") {
        vec![serde_json::from_str(text).unwrap()]
    } else {
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    for line in &mut lines {
        if let Some(created) = line.get_mut("created_at") {
            *created = then.to_rfc3339().into();
        }
        if let Some(info) = line.get_mut("commitInfo") {
            info["timestamp"] = then.timestamp_millis().into();
        }
    }
    lines.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn how_long_releases_are_kept_has_limits() {
    let shop = stall();
    shop.lifecycle(&["vacuum", "--keep", "3d"]).expect(2).says(&["at least 7d"]);
    shop.lifecycle(&["vacuum", "--keep", "400d"]).expect(2).says(&["at most 365d"]);
    shop.lifecycle(&["vacuum", "--keep", "soon"]).expect(2).says(&["a number of days is written 30d"]);
    shop.lifecycle(&["vacuum"]).expect(0).says(&["deleted no file"]);
}
