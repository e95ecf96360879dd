//! The same run again: nothing, or the same rows.

use std::collections::BTreeMap;

use super::{Shop, after_first_night, assert_same, last_day, raw_business};

#[test]
fn a_second_run_has_nothing_to_do() {
    let shop = Shop::after_first_night();
    let before = shop.published();
    let data = shop.data_files();
    shop.plan(last_day()).expect(0).says(&["nothing to do", "nothing changed since the last release"]);
    shop.night(last_day()).expect(0).says(&["nothing to do", "nothing changed since the last release"]);
    assert_eq!(shop.published(), before);
    assert_eq!(shop.data_files(), data);
    assert_eq!(shop.release_numbers(), [1]);
    assert_eq!(
        shop.query("select status, release from ops.runs order by started_at"),
        ["succeeded,1", "nothing_to_do,"]
    );
}

#[test]
fn every_row_of_every_object_is_landed_or_rejected() {
    let shop = after_first_night();
    let summary = &raw_business().1;
    let mut planted: BTreeMap<&str, (u64, u64, u64)> = BTreeMap::new();
    for object in &summary.objects {
        let counts = planted.entry(object.feed).or_default();
        *counts = (counts.0 + 1, counts.1 + object.rows, counts.2 + object.broken);
    }
    assert!(planted.values().map(|counts| counts.2).sum::<u64>() > 3, "{planted:?}");
    let expected: Vec<String> = planted
        .iter()
        .map(|(feed, (objects, rows, broken))| format!("{feed},{objects},{rows},{},{broken}", rows - broken))
        .collect();
    let recorded = shop.query(
        "select source, objects_new, rows_in, landed, rejected from ops.run_sources where rows_in > 0 order by source",
    );
    assert_eq!(recorded, expected);
    // Each refused line is kept, under the name of its object.
    for (feed, (_, _, broken)) in planted {
        let kept = shop.lifecycle(&["rejected", feed, "-n", "100000", "-o", "ndjson"]).expect(0);
        assert_eq!(kept.stdout.lines().count() as u64, broken, "{feed}");
        for object in summary.objects.iter().filter(|object| object.feed == feed) {
            let name = object.path.trim_start_matches("raw/");
            let lines = kept.stdout.lines().filter(|line| line.contains(&format!("\"{name}\""))).count();
            assert_eq!(lines as u64, object.broken, "{name}");
        }
    }
}

#[test]
fn the_rows_depend_neither_on_parallelism_nor_on_the_machine_s_time_zone() {
    let first = after_first_night().tables();
    assert!(first.len() > 20 && first.values().filter(|rows| !rows.is_empty()).count() > 20);
    for (parallelism, zone) in [(1, "UTC"), (4, "Pacific/Auckland")] {
        let shop = Shop::before_first_night();
        shop.edit("config/local.yaml", "parallelism: 2", &format!("parallelism: {parallelism}"));
        let output =
            shop.command(&["run", "nightly", "--as-of", &last_day().to_string()]).env("TZ", zone).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_same(&first, &shop.tables());
        let exports = |shop: &Shop, name: &str| {
            let text = std::fs::read_to_string(shop.path(&format!("warehouse/exports/nightly/{name}"))).unwrap();
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            lines.sort();
            lines
        };
        for export in ["churn.csv", "stage_entries.csv"] {
            assert_eq!(exports(&shop, export), exports(after_first_night(), export), "{export}");
        }
    }
}
