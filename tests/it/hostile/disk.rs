//! Disks that fill: whatever a run was writing, nobody sees a part of it, and with space again the next run goes on.
//!
//! The disks are small file systems in memory, which only a superuser may mount; without that right the tests say so and
//! pass.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Desk, HEADER, ran};
use crate::run::{Ran, Rows};

/// A small file system, and the file that fills it.
struct Disk {
    path: PathBuf,
}

impl Disk {
    /// Mounts it; `None` where that is not allowed.
    fn mount(path: &Path) -> Option<Self> {
        std::fs::create_dir_all(path).unwrap();
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=24m", "tmpfs"]).arg(path).output();
        match mount {
            Ok(output) if output.status.success() => Some(Self { path: path.to_owned() }),
            _ => {
                println!("skipped: no right to mount a small file system at {}", path.display());
                None
            }
        }
    }

    fn ballast(&self) -> PathBuf {
        self.path.join("ballast")
    }

    /// Fills it but for so many bytes.
    fn leave(&self, free: u64) {
        let mut ballast = std::fs::File::create(self.ballast()).unwrap();
        while ballast.write_all(&[0; 4096]).is_ok() {}
        let length = ballast.metadata().unwrap().len();
        ballast.set_len(length.saturating_sub(free)).unwrap();
    }

    fn free_all(&self) {
        std::fs::remove_file(self.ballast()).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg(&self.path).status();
        assert!(unmounted.is_ok_and(|status| status.success()) || std::thread::panicking());
    }
}

fn deliver(desk: &Desk, day: u32, rows: u32) {
    let lines: String = (0..rows)
        .map(|row| {
            format!("d{day}r{row},2025-03-{:02}T10:00:00Z,p{}@example.org,{row}\n", (row + day) % 28 + 1, row * 7919)
        })
        .collect();
    desk.write(&format!("raw/orders/{day}.csv"), format!("{HEADER}{lines}bad{day},never,,1\n"));
}

/// A project after its first night, whose next one has two objects to land.
fn second_night(desk: &Desk) {
    deliver(desk, 1, 300);
    desk.night().expect(0);
    deliver(desk, 2, 300);
    deliver(desk, 3, 300);
}

fn undisturbed() -> (BTreeMap<String, Rows>, BTreeMap<String, Rows>) {
    let desk = Desk::new();
    second_night(&desk);
    let before = desk.everything();
    desk.night().expect(0);
    (before, desk.everything())
}

/// The stage that ran out of space, as the error says it.
fn stage(ran: &Ran) -> &'static str {
    let says = |word: &str| ran.stderr.contains(word);
    if ran.code == Some(0) {
        "none"
    } else if says("landing failed") || says("/warehouse` failed") {
        // The second: the store is tried before anything lands.
        "landing"
    } else if says("could not be committed") || says("could not be recorded") || says("export `") {
        "publishing"
    } else {
        "building"
    }
}

/// Runs the second night with so much space left, then with all of it; gives the stages that failed.
fn nights(sizes: impl Iterator<Item = u64>) -> BTreeMap<&'static str, u32> {
    let (before, after) = undisturbed();
    let mut stages = BTreeMap::new();
    for free in sizes {
        let desk = Desk::new();
        let Some(disk) = Disk::mount(&desk.path("warehouse")) else { return stages };
        second_night(&desk);
        disk.leave(free);
        let ran = desk.night();
        let stage = stage(&ran);
        *stages.entry(stage).or_default() += 1;
        let now = desk.everything();
        if stage == "none" {
            assert_eq!(now, after, "{free} bytes were enough");
            continue;
        }
        assert_eq!(ran.code, Some(1), "{ran:?}");
        assert!(ran.stderr.contains("No space left on device"), "{free} bytes: {ran:?}");
        // An export follows the release that is published by then; before that nothing is. Queries read landed rows as the
        // release saw them.
        let seen = if ran.stderr.contains("export `") { &after } else { &before };
        assert_eq!((&now["published"], &now["landed"]), (&seen["published"], &seen["landed"]), "{free} bytes, {ran:?}");
        let is_landed = now["rejected"] == after["rejected"];
        assert!(is_landed || now["rejected"] == before["rejected"], "{free} bytes: half landed");
        assert_eq!(is_landed, stage != "landing", "{free} bytes, {ran:?}");
        // A second try on a full disk does no harm either.
        assert_ne!(desk.night().code, Some(101));
        disk.free_all();
        desk.night().expect(0);
        assert_eq!(desk.everything(), after, "{free} bytes");
        let export = std::fs::read_to_string(desk.path("warehouse/exports/nightly/totals.csv")).unwrap();
        assert_eq!(export.lines().count(), after["published"].len() + 1);
    }
    stages
}

