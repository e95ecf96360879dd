//! Sizes: nothing at all, one customer, the default, and a large shop.

use std::time::Instant;

use lifecycle::demo::{DemoProgress, generate};

use super::contract::contracts;
use super::files::rows;
use super::{default_business, small, write};

#[test]
fn tiny_businesses_work() {
    for (customers, days) in [(0, 1), (0, 40), (1, 1), (1, 400), (3, 2), (499, 31), (500, 539)] {
        let directory = tempfile::tempdir().unwrap();
        let summary = write(&small(directory.path(), customers, days));
        let contracts = contracts();
        for object in &summary.objects {
            let rows = rows(&directory.path().join(&object.path));
            let refused = rows.iter().filter(|row| contracts[object.feed].fault(row).is_some()).count() as u64;
            assert_eq!((rows.len() as u64, refused), (object.rows, object.broken), "{}", object.path);
        }
        let orders = summary.objects.iter().filter(|object| object.feed == "orders").count();
        assert_eq!(orders, days as usize, "{customers} customers, {days} days");
        assert!(summary.facts.scripted.is_empty());
    }
}

#[test]
fn progress_counts_days_and_rows() {
    let directory = tempfile::tempdir().unwrap();
    let mut seen: Vec<DemoProgress> = Vec::new();
    let summary = generate(&small(directory.path(), 50, 20), &mut |progress| seen.push(progress)).unwrap();
    assert_eq!(seen.iter().map(|progress| progress.days_done).collect::<Vec<_>>(), (1..=20).collect::<Vec<_>>());
    let last = seen.last().unwrap();
    assert_eq!((last.days, last.day), (20, summary.last_day));
    assert_eq!(last.rows, summary.feeds.values().map(|feed| feed.rows).sum::<u64>());
}

#[test]
fn the_default_business_is_a_few_megabytes() {
    let (_, summary) = default_business();
    let megabytes = summary.bytes() as f64 / 1e6;
    assert!((3.0..9.0).contains(&megabytes), "{megabytes} MB");
    let customers = summary.facts.stages.reached[0] - summary.facts.stages.strangers;
    assert!((4_900..=5_020).contains(&customers), "{customers} customers");
}

/// Prints the time and the memory of a large shop; `LIFECYCLE_DEMO_CUSTOMERS` chooses how large.
#[test]
#[ignore = "a measurement: minutes and hundreds of megabytes"]
fn a_large_shop_streams() {
    let customers = std::env::var("LIFECYCLE_DEMO_CUSTOMERS").map_or(200_000, |text| text.parse().unwrap());
    let directory = tempfile::tempdir().unwrap();
    let started = Instant::now();
    let summary = write(&small(directory.path(), customers, 730));
    let rows: u64 = summary.feeds.values().map(|feed| feed.rows).sum();
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or("VmHWM unknown").to_owned();
    let (seconds, megabytes) = (started.elapsed().as_secs_f64(), summary.bytes() as f64 / 1e6);
    println!("{customers} customers: {rows} rows, {megabytes:.1} MB in {seconds:.1} s; {peak}");
    for (feed, totals) in &summary.feeds {
        println!("  {feed}: {totals:?}");
    }
    println!("{:?}", summary.facts.working_campaign);
    println!("{:?}", summary.facts.idle_campaign);
    println!("{:?} {:?}", summary.facts.stages, summary.facts.second_purchase);
    println!("{:?}", summary.facts.churn_by_persona);
}
