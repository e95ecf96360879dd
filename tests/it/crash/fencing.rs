//! A process that sleeps before any of its writes, wakes when another has worked, and must not spoil what that one did.
//!
//! Both work in this process, each with a state of its own; the sleeper's store holds one write back, and the clock ends
//! its lease.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use lifecycle::run::{RunError, Surroundings, rollback_job, run_job};

use super::gate::{Gate, Write};
use super::{Everything, Time, day, deliver, everything, night, request, stall, state, unlike_the_release};
use crate::run::{Shop, assert_same, wait_for};

/// What the other process does while the sleeper sleeps.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Other {
    /// The same night, with one more object.
    Night,
    /// One mart of the same night, and what it needs; the rest is kept.
    Selection,
    /// The night before once more: there is nothing to do.
    Nothing,
    Rollback,
}

/// Two releases of a stall, and a third night's objects that wait.
fn two_nights() -> Shop {
    let shop = stall();
    let time = Time::new();
    for number in 0..2 {
        deliver(&shop, day(number), number);
        wait_for(night(&shop, &time.surroundings(&shop), day(number))).unwrap();
    }
    shop
}

fn third_day(shop: &Shop) {
    deliver(shop, day(2), 2);
    deliver(shop, day(0), 5);
}

struct Ended {
    /// What the sleeper was about to write.
    held: String,
    outcome: Result<(), RunError>,
    /// How many releases the other made.
    others: u64,
    /// The sleeper has written something that can be seen, after it woke.
    has_written: bool,
}

/// Logs, releases and exports, with the bytes' lengths.
fn visible(shop: &Shop) -> BTreeMap<String, u64> {
    let is_ours = |name: &str| !name.starts_with("publishing/") && !name.starts_with("_probe-");
    shop.published().into_iter().filter(|(name, _)| is_ours(name)).collect()
}

/// Runs the third night up to one of its writes, then the other process, then the rest; `None` if it writes less often.
fn sleep_at(shop: &Shop, write: Write, other: Other) -> Option<Ended> {
    let time = Time::new();
    if other != Other::Nothing {
        third_day(shop);
    }
    wait_for(async {
        let gate = Gate::before(write);
        let surroundings = time.surroundings(shop);
        let sleeper = Surroundings { stores: gate.stores(surroundings.stores.clone()), ..time.surroundings(shop) };
        let (project, own) = (shop.project(), state(shop).await);
        let sleeping = tokio::spawn(async move { run_job(&project, &own, &sleeper, &request(day(2), &[])).await });
        let mut sleeping = std::pin::pin!(sleeping);
        let held = tokio::select! {
            held = gate.reached() => held,
            outcome = &mut sleeping => {
                outcome.unwrap().unwrap();
                return None;
            }
        };
        let other_state = state(shop).await;
        let busy = run_job(&shop.project(), &other_state, &surroundings, &request(day(2), &[])).await.unwrap_err();
        assert!(matches!(busy, RunError::Busy { .. }), "{busy}");
        time.pass(TimeDelta::minutes(11));
        let project = shop.project();
        let published = match other {
            Other::Night => {
                deliver(shop, day(1), 7);
                run_job(&project, &other_state, &surroundings, &request(day(2), &[])).await.map(|report| report.release)
            }
            Other::Selection => {
                let request = request(day(2), &["marts.days"]);
                run_job(&project, &other_state, &surroundings, &request).await.map(|report| report.release)
            }
            Other::Nothing => {
                run_job(&project, &other_state, &surroundings, &request(day(1), &[])).await.map(|report| report.release)
            }
            Other::Rollback => rollback_job(&project, &other_state, &surroundings, "nightly", Some(1)).await.map(Some),
        }
        .unwrap_or_else(|error| panic!("{other:?} while the sleeper was about to write {held}: {error:?}"));
        let seen = visible(shop);
        gate.open();
        let outcome = sleeping.await.unwrap().map(|_| ());
        let has_written = visible(shop) != seen;
        Some(Ended { held, outcome, others: published.is_some().into(), has_written })
    })
}

/// What the exports should be: the marts of the current release.
fn assert_exports_are_of_the_release(shop: &Shop, what: &str) {
    for (name, rows) in super::exports(shop) {
        let Some(table) = name.strip_prefix("export ").and_then(|name| name.strip_suffix(".parquet")) else { continue };
        let expected = super::published(shop, None).remove(&format!("marts.{table}")).unwrap();
        assert_eq!(rows, expected, "{what}: {name}");
    }
    let record: serde_json::Value =
        serde_json::from_slice(&std::fs::read(shop.path("warehouse/exports/nightly/release.json")).unwrap()).unwrap();
    assert_eq!(record["release"].as_u64(), Some(shop.release().number), "{what}");
}

