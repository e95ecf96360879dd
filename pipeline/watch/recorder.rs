//! Tees the progress of a run to the state, for those who look from other processes.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::Clock;
use crate::progress::{Progress, StageProgress};
use crate::state::{ProgressRecord, State};

/// How often the state hears of it. A run that is shorter writes nothing.
const PAUSE: Duration = Duration::from_secs(1);

/// Notes a run's progress in the state, in the background, while it works.
///
/// The stages only count in memory; one write a second at most follows. What cannot be written is left out.
pub struct Recorder {
    progress: Arc<Tee>,
    stop: oneshot::Sender<()>,
    writer: JoinHandle<()>,
}

impl Recorder {
    /// Begins to note the progress of a run; `inner` sees all of it too.
    pub fn start(state: State, run_id: String, inner: Arc<dyn Progress>, clock: Clock) -> Self {
        Self::start_with_pause(state, run_id, inner, clock, PAUSE)
    }

    /// The same with another pause between two writes; the clock is read once for each write.
    pub fn start_with_pause(
        state: State,
        run_id: String,
        inner: Arc<dyn Progress>,
        clock: Clock,
        pause: Duration,
    ) -> Self {
        let board = Arc::new(Board::default());
        let (stop, stopped) = oneshot::channel();
        let writer = tokio::spawn(write(state, run_id, board.clone(), clock, pause, stopped));
        Self { progress: Arc::new(Tee { inner, board }), stop, writer }
    }

    /// What the run's stages report to.
    pub fn progress(&self) -> Arc<dyn Progress> {
        self.progress.clone()
    }

    /// Takes the note away, and ends.
    pub async fn stop(self) {
        let _ = self.stop.send(());
        let _ = self.writer.await;
    }
}

async fn write(
    state: State,
    run_id: String,
    board: Arc<Board>,
    clock: Clock,
    pause: Duration,
    mut stopped: oneshot::Receiver<()>,
) {
    let mut is_noted = false;
    loop {
        tokio::select! {
            _ = &mut stopped => break,
            () = tokio::time::sleep(pause) => {}
        }
        let Some(progress) = board.news(&clock) else { continue };
        match state.note_progress(&run_id, &progress).await {
            Ok(()) => is_noted = true,
            Err(error) => tracing::debug!(%error, "the progress could not be noted"),
        }
    }
    if is_noted && let Err(error) = state.clear_progress(&run_id).await {
        tracing::debug!(%error, "the note of the progress could not be taken away");
    }
}

/// The stages at work, the newest last.
#[derive(Default)]
struct Board {
    stages: Mutex<Vec<Arc<Stage>>>,
    has_changed: AtomicBool,
}

struct Stage {
    name: String,
    detail: Mutex<Option<String>>,
    done: AtomicU64,
    /// `u64::MAX`: not known.
    total: AtomicU64,
}

impl Board {
    fn stages(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Stage>>> {
        self.stages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is to be noted, if anything has changed since it was last asked.
    fn news(&self, clock: &Clock) -> Option<ProgressRecord> {
        if !self.has_changed.swap(false, Ordering::Relaxed) {
            return None;
        }
        let stage = self.stages().last()?.clone();
        let total = stage.total.load(Ordering::Relaxed);
        Some(ProgressRecord {
            stage: stage.name.clone(),
            detail: stage.detail.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            done: stage.done.load(Ordering::Relaxed),
            total: (total != u64::MAX).then_some(total),
            updated_at: clock(),
        })
    }
}

struct Tee {
    inner: Arc<dyn Progress>,
    board: Arc<Board>,
}

impl Progress for Tee {
    fn start(&self, stage: &str, total: Option<u64>) -> Arc<dyn StageProgress> {
        let noted = Arc::new(Stage {
            name: stage.to_owned(),
            detail: Mutex::default(),
            done: AtomicU64::new(0),
            total: AtomicU64::new(total.unwrap_or(u64::MAX)),
        });
        self.board.stages().push(noted.clone());
        self.board.has_changed.store(true, Ordering::Relaxed);
        Arc::new(TeeStage { inner: self.inner.start(stage, total), noted, board: self.board.clone() })
    }
}

struct TeeStage {
    inner: Arc<dyn StageProgress>,
    noted: Arc<Stage>,
    board: Arc<Board>,
}

impl StageProgress for TeeStage {
    fn set_total(&self, total: u64) {
        self.noted.total.store(total, Ordering::Relaxed);
        self.board.has_changed.store(true, Ordering::Relaxed);
        self.inner.set_total(total);
    }

    fn advance(&self, by: u64) {
        self.noted.done.fetch_add(by, Ordering::Relaxed);
        self.board.has_changed.store(true, Ordering::Relaxed);
        self.inner.advance(by);
    }

    fn message(&self, message: &str) {
        *self.noted.detail.lock().unwrap_or_else(PoisonError::into_inner) = Some(message.to_owned());
        self.board.has_changed.store(true, Ordering::Relaxed);
        self.inner.message(message);
    }

    fn finish(&self) {
        self.board.stages().retain(|stage| !Arc::ptr_eq(stage, &self.noted));
        self.inner.finish();
    }
}

impl Drop for TeeStage {
    fn drop(&mut self) {
        self.board.stages().retain(|stage| !Arc::ptr_eq(stage, &self.noted));
    }
}
