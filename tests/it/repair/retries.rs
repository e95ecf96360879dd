//! Which failures are tried again, after which pauses, and what of a failed attempt is not done again.

use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::DateTime;
use futures::FutureExt;
use futures::future::BoxFuture;
use lifecycle::config::{Project, Retry, load_project};
use lifecycle::interrupt::{Interrupt, channel};
use lifecycle::progress::Silent;
use lifecycle::run::{
    FailedAttempt, RetryListener, RunError, RunReport, RunRequest, Surroundings, WhenBusy, backoff, run_with_retries,
};
use lifecycle::state::{LeaseOutcome, RunFilter, RunOutcome, RunStatus, State, Trigger};
use lifecycle::storage::Stores;
use object_store::memory::InMemory;
use object_store::{ObjectStoreExt, PutPayload};
use sqlx::{ConnectOptions, Connection};
use tempfile::TempDir;

use crate::faults::runs::{orders, write_project};
use crate::faults::store::Answer::{DiskFull, Forbidden403, Unavailable503};
use crate::faults::store::Fault::Before;
use crate::faults::store::{FaultyStore, Operation, Plan};
use crate::faults::{path, stores_over};
use crate::land::day;

const NOON: i64 = 1_709_500_000;

/// A small project over a store that can be told to fail, a clock that stands still, and what was heard.
struct Desk {
    folder: TempDir,
    project: Project,
    faulty: Arc<FaultyStore>,
    stores: Stores,
    seconds: Arc<AtomicI64>,
    interrupt: Interrupt,
}

impl Desk {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        write_project(folder.path(), "raw: s3://bucket/raw\nwarehouse: s3://bucket/warehouse\n");
        let project = load(folder.path());
        let base = InMemory::new();
        let rows = orders(&[(1, 1, 1, "10.00"), (2, 2, 1, "5.50"), (4, 3, 1, "1.25")]);
        base.put(&path("raw/orders/1.csv"), PutPayload::from(rows)).await.unwrap();
        let faulty = Arc::new(FaultyStore::new(Arc::new(base), Plan::Never));
        let stores = stores_over(&faulty);
        let seconds = Arc::new(AtomicI64::new(NOON));
        Self { folder, project, faulty, stores, seconds, interrupt: Interrupt::never() }
    }

    fn edit(&mut self, name: &str, from: &str, to: &str) {
        let file = self.folder.path().join(name);
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains(from), "`{from}` in {text}");
        std::fs::write(file, text.replace(from, to)).unwrap();
        self.project = load(self.folder.path());
    }

    async fn state(&self) -> State {
        State::open(&self.folder.path().join("state.db")).await.unwrap()
    }

    async fn run(&self, state: &State, listener: &dyn RetryListener) -> Result<RunReport, RunError> {
        let seconds = self.seconds.clone();
        let surroundings = Surroundings {
            stores: self.stores.clone(),
            clock: Arc::new(move || DateTime::from_timestamp(seconds.load(Ordering::SeqCst), 0).unwrap()),
            progress: Arc::new(Silent),
            interrupt: self.interrupt.clone(),
            watch: Default::default(),
        };
        let request = RunRequest {
            job: "nightly".to_owned(),
            as_of: day("2024-03-01"),
            select: Vec::new(),
            full_refresh: false,
            variables: Vec::new(),
            trigger: Trigger::Schedule,
            backfill_id: None,
        };
        run_with_retries(&self.project, state, &surroundings, &request, listener).await
    }

    /// Every call of a kind that writes a data file of a model's table.
    fn model_files(&self) -> usize {
        let is_file =
            |path: &str| path.ends_with(".parquet") && !path.contains("/landed/") && !path.contains("exports");
        let calls = self.faulty.calls();
        calls.iter().filter(|(of, path)| !of.reads() && *of != Operation::Delete && is_file(path.as_ref())).count()
    }
}

