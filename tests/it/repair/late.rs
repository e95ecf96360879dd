//! Facts that come late: the days of histories that they touch are built again, exactly these, and what moved is told.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::backfill::kiosk::{DAYS, Kiosk, day};
use crate::run::{Rows, assert_same};

/// Facts alone: members count as they were known when a day was built.
pub fn without_members(kiosk: &Kiosk, number: u64) {
    std::fs::remove_file(kiosk.0.path(&format!("raw/members/{number}.ndjson"))).unwrap();
}

/// Runs that wrote the histories of the days 2 to 7, of which 4 ends a month. Tests copy it.
pub fn after_six_nights() -> Kiosk {
    static KIOSK: OnceLock<Kiosk> = OnceLock::new();
    let kiosk = KIOSK.get_or_init(|| {
        let kiosk = Kiosk::new(11);
        (0..DAYS).for_each(|number| without_members(&kiosk, number));
        (2..DAYS).for_each(|number| {
            kiosk.run(number).expect(0);
        });
        kiosk
    });
    Kiosk(kiosk.0.copy())
}

pub fn late_sale(kiosk: &Kiosk, number: u64, id: &str, customer: &str, amount: &str) {
    let text = format!("sale_id,sold_at,customer_id,amount\n{id},{} 10:00:00,{customer},{amount}\n", day(number));
    kiosk.0.write(&format!("raw/sales/date={}/{id}.csv", day(number)), &text);
}

/// The histories whose days look at the day.
pub fn histories(kiosk: &Kiosk) -> BTreeMap<String, Rows> {
    let names = ["marts.balances_history", "marts.largest_history"];
    kiosk.0.read(None, &names.map(|name| (name.to_owned(), format!("select * from {name}"))).into())
}

/// The same raw files in a project whose runs found all of them from the start.
pub fn from_the_start(kiosk: &Kiosk, from: u64) -> BTreeMap<String, Rows> {
    days_from_the_start(kiosk, from, DAYS - 1)
}

pub fn days_from_the_start(kiosk: &Kiosk, from: u64, to: u64) -> BTreeMap<String, Rows> {
    let anew = kiosk.anew();
    anew.backfill(from, to, &[]).expect(0);
    histories(&anew)
}

fn repairs(kiosk: &Kiosk) -> Rows {
    kiosk.0.query(
        "select split_part(table_name, '.', 2), as_of, status, rows_added, rows_removed, rows_changed
         from ops.run_repairs order by run_id, table_name, as_of",
    )
}

fn repaired(table: &str, numbers: &[u64], what: &str) -> Vec<String> {
    numbers.iter().map(|number| format!("{table},{},{what}", day(*number))).collect()
}

#[test]
fn a_late_object_rebuilds_exactly_the_days_that_see_it() {
    let kiosk = after_six_nights();
    let before = kiosk.0.data_files();
    late_sale(&kiosk, 4, "x1", "newcomer", "7.00");
    let plan = kiosk.0.plan(day(7)).expect(0);
    let line = |table: &str| plan.stdout.lines().find(|line| line.starts_with(table)).map(str::to_owned);
    let expected = format!("build {} to {}  landed.sales of {} came late", day(4), day(6), day(4));
    assert!(line("marts.balances_history").is_some_and(|line| line.ends_with(&expected)), "{plan:#?}");
    let expected = format!("build {}                landed.sales of {} came late", day(4), day(4));
    assert!(line("marts.largest_history").is_some_and(|line| line.ends_with(&expected)), "{plan:#?}");

    let ran = kiosk.run(7).expect(0);
    let told = format!(
        "  repaired 4 days of histories for late facts, 0 built again and unmoved\n    marts.balances_history {}  1 added, for \
         landed.sales of {}\n",
        day(6),
        day(4)
    );
    assert!(ran.stderr.contains(&told), "{}", ran.stderr);
    let mut expected = repaired("balances_history", &[4, 5, 6], "moved,1,0,0");
    expected.extend(repaired("largest_history", &[4], "moved,1,0,0"));
    assert_eq!(repairs(&kiosk), expected);
    assert_same(&histories(&kiosk), &from_the_start(&kiosk, 2));
    // Nothing else was written again, and nothing is left of what was built on the way.
    let of_day = |number: u64| format!("balances_history/as_of={}", day(number));
    let written: Vec<String> = kiosk.0.data_files().difference(&before).cloned().collect();
    for number in 2..DAYS {
        let is_written = written.iter().any(|file| file.contains(&of_day(number)));
        assert_eq!(is_written, number >= 4, "day {number}: {written:#?}");
    }
    assert_eq!(kiosk.0.data_files(), kiosk.0.committed_files());
    assert_eq!(
        kiosk.0.query("select message from ops.runs order by started_at desc limit 1"),
        ["late facts moved 4 days of histories"]
    );
    let run = kiosk.0.query("select run_id from ops.runs order by started_at desc limit 1").remove(0);
    kiosk.0.lifecycle(&["runs", "show", &run]).expect(0).says(&[&format!(
        "marts.largest_history   {}  moved       1        0        0  landed.sales of {}",
        day(4),
        day(4)
    )]);
    kiosk.run(7).expect(0).says(&["nothing to do"]);
}

