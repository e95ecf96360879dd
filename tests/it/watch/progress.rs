//! How far a run is, as other processes see it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use lifecycle::progress::Silent;
use lifecycle::state::{ProgressRecord, RunOutcome, State};
use lifecycle::watch::{Clock, Recorder};

use super::{Place, Recorded, Time, at, record};
use crate::run::until::until_it_is;

async fn started(state: &State) -> String {
    let run = Recorded { outcome: None, ..Recorded::new(1, RunOutcome::Succeeded, 0) };
    record(state, &run).await;
    run.run_id
}

/// The note of a run, as soon as it satisfies.
async fn noted(
    state: &State,
    run_id: &str,
    is_wanted: impl Fn(Option<&ProgressRecord>) -> bool,
) -> Option<ProgressRecord> {
    let mut note = None;
    until_it_is("the note", async || {
        note = state.progress_notes().await.unwrap().remove(run_id);
        is_wanted(note.as_ref())
    })
    .await;
    note
}

#[tokio::test]
async fn the_stage_at_work_is_noted_now_and_then_and_taken_away_at_the_end() {
    const PAUSE: Duration = Duration::from_millis(20);
    let place = Place::new();
    let state = place.state().await;
    let run_id = started(&state).await;
    // The clock is read once for each write.
    let writes = Arc::new(AtomicU32::new(0));
    let clock: Clock = {
        let writes = writes.clone();
        Arc::new(move || {
            writes.fetch_add(1, Ordering::SeqCst);
            at(1)
        })
    };
    let began = Instant::now();
    let recorder = Recorder::start_with_pause(state.clone(), run_id.clone(), Arc::new(Silent), clock, PAUSE);
    let progress = recorder.progress();
    let landing = progress.start("landing orders", None);
    landing.advance(3);
    landing.message("orders/3.csv");
    let note = noted(&state, &run_id, |note| note.is_some()).await.unwrap();
    let expected = ProgressRecord {
        stage: "landing orders".to_owned(),
        detail: Some("orders/3.csv".to_owned()),
        done: 3,
        total: None,
        updated_at: at(1),
    };
    assert_eq!(note, expected);
    landing.finish();
    let building = progress.start("building", Some(41));
    // However many steps there are, no more is written.
    let (busy, mut steps) = (Instant::now(), 0);
    while busy.elapsed() < PAUSE * 10 {
        for _ in 0..1_000 {
            building.advance(1);
        }
        steps += 1_000;
        tokio::task::yield_now().await;
    }
    building.message("marts.totals");
    let note = noted(&state, &run_id, |note| note.is_some_and(|note| note.detail.is_some() && note.done > 3)).await;
    let note = note.unwrap();
    assert_eq!((note.stage.as_str(), note.done, note.total), ("building", steps, Some(41)));
    assert_eq!(note.detail.as_deref(), Some("marts.totals"));
    recorder.stop().await;
    assert_eq!(noted(&state, &run_id, |note| note.is_none()).await, None);
    let most = began.elapsed().as_millis() / PAUSE.as_millis() + 1;
    let writes = writes.load(Ordering::SeqCst);
    assert!(u128::from(writes) <= most, "{writes} writes, where {most} have time");
}

#[tokio::test]
async fn a_short_run_notes_nothing() {
    let place = Place::new();
    let (state, time) = (place.state().await, Time::at(1));
    let run_id = started(&state).await;
    let pause = Duration::from_secs(3_600);
    let recorder = Recorder::start_with_pause(state.clone(), run_id, Arc::new(Silent), time.clock(), pause);
    recorder.progress().start("building", Some(2)).advance(1);
    recorder.stop().await;
    assert!(state.progress_notes().await.unwrap().is_empty());
}

#[tokio::test]
async fn the_note_of_a_run_that_died_goes_with_the_next_one() {
    let place = Place::new();
    let state = place.state().await;
    let dead = started(&state).await;
    let note =
        ProgressRecord { stage: "building".to_owned(), detail: None, done: 1, total: Some(2), updated_at: at(0) };
    state.note_progress(&dead, &note).await.unwrap();
    let facts = state.job_facts(at(0)).await.unwrap();
    assert_eq!(facts["nightly"].progress, Some(note.clone()));
    // Its lease is over: whatever it noted is not shown any more.
    assert_eq!(state.job_facts(at(10)).await.unwrap()["nightly"].progress, None);
    let next = Recorded { outcome: None, ..Recorded::new(2, RunOutcome::Succeeded, 10) };
    record(&state, &next).await;
    state.note_progress(&next.run_id, &note).await.unwrap();
    assert_eq!(state.progress_notes().await.unwrap().into_keys().collect::<Vec<_>>(), [next.run_id]);
}
