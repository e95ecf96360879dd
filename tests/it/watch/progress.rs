//! How far a run is, as other processes see it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use lifecycle::progress::Silent;
use lifecycle::state::{ProgressRecord, RunOutcome, State};
use lifecycle::watch::Recorder;

use super::{Place, Recorded, Time, at, record};

async fn started(state: &State) -> String {
    let run = Recorded { outcome: None, ..Recorded::new(1, RunOutcome::Succeeded, 0) };
    record(state, &run).await;
    run.run_id
}

/// The note of a run, as soon as it satisfies; at most ten seconds.
async fn noted(
    state: &State,
    run_id: &str,
    is_wanted: impl Fn(Option<&ProgressRecord>) -> bool,
) -> Option<ProgressRecord> {
    let began = Instant::now();
    loop {
        let note = state.progress_notes().await.unwrap().remove(run_id);
        if is_wanted(note.as_ref()) {
            return note;
        }
        assert!(began.elapsed() < Duration::from_secs(10), "{note:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn the_stage_at_work_is_noted_about_once_a_second_and_taken_away_at_the_end() {
    let place = Place::new();
    let (state, time) = (place.state().await, Time::at(1));
    let run_id = started(&state).await;
    let recorder = Recorder::start(state.clone(), run_id.clone(), Arc::new(Silent), time.clock());
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
    // A million steps are a million additions, and no more writes than before.
    let began = Instant::now();
    for _ in 0..1_000_000 {
        building.advance(1);
    }
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    building.message("marts.totals");
    let note = noted(&state, &run_id, |note| note.is_some_and(|note| note.done == 1_000_000)).await.unwrap();
    assert_eq!((note.stage.as_str(), note.total, note.detail.as_deref()), ("building", Some(41), Some("marts.totals")));
    recorder.stop().await;
    assert_eq!(noted(&state, &run_id, |note| note.is_none()).await, None);
}

#[tokio::test]
async fn a_short_run_notes_nothing() {
    let place = Place::new();
    let (state, time) = (place.state().await, Time::at(1));
    let run_id = started(&state).await;
    let recorder = Recorder::start(state.clone(), run_id.clone(), Arc::new(Silent), time.clock());
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
