//! Two daemons on one state: each run key is executed once, whoever is first.

use std::collections::BTreeMap;
use std::sync::{Arc, Barrier, Mutex};
use std::time::Instant;

use chrono::TimeDelta;
use lifecycle::config::StateLocation;
use lifecycle::state::ScheduledStatus;

use super::{Counter, Diary, Office, at};
use crate::run::wait_for;
use crate::state::Place;

const JOBS: usize = 10;

/// Lets two daemons, each on its own thread with its own connection, look at the same instants at the same moment.
/// Returns how many run keys each executed.
fn race(rounds: usize, server: Option<StateLocation>) -> [usize; 2] {
    let office = Office { server, ..Office::new("2026-03-02T00:00:30Z") };
    for job in 0..JOBS {
        office.job(&format!("job_{job}"), "{cron: \"* * * * *\", overlap: allow}");
    }
    wait_for(async {
        let state = office.state().await;
        let (counter, diary) = (Counter::new(&state, &office.time, "first"), Arc::new(Diary::default()));
        super::tick(&mut office.daemon("first", &state, &counter, &diary)).await;
    });
    let (gate, executed) = (Barrier::new(2), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for owner in ["one", "other"] {
            let (office, gate, executed) = (&office, &gate, &executed);
            scope.spawn(move || {
                wait_for(async {
                    let state = office.state().await;
                    let (counter, diary) = (Counter::new(&state, &office.time, owner), Arc::new(Diary::default()));
                    let mut daemon = office.daemon(owner, &state, &counter, &diary);
                    for _ in 0..rounds {
                        if gate.wait().is_leader() {
                            office.time.pass(TimeDelta::minutes(1));
                        }
                        gate.wait();
                        super::tick(&mut daemon).await;
                    }
                    gate.wait();
                    // What one of them left to the other is done now, at the latest.
                    super::tick(&mut daemon).await;
                    executed.lock().unwrap().push(counter.executed().len());
                    assert_eq!(diary.take().iter().filter(|line| line.contains("state lost")).count(), 0);
                });
            });
        }
    });
    let log = wait_for(async { office.state().await.schedule_log(None, 1_000_000).await.unwrap() });
    let mut keys: BTreeMap<_, usize> = BTreeMap::new();
    for run in &log {
        assert_eq!((run.status, run.attempts), (ScheduledStatus::Done, 1), "{run:?}");
        assert!(run.scheduled_at > at("2026-03-02T00:00:30Z"));
        *keys.entry((run.job.clone(), run.scheduled_at)).or_default() += 1;
    }
    let executed = executed.into_inner().unwrap();
    assert_eq!(keys.len(), rounds * JOBS, "every key");
    assert_eq!(executed.iter().sum::<usize>(), rounds * JOBS, "each executed once: {executed:?}");
    [executed[0], executed[1]]
}

#[test]
fn two_daemons_execute_each_run_key_once() {
    let [one, other] = race(4, None);
    println!("{} run keys raced for by two daemons: {one} and {other}", one + other);
}

#[test]
fn two_daemons_on_a_server_execute_each_run_key_once() {
    let Some(place) = Place::on_server() else { return };
    let [one, other] = race(4, Some(place.location()));
    println!("{} run keys raced for by two daemons on PostgreSQL: {one} and {other}", one + other);
}

#[test]
#[ignore = "long: 1,000 races of two daemons on PostgreSQL"]
fn a_thousand_races_on_a_server() {
    let Some(place) = Place::on_server() else { return };
    let begun = Instant::now();
    let [one, other] = race(100, Some(place.location()));
    println!(
        "{} run keys raced for by two daemons on PostgreSQL: {one} and {other}, each executed once, {:.0} s",
        one + other,
        begun.elapsed().as_secs_f64()
    );
}

#[test]
#[ignore = "long: 1,000 races of two daemons"]
fn a_thousand_races() {
    let begun = Instant::now();
    let [one, other] = race(100, None);
    println!(
        "{} run keys raced for by two daemons: {one} and {other}, each executed once, {:.0} s",
        one + other,
        begun.elapsed().as_secs_f64()
    );
}
