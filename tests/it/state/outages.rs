//! A database server that goes and comes back, and connections that end at any point.

use std::fmt::Write as _;

use arrow::util::pretty::pretty_format_batches;
use chrono::TimeDelta;
use lifecycle::run::{RunError, Surroundings, run_job};
use lifecycle::state::{
    BackfillStart, CheckStatus, ClaimRule, DayClaim, DayOrder, DayOutcome, DaysLeft, NextDay, OpsTable, RepairRecord,
    RepairStatus, RunFinish, RunOutcome, State, StateError, TableAction,
};
use std::time::Duration;

use super::proxy::{Counted, Cut, Proxy};
use super::runs::{check, source, table};
use super::server::{self, Server};
use super::{MINUTE, acquire, at, run_start};
use crate::crash::gate::{Gate, Write};
use crate::crash::{Time, day, deliver, everything, request, stall};
use crate::run::wait_for;

/// Does all that a run and a backfill do with the state, and returns all that is in it then.
async fn nights_work(state: &State) -> String {
    let lease = acquire(state, "nightly", at(0)).await;
    state.start_run(&run_start("a", "nightly", "2026-01-01", &lease, at(1))).await.unwrap();
    state.record_sources("a", &[source("orders", 10, 2), source("visits", 3, 0)]).await.unwrap();
    state.record_tables("a", &[table("marts.churn", TableAction::Built)]).await.unwrap();
    state.record_checks("a", &[check("churn.grain", CheckStatus::Failed)]).await.unwrap();
    state.note_attempt("a", 2, None).await.unwrap();
    let repair = RepairRecord {
        table: "marts.churn_history".to_owned(),
        as_of: super::day("2025-12-30"),
        status: RepairStatus::Moved,
        reason: "landed.orders of 2025-12-29".to_owned(),
        added: 1,
        removed: 0,
        changed: 2,
    };
    state.record_repairs("a", &[repair]).await.unwrap();
    let lease = state.renew_lease(&lease, MINUTE, at(2)).await.unwrap();
    let finish = RunFinish { outcome: RunOutcome::Succeeded, finished_at: at(3), message: None, release: Some(1) };
    state.finish_run("a", &finish).await.unwrap();
    state.release_lease(&lease, at(4)).await.unwrap();
    let days = ["2026-01-01", "2026-01-02", "2026-01-03", "2026-01-04"].map(super::day).to_vec();
    let start = BackfillStart {
        backfill_id: "b".to_owned(),
        job: "nightly".to_owned(),
        environment: "local".to_owned(),
        days,
        selection: "all".to_owned(),
        order: DayOrder::OldestFirst,
        created_at: at(5),
    };
    state.create_backfill(&start).await.unwrap();
    let lease = acquire(state, "nightly", at(6)).await;
    assert_eq!(state.begin_backfill("b", 2, 3, &lease, at(6)).await.unwrap().granted, 2);
    let rule = ClaimRule { next: NextDay::Earliest, only: DaysLeft::All };
    for outcome in [DayOutcome::Done, DayOutcome::Failed] {
        let DayClaim::Day(claimed) = state.claim_backfill_day("b", &rule, &lease, at(7)).await.unwrap() else {
            panic!("a day waits");
        };
        state.finish_backfill_day(&claimed, &lease, outcome, Some("a"), None, at(8)).await.unwrap();
    }
    state.pause_backfill("b", "anna on moon", at(8)).await.unwrap();
    assert_eq!(state.cancel_backfill("b", at(9)).await.unwrap(), 2);
    assert_eq!(state.resume_backfill("b", DaysLeft::All, at(10)).await.unwrap(), 3);
    let mut all = String::new();
    for table in OpsTable::ALL {
        let batch = state.ops_table(*table, at(11)).await.unwrap();
        writeln!(all, "{table}\n{}", pretty_format_batches(&[batch]).unwrap()).unwrap();
    }
    all
}