#[test]
fn a_changed_object_and_one_that_is_gone() {
    let kiosk = after_six_nights();
    let object = kiosk.0.path(&format!("raw/sales/date={}/sales.csv", day(5)));
    let text = std::fs::read_to_string(&object).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let changed = lines.iter_mut().find(|line| line.contains(&day(5).to_string()) && !line.ends_with("free")).unwrap();
    let (rest, _) = changed.rsplit_once(',').unwrap();
    *changed = format!("{rest},99999.99");
    // A new object, for others have a link to the old one.
    std::fs::remove_file(&object).unwrap();
    std::fs::write(&object, lines.join("\n") + "\n").unwrap();
    kiosk.run(7).expect(0);
    let balances: Rows = repairs(&kiosk);
    let mut expected = repaired("balances_history", &[5, 6], "moved,0,0,1");
    assert_eq!(balances, expected);
    assert_same(&histories(&kiosk), &from_the_start(&kiosk, 2));

    let before = histories(&kiosk);
    std::fs::remove_file(&object).unwrap();
    kiosk.run(7).expect(0).says(&["nothing to do"]);
    assert_same(&histories(&kiosk), &before);
    expected.truncate(2);
    assert_eq!(repairs(&kiosk), expected);
}

#[test]
fn what_is_built_again_and_did_not_move_is_not_committed() {
    let kiosk = after_six_nights();
    // A sale for nothing by somebody who bought later.
    let somebody = kiosk.0.query(&format!(
        "select customer_id from marts.balances_history where as_of = '{}' and last_on > '{}' limit 1",
        day(5),
        day(4)
    ));
    let version = |kiosk: &Kiosk| kiosk.0.release().tables["marts.balances_history"].version;
    let before = (version(&kiosk), histories(&kiosk));
    late_sale(&kiosk, 5, "x1", &somebody[0], "0.00");
    kiosk.run(7).expect(0).says(&["repaired 0 days of histories for late facts, 2 built again and unmoved"]);
    assert_eq!(repairs(&kiosk), repaired("balances_history", &[5, 6], "unmoved,0,0,0"));
    // The run's own day is written by the run, once.
    assert_eq!(version(&kiosk), before.0 + 1);
    assert_same(&histories(&kiosk), &before.1);
    let release = kiosk.0.release();
    assert!(release.tables["marts.balances_history"].days.values().all(|day| day.late.is_empty()), "{release:#?}");
    assert_eq!(kiosk.0.data_files(), kiosk.0.committed_files());
    kiosk.run(7).expect(0).says(&["nothing to do"]);
}

