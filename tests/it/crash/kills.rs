//! The real binary, killed at random instants and run again: it ends as if nobody had killed it.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use chrono::Days;
use lifecycle::demo::{deliver_correction, deliver_late_object, deliver_next_day};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{Everything, day, deliver, everything, signal, stall, unlike_the_release};
use crate::run::until::until_just;
use crate::run::{Shop, after_first_night, assert_same, days_before, last_day};

/// A command that is killed, with the project that it works in.
struct Scenario {
    name: &'static str,
    before: Shop,
    command: Vec<String>,
    /// One row of figures of several marts.
    figures: &'static str,
    undisturbed: Everything,
    /// Of the undisturbed command.
    takes: Duration,
}

#[derive(Debug, Default)]
struct Figures {
    trials: u32,
    kills_that_hit: u32,
    recoveries_killed: u32,
    reads: u32,
}

impl Scenario {
    fn new(name: &'static str, before: Shop, command: &[&str], figures: &'static str) -> Self {
        let command: Vec<String> = command.iter().map(|text| (*text).to_owned()).collect();
        let shop = before.copy();
        let begun = Instant::now();
        shop.lifecycle(&command.iter().map(String::as_str).collect::<Vec<_>>()).expect(0);
        let takes = begun.elapsed();
        Self { name, before, command, figures, undisturbed: everything(&shop), takes }
    }

    /// Starts the command and kills it after a while; says whether that hit.
    fn kill(&self, shop: &Shop, arguments: &[String], random: &mut ChaCha8Rng) -> bool {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).chain(["--quiet"]).collect();
        let mut child = shop.command(&arguments).spawn().unwrap();
        std::thread::sleep(self.takes.mul_f64(random.random_range(0.0..1.05)));
        child.kill().unwrap();
        !child.wait().unwrap().success()
    }

    /// What a person does after a kill.
    fn recovery(&self, shop: &Shop) -> Vec<String> {
        if self.command[0] != "backfill" || !shop.path(".lifecycle/state.db").exists() {
            return self.command.clone();
        }
        let listed = shop.lifecycle(&["backfill", "list", "-o", "ndjson"]).expect(0).stdout;
        match listed.lines().next() {
            Some(line) => {
                let newest: serde_json::Value = serde_json::from_str(line).unwrap();
                let id = newest["backfill_id"].as_str().unwrap().to_owned();
                vec!["backfill".to_owned(), "resume".to_owned(), id]
            }
            None => self.command.clone(),
        }
    }

    fn read(&self, shop: &Shop) -> Vec<String> {
        shop.query(self.figures)
    }

    fn trial(&self, random: &mut ChaCha8Rng, figures: &mut Figures, with_readers: bool) {
        let shop = self.before.copy();
        figures.trials += 1;
        figures.kills_that_hit += u32::from(self.kill(&shop, &self.command, random));
        if random.random_bool(0.3) {
            figures.recoveries_killed += u32::from(self.kill(&shop, &self.recovery(&shop), random));
        }
        let recovery = self.recovery(&shop);
        let recovery: Vec<&str> = recovery.iter().map(String::as_str).collect();
        if with_readers {
            let mut seen = BTreeSet::from([self.read(&shop)]);
            let is_over = AtomicBool::new(false);
            std::thread::scope(|scope| {
                let reader = scope.spawn(|| {
                    let mut seen = Vec::new();
                    while !is_over.load(Ordering::SeqCst) {
                        seen.push(self.read(&shop));
                    }
                    seen
                });
                shop.lifecycle(&recovery).expect(0);
                is_over.store(true, Ordering::SeqCst);
                let read = reader.join().unwrap();
                figures.reads += u32::try_from(read.len()).unwrap();
                seen.extend(read);
            });
            seen.insert(self.read(&shop));
            // A backfill makes a release for each of its days; all of them have the same current tables.
            assert!(seen.len() <= 2, "{}: readers saw more than the old release and the new: {seen:?}", self.name);
        } else {
            shop.lifecycle(&recovery).expect(0);
        }
        assert_same(&everything(&shop), &self.undisturbed);
        assert_eq!(unlike_the_release(&shop), [""; 0], "{}", self.name);
    }
}