fn load(folder: &Path) -> Project {
    load_project(folder, "local", &|_| None).unwrap_or_else(|problems| panic!("{problems}"))
}

/// Notes what it hears, and does something between two attempts.
struct Script<F: Fn(u32) + Send + Sync> {
    heard: Mutex<Vec<(u32, u32, Duration, String)>>,
    between: F,
    when_busy: WhenBusy,
}

impl<F: Fn(u32) + Send + Sync> Script<F> {
    fn new(between: F) -> Self {
        Self { heard: Mutex::default(), between, when_busy: WhenBusy::TryAgain }
    }

    fn heard(&self) -> Vec<(u32, u32, Duration, String)> {
        self.heard.lock().unwrap().clone()
    }
}

impl<F: Fn(u32) + Send + Sync> RetryListener for Script<F> {
    fn tries_again(&self, failed: &FailedAttempt<'_>) {
        let heard = (failed.attempt, failed.attempts, failed.pause, failed.error.to_string());
        self.heard.lock().unwrap().push(heard);
        (self.between)(failed.attempt);
    }

    fn when_busy(&self) -> WhenBusy {
        self.when_busy
    }

    fn pause(&self, _pause: Duration) -> BoxFuture<'static, ()> {
        futures::future::ready(()).boxed()
    }

    fn jitter(&self) -> f64 {
        0.5
    }
}

#[test]
fn pauses_double_up_to_a_limit_and_are_a_share_of_that() {
    let retry = Retry { attempts: 9, backoff: Duration::from_secs(30), max_backoff: Duration::from_secs(200) };
    let longest: Vec<u64> = (1..=6).map(|failed| backoff(&retry, failed, 1.0).as_secs()).collect();
    assert_eq!(longest, [30, 60, 120, 200, 200, 200]);
    assert_eq!(backoff(&retry, 2, 0.25), Duration::from_secs(15));
    assert_eq!(backoff(&retry, 1, 0.0), Duration::ZERO);
    assert_eq!(backoff(&retry, u32::MAX, 1.0), Duration::from_secs(200));
    let share = ().jitter();
    assert!((0.0..1.0).contains(&share) && share != ().jitter(), "random");
}