#[test]
fn a_warehouse_without_space_publishes_nothing_by_halves() {
    let stages = nights([12, 32, 48].into_iter().map(|kilobytes| kilobytes * 1024));
    if !stages.is_empty() {
        println!("{stages:?}");
        let failed: BTreeSet<&str> = stages.keys().copied().filter(|stage| *stage != "none").collect();
        assert!(failed.contains("landing") && failed.len() > 1, "{stages:?}");
    }
}

#[test]
#[ignore = "long: 60 sizes"]
fn a_warehouse_without_space_of_any_size_publishes_nothing_by_halves() {
    let stages = nights((0..60).map(|pages| pages * 4096));
    println!("full disks: 60 sizes, failed while {stages:?}, 0 violations");
    assert!(
        stages.is_empty() || ["landing", "building", "publishing"].iter().all(|stage| stages.contains_key(stage)),
        "{stages:?}"
    );
}

#[test]
fn a_full_disk_under_the_state_stops_a_run_before_it_does_anything() {
    let desk = Desk::new();
    let Some(disk) = Disk::mount(&desk.path(".lifecycle")) else { return };
    second_night(&desk);
    let before = desk.everything();
    disk.leave(0);
    let ran = desk.night();
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stderr.contains("state.db"), "{ran:?}");
    disk.free_all();
    assert_eq!(desk.everything(), before);
    desk.night().expect(0);
    assert_eq!(desk.everything()["landed"].len(), 900);
}

/// Sorting a million rows in 64 MiB takes the disk's help.
#[test]
#[ignore = "long: sorts a million rows"]
fn a_full_spill_folder_fails_the_model_and_nothing_else() {
    let desk = Desk::new();
    let Some(disk) = Disk::mount(&desk.path("spill")) else { return };
    desk.write(
        "sql/marts/pairs.sql",
        "select one.order_id as one, other.order_id as other,\n    row_number() over (order by one.email, other.email, \
         one.order_id, other.order_id) as place\nfrom staging.lines as one cross join staging.lines as other\n",
    );
    desk.write(
        "sql/marts/pairs.yaml",
        "description: One row per pair.\nmaterialized: table\ngrain: [one, other]\ncolumns:\n  - {name: one, type: string}\n  \
         - {name: other, type: string}\n  - {name: place, type: integer}\n",
    );
    deliver(&desk, 1, 1000);
    disk.leave(64 * 1024);
    let night = |desk: &Desk| {
        let mut command = desk.command(&["run", "nightly", "--as-of", super::AS_OF]);
        command.env("TMPDIR", &disk.path);
        ran(command)
    };
    let full = night(&desk);
    println!("{}", full.stderr);
    assert_eq!(full.code, Some(1), "{full:?}");
    assert!(full.stderr.contains("No space left on device") && full.stderr.contains("pairs"), "{full:?}");
    assert!(std::fs::read_dir(desk.path("warehouse/releases")).is_err(), "nothing is published");
    desk.night().expect(0);
    assert_eq!(desk.query("select count(*), max(place) from marts.pairs"), ["1000000,1000000"]);
}