/// Cuts the connection at each of the counted messages in turn, or at every third; returns the number of trials.
async fn cut_at_every_message(counted: Counted, step: usize) -> usize {
    let Some(port) = server::shared() else { return 0 };
    let undisturbed = {
        let proxy = Proxy::start(port, counted, None).await;
        let mut location = server::location(port);
        location.port = proxy.port;
        let state = State::open(&server::on(&location)).await.unwrap();
        (nights_work(&state).await, proxy.count())
    };
    let mut trials = 0;
    for number in (0..undisturbed.1).step_by(step) {
        for cut in [Cut::Before, Cut::After] {
            let proxy = Proxy::start(port, counted, Some((number, cut))).await;
            let mut location = server::location(port);
            location.port = proxy.port;
            // Who opens it is told; nobody has lost anything.
            let state = match State::open(&server::on(&location)).await {
                Ok(state) => state,
                Err(StateError::ConnectionLost { .. } | StateError::Unreachable { .. }) if proxy.has_cut() => {
                    State::open(&server::on(&location)).await.unwrap()
                }
                Err(error) => panic!("{cut:?} {number}: {error:?}"),
            };
            assert_eq!(nights_work(&state).await, undisturbed.0, "{cut:?} {number}");
            trials += 1;
        }
    }
    trials
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_ends_during_a_commit_neither_loses_nor_doubles_it() {
    let trials = cut_at_every_message(Counted::Commits, 3).await;
    assert!(trials >= 10 || server::shared().is_none(), "{trials}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: about 400 trials"]
async fn a_connection_that_ends_at_any_message_neither_loses_nor_doubles_anything() {
    let trials = cut_at_every_message(Counted::Commits, 1).await + cut_at_every_message(Counted::All, 1).await;
    println!("{trials} connections cut, before and after each message of a client: no difference");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_asked_while_the_server_restarts_is_answered_when_it_is_back() {
    let Some(mut server) = Server::start() else { return };
    let location = server::location(server.port());
    let state = State::open(&server::on(&location)).await.unwrap();
    let mut lease = acquire(&state, "nightly", at(0)).await;
    for ends in [Server::stop, Server::crash] {
        ends(&mut server);
        let (other, held) = (state.clone(), lease.clone());
        let renewal = tokio::spawn(async move { other.renew_lease(&held, MINUTE, at(30)).await });
        let other = state.clone();
        let reading = tokio::spawn(async move { other.lease_owner("nightly", at(1)).await });
        server.start_again();
        lease = renewal.await.unwrap().unwrap();
        assert_eq!(reading.await.unwrap().unwrap().as_deref(), Some("tester"));
    }
    assert!(state.lease_is_current(&lease, at(89)).await.unwrap());
}

/// A stall with a night behind it, whose state is on a server of its own; a second night runs up to its release.
struct HeldNight {
    server: Server,
    shop: crate::run::Shop,
    time: Time,
    location: lifecycle::config::PostgresLocation,
}

impl HeldNight {
    fn new() -> Option<Self> {
        let server = Server::start()?;
        let location = server::location(server.port());
        let shop = stall();
        let time = Time::new();
        let held = Self { server, shop, time, location };
        deliver(&held.shop, day(0), 0);
        wait_for(async {
            let state = held.state().await;
            run_job(&held.shop.project(), &state, &held.time.surroundings(&held.shop), &request(day(0), &[])).await
        })
        .unwrap();
        deliver(&held.shop, day(1), 1);
        Some(held)
    }

    /// Waits a second or two where a user's would wait half a minute.
    async fn state(&self) -> State {
        self.state_within(Duration::from_secs(2)).await
    }

    async fn state_within(&self, patience: Duration) -> State {
        State::open_within(&server::on(&self.location), patience)
            .await
            .unwrap()
            .with_lease_time(Duration::from_secs(600))
    }

    /// Runs the second night; does something with the server when the release is about to be written.
    fn run(&mut self, meanwhile: impl FnOnce(&mut Server, &Time)) -> Result<(), RunError> {
        let gate = Gate::before(Write::To("/releases/"));
        let surroundings = self.time.surroundings(&self.shop);
        let held =
            Surroundings { stores: gate.stores(surroundings.stores.clone()), ..self.time.surroundings(&self.shop) };
        let project = self.shop.project();
        wait_for(async {
            let state = self.state().await;
            let running = tokio::spawn(async move { run_job(&project, &state, &held, &request(day(1), &[])).await });
            gate.reached().await;
            meanwhile(&mut self.server, &self.time);
            gate.open();
            running.await.unwrap().map(drop)
        })
    }
}

#[test]
fn a_run_outlives_a_restart_of_the_server() {
    let Some(mut night) = HeldNight::new() else { return };
    let outcome = night.run(|server, _| {
        server.stop();
        server.start_again();
    });
    outcome.unwrap();
    assert_eq!(night.shop.release_numbers(), [1, 2]);
}

#[test]
fn a_run_that_cannot_renew_its_lease_publishes_nothing_and_the_next_one_does() {
    let Some(mut night) = HeldNight::new() else { return };
    let before = everything(&night.shop);
    // The server goes before anything of the night is published.
    let gate = Gate::before(Write::To("/publishing/"));
    let surroundings = night.time.surroundings(&night.shop);
    let held =
        Surroundings { stores: gate.stores(surroundings.stores.clone()), ..night.time.surroundings(&night.shop) };
    let project = night.shop.project();
    let outcome = wait_for(async {
        // Each question to the server that is gone takes its whole patience.
        let state = night.state_within(Duration::from_millis(300)).await;
        let running = tokio::spawn(async move { run_job(&project, &state, &held, &request(day(1), &[])).await });
        gate.reached().await;
        night.server.stop();
        night.time.pass(TimeDelta::minutes(11));
        gate.open();
        running.await.unwrap().map(drop)
    });
    let error = outcome.unwrap_err();
    assert!(matches!(error, RunError::State(StateError::Unreachable { .. })), "{error:?}");
    assert_eq!(night.shop.release_numbers(), [1]);
    let published = |all: crate::crash::Everything| {
        all.into_iter().filter(|(name, _)| !name.starts_with("landed")).collect::<Vec<_>>()
    };
    assert_eq!(published(everything(&night.shop)), published(before));
    night.server.start_again();
    let report = wait_for(async {
        let state = night.state().await;
        let surroundings = night.time.surroundings(&night.shop);
        run_job(&night.shop.project(), &state, &surroundings, &request(day(1), &[])).await
    });
    assert!(report.unwrap().release.is_some());
    assert_eq!(night.shop.release_numbers(), [1, 2]);
}
