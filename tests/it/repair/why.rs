//! `lifecycle why`: from what a table was built, what has come since, and what the next run would do with it.

use serde_json::Value;

use super::late::{after_six_nights, from_the_start, histories, late_sale};
use crate::backfill::kiosk::{Kiosk, day};
use crate::run::{Ran, assert_same};

/// Ids of runs and instants differ from time to time; their widths do not.
fn settled(text: &str) -> String {
    let is_id = |word: &str| word.len() == 13 && word.as_bytes()[8] == b'-' && word.starts_with("01");
    let is_time = |word: &str| word.len() == 8 && word.matches(':').count() == 2;
    let mut lines = Vec::new();
    for line in text.lines() {
        let mut line = line.to_owned();
        for word in line.clone().split([' ', ',']) {
            if is_id(word) {
                line = line.replace(word, "<run-------->");
            }
            if is_time(word) {
                let at = line.find(word).unwrap();
                line.replace_range(at - 11..at + 12, "<the instant-it-landed>");
            }
        }
        lines.push(line);
    }
    lines.join("\n")
}

fn why(kiosk: &Kiosk, words: &[&str]) -> Ran {
    let as_of = day(7).to_string();
    kiosk.0.lifecycle(&[&["why"], words, &["--as-of", &as_of]].concat())
}

fn text(kiosk: &Kiosk, words: &[&str]) -> String {
    settled(&why(kiosk, words).expect(0).stdout)
}

