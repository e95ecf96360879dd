//! The newest version of a key wins, whenever it lands.

use super::{ORDERS, Zone, days, orders};

fn lines(rows: &[&str]) -> String {
    format!("{ORDERS}{}\n", rows.join("\n"))
}

#[tokio::test]
async fn a_later_object_supersedes_and_both_days_are_touched() {
    let zone = Zone::new();
    let source = orders("*.csv");
    zone.put_at("1.csv", lines(&["a,1,2024-01-01T10:00:00Z,1", "b,1,2024-01-02T10:00:00Z,2"]), 10);
    let report = zone.land(&source).await;
    assert_eq!(report.touched, days(&["2024-01-01", "2024-01-02"]));
    zone.put_at("2.csv", lines(&["a,1,2024-01-05T10:00:00Z,9", "c,1,2024-01-03T10:00:00Z,3"]), 20);
    let report = zone.land(&source).await;
    assert_eq!(report.touched, days(&["2024-01-01", "2024-01-03", "2024-01-05"]));
    assert_eq!((report.superseded, report.restored), (1, 0));
    assert_eq!(
        zone.rows(&source).await,
        ["a|1|2024-01-05T10:00:00Z|9.000", "b|1|2024-01-02T10:00:00Z|2.000", "c|1|2024-01-03T10:00:00Z|3.000"]
    );
}

#[tokio::test]
async fn within_an_object_the_last_line_wins() {
    let zone = Zone::new();
    let source = orders("*.csv");
    zone.put(
        "1.csv",
        lines(&["a,1,2024-01-01T10:00:00Z,1", "a,1,2024-01-01T10:00:00Z,2", "a,2,2024-01-01T10:00:00Z,3"]),
    );
    let report = zone.land(&source).await;
    assert_eq!((report.rows_in(), report.landed(), report.superseded), (3, 3, 1));
    assert_eq!(zone.rows_with(&source, &["line_no", "quantity"]).await, ["1|2.000", "2|3.000"]);
}

#[tokio::test]
async fn an_older_object_that_lands_later_does_not_win() {
    let zone = Zone::new();
    let source = orders("*.csv");
    zone.put_at("new.csv", lines(&["a,1,2024-01-05T10:00:00Z,9"]), 20);
    zone.land(&source).await;
    zone.put_at("old.csv", lines(&["a,1,2024-01-01T10:00:00Z,1"]), 10);
    let report = zone.land(&source).await;
    assert_eq!(report.superseded, 1);
    assert_eq!(zone.rows_with(&source, &["quantity"]).await, ["9.000"]);
}

#[tokio::test]
async fn a_missing_part_of_the_key_or_of_the_time_rejects_the_row() {
    let zone = Zone::new();
    let mut source = orders("*.csv");
    source.columns.iter_mut().for_each(|column| column.required = false);
    zone.put("1.csv", lines(&["a,,2024-01-01T10:00:00Z,1", "a,1,,2", "a,1,2024-01-01T10:00:00Z,"]));
    zone.land(&source).await;
    assert_eq!(
        zone.reasons(&source).await,
        [
            "2@37 `line_no` is part of the key and is missing",
            "3@63 `ordered_at` is the time of the event and is missing"
        ]
    );
}

/// Some objects that overlap in every way.
fn deliveries() -> Vec<(String, String, u64)> {
    (0..6_u64)
        .map(|object| {
            let rows: Vec<String> = (0..12_u64)
                .map(|row| {
                    let key = (row * 5 + object * 3) % 17;
                    let day = 1 + (key + object) % 9;
                    format!("k{key},1,2024-01-0{day}T10:00:00Z,{}", object * 100 + row)
                })
                .collect();
            let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
            (format!("{object}.csv"), lines(&rows), 10 + object / 2)
        })
        .collect()
}

#[tokio::test]
async fn the_order_of_landing_does_not_matter() {
    let source = orders("*.csv");
    let together = Zone::new();
    for (name, text, at) in deliveries() {
        together.put_at(&name, text, at);
    }
    together.land(&source).await;
    let expected = together.rows(&source).await;
    assert_eq!(expected.len(), 17);
    for order in [[0, 1, 2, 3, 4, 5], [5, 4, 3, 2, 1, 0], [2, 5, 0, 3, 1, 4]] {
        let zone = Zone::new().with_tiny_sizes(50);
        for index in order {
            let (name, text, at) = &deliveries()[index];
            zone.put_at(name, text, *at);
            zone.land(&source).await;
        }
        assert_eq!(zone.rows(&source).await, expected, "{order:?}");
    }
}

#[tokio::test]
async fn parallelism_and_sizes_do_not_matter() {
    let source = orders("*.csv");
    let mut files = Vec::new();
    for (parallelism, block) in [(1, 1 << 20), (8, 1 << 20), (3, 20)] {
        let mut zone = Zone::new();
        if block < 1000 {
            zone = zone.with_tiny_sizes(block);
        }
        zone.parallelism = parallelism;
        for (name, text, at) in deliveries() {
            zone.put_at(&name, text, at);
        }
        let report = zone.land(&source).await;
        files.push((zone.rows_with(&source, &["_object", "_line", "_day", "_key", "quantity"]).await, report.touched));
    }
    assert_eq!(files[0], files[1]);
    assert_eq!(files[1], files[2]);
}

#[tokio::test]
async fn without_a_key_every_row_counts() {
    let zone = Zone::new();
    let mut source = orders("*.csv");
    source.key.clear();
    for (name, text, at) in deliveries() {
        zone.put_at(&name, text, at);
    }
    assert_eq!(zone.land(&source).await.superseded, 0);
    assert_eq!(zone.rows(&source).await.len(), 72);
}