#[test]
fn what_lies_before_the_window_is_left_and_said() {
    let kiosk = after_six_nights();
    kiosk.0.edit("jobs/nightly.yaml", "models: [marts]", "models: [marts]\nrepair_window: 2d");
    let before = histories(&kiosk);
    late_sale(&kiosk, 3, "x1", "newcomer", "7.00");
    kiosk
        .0
        .plan(day(7))
        .expect(0)
        .says(&[&format!("build {} to {}", day(5), day(6)), "but the days lie before `repair_window`"]);
    let ran = kiosk.run(7).expect(0);
    let told = format!(
        "warning: landed.sales of {} came late, but 3 days of histories before `repair_window` are left as they are: {} to {}\n\
         hint: `lifecycle backfill nightly --from {} --to {} --only all` builds them again\n",
        day(3),
        day(3),
        day(4),
        day(3),
        day(4)
    );
    assert!(ran.stderr.contains(&told), "{}", ran.stderr);
    let mut expected = repaired("balances_history", &[3, 4], "left,0,0,0");
    expected.extend(repaired("balances_history", &[5, 6], "moved,1,0,0"));
    expected.extend(repaired("largest_history", &[4], "left,0,0,0"));
    assert_eq!(repairs(&kiosk), expected);
    let old = |rows: &BTreeMap<String, Rows>| -> Rows {
        let is_old = |row: &&String| row.starts_with(&day(3).to_string()) || row.starts_with(&day(4).to_string());
        rows.values().flatten().filter(is_old).cloned().collect()
    };
    assert_eq!(old(&histories(&kiosk)), old(&before));
    // It is said once, and not forgotten.
    kiosk.run(7).expect(0).says(&["nothing to do"]);
    let why = kiosk.0.lifecycle(&["why", "balances_history", &day(3).to_string(), "--as-of", &day(7).to_string()]);
    why.expect(0).says(&["leave, as of", "came late, but it lies outside of `repair_window`"]);
    kiosk.0.edit("jobs/nightly.yaml", "repair_window: 2d", "repair_window: none");
    kiosk.run(7).expect(0).says(&["nothing to do"]);
    kiosk.0.edit("jobs/nightly.yaml", "repair_window: none", "repair_window: 30d");
    kiosk.run(7).expect(0).says(&["repaired 3 days of histories"]);
    assert_same(&histories(&kiosk), &from_the_start(&kiosk, 2));
}

#[test]
fn old_days_and_backfills_leave_the_rest_to_the_next_run() {
    let kiosk = after_six_nights();
    late_sale(&kiosk, 3, "x1", "newcomer", "7.00");
    // They land what waits, and write the histories of their days alone.
    kiosk.run(4).expect(0);
    kiosk.backfill(6, 6, &["--only", "all"]).expect(0);
    assert_eq!(repairs(&kiosk), Rows::new());
    let whole = from_the_start(&kiosk, 2);
    assert_ne!(histories(&kiosk), whole);
    // A run of some tables, or with other parameters, does not repair either.
    kiosk.0.lifecycle(&["run", "nightly", "--as-of", &day(7).to_string(), "-s", "marts.totals"]).expect(0);
    assert_eq!(repairs(&kiosk), Rows::new());
    let plan = kiosk.0.plan(day(7)).expect(0);
    assert!(plan.stdout.contains(&format!("build 2 days from {} to {}", day(3), day(5))), "{plan:#?}");
    kiosk.run(7).expect(0);
    assert_eq!(repairs(&kiosk), repaired("balances_history", &[3, 5], "moved,1,0,0"));
    assert_same(&histories(&kiosk), &whole);
}

#[test]
fn a_day_that_fails_its_checks_stays_and_does_not_stop_the_others() {
    let kiosk = after_six_nights();
    let yaml = "sql/marts/balances.yaml";
    let check =
        "checks:\n  - name: nobody_is_rich\n    sql: select customer_id from marts.balances where amount > 5000000\n";
    kiosk.0.edit(yaml, "grain: [customer_id]\n", &format!("grain: [customer_id]\n{check}"));
    late_sale(&kiosk, 3, "x1", "newcomer", "9000000.00");
    late_sale(&kiosk, 5, "x2", "newcomer", "-8999999.00");
    let before = histories(&kiosk);
    let failed = |kiosk: &Kiosk| {
        kiosk.run(7).expect(3).says(&[
            &format!("marts.balances_history of {} could not be repaired: a check stopped the release", day(3)),
            "the next run tries again",
        ])
    };
    failed(&kiosk);
    let mut expected = repaired("balances_history", &[3, 4], "failed,0,0,0");
    expected.extend(repaired("balances_history", &[5, 6], "moved,1,0,0"));
    let rows: Rows = repairs(&kiosk).into_iter().filter(|row| row.starts_with("balances")).collect();
    assert_eq!(rows, expected);
    assert_eq!(
        kiosk.0.query("select status, message from ops.runs order by started_at desc limit 1"),
        ["partly_failed,late facts moved 2 days of histories; 3 days of histories could not be repaired"]
    );
    let of = |rows: &BTreeMap<String, Rows>, number: u64| -> Rows {
        let start = day(number).to_string();
        rows["marts.balances_history"].iter().filter(|row| row.starts_with(&start)).cloned().collect()
    };
    let after = histories(&kiosk);
    assert_eq!([of(&after, 3), of(&after, 4)], [of(&before, 3), of(&before, 4)]);
    failed(&kiosk);
    kiosk.0.edit(yaml, "5000000", "10000000");
    kiosk.run(7).expect(0).says(&["repaired 3 days of histories"]);
    assert_same(&histories(&kiosk), &from_the_start(&kiosk, 2));
}