const SHOP_FIGURES: &str = "select (select count(*) from marts.lifecycle_stages) as stages,
     (select count(*) from marts.churn) as churn, (select sum(revenue) from marts.customer_value) as revenue,
     (select count(*) from intermediate.order_days) as order_days";

fn first_run() -> Scenario {
    let command = ["run", "nightly", "--as-of", &last_day().to_string()];
    Scenario::new("first run", Shop::before_first_night(), &command, SHOP_FIGURES)
}

/// New objects, a changed one and a late one.
fn second_day() -> Scenario {
    let shop = Shop::after_first_night();
    deliver_next_day(&shop.settings(), 1).unwrap();
    deliver_late_object(shop.root(), days_before(25), "c000001", last_day()).unwrap();
    (10..30).find_map(|back| deliver_correction(shop.root(), days_before(back), last_day()).ok()).unwrap();
    let next = last_day() + Days::new(1);
    Scenario::new("second day", shop, &["run", "nightly", "--as-of", &next.to_string()], SHOP_FIGURES)
}

fn backfill() -> Scenario {
    let (from, to) = (days_before(32).to_string(), days_before(29).to_string());
    let command = ["backfill", "nightly", "--from", &from, "--to", &to];
    Scenario::new("backfill", Shop::after_first_night(), &command, SHOP_FIGURES)
}

const STALL_FIGURES: &str = "select (select count(*) from marts.customers) as customers,
     (select sum(amount) from marts.totals) as amount, (select count(*) from marts.days) as days,
     (select count(*) from intermediate.sale_days) as sale_days";

/// The same three of a market stall.
fn of_a_stall() -> [Scenario; 3] {
    let shop = stall();
    for number in 0..4 {
        deliver(&shop, day(number), number);
    }
    let night = |number: u64| ["run".to_owned(), "nightly".to_owned(), "--as-of".to_owned(), day(number).to_string()];
    let scenario = |name, shop: &Shop, command: &[String]| {
        let command: Vec<&str> = command.iter().map(String::as_str).collect();
        Scenario::new(name, shop.copy(), &command, STALL_FIGURES)
    };
    let first = scenario("a stall's first run", &shop, &night(3));
    shop.night(day(3)).expect(0);
    let (from, to) = (day(0).to_string(), day(2).to_string());
    let range = ["backfill", "nightly", "--from", &from, "--to", &to].map(str::to_owned);
    let backfill = scenario("a stall's backfill", &shop, &range);
    deliver(&shop, day(4), 4);
    deliver(&shop, day(1), 9);
    // The object of the second day, with other rows.
    let name = format!("raw/sales/date={}/2.csv", day(2));
    let text = std::fs::read_to_string(shop.path(&name)).unwrap();
    std::fs::remove_file(shop.path(&name)).unwrap();
    shop.write(&name, &text.replace(",c1,", ",c9,"));
    [first, scenario("a stall's second day", &shop, &night(4)), backfill]
}

#[test]
fn a_stall_s_runs_that_were_killed_end_as_if_they_had_not_been() {
    let mut random = ChaCha8Rng::seed_from_u64(11);
    let mut figures = Figures::default();
    for scenario in of_a_stall() {
        // How long a command takes was measured once: where the machine has become faster, a kill comes too late.
        let is_enough = |figures: &Figures, wanted| figures.kills_that_hit >= wanted || figures.trials >= 30;
        let (trials, wanted) = (figures.trials + 2, figures.kills_that_hit + 1);
        while figures.trials < trials || !is_enough(&figures, wanted) {
            let with_readers = figures.trials + 2 == trials;
            scenario.trial(&mut random, &mut figures, with_readers);
        }
        assert!(figures.kills_that_hit >= wanted, "{}: {figures:?}", scenario.name);
    }
}