/// The store fails from the first commit of the mart on: all is built and checked by then.
async fn failing_at_the_commit(desk: &Desk) {
    let fork = Desk::new().await;
    fork.run(&fork.state().await, &()).await.unwrap();
    let creates = fork.faulty.calls().into_iter().filter(|(of, _)| *of == Operation::Create);
    let commit = creates.map(|(_, path)| path.to_string()).position(|path| path.contains("marts/revenue/_delta_log"));
    let call = commit.unwrap() + 1;
    desk.faulty.plan(Plan::From { of: Some(Operation::Create), call, fault: Before(Unavailable503) });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_attempt_built_and_checked_is_not_done_again() {
    let desk = Desk::new().await;
    failing_at_the_commit(&desk).await;
    let state = desk.state().await;
    let (faulty, built) = (desk.faulty.clone(), Mutex::new(0));
    let script = Script::new(|_| {
        *built.lock().unwrap() = desk.model_files();
        faulty.plan(Plan::Never);
    });
    let report = desk.run(&state, &script).await.unwrap();
    let heard = script.heard();
    assert_eq!(heard.len(), 1, "{heard:?}");
    assert_eq!((heard[0].0, heard[0].1, heard[0].2), (1, 3, Duration::from_secs(15)), "{heard:?}");
    assert!(*built.lock().unwrap() >= 2, "the tables were built before the commit failed");
    let reasons: Vec<&str> = report.tables.iter().map(|table| table.step.reason.as_str()).collect();
    assert_eq!(reasons, ["kept from the attempt before"; 2], "{report:#?}");
    // The second attempt writes the rows of the history's day, and no table.
    let histories = |path: &str| path.contains("_history/");
    let calls = desk.faulty.calls();
    let files = calls.iter().filter(|(of, path)| {
        *of != Operation::Delete
            && !of.reads()
            && path.as_ref().ends_with(".parquet")
            && path.as_ref().contains("warehouse/")
            && !path.as_ref().contains("exports")
    });
    assert!(files.clone().all(|(_, path)| histories(path.as_ref())), "{:?}", files.collect::<Vec<_>>());
    assert!(report.landings.is_empty(), "what landed has landed");
    assert_eq!(report.release.as_ref().unwrap().number, 1);
    assert!(!report.findings.is_empty() && report.findings.iter().all(lifecycle::check::Finding::is_passed));

    // Each attempt is a run, and says which.
    let runs = state.list_runs(&RunFilter::default(), DateTime::from_timestamp(NOON, 0).unwrap()).await.unwrap();
    let told: Vec<(RunStatus, &str)> =
        runs.iter().rev().map(|run| (run.status, run.message.as_deref().unwrap_or_default())).collect();
    assert_eq!(told.len(), 2);
    assert_eq!(told[0].0, RunStatus::Ended(RunOutcome::Failed));
    assert!(told[0].1.starts_with("attempt 1 of 3: table `marts.revenue` could not be committed: "), "{told:?}");
    assert_eq!(told[1], (RunStatus::Ended(RunOutcome::Succeeded), "attempt 2 of 3"));
    let attempts = state.attempts_of(None).await.unwrap();
    assert_eq!(attempts.len(), 1);
    assert_eq!((attempts[0].attempt, &attempts[0].run_id), (2, &runs[0].run_id));
    assert_eq!(attempts[0].of_run.as_ref(), Some(&runs[1].run_id));
    assert_eq!(state.attempts_of(Some(&runs[1].run_id)).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exports_that_fail_for_a_while_are_written_by_the_next_attempt() {
    let desk = Desk::new().await;
    let state = desk.state().await;
    desk.faulty.plan(Plan::At { of: Operation::Put, part: "exports/", fault: Before(Unavailable503) });
    let script = Script::new(|_| desk.faulty.plan(Plan::Never));
    let report = desk.run(&state, &script).await.unwrap();
    let heard = script.heard();
    assert_eq!(heard.len(), 1, "{heard:?}");
    assert_eq!(heard[0].3, "release 1 is published, but its exports are not all written");
    assert_eq!((report.outcome(), report.release.map(|release| release.number)), (RunOutcome::Succeeded, Some(1)));
    let runs = state.list_runs(&RunFilter::default(), DateTime::from_timestamp(NOON, 0).unwrap()).await.unwrap();
    let ended: Vec<_> = runs.iter().rev().map(|run| (run.status, run.release)).collect();
    assert_eq!(
        ended,
        [(RunStatus::Ended(RunOutcome::PartlyFailed), Some(1)), (RunStatus::Ended(RunOutcome::NothingToDo), None)]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_changed_between_two_attempts_is_built_again() {
    let desk = Desk::new().await;
    failing_at_the_commit(&desk).await;
    let state = desk.state().await;
    let script = Script::new(|_| {
        desk.faulty.plan(Plan::Never);
        let more = PutPayload::from(orders(&[(9, 9, 1, "3.00")]));
        let put = desk.faulty.inner().put(&path("raw/orders/2.csv"), more).now_or_never();
        put.expect("memory answers at once").unwrap();
    });
    let report = desk.run(&state, &script).await.unwrap();
    assert_eq!(report.landings.len(), 1);
    let reasons: Vec<&str> = report.tables.iter().map(|table| table.step.reason.as_str()).collect();
    assert_eq!(reasons, ["first build"; 2]);
    let rows: Vec<Option<u64>> = report.tables.iter().map(|table| table.rows).collect();
    assert_eq!(rows, [Some(4); 2]);
    // The files of the attempt before lie there only where a commit may name them.
    assert!(desk.run(&state, &()).await.unwrap().release.is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attempts_end_and_leave_no_file_that_was_not_tried() {
    let desk = Desk::new().await;
    // All is built; then the announcement of the publication fails, and nothing has been committed.
    let fork = Desk::new().await;
    fork.run(&fork.state().await, &()).await.unwrap();
    let calls = fork.faulty.calls();
    let puts = calls.iter().filter(|(of, _)| *of == Operation::Put);
    let announced = puts.clone().position(|(_, path)| path.as_ref().contains("/publishing/")).unwrap() + 1;
    let plan = |call| Plan::From { of: Some(Operation::Put), call, fault: Before(Unavailable503) };
    desk.faulty.plan(plan(announced));
    let state = desk.state().await;
    let script = Script::new(|attempt| {
        // The second attempt announces with its first put, the third cannot either.
        desk.faulty.plan(plan(1));
        assert!(attempt < 3);
    });
    let error = desk.run(&state, &script).await.unwrap_err();
    assert!(error.may_pass(), "{error}");
    let pauses: Vec<Duration> = script.heard().into_iter().map(|(_, _, pause, _)| pause).collect();
    assert_eq!(pauses, [Duration::from_secs(15), Duration::from_secs(30)]);
    desk.faulty.plan(Plan::Never);
    let store = desk.faulty.inner();
    let listed: Vec<_> = futures::TryStreamExt::try_collect(store.list(Some(&path("warehouse")))).await.unwrap();
    let paths: Vec<String> =
        listed.into_iter().map(|meta: object_store::ObjectMeta| meta.location.to_string()).collect();
    let left = paths.iter().filter(|path| path.ends_with(".parquet") && !path.contains("/landed/"));
    assert_eq!(left.collect::<Vec<_>>(), Vec::<&String>::new());
    assert_eq!(desk.run(&state, &()).await.unwrap().release.unwrap().number, 1);
}

/// Runs once with a listener that must not be asked for another attempt.
async fn told_at_once(desk: &Desk) -> RunError {
    let state = desk.state().await;
    let script = Script::new(|_| panic!("tried again"));
    let error = desk.run(&state, &script).await.unwrap_err();
    assert!(!error.may_pass(), "{error}");
    error
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_pass_is_not_tried_again() {
    let mut desk = Desk::new().await;
    desk.edit("jobs/nightly.yaml", "max_rejected: 50%", "max_rejected: 0%");
    let bad = PutPayload::from(orders(&[(9, 9, 1, "x")]));
    desk.faulty.inner().put(&path("raw/orders/2.csv"), bad).await.unwrap();
    let error = told_at_once(&desk).await;
    assert!(matches!(error, RunError::Land(_)), "{error}");

    desk.edit("jobs/nightly.yaml", "max_rejected: 0%", "max_rejected: 50%");
    desk.edit("sql/marts/revenue.yaml", "checks: [not_null]", "checks: [{accepted_values: [nobody]}]");
    assert!(matches!(told_at_once(&desk).await, RunError::Checks(_)));
    desk.edit("sql/marts/revenue.yaml", "checks: [{accepted_values: [nobody]}]", "checks: [not_null]");

    desk.edit("sql/marts/revenue.sql", "sum(orders)", "sum(no_such_column)");
    assert!(matches!(told_at_once(&desk).await, RunError::Transform(_)));
    desk.edit("sql/marts/revenue.sql", "sum(no_such_column)", "sum(orders)");

    for answer in [Forbidden403, DiskFull] {
        desk.faulty.plan(Plan::From { of: Some(Operation::Put), call: 1, fault: Before(answer) });
        told_at_once(&desk).await;
        desk.faulty.plan(Plan::Never);
    }
    assert!(desk.run(&desk.state().await, &()).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_locked_state_is_tried_again() {
    let desk = Desk::new().await;
    let file = desk.folder.path().join("state.db");
    let state = State::open_within(&file, Duration::from_millis(30)).await.unwrap();
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&file);
    let mut other = options.connect().await.unwrap();
    sqlx::query("begin immediate").execute(&mut other).await.unwrap();
    let other = Mutex::new(Some(other));
    let script = Script::new(|_| {
        let other = other.lock().unwrap().take().unwrap();
        std::thread::spawn(move || {
            crate::run::wait_for(async move { other.close().await.unwrap() });
        })
        .join()
        .unwrap();
    });
    let report = desk.run(&state, &script).await.unwrap();
    assert!(report.release.is_some());
    let heard = script.heard();
    assert!(heard.len() == 1 && heard[0].3.contains("is locked by another process"), "{heard:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_is_taken_is_told_waited_for_or_tried_again() {
    let desk = Desk::new().await;
    let state = desk.state().await;
    let other = desk.state().await;
    let (lease_time, now) = (Duration::from_secs(90), DateTime::from_timestamp(NOON, 0).unwrap());
    let LeaseOutcome::Acquired(lease) = other.acquire_lease("nightly", "somebody", lease_time, now).await.unwrap()
    else {
        panic!("nobody has it");
    };
    let told = Script { when_busy: WhenBusy::Tell, ..Script::new(|_| panic!("tried again")) };
    assert!(matches!(desk.run(&state, &told).await, Err(RunError::Busy { .. })));

    // Each pause is as long as a dead owner's lease lasts at most.
    let script = Script::new(|_| {
        desk.seconds.fetch_add(60, Ordering::SeqCst);
    });
    let report = desk.run(&state, &script).await.unwrap();
    assert!(report.release.is_some());
    let heard = script.heard();
    assert_eq!(heard.iter().map(|heard| heard.2).collect::<Vec<_>>(), [state.lease_time(); 2]);
    assert_eq!(heard[0].0 + heard[1].0, 3);
    assert!(!other.lease_is_current(&lease, now).await.unwrap());

    // Waiting counts no attempt.
    let later = DateTime::from_timestamp(desk.seconds.load(Ordering::SeqCst), 0).unwrap();
    let taken = other.acquire_lease("nightly", "somebody", lease_time, later).await.unwrap();
    assert!(matches!(taken, LeaseOutcome::Acquired(_)), "{taken:?}");
    struct Patient<'a>(&'a Desk, Mutex<u32>);
    impl RetryListener for Patient<'_> {
        fn when_busy(&self) -> WhenBusy {
            WhenBusy::Wait
        }
        fn waits(&self, busy: &RunError) {
            assert!(busy.to_string().contains("is being run by somebody since"), "{busy}");
            *self.1.lock().unwrap() += 1;
        }
        fn pause(&self, pause: Duration) -> BoxFuture<'static, ()> {
            self.0.seconds.fetch_add(pause.as_secs() as i64, Ordering::SeqCst);
            futures::future::ready(()).boxed()
        }
    }
    let patient = Patient(&desk, Mutex::default());
    assert!(desk.run(&state, &patient).await.is_ok());
    assert_eq!(*patient.1.lock().unwrap(), 1, "told once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interrupt_ends_a_pause() {
    let (interrupter, interrupt) = channel();
    let desk = Desk { interrupt, ..Desk::new().await };
    desk.faulty.plan(Plan::From { of: None, call: 1, fault: Before(Unavailable503) });
    struct Endless(lifecycle::interrupt::Interrupter);
    impl RetryListener for Endless {
        fn pause(&self, _pause: Duration) -> BoxFuture<'static, ()> {
            let interrupter = self.0.clone();
            async move {
                interrupter.interrupt();
                futures::future::pending::<()>().await;
            }
            .boxed()
        }
    }
    let error = desk.run(&desk.state().await, &Endless(interrupter)).await.unwrap_err();
    assert!(matches!(error, RunError::Interrupted), "{error}");
    let runs = desk.state().await.list_runs(&RunFilter::default(), DateTime::from_timestamp(NOON, 0).unwrap()).await;
    assert_eq!(runs.unwrap().len(), 1, "one attempt");
}