/// The old rows of a day cannot be compared with: its file is gone.
#[test]
fn a_day_that_cannot_be_compared_stays_and_does_not_stop_the_others() {
    let kiosk = after_six_nights();
    let whole = from_the_start(&kiosk, 2);
    let folder = kiosk.0.path(&format!("warehouse/marts/balances_history/as_of={}", day(5)));
    let file = std::fs::read_dir(&folder).unwrap().next().unwrap().unwrap().path();
    std::fs::rename(&file, kiosk.0.path("aside")).unwrap();
    late_sale(&kiosk, 4, "x1", "newcomer", "7.00");
    let told = format!("marts.balances_history of {} could not be repaired: ", day(5));
    kiosk.run(7).expect(3).says(&["repaired 3 days of histories", &told, "the next run tries again"]);
    let mut expected = repaired("balances_history", &[4], "moved,1,0,0");
    expected.extend(repaired("balances_history", &[5], "failed,0,0,0"));
    expected.extend(repaired("balances_history", &[6], "moved,1,0,0"));
    expected.extend(repaired("largest_history", &[4], "moved,1,0,0"));
    assert_eq!(repairs(&kiosk), expected);
    std::fs::rename(kiosk.0.path("aside"), &file).unwrap();
    assert_eq!(kiosk.0.data_files(), kiosk.0.committed_files(), "what was built of the day is swept");
    kiosk.run(7).expect(0).says(&["repaired 1 day of histories"]);
    assert_ne!(histories(&kiosk), whole);
    assert_same(&histories(&kiosk), &from_the_start(&kiosk, 2));
}

/// All tables of a day tell of the same facts.
#[test]
fn the_histories_of_a_day_move_together_or_not_at_all() {
    let kiosk = after_six_nights();
    kiosk.0.write("sql/marts/amounts.sql", "select amount from staging.sales where business_day(sold_at) <= $as_of\n");
    let columns = "columns:\n  - {name: amount, type: \"decimal(12,2)\", description: A column.}\n";
    kiosk.0.write("sql/marts/amounts.yaml", &format!("description: A table.\nhistory: daily\n{columns}"));
    kiosk.run(7).expect(0);
    kiosk.run(8).expect(0);
    let folder = kiosk.0.path(&format!("warehouse/marts/balances_history/as_of={}", day(7)));
    let file = std::fs::read_dir(&folder).unwrap().next().unwrap().unwrap().path();
    std::fs::rename(&file, kiosk.0.path("aside")).unwrap();
    late_sale(&kiosk, 7, "x1", "newcomer", "7.00");
    let before = kiosk.0.query("select count(*) from marts.amounts_history");
    kiosk.run(8).expect(3).says(&["marts.balances_history of", "could not be repaired: "]);
    let mut expected = repaired("amounts_history", &[7], "failed,0,0,0");
    expected.extend(repaired("balances_history", &[7], "failed,0,0,0"));
    assert_eq!(repairs(&kiosk), expected);
    std::fs::rename(kiosk.0.path("aside"), &file).unwrap();
    let today = kiosk.0.query(&format!("select count(*) from marts.amounts_history where as_of = '{}'", day(8)));
    assert_ne!(today, ["0"]);
    assert_eq!(kiosk.0.data_files(), kiosk.0.committed_files(), "what was built of the day is swept");
    kiosk.run(8).expect(0).says(&["repaired 2 days of histories"]);
    assert_ne!(kiosk.0.query("select count(*) from marts.amounts_history"), before);
}