/// Lets the third night sleep before a write, and checks all that can be seen then and after one night more.
fn try_sleeping_at(shop: &Shop, write: Write, other: Other, undisturbed: &mut Undisturbed) -> bool {
    let before = shop.release().number;
    let Some(Ended { held, outcome, others, has_written }) = sleep_at(shop, write, other) else { return false };
    let what = format!("{other:?} before {write:?}, {}", held.rsplit_once("/warehouse/").unwrap_or_default().1);
    println!("{what}: {outcome:?}");
    // Nobody has published since, and it was about to write the record: it is as if it had been quicker.
    let is_in_time = other == Other::Nothing && held.contains("/releases/");
    let had_published = held.contains("/exports/");
    match &outcome {
        Ok(()) if had_published || is_in_time => {}
        // The other has marked its run as interrupted.
        Err(RunError::State(_)) if had_published || is_in_time => {}
        Err(error @ (RunError::Publish(_) | RunError::LeaseLost { .. })) if !had_published => {
            let words = error.to_string();
            assert!(words.contains("another process") && words.contains("nothing was published"), "{what}: {words}");
        }
        outcome => panic!("{what}: {outcome:?}"),
    }
    let expected = before + others + u64::from(had_published || is_in_time);
    assert_eq!(shop.release_numbers(), (1..=expected).collect::<Vec<_>>(), "{what}");
    assert!(others == 1 || other == Other::Nothing || had_published, "{what}");
    assert!(!has_written || had_published || is_in_time, "{what}: it wrote something that can be seen");
    if !is_in_time {
        assert_eq!(unlike_the_release(shop), [""; 0], "{what}");
        if expected > before {
            assert_exports_are_of_the_release(shop, &what);
        }
    }
    // The next night finds everything as if nobody had slept.
    let time = Time::new();
    time.pass(TimeDelta::hours(1));
    third_day(shop);
    wait_for(night(shop, &time.surroundings(shop), day(2))).unwrap();
    assert_eq!(unlike_the_release(shop), [""; 0], "{what}, after the next night");
    assert_same(&everything(shop), undisturbed.of(other));
    true
}

/// The third night without a sleeper, by what has been delivered.
#[derive(Default)]
struct Undisturbed(BTreeMap<bool, Everything>);

impl Undisturbed {
    fn of(&mut self, other: Other) -> &Everything {
        let has_more = other == Other::Night;
        self.0.entry(has_more).or_insert_with(|| {
            let shop = two_nights();
            third_day(&shop);
            if has_more {
                deliver(&shop, day(1), 7);
            }
            wait_for(night(&shop, &Time::new().surroundings(&shop), day(2))).unwrap();
            everything(&shop)
        })
    }
}

#[test]
fn a_run_that_slept_before_a_write_publishes_nothing() {
    let shop = two_nights();
    let mut undisturbed = Undisturbed::default();
    for (write, other) in [
        (Write::To("marts/totals/part-"), Other::Night),
        (Write::To("publishing/"), Other::Night),
        // The other process keeps this table as it is.
        (Write::To("marts/customers/_delta_log/"), Other::Selection),
        (Write::To("marts/totals_history/_delta_log/"), Other::Nothing),
        (Write::To("releases/"), Other::Rollback),
        (Write::To("exports/nightly/days.csv"), Other::Night),
    ] {
        assert!(try_sleeping_at(&shop.copy(), write, other, &mut undisturbed), "{write:?}");
    }
}

#[test]
#[ignore = "long: about 90 trials"]
fn a_run_that_slept_before_any_write_publishes_nothing() {
    let shop = two_nights();
    let mut undisturbed = Undisturbed::default();
    let mut trials = 0;
    for other in [Other::Rollback, Other::Nothing, Other::Selection, Other::Night] {
        let mut passes = 0;
        while try_sleeping_at(&shop.copy(), Write::After(passes), other, &mut undisturbed) {
            passes += 1;
        }
        println!("{other:?}: asleep before each of {passes} writes");
        trials += passes;
    }
    println!("{trials} trials, 0 violations");
}
