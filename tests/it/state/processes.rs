//! Several processes on one server: one of them gets a lease, and who lost it publishes nothing.

use std::io::{BufRead, BufReader, Write as _};
use std::process::{Child, Command, Stdio};

use chrono::TimeDelta;
use lifecycle::run::{RunError, Surroundings, run_job};
use lifecycle::state::{LeaseOutcome, State};

use super::server;
use super::{MINUTE, Place, acquire, at};
use crate::crash::gate::{Gate, Write};
use crate::crash::{Time, day, deliver, request, stall};
use crate::run::wait_for;

/// Not a test of its own: the process that other tests start. For every line it asks for the lease of that name.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "started by other tests"]
async fn a_process_that_asks_for_leases() {
    let Ok(schema) = std::env::var("LIFECYCLE_TEST_SCHEMA") else { return };
    let mut location = server::location(std::env::var("LIFECYCLE_TEST_PORT").unwrap().parse().unwrap());
    location.schema = schema;
    let state = State::open(&server::on(&location)).await.unwrap();
    println!("ready");
    for name in std::io::stdin().lines() {
        match state.acquire_lease(&name.unwrap(), "racer", MINUTE, at(0)).await.unwrap() {
            LeaseOutcome::Acquired(lease) => println!("won {}", lease.token),
            LeaseOutcome::Held { .. } => println!("held"),
        }
    }
}

struct Racer {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Racer {
    fn start(place: &Place) -> Self {
        let location = place.server.as_ref().unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "--nocapture", "state::processes::a_process_that_asks_for_leases"])
            .env("LIFECYCLE_TEST_SCHEMA", &location.schema)
            .env("LIFECYCLE_TEST_PORT", location.port.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().ends_with("ready")));
        Self { child, lines }
    }

    fn ask(&mut self, name: &str) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{name}").unwrap();
    }

    fn answer(&mut self) -> String {
        self.lines.next().unwrap().unwrap()
    }
}

impl Drop for Racer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn of_two_processes_exactly_one_gets_each_lease() {
    const RACES: usize = 200;
    let Some(place) = Place::on_server() else { return };
    let mut racers = [Racer::start(&place), Racer::start(&place)];
    let mut wins = [0; 2];
    for race in 0..RACES {
        for racer in &mut racers {
            racer.ask(&format!("race {race}"));
        }
        let answers = racers.each_mut().map(Racer::answer);
        let winner = answers.iter().position(|answer| answer == "won 1");
        wins[winner.unwrap_or_else(|| panic!("{answers:?}"))] += 1;
        assert_eq!(answers.iter().filter(|answer| *answer == "held").count(), 1, "{answers:?}");
    }
    println!("{RACES} races of two processes for a lease on PostgreSQL: won {wins:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_process_gives_way_when_its_time_is_over() {
    let Some(place) = Place::on_server() else { return };
    let mut dying = Racer::start(&place);
    dying.ask("nightly");
    assert_eq!(dying.answer(), "won 1");
    drop(dying);
    let state = place.open().await;
    let outcome = state.acquire_lease("nightly", "other", MINUTE, at(59)).await.unwrap();
    assert!(matches!(outcome, LeaseOutcome::Held { .. }), "{outcome:?}");
    assert_eq!(acquire(&state, "nightly", at(60)).await.token, 2);
}

#[test]
fn a_run_that_slept_until_another_took_over_publishes_nothing() {
    let Some(place) = Place::on_server() else { return };
    let shop = stall();
    let time = Time::new();
    let state = async || place.open().await.with_lease_time(std::time::Duration::from_secs(600));
    let run = |number: u64| {
        let surroundings = time.surroundings(&shop);
        let project = shop.project();
        let state = &state;
        async move { run_job(&project, &state().await, &surroundings, &request(day(number), &[])).await }
    };
    deliver(&shop, day(0), 0);
    wait_for(run(0)).unwrap();
    deliver(&shop, day(1), 1);
    wait_for(async {
        let gate = Gate::before(Write::To("/releases/"));
        let surroundings = time.surroundings(&shop);
        let asleep = Surroundings { stores: gate.stores(surroundings.stores.clone()), ..time.surroundings(&shop) };
        let (project, own) = (shop.project(), state().await);
        let sleeping = tokio::spawn(async move { run_job(&project, &own, &asleep, &request(day(1), &[])).await });
        gate.reached().await;
        let busy = run(1).await.unwrap_err();
        assert!(matches!(busy, RunError::Busy { .. }), "{busy}");
        time.pass(TimeDelta::minutes(11));
        deliver(&shop, day(1), 5);
        let report = run(1).await.unwrap();
        let seen = shop.published();
        gate.open();
        let error = sleeping.await.unwrap().unwrap_err();
        assert!(error.to_string().contains("nothing was published"), "{error}");
        assert_eq!(shop.published(), seen);
        assert_eq!(shop.release().number, report.release.unwrap().number);
    });
    assert_eq!(shop.release_numbers(), [1, 2]);
}
