use std::collections::BTreeSet;
use std::io::BufRead;
use std::time::Duration;

use lifecycle::state::{LeaseOutcome, State, StateError};

use super::{MINUTE, Place, acquire, at};

async fn a_held_lease_names_its_owner_and_its_end(place: Place) {
    let state = place.open().await;
    acquire(&state, "nightly", at(0)).await;
    let outcome = state.acquire_lease("nightly", "other", MINUTE, at(59)).await.unwrap();
    assert_eq!(outcome, LeaseOutcome::Held { owner: "tester".to_owned(), since: at(0), expires_at: at(60) });
    // Another name is another lease.
    acquire(&state, "landing", at(59)).await;
}

async fn a_lease_whose_time_is_over_goes_to_the_next_with_a_greater_token(place: Place) {
    let state = place.open().await;
    let first = acquire(&state, "nightly", at(0)).await;
    let second = acquire(&state, "nightly", at(60)).await;
    assert!(second.token > first.token);
    assert!(!state.lease_is_current(&first, at(30)).await.unwrap(), "a greater token ends the lease at any time");
    assert!(state.lease_is_current(&second, at(60)).await.unwrap());
    assert!(!state.lease_is_current(&second, at(120)).await.unwrap());
}

async fn the_loser_of_a_lease_can_neither_renew_nor_release_it(place: Place) {
    let state = place.open().await;
    let first = acquire(&state, "nightly", at(0)).await;
    let second = acquire(&state, "nightly", at(61)).await;
    let error = state.renew_lease(&first, MINUTE, at(62)).await.unwrap_err();
    assert!(matches!(&error, StateError::LeaseLost { name, .. } if name == "nightly"), "{error}");
    state.release_lease(&first, at(62)).await.unwrap();
    assert!(state.lease_is_current(&second, at(63)).await.unwrap());
}

async fn renewing_moves_the_end_also_after_the_time_was_over_if_nobody_took_it(place: Place) {
    let state = place.open().await;
    let lease = acquire(&state, "nightly", at(0)).await;
    let lease = state.renew_lease(&lease, MINUTE, at(50)).await.unwrap();
    assert_eq!(lease.expires_at, at(110));
    assert!(state.lease_is_current(&lease, at(109)).await.unwrap());
    let lease = state.renew_lease(&lease, MINUTE, at(500)).await.unwrap();
    assert!(state.lease_is_current(&lease, at(559)).await.unwrap());
}

async fn tokens_grow_over_releases_and_reopenings(place: Place) {
    let mut last = 0;
    for round in 0..5 {
        let state = place.open().await;
        let lease = acquire(&state, "nightly", at(round)).await;
        assert!(lease.token > last);
        last = lease.token;
        state.release_lease(&lease, at(round)).await.unwrap();
        assert!(!state.lease_is_current(&lease, at(round)).await.unwrap());
        state.close().await;
    }
}

#[tokio::test]
async fn an_owner_that_died_gives_way_at_once_a_living_one_does_not() {
    let place = Place::new();
    let living = place.open().await;
    let lease = acquire(&living, "nightly", at(0)).await;
    let other = place.open().await;
    assert!(matches!(other.acquire_lease("nightly", "other", MINUTE, at(1)).await.unwrap(), LeaseOutcome::Held { .. }));
    // The system gives up a dead process's file locks; dropping the state does the same here.
    living.close().await;
    drop(living);
    let next = acquire(&other, "nightly", at(2)).await;
    assert_eq!(next.token, lease.token + 1);
}

/// Not a test of its own: the process that the next test starts and kills.
#[tokio::test]
#[ignore = "started by a_killed_process_gives_way_at_once"]
async fn a_process_that_holds_a_lease() {
    let Some(file) = std::env::var_os("LIFECYCLE_TEST_STATE") else { return };
    let state = State::open(&std::path::PathBuf::from(file)).await.unwrap();
    acquire(&state, "nightly", at(0)).await;
    println!("holding");
    std::io::stdin().read_line(&mut String::new()).unwrap();
}

#[tokio::test]
async fn a_killed_process_gives_way_at_once() {
    let place = Place::new();
    let mut child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "--nocapture", "state::leases::a_process_that_holds_a_lease"])
        .env("LIFECYCLE_TEST_STATE", place.file())
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = std::io::BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("holding")));
    let state = place.open().await;
    let outcome = state.acquire_lease("nightly", "other", MINUTE, at(1)).await.unwrap();
    assert!(matches!(outcome, LeaseOutcome::Held { .. }), "{outcome:?}");
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(acquire(&state, "nightly", at(2)).await.token, 2);
}

async fn of_many_that_ask_at_once_exactly_one_gets_the_lease(place: Place) {
    // Each with a file handle of its own, as processes have, and all of them creating the file at once.
    let tasks = (0..16).map(|_| {
        let location = place.location();
        tokio::spawn(async move {
            let state = State::open(&location).await.unwrap();
            let outcome = state.acquire_lease("nightly", "racer", MINUTE, at(0)).await.unwrap();
            (state, outcome)
        })
    });
    let mut acquired = 0;
    let mut open = Vec::new();
    for task in tasks.collect::<Vec<_>>() {
        let (state, outcome) = task.await.unwrap();
        acquired += usize::from(matches!(outcome, LeaseOutcome::Acquired(_)));
        open.push(state);
    }
    assert_eq!(acquired, 1);
}

async fn tokens_are_never_given_twice(place: Place) {
    let state = place.open().await;
    let mut tasks = Vec::new();
    for _ in 0..32 {
        let state = state.clone();
        // A lease without a time to live is over at once, so everybody gets one.
        tasks.push(tokio::spawn(async move {
            match state.acquire_lease("nightly", "racer", Duration::ZERO, at(0)).await.unwrap() {
                LeaseOutcome::Acquired(lease) => lease.token,
                LeaseOutcome::Held { .. } => panic!("nobody holds it"),
            }
        }));
    }
    let mut tokens = BTreeSet::new();
    for task in tasks {
        assert!(tokens.insert(task.await.unwrap()));
    }
    assert_eq!(tokens.len(), 32);
}

on_both_databases!(
    a_held_lease_names_its_owner_and_its_end,
    a_lease_whose_time_is_over_goes_to_the_next_with_a_greater_token,
    the_loser_of_a_lease_can_neither_renew_nor_release_it,
    renewing_moves_the_end_also_after_the_time_was_over_if_nobody_took_it,
    tokens_grow_over_releases_and_reopenings,
    of_many_that_ask_at_once_exactly_one_gets_the_lease,
    tokens_are_never_given_twice,
);
