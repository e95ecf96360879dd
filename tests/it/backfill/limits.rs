//! Which days a backfill may have: none of another's, none to come, not too many at once.

use std::process::Stdio;

use chrono::Utc;
use lifecycle::state::{BackfillStart, DayOrder};

use super::disturbed::{Holder, end, kiosk, newest_backfill, start};
use super::kiosk::{Kiosk, day, first_day};
use crate::run::until::until;
use crate::run::{Ran, wait_for};

#[test]
fn days_of_an_unfinished_backfill_are_refused_to_another() {
    let kiosk = kiosk();
    let holder = Holder::new(&kiosk);
    // Another process has the job's backfills: this one is written down, and waits.
    let lease = holder.hold("backfill of nightly");
    kiosk.backfill(1, 3, &[]).expect(1).says(&["a backfill of job `nightly` is being run by process 7 on moon"]);
    let id = newest_backfill(&kiosk);
    let short = &id[..13];
    for more in [&[][..], &["--dry-run"]] {
        kiosk.backfill(0, 5, more).expect(2).says(&[
            &format!(
                "error: backfill {short} of job `nightly` is not done with 3 of these days: 2025-11-27 to 2025-11-29"
            ),
            &format!("`lifecycle backfill resume {short}` goes on with it"),
            &format!("`lifecycle backfill cancel {short}` takes its waiting days off the list; or choose other days"),
        ]);
    }
    assert_eq!(kiosk.0.query("select count(*) from ops.backfills"), ["1"], "nothing else was written");
    // Other days are written down, and wait for their turn.
    kiosk.backfill(4, 5, &[]).expect(1).says(&["is being run by process 7 on moon", "lifecycle backfill resume"]);
    let other = newest_backfill(&kiosk);
    holder.give_back(&lease);
    // What was cancelled is free; taken, it is refused to its first owner.
    kiosk.0.lifecycle(&["backfill", "cancel", &id]).expect(0).says(&["took 3 days off the list"]);
    kiosk.backfill(1, 1, &[]).expect(0);
    kiosk.backfill(2, 2, &["--only", "all"]).expect(0);
    let lease = holder.hold("backfill of nightly");
    kiosk.backfill(3, 3, &[]).expect(1);
    holder.give_back(&lease);
    kiosk.0.lifecycle(&["backfill", "resume", &id]).expect(2).says(&["is not done with 1 of these days: 2025-11-29"]);
    kiosk.0.lifecycle(&["backfill", "resume", &other]).expect(0).says(&["2 days done"]);
}

/// Lets two processes ask for overlapping days at once; returns how many times.
fn race(rounds: u64) -> u64 {
    let kiosk = Kiosk::without_sales();
    kiosk.0.lifecycle(&["backfill", "list"]).expect(0);
    let holder = Holder::new(&kiosk);
    // The winner is told that another backfill is at work, and its list stays.
    let lease = holder.hold("backfill of nightly");
    for round in 0..rounds {
        let from = first_day() - chrono::Days::new(10 * (round + 1));
        let ask = |shift: u64| {
            let (from, to) = (from + chrono::Days::new(shift), from + chrono::Days::new(shift + 4));
            let words =
                ["backfill", "nightly", "--from", &from.to_string(), "--to", &to.to_string()].map(str::to_owned);
            start(&kiosk, &words)
        };
        let children = [ask(0), ask(2)];
        let mut codes: Vec<Option<i32>> = children.into_iter().map(|child| end(child).0).collect();
        codes.sort_unstable();
        assert_eq!(codes, [Some(1), Some(2)], "round {round}: one is written down, one is refused");
    }
    holder.give_back(&lease);
    let twice = "select count(*) from (select as_of from ops.backfill_days group by 1 having count(*) > 1) as twice";
    assert_eq!(kiosk.0.query(twice), ["0"]);
    assert_eq!(kiosk.0.query("select count(*) from ops.backfills"), [rounds.to_string()]);
    rounds
}

#[test]
fn of_two_backfills_that_begin_at_once_over_the_same_days_one_begins() {
    race(2);
}