fn many_trials(scenario: &Scenario, trials: u32, seed: u64) {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut figures = Figures::default();
    for _ in 0..trials {
        scenario.trial(&mut random, &mut figures, true);
    }
    println!("{} (undisturbed {:.1} s): {figures:?}, 0 violations", scenario.name, scenario.takes.as_secs_f64());
}

#[test]
#[ignore = "long: 50 trials"]
fn a_first_run_that_was_killed_can_be_repeated() {
    many_trials(&first_run(), 50, 1);
}

#[test]
#[ignore = "long: 50 trials"]
fn a_second_day_that_was_killed_can_be_repeated() {
    many_trials(&second_day(), 50, 2);
}

#[test]
#[ignore = "long: 50 trials"]
fn a_backfill_that_was_killed_can_be_resumed() {
    many_trials(&backfill(), 50, 3);
}

#[test]
#[ignore = "long: 150 trials"]
fn a_stall_s_runs_that_were_killed_very_often_end_as_if_they_had_not_been() {
    for (scenario, seed) in of_a_stall().iter().zip(4..) {
        many_trials(scenario, 50, seed);
    }
}

/// What a run has just done when it is killed, from its beginning to its end.
const MOMENTS: [&str; 3] = [
    "landed/visits/_kind=row",
    "intermediate/order_days/_delta_log/00000000000000000000.json",
    "exports/nightly/churn.csv",
];

#[test]
fn a_run_that_was_killed_at_a_known_moment_can_be_repeated() {
    let undisturbed = everything(after_first_night());
    let mut killed = 0;
    for moment in MOMENTS {
        let shop = Shop::before_first_night();
        let sign = shop.path("warehouse").join(moment);
        let mut child =
            shop.command(&["run", "nightly", "--as-of", &last_day().to_string(), "--quiet"]).spawn().unwrap();
        until_just(moment, || sign.exists() || child.try_wait().unwrap().is_some());
        child.kill().unwrap();
        killed += u32::from(!child.wait().unwrap().success());
        // The dead owner's lock is free, so nobody has to wait for its lease.
        shop.night(last_day()).expect(0);
        assert_same(&everything(&shop), &undisturbed);
        assert_eq!(unlike_the_release(&shop), [""; 0], "killed at {moment}");
    }
    assert!(killed >= 2, "{killed} runs were killed before their end");
}

#[test]
fn exports_that_a_dead_process_did_not_write_are_written_by_the_next() {
    let shop = Shop::after_first_night();
    let exports = shop.path("warehouse/exports/nightly");
    let churn = std::fs::read(exports.join("churn.csv")).unwrap();
    std::fs::remove_dir_all(&exports).unwrap();
    shop.night(last_day()).expect(0).says(&["nothing to do"]);
    assert_eq!(std::fs::read(exports.join("churn.csv")).unwrap(), churn);
    assert!(exports.join("customer_value.parquet").exists());
    // A format that the job gained or lost is a reason, too.
    shop.edit("jobs/nightly.yaml", "exports: [parquet, csv]", "exports: [csv]");
    std::fs::remove_file(exports.join("churn.csv")).unwrap();
    shop.night(last_day()).expect(0);
    assert_eq!(std::fs::read(exports.join("churn.csv")).unwrap(), churn);
}

#[test]
fn a_run_that_is_asked_to_stop_stops_and_leaves_nothing_half_done() {
    let shop = Shop::before_first_night();
    let mut child = shop.command(&["run", "nightly", "--as-of", &last_day().to_string(), "--quiet"]).spawn().unwrap();
    let sign = shop.path("warehouse/landed/orders/_delta_log/00000000000000000000.json");
    until_just("the first landing", || sign.exists() || child.try_wait().unwrap().is_some());
    signal(&child, "-INT");
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(shop.release_numbers().is_empty());
    assert_eq!(shop.query("select status from ops.runs"), ["interrupted"]);
    shop.night(last_day()).expect(0);
    assert_same(&everything(&shop), &everything(after_first_night()));
}
