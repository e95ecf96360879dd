//! The demo business, with all its marts: minutes, so they run on request. Each prints its figures.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use chrono::{Days, NaiveDate};
use lifecycle::demo::{DemoSettings, generate};
use rand::{RngExt, SeedableRng};

use crate::run::{Rows, Shop, assert_same};

/// A demo business before its first night, and its last day.
fn business(customers: u32, days: u32, seed: u64) -> (Shop, NaiveDate) {
    let shop = Shop::whole();
    let settings = DemoSettings { customers, days, seed, ..DemoSettings::new(shop.root()) };
    let summary = generate(&settings, &mut |_| {}).unwrap();
    (shop, summary.last_day)
}

fn everything(shop: &Shop) -> BTreeMap<String, Rows> {
    let mut rows = shop.landed();
    let names = shop.release().tables.into_keys();
    rows.extend(shop.read(None, &names.map(|name| (name.clone(), format!("select * from {name}"))).collect()));
    rows
}

fn backfill(last: NaiveDate, days: u64, at_once: &str) -> Vec<String> {
    let (from, to) = ((last - Days::new(days)).to_string(), (last - Days::new(1)).to_string());
    let words = ["backfill", "nightly", "--from", &from, "--to", &to, "--parallel", at_once];
    words.map(str::to_owned).to_vec()
}

fn run(shop: &Shop, arguments: &[String]) -> crate::run::Ran {
    shop.lifecycle(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
}

fn count(rows: &BTreeMap<String, Rows>) -> usize {
    rows.values().map(Vec::len).sum()
}

#[test]
#[ignore = "long: 30 days, 5 kills"]
fn thirty_days_killed_and_resumed_equal_thirty_single_runs() {
    const DAYS: u64 = 30;
    let (single, last) = business(500, 150, 11);
    // The last day is the current one; the others come before it, over the end of a month.
    single.night(last).expect(0);
    let killed = single.copy();
    for before in (1..=DAYS).rev() {
        single.night(last - Days::new(before)).expect(0);
    }
    let expected = everything(&single);
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(30);
    let mut arguments = backfill(last, DAYS, "2");
    let mut kills = 0;
    for _ in 0..5 {
        let strings: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let mut child = killed.command(&strings).arg("--quiet").spawn().unwrap();
        // Whatever the machine's speed, it gets on between two kills.
        let releases = killed.release_numbers().len();
        while killed.release_numbers().len() == releases && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(20));
        }
        std::thread::sleep(Duration::from_millis(random.random_range(0..1_500)));
        child.kill().unwrap();
        kills += u32::from(!child.wait().unwrap().success());
        let id = killed.query("select backfill_id from ops.backfills").remove(0);
        arguments = ["backfill", "resume", &id].map(str::to_owned).to_vec();
    }
    let done = killed.query("select count(*) from ops.backfill_days where status = 'done'");
    let ran = run(&killed, &arguments).expect(0);
    let rows = everything(&killed);
    assert_same(&rows, &expected);
    println!(
        "{DAYS} days, {kills} kills, {} days done when the last came, {} releases, {} rows of {} tables compared, 0 differ",
        done[0],
        killed.release_numbers().len(),
        count(&rows),
        rows.len(),
    );
    assert!(ran.stderr.contains("days done"), "{ran:?}");
}

#[test]
#[ignore = "long: 90 days against 90 single runs, 5,000 customers"]
fn ninety_days_against_ninety_single_runs() {
    const DAYS: u64 = 90;
    let (single, last) = business(5_000, 730, 42);
    single.night(last).expect(0);
    let shops = ["1", "2"].map(|at_once| (at_once, single.copy()));
    let started = Instant::now();
    for before in (1..=DAYS).rev() {
        single.night(last - Days::new(before)).expect(0);
    }
    let expected = everything(&single);
    let seconds = started.elapsed().as_secs_f64();
    println!("{DAYS} single runs: {seconds:.1} s");
    for (at_once, shop) in shops {
        let started = Instant::now();
        run(&shop, &backfill(last, DAYS, at_once)).expect(0);
        let took = started.elapsed().as_secs_f64();
        println!(
            "backfill of {DAYS} days, {at_once} at once: {took:.1} s, {:.2} of single runs, {} releases",
            took / seconds,
            shop.release_numbers().len() - 1
        );
        assert_same(&everything(&shop), &expected);
    }
    println!("{} rows of {} tables compared, 0 differ", count(&expected), expected.len());
}

#[test]
#[ignore = "long: 3 businesses, 12 days each"]
fn running_days_one_by_one_equals_running_the_last_day_at_once() {
    const DAYS: u64 = 12;
    let mut rows = 0;
    for seed in [21, 22, 23] {
        let (whole, last) = business(300, 120, seed);
        let daily = whole.copy();
        // The drop zone as it was on the evening of each day.
        let late = daily.path("late");
        std::fs::rename(daily.path("raw"), &late).unwrap();
        for before in (0..=DAYS).rev() {
            deliver_until(&daily, &late, last - Days::new(before));
            daily.night(last - Days::new(before)).expect(0);
        }
        whole.edit("config/local.yaml", "parallelism: 2", "parallelism: 3");
        whole.night(last).expect(0);
        assert_same(&daily.tables(), &whole.tables());
        assert_same(&daily.landed(), &whole.landed());
        rows += count(&daily.tables()) + count(&daily.landed());
        let published = daily.published();
        daily.edit("config/local.yaml", "parallelism: 2", "parallelism: 1");
        daily.night(last).expect(0).says(&["nothing to do"]);
        assert_eq!(daily.published(), published);
    }
    println!("3 businesses, {} runs, {rows} rows compared, 0 differ", 3 * (DAYS + 3));
}

/// Moves the objects that came by the evening of a day into the drop zone; those without a day are there from the first.
fn deliver_until(shop: &Shop, late: &std::path::Path, day: NaiveDate) {
    for feed in std::fs::read_dir(late).unwrap() {
        let feed = feed.unwrap();
        let to = shop.path("raw").join(feed.file_name());
        std::fs::create_dir_all(&to).unwrap();
        for entry in std::fs::read_dir(feed.path()).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            let came = name.rsplit('=').next().and_then(|text| text.get(..10)?.parse::<NaiveDate>().ok());
            if came.is_none_or(|came| came <= day) {
                std::fs::rename(entry.path(), to.join(&name)).unwrap();
            }
        }
    }
}