#[test]
#[ignore = "long: 50 races"]
fn of_two_backfills_that_begin_at_once_over_the_same_days_one_begins_each_time() {
    println!("{} races of two processes, one winner each, 0 days in two backfills", race(50));
}

#[test]
fn more_days_at_once_than_the_environment_allows_are_refused() {
    let kiosk = kiosk();
    let config = std::fs::read_to_string(kiosk.0.path("config/local.yaml")).unwrap();
    kiosk.0.write("config/local.yaml", &format!("{config}backfill: {{parallel: 1}}\n"));
    kiosk.backfill(0, 1, &["--parallel", "2"]).expect(2).says(&[
        "error: --parallel 2 is more than environment `local` allows: 1",
        "hint: the limit is `backfill: {parallel: 1}` in config/local.yaml",
    ]);
    assert_eq!(kiosk.0.query("select count(*) from ops.backfills"), ["0"]);
    // Another process works on a backfill of another job: as many days at once as may be.
    let holder = Holder::new(&kiosk);
    let other = BackfillStart {
        backfill_id: "other".to_owned(),
        job: "hourly".to_owned(),
        environment: "local".to_owned(),
        days: vec![day(0)],
        selection: "all".to_owned(),
        order: DayOrder::OldestFirst,
        created_at: Utc::now() - chrono::TimeDelta::hours(1),
    };
    wait_for(holder.0.create_backfill(&other)).unwrap();
    let lease = holder.hold("backfill of hourly");
    wait_for(holder.0.begin_backfill("other", 1, 1, &lease, Utc::now())).unwrap();
    let mut child = start(&kiosk, &kiosk.arguments(0, 1, &[]));
    let mut said = Vec::new();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stderr.take().unwrap()));
    until("it says that it waits", || {
        said.push(lines.next().unwrap().unwrap());
        said.iter().any(|line| line == "waiting: other backfills have 1 of the 1 that the environment allows")
    });
    assert_eq!((holder.days("running"), holder.days("done")), (0, 0));
    holder.give_back(&lease);
    said.extend(lines.map(Result::unwrap));
    assert_eq!(child.wait().unwrap().code(), Some(0), "{said:?}");
    assert!(said.iter().any(|line| line.contains("2 days done")), "{said:?}");
}

#[test]
fn ten_years_at_once_are_enough() {
    let kiosk = Kiosk::without_sales();
    let ask = |from: &str, to: &str| -> Ran {
        kiosk.0.lifecycle(&["backfill", "nightly", "--from", from, "--to", to, "--dry-run"])
    };
    ask("2010-03-01", "2020-03-01").expect(2).says(&[
        "2010-03-01 to 2020-03-01 are 3,654 days, more than 10 years in one backfill",
        "hint: check the years",
    ]);
    ask("0001-01-01", "2020-03-01").expect(2).says(&["more than 10 years"]);
    let tomorrow = (Utc::now().date_naive() + chrono::Days::new(2)).to_string();
    ask(&tomorrow, &tomorrow).expect(2).says(&["is still to come", "hint: the last complete day is"]);
    ask("2025-01-01", "9999-12-31").expect(2).says(&["is still to come"]);
}

#[test]
fn what_ops_look_at_does_not_need_sound_models() {
    let kiosk = kiosk();
    kiosk.backfill(0, 0, &[]).expect(0);
    let id = newest_backfill(&kiosk);
    kiosk.0.write("sql/marts/totals.sql", "select nothing from nowhere\n");
    kiosk.0.write("jobs/nightly.yaml", "name: [\n");
    kiosk.0.lifecycle(&["backfill", "list"]).expect(0).says(&[&id[..13]]);
    kiosk.0.lifecycle(&["backfill", "show", &id]).expect(0).says(&["1 of 1 days done (100 %)"]);
    kiosk.0.lifecycle(&["backfill", "resume", &id]).expect(2);
    let listed = kiosk.0.command(&["backfill", "list", "-o", "csv"]).stdout(Stdio::piped()).output().unwrap();
    assert!(String::from_utf8(listed.stdout).unwrap().contains("day_order"));
}