/// Without a grain, rows are told apart by all their columns, and how often each is there counts.
#[test]
fn one_more_of_a_row_that_is_there_moves_a_table_without_a_grain() {
    let kiosk = after_six_nights();
    kiosk.0.write("sql/marts/amounts.sql", "select amount from staging.sales where business_day(sold_at) <= $as_of\n");
    let columns = "columns:\n  - {name: amount, type: \"decimal(12,2)\", description: A column.}\n";
    kiosk.0.write("sql/marts/amounts.yaml", &format!("description: A table.\nhistory: daily\n{columns}"));
    kiosk.run(7).expect(0);
    kiosk.run(8).expect(0);
    let known = kiosk.0.query("select amount from marts.amounts order by 1 limit 1");
    late_sale(&kiosk, 3, "x1", "newcomer", &known[0]);
    let count = format!("select count(*) from marts.amounts_history where as_of = '{}'", day(7));
    let before: u64 = kiosk.0.query(&count)[0].parse().unwrap();
    kiosk.run(8).expect(0);
    let of_amounts: Rows = repairs(&kiosk).into_iter().filter(|row| row.starts_with("amounts")).collect();
    assert_eq!(of_amounts, repaired("amounts_history", &[7], "moved,1,0,0"));
    assert_eq!(kiosk.0.query(&count), [(before + 1).to_string()]);
}

#[test]
fn days_within_a_long_window_are_remembered() {
    let kiosk = after_six_nights();
    kiosk.0.edit("jobs/nightly.yaml", "models: [marts]", "models: [marts.balances]\nrepair_window: 600d");
    let sale = |day: &str, id: &str| {
        let text = format!("sale_id,sold_at,customer_id,amount\n{id},{day} 10:00:00,newcomer,1.00\n");
        kiosk.0.write(&format!("raw/sales/date={day}/{id}.csv"), &text);
    };
    // A day of the year before gets a history, and then a fact that comes late.
    sale("2024-07-01", "x1");
    kiosk.0.night("2024-07-01".parse().unwrap()).expect(0);
    kiosk.run(7).expect(0);
    sale("2024-06-30", "x2");
    kiosk.run(7).expect(0);
    let moved = repairs(&kiosk);
    assert!(moved.contains(&"balances_history,2024-07-01,moved,0,0,1".to_owned()), "{moved:?}");
}

/// Objects come in any order, some days late, some twice; after each night's repairs the histories are as if all had been
/// there.
fn random_arrivals(seed: u64) -> usize {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let kiosk = Kiosk::without_sales();
    let (mut held, mut moved) = (Vec::new(), 0);
    for number in 0..DAYS {
        kiosk.deliver(seed, number);
        without_members(&kiosk, number);
        let object = format!("raw/sales/date={}/sales.csv", day(number));
        if number + 1 < DAYS && random.random_bool(0.4) {
            let aside = format!("held/{number}.csv");
            kiosk.0.write(&aside, "");
            std::fs::rename(kiosk.0.path(&object), kiosk.0.path(&aside)).unwrap();
            held.push((aside, object));
        }
        if number + 1 == DAYS || random.random_bool(0.5) {
            let arrives = if number + 1 == DAYS { held.len() } else { random.random_range(0..=held.len()) };
            for (aside, object) in held.drain(..arrives) {
                std::fs::rename(kiosk.0.path(&aside), kiosk.0.path(&object)).unwrap();
            }
        }
        if number > 0 && random.random_bool(0.3) {
            let past = random.random_range(0..number);
            late_sale(&kiosk, past, &format!("x{number}"), &format!("c{}", random.random_range(0..9)), "12.50");
        }
        if number > 0 {
            kiosk.run(number).expect(0);
        }
    }
    moved += repairs(&kiosk).iter().filter(|row| row.contains(",moved,")).count();
    let anew = kiosk.anew();
    for number in 1..DAYS {
        anew.run(number).expect(0);
    }
    assert_same(&histories(&kiosk), &histories(&anew));
    assert_same(&kiosk.0.tables(), &anew.0.tables());
    assert_eq!(kiosk.0.data_files(), kiosk.0.committed_files());
    moved
}

#[test]
fn histories_are_as_if_everything_had_been_there() {
    let moved = random_arrivals(1);
    assert!(moved > 0);
}

#[test]
#[ignore = "long: 12 random businesses"]
fn histories_are_as_if_everything_had_been_there_for_many() {
    let moved: Vec<usize> = (2..14).map(random_arrivals).collect();
    println!(
        "{} businesses of {DAYS} days, {} days of histories moved: {moved:?}",
        moved.len(),
        moved.iter().sum::<usize>()
    );
    assert!(moved.iter().sum::<usize>() > 20);
}