#[test]
fn a_table_that_stands() {
    let kiosk = after_six_nights();
    insta::assert_snapshot!(text(&kiosk, &["marts.totals"]), @r"
    marts.totals (job nightly)
    built     by release 6, run <run-------->, <the instant-it-landed>
    next run  keep, as of 2025-12-03: nothing that it depends on changed

    built from    version  now  landings since  objects waiting
    landed.sales        0    0               0                0
    ");
    insta::assert_snapshot!(text(&kiosk, &["spenders_history"]), @r"
    marts.spenders_history (job nightly)
    built     by release 1, run <run-------->, <the instant-it-landed>
    next run  keep, as of 2025-12-03: marts.spenders does not look at the day: its history is what was known when it was built

    built from    version  now  landings since  objects waiting
    landed.sales        0    0               0                0
    ");
    insta::assert_snapshot!(text(&kiosk, &["staging.sales"]), @r"
    staging.sales (job nightly)
    built     never
    next run  view, as of 2025-12-03: expanded where it is used

    built from    version  now  landings since  objects waiting
    landed.sales     none    0               1                0

    since then    when                     run            touched                   objects
    landed.sales  <the instant-it-landed>  <run-------->  2025-11-26 to 2025-12-03  sales/date=2025-11-26/sales.csv and 7 more
    ");
}

#[test]
fn what_waits_what_landed_and_which_days_it_touches() {
    let kiosk = after_six_nights();
    late_sale(&kiosk, 4, "x1", "newcomer", "7.00");
    let of_day = day(4).to_string();
    insta::assert_snapshot!(text(&kiosk, &["sale_days", &of_day]), @r"
    intermediate.sale_days, 2025-11-30 (job nightly)
    built     by release 1, run <run-------->, <the instant-it-landed>
    next run  build 2025-11-30, as of 2025-12-03: landed.sales touched 2025-11-30

    built from    version  now  landings since  objects waiting
    landed.sales        0    0               0                1

    since then    when   run  touched     objects
    landed.sales  waits       2025-11-30  sales/date=2025-11-30/x1.csv
    ");
    insta::assert_snapshot!(text(&kiosk, &["marts.balances_history", &of_day]), @r"
    marts.balances_history, 2025-11-30 (job nightly)
    built     by release 3, run <run-------->, <the instant-it-landed>
    next run  repair, as of 2025-12-03: landed.sales of 2025-11-30 came late

    built from      version   now  landings since  objects waiting
    landed.members     none  none               0                0
    landed.sales          0     0               0                1

    since then    when   run  touched     objects
    landed.sales  waits       2025-11-30  sales/date=2025-11-30/x1.csv

    reads                   next run          why
    intermediate.sale_days  build 2025-11-30  landed.sales touched 2025-11-30
    intermediate.buyers     build             landed.sales changed
    marts.balances          build             landed.sales changed
    ");
    insta::assert_snapshot!(text(&kiosk, &["marts.balances_history", &day(3).to_string()]), @r"
    marts.balances_history, 2025-11-29 (job nightly)
    built     by release 2, run <run-------->, <the instant-it-landed>
    next run  keep, as of 2025-12-03: nothing that landed since belongs to it

    built from      version   now  landings since  objects waiting
    landed.members     none  none               0                0
    landed.sales          0     0               0                0

    reads                   next run          why
    intermediate.sale_days  build 2025-11-30  landed.sales touched 2025-11-30
    intermediate.buyers     build             landed.sales changed
    marts.balances          build             landed.sales changed
    ");
    // It lands with a run of an old day, which writes no other history.
    kiosk.run(2).expect(0);
    insta::assert_snapshot!(text(&kiosk, &["sale_days", &of_day]), @r"
    intermediate.sale_days, 2025-11-30 (job nightly)
    built     by release 7, run <run-------->, <the instant-it-landed>
    next run  keep, as of 2025-12-03: nothing that it depends on changed

    built from    version  now  landings since  objects waiting
    landed.sales        1    1               0                0
    ");
    insta::assert_snapshot!(text(&kiosk, &["marts.balances_history", &day(5).to_string()]), @r"
    marts.balances_history, 2025-12-01 (job nightly)
    built     by release 4, run <run-------->, <the instant-it-landed>
    next run  repair, as of 2025-12-03: landed.sales of 2025-11-30 came late

    built from      version   now  landings since  objects waiting
    landed.members     none  none               0                0
    landed.sales          0     1               1                0

    since then    when                     run            touched     objects
    landed.sales  <the instant-it-landed>  <run-------->  2025-11-30  sales/date=2025-11-30/x1.csv

    reads                next run  why
    intermediate.buyers  build     landed.sales changed
    marts.balances       build     landed.sales changed
    ");
    insta::assert_snapshot!(text(&kiosk, &["marts.balances_history"]), @r"
    marts.balances_history (job nightly)
    built     by release 7, run <run-------->, <the instant-it-landed>
    next run  repair, as of 2025-12-03: 4 of its days lack facts that came late, 4 of them are built again

    built from      version   now  landings since  objects waiting
    landed.members     none  none               0                0
    landed.sales          1     1               0                0

    reads                next run  why
    intermediate.buyers  build     landed.sales changed
    marts.balances       build     landed.sales changed
    ");
    insta::assert_snapshot!(text(&kiosk, &["marts.balances"]), @r"
    marts.balances (job nightly)
    built     by release 6, run <run-------->, <the instant-it-landed>
    next run  build, as of 2025-12-03: landed.sales changed

    built from      version   now  landings since  objects waiting
    landed.members     none  none               0                0
    landed.sales          0     1               1                0

    since then    when                     run            touched     objects
    landed.sales  <the instant-it-landed>  <run-------->  2025-11-30  sales/date=2025-11-30/x1.csv

    reads                next run  why
    intermediate.buyers  build     landed.sales changed
    ");
    let ran = why(&kiosk, &["marts.balances_history", &day(5).to_string(), "-o", "json"]).expect(0);
    let json: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(json["table"], "marts.balances_history");
    assert_eq!(json["next_run"]["action"], "repair");
    assert_eq!(json["next_run"]["is_stale"], true);
    assert_eq!(json["sources"][1]["source"], "sales");
    assert_eq!(json["sources"][1]["landings"][0]["touched"], serde_json::json!([of_day]));
    assert_eq!(json["sources"][1]["landings"][0]["landed"], 1);
    let name = json["sources"][1]["landings"][0]["names"][0].as_str().unwrap();
    assert_eq!(name, format!("sales/date={of_day}/x1.csv"));
}

/// What a day of a history is said to need, and whether somebody has to act.
fn verdict(kiosk: &Kiosk, table: &str, number: u64, as_of: u64) -> String {
    let words = ["why", table, &day(number).to_string(), "--as-of", &day(as_of).to_string(), "-o", "json"];
    let json: Value = serde_json::from_str(&kiosk.0.lifecycle(&words).expect(0).stdout).unwrap();
    let next = &json["next_run"];
    let stale = if next["is_stale"] == true { "stale" } else { "fine" };
    format!("{stale}, {}: {}", next["action"].as_str().unwrap(), next["reason"].as_str().unwrap())
}

#[test]
fn why_a_day_is_left_as_it_is() {
    let kiosk = after_six_nights();
    late_sale(&kiosk, 4, "x1", "newcomer", "7.00");
    let late = format!("landed.sales of {} came late, but", day(4));
    assert_eq!(
        verdict(&kiosk, "balances_history", 6, 5),
        format!("fine, leave: {late} a run as of {} repairs days before its own alone", day(5))
    );
    assert_eq!(
        verdict(&kiosk, "balances_history", 5, 6),
        format!("fine, leave: {late} a run as of {}, before the current release's day, repairs nothing", day(6))
    );
    // The newest of a month that goes on.
    assert_eq!(
        verdict(&kiosk, "largest_history", 7, 8),
        format!("fine, leave: {late} the history drops it when it gets a later day")
    );
    kiosk.0.edit("jobs/nightly.yaml", "models: [marts]", "models: [marts]\nrepair_window: none");
    assert_eq!(verdict(&kiosk, "balances_history", 5, 7), format!("stale, leave: {late} `repair_window` is `none`"));
}

#[test]
fn a_day_that_was_built_again_and_did_not_move() {
    let kiosk = after_six_nights();
    let somebody = kiosk.0.query(&format!(
        "select customer_id from marts.balances_history where as_of = '{}' and last_on > '{}' limit 1",
        day(5),
        day(4)
    ));
    late_sale(&kiosk, 5, "x1", &somebody[0], "0.00");
    kiosk.run(7).expect(0);
    assert_eq!(
        verdict(&kiosk, "balances_history", 5, 7),
        "fine, keep: it was built again since, and its rows are as they were"
    );
    assert_eq!(verdict(&kiosk, "balances_history", 4, 7), "fine, keep: nothing that landed since belongs to it");
}

#[test]
fn what_changed_is_told_by_name() {
    let kiosk = after_six_nights();
    kiosk.0.write("sql/seeds/marks.csv", "mark\n1\n");
    kiosk.0.write(
        "sql/seeds/marks.yaml",
        "description: Marks.\ncolumns:\n  - {name: mark, type: integer, description: A mark.}\n",
    );
    let sql = "sql/intermediate/buyers.sql";
    kiosk.0.edit(sql, "group by 1", "and $active_days > 0 and 0 < (select sum(mark) from seeds.marks) group by 1");
    let reason = |table: &str| {
        let plan = kiosk.0.plan(day(7)).expect(0);
        let line = plan.stdout.lines().find(|line| line.starts_with(&format!("{table} "))).map(str::to_owned);
        line.unwrap_or_default().rsplit("  ").next().unwrap_or_default().to_owned()
    };
    assert_eq!(reason("intermediate.buyers"), "its SQL, parameter active_days and seed marks changed");
    assert_eq!(reason("marts.totals"), "the SQL of intermediate.buyers, parameter active_days and seed marks changed");
    kiosk.run(7).expect(0);
    assert_eq!(reason("intermediate.buyers"), "");
    kiosk.0.edit("sql/seeds/marks.csv", "1", "2");
    assert_eq!(reason("intermediate.buyers"), "seed marks changed");
    assert_eq!(reason("marts.balances"), "seed marks changed");
    kiosk.0.edit("sql/seeds/marks.csv", "2", "1");
    kiosk.0.edit("jobs/nightly.yaml", "models: [marts]", "models: [marts]\nparameters: {active_days: 91}");
    assert_eq!(reason("marts.balances"), "parameter active_days changed");
    kiosk.0.edit("jobs/nightly.yaml", "\nparameters: {active_days: 91}", "");
    // A view is part of what reads it.
    kiosk.0.edit("sql/staging/sales.sql", "from landed.sales", "from landed.sales where true");
    assert_eq!(reason("marts.totals"), "the SQL of staging.sales changed");
    why(&kiosk, &["marts.totals"]).expect(0).says(&["next run  build, as of", "the SQL of staging.sales changed"]);
}

/// Writes a file anew: others have a link to the old one.
fn rewrite(kiosk: &Kiosk, file: &str, record: &Value) {
    std::fs::remove_file(kiosk.0.path(file)).unwrap();
    kiosk.0.write(file, &record.to_string());
}

/// Records of older programs say less; what they say counts.
#[test]
fn records_without_parts_and_days_still_work() {
    let kiosk = after_six_nights();
    let number = *kiosk.0.release_numbers().last().unwrap();
    let file = format!("warehouse/releases/nightly/{number:08}.json");
    let mut record: Value = serde_json::from_str(&std::fs::read_to_string(kiosk.0.path(&file)).unwrap()).unwrap();
    for table in record["tables"].as_object_mut().unwrap().values_mut() {
        for key in ["parts", "built", "days"] {
            table.as_object_mut().unwrap().remove(key);
        }
    }
    rewrite(&kiosk, &file, &record);
    why(&kiosk, &["marts.totals"]).expect(0).says(&["built     by a release whose record says no more", "keep, as of"]);
    late_sale(&kiosk, 4, "x1", "newcomer", "7.00");
    kiosk.run(7).expect(0).says(&["repaired 4 days of histories"]);
    assert_same(&histories(&kiosk), &from_the_start(&kiosk, 2));

    rewrite(&kiosk, &file, &record);
    for later in number + 1..=*kiosk.0.release_numbers().last().unwrap() {
        std::fs::remove_file(kiosk.0.path(&format!("warehouse/releases/nightly/{later:08}.json"))).unwrap();
    }
    kiosk.0.edit("sql/staging/sales.sql", "from landed.sales", "from landed.sales where true");
    kiosk.0.plan(day(7)).expect(0).says(&["its SQL, its columns, a parameter or a seed changed"]);
}

#[test]
fn questions_that_have_no_answer() {
    let kiosk = after_six_nights();
    why(&kiosk, &["marts.balance"])
        .expect(2)
        .says(&["there is no table `marts.balance`", "did you mean `marts.balances`?"]);
    why(&kiosk, &["totals", "2025-11-30"]).expect(2).says(&["`marts.totals` is not built by days"]);
    why(&kiosk, &["totals", "--job", "weekly"]).expect(2).says(&["there is no job `weekly`"]);
}
